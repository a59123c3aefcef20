//! Reads the attributes of a pickled Python object, such as the dataclass that trainers save as `config`.
//!
//! pytorch-reader keeps only the name of such an object. This reads the same opcodes as data: nothing that a pickle names is
//! called or imported. An object is the dictionary of its attributes, whatever its class is.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use pytorch_reader::PickleValue;

/// Longest text of an attribute; names of activations are shorter.
const MAX_TEXT_BYTES: usize = 100;

/// What an opcode leaves on the stack.
#[derive(Debug, Clone)]
enum Item {
    Mark,
    /// A number, boolean or None.
    Plain(PickleValue),
    /// Shared, because a pickle can repeat a long text with two bytes.
    Text(Rc<str>),
    /// A dictionary or an object: index in [`Machine::dictionaries`].
    Dictionary(usize),
    Other,
}

/// The plain attributes of the object under `key` of the dictionary that a pickle holds. The first `skipped` pickles of
/// `bytes` are skipped. `None` if there is no such object, or an opcode is unknown.
pub(super) fn pickled_fields(
    bytes: &[u8],
    skipped: usize,
    key: &str,
) -> Option<HashMap<String, PickleValue>> {
    let mut input = Input(bytes);
    for _ in 0..skipped {
        Machine::default().run(&mut input)?;
    }
    let mut machine = Machine::default();
    let Item::Dictionary(root) = machine.run(&mut input)? else { return None };
    let &Item::Dictionary(object) = machine.dictionaries.get(root)?.get(key)? else { return None };
    let fields = machine.dictionaries.get(object)?.iter();
    let plain = |(name, item): (&Rc<str>, &Item)| match item {
        Item::Plain(value) => Some((name.to_string(), value.clone())),
        Item::Text(text) if text.len() <= MAX_TEXT_BYTES => {
            Some((name.to_string(), PickleValue::String(text.to_string())))
        }
        _ => None,
    };
    Some(fields.filter_map(plain).collect())
}

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    /// A little-endian number of `length` bytes.
    fn number(&mut self, length: usize) -> Option<usize> {
        let mut bytes = self.take(length)?.iter().rev();
        bytes.try_fold(0_usize, |number, byte| Some(number.checked_mul(256)? + usize::from(*byte)))
    }

    /// Bytes after their length, which has `width` bytes.
    fn counted(&mut self, width: usize) -> Option<&'a [u8]> {
        let length = self.number(width)?;
        self.take(length)
    }

    fn line(&mut self) -> Option<&'a [u8]> {
        let end = self.0.iter().position(|byte| *byte == b'\n')?;
        let line = self.take(end)?;
        self.take(1)?;
        Some(line)
    }
}

/// `CPython`'s unpickler without its calls.
#[derive(Default)]
struct Machine {
    stack: Vec<Item>,
    memo: HashMap<usize, Item>,
    dictionaries: Vec<BTreeMap<Rc<str>, Item>>,
}

impl Machine {
    /// Reads one pickle up to its end and returns what it holds.
    fn run(&mut self, input: &mut Input<'_>) -> Option<Item> {
        loop {
            let opcode = *input.take(1)?.first()?;
            if opcode == b'.' {
                return self.stack.pop();
            }
            self.step(opcode, input)?;
        }
    }

    fn step(&mut self, opcode: u8, input: &mut Input<'_>) -> Option<()> {
        match opcode {
            // PROTO, FRAME.
            0x80 => drop(input.take(1)?),
            0x95 => drop(input.take(8)?),
            b'(' => self.stack.push(Item::Mark),
            b'N' => self.plain(PickleValue::None),
            0x88 | 0x89 => self.plain(PickleValue::Bool(opcode == 0x88)),
            b'J' => {
                let number = i32::from_le_bytes(*input.take(4)?.first_chunk()?);
                self.plain(PickleValue::Int(i64::from(number)));
            }
            b'K' | b'M' => {
                let number = input.number(if opcode == b'K' { 1 } else { 2 })?;
                self.plain(PickleValue::Int(i64::try_from(number).ok()?));
            }
            // LONG1: numbers up to eight bytes are of interest.
            0x8a => {
                let bytes = input.counted(1)?;
                let item = long(bytes).map_or(Item::Other, |number| Item::Plain(PickleValue::Int(number)));
                self.stack.push(item);
            }
            b'G' => {
                let number = f64::from_be_bytes(*input.take(8)?.first_chunk()?);
                self.plain(PickleValue::Float(number));
            }
            b'X' | 0x8c | 0x8d => {
                let width = match opcode {
                    b'X' => 4,
                    0x8c => 1,
                    _ => 8,
                };
                let text = String::from_utf8_lossy(input.counted(width)?);
                self.stack.push(Item::Text(text.into()));
            }
            // Bytes and LONG4.
            b'B' | b'T' | 0x8b => self.other(input.counted(4)?),
            b'C' | b'U' => self.other(input.counted(1)?),
            0x8e | 0x96 => self.other(input.counted(8)?),
            // GLOBAL: module and name.
            b'c' => {
                input.line()?;
                self.other(input.line()?);
            }
            b'}' => self.dictionary(),
            b']' | b')' | 0x8f => self.stack.push(Item::Other),
            b'q' => self.remember(input.number(1)?)?,
            b'r' => self.remember(input.number(4)?)?,
            0x94 => self.remember(self.memo.len())?,
            b'h' => self.recall(input.number(1)?)?,
            b'j' => self.recall(input.number(4)?)?,
            // TUPLE1 and BINPERSID, TUPLE2 and STACK_GLOBAL, TUPLE3: as many values become one.
            0x85 | b'Q' => self.replace(1)?,
            0x86 | 0x93 => self.replace(2)?,
            0x87 => self.replace(3)?,
            // TUPLE, LIST, FROZENSET.
            b't' | b'l' | 0x91 => {
                self.pop_to_mark()?;
                self.stack.push(Item::Other);
            }
            // REDUCE, NEWOBJ and NEWOBJ_EX make an object, whose attributes follow.
            b'R' | 0x81 => self.object(2)?,
            0x92 => self.object(3)?,
            // APPEND and POP, APPENDS and ADDITEMS.
            b'a' | b'0' => drop(self.stack.pop()?),
            b'e' | 0x90 => drop(self.pop_to_mark()?),
            b's' => {
                let (value, key) = (self.stack.pop()?, self.stack.pop()?);
                self.set(vec![key, value])?;
            }
            b'u' => {
                let items = self.pop_to_mark()?;
                self.set(items)?;
            }
            b'b' => self.build()?,
            _ => return None,
        }
        Some(())
    }

    fn plain(&mut self, value: PickleValue) {
        self.stack.push(Item::Plain(value));
    }

    fn other(&mut self, _: &[u8]) {
        self.stack.push(Item::Other);
    }

    fn dictionary(&mut self) {
        self.stack.push(Item::Dictionary(self.dictionaries.len()));
        self.dictionaries.push(BTreeMap::new());
    }

    fn replace(&mut self, count: usize) -> Option<()> {
        self.stack.truncate(self.stack.len().checked_sub(count)?);
        self.stack.push(Item::Other);
        Some(())
    }

    fn object(&mut self, count: usize) -> Option<()> {
        self.stack.truncate(self.stack.len().checked_sub(count)?);
        self.dictionary();
        Some(())
    }

    fn remember(&mut self, index: usize) -> Option<()> {
        self.memo.insert(index, self.stack.last()?.clone());
        Some(())
    }

    fn recall(&mut self, index: usize) -> Option<()> {
        self.stack.push(self.memo.get(&index)?.clone());
        Some(())
    }

    /// The values above the last mark, which is removed.
    fn pop_to_mark(&mut self) -> Option<Vec<Item>> {
        let mark = self.stack.iter().rposition(|item| matches!(item, Item::Mark))?;
        let items = self.stack.split_off(mark + 1);
        self.stack.pop();
        Some(items)
    }

    /// Sets pairs of keys and values in the dictionary on top of the stack.
    fn set(&mut self, items: Vec<Item>) -> Option<()> {
        let &Item::Dictionary(index) = self.stack.last()? else { return Some(()) };
        let dictionary = self.dictionaries.get_mut(index)?;
        let mut items = items.into_iter();
        while let (Some(key), Some(value)) = (items.next(), items.next()) {
            if let Item::Text(key) = key {
                dictionary.insert(key, value);
            }
        }
        Some(())
    }

    /// Adds a state to the object below it.
    fn build(&mut self) -> Option<()> {
        let state = self.stack.pop()?;
        if let (Item::Dictionary(state), Some(&Item::Dictionary(object))) = (state, self.stack.last()) {
            let state = std::mem::take(self.dictionaries.get_mut(state)?);
            self.dictionaries.get_mut(object)?.extend(state);
        }
        Some(())
    }
}

/// A little-endian number in two's complement.
fn long(bytes: &[u8]) -> Option<i64> {
    let is_negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
    let mut all = [if is_negative { 0xff } else { 0 }; 8];
    all.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(i64::from_le_bytes(all))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `{"a": x, "config": Config(n_layer=3, bias=False, rate=0.5, name="n_layer", seed=2**40, none=None)}` by Python's
    /// pickle in protocol 2; `x` is a list of a tuple.
    const PICKLE: &[u8] = b"\x80\x02}q\0(X\x01\0\0\0aq\x01]q\x02K\x01K\x02\x86q\x03aX\x06\0\0\0configq\x04c__main__\nConfig\nq\x05)\
        \x81q\x06}q\x07(X\x07\0\0\0n_layerq\x08K\x03X\x04\0\0\0biasq\t\x89X\x04\0\0\0rateq\nG?\xe0\0\0\0\0\0\0X\x04\0\0\0nameq\x0b\
        h\x08X\x04\0\0\0seedq\x0c\x8a\x06\0\0\0\0\0\x01X\x04\0\0\0noneq\rNubu.";

    #[test]
    fn attributes_of_an_object() {
        let found = pickled_fields(PICKLE, 0, "config").unwrap();
        let expected = [
            ("n_layer", PickleValue::Int(3)),
            ("bias", PickleValue::Bool(false)),
            ("rate", PickleValue::Float(0.5)),
            ("name", PickleValue::String("n_layer".to_owned())),
            ("seed", PickleValue::Int(1 << 40)),
            ("none", PickleValue::None),
        ];
        assert_eq!(found, expected.into_iter().map(|(name, value)| (name.to_owned(), value)).collect());
        assert_eq!(pickled_fields(PICKLE, 0, "a"), None, "not an object");
        let second = [PICKLE, PICKLE].concat();
        assert!(pickled_fields(&second, 1, "config").is_some_and(|fields| fields.len() == 6));
        for length in 0..PICKLE.len() {
            assert_eq!(pickled_fields(&PICKLE[..length], 0, "config"), None, "cut after {length} bytes");
        }
    }
}
