//! Cuts work into tasks for Rayon, and lends each task memory that its thread keeps.

use std::cell::Cell;
use std::ops::Range;
use std::thread::LocalKey;

/// Cuts `0..total` into `parts` ranges whose lengths differ by at most one.
pub fn even_ranges(total: usize, parts: usize) -> impl Iterator<Item = Range<usize>> {
    (0..parts).map(move |part| total * part / parts..total * (part + 1) / parts)
}

/// Some rows and columns of a matrix, for one task to fill.
#[derive(Debug)]
pub struct MatrixTile<'a> {
    pub rows: Range<usize>,
    pub columns: Range<usize>,
    /// `[rows][columns]`.
    pub values: Vec<&'a mut [f32]>,
}

/// Cuts `matrix`, rows of `width` numbers, into tiles.
///
/// Both lists of ranges are in ascending order. Rows may be left out; columns begin at 0 and have no gaps. Tiles come in
/// the order of their columns, then of their rows, so that neighbours share columns.
pub fn matrix_tiles<'a>(
    matrix: &'a mut [f32],
    width: usize,
    row_ranges: &[Range<usize>],
    column_ranges: &[Range<usize>],
) -> Vec<MatrixTile<'a>> {
    let mut tiles = Vec::with_capacity(row_ranges.len() * column_ranges.len());
    for columns in column_ranges {
        for rows in row_ranges {
            let values = Vec::with_capacity(rows.len());
            tiles.push(MatrixTile { rows: rows.clone(), columns: columns.clone(), values });
        }
    }
    let mut matrix_rows = matrix.chunks_mut(width.max(1));
    let mut next = 0;
    for (row_range, rows) in row_ranges.iter().enumerate() {
        let skipped = rows.start - next;
        next = rows.end;
        for mut row in matrix_rows.by_ref().skip(skipped).take(rows.len()) {
            for (column_range, columns) in column_ranges.iter().enumerate() {
                let (values, rest) = row.split_at_mut(columns.len());
                tiles[column_range * row_ranges.len() + row_range].values.push(values);
                row = rest;
            }
        }
    }
    tiles
}

/// Memory that a thread keeps from one task to the next. The system would have to clear fresh memory for every task.
pub type Scratch<T> = LocalKey<Cell<T>>;

/// Lends this thread's memory to `task`, and keeps what the task leaves there.
///
/// A thread that waits for parallel work may take up another task while the memory is lent. That task gets empty memory.
pub fn with_scratch<T: Default, R>(scratch: &'static Scratch<T>, task: impl FnOnce(&mut T) -> R) -> R {
    let mut memory = scratch.take();
    let result = task(&mut memory);
    scratch.set(memory);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_in_exactly_one_tile() {
        let mut matrix: Vec<f32> = (0..5 * 7).map(|index| index as f32).collect();
        let rows: Vec<_> = even_ranges(5, 2).collect();
        let columns: Vec<_> = even_ranges(7, 3).collect();
        assert_eq!((rows.len(), columns.len()), (2, 3));
        let mut seen = Vec::new();
        for tile in matrix_tiles(&mut matrix, 7, &rows, &columns) {
            assert_eq!(tile.values.len(), tile.rows.len());
            for (row, values) in tile.rows.zip(tile.values) {
                for (column, value) in tile.columns.clone().zip(values) {
                    assert_eq!(*value, (row * 7 + column) as f32);
                    seen.push(*value as usize);
                }
            }
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..5 * 7).collect::<Vec<_>>());
    }
}
