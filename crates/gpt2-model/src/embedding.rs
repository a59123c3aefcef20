//! The token embedding, which is also GPT-2's output projection.

use burn::module::{Initializer, Module, Param};
use burn::tensor::module::linear;
use burn::tensor::{Device, Int, Tensor};

/// A `[vocab_size, n_embd]` matrix, split along the vocabulary into parts with the same number of rows (the last may have
/// fewer). A device may limit the size of one buffer: some GPUs to 128 MiB, while 117M's matrix has 154 MB.
#[derive(Module, Debug)]
pub struct TokenEmbedding {
    parts: Vec<Param<Tensor<2>>>,
    rows_per_part: usize,
    vocabulary: usize,
    width: usize,
}

/// Rows of each part of a `[vocabulary, width]` f32 matrix if a buffer may have `largest_buffer_bytes`.
fn part_heights(vocabulary: usize, width: usize, largest_buffer_bytes: Option<u64>) -> Vec<usize> {
    let row_bytes = (width * size_of::<f32>()) as u64;
    let max_rows = largest_buffer_bytes.map_or(vocabulary, |bytes| ((bytes / row_bytes) as usize).max(1));
    let parts = vocabulary.div_ceil(max_rows).max(1);
    let height = vocabulary.div_ceil(parts).max(1);
    (0..parts).map(|part| height.min(vocabulary - part * height)).collect()
}

impl TokenEmbedding {
    /// An embedding with random weights from N(0, 0.02²), initialized on first use.
    pub fn new(vocabulary: usize, width: usize, largest_buffer_bytes: Option<u64>, device: &Device) -> Self {
        let heights = part_heights(vocabulary, width, largest_buffer_bytes);
        let initializer = Initializer::Normal { mean: 0.0, std: 0.02 };
        Self {
            rows_per_part: heights.first().copied().unwrap_or(vocabulary),
            parts: heights.iter().map(|&height| initializer.init([height, width], device)).collect(),
            vocabulary,
            width,
        }
    }

    /// Rows of each part, in order.
    pub fn part_heights(&self) -> Vec<usize> {
        self.parts.iter().map(|part| part.lazy_shape()[0]).collect()
    }

    /// Replaces part `index` by `rows`, `[height of the part, width]`.
    pub(super) fn set_part(&mut self, index: usize, rows: Tensor<2>) {
        self.parts[index] = Param::from_tensor(rows);
    }

    /// Size of the vocabulary.
    pub fn vocab_size(&self) -> usize {
        self.vocabulary
    }

    /// Embeddings of tokens.
    ///
    /// # Shapes
    /// - ids: `[tokens]`, each below the vocabulary's size
    /// - output: `[tokens, width]`
    pub fn lookup(&self, ids: &[u32], device: &Device) -> Tensor<2> {
        let single = self.parts.len() == 1;
        let mut output: Option<Tensor<2>> = None;
        for (index, part) in self.parts.iter().enumerate() {
            let start = index * self.rows_per_part;
            let height = part.val().dims()[0];
            let is_here = |id: u32| (start..start + height).contains(&(id as usize));
            if !single && !ids.iter().any(|&id| is_here(id)) {
                continue;
            }
            let local: Vec<i32> =
                ids.iter().map(|&id| if is_here(id) { id as i32 - start as i32 } else { 0 }).collect();
            let indices = Tensor::<1, Int>::from_data(local.as_slice(), device);
            let mut rows = part.val().select(0, indices);
            if !single {
                let mask: Vec<f32> = ids.iter().map(|&id| f32::from(u8::from(is_here(id)))).collect();
                rows = rows * Tensor::<1>::from_data(mask.as_slice(), device).unsqueeze_dim(1);
            }
            output = Some(match output {
                Some(sum) => sum + rows,
                None => rows,
            });
        }
        output.unwrap_or_else(|| Tensor::zeros([ids.len(), self.width], device))
    }

    /// Logits of the whole vocabulary, one tensor for each part, in the order of the vocabulary.
    ///
    /// # Shapes
    /// - hidden: `[positions, n_embd]`
    /// - output: `[positions, height of the part]` each
    pub fn project(&self, hidden: &Tensor<2>) -> Vec<Tensor<2>> {
        self.parts.iter().map(|part| linear(hidden.clone(), part.val().transpose(), None)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_the_vocabulary_and_respect_the_limit() {
        assert_eq!(part_heights(50_257, 768, None), [50_257]);
        let limit = 128 * 1024 * 1024;
        let heights = part_heights(50_257, 768, Some(limit));
        assert_eq!(heights, [25_129, 25_128]);
        assert!(heights.iter().all(|&height| (height * 768 * 4) as u64 <= limit));
        assert_eq!(part_heights(10, 4, Some(48)), [3, 3, 3, 1]);
        assert_eq!(part_heights(3, 4, Some(1)), [1, 1, 1]);
    }
}
