//! Tensors that a library gives only as a whole. The bytes of one are kept until its last row was read, so that reading
//! its rows in chunks does not read it again and again.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use pytorch_reader::Tensor;

/// The bytes of the tensor of this number: the last one of a file that was read.
#[derive(Debug, Default)]
pub(super) struct Kept(Mutex<Option<(usize, Arc<Vec<u8>>)>>);

/// A tensor in a file of `torch.save`.
#[derive(Debug, Clone)]
pub(super) struct Whole {
    tensor: Tensor,
    /// Its number among those that share `kept`.
    number: usize,
    kept: Arc<Kept>,
}

impl Whole {
    /// Tensor `number` of a file; nothing of it is read.
    pub fn new(tensor: Tensor, number: usize, kept: &Arc<Kept>) -> Self {
        Self { tensor, number, kept: Arc::clone(kept) }
    }

    /// Its numbers, little-endian and row after row.
    ///
    /// `Err` is of the kind `InvalidData` or `UnexpectedEof` if the file is not as it should be.
    pub fn bytes(&self) -> io::Result<Arc<Vec<u8>>> {
        let mut kept = self.kept.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((number, bytes)) = &*kept
            && *number == self.number
        {
            return Ok(Arc::clone(bytes));
        }
        // First, so that there are never two.
        *kept = None;
        let bytes = Arc::new(self.tensor.read()?);
        *kept = Some((self.number, Arc::clone(&bytes)));
        Ok(bytes)
    }

    /// Keeps its bytes no longer.
    pub fn forget(&self) {
        *self.kept.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
