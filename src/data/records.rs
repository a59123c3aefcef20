//! The checksum over the records of a data set: the same for the same records in any kind of file and order.

use sha2::{Digest, Sha256};

/// sha256 over the normalized records, in hexadecimal.
///
/// A record is a list of texts, its fields as the task reads them (docs/data.md). It is written as a line of JSON without
/// spaces, in UTF-8, with only the escapes that JSON demands. The lines are sorted by their bytes; each ends in `\n`.
pub fn records_sha256(records: impl Iterator<Item = Vec<String>>) -> String {
    // A list of strings can always be written as JSON.
    let mut lines: Vec<Vec<u8>> =
        records.map(|fields| serde_json::to_vec(&fields).unwrap_or_default()).collect();
    lines.sort_unstable();
    let mut hasher = Sha256::new();
    for line in &lines {
        hasher.update(line);
        hasher.update(b"\n");
    }
    hex::encode(hasher.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The value is Python's: `sha256('["a","b \\"\\n\\u001f"]\n["été"]\n'.encode())`.
    #[test]
    fn the_checksum_is_that_of_sorted_lines_of_json() {
        let records = [vec!["été".to_owned()], vec!["a".to_owned(), "b \"\n\u{1f}".to_owned()]];
        let expected = "850880c9ee61b9bff0622dfdcfab2fcecdab6e0b94e447c7e20824145bc4a941";
        assert_eq!(records_sha256(records.iter().cloned()), expected);
        assert_eq!(records_sha256(records.iter().rev().cloned()), expected);
        assert_ne!(records_sha256(records.iter().take(1).cloned()), expected);
        let twice = records.iter().chain(records.last()).cloned();
        assert_ne!(records_sha256(twice), expected);
    }
}
