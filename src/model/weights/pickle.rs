//! Pickles as data: the opcodes that `torch.save` writes, with a stack of plain values. Nothing is ever called; what a
//! pickle says to call is looked up in a short list of what makes tensors and dictionaries, and anything else is refused
//! by its name.

mod machine;
mod tensors;

pub(super) use machine::read;

use safetensors::tensor::Dtype;

/// Why a pickle cannot be read, and at which of its bytes.
pub(super) type Refused = (usize, String);

/// A value; containers are numbers of places in [`Pickle`]'s lists, so that they may refer to each other in any way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value<'a> {
    None,
    Bool(bool),
    Integer(i64),
    /// One of more than 64 bits.
    LargeInteger,
    Float(f64),
    Text(&'a str),
    Bytes,
    List(usize),
    Tuple(usize),
    Dictionary(usize),
    Global(Global),
    Storage(usize),
    Tensor(usize),
}

impl Value<'_> {
    /// What it is, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Bool(_) => "a truth value",
            Self::Integer(_) | Self::LargeInteger => "a whole number",
            Self::Float(_) => "a number",
            Self::Text(_) => "text",
            Self::Bytes => "bytes",
            Self::List(_) => "a list",
            Self::Tuple(_) => "a tuple",
            Self::Dictionary(_) => "a dictionary",
            Self::Global(_) => "a function",
            Self::Storage(_) => "a storage",
            Self::Tensor(_) => "a tensor",
        }
    }
}

/// What a pickle may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Global {
    OrderedDictionary,
    RebuildTensor,
    RebuildParameter,
    Size,
    /// The type of a storage's numbers.
    Storage(Dtype),
}

impl Global {
    fn find(module: &str, name: &str) -> Option<Self> {
        let storage = |dtype| Some(Self::Storage(dtype));
        match (module, name) {
            ("collections", "OrderedDict") => Some(Self::OrderedDictionary),
            ("torch._utils", "_rebuild_tensor_v2" | "_rebuild_tensor") => Some(Self::RebuildTensor),
            ("torch._utils", "_rebuild_parameter") => Some(Self::RebuildParameter),
            ("torch", "Size") => Some(Self::Size),
            ("torch" | "torch.cuda", storage_name) => match storage_name {
                "FloatStorage" => storage(Dtype::F32),
                "HalfStorage" => storage(Dtype::F16),
                "BFloat16Storage" => storage(Dtype::BF16),
                "DoubleStorage" => storage(Dtype::F64),
                "LongStorage" => storage(Dtype::I64),
                "IntStorage" => storage(Dtype::I32),
                "ShortStorage" => storage(Dtype::I16),
                "CharStorage" => storage(Dtype::I8),
                "ByteStorage" => storage(Dtype::U8),
                "BoolStorage" => storage(Dtype::BOOL),
                _ => None,
            },
            _ => None,
        }
    }
}

/// Numbers that the pickle only refers to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Storage<'a> {
    pub dtype: Dtype,
    /// Their name in the file.
    pub key: &'a str,
    /// How many there are.
    pub numbers: usize,
}

/// A view of a storage.
#[derive(Debug, Clone)]
pub(super) struct StoredTensor {
    pub storage: usize,
    /// Its first number.
    pub offset: usize,
    pub shape: Vec<usize>,
    pub strides: Vec<usize>,
}

/// What a pickle holds.
#[derive(Debug, Default)]
pub(super) struct Pickle<'a> {
    /// Lists and tuples.
    pub sequences: Vec<Vec<Value<'a>>>,
    /// Dictionaries, in the order in which they were written.
    pub dictionaries: Vec<Vec<(Value<'a>, Value<'a>)>>,
    pub storages: Vec<Storage<'a>>,
    pub tensors: Vec<StoredTensor>,
    /// The value itself.
    pub value: Option<Value<'a>>,
    /// Its bytes, of those that were given.
    pub length: usize,
}

impl<'a> Pickle<'a> {
    /// The entries of a dictionary; nothing for other values.
    pub fn entries(&self, value: Value<'a>) -> &[(Value<'a>, Value<'a>)] {
        match value {
            Value::Dictionary(index) => self.dictionaries.get(index).map_or(&[], Vec::as_slice),
            _ => &[],
        }
    }

    /// The entry of a dictionary with this key.
    pub fn get(&self, value: Value<'a>, key: &str) -> Option<Value<'a>> {
        self.entries(value)
            .iter()
            .rev()
            .find(|(known, _)| *known == Value::Text(key))
            .map(|(_, value)| *value)
    }

    /// The elements of a list or tuple; nothing for other values.
    pub fn elements(&self, value: Value<'a>) -> &[Value<'a>] {
        match value {
            Value::List(index) | Value::Tuple(index) => self.sequences.get(index).map_or(&[], Vec::as_slice),
            _ => &[],
        }
    }
}
