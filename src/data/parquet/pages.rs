//! The values of a column, page by page.

use serde_json::Value;

use super::levels::{hybrid, width_of};
use super::metadata::{Chunk, Leaf};
use super::thrift::Thrift;

/// Most bytes of a page; writers make them of one million.
const MOST_PAGE_BYTES: usize = 1 << 30;

/// A value with its levels.
pub(super) struct Entry {
    pub repetition: u16,
    pub definition: u16,
    pub value: Value,
}

/// All values of a column in a group of rows.
pub(super) fn column(bytes: &[u8], leaf: &Leaf, chunk: &Chunk) -> Result<Vec<Entry>, String> {
    let wrong = |reason: String| format!("column {}: {reason}", leaf.name());
    let mut at = chunk.start;
    let mut dictionary: Vec<Value> = Vec::new();
    let mut entries = Vec::new();
    while entries.len() < chunk.values {
        let rest = bytes.get(at..).ok_or_else(|| wrong("its pages lie outside of the file".to_owned()))?;
        let (header, header_length) = Thrift::read(rest).map_err(wrong)?;
        let size = header.length(3).ok_or_else(|| wrong("a page without length".to_owned()))?;
        let end = header_length.checked_add(size).ok_or_else(|| wrong("a page without end".to_owned()))?;
        let body = rest.get(header_length..end).ok_or_else(|| wrong("a page that is cut off".to_owned()))?;
        at += end;
        let page =
            Page { header: &header, body, leaf, codec: chunk.codec, most: chunk.values - entries.len() };
        match header.int(1) {
            Some(2) => dictionary = page.dictionary().map_err(wrong)?,
            Some(0) => entries.extend(page.data(&dictionary).map_err(wrong)?),
            Some(3) => entries.extend(page.data_v2(&dictionary).map_err(wrong)?),
            // Indexes, which need not be read.
            _ => {}
        }
    }
    Ok(entries)
}

struct Page<'a> {
    header: &'a Thrift<'a>,
    body: &'a [u8],
    leaf: &'a Leaf,
    codec: i64,
    /// Values that the column still lacks.
    most: usize,
}

impl Page<'_> {
    fn decompressed(&self, body: &[u8], size: usize) -> Result<Vec<u8>, String> {
        match self.codec {
            0 => Ok(body.to_vec()),
            1 => {
                let announced = snap::raw::decompress_len(body).map_err(|error| error.to_string())?;
                if announced != size || size > MOST_PAGE_BYTES {
                    return Err(format!("a page of {announced} bytes, expected {size}"));
                }
                snap::raw::Decoder::new().decompress_vec(body).map_err(|error| error.to_string())
            }
            other => Err(format!(
                "pages compressed by method {other} (2 is gzip, 6 is zstd), and only Snappy is read: convert the table, \
                 and name its directory with --data DIR"
            )),
        }
    }

    fn size(&self) -> usize {
        self.header.length(2).unwrap_or(0)
    }

    fn dictionary(&self) -> Result<Vec<Value>, String> {
        let header = self.header.field(7).ok_or("a dictionary without header")?;
        let body = self.decompressed(self.body, self.size())?;
        // A value that is used stands in the dictionary once.
        let count = count(header, self.most)?;
        plain(&body, self.leaf.physical, count)
    }

    fn data(&self, dictionary: &[Value]) -> Result<Vec<Entry>, String> {
        let header = self.header.field(5).ok_or("a page without header")?;
        let count = count(header, self.most)?;
        let body = self.decompressed(self.body, self.size())?;
        let mut rest = body.as_slice();
        let mut levels = |most: u16| {
            if most == 0 {
                return Some(vec![0; count]);
            }
            let (length, behind) = rest.split_first_chunk::<4>()?;
            let length = u32::from_le_bytes(*length) as usize;
            let found = hybrid(behind.get(..length)?, width_of(most), count)?;
            rest = behind.get(length..)?;
            Some(found)
        };
        let repetitions = levels(self.leaf.repetition).ok_or("damaged levels")?;
        let definitions = levels(self.leaf.definition).ok_or("damaged levels")?;
        self.entries(&repetitions, &definitions, rest, header.int(2), dictionary)
    }

    fn data_v2(&self, dictionary: &[Value]) -> Result<Vec<Entry>, String> {
        let header = self.header.field(8).ok_or("a page without header")?;
        let count = count(header, self.most)?;
        let (definition_bytes, repetition_bytes) = (header.length(5), header.length(6));
        let (Some(definition_bytes), Some(repetition_bytes)) = (definition_bytes, repetition_bytes) else {
            return Err("levels without length".to_owned());
        };
        let (repetitions, rest) =
            self.body.split_at_checked(repetition_bytes).ok_or("levels that are cut off")?;
        let (definitions, rest) = rest.split_at_checked(definition_bytes).ok_or("levels that are cut off")?;
        let levels = |bytes: &[u8], most: u16| hybrid(bytes, width_of(most), count).ok_or("damaged levels");
        let repetitions = levels(repetitions, self.leaf.repetition)?;
        let definitions = levels(definitions, self.leaf.definition)?;
        let size = self
            .size()
            .checked_sub(definition_bytes + repetition_bytes)
            .ok_or("levels longer than their page")?;
        let is_compressed = header.field(7) != Some(&Thrift::Bool(false)) && !rest.is_empty();
        let values = if is_compressed { self.decompressed(rest, size)? } else { rest.to_vec() };
        self.entries(&repetitions, &definitions, &values, header.int(4), dictionary)
    }

    fn entries(
        &self,
        repetitions: &[u32],
        definitions: &[u32],
        values: &[u8],
        encoding: Option<i64>,
        dictionary: &[Value],
    ) -> Result<Vec<Entry>, String> {
        let there = definitions.iter().filter(|level| **level == u32::from(self.leaf.definition)).count();
        let values: Vec<Value> = match encoding {
            Some(0) => plain(values, self.leaf.physical, there)?,
            // Truth values in runs, behind their length.
            Some(3) if self.leaf.physical == 0 => {
                let bits = values.get(4..).and_then(|bits| hybrid(bits, 1, there)).ok_or("damaged values")?;
                bits.into_iter().map(|bit| Value::Bool(bit == 1)).collect()
            }
            Some(2 | 8) if there == 0 => Vec::new(),
            Some(2 | 8) => {
                let (width, packed) = values.split_first().ok_or("a page without values")?;
                let places =
                    hybrid(packed, u32::from(*width), there).ok_or("damaged places in the dictionary")?;
                let find = |place: u32| dictionary.get(place as usize).cloned();
                places
                    .into_iter()
                    .map(find)
                    .collect::<Option<_>>()
                    .ok_or("a place outside of the dictionary")?
            }
            other => return Err(format!("encoding {}, which is not read", other.unwrap_or(-1))),
        };
        let mut values = values.into_iter();
        let levels = repetitions.iter().zip(definitions);
        let entries = levels.map(|(&repetition, &definition)| {
            let is_there = definition == u32::from(self.leaf.definition);
            let value = if is_there { values.next()? } else { Value::Null };
            Some(Entry { repetition: repetition as u16, definition: definition as u16, value })
        });
        entries.collect::<Option<_>>().ok_or_else(|| "fewer values than announced".to_owned())
    }
}

/// Values of a page, by its header.
fn count(header: &Thrift<'_>, most: usize) -> Result<usize, String> {
    header.length(1).filter(|count| *count <= most).ok_or_else(|| "a page with too many values".to_owned())
}

/// Values one behind the other.
fn plain(bytes: &[u8], physical: i64, count: usize) -> Result<Vec<Value>, String> {
    let cut = || "values that are cut off".to_owned();
    if physical == 0 {
        if bytes.len().saturating_mul(8) < count {
            return Err(cut());
        }
        return Ok((0..count).map(|index| Value::Bool(bytes[index / 8] >> (index % 8) & 1 == 1)).collect());
    }
    let mut rest = bytes;
    let mut values = Vec::new();
    for _ in 0..count {
        let (value, behind) = match physical {
            1 => rest.split_first_chunk().map(|(bytes, rest)| (i32::from_le_bytes(*bytes).into(), rest)),
            2 => rest.split_first_chunk().map(|(bytes, rest)| (i64::from_le_bytes(*bytes).into(), rest)),
            4 => rest.split_first_chunk().map(|(bytes, rest)| (f32::from_le_bytes(*bytes).into(), rest)),
            5 => rest.split_first_chunk().map(|(bytes, rest)| (f64::from_le_bytes(*bytes).into(), rest)),
            6 => {
                let (length, behind) = rest.split_first_chunk::<4>().ok_or_else(cut)?;
                let (text, behind) =
                    behind.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or_else(cut)?;
                let text = std::str::from_utf8(text).map_err(|error| format!("not UTF-8: {error}"))?;
                Some((Value::String(text.to_owned()), behind))
            }
            other => return Err(format!("values of physical type {other}, which is not read")),
        }
        .ok_or_else(cut)?;
        values.push(value);
        rest = behind;
    }
    Ok(values)
}
