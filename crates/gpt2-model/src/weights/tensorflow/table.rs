//! Sorted tables of keys and values in LevelDB's format (`table_format.md` of LevelDB, `table` of TensorFlow): blocks of
//! rows, an index of the blocks, and a footer with the position of the index.

/// The byte at which a table is damaged, and the reason.
pub(super) type Damage = (usize, String);

/// The last eight bytes of a table.
pub(super) const MAGIC: u64 = 0xdb47_7524_8b80_fb57;

pub(super) struct Row {
    pub key: Vec<u8>,
    pub value: Vec<u8>,
    /// Byte of the file at which its block begins.
    pub offset: usize,
}

const FOOTER_BYTES: usize = 48;

/// Compression of a block (one byte) and its checksum.
const TRAILER_BYTES: usize = 5;

/// Longest key; names of variables are much shorter.
const MAX_KEY_BYTES: usize = 1000;

/// Largest ratio of the rows in memory to the file.
const MAX_GROWTH: usize = 30;

/// Memory of a row in addition to its key and value.
const ROW_BYTES: usize = 120;

/// All rows of a table, in order.
pub(super) fn rows(all: &[u8]) -> Result<Vec<Row>, Damage> {
    let footer_start = all.len().checked_sub(FOOTER_BYTES).ok_or((0, "the table is cut short".to_owned()))?;
    let mut footer = &all[footer_start..];
    let damaged = || (footer_start, "the table's footer is damaged".to_owned());
    handle(&mut footer).ok_or_else(damaged)?;
    let index = handle(&mut footer).ok_or_else(damaged)?;
    // Blocks may be compressed, and the index may name one more than once.
    let mut allowed = all.len().saturating_mul(MAX_GROWTH);
    let mut rows = Vec::new();
    for row in block(all, index, &mut allowed)? {
        let handle = handle(&mut row.value.as_slice());
        let handle = handle.ok_or_else(|| (row.offset, "the table's index is damaged".to_owned()))?;
        rows.extend(block(all, handle, &mut allowed)?);
    }
    Ok(rows)
}

/// Offset and size of a block.
fn handle(bytes: &mut &[u8]) -> Option<(usize, usize)> {
    Some((varint(bytes)?, varint(bytes)?))
}

/// Takes a varint, as in protocol buffers, off the front of `bytes`.
fn varint(bytes: &mut &[u8]) -> Option<usize> {
    prost::decode_length_delimiter(bytes).ok()
}

/// The rows of one block. Their size is subtracted from `allowed`.
fn block(all: &[u8], (start, size): (usize, usize), allowed: &mut usize) -> Result<Vec<Row>, Damage> {
    let end = start.checked_add(size).and_then(|end| end.checked_add(TRAILER_BYTES));
    let Some(stored) = end.and_then(|end| all.get(start..end)) else {
        return Err((all.len(), format!("a block of {size} bytes at byte {start} lies outside the table")));
    };
    let refused = |reason: &str| (start, format!("a block of the table {reason}"));
    let (checked, checksum) = stored.split_at(stored.len() - 4);
    let expected = checksum.first_chunk().copied().map_or(0, u32::from_le_bytes);
    if crc32c::crc32c(checked) != unmask(expected) {
        return Err(refused("is damaged: its checksum differs"));
    }
    let (body, compression) = checked.split_at(checked.len() - 1);
    let uncompressed;
    let body = match compression {
        [0] => body,
        [1] => {
            let length = snap::raw::decompress_len(body).unwrap_or(usize::MAX);
            if length > *allowed {
                return Err(refused("is compressed and too long"));
            }
            uncompressed = snap::raw::Decoder::new()
                .decompress_vec(body)
                .map_err(|error| refused(&format!("is damaged: {error}")))?;
            &uncompressed
        }
        _ => return Err(refused("has an unknown compression")),
    };
    parse(body, start, allowed).ok_or_else(|| refused("is damaged"))
}

/// Rows of an uncompressed block. A key may share a prefix with the key before it. At the end are the offsets of rows that
/// share none.
fn parse(body: &[u8], offset: usize, allowed: &mut usize) -> Option<Vec<Row>> {
    let restarts = body.last_chunk().copied().map(u32::from_le_bytes)? as usize;
    let end = body.len().checked_sub(restarts.checked_add(1)?.checked_mul(4)?)?;
    let mut rest = &body[..end];
    let mut rows: Vec<Row> = Vec::new();
    while !rest.is_empty() {
        let [shared, unshared, length] = [varint(&mut rest)?, varint(&mut rest)?, varint(&mut rest)?];
        let previous = rows.last().map_or(&[][..], |row| row.key.as_slice());
        let key = [previous.get(..shared)?, rest.split_off(..unshared)?].concat();
        let value = rest.split_off(..length)?.to_vec();
        if key.len() > MAX_KEY_BYTES {
            return None;
        }
        *allowed = allowed.checked_sub(key.len() + value.len() + ROW_BYTES)?;
        rows.push(Row { key, value, offset });
    }
    Some(rows)
}

/// The CRC-32C for a stored, masked one. Checksums are masked because the CRC of data that contain CRCs is weak.
pub(super) fn unmask(stored: u32) -> u32 {
    stored.wrapping_sub(0xa282_ead8).rotate_left(15)
}
