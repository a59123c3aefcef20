//! Line numbers of records in a text.

/// Counts lines up to offsets that only grow.
pub(crate) struct LineNumbers<'a> {
    text: &'a [u8],
    counted: usize,
    line: usize,
}

impl<'a> LineNumbers<'a> {
    pub fn new(text: &'a str) -> Self {
        Self { text: text.as_bytes(), counted: 0, line: 1 }
    }

    /// The line, from 1, of the first byte at or after `offset` that ends no line. A CSV reader says that a record after
    /// `\r\n` begins at the `\n`.
    pub fn at(&mut self, offset: u64) -> usize {
        let end = self.text.len().min(offset as usize).max(self.counted);
        self.line += self.text[self.counted..end].iter().filter(|&&byte| byte == b'\n').count();
        self.counted = end;
        while let Some(b'\r' | b'\n') = self.text.get(self.counted) {
            self.line += usize::from(self.text[self.counted] == b'\n');
            self.counted += 1;
        }
        self.line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_before_a_record_belong_to_the_lines_before() {
        let mut lines = LineNumbers::new("a\r\nb\n\nc");
        assert_eq!([lines.at(0), lines.at(2), lines.at(3), lines.at(5), lines.at(99)], [1, 2, 2, 4, 4]);
    }
}
