//! One tensor of a weight file: where its numbers are, and what they are.

use std::io;
use std::ops::Range;

use half::{bf16, f16};
use safetensors::tensor::Dtype;

use super::source::{CHUNK_BYTES, Source};
use super::whole::Whole;

/// The name under which a file keeps a tensor, and the tensor.
pub(super) type Named = (String, Entry);

/// Rows or columns that are gathered at a time where a tensor is stored transposed.
const BLOCK: usize = 16;

/// Where the numbers of a tensor are.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// In a file, from this byte on.
    Stored { source: usize, start: usize },
    /// In a file, where a library finds them, row after row.
    Whole { source: usize, tensor: Whole },
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
    place: Place,
    /// The CRC-32C of the stored numbers, where the file has it.
    sum: Option<u32>,
}

/// Why numbers cannot be read.
#[derive(Debug)]
pub(super) struct Unreadable {
    /// The number of the file.
    pub source: usize,
    /// The byte of the file where the tensor begins, where that is known.
    pub offset: Option<usize>,
    /// Of the kind `InvalidData` or `UnexpectedEof` if the file is not as it should be.
    pub error: io::Error,
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
        let strides = strides(&shape).ok_or_else(|| "its shape has too many numbers".to_owned())?;
        let needed = shape
            .iter()
            .try_fold(element_bytes(dtype), |bytes, size| bytes.checked_mul(*size))
            .and_then(|bytes| bytes.checked_add(start));
        match needed {
            Some(needed) if needed <= end => {
                let place = Place::Stored { source, start };
                Ok(Self { stored_name: String::new(), dtype, shape, strides, place, sum: None })
            }
            _ => Err(format!("it begins at byte {start} and ends behind byte {end}, where its data end")),
        }
    }

    /// A tensor of source `source` that a library reads. `Err` as of [`Self::contiguous`].
    pub fn whole(dtype: Dtype, shape: Vec<usize>, source: usize, tensor: Whole) -> Result<Self, String> {
        let strides = strides(&shape).ok_or_else(|| "its shape has too many numbers".to_owned())?;
        let place = Place::Whole { source, tensor };
        Ok(Self { stored_name: String::new(), dtype, shape, strides, place, sum: None })
    }

    /// A vector of zeros that no file stores.
    pub fn zeros(length: usize, dtype: Dtype) -> Self {
        let (shape, strides) = (vec![length], vec![1]);
        Self { stored_name: String::new(), dtype, shape, strides, place: Place::Zeros, sum: None }
    }

    /// The same tensor, whose stored numbers have this CRC-32C: it is compared before the first row is given.
    pub fn with_sum(mut self, sum: u32) -> Self {
        self.sum = Some(sum);
        self
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
    pub fn read_rows(&self, sources: &[Source], rows: Range<usize>) -> Result<Option<Vec<f32>>, Unreadable> {
        let (height, width, row_step, step) = match (self.shape.as_slice(), self.strides.as_slice()) {
            ([], _) => (1, 1, 1, 1),
            ([width], [step]) => (1, *width, *width, *step),
            ([height, width], [row_step, step]) => (*height, *width, *row_step, *step),
            _ => return Ok(None),
        };
        if rows.start > rows.end || rows.end > height {
            return Ok(None);
        }
        let is_last = rows.end == height;
        let wanted = Wanted { rows, width, row_step, step };
        match &self.place {
            Place::Zeros => Ok(Some(vec![0.0; wanted.rows.len() * width])),
            Place::Stored { source: number, start } => {
                let Some(source) = sources.get(*number) else { return Ok(None) };
                if wanted.rows.start == 0 && !self.is_whole(source, *start) {
                    let error = io::Error::new(
                        io::ErrorKind::InvalidData,
                        "its numbers are damaged: their sum is another; copy or download the file again",
                    );
                    return Err(Unreadable { source: *number, offset: Some(*start), error });
                }
                Ok(wanted.read_as(self.dtype, source.bytes(), *start, |read| source.give_back(read)))
            }
            Place::Whole { source, tensor } => {
                let bytes =
                    tensor.bytes().map_err(|error| Unreadable { source: *source, offset: None, error })?;
                if is_last {
                    tensor.forget();
                }
                Ok(wanted.read_as(self.dtype, &bytes, 0, |_| ()))
            }
        }
    }

    /// The bytes of its numbers, of which constructors make sure that they can be counted.
    pub fn bytes(&self) -> usize {
        self.shape.iter().product::<usize>() * element_bytes(self.dtype)
    }

    /// Whether the stored numbers have the sum that the file says.
    fn is_whole(&self, source: &Source, start: usize) -> bool {
        let Some(expected) = self.sum else { return true };
        source.crc32c(start..start + self.bytes()) == Some(expected)
    }

    /// Whether two tensors of a library have the same type, shape and numbers, bit for bit; both are read.
    pub fn is_same(&self, other: &Self) -> Result<bool, Unreadable> {
        let (Place::Whole { source, tensor }, Place::Whole { source: other_source, tensor: other_tensor }) =
            (&self.place, &other.place)
        else {
            return Ok(false);
        };
        if self.dtype != other.dtype || self.shape != other.shape {
            return Ok(false);
        }
        let unreadable = |source| move |error| Unreadable { source, offset: None, error };
        let one = tensor.bytes().map_err(unreadable(*source))?;
        let is_same = other_tensor.bytes().map_err(unreadable(*other_source))? == one;
        other_tensor.forget();
        Ok(is_same)
    }
}

/// Numbers between two neighbours along each axis of a tensor that is stored row after row; `None` if it has more numbers
/// than can be counted.
fn strides(shape: &[usize]) -> Option<Vec<usize>> {
    let mut strides = vec![0; shape.len()];
    let mut step = 1_usize;
    for (stride, &size) in strides.iter_mut().zip(shape).rev() {
        *stride = step;
        step = step.checked_mul(size)?;
    }
    Some(strides)
}

/// A rectangle of numbers among bytes.
struct Wanted {
    rows: Range<usize>,
    width: usize,
    /// Numbers from row to row.
    row_step: usize,
    /// Numbers from column to column.
    step: usize,
}

impl Wanted {
    /// The numbers of a tensor that begins at byte `start`; `done` is told which bytes are not needed any more. `None` if
    /// they are not there, or of a type that is not read.
    fn read_as(
        &self,
        dtype: Dtype,
        all: &[u8],
        start: usize,
        done: impl Fn(Range<usize>),
    ) -> Option<Vec<f32>> {
        match dtype {
            Dtype::F32 => self.read(all, start, done, f32::from_le_bytes),
            Dtype::F16 => self.read(all, start, done, |bytes| f16::from_le_bytes(bytes).to_f32()),
            Dtype::BF16 => self.read(all, start, done, |bytes| bf16::from_le_bytes(bytes).to_f32()),
            _ => None,
        }
    }

    fn read<const BYTES: usize>(
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
        if self.step == 1 && (self.row_step == width || height == 1) {
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
        let end = first + ((height - 1) * self.row_step + (width - 1) * self.step + 1) * BYTES;
        let bytes = all.get(first..end)?;
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
        done(first..end);
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
        let read = |entry: &Entry, rows| entry.read_rows(&sources, rows).unwrap();
        let plain = Entry::contiguous(Dtype::F32, vec![3, 4], (0, 0), 48).unwrap();
        assert_eq!(read(&plain, 1..3).unwrap(), [4., 5., 6., 7., 8., 9., 10., 11.]);
        let transposed = plain.clone().transposed();
        assert_eq!(transposed.shape, [4, 3]);
        assert_eq!(read(&transposed, 1..3).unwrap(), [1., 5., 9., 2., 6., 10.]);
        assert!(read(&transposed, 3..5).is_none());
        let cut = Entry::contiguous(Dtype::F32, vec![2, 4], (0, 0), 48).unwrap();
        assert_eq!(read(&cut, 0..2).unwrap().len(), 8);
        assert_eq!(read(&Entry::zeros(2, Dtype::F32), 0..1).unwrap(), [0., 0.]);
    }

    #[test]
    fn what_lies_outside_is_refused() {
        let at = |shape: &[usize], end| Entry::contiguous(Dtype::F32, shape.to_vec(), (0, 8), end);
        assert!(at(&[2], 16).is_ok());
        assert!(at(&[2], 15).unwrap_err().contains("begins at byte 8 and ends behind byte 15"));
        assert!(at(&[usize::MAX, 2], 16).unwrap_err().contains("too many numbers"));
        assert!(at(&[0, usize::MAX], 16).is_ok(), "no numbers need no bytes");
    }

    #[test]
    fn numbers_with_another_sum_are_refused() {
        let sources = [source(6)];
        let plain = Entry::contiguous(Dtype::F32, vec![2, 2], (0, 8), 24).unwrap();
        let right = plain.clone().with_sum(crc32c::crc32c(&sources[0].bytes()[8..]));
        assert_eq!(right.read_rows(&sources, 0..1).unwrap().unwrap(), [2., 3.]);
        let damaged = plain.with_sum(1).read_rows(&sources, 0..1).unwrap_err();
        assert_eq!((damaged.source, damaged.offset), (0, Some(8)));
        assert!(damaged.error.to_string().contains("sum is another"));
    }
}
