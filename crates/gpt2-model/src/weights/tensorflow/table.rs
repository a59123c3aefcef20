//! Sorted tables of keys and values in the format of LevelDB (`table_format.md` of LevelDB, `table` of TensorFlow):
//! blocks of rows, an index of the blocks, and a footer with the index's place.

/// Why a table cannot be read, and at which byte.
pub(super) type Refused = (usize, String);

/// One row.
pub(super) struct Row {
    pub key: Vec<u8>,
    pub value: Vec<u8>,
    /// Where its block begins in the file.
    pub offset: usize,
}

const FOOTER: usize = 48;

/// A block's kind, one byte, and its sum.
const TRAILER: usize = 5;

/// Longer keys are no variable's.
const MAX_KEY_BYTES: usize = 1000;

/// How many times as long as the file the rows together may become.
const MAX_GROWTH: usize = 30;

/// What a row takes in memory beside its key and value.
const ROW_BYTES: usize = 120;

/// Every row of the table in the bytes `all`, in order.
pub(super) fn rows(all: &[u8]) -> Result<Vec<Row>, Refused> {
    let footer_start = all.len().checked_sub(FOOTER).ok_or((0, "the table is cut short".to_owned()))?;
    let mut footer = &all[footer_start..];
    let damaged = || (footer_start, "the table's footer is damaged".to_owned());
    handle(&mut footer).ok_or_else(damaged)?;
    let index = handle(&mut footer).ok_or_else(damaged)?;
    // Blocks may be compressed, and named more than once.
    let mut allowed = all.len().saturating_mul(MAX_GROWTH);
    let mut rows = Vec::new();
    for row in block(all, index, &mut allowed)? {
        let place = handle(&mut row.value.as_slice());
        let place = place.ok_or_else(|| (row.offset, "the table's index is damaged".to_owned()))?;
        rows.extend(block(all, place, &mut allowed)?);
    }
    Ok(rows)
}

/// Offset and size of a block.
fn handle(bytes: &mut &[u8]) -> Option<(usize, usize)> {
    Some((varint(bytes)?, varint(bytes)?))
}

/// A number in groups of seven bits, least first, as in protocol buffers; taken off `bytes`.
fn varint(bytes: &mut &[u8]) -> Option<usize> {
    prost::decode_length_delimiter(bytes).ok()
}

/// The rows of one block.
fn block(all: &[u8], (start, size): (usize, usize), allowed: &mut usize) -> Result<Vec<Row>, Refused> {
    let end = start.checked_add(size).and_then(|end| end.checked_add(TRAILER));
    let Some(stored) = end.and_then(|end| all.get(start..end)) else {
        return Err((all.len(), format!("a block of {size} bytes at byte {start} lies outside the table")));
    };
    let refused = |reason: &str| (start, format!("a block of the table {reason}"));
    let (checked, sum) = stored.split_at(stored.len() - 4);
    let expected = sum.first_chunk().copied().map_or(0, u32::from_le_bytes);
    if crc32c::crc32c(checked) != unmasked(expected) {
        return Err(refused("is damaged: its sum is another"));
    }
    let (body, kind) = checked.split_at(checked.len() - 1);
    let uncompressed;
    let body = match kind {
        [0] => body,
        [1] => {
            let length = snap::raw::decompress_len(body).unwrap_or(usize::MAX);
            if length > *allowed {
                return Err(refused("is compressed and would be too long"));
            }
            uncompressed = snap::raw::Decoder::new()
                .decompress_vec(body)
                .map_err(|error| refused(&format!("is damaged: {error}")))?;
            &uncompressed
        }
        _ => return Err(refused("is compressed in an unknown way")),
    };
    parse(body, start, allowed).ok_or_else(|| refused("is damaged"))
}

/// Rows that share the beginning of their key with the row before them, then places where none is shared.
fn parse(body: &[u8], offset: usize, allowed: &mut usize) -> Option<Vec<Row>> {
    let restarts = body.last_chunk().copied().map(u32::from_le_bytes)? as usize;
    let end = body.len().checked_sub(restarts.checked_add(1)?.checked_mul(4)?)?;
    let mut rest = &body[..end];
    let mut rows: Vec<Row> = Vec::new();
    while !rest.is_empty() {
        let [shared, own, length] = [varint(&mut rest)?, varint(&mut rest)?, varint(&mut rest)?];
        let before = rows.last().map_or(&[][..], |row| row.key.as_slice());
        let key = [before.get(..shared)?, rest.split_off(..own)?].concat();
        let value = rest.split_off(..length)?.to_vec();
        if key.len() > MAX_KEY_BYTES {
            return None;
        }
        *allowed = allowed.checked_sub(key.len() + value.len() + ROW_BYTES)?;
        rows.push(Row { key, value, offset });
    }
    Some(rows)
}

/// A sum by what is stored of it, for sums of sums would be weak.
pub(super) fn unmasked(stored: u32) -> u32 {
    stored.wrapping_sub(0xa282_ead8).rotate_left(15)
}
