//! A cell of a table: its text, and what renderers may do with it.

/// What a number is, for renderers with colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tone {
    /// Anything else.
    #[default]
    Plain,
    /// A published number, or its label.
    Published,
    /// A difference to the better.
    Better,
    /// A difference to the worse.
    Worse,
}

impl Tone {
    /// The tone of `difference`, ours minus the paper's.
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
    /// What stands in it.
    pub text: String,
    /// What it is.
    pub tone: Tone,
    /// Whether no other model has a better value in its column.
    pub is_best: bool,
}

impl Cell {
    /// A cell of a tone.
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

/// The best of `values`, if it is the best of at least two.
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
