//! One tensor of a weight file: where its numbers are, and what they are.

use std::ops::Range;

use half::{bf16, f16};
use safetensors::tensor::Dtype;

use super::source::{CHUNK_BYTES, Source};

/// The name under which a file keeps a tensor, and the tensor.
pub(super) type Named = (String, Entry);

/// Rows or columns that are gathered at a time where a tensor is stored transposed.
const BLOCK: usize = 16;

/// Where the numbers of a tensor are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In a file, from this byte on.
    Stored { source: usize, start: usize },
    /// Nowhere: all are zero.
    Zeros,
}

/// A tensor of a weight file as the model wants it: an axis may be stored in any order, and rows that are padding are
/// not part of it.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// As the file calls it.
    pub stored_name: String,
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    /// Numbers between two neighbours along each axis.
    strides: Vec<usize>,
    pub place: Place,
}

/// Bytes of one number; types of less than a byte count as one.
pub(super) fn element_bytes(dtype: Dtype) -> usize {
    dtype.bitsize().div_ceil(8).max(1)
}

impl Entry {
    /// A tensor stored row after row from byte `start` of a source on, which ends before byte `end`.
    ///
    /// `Err` says in words why it cannot be there.
    pub fn contiguous(
        dtype: Dtype,
        shape: Vec<usize>,
        (source, start): (usize, usize),
        end: usize,
    ) -> Result<Self, String> {
        let mut strides = vec![0; shape.len()];
        let mut step = 1_usize;
        for (stride, &size) in strides.iter_mut().zip(&shape).rev() {
            *stride = step;
            step = step.checked_mul(size).ok_or_else(|| "its shape has too many numbers".to_owned())?;
        }
        Self::strided(dtype, shape, strides, (source, start), end)
    }

    /// As [`Self::contiguous`], with the numbers between two neighbours along each axis.
    pub fn strided(
        dtype: Dtype,
        shape: Vec<usize>,
        strides: Vec<usize>,
        (source, start): (usize, usize),
        end: usize,
    ) -> Result<Self, String> {
        if shape.len() != strides.len() {
            return Err(format!("it has {} axes and {} strides", shape.len(), strides.len()));
        }
        let last = shape.iter().zip(&strides).try_fold(0_usize, |last, (size, stride)| {
            last.checked_add(size.saturating_sub(1).checked_mul(*stride)?)
        });
        let numbers = shape.iter().try_fold(1_usize, |product, size| product.checked_mul(*size));
        let there = match (numbers, last) {
            (Some(0), _) => Some(start),
            (Some(_), Some(last)) => last
                .checked_add(1)
                .and_then(|count| count.checked_mul(element_bytes(dtype)))
                .and_then(|bytes| bytes.checked_add(start)),
            _ => None,
        };
        // Strides that meet make many numbers of few: a small file would become a large model.
        if numbers.zip(last).is_some_and(|(numbers, last)| numbers > last.saturating_add(1)) {
            return Err("its numbers are stored once for several places, which no GPT-2 needs".to_owned());
        }
        match there {
            Some(needed) if needed <= end => {
                let place = Place::Stored { source, start };
                Ok(Self { stored_name: String::new(), dtype, shape, strides, place })
            }
            _ => Err(format!("it begins at byte {start} and ends behind byte {end}, where its data end")),
        }
    }

    /// A vector of zeros that no file stores.
    pub fn zeros(length: usize, dtype: Dtype) -> Self {
        Self { stored_name: String::new(), dtype, shape: vec![length], strides: vec![1], place: Place::Zeros }
    }

    /// The same numbers with rows and columns exchanged; a tensor without two axes stays as it is.
    pub fn transposed(mut self) -> Self {
        if self.shape.len() == 2 {
            self.shape.reverse();
            self.strides.reverse();
        }
        self
    }

    /// The tensor without its first axis, if that has one row.
    pub fn without_first_axis(mut self) -> Self {
        if self.shape.first() == Some(&1) && self.shape.len() > 1 {
            self.shape.remove(0);
            self.strides.remove(0);
        }
        self
    }

    /// Rows `rows` as f32, row after row; a vector is one row. `None` if they are not there.
    pub fn read_rows(&self, sources: &[Source], rows: Range<usize>) -> Option<Vec<f32>> {
        let (height, width, row_step, step) = match (self.shape.as_slice(), self.strides.as_slice()) {
            ([], _) => (1, 1, 1, 1),
            ([width], [step]) => (1, *width, *width, *step),
            ([height, width], [row_step, step]) => (*height, *width, *row_step, *step),
            _ => return None,
        };
        if rows.start > rows.end || rows.end > height {
            return None;
        }
        let (source, start) = match self.place {
            Place::Zeros => return Some(vec![0.0; rows.len() * width]),
            Place::Stored { source, start } => (sources.get(source)?, start),
        };
        let wanted = Wanted { rows, width, row_step, step };
        match self.dtype {
            Dtype::F32 => wanted.read(source, start, f32::from_le_bytes),
            Dtype::F16 => wanted.read(source, start, |bytes| f16::from_le_bytes(bytes).to_f32()),
            Dtype::BF16 => wanted.read(source, start, |bytes| bf16::from_le_bytes(bytes).to_f32()),
            _ => None,
        }
    }
}

/// A rectangle of numbers in a file.
struct Wanted {
    rows: Range<usize>,
    width: usize,
    /// Numbers from row to row.
    row_step: usize,
    /// Numbers from column to column.
    step: usize,
}

impl Wanted {
    fn read<const BYTES: usize>(
        &self,
        source: &Source,
        start: usize,
        convert: impl Fn([u8; BYTES]) -> f32,
    ) -> Option<Vec<f32>> {
        let (height, width) = (self.rows.len(), self.width);
        if height == 0 || width == 0 {
            return Some(vec![]);
        }
        let first = start + self.rows.start * self.row_step * BYTES;
        if self.step == 1 && (self.row_step == width || height == 1) {
            let end = first + height * width * BYTES;
            let mut values = Vec::with_capacity(height * width);
            for chunk_start in (first..end).step_by(CHUNK_BYTES) {
                let chunk = chunk_start..end.min(chunk_start + CHUNK_BYTES);
                let bytes = source.bytes().get(chunk.clone())?;
                values.extend(bytes.as_chunks().0.iter().map(|bytes| convert(*bytes)));
                source.give_back(chunk);
            }
            return Some(values);
        }
        let end = first + ((height - 1) * self.row_step + (width - 1) * self.step + 1) * BYTES;
        let bytes = source.bytes().get(first..end)?;
        let mut values = vec![0.0; height * width];
        // Columns of a transposed tensor are stored one after the other: few at a time stay in the cache.
        for columns in (0..width).step_by(BLOCK) {
            let columns = columns..width.min(columns + BLOCK);
            for row in 0..height {
                for column in columns.clone() {
                    let at = (row * self.row_step + column * self.step) * BYTES;
                    values[row * width + column] = convert(*bytes.get(at..)?.first_chunk()?);
                }
            }
        }
        source.give_back(first..end);
        Some(values)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn source(numbers: usize) -> Source {
        let bytes: Vec<u8> = (0..numbers).flat_map(|number| (number as f32).to_le_bytes()).collect();
        Source::in_memory(Path::new("f"), bytes)
    }

    #[test]
    fn rows_as_stored_transposed_and_cut() {
        let sources = [source(12)];
        let plain = Entry::contiguous(Dtype::F32, vec![3, 4], (0, 0), 48).unwrap();
        assert_eq!(plain.read_rows(&sources, 1..3).unwrap(), [4., 5., 6., 7., 8., 9., 10., 11.]);
        let transposed = plain.clone().transposed();
        assert_eq!(transposed.shape, [4, 3]);
        assert_eq!(transposed.read_rows(&sources, 1..3).unwrap(), [1., 5., 9., 2., 6., 10.]);
        assert!(transposed.read_rows(&sources, 3..5).is_none());
        let cut = Entry::contiguous(Dtype::F32, vec![2, 4], (0, 0), 48).unwrap();
        assert_eq!(cut.read_rows(&sources, 0..2).unwrap().len(), 8);
        assert_eq!(Entry::zeros(2, Dtype::F32).read_rows(&sources, 0..1).unwrap(), [0., 0.]);
    }

    #[test]
    fn what_lies_outside_is_refused() {
        let at = |shape: &[usize], end| Entry::contiguous(Dtype::F32, shape.to_vec(), (0, 8), end);
        assert!(at(&[2], 16).is_ok());
        assert!(at(&[2], 15).unwrap_err().contains("begins at byte 8 and ends behind byte 15"));
        assert!(at(&[usize::MAX, 2], 16).unwrap_err().contains("too many numbers"));
        assert!(at(&[0, usize::MAX], 16).is_ok(), "no numbers need no bytes");
        let repeated = Entry::strided(Dtype::F32, vec![1 << 40], vec![0], (0, 0), 16);
        assert!(repeated.unwrap_err().contains("stored once for several places"));
        let meeting = Entry::strided(Dtype::F32, vec![1 << 20, 1 << 20], vec![1, 1], (0, 0), 16 << 20);
        assert!(meeting.unwrap_err().contains("stored once for several places"));
    }
}
