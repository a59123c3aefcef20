//! Apache Parquet tables.

use ::parquet::file::reader::{FileReader, SerializedFileReader};
use ::parquet::record::{Field, List, Map as FieldMap};
use bytes::Bytes;
use serde_json::{Map, Number, Value};

use super::{DataError, DataFile};
use untrusted_input::catch_panic;
use untrusted_input::clipped;

/// The first and last bytes of a file.
pub(super) const MAGIC: &[u8] = b"PAR1";
/// Maximum rows of a table; every test set is far smaller.
const MAX_ROWS: i64 = 20_000_000;

/// A row: columns with their values, in the table's order.
pub(super) type Row = Vec<(String, Value)>;

/// A record's number from 1, which messages show as line number, and its fields.
type NumberedRecord = (usize, Map<String, Value>);

/// The rows of a table as numbered records.
///
/// `Err` names the file if it is damaged, has values that JSON cannot represent, or has no rows.
pub fn read_parquet(file: &DataFile) -> Result<Vec<NumberedRecord>, DataError> {
    let rows = rows(file.bytes.to_vec()).map_err(|reason| file.record_error(1, reason))?;
    if rows.is_empty() {
        return Err(DataError::Empty { file: file.name.clone() });
    }
    Ok(rows.into_iter().enumerate().map(|(index, row)| (index + 1, row.into_iter().collect())).collect())
}

/// All rows of a file. `Err` says what is wrong with it.
pub(super) fn rows(bytes: Vec<u8>) -> Result<Vec<Row>, String> {
    // The library's row reader panics on contradictory schemas.
    catch_panic(|| read(Bytes::from(bytes)))
        .unwrap_or_else(|reason| Err(format!("damaged table: {reason}")))
        .map_err(|reason| clipped(&reason))
}

fn read(bytes: Bytes) -> Result<Vec<Row>, String> {
    let text = |error: ::parquet::errors::ParquetError| error.to_string();
    let reader = SerializedFileReader::new(bytes).map_err(text)?;
    let promised = reader.metadata().file_metadata().num_rows();
    if !(0..=MAX_ROWS).contains(&promised) {
        return Err(format!("the table declares {promised} rows, expected at most {MAX_ROWS}"));
    }
    let mut rows = Vec::new();
    for row in reader.get_row_iter(None).map_err(text)? {
        let columns = row.map_err(text)?.into_columns();
        let fields = columns.into_iter().map(|(name, field)| Ok((name, value(field)?)));
        rows.push(fields.collect::<Result<Row, String>>()?);
    }
    if rows.len() as i64 != promised {
        return Err(format!("the table has {} rows, but declares {promised}", rows.len()));
    }
    Ok(rows)
}

/// A value as JSON.
fn value(field: Field) -> Result<Value, String> {
    let value = match field {
        Field::Null => Value::Null,
        Field::Bool(truth) => Value::Bool(truth),
        Field::Byte(number) => number.into(),
        Field::Short(number) => number.into(),
        Field::Int(number) => number.into(),
        Field::Long(number) => number.into(),
        Field::UByte(number) => number.into(),
        Field::UShort(number) => number.into(),
        Field::UInt(number) => number.into(),
        Field::ULong(number) => number.into(),
        Field::Float16(number) => real(number.to_f64())?,
        Field::Float(number) => real(f64::from(number))?,
        Field::Double(number) => real(number)?,
        Field::Str(text) => Value::String(text),
        Field::Bytes(bytes) => {
            let text = std::str::from_utf8(bytes.data()).map_err(|error| format!("not UTF-8: {error}"))?;
            Value::String(text.to_owned())
        }
        Field::Group(row) => {
            let fields = row.into_columns().into_iter().map(|(name, field)| Ok((name, value(field)?)));
            Value::Object(fields.collect::<Result<_, String>>()?)
        }
        Field::ListInternal(list) => elements(&list)?,
        Field::MapInternal(map) => entries(&map)?,
        other => {
            return Err(format!("unsupported value `{other}`: expected text, numbers or booleans"));
        }
    };
    Ok(value)
}

fn elements(list: &List) -> Result<Value, String> {
    let values = list.elements().iter().map(|element| value(element.clone()));
    Ok(Value::Array(values.collect::<Result<_, _>>()?))
}

fn entries(map: &FieldMap) -> Result<Value, String> {
    let mut object = Map::new();
    for (key, element) in map.entries() {
        let Value::String(key) = value(key.clone())? else {
            return Err("unsupported map: its keys must be text".to_owned());
        };
        object.insert(key, value(element.clone())?);
    }
    Ok(Value::Object(object))
}

fn real(number: f64) -> Result<Value, String> {
    Number::from_f64(number)
        .map(Value::Number)
        .ok_or_else(|| format!("JSON cannot represent the number {number}"))
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
        let rows = rows(fixture(name)).unwrap();
        rows.into_iter().map(|row| Value::Object(row.into_iter().collect())).collect()
    }

    /// Files by pyarrow (tests/fixtures/parquet/make.py).
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
        let first = rows(fixture("plain.parquet")).unwrap().remove(0);
        assert_eq!(
            first.iter().take(3).map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
            ["text", "unique", "number"]
        );
    }

    #[test]
    fn other_compressions_and_encodings() {
        for name in ["gzip.parquet", "zstd.parquet", "delta.parquet"] {
            let texts: Vec<Value> =
                rows(fixture(name)).unwrap().into_iter().map(|row| row[0].1.clone()).collect();
            assert_eq!(texts, ["", "a", "été \u{1f600}"], "{name}");
        }
    }

    #[test]
    fn damaged_tables_are_errors() {
        let good = fixture("small_pages.parquet");
        for bad in
            [&b"PAR1"[..], b"PAR1PAR1", b"PAR1\xff\xff\xff\xffPAR1", &good[..good.len() - 1], &good[4..]]
        {
            assert!(rows(bad.to_vec()).is_err());
        }
        let mut state = 1_u64;
        for _ in 0..3000 {
            let mut bad = good.clone();
            for _ in 0..3 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let index = (state >> 33) as usize % bad.len();
                bad[index] = (state >> 20) as u8;
            }
            // Must neither panic nor allocate without bound.
            let _ = rows(bad);
        }
    }
}
