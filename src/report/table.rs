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
    /// Whether it is the best value of its column, and no other model's value prints the same.
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

/// Index of the best of at least two values with their printed forms. `None` if another value prints the same: a reader
/// could not see why one of them is marked.
pub fn best(values: &[(f64, String)], higher_is_better: bool) -> Option<usize> {
    let is_better = |one: f64, other: f64| if higher_is_better { one > other } else { one < other };
    let first = values.first().filter(|_| values.len() > 1)?;
    let (mut index, mut best) = (0, first);
    for (other, value) in values.iter().enumerate() {
        if is_better(value.0, best.0) {
            (index, best) = (other, value);
        }
    }
    let alike = values.iter().filter(|(_, printed)| *printed == best.1).count();
    (alike == 1).then_some(index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::numbers::number;

    fn best_of(values: &[f64], higher_is_better: bool) -> Option<usize> {
        let printed: Vec<(f64, String)> = values.iter().map(|&value| (value, number(value))).collect();
        best(&printed, higher_is_better)
    }

    #[test]
    fn the_direction_decides() {
        assert_eq!(Tone::of_difference(0.5, true), Tone::Better);
        assert_eq!(Tone::of_difference(0.5, false), Tone::Worse);
        assert_eq!(Tone::of_difference(-0.5, false), Tone::Better);
        assert_eq!(Tone::of_difference(0.0, false), Tone::Plain);
        assert_eq!(best_of(&[1.0, 3.0], true), Some(1));
        assert_eq!(best_of(&[1.0, 3.0], false), Some(0));
        assert_eq!(best_of(&[1.0], true), None, "alone");
        assert_eq!(best_of(&[], true), None);
    }

    #[test]
    fn values_that_print_the_same_are_not_marked() {
        assert_eq!(best_of(&[3.0, 1.0, 3.0], true), None, "equal");
        assert_eq!(best_of(&[54.171, 54.168, 20.0], true), None, "both print 54.17");
        assert_eq!(best_of(&[54.171, 54.168, 20.0], false), Some(2), "the others print the same");
        assert_eq!(best_of(&[54.18, 54.17], true), Some(0));
    }
}
