//! The two messages of a TensorFlow checkpoint's index (`tensorflow/core/protobuf/tensor_bundle.proto`), with the fields
//! that are needed here.

use prost::Message;

/// Axes of a variable.
const MAX_AXES: usize = 8;

/// `BundleHeaderProto`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Header {
    #[prost(int32, tag = "1")]
    pub num_shards: i32,
    /// 0 is little-endian.
    #[prost(int32, tag = "2")]
    pub endianness: i32,
}

/// `BundleEntryProto`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Variable {
    #[prost(int32, tag = "1")]
    pub dtype: i32,
    #[prost(message, optional, tag = "2")]
    shape: Option<Shape>,
    #[prost(int32, tag = "3")]
    pub shard_id: i32,
    #[prost(int64, tag = "4")]
    pub offset: i64,
    #[prost(int64, tag = "5")]
    pub size: i64,
    /// The CRC-32C of the numbers, masked.
    #[prost(fixed32, tag = "6")]
    pub crc32c: u32,
    #[prost(message, repeated, tag = "7")]
    slices: Vec<Slice>,
}

/// `TensorShapeProto`.
#[derive(Clone, PartialEq, Message)]
struct Shape {
    #[prost(message, repeated, tag = "2")]
    dim: Vec<Axis>,
}

/// `TensorShapeProto.Dim`.
#[derive(Clone, PartialEq, Message)]
struct Axis {
    #[prost(int64, tag = "1")]
    size: i64,
}

/// `TensorSliceProto`, of which nothing is read.
#[derive(Clone, PartialEq, Message)]
struct Slice {}

pub(super) fn header(bytes: &[u8]) -> Result<Header, String> {
    Header::decode(bytes).map_err(|error| damaged(&error))
}

/// A variable that is stored in one piece.
pub(super) fn variable(bytes: &[u8]) -> Result<Variable, String> {
    let variable = Variable::decode(bytes).map_err(|error| damaged(&error))?;
    if !variable.slices.is_empty() {
        return Err("it is cut into slices, which is not read".to_owned());
    }
    Ok(variable)
}

fn damaged(error: &prost::DecodeError) -> String {
    format!("its description is damaged: {error}")
}

impl Variable {
    /// Its sizes.
    pub fn shape(&self) -> Result<Vec<usize>, String> {
        let axes = self.shape.as_ref().map_or(&[][..], |shape| &shape.dim);
        if axes.len() > MAX_AXES {
            return Err(format!("it has more than {MAX_AXES} axes"));
        }
        let size = |axis: &Axis| {
            usize::try_from(axis.size).map_err(|_| format!("an axis has the size {}", axis.size))
        };
        axes.iter().map(size).collect()
    }
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
        let found = variable(&bytes).unwrap();
        assert_eq!((found.dtype, found.shard_id, found.offset, found.size), (1, 0, 3072, 3072));
        assert_eq!((found.shape().unwrap(), found.crc32c), (vec![768], 0x0403_0201));
        for length in 1..bytes.len() {
            // Fields end where they end; nothing reads on.
            let _ = variable(&bytes[..length]);
        }
        assert!(variable(&bytes[..19]).unwrap_err().contains("its description is damaged"));
        assert!(variable(&[0x3a, 0]).unwrap_err().contains("slices"));
        let many: Vec<u8> = [0x12, 18].into_iter().chain([0x12, 0].repeat(9)).collect();
        assert!(variable(&many).unwrap().shape().unwrap_err().contains("more than 8 axes"));
        let negative = [0x12, 13, 0x12, 11, 0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
        assert!(variable(&negative).unwrap().shape().unwrap_err().contains("the size -1"));
    }
}
