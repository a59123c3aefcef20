//! The stack machine that pickles are programs for.

use std::collections::BTreeMap;

use super::{Global, Pickle, Refused, Value};
use crate::text::clipped;

/// Values, far above those of every checkpoint, so that a hostile pickle takes no memory to speak of.
const MOST_VALUES: usize = 1 << 20;

/// Reads the pickle at the beginning of `bytes`; what follows it is left alone.
pub(in super::super) fn read(bytes: &[u8]) -> Result<Pickle<'_>, Refused> {
    let mut machine = Machine {
        bytes,
        place: 0,
        stack: vec![],
        marks: vec![],
        memo: BTreeMap::new(),
        made: 0,
        pickle: Pickle::default(),
    };
    loop {
        let at = machine.place;
        match machine.step() {
            Ok(false) => {}
            Ok(true) => return Ok(machine.pickle),
            Err(reason) => return Err((at, reason)),
        }
    }
}

pub(super) struct Machine<'a> {
    bytes: &'a [u8],
    place: usize,
    stack: Vec<Value<'a>>,
    /// Heights of the stack.
    marks: Vec<usize>,
    /// Values by the number under which the pickle keeps them.
    memo: BTreeMap<usize, Value<'a>>,
    /// Values so far.
    made: usize,
    pub(super) pickle: Pickle<'a>,
}

pub(super) type Step<T> = Result<T, String>;

impl<'a> Machine<'a> {
    /// One opcode; whether it was the last.
    fn step(&mut self) -> Step<bool> {
        let [opcode] = self.take()?;
        match opcode {
            // Protocol and frames say nothing about values.
            0x80 => drop(self.take::<1>()?),
            0x95 => drop(self.take::<8>()?),
            b'.' => {
                self.pickle.value = Some(self.pop()?);
                self.pickle.length = self.place;
                return Ok(true);
            }
            b'N' => self.push(Value::None)?,
            0x88 => self.push(Value::Bool(true))?,
            0x89 => self.push(Value::Bool(false))?,
            b'K' => {
                let number = i64::from(u8::from_le_bytes(self.take()?));
                self.push(Value::Integer(number))?;
            }
            b'M' => {
                let number = i64::from(u16::from_le_bytes(self.take()?));
                self.push(Value::Integer(number))?;
            }
            b'J' => {
                let number = i64::from(i32::from_le_bytes(self.take()?));
                self.push(Value::Integer(number))?;
            }
            0x8a => {
                let length = self.length::<1>()?;
                let number = long(self.slice(length)?);
                self.push(number)?;
            }
            b'G' => {
                let number = f64::from_be_bytes(self.take()?);
                self.push(Value::Float(number))?;
            }
            // The second of each pair is text of Python 2.
            b'X' | b'T' => self.text::<4>()?,
            0x8c | b'U' => self.text::<1>()?,
            0x8d => self.text::<8>()?,
            b'C' => self.skip_bytes::<1>()?,
            b'B' => self.skip_bytes::<4>()?,
            b'c' => {
                let module = self.line()?;
                let name = self.line()?;
                self.global(module, name)?;
            }
            0x93 => match self.pop_many(2)?.as_slice() {
                [Value::Text(module), Value::Text(name)] => self.global(module, name)?,
                _ => return Err("it names a function by something else than text".to_owned()),
            },
            b'R' => self.reduce()?,
            // The state of a dictionary says what version of a module wrote it.
            b'b' => {
                self.pop()?;
                let top = self.stack.last();
                if !matches!(top, Some(Value::Dictionary(_))) {
                    let kind = top.map_or("nothing", Value::kind);
                    return Err(format!("it sets the state of {kind}, expected a dictionary"));
                }
            }
            b'Q' => self.storage()?,
            other => self.build(other)?,
        }
        Ok(false)
    }

    /// One opcode that makes or fills a container, or keeps a value.
    fn build(&mut self, opcode: u8) -> Step<()> {
        match opcode {
            b'}' => self.new_dictionary(vec![])?,
            b']' => self.new_sequence(vec![], Value::List)?,
            b')' => self.new_sequence(vec![], Value::Tuple)?,
            0x85..=0x87 => {
                let count = usize::from(opcode - 0x84);
                let elements = self.pop_many(count)?;
                self.new_sequence(elements, Value::Tuple)?;
            }
            b'(' => {
                self.count()?;
                self.marks.push(self.stack.len());
            }
            b't' => {
                let elements = self.pop_to_mark()?;
                self.new_sequence(elements, Value::Tuple)?;
            }
            b'a' => {
                let element = self.pop_many(1)?;
                self.extend(element)?;
            }
            b'e' => {
                let elements = self.pop_to_mark()?;
                self.extend(elements)?;
            }
            b's' => {
                let items = self.pop_many(2)?;
                self.set(&items)?;
            }
            b'u' => {
                let items = self.pop_to_mark()?;
                self.set(&items)?;
            }
            b'q' => {
                let key = self.length::<1>()?;
                self.remember(key)?;
            }
            b'r' => {
                let key = self.length::<4>()?;
                self.remember(key)?;
            }
            0x94 => self.remember(self.memo.len())?,
            b'h' => {
                let key = self.length::<1>()?;
                self.recall(key)?;
            }
            b'j' => {
                let key = self.length::<4>()?;
                self.recall(key)?;
            }
            other => {
                return Err(format!(
                    "the opcode {other:#04x} is none that torch.save writes for tensors; a pickle is read as data and \
                     never executed"
                ));
            }
        }
        Ok(())
    }

    fn cut() -> String {
        "the pickle is cut short".to_owned()
    }

    fn take<const BYTES: usize>(&mut self) -> Step<[u8; BYTES]> {
        let found = self.bytes.get(self.place..).and_then(<[u8]>::first_chunk).ok_or_else(Self::cut)?;
        self.place += BYTES;
        Ok(*found)
    }

    fn slice(&mut self, length: usize) -> Step<&'a [u8]> {
        let end = self.place.checked_add(length).ok_or_else(Self::cut)?;
        let found = self.bytes.get(self.place..end).ok_or_else(Self::cut)?;
        self.place = end;
        Ok(found)
    }

    /// A number of `BYTES` bytes that is a length or a key.
    fn length<const BYTES: usize>(&mut self) -> Step<usize> {
        let number =
            self.take::<BYTES>()?.iter().rev().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        usize::try_from(number).map_err(|_| Self::cut())
    }

    /// What stands before the end of the line.
    fn line(&mut self) -> Step<&'a str> {
        let rest = self.bytes.get(self.place..).unwrap_or_default();
        let length = rest.iter().take(200).position(|&byte| byte == b'\n');
        let line = self.slice(length.ok_or("a name has no end within 200 bytes")?)?;
        self.place += 1;
        std::str::from_utf8(line).map_err(|_| "a name is no UTF-8".to_owned())
    }

    fn count(&mut self) -> Step<()> {
        self.made += 1;
        if self.made > MOST_VALUES {
            return Err(format!("it has more than {MOST_VALUES} values"));
        }
        Ok(())
    }

    pub(super) fn push(&mut self, value: Value<'a>) -> Step<()> {
        self.count()?;
        self.stack.push(value);
        Ok(())
    }

    /// The height of the stack below which the values belong to what is being made outside.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    pub(super) fn pop(&mut self) -> Step<Value<'a>> {
        let is_there = self.stack.len() > self.floor();
        is_there.then(|| self.stack.pop()).flatten().ok_or_else(|| "the stack is empty".to_owned())
    }

    pub(super) fn pop_many(&mut self, count: usize) -> Step<Vec<Value<'a>>> {
        let start = self.stack.len().checked_sub(count).filter(|start| *start >= self.floor());
        Ok(self.stack.split_off(start.ok_or("the stack is empty")?))
    }

    fn pop_to_mark(&mut self) -> Step<Vec<Value<'a>>> {
        let mark = self.marks.pop().ok_or("there is no mark on the stack")?;
        Ok(self.stack.split_off(mark.min(self.stack.len())))
    }

    fn text<const BYTES: usize>(&mut self) -> Step<()> {
        let length = self.length::<BYTES>()?;
        let text = std::str::from_utf8(self.slice(length)?).map_err(|_| "text is no UTF-8")?;
        self.push(Value::Text(text))
    }

    fn skip_bytes<const BYTES: usize>(&mut self) -> Step<()> {
        let length = self.length::<BYTES>()?;
        self.slice(length)?;
        self.push(Value::Bytes)
    }

    fn new_sequence(&mut self, mut elements: Vec<Value<'a>>, make: fn(usize) -> Value<'a>) -> Step<()> {
        elements.shrink_to_fit();
        self.pickle.sequences.push(elements);
        self.push(make(self.pickle.sequences.len() - 1))
    }

    pub(super) fn new_dictionary(&mut self, entries: Vec<(Value<'a>, Value<'a>)>) -> Step<()> {
        self.pickle.dictionaries.push(entries);
        self.push(Value::Dictionary(self.pickle.dictionaries.len() - 1))
    }

    fn extend(&mut self, elements: Vec<Value<'a>>) -> Step<()> {
        let list = match self.stack.last() {
            Some(Value::List(index)) => self.pickle.sequences.get_mut(*index),
            _ => None,
        };
        list.ok_or("it appends to what is no list")?.extend(elements);
        Ok(())
    }

    fn set(&mut self, items: &[Value<'a>]) -> Step<()> {
        let dictionary = match self.stack.last() {
            Some(Value::Dictionary(index)) => self.pickle.dictionaries.get_mut(*index),
            _ => None,
        };
        let dictionary = dictionary.ok_or("it sets an entry of what is no dictionary")?;
        let (pairs, rest) = items.as_chunks();
        if !rest.is_empty() {
            return Err("a key of a dictionary has no value".to_owned());
        }
        dictionary.extend(pairs.iter().map(|[key, value]| (*key, *value)));
        Ok(())
    }

    fn remember(&mut self, key: usize) -> Step<()> {
        self.count()?;
        let value = self.stack.last().copied().ok_or("the stack is empty")?;
        self.memo.insert(key, value);
        Ok(())
    }

    fn recall(&mut self, key: usize) -> Step<()> {
        let value = self.memo.get(&key).copied();
        self.push(value.ok_or_else(|| format!("there is no value under the number {key}"))?)
    }

    fn global(&mut self, module: &str, name: &str) -> Step<()> {
        let global = Global::find(module, name).ok_or_else(|| {
            format!(
                "it wants `{}.{}`, which is none of what tensors and dictionaries need; a pickle is read as data and \
                 never executed",
                clipped(module),
                clipped(name)
            )
        })?;
        self.push(Value::Global(global))
    }
}

/// A number of any length, least byte first, negative if its last bit is set.
fn long(bytes: &[u8]) -> Value<'static> {
    let Some((&last, _)) = bytes.split_last() else { return Value::Integer(0) };
    if bytes.len() > 8 {
        return Value::LargeInteger;
    }
    let mut all = [if last >= 128 { 0xff } else { 0 }; 8];
    all[..bytes.len()].copy_from_slice(bytes);
    Value::Integer(i64::from_le_bytes(all))
}
