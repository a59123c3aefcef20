//! Nonlinearities of the MLP, with the formulas of transformers (`activations.py`) and PyTorch.

use burn::tensor::{Tensor, activation};
use serde::{Deserialize, Serialize};

/// Nonlinearity of the MLP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// GPT-2's own: the tanh approximation of GELU (`gelu_new`).
    GeluTanh,
    /// GELU with the error function.
    Gelu,
    /// GELU between −10 and 10.
    #[serde(rename = "gelu_10")]
    Gelu10,
    /// x · sigmoid(1.702·x).
    QuickGelu,
    /// max(0, x).
    Relu,
    /// max(0, x)².
    Relu2,
    /// max(0, x), at most 6.
    Relu6,
    /// x, and 0.01·x where x is negative.
    LeakyRelu,
    /// x · sigmoid(x).
    Silu,
    /// 1 / (1 + exp(−x)).
    Sigmoid,
    /// tanh(x).
    Tanh,
    /// x · tanh(ln(1 + exp(x))).
    Mish,
    /// x · min(max(0, x + 3), 6) / 6.
    #[serde(rename = "hardswish")]
    HardSwish,
    /// The distribution function of N(μ, σ²), with [`LAPLACE`].
    Laplace,
    /// √(ln(1 + exp(x))).
    #[serde(rename = "sqrtsoftplus")]
    SqrtSoftplus,
    /// x.
    Linear,
}

/// The names of `config.json`, first the usual one of each nonlinearity. `gelu_fast`, `gelu_accurate` and the two of PyTorch
/// are GPT-2's own up to the order of operations.
const NAMES: [(&str, Activation); 22] = [
    ("gelu_new", Activation::GeluTanh),
    ("gelu_pytorch_tanh", Activation::GeluTanh),
    ("gelu_python_tanh", Activation::GeluTanh),
    ("gelu_fast", Activation::GeluTanh),
    ("gelu_accurate", Activation::GeluTanh),
    ("gelu", Activation::Gelu),
    ("gelu_python", Activation::Gelu),
    ("gelu_10", Activation::Gelu10),
    ("quick_gelu", Activation::QuickGelu),
    ("relu", Activation::Relu),
    ("relu2", Activation::Relu2),
    ("relu6", Activation::Relu6),
    ("leaky_relu", Activation::LeakyRelu),
    ("silu", Activation::Silu),
    ("swish", Activation::Silu),
    ("sigmoid", Activation::Sigmoid),
    ("tanh", Activation::Tanh),
    ("mish", Activation::Mish),
    ("hardswish", Activation::HardSwish),
    ("laplace", Activation::Laplace),
    ("sqrtsoftplus", Activation::SqrtSoftplus),
    ("linear", Activation::Linear),
];

/// μ and σ of [`Activation::Laplace`].
#[allow(clippy::approx_constant, reason = "transformers rounds them")]
const LAPLACE: [f64; 2] = [0.707_107, 0.282_095];

impl Activation {
    /// By its name in `config.json`.
    pub(crate) fn by_name(name: &str) -> Option<Self> {
        NAMES.iter().find(|(known, _)| *known == name).map(|(_, activation)| *activation)
    }

    /// All names of `config.json`, comma-separated.
    pub(crate) fn names() -> String {
        NAMES.map(|(name, _)| name).join(", ")
    }

    /// Of every element, on any device.
    pub(crate) fn of_tensor<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        match self {
            Self::GeluTanh => gelu_tanh(x),
            Self::Gelu => activation::gelu(x),
            Self::Gelu10 => activation::gelu(x).clamp(-10.0, 10.0),
            Self::QuickGelu => x.clone() * activation::sigmoid(x * 1.702),
            Self::Relu => activation::relu(x),
            Self::Relu2 => {
                let positive = activation::relu(x);
                positive.clone() * positive
            }
            Self::Relu6 => activation::relu(x).clamp_max(6.0),
            Self::LeakyRelu => activation::leaky_relu(x, 0.01),
            Self::Silu => activation::silu(x),
            Self::Sigmoid => activation::sigmoid(x),
            Self::Tanh => activation::tanh(x),
            Self::Mish => activation::mish(x),
            Self::HardSwish => x.clone() * (x + 3.0).clamp(0.0, 6.0) / 6.0,
            Self::Laplace => {
                let [mean, deviation] = LAPLACE;
                (((x - mean) / (deviation * std::f64::consts::SQRT_2)).erf() + 1.0) * 0.5
            }
            Self::SqrtSoftplus => activation::softplus(x, 1.0).sqrt(),
            Self::Linear => x,
        }
    }

    /// Of every number in place, on all threads of the current Rayon pool. NaN stays NaN. The kernels compute
    /// [`Self::GeluTanh`] themselves.
    #[cfg(feature = "flex")]
    pub(crate) fn of_numbers(self, values: &mut [f32]) {
        use rayon::prelude::*;
        /// Numbers computed at a time.
        const CHUNK: usize = 4096;
        let function = self.scalar();
        values
            .par_chunks_mut(CHUNK)
            .for_each(|chunk| chunk.iter_mut().for_each(|value| *value = function(*value)));
    }

    #[cfg(feature = "flex")]
    fn scalar(self) -> fn(f32) -> f32 {
        match self {
            Self::GeluTanh => |x| x * sigmoid(x * (1.595_769_2 + 0.071_354_814 * x * x)),
            Self::Gelu => gelu,
            Self::Gelu10 => |x| gelu(x).clamp(-10.0, 10.0),
            Self::QuickGelu => |x| x * sigmoid(1.702 * x),
            Self::Relu => relu,
            Self::Relu2 => |x| relu(x) * relu(x),
            Self::Relu6 => |x| x.clamp(0.0, 6.0),
            Self::LeakyRelu => |x| if x < 0.0 { 0.01 * x } else { x },
            Self::Silu => |x| x * sigmoid(x),
            Self::Sigmoid => sigmoid,
            Self::Tanh => f32::tanh,
            Self::Mish => |x| x * softplus(x).tanh(),
            Self::HardSwish => |x| x * (x + 3.0).clamp(0.0, 6.0) / 6.0,
            Self::Laplace => |x| {
                let [mean, deviation] = LAPLACE.map(|number| number as f32);
                0.5 * (1.0 + libm::erff((x - mean) / (deviation * std::f32::consts::SQRT_2)))
            },
            Self::SqrtSoftplus => |x| softplus(x).sqrt(),
            Self::Linear => |x| x,
        }
    }
}

/// GPT-2's `gelu_new`, 0.5·x·(1 + tanh(√(2/π)·(x + 0.044715·x³))), computed by 0.5·(1 + tanh(a)) = sigmoid(2a). Burn's
/// `gelu_approximate` computes a general power and two more passes.
fn gelu_tanh<const D: usize>(input: Tensor<D>) -> Tensor<D> {
    let twice_sqrt_two_over_pi = 2.0 * (2.0 / std::f64::consts::PI).sqrt();
    let square = input.clone() * input.clone();
    let inner = (square * (0.044_715 * twice_sqrt_two_over_pi) + twice_sqrt_two_over_pi) * input.clone();
    input * activation::sigmoid(inner)
}

#[cfg(feature = "flex")]
fn gelu(x: f32) -> f32 {
    0.5 * x * (1.0 + libm::erff(x * std::f32::consts::FRAC_1_SQRT_2))
}

/// Not `f32::max`, which loses a NaN.
#[cfg(feature = "flex")]
fn relu(x: f32) -> f32 {
    if x < 0.0 { 0.0 } else { x }
}

#[cfg(feature = "flex")]
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

#[cfg(feature = "flex")]
fn softplus(x: f32) -> f32 {
    // PyTorch's threshold.
    if x > 20.0 { x } else { x.exp().ln_1p() }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;

    /// Each nonlinearity at a few inputs, from transformers
    /// (`tests/golden/make_activations.py`).
    #[test]
    fn values_of_transformers_in_both_implementations() {
        let golden: std::collections::BTreeMap<String, Vec<f32>> =
            serde_json::from_str(include_str!("../../../tests/golden/activations.json")).unwrap();
        let inputs = &golden["inputs"];
        let device = burn::tensor::Device::default();
        for (name, activation) in NAMES {
            let expected = &golden[name];
            let mut numbers = inputs.clone();
            activation.of_numbers(&mut numbers);
            let tensor = Tensor::<1>::from_data(inputs.as_slice(), &device);
            let of_tensor = activation.of_tensor(tensor).into_data().try_into_vec::<f32>().unwrap();
            for (index, expected) in expected.iter().enumerate() {
                let allowed = 2e-6 * expected.abs().max(1.0);
                for found in [numbers[index], of_tensor[index]] {
                    assert!(
                        (found - expected).abs() <= allowed,
                        "{name}({}) = {found}, not {expected}",
                        inputs[index]
                    );
                }
            }
        }
        let mut missing = NAMES.iter().filter(|(name, _)| !golden.contains_key(*name));
        assert_eq!(missing.next(), None);
        assert_eq!(golden.len(), NAMES.len() + 1, "all of transformers' that have no parameters");
    }

    #[test]
    fn nan_stays_nan() {
        for (name, activation) in NAMES {
            let mut values = [f32::NAN, 1.0];
            activation.of_numbers(&mut values);
            assert!(values[0].is_nan() && !values[1].is_nan(), "{name}");
        }
    }
}
