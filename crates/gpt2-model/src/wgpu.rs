//! Choosing and opening a wgpu adapter for Burn.
//!
//! Burn's own `Device::wgpu` is lazy: without an adapter it panics at the first tensor operation, and it does not report which
//! adapter it uses. This module lists the adapters, opens one, and returns an [`Error`] if that fails.
//!
//! Only the adapters of one graphics API are listed, because two APIs (Vulkan and Direct3D 12 on Windows) would list a GPU
//! twice. OpenGL, wgpu's secondary backend, is never used.

use std::fmt;
use std::pin::pin;
use std::sync::OnceLock;
use std::task::{Context, Poll, Waker};

use burn::tensor::Device;
use burn::tensor::wgpu::{WgpuSetup, wgpu};

/// The graphics APIs to use, best first.
const APIS: [wgpu::Backend; 3] = [wgpu::Backend::Vulkan, wgpu::Backend::Metal, wgpu::Backend::Dx12];

/// One adapter that wgpu reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adapter {
    /// Index in wgpu's order, for [`open`].
    pub index: usize,
    /// Name from the driver.
    pub name: String,
    /// `discrete GPU`, `integrated GPU`, `virtual GPU`, `CPU` or `other`.
    pub kind: String,
    /// Graphics API, such as `Vulkan`.
    pub api: String,
    /// Maximum bytes of a tensor. Burn binds a tensor as one storage buffer, so this is the smaller of wgpu's limits for a
    /// buffer and for a storage binding.
    pub largest_buffer_bytes: u64,
}

impl Adapter {
    fn new(index: usize, adapter: &wgpu::Adapter) -> Self {
        let info = adapter.get_info();
        let limits = adapter.limits();
        let kind = match info.device_type {
            wgpu::DeviceType::DiscreteGpu => "discrete GPU",
            wgpu::DeviceType::IntegratedGpu => "integrated GPU",
            wgpu::DeviceType::VirtualGpu => "virtual GPU",
            wgpu::DeviceType::Cpu => "CPU",
            wgpu::DeviceType::Other => "other",
        };
        Self {
            index,
            name: info.name,
            kind: kind.to_owned(),
            api: format!("{:?}", info.backend),
            largest_buffer_bytes: limits.max_buffer_size.min(limits.max_storage_buffer_binding_size),
        }
    }
}

impl fmt::Display for Adapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (index, name, kind, api) = (self.index, &self.name, &self.kind, &self.api);
        write!(f, "{index}: {name} ({kind}, {api})")
    }
}

/// Error of opening a wgpu device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// wgpu found no adapter.
    NoAdapter,
    /// No adapter has this index; the available adapters.
    NoSuchAdapter(usize, Vec<Adapter>),
    /// The adapter, or Burn's runtime on it, could not be initialized, for this reason.
    Init(Adapter, String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAdapter => {
                f.write_str("no GPU found: no Vulkan, Metal or Direct3D 12 driver reports one; install a driver, or use --device cpu")
            }
            Self::NoSuchAdapter(index, available) => {
                write!(f, "GPU {index} does not exist; available:")?;
                available.iter().try_for_each(|a| write!(f, "\n  {a}"))
            }
            Self::Init(adapter, why) => write!(f, "cannot open GPU {adapter}: {why}"),
        }
    }
}

impl std::error::Error for Error {}

/// Opens adapter `index`, in wgpu's own order, or, for `None`, the best one: discrete, integrated,
/// virtual, other, then CPU (such as lavapipe).
///
/// Every call starts another Burn runtime, which lives until the process ends. Open an adapter once and clone the device.
///
/// # Errors
///
/// If there is no adapter, none with this index, or it cannot be initialized.
pub fn open(index: Option<usize>) -> Result<(Device, Adapter), Error> {
    let found = found();
    let ranks = found.iter().map(|a| rank(a.get_info().device_type));
    let best = ranks.enumerate().min_by_key(|&(_, rank)| rank);
    let index = index.or(best.map(|(i, _)| i)).ok_or(Error::NoAdapter)?;
    let Some(adapter) = found.get(index) else {
        return Err(match describe(&found) {
            none if none.is_empty() => Error::NoAdapter,
            available => Error::NoSuchAdapter(index, available),
        });
    };
    let described = Adapter::new(index, adapter);
    // All features, as cubecl-wgpu requests, except the experimental ones: enabling those is unsafe, and WGSL kernels do not
    // use them.
    let wanted = wgpu::DeviceDescriptor {
        required_features: adapter.features()
            - wgpu::Features::MAPPABLE_PRIMARY_BUFFERS
            - wgpu::Features::all_experimental_mask(),
        required_limits: adapter.limits(),
        memory_hints: wgpu::MemoryHints::MemoryUsage,
        ..Default::default()
    };
    let (device, queue) = block_on(adapter.request_device(&wanted))
        .map_err(|why| Error::Init(described.clone(), why.to_string()))?;
    let setup = WgpuSetup {
        instance: instance().clone(),
        adapter: adapter.clone(),
        device,
        queue,
        backend: adapter.get_info().backend,
    };
    let device = Device::wgpu_options().setup(setup).init();
    let device = device.map_err(|why| Error::Init(described.clone(), why.to_string()))?;
    Ok((device, described))
}

fn describe(found: &[wgpu::Adapter]) -> Vec<Adapter> {
    let numbered = found.iter().enumerate();
    numbered.map(|(i, a)| Adapter::new(i, a)).collect()
}

/// Adapters with a lower rank are preferred.
fn rank(kind: wgpu::DeviceType) -> u8 {
    match kind {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Other => 3,
        wgpu::DeviceType::Cpu => 4,
    }
}

/// The adapters of the first API that has a GPU or, failing that, of the first that has any.
fn found() -> Vec<wgpu::Adapter> {
    let mut all = block_on(instance().enumerate_adapters(wgpu::Backends::PRIMARY));
    let reaches = |api: wgpu::Backend, software: bool| {
        let mut infos = all.iter().map(wgpu::Adapter::get_info);
        infos.any(|i| i.backend == api && (software || i.device_type != wgpu::DeviceType::Cpu))
    };
    let api = APIS.into_iter().find(|&api| reaches(api, false));
    let api = api.or_else(|| APIS.into_iter().find(|&api| reaches(api, true)));
    all.retain(|adapter| Some(adapter.get_info().backend) == api);
    all
}

/// The only instance of the process: some Vulkan loaders fail if instances are created repeatedly.
fn instance() -> &'static wgpu::Instance {
    static INSTANCE: OnceLock<wgpu::Instance> = OnceLock::new();
    INSTANCE.get_or_init(|| {
        wgpu::Instance::new(wgpu::InstanceDescriptor {
            backends: wgpu::Backends::PRIMARY,
            ..wgpu::InstanceDescriptor::new_without_display_handle()
        })
    })
}

/// Waits for a future of wgpu. On native platforms it is ready at once.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::yield_now(),
        }
    }
}
