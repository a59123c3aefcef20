//! Which format a weight file has, by its content.

use std::io;
use std::path::Path;

use super::entry::Unreadable;
use super::{WeightsError, safetensors};
use untrusted_input::clipped;

/// Who wrote a model's weights, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WeightFormat {
    /// Transformers' `model.safetensors`.
    Safetensors,
    /// Several files with transformers' `model.safetensors.index.json`, or `pytorch_model.bin.index.json`.
    Sharded,
    /// Transformers' older `pytorch_model.bin`: a state dict by `torch.save`.
    PyTorch,
    /// nanoGPT's `ckpt.pt`.
    NanoGpt,
    /// llm.c's `gpt2_124M.bin` and `gpt2_124M_bf16.bin`.
    LlmC,
    /// `OpenAI`'s `model.ckpt.index` with its data file.
    TensorFlow,
    /// A record of Burn of this program's own module: `burnpack`.
    BurnRecord,
}

impl WeightFormat {
    /// Its name in output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Safetensors => "safetensors",
            Self::Sharded => "sharded",
            Self::PyTorch => "PyTorch",
            Self::NanoGpt => "nanoGPT",
            Self::LlmC => "llm.c",
            Self::TensorFlow => "TensorFlow checkpoint",
            Self::BurnRecord => "Burn record",
        }
    }

    /// The error of a tensor whose numbers cannot be read.
    pub(super) fn unreadable(self, path: &Path, tensor: &str, why: Unreadable) -> WeightsError {
        let path = path.to_owned();
        if !matches!(why.error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) {
            return WeightsError::Read { path, source: why.error };
        }
        let format = match self {
            Self::TensorFlow => "the data of a TensorFlow checkpoint",
            _ => TORCH,
        };
        let offset = why.offset.map(|offset| offset as u64);
        let reason = clipped(&why.error.to_string());
        WeightsError::Malformed { path, format, tensor: Some(clipped(tensor)), offset, reason }
    }
}

/// What a file of `torch.save` should be, for messages.
pub(super) const TORCH: &str = "a file of torch.save with a GPT-2";

/// What a file holds by its first bytes, and, for tables of TensorFlow, its last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Container {
    Safetensors,
    /// JSON that says in which files the tensors are.
    Index,
    /// A zip by `torch.save`.
    TorchZip,
    /// What `torch.save` wrote before PyTorch 1.6: pickles one after the other.
    TorchStream,
    LlmC,
    TensorFlow,
    BurnRecord,
}

/// The first number of llm.c's model files.
pub(super) const LLM_C_MAGIC: i32 = 20_240_326;

/// The last number of a table.
pub(super) const TABLE_MAGIC: u64 = 0xdb47_7524_8b80_fb57;

/// `torch.save`'s magic number 0x1950a86a20f9469cfc6c, pickled.
pub(super) const TORCH_MAGIC: [u8; 14] =
    [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

impl Container {
    /// What these bytes are; `None` if nothing that is known.
    pub fn of(all: &[u8]) -> Option<Self> {
        let last = all.last_chunk().copied().map(u64::from_le_bytes);
        if all.starts_with(b"PK\x03\x04") {
            Some(Self::TorchZip)
        } else if all.starts_with(&TORCH_MAGIC) {
            Some(Self::TorchStream)
        } else if all.starts_with(&LLM_C_MAGIC.to_le_bytes()) {
            Some(Self::LlmC)
        } else if all.starts_with(&burn_pack::MAGIC_NUMBER.to_le_bytes()) {
            Some(Self::BurnRecord)
        } else if last == Some(TABLE_MAGIC) {
            Some(Self::TensorFlow)
        } else if safetensors::is_one(all) {
            Some(Self::Safetensors)
        } else if all.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{') {
            Some(Self::Index)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_by_content() {
        for (bytes, expected) in [
            (&b"PK\x03\x04..."[..], Some(Container::TorchZip)),
            (&TORCH_MAGIC, Some(Container::TorchStream)),
            (&[0xc6, 0xd7, 0x34, 0x01, 3, 0, 0, 0], Some(Container::LlmC)),
            (b"NRUB\x01\0", Some(Container::BurnRecord)),
            (b"x\x57\xfb\x80\x8b\x24\x75\x47\xdb", Some(Container::TensorFlow)),
            (b"\x02\0\0\0\0\0\0\0{}", Some(Container::Safetensors)),
            (b" {\"weight_map\":{}}", Some(Container::Index)),
            (b"<!DOCTYPE html>", None),
            (b"", None),
        ] {
            assert_eq!(Container::of(bytes), expected, "{:?}", bytes.escape_ascii().to_string());
        }
    }
}
