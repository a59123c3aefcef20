//! The directory of a zip that `torch.save` wrote: where in the file each member lies. Members are stored as they are,
//! so that they can be read where they are; compressed ones are refused.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::text::clipped;

/// Bytes of the last record, without its comment.
const END: usize = 22;

/// The longest comment behind it.
const MOST_COMMENT: usize = 65_535;

/// A size or offset of 32 bits that says: see the 64-bit field.
const IN_ZIP64: u64 = 0xffff_ffff;

/// Why a zip cannot be read, and at which byte.
pub(super) type Refused = (usize, String);

/// Name and byte range of every member.
pub(super) fn members(all: &[u8]) -> Result<BTreeMap<&str, Range<usize>>, Refused> {
    let end = end_record(all).ok_or_else(|| {
        (
            all.len(),
            "the zip's directory, at its end, is missing: the file is cut short; copy it again".to_owned(),
        )
    })?;
    let (start, size, count) = directory(all, end)?;
    let mut place = start;
    let directory_end = start.checked_add(size).filter(|end| *end <= all.len());
    let directory_end =
        directory_end.ok_or_else(|| (end, "the zip's directory lies outside the file".to_owned()))?;
    let mut members = BTreeMap::new();
    for _ in 0..count {
        let (name, range, next) = member(all, place, directory_end)?;
        if members.insert(name, range).is_some() {
            return Err((place, format!("the zip has the member `{}` twice", clipped(name))));
        }
        place = next;
    }
    Ok(members)
}

/// Where the last record begins.
fn end_record(all: &[u8]) -> Option<usize> {
    let last = all.len().checked_sub(END)?;
    (last.saturating_sub(MOST_COMMENT)..=last).rev().find(|&place| all[place..].starts_with(b"PK\x05\x06"))
}

/// Start and size of the directory, and how many members it has.
fn directory(all: &[u8], end: usize) -> Result<(usize, usize, usize), Refused> {
    let cut = || (end, "the zip's last record is cut short".to_owned());
    let (count, size, start) =
        (number::<2>(all, end + 10), number::<4>(all, end + 12), number::<4>(all, end + 16));
    let (mut count, mut size, mut start) =
        (count.ok_or_else(cut)?, size.ok_or_else(cut)?, start.ok_or_else(cut)?);
    if count == 0xffff || size == IN_ZIP64 || start == IN_ZIP64 {
        let locator = end.checked_sub(20).filter(|&place| all[place..].starts_with(b"PK\x06\x07"));
        let large = locator
            .and_then(|place| number::<8>(all, place + 8))
            .and_then(|place| usize::try_from(place).ok())
            .filter(|&place| all.get(place..).is_some_and(|rest| rest.starts_with(b"PK\x06\x06")));
        if let Some(place) = large {
            let cut = || (place, "the zip's 64-bit record is cut short".to_owned());
            count = number::<8>(all, place + 32).ok_or_else(cut)?;
            size = number::<8>(all, place + 40).ok_or_else(cut)?;
            start = number::<8>(all, place + 48).ok_or_else(cut)?;
        }
    }
    let fits = |value: u64| {
        usize::try_from(value).map_err(|_| (end, format!("the zip's directory claims {value} bytes")))
    };
    Ok((fits(start)?, fits(size)?, fits(count)?))
}

/// Name and byte range of the member whose directory entry is at `place`, and where the next entry is.
fn member(all: &[u8], place: usize, end: usize) -> Result<(&str, Range<usize>, usize), Refused> {
    let cut = || (place, "the zip's directory is cut short".to_owned());
    let record = all.get(place..end).filter(|record| record.starts_with(b"PK\x01\x02")).ok_or_else(cut)?;
    let field2 = |at| number::<2>(record, at).ok_or_else(cut);
    let field4 = |at| number::<4>(record, at).ok_or_else(cut);
    let (flags, method) = (field2(8)?, field2(10)?);
    let (mut compressed, mut size) = (field4(20)?, field4(24)?);
    let [name_length, extra_length, comment_length] = [28, 30, 32].map(field2);
    let (name_length, extra_length) = (name_length? as usize, extra_length? as usize);
    let mut local = field4(42)?;
    let name = record.get(46..46 + name_length).ok_or_else(cut)?;
    let name = std::str::from_utf8(name).map_err(|_| (place, "a name in the zip is no UTF-8".to_owned()))?;
    let extra = record.get(46 + name_length..46 + name_length + extra_length).ok_or_else(cut)?;
    large_fields(extra, [&mut size, &mut compressed, &mut local]);
    let refused = |reason: &str| (place, format!("the zip's member `{}` {reason}", clipped(name)));
    if method != 0 || size != compressed {
        return Err(refused("is compressed, expected it stored as torch.save does"));
    }
    if flags & 1 != 0 {
        return Err(refused("is encrypted"));
    }
    let outside = || refused("lies outside the file");
    let local = usize::try_from(local).ok().filter(|local| *local < all.len()).ok_or_else(outside)?;
    let header = all.get(local..).filter(|header| header.starts_with(b"PK\x03\x04"));
    let header = header.ok_or_else(|| refused(&format!("has no header at byte {local}")))?;
    let names = number::<2>(header, 26).zip(number::<2>(header, 28)).ok_or_else(outside)?;
    let start = local + 30 + (names.0 + names.1) as usize;
    let stop = usize::try_from(size).ok().and_then(|size| start.checked_add(size));
    let stop = stop.filter(|stop| *stop <= all.len()).ok_or_else(outside)?;
    Ok((name, start..stop, place + 46 + name_length + extra_length + comment_length? as usize))
}

/// Takes sizes and offset from the extra field for 64 bits, those whose 32 bits refer to it, in this order.
fn large_fields(mut extra: &[u8], fields: [&mut u64; 3]) {
    while let (Some(kind), Some(length)) = (number::<2>(extra, 0), number::<2>(extra, 2)) {
        let Some(body) = extra.get(4..4 + length as usize) else { return };
        if kind == 1 {
            let wanted = fields.into_iter().filter(|field| **field == IN_ZIP64);
            for (place, field) in wanted.enumerate() {
                if let Some(value) = number::<8>(body, 8 * place) {
                    *field = value;
                }
            }
            return;
        }
        extra = extra.get(4 + length as usize..).unwrap_or_default();
    }
}

/// The little-endian number of `BYTES` bytes at `place`.
fn number<const BYTES: usize>(bytes: &[u8], place: usize) -> Option<u64> {
    let found: &[u8; BYTES] = bytes.get(place..)?.first_chunk()?;
    Some(found.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A zip with the one member "a" of three bytes, its sizes and places in fields of 64 bits.
    fn large_zip() -> Vec<u8> {
        let unknown = [0xff; 4];
        let sizes = [unknown, unknown].concat();
        let mut file =
            [&b"PK\x03\x04"[..], &[0; 14], &sizes, &[1, 0, 20, 0], b"a", &[0; 20], b"xyz"].concat();
        let start = file.len() as u64;
        let extra = [1_u16.to_le_bytes(), 24_u16.to_le_bytes()].concat();
        let values = [3_u64, 3, 0].iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
        file.extend(
            [&b"PK\x01\x02"[..], &[0; 16], &sizes, &[1, 0, 28, 0], &[0; 10], &unknown, b"a"].concat(),
        );
        file.extend([extra, values].concat());
        let (size, record) = (file.len() as u64 - start, file.len() as u64);
        let counts =
            [1_u64, 1, size, start].iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
        file.extend([&b"PK\x06\x06"[..], &44_u64.to_le_bytes(), &[0; 12], &counts].concat());
        file.extend([&b"PK\x06\x07"[..], &[0; 4], &record.to_le_bytes(), &[1, 0, 0, 0]].concat());
        file.extend([&b"PK\x05\x06"[..], &[0; 4], &[0xff; 12], &[0; 2]].concat());
        file
    }

    #[test]
    fn fields_of_64_bits() {
        let file = large_zip();
        let members = members(&file).unwrap();
        assert_eq!(file[members["a"].clone()], *b"xyz");
    }

    #[test]
    fn a_zip_that_is_cut_short_is_refused() {
        let file = large_zip();
        for length in 0..file.len() {
            assert!(members(&file[..length]).is_err(), "{length}");
        }
    }
}
