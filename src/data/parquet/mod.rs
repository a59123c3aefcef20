//! Tables in Apache Parquet (<https://parquet.apache.org/docs/file-format/>), as far as the hub's text sets need it:
//! texts, numbers, truth values, structs and lists of them; plain and dictionary pages, uncompressed or Snappy.
//!
//! Read here and not by the crate `parquet`: that switches features of `num-integer` on which Burn is built, so that
//! whoever builds this program would build Burn twice, and brings `chrono` and big numbers for what four columns of text
//! do not need. All lengths in the file are held against what is there before anything is made of them.

mod levels;
mod metadata;
mod pages;
mod thrift;
mod tree;

use super::rows::Row;
use metadata::{Leaf, Table};
use tree::Tree;

/// What a file begins and ends with.
pub(super) const MAGIC: &[u8] = b"PAR1";
/// Most values of a column: far above every test set.
const MOST_VALUES: u64 = 20_000_000;

/// All rows of the file. `Err` says what is wrong with it, or what is not read.
pub(super) fn rows(bytes: &[u8]) -> Result<Vec<Row>, String> {
    let table = Table::read(bytes)?;
    let mut rows: Vec<Tree> = Vec::new();
    for group in &table.groups {
        let first = rows.len();
        for (leaf, chunk) in table.leaves.iter().zip(&group.chunks) {
            let values = pages::column(bytes, leaf, chunk)?;
            add(leaf, values, &mut rows, first)?;
        }
        if rows.len() - first != group.rows {
            return Err(format!("a group has {} rows, expected {}", rows.len() - first, group.rows));
        }
    }
    Ok(rows.into_iter().map(|row| row.into_row(&table.columns)).collect())
}

/// Puts the values of a column into the rows from `first` on.
fn add(leaf: &Leaf, values: Vec<pages::Entry>, rows: &mut Vec<Tree>, first: usize) -> Result<(), String> {
    let mut places = vec![0; usize::from(leaf.repetition)];
    let mut row = first;
    for (index, entry) in values.into_iter().enumerate() {
        if entry.repetition == 0 {
            row = if index == 0 { first } else { row + 1 };
            places.fill(0);
        } else {
            let level = usize::from(entry.repetition) - 1;
            let Some(place) = places.get_mut(level) else {
                return Err(format!("column {}: a repetition level that it cannot have", leaf.name()));
            };
            *place += 1;
            places[level + 1..].fill(0);
        }
        if index == 0 && entry.repetition != 0 {
            return Err(format!("column {}: its first value belongs to no row", leaf.name()));
        }
        if row == rows.len() {
            rows.push(Tree::default());
        }
        let Some(tree) = rows.get_mut(row) else { return Err("a row out of order".to_owned()) };
        tree.insert(&leaf.path, &places, entry.definition, entry.value)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn fixture(name: &str) -> Vec<u8> {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/parquet").join(name);
        std::fs::read(path).unwrap()
    }

    fn json_of(name: &str) -> Vec<Value> {
        let rows = rows(&fixture(name)).unwrap();
        rows.into_iter().map(|row| Value::Object(row.into_iter().collect())).collect()
    }

    /// Written by pyarrow (tests/fixtures/parquet/make.py), in each of its forms.
    #[test]
    fn tables_of_pyarrow() {
        for name in ["plain.parquet", "snappy.parquet", "pages_v2.parquet", "small_pages.parquet"] {
            let found = json_of(name);
            assert_eq!(found.len(), 300, "{name}");
            for (index, row) in found.into_iter().enumerate() {
                let texts = ["", "a", "été \u{1f600}", "a longer one"];
                let answers: Vec<String> = (0..index % 4).map(|k| format!("answer {k} of {index}")).collect();
                let expected = json!({
                    "text": if index % 7 == 3 { Value::Null } else { json!(texts[index % 4]) },
                    "unique": format!("row {index}"),
                    "number": index,
                    "wide": -(index as i64) * 10_000_000_000,
                    "real": index as f64 / 8.0,
                    "truth": index % 3 == 0,
                    "answers": answers,
                    "translation": { "en": format!("yes {index}"), "fr": if index % 5 == 0 { Value::Null } else { json!("oui") } },
                    "turns": { "input_text": answers, "turn_id": (0..index % 4).collect::<Vec<_>>() },
                    "none": if index % 2 == 0 { Value::Null } else { json!([null, "x", null]) },
                    "nested": [[index], [], [1, 2]],
                });
                assert_eq!(row, expected, "{name}: row {index}");
            }
        }
    }

    #[test]
    fn columns_keep_their_order() {
        let first = rows(&fixture("plain.parquet")).unwrap().remove(0);
        assert_eq!(
            first.iter().take(3).map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
            ["text", "unique", "number"]
        );
    }

    #[test]
    fn what_is_not_read_is_named() {
        let error = rows(&fixture("gzip.parquet")).unwrap_err();
        assert!(error.contains("compressed by method 2"), "{error}");
        let error = rows(&fixture("delta.parquet")).unwrap_err();
        assert!(error.contains("encoding 7"), "{error}");
    }

    #[test]
    fn damaged_tables_are_errors() {
        let good = fixture("small_pages.parquet");
        for bad in
            [&b"PAR1"[..], b"PAR1PAR1", b"PAR1\xff\xff\xff\xffPAR1", &good[..good.len() - 1], &good[4..]]
        {
            assert!(rows(bad).is_err());
        }
        let mut state = 1_u64;
        for _ in 0..3000 {
            let mut bad = good.clone();
            for _ in 0..3 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let place = (state >> 33) as usize % bad.len();
                bad[place] = (state >> 20) as u8;
            }
            // Whatever comes of it, no panic and no memory without end.
            let _ = rows(&bad);
        }
    }
}
