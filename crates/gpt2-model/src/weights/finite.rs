//! Finds weights that are NaN or infinite, to explain scores that are.

use std::collections::BTreeMap;

use super::WeightFile;
use crate::error::CheckpointError;
use crate::{Checkpoint, Gpt2Config};
use untrusted_input::{clipped, thousands};

/// Numbers read at a time.
const CHUNK: usize = 4 << 20;

/// Maximum number of tensors in a message.
const MAX_TENSORS: usize = 3;

impl Checkpoint {
    /// Why log-probabilities of this model are NaN or infinite: names the tensors with such weights. The first call reads
    /// all weights; loading does not look for such weights, because that would take longer.
    pub fn explain_not_finite(&self) -> &str {
        let explain = || {
            match self.weights.describe_not_finite(&self.config) {
            Ok(Some(tensors)) => tensors,
            Ok(None) => "all weights are finite, but activations overflow or the device computes wrongly; on a GPU compare \
                         with --device cpu"
                .to_owned(),
            Err(error) => error.to_string(),
        }
        };
        self.weights.not_finite.get_or_init(explain)
    }
}

impl WeightFile {
    /// The tensors of a model with this configuration that have NaN or infinite weights. `None` if all are finite.
    fn describe_not_finite(&self, config: &Gpt2Config) -> Result<Option<String>, CheckpointError> {
        let expected: BTreeMap<String, Vec<usize>> = config.tensors().into_iter().collect();
        let mut found = Vec::new();
        for (name, shape) in &expected {
            let (height, width) = match shape.as_slice() {
                [height, width] => (*height, *width),
                _ => (1, shape.iter().product()),
            };
            let rows = (CHUNK / width.max(1)).max(1);
            let (mut nan, mut infinite) = (0_u64, 0_u64);
            for first in (0..height).step_by(rows) {
                let values = self.read_rows(name, first..height.min(first + rows))?;
                nan += values.iter().filter(|value| value.is_nan()).count() as u64;
                infinite += values.iter().filter(|value| value.is_infinite()).count() as u64;
            }
            if nan + infinite > 0 {
                let kind = match (nan, infinite) {
                    (_, 0) => "NaN",
                    (0, _) => "infinite",
                    _ => "NaN and infinite",
                };
                let stored = self.entries.get(name).map_or(name.as_str(), |entry| entry.stored_name.as_str());
                found.push(format!(
                    "tensor `{}` has {kind} weights ({} of {})",
                    clipped(stored),
                    thousands(nan + infinite),
                    thousands((height * width) as u64)
                ));
            }
        }
        let more = found.len().saturating_sub(MAX_TENSORS);
        found.truncate(MAX_TENSORS);
        let shown = found.join(", ");
        Ok(match (found.is_empty(), more) {
            (true, _) => None,
            (false, 0) => Some(shown),
            (false, more) => Some(format!("{shown}, and {more} more tensors")),
        })
    }
}
