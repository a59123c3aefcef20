//! Tables that are too wide become several, one under the other, with the same first columns.

use super::Section;

/// Widths of a table's columns and what stands around them.
#[derive(Debug, Clone, Copy)]
pub struct Widths<'a> {
    /// Of each column, without what parts it from the next.
    pub columns: &'a [usize],
    /// What each column takes besides.
    pub padding: usize,
    /// What the table takes besides.
    pub frame: usize,
    /// What there is.
    pub most: usize,
}

/// The columns of each part, all with the keys: columns that belong together stay together if they fit into one part,
/// and a column that does not fit anywhere has a part of its own.
pub fn split(section: &Section, widths: Widths<'_>) -> Vec<Vec<usize>> {
    let width = |columns: &[usize]| -> usize {
        columns.iter().map(|&column| widths.columns.get(column).copied().unwrap_or(0) + widths.padding).sum()
    };
    let keys: Vec<usize> = (0..section.keys).collect();
    let room = widths.most.saturating_sub(widths.frame + width(&keys));
    let mut parts: Vec<Vec<usize>> = Vec::new();
    let mut part: Vec<usize> = Vec::new();
    let mut begin = section.keys;
    for span in section.all_spans() {
        let together: Vec<usize> = (begin..begin + span).collect();
        begin += span;
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

    fn parts(spans: &[usize], columns: &[usize], most: usize) -> Vec<Vec<usize>> {
        split(&section(spans), Widths { columns, padding: 1, frame: 1, most })
    }

    #[test]
    fn what_belongs_together_stays_together() {
        assert_eq!(parts(&[1, 2], &[3, 3, 3, 3], 17), [vec![0, 1, 2, 3]]);
        assert_eq!(parts(&[1, 2], &[3, 3, 3, 3], 16), [vec![0, 1], vec![0, 2, 3]]);
        assert_eq!(parts(&[1, 2], &[3, 3, 3, 3], 12), [[0, 1], [0, 2], [0, 3]], "too wide");
        assert_eq!(parts(&[1, 1], &[3, 30, 3], 12), [vec![0, 1], vec![0, 2]], "one that fits nowhere");
        assert_eq!(parts(&[], &[3], 12), [vec![0]]);
    }
}
