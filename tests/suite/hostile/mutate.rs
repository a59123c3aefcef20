//! Valid files with a few changes, as from damage or malice.

use std::fmt;

use proptest::collection::vec;
use proptest::prelude::{Strategy, any};

/// Bytes that are displayed as text.
#[derive(Clone, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

impl fmt::Debug for Bytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &self.0[..self.0.len().min(3000)];
        write!(formatter, "{} bytes: \"{}\"", self.0.len(), shown.escape_ascii())
    }
}

/// Replacements of numbers.
const NUMBERS: [&str; 16] = [
    "0",
    "-1",
    "1",
    "2",
    "-0.0",
    "1.5",
    "1e999",
    "-1e308",
    "255",
    "65536",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "18446744073709551615",
    "18446744073709551616",
    "1152921504606846976000000000000000000000000000",
];

/// Insertions.
const PIECES: [&[u8]; 34] = [
    b"\n",
    b"\r\n",
    b"\n\n",
    b" ",
    b"\t",
    b"\0",
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"<",
    b">",
    b"&lol;",
    b"null",
    b"true",
    b"\\u0000",
    b"\\ud800",
    b"\xff",
    b"\xc3",
    b"\xef\xbb\xbf",
    b"\xe2\x80\xa8",
    b"\x1b[2J",
    b"../",
    b"<seg id=\"1\">",
    b"</seg>",
    b"XXXXX",
    b" = A = \n",
    b"|",
    b"\xf0\x9f\x98\x80",
    b"e\xcc\x81",
];

/// Openings and closings of nested structures.
const NESTS: [(&[u8], &[u8]); 5] =
    [(b"[", b"]"), (b"{\"a\":", b"}"), (b"<a>", b"</a>"), (b"[", b""), (b"<a>", b"")];

/// One change: its kind, two offsets, and a parameter.
type Edit = (u8, u32, u32, u16);

/// An offset from 0 to `length`, inclusive.
fn offset(length: usize, at: u32) -> usize {
    (((length as u64 + 1) * u64::from(at)) >> 32) as usize
}

/// A short range of bytes.
fn short_range(bytes: &[u8], at: u32, count: u16) -> std::ops::Range<usize> {
    let start = offset(bytes.len(), at);
    // Usually a few bytes, sometimes hundreds.
    let max = if count.is_multiple_of(8) { count / 64 } else { count % 16 };
    start..bytes.len().min(start + usize::from(max) + 1)
}

fn apply(bytes: &mut Vec<u8>, (kind, at, to, with): Edit) {
    match kind {
        0 => drop(bytes.drain(short_range(bytes, at, with))),
        1 => {
            let copied = bytes[short_range(bytes, at, with)].to_vec();
            let to = offset(bytes.len(), to);
            bytes.splice(to..to, copied);
        }
        2 => {
            let at = offset(bytes.len(), at);
            if let Some(byte) = bytes.get_mut(at) {
                *byte = with as u8;
            }
        }
        3 | 4 => {
            let piece = PIECES[usize::from(with) % PIECES.len()];
            let at = offset(bytes.len(), at);
            bytes.splice(at..at, piece.iter().copied());
        }
        5 | 6 => {
            let is_digit = |index: usize| bytes.get(index).is_some_and(u8::is_ascii_digit);
            let from = offset(bytes.len(), at);
            let Some(start) = (from..bytes.len()).chain(0..from).find(|&index| is_digit(index)) else {
                return;
            };
            let end = (start..bytes.len()).find(|&index| !is_digit(index)).unwrap_or(bytes.len());
            let number = NUMBERS[usize::from(with) % NUMBERS.len()];
            bytes.splice(start..end, number.bytes());
        }
        7 => {
            let (open, close) = NESTS[usize::from(with) % NESTS.len()];
            let depth = [3, 100, 200, 2000][to as usize % 4];
            let range = short_range(bytes, at, with);
            let inside = bytes[range.clone()].to_vec();
            bytes.splice(range, [open.repeat(depth), inside, close.repeat(depth)].concat());
        }
        8 => bytes.truncate(offset(bytes.len(), at)),
        _ => {
            // Duplicates, removes or moves a line.
            let mut lines: Vec<Vec<u8>> =
                bytes.split_inclusive(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
            if lines.is_empty() {
                return;
            }
            let from = offset(lines.len() - 1, at);
            let line = if with.is_multiple_of(3) { lines[from].clone() } else { lines.remove(from) };
            if !with.is_multiple_of(4) {
                lines.insert(offset(lines.len(), to), line);
            }
            *bytes = lines.concat();
        }
    }
}

/// One of `seeds` with up to four changes; every sixteenth input is random bytes.
pub fn mutated(seeds: &[&[u8]]) -> impl Strategy<Value = Bytes> + use<> {
    let seeds: Vec<Vec<u8>> = seeds.iter().map(|seed| seed.to_vec()).collect();
    let edits = vec((0_u8..10, any::<u32>(), any::<u32>(), any::<u16>()), 0..5);
    (any::<u8>(), edits, vec(any::<u8>(), 0..40)).prop_map(move |(choice, edits, random)| {
        if choice < 16 {
            return Bytes(random);
        }
        let mut bytes = seeds[usize::from(choice) % seeds.len()].clone();
        for edit in edits {
            apply(&mut bytes, edit);
        }
        Bytes(bytes)
    })
}
