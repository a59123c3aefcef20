//! Tables of the hub: Parquet, or one JSON object a line.

use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};

use super::parquet::{self, Row};
use untrusted_input::clipped;

/// The rows of a table. `Err` says what is wrong with it.
pub(super) fn rows(bytes: Vec<u8>) -> Result<Vec<Row>, String> {
    if bytes.starts_with(parquet::MAGIC) {
        return parquet::rows(bytes);
    }
    let text = String::from_utf8(bytes).map_err(|error| format!("not UTF-8: {error}"))?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(index, line)| {
            json_object(line).map_err(|error| format!("line {}: {}", index + 1, clipped(&error.to_string())))
        })
        .collect()
}

/// An object with its fields in order, which `serde_json`'s map does not keep.
fn json_object(line: &str) -> serde_json::Result<Row> {
    struct Fields;
    impl<'de> Visitor<'de> for Fields {
        type Value = Row;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Row, A::Error> {
            let mut row = Row::new();
            while let Some(field) = map.next_entry()? {
                row.push(field);
            }
            Ok(row)
        }
    }
    let mut deserializer = serde_json::Deserializer::from_str(line);
    let row = deserializer.deserialize_map(Fields)?;
    deserializer.end()?;
    Ok(row)
}
