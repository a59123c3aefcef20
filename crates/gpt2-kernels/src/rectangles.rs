//! A matrix cut into rectangles that threads fill independently.

use std::ops::Range;

/// `parts` ranges, of lengths that differ by at most one, that cover `0..total`.
pub fn even_ranges(total: usize, parts: usize) -> impl Iterator<Item = Range<usize>> {
    (0..parts).map(move |part| total * part / parts..total * (part + 1) / parts)
}

/// Rows and columns of a matrix.
#[derive(Debug)]
pub struct Rectangle<'a> {
    /// Which rows.
    pub rows: Range<usize>,
    /// Which columns.
    pub columns: Range<usize>,
    /// The columns of each row.
    pub values: Vec<&'a mut [f32]>,
}

/// Cuts `matrix`, rows of `width` numbers, at the given rows and columns.
///
/// Both come in ascending order; rows may be left out, columns begin at 0 and have no gaps.
///
/// The rectangles come in the order of their columns, then of their rows: neighbours share columns.
pub fn rectangles<'a>(
    matrix: &'a mut [f32],
    width: usize,
    row_ranges: &[Range<usize>],
    column_ranges: &[Range<usize>],
) -> Vec<Rectangle<'a>> {
    let mut rectangles = Vec::with_capacity(row_ranges.len() * column_ranges.len());
    for columns in column_ranges {
        for rows in row_ranges {
            let values = Vec::with_capacity(rows.len());
            rectangles.push(Rectangle { rows: rows.clone(), columns: columns.clone(), values });
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
                rectangles[column_range * row_ranges.len() + row_range].values.push(values);
                row = rest;
            }
        }
    }
    rectangles
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_in_one_rectangle() {
        let mut matrix: Vec<f32> = (0..5 * 7).map(|index| index as f32).collect();
        let rows: Vec<_> = even_ranges(5, 2).collect();
        let columns: Vec<_> = even_ranges(7, 3).collect();
        assert_eq!((rows.len(), columns.len()), (2, 3));
        let mut seen = Vec::new();
        for rectangle in rectangles(&mut matrix, 7, &rows, &columns) {
            assert_eq!(rectangle.values.len(), rectangle.rows.len());
            for (row, values) in rectangle.rows.zip(rectangle.values) {
                for (column, value) in rectangle.columns.clone().zip(values) {
                    assert_eq!(*value, (row * 7 + column) as f32);
                    seen.push(*value as usize);
                }
            }
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..5 * 7).collect::<Vec<_>>());
    }
}
