//! Devices that run models, chosen at run time.

use std::fmt;
use std::str::FromStr;

use burn::tensor::Device;

use untrusted_input::did_you_mean;
#[cfg(feature = "cuda")]
use untrusted_input::{catch_panic, clipped};

/// Names of `--device`, without the aliases `cpu` and `gpu`.
pub const DEVICE_NAMES: [&str; 4] = ["flex", "ndarray", "wgpu", "cuda"];

/// A requested device: `flex`, `ndarray`, `wgpu`, `wgpu:1`, `cuda`, `cuda:0`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceRequest {
    backend: &'static str,
    index: Option<usize>,
}

/// Why a device cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// The name is unknown.
    #[error("unknown device `{given}`{hint}; expected cpu, gpu, flex, ndarray, wgpu, wgpu:N, cuda or cuda:N")]
    Unknown {
        /// The name on the command line.
        given: String,
        /// A suggestion, or an empty text.
        hint: String,
    },
    /// The program was built without the backend.
    #[error(
        "this program was built without `{backend}`: build it with `cargo install --path . --features {backend}` \
         (devices in this build: {})",
        built_in().join(", ")
    )]
    NotBuilt {
        /// The Cargo feature.
        backend: &'static str,
    },
    /// The device does not exist or cannot be opened.
    #[error("{device}: {reason}")]
    Unavailable {
        /// The requested device.
        device: String,
        /// The error of the driver.
        reason: String,
    },
}

/// Devices in this build, the default first.
fn built_in() -> Vec<&'static str> {
    let built =
        [cfg!(feature = "flex"), cfg!(feature = "ndarray"), cfg!(feature = "wgpu"), cfg!(feature = "cuda")];
    DEVICE_NAMES.into_iter().zip(built).filter_map(|(name, built)| built.then_some(name)).collect()
}

impl FromStr for DeviceRequest {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, DeviceError> {
        let unknown = || DeviceError::Unknown {
            given: text.to_owned(),
            hint: did_you_mean(text.split(':').next().unwrap_or(text), DEVICE_NAMES),
        };
        let (name, index) = match text.split_once(':') {
            Some((name, index)) => (name, Some(index.parse().map_err(|_| unknown())?)),
            None => (text, None),
        };
        let name = match name {
            "cpu" => "flex",
            "gpu" => "wgpu",
            other => other,
        };
        let backend = DEVICE_NAMES.into_iter().find(|known| *known == name).ok_or_else(unknown)?;
        if index.is_some() && matches!(backend, "flex" | "ndarray") {
            return Err(unknown());
        }
        Ok(Self { backend, index })
    }
}

impl fmt::Display for DeviceRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.backend)?;
        self.index.map_or(Ok(()), |index| write!(formatter, ":{index}"))
    }
}

impl DeviceRequest {
    /// Name of the backend, which is part of a run's identity.
    pub fn backend(&self) -> &'static str {
        self.backend
    }

    /// Opens the device.
    pub fn open(&self) -> Result<ComputeDevice, DeviceError> {
        match self.backend {
            #[cfg(feature = "flex")]
            "flex" => Ok(ComputeDevice::host(Device::flex(), "flex")),
            #[cfg(feature = "ndarray")]
            "ndarray" => {
                // Deprecated upstream as of 0.22 and kept working on the pinned version.
                #[allow(deprecated)]
                let device = Device::ndarray();
                Ok(ComputeDevice::host(device, "ndarray"))
            }
            #[cfg(feature = "wgpu")]
            "wgpu" => self.open_wgpu(),
            #[cfg(feature = "cuda")]
            "cuda" => self.open_cuda(),
            backend => Err(DeviceError::NotBuilt { backend }),
        }
    }

    #[cfg(feature = "wgpu")]
    fn open_wgpu(&self) -> Result<ComputeDevice, DeviceError> {
        let (burn, adapter) = super::wgpu::open(self.index).map_err(|error| DeviceError::Unavailable {
            device: self.to_string(),
            reason: error.to_string(),
        })?;
        Ok(ComputeDevice {
            burn,
            backend: self.backend,
            description: format!("wgpu:{adapter}"),
            is_host: false,
            largest_buffer_bytes: Some(adapter.largest_buffer_bytes),
        })
    }

    #[cfg(feature = "cuda")]
    fn open_cuda(&self) -> Result<ComputeDevice, DeviceError> {
        let index = self.index.unwrap_or(0);
        // The first operation loads the CUDA runtime, and panics without one.
        let start = || {
            let device = Device::cuda(index);
            burn::tensor::Tensor::<1>::zeros([1], &device).try_into_data().map(|_| device)
        };
        let unavailable = |reason: String| DeviceError::Unavailable { device: self.to_string(), reason };
        match catch_panic(start) {
            Ok(Ok(burn)) => Ok(ComputeDevice {
                burn,
                backend: self.backend,
                description: format!("cuda:{index}"),
                is_host: false,
                largest_buffer_bytes: None,
            }),
            Ok(Err(error)) => Err(unavailable(error.to_string())),
            Err(_) => Err(unavailable(
                "no CUDA driver, or no GPU with this index; `nvidia-smi -L` lists the GPUs".to_owned(),
            )),
        }
    }
}

/// An open device.
#[derive(Debug, Clone)]
pub struct ComputeDevice {
    burn: Device,
    backend: &'static str,
    description: String,
    is_host: bool,
    largest_buffer_bytes: Option<u64>,
}

impl ComputeDevice {
    #[cfg(any(feature = "flex", feature = "ndarray"))]
    fn host(burn: Device, backend: &'static str) -> Self {
        let description = backend.to_owned();
        Self { burn, backend, description, is_host: true, largest_buffer_bytes: None }
    }

    /// The CPU backend that other devices are compared with: `flex`, or `ndarray` in a build without it.
    pub fn reference() -> Result<Self, DeviceError> {
        let backend = if cfg!(feature = "ndarray") && !cfg!(feature = "flex") { "ndarray" } else { "flex" };
        DeviceRequest { backend, index: None }.open()
    }

    /// Burn's device.
    pub fn burn(&self) -> &Device {
        &self.burn
    }

    /// Name of the backend: `flex`, `ndarray`, `wgpu`, `cuda`.
    pub fn backend(&self) -> &'static str {
        self.backend
    }

    /// Whether the device is the CPU.
    pub fn is_host(&self) -> bool {
        self.is_host
    }

    /// Maximum bytes of one tensor, if the device has a limit.
    pub fn largest_buffer_bytes(&self) -> Option<u64> {
        self.largest_buffer_bytes
    }

    /// The same device with another limit for one tensor, to test that large tensors are split.
    #[must_use]
    pub fn with_largest_buffer(mut self, bytes: u64) -> Self {
        self.largest_buffer_bytes = Some(bytes);
        self
    }
}

impl fmt::Display for ComputeDevice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.description)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_and_without_index() {
        for name in ["flex", "ndarray", "wgpu", "wgpu:1", "cuda:0"] {
            assert_eq!(name.parse::<DeviceRequest>().unwrap().to_string(), name);
        }
        for (alias, name) in [("cpu", "flex"), ("gpu", "wgpu"), ("gpu:1", "wgpu:1")] {
            assert_eq!(alias.parse::<DeviceRequest>().unwrap().to_string(), name);
        }
        let error = "wgup".parse::<DeviceRequest>().unwrap_err().to_string();
        assert!(error.contains("did you mean `wgpu`?"), "{error}");
        assert!("flex:1".parse::<DeviceRequest>().is_err());
        assert!("wgpu:x".parse::<DeviceRequest>().is_err());
    }
}
