//! Thrift's compact protocol, in which Parquet's headers are written, read into a tree.

/// Most levels of structs and lists in each other.
const MOST_LEVELS: usize = 32;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Thrift<'a> {
    Bool(bool),
    Int(i64),
    Double,
    Binary(&'a [u8]),
    List(Vec<Thrift<'a>>),
    /// Fields by their number.
    Struct(Vec<(i16, Thrift<'a>)>),
}

impl<'a> Thrift<'a> {
    /// A struct at the beginning of `bytes`, and its length.
    pub fn read(bytes: &'a [u8]) -> Result<(Self, usize), String> {
        let mut reader = Reader { bytes, at: 0 };
        let value = reader.fields(0).ok_or("a damaged header")?;
        Ok((value, reader.at))
    }

    /// The field of this number.
    pub fn field(&self, number: i16) -> Option<&Self> {
        match self {
            Self::Struct(fields) => fields.iter().find(|(known, _)| *known == number).map(|(_, value)| value),
            _ => None,
        }
    }

    /// The field of this number, a whole number.
    pub fn int(&self, number: i16) -> Option<i64> {
        match self.field(number)? {
            Self::Int(value) => Some(*value),
            _ => None,
        }
    }

    /// The same where it is a length or a place.
    pub fn length(&self, number: i16) -> Option<usize> {
        usize::try_from(self.int(number)?).ok()
    }

    /// The field of this number, a text.
    pub fn text(&self, number: i16) -> Option<&'a str> {
        match self.field(number)? {
            Self::Binary(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// The field of this number, a list; none is an empty one.
    pub fn list(&self, number: i16) -> &[Self] {
        match self.field(number) {
            Some(Self::List(values)) => values,
            _ => &[],
        }
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn varint(&mut self) -> Option<u64> {
        let (value, length) = varint(self.bytes.get(self.at..)?)?;
        self.at += length;
        Some(value)
    }

    fn zigzag(&mut self) -> Option<i64> {
        let value = self.varint()?;
        Some((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    fn fields(&mut self, level: usize) -> Option<Thrift<'a>> {
        if level > MOST_LEVELS {
            return None;
        }
        let mut fields = Vec::new();
        let mut number: i16 = 0;
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Some(Thrift::Struct(fields));
            }
            number = match head >> 4 {
                0 => i16::try_from(self.zigzag()?).ok()?,
                step => number.checked_add(i16::from(step))?,
            };
            let value = match head & 15 {
                1 => Thrift::Bool(true),
                2 => Thrift::Bool(false),
                kind => self.value(kind, level)?,
            };
            fields.push((number, value));
        }
    }

    fn value(&mut self, kind: u8, level: usize) -> Option<Thrift<'a>> {
        match kind {
            1 | 2 => Some(Thrift::Bool(self.byte()? == 1)),
            3 => Some(Thrift::Int(i64::from(self.byte()? as i8))),
            4..=6 => Some(Thrift::Int(self.zigzag()?)),
            7 => {
                self.at = self.at.checked_add(8).filter(|at| *at <= self.bytes.len())?;
                Some(Thrift::Double)
            }
            8 => {
                let length = usize::try_from(self.varint()?).ok()?;
                let end = self.at.checked_add(length)?;
                let bytes = self.bytes.get(self.at..end)?;
                self.at = end;
                Some(Thrift::Binary(bytes))
            }
            9 | 10 => {
                let head = self.byte()?;
                let count = match head >> 4 {
                    15 => usize::try_from(self.varint()?).ok()?,
                    count => usize::from(count),
                };
                // An element has a byte at least.
                if count > self.bytes.len() - self.at || level > MOST_LEVELS {
                    return None;
                }
                (0..count).map(|_| self.value(head & 15, level + 1)).collect::<Option<_>>().map(Thrift::List)
            }
            12 => self.fields(level + 1),
            // Maps, which no header of Parquet has.
            _ => None,
        }
    }
}

/// A number of seven bits a byte, lowest first, and its length.
pub(super) fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0;
    for (index, byte) in bytes.iter().take(10).enumerate() {
        value |= u64::from(byte & 127) << (7 * index);
        if byte & 128 == 0 {
            return Some((value, index + 1));
        }
    }
    None
}
