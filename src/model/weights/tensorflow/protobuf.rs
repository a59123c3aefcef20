//! The two messages of a TensorFlow checkpoint's index (`tensorflow/core/protobuf/tensor_bundle.proto`), decoded field
//! by field.

/// `BundleHeaderProto`.
pub(super) struct Header {
    pub shards: u64,
    pub is_big_endian: bool,
}

/// `BundleEntryProto`.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Variable {
    pub dtype: u64,
    pub shape: Vec<usize>,
    pub shard: u64,
    pub offset: u64,
    pub size: u64,
}

/// Axes of a variable.
const MOST_AXES: usize = 8;

pub(super) fn header(bytes: &[u8]) -> Result<Header, String> {
    let mut header = Header { shards: 0, is_big_endian: false };
    for field in fields(bytes) {
        match field? {
            (1, Field::Number(shards)) => header.shards = shards,
            (2, Field::Number(endianness)) => header.is_big_endian = endianness != 0,
            _ => {}
        }
    }
    Ok(header)
}

pub(super) fn variable(bytes: &[u8]) -> Result<Variable, String> {
    let mut variable = Variable::default();
    for field in fields(bytes) {
        match field? {
            (1, Field::Number(dtype)) => variable.dtype = dtype,
            (2, Field::Bytes(shape)) => variable.shape = axes(shape)?,
            (3, Field::Number(shard)) => variable.shard = shard,
            (4, Field::Number(offset)) => variable.offset = offset,
            (5, Field::Number(size)) => variable.size = size,
            (7, _) => return Err("it is cut into slices, which is not read".to_owned()),
            // 6 is the sum of the bytes.
            _ => {}
        }
    }
    Ok(variable)
}

/// The sizes in a `TensorShapeProto`.
fn axes(bytes: &[u8]) -> Result<Vec<usize>, String> {
    let mut axes = Vec::new();
    for field in fields(bytes) {
        if let (2, Field::Bytes(dimension)) = field? {
            let mut size = 0;
            for field in fields(dimension) {
                if let (1, Field::Number(number)) = field? {
                    size = number;
                }
            }
            if axes.len() == MOST_AXES {
                return Err(format!("it has more than {MOST_AXES} axes"));
            }
            axes.push(usize::try_from(size).map_err(|_| format!("an axis has the size {size}"))?);
        }
    }
    Ok(axes)
}

enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// A fixed number that nothing here needs.
    Other,
}

/// The fields of a message with their numbers, up to the first that is damaged.
fn fields(mut bytes: &[u8]) -> impl Iterator<Item = Result<(u64, Field<'_>), String>> {
    let mut is_over = false;
    std::iter::from_fn(move || {
        if bytes.is_empty() || is_over {
            return None;
        }
        let found = field(&mut bytes).ok_or_else(|| "its description is damaged".to_owned());
        is_over = found.is_err();
        Some(found)
    })
}

fn field<'a>(bytes: &mut &'a [u8]) -> Option<(u64, Field<'a>)> {
    let tag = varint(bytes)?;
    let field = match tag & 7 {
        0 => Field::Number(varint(bytes)?),
        1 => {
            bytes.split_off(..8)?;
            Field::Other
        }
        2 => {
            let length = usize::try_from(varint(bytes)?).ok()?;
            Field::Bytes(bytes.split_off(..length)?)
        }
        5 => {
            bytes.split_off(..4)?;
            Field::Other
        }
        _ => return None,
    };
    Some((tag >> 3, field))
}

/// A number in groups of seven bits, least first; taken off `bytes`.
pub(super) fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.split_off_first()?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 128 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_of_tensorflow() {
        // DT_FLOAT, [768], offset 3072, 3072 bytes, a sum: as in OpenAI's index, with shard 0 left out.
        let bytes = [
            0x08, 1, 0x12, 5, 0x12, 3, 0x08, 0x80, 0x06, 0x20, 0x80, 0x18, 0x28, 0x80, 0x18, 0x35, 1, 2, 3, 4,
        ];
        let expected = Variable { dtype: 1, shape: vec![768], shard: 0, offset: 3072, size: 3072 };
        assert_eq!(variable(&bytes).unwrap(), expected);
        for length in 1..bytes.len() {
            // Fields end where they end; nothing reads on.
            let _ = variable(&bytes[..length]);
        }
        assert!(variable(&bytes[..19]).is_err());
        assert!(variable(&[0x3a, 0]).unwrap_err().contains("slices"));
    }

    #[test]
    fn numbers_of_any_length() {
        assert_eq!(varint(&mut &[0xac, 0x02, 9][..]), Some(300));
        assert_eq!(varint(&mut &[0xff; 11][..]), None);
        assert_eq!(varint(&mut &[0x80][..]), None);
    }
}
