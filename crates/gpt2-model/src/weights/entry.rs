//! One tensor of a checkpoint: its type, its shape, and where its numbers are.

use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use pytorch_reader::Tensor;
use safetensors::tensor::Dtype;

use super::source::Source;
use super::strided::StridedRows;
use crate::error::CheckpointError;
use untrusted_input::{clipped, thousands};

/// A tensor and its stored name.
pub(super) type NamedEntry = (String, Entry);

/// A tensor as the model wants it: transposed and without padding rows where the file stores it otherwise.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub stored_name: String,
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    /// Numbers between two neighbours along each axis.
    strides: Vec<usize>,
    location: Location,
    /// Checksum of the stored numbers, if the file has one.
    crc32c: Option<u32>,
}

#[derive(Debug, Clone)]
enum Location {
    Stored {
        source: usize,
        start: usize,
    },
    Torch {
        source: usize,
        tensor: TorchTensor,
    },
    /// Not in any file.
    Zeros,
}

/// Numbers that cannot be read.
#[derive(Debug)]
pub(super) struct Unreadable {
    /// Index of the file among the sources.
    pub source: usize,
    /// Byte of the file at which the tensor begins, if known.
    offset: Option<usize>,
    /// Of kind `InvalidData` or `UnexpectedEof` if the file is damaged.
    error: io::Error,
}

impl Unreadable {
    /// `path` is that of the file, `tensor` the stored name.
    pub fn into_error(self, path: &Path, tensor: &str) -> CheckpointError {
        if !matches!(self.error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) {
            return CheckpointError::read(path, &self.error);
        }
        let offset = self.offset.map(|offset| format!(" at byte {}", thousands(offset as u64)));
        let reason = format!(
            "tensor `{}`{} is damaged: {}; copy or download the file again",
            clipped(tensor),
            offset.unwrap_or_default(),
            clipped(&self.error.to_string())
        );
        CheckpointError::new(path, reason)
    }
}

/// Bytes of one number; types of less than a byte count as one.
pub(super) fn element_bytes(dtype: Dtype) -> usize {
    dtype.bitsize().div_ceil(8).max(1)
}

impl Entry {
    /// A tensor stored row after row from byte `start` of source `source`; its data end before byte `end`.
    ///
    /// # Errors
    /// A message, if it does not fit.
    pub fn contiguous(
        dtype: Dtype,
        shape: Vec<usize>,
        (source, start): (usize, usize),
        end: usize,
    ) -> Result<Self, String> {
        let needed = shape
            .iter()
            .try_fold(element_bytes(dtype), |bytes, size| bytes.checked_mul(*size))
            .and_then(|bytes| bytes.checked_add(start));
        let entry = Self::new(dtype, shape, Location::Stored { source, start })?;
        match needed {
            Some(needed) if needed <= end => Ok(entry),
            _ => Err(format!("it begins at byte {start} and ends after byte {end}, where its data end")),
        }
    }

    /// A tensor of source `source` that pytorch-reader reads.
    ///
    /// # Errors
    /// As for [`Self::contiguous`].
    pub fn torch(
        dtype: Dtype,
        shape: Vec<usize>,
        source: usize,
        tensor: TorchTensor,
    ) -> Result<Self, String> {
        Self::new(dtype, shape, Location::Torch { source, tensor })
    }

    /// A vector of zeros.
    pub fn zeros(length: usize, dtype: Dtype) -> Self {
        Self {
            stored_name: String::new(),
            dtype,
            shape: vec![length],
            strides: vec![1],
            location: Location::Zeros,
            crc32c: None,
        }
    }

    fn new(dtype: Dtype, shape: Vec<usize>, location: Location) -> Result<Self, String> {
        let strides = strides(&shape).ok_or("its shape has too many numbers")?;
        Ok(Self { stored_name: String::new(), dtype, shape, strides, location, crc32c: None })
    }

    /// Adds the checksum of the stored numbers, which is checked before the first row is read.
    pub fn with_crc32c(mut self, checksum: u32) -> Self {
        self.crc32c = Some(checksum);
        self
    }

    /// Exchanges rows and columns of a matrix. Other tensors stay as they are.
    pub fn transposed(mut self) -> Self {
        if self.shape.len() == 2 {
            self.shape.reverse();
            self.strides.reverse();
        }
        self
    }

    /// Drops the first axis if its size is 1 and there is another axis.
    pub fn without_first_axis(mut self) -> Self {
        if self.shape.first() == Some(&1) && self.shape.len() > 1 {
            self.shape.remove(0);
            self.strides.remove(0);
        }
        self
    }

    /// Rows `rows` as f32, row after row; a vector is one row. `None` if the tensor has no such rows.
    pub fn read_rows(&self, sources: &[Source], rows: Range<usize>) -> Result<Option<Vec<f32>>, Unreadable> {
        let (height, width, row_step, column_step) = match (self.shape.as_slice(), self.strides.as_slice()) {
            ([], _) => (1, 1, 1, 1),
            ([width], [step]) => (1, *width, *width, *step),
            ([height, width], [row_step, step]) => (*height, *width, *row_step, *step),
            _ => return Ok(None),
        };
        if rows.start > rows.end || rows.end > height {
            return Ok(None);
        }
        let is_last = rows.end == height;
        let wanted = StridedRows { rows, width, row_step, column_step };
        match &self.location {
            Location::Zeros => Ok(Some(vec![0.0; wanted.rows.len() * width])),
            Location::Stored { source: index, start } => {
                let Some(source) = sources.get(*index) else { return Ok(None) };
                let checksum = self.crc32c.filter(|_| wanted.rows.start == 0);
                if checksum.is_some() && checksum != source.crc32c(*start..*start + self.bytes()) {
                    let error = io::Error::new(io::ErrorKind::InvalidData, "its checksum differs");
                    return Err(Unreadable { source: *index, offset: Some(*start), error });
                }
                Ok(wanted.read(self.dtype, source.bytes(), *start, |read| source.release(read)))
            }
            Location::Torch { source, tensor } => {
                let bytes =
                    tensor.bytes().map_err(|error| Unreadable { source: *source, offset: None, error })?;
                if is_last {
                    tensor.release();
                }
                Ok(wanted.read(self.dtype, &bytes, 0, |_| ()))
            }
        }
    }

    /// Bytes of the numbers. Constructors check that this does not overflow.
    pub fn bytes(&self) -> usize {
        self.shape.iter().product::<usize>() * element_bytes(self.dtype)
    }
}

/// Strides of a tensor that is stored row after row; `None` if the number of its elements overflows.
fn strides(shape: &[usize]) -> Option<Vec<usize>> {
    let mut strides = vec![0; shape.len()];
    let mut step = 1_usize;
    for (stride, &size) in strides.iter_mut().zip(shape).rev() {
        *stride = step;
        step = step.checked_mul(size)?;
    }
    Some(strides)
}

/// Index and bytes of the tensor of a `torch.save` file that was read last.
#[derive(Debug, Default)]
pub(super) struct LastRead(Mutex<Option<(usize, Arc<Vec<u8>>)>>);

/// A tensor of a `torch.save` file. pytorch-reader reads only whole tensors, so the bytes are kept until the last row is
/// read: otherwise each chunk of rows would read the tensor again.
#[derive(Debug, Clone)]
pub(super) struct TorchTensor {
    tensor: Tensor,
    index: usize,
    last_read: Arc<LastRead>,
}

impl TorchTensor {
    /// Tensor `index` of the file that `last_read` belongs to.
    pub fn new(tensor: Tensor, index: usize, last_read: &Arc<LastRead>) -> Self {
        Self { tensor, index, last_read: Arc::clone(last_read) }
    }

    /// The numbers, little-endian and row after row.
    fn bytes(&self) -> io::Result<Arc<Vec<u8>>> {
        let mut last_read = self.last_read.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((index, bytes)) = &*last_read
            && *index == self.index
        {
            return Ok(Arc::clone(bytes));
        }
        // Released first, so that there are never two tensors in memory.
        *last_read = None;
        let bytes = Arc::new(self.tensor.read()?);
        *last_read = Some((self.index, Arc::clone(&bytes)));
        Ok(bytes)
    }

    fn release(&self) {
        *self.last_read.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
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
    fn tensors_that_end_after_their_data_are_refused() {
        let at = |shape: &[usize], end| Entry::contiguous(Dtype::F32, shape.to_vec(), (0, 8), end);
        assert!(at(&[2], 16).is_ok());
        assert!(at(&[2], 15).unwrap_err().contains("begins at byte 8 and ends after byte 15"));
        assert!(at(&[usize::MAX, 2], 16).unwrap_err().contains("too many numbers"));
        assert!(at(&[0, usize::MAX], 16).is_ok(), "no numbers need no bytes");
    }

    #[test]
    fn numbers_with_a_wrong_checksum_are_refused() {
        let sources = [source(6)];
        let plain = Entry::contiguous(Dtype::F32, vec![2, 2], (0, 8), 24).unwrap();
        let right = plain.clone().with_crc32c(crc32c::crc32c(&sources[0].bytes()[8..]));
        assert_eq!(right.read_rows(&sources, 0..1).unwrap().unwrap(), [2., 3.]);
        let damaged = plain.with_crc32c(1).read_rows(&sources, 0..1).unwrap_err();
        assert_eq!((damaged.source, damaged.offset), (0, Some(8)));
        assert!(damaged.error.to_string().contains("checksum differs"));
    }
}
