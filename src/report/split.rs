//! Splits tables that are too wide into several with the same key columns.

use super::Section;

/// Widths of a table's columns and of the space around them, in characters.
#[derive(Debug, Clone, Copy)]
pub(super) struct Widths<'a> {
    /// Content of each column.
    pub columns: &'a [usize],
    /// Padding of each column.
    pub padding: usize,
    /// Frame of the table.
    pub frame: usize,
    /// Width of the page or screen.
    pub available: usize,
}

/// The columns of each part, beginning with the keys. Columns of a span stay together if they fit into one part; a column
/// that fits nowhere has its own part.
pub(super) fn split(section: &Section, widths: Widths<'_>) -> Vec<Vec<usize>> {
    let width = |columns: &[usize]| -> usize {
        columns.iter().map(|&column| widths.columns.get(column).copied().unwrap_or(0) + widths.padding).sum()
    };
    let keys: Vec<usize> = (0..section.keys).collect();
    let room = widths.available.saturating_sub(widths.frame + width(&keys));
    let mut parts: Vec<Vec<usize>> = Vec::new();
    let mut part: Vec<usize> = Vec::new();
    let mut start = section.keys;
    for span in section.all_spans() {
        let together: Vec<usize> = (start..start + span).collect();
        start += span;
        let pieces = if width(&together) <= room {
            vec![together]
        } else {
            together.into_iter().map(|column| vec![column]).collect()
        };
        for piece in pieces {
            if !part.is_empty() && width(&part) + width(&piece) > room {
                parts.push(std::mem::take(&mut part));
            }
            part.extend(piece);
        }
    }
    if !part.is_empty() || parts.is_empty() {
        parts.push(part);
    }
    parts.into_iter().map(|part| keys.iter().copied().chain(part).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(spans: &[usize]) -> Section {
        let header = (0..=spans.iter().sum::<usize>()).map(|column| column.to_string()).collect();
        Section { spans: spans.to_vec(), ..Section::new("t".to_owned(), 1, header, Vec::new()) }
    }

    fn parts(spans: &[usize], columns: &[usize], available: usize) -> Vec<Vec<usize>> {
        split(&section(spans), Widths { columns, padding: 1, frame: 1, available })
    }

    #[test]
    fn spans_stay_together() {
        assert_eq!(parts(&[1, 2], &[3, 3, 3, 3], 17), [vec![0, 1, 2, 3]]);
        assert_eq!(parts(&[1, 2], &[3, 3, 3, 3], 16), [vec![0, 1], vec![0, 2, 3]]);
        assert_eq!(parts(&[1, 2], &[3, 3, 3, 3], 12), [[0, 1], [0, 2], [0, 3]], "too wide");
        assert_eq!(parts(&[1, 1], &[3, 30, 3], 12), [vec![0, 1], vec![0, 2]], "one that fits nowhere");
        assert_eq!(parts(&[], &[3], 12), [vec![0]]);
    }
}
