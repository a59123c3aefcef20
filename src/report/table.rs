//! Tables before an exporter renders them.

/// The meaning of a cell, for renderers with colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tone {
    #[default]
    Plain,
    /// A published number, or its label.
    Published,
    /// Better than the paper.
    Better,
    /// Worse than the paper.
    Worse,
}

impl Tone {
    /// The tone of a difference: our value minus the paper's.
    pub fn of_difference(difference: f64, higher_is_better: bool) -> Self {
        if difference == 0.0 {
            Self::Plain
        } else if (difference > 0.0) == higher_is_better {
            Self::Better
        } else {
            Self::Worse
        }
    }
}

/// A cell of a table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cell {
    pub text: String,
    pub tone: Tone,
    /// Whether no other model has a better value in its column.
    pub is_best: bool,
}

impl Cell {
    pub fn toned(text: impl Into<String>, tone: Tone) -> Self {
        Self { text: text.into(), tone, is_best: false }
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self { text, ..Self::default() }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

/// A table of text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Section {
    /// `LAMBADA (paper)`.
    pub title: String,
    /// Stride, shots and samples in words, for captions.
    pub terms: String,
    /// Column names of one or several lines; the first is the model.
    pub header: Vec<String>,
    /// Number of leading columns that identify a row.
    pub keys: usize,
    /// Numbers of adjacent further columns to keep together; empty: none.
    pub spans: Vec<usize>,
    /// One per model or heuristic baseline.
    pub rows: Vec<Vec<Cell>>,
    pub footnotes: Vec<String>,
}

impl Section {
    /// A table of plain text whose first `keys` columns identify a row.
    pub fn new(title: String, keys: usize, header: Vec<String>, rows: Vec<Vec<String>>) -> Self {
        let rows = rows.into_iter().map(|row| row.into_iter().map(Cell::from).collect()).collect();
        Self { title, header, keys, rows, ..Self::default() }
    }

    /// The spans of all columns after the keys.
    pub fn all_spans(&self) -> Vec<usize> {
        let columns = self.header.len().saturating_sub(self.keys);
        if self.spans.iter().sum::<usize>() == columns { self.spans.clone() } else { vec![1; columns] }
    }
}

/// The best of at least two `values`.
pub fn best(values: impl Iterator<Item = f64>, higher_is_better: bool) -> Option<f64> {
    let values: Vec<f64> = values.collect();
    let better = if higher_is_better { f64::max } else { f64::min };
    values.iter().copied().reduce(better).filter(|_| values.len() > 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_direction_decides() {
        assert_eq!(Tone::of_difference(0.5, true), Tone::Better);
        assert_eq!(Tone::of_difference(0.5, false), Tone::Worse);
        assert_eq!(Tone::of_difference(-0.5, false), Tone::Better);
        assert_eq!(Tone::of_difference(0.0, false), Tone::Plain);
        assert_eq!(best([1.0, 3.0].into_iter(), true), Some(3.0));
        assert_eq!(best([1.0, 3.0].into_iter(), false), Some(1.0));
        assert_eq!(best([1.0].into_iter(), true), None, "alone");
    }
}
