//! The place of AMX where there is none.

use super::{Line, PairLine, PairRow};

/// The right to use instructions for matrices, which nobody has here.
#[derive(Debug, Clone, Copy)]
pub enum Tiles {}

impl Tiles {
    /// None.
    pub fn find() -> Option<Self> {
        None
    }

    /// Adds products of rows and panels to sums.
    pub fn add<const PARTS: usize>(
        self,
        _: &[PairRow<PARTS>],
        _: &[&[[PairLine; PARTS]]],
        _: &mut [Line],
        _: usize,
        _: bool,
    ) {
        match self {}
    }
}
