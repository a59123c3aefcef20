//! Reads a matrix of stored numbers as f32, whatever the order of its axes.

use std::ops::Range;

use half::{bf16, f16};
use safetensors::tensor::Dtype;

use super::source::CHUNK_BYTES;

/// Columns gathered at a time from a transposed matrix.
const BLOCK: usize = 16;

/// Some rows of a matrix. Steps are counted in numbers.
pub(super) struct StridedRows {
    pub rows: Range<usize>,
    pub width: usize,
    pub row_step: usize,
    pub column_step: usize,
}

impl StridedRows {
    /// The rows as f32, row after row. The matrix begins at byte `start` of `all`. `done` gets the ranges of bytes that
    /// are not needed any more. `None` if `all` is too short or the type is not F64, F32, F16 or BF16.
    pub fn read(
        &self,
        dtype: Dtype,
        all: &[u8],
        start: usize,
        done: impl Fn(Range<usize>),
    ) -> Option<Vec<f32>> {
        match dtype {
            Dtype::F64 => self.convert(all, start, done, |bytes| f64::from_le_bytes(bytes) as f32),
            Dtype::F32 => self.convert(all, start, done, f32::from_le_bytes),
            Dtype::F16 => self.convert(all, start, done, |bytes| f16::from_le_bytes(bytes).to_f32()),
            Dtype::BF16 => self.convert(all, start, done, |bytes| bf16::from_le_bytes(bytes).to_f32()),
            _ => None,
        }
    }

    fn convert<const BYTES: usize>(
        &self,
        all: &[u8],
        start: usize,
        done: impl Fn(Range<usize>),
        convert: impl Fn([u8; BYTES]) -> f32,
    ) -> Option<Vec<f32>> {
        let (height, width) = (self.rows.len(), self.width);
        if height == 0 || width == 0 {
            return Some(vec![]);
        }
        let first = start + self.rows.start * self.row_step * BYTES;
        if self.column_step == 1 && (self.row_step == width || height == 1) {
            let end = first + height * width * BYTES;
            let mut values = Vec::with_capacity(height * width);
            for chunk_start in (first..end).step_by(CHUNK_BYTES) {
                let chunk = chunk_start..end.min(chunk_start + CHUNK_BYTES);
                let bytes = all.get(chunk.clone())?;
                values.extend(bytes.as_chunks().0.iter().map(|bytes| convert(*bytes)));
                done(chunk);
            }
            return Some(values);
        }
        let end = first + ((height - 1) * self.row_step + (width - 1) * self.column_step + 1) * BYTES;
        let bytes = all.get(first..end)?;
        let mut values = vec![0.0; height * width];
        // A transposed matrix is stored column after column: a few columns at a time fit the cache.
        for columns in (0..width).step_by(BLOCK) {
            let columns = columns..width.min(columns + BLOCK);
            for row in 0..height {
                for column in columns.clone() {
                    let at = (row * self.row_step + column * self.column_step) * BYTES;
                    values[row * width + column] = convert(*bytes.get(at..)?.first_chunk()?);
                }
            }
        }
        done(first..end);
        Some(values)
    }
}
