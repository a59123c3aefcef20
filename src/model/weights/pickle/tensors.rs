//! What the functions that a pickle may name make: dictionaries, and tensors that refer to numbers outside it.

use super::machine::{Machine, Step};
use super::{Global, Storage, StoredTensor, Value};

/// Axes of a tensor.
const MOST_AXES: usize = 8;

impl<'a> Machine<'a> {
    /// Makes what a function of the short list makes.
    pub(super) fn reduce(&mut self) -> Step<()> {
        let [function, arguments] = self.pop_many(2)?.try_into().map_err(|_| "the stack is empty")?;
        let Value::Tuple(_) = arguments else {
            return Err(format!("a function is given {}, expected a tuple", arguments.kind()));
        };
        let given = self.pickle.elements(arguments);
        match (function, given) {
            (Value::Global(Global::OrderedDictionary), []) => self.new_dictionary(vec![]),
            (Value::Global(Global::OrderedDictionary), [pairs]) => {
                let pairs = self.pickle.elements(*pairs).iter().map(|&pair| self.pickle.elements(pair));
                let pairs: Option<Vec<_>> = pairs
                    .map(|pair| match pair {
                        [key, value] => Some((*key, *value)),
                        _ => None,
                    })
                    .collect();
                self.new_dictionary(pairs.ok_or("a dictionary is made of what are no pairs")?)
            }
            (Value::Global(Global::RebuildParameter), [tensor @ Value::Tensor(_), ..]) => {
                let tensor = *tensor;
                self.push(tensor)
            }
            (Value::Global(Global::Size), [sizes @ Value::Tuple(_)]) => {
                let sizes = *sizes;
                self.push(sizes)
            }
            (Value::Global(Global::RebuildTensor), [Value::Storage(storage), offset, shape, strides, ..]) => {
                let tensor = StoredTensor {
                    storage: *storage,
                    offset: size(*offset)?,
                    shape: self.sizes(*shape)?,
                    strides: self.sizes(*strides)?,
                };
                self.pickle.tensors.push(tensor);
                self.push(Value::Tensor(self.pickle.tensors.len() - 1))
            }
            (Value::Global(global), _) => Err(format!("{global:?} is given arguments that it does not take")),
            (other, _) => Err(format!("it calls {}, expected a function", other.kind())),
        }
    }

    fn sizes(&self, value: Value<'a>) -> Step<Vec<usize>> {
        let Value::Tuple(_) = value else {
            return Err(format!("the shape of a tensor is {}, expected a tuple", value.kind()));
        };
        let sizes = self.pickle.elements(value);
        if sizes.len() > MOST_AXES {
            return Err(format!("a tensor has {} axes, expected at most {MOST_AXES}", sizes.len()));
        }
        sizes.iter().map(|value| size(*value)).collect()
    }

    /// Takes a reference to numbers outside the pickle: what they are, their key, the device, how many.
    pub(super) fn storage(&mut self) -> Step<()> {
        let reference = self.pop()?;
        let found = match self.pickle.elements(reference) {
            [
                Value::Text("storage"),
                Value::Global(Global::Storage(dtype)),
                Value::Text(key),
                Value::Text(_),
                numbers,
                rest @ ..,
            ] if rest.iter().all(|value| *value == Value::None) => {
                Storage { dtype: *dtype, key, numbers: size(*numbers)? }
            }
            _ => return Err("it refers to something else than the numbers of a tensor".to_owned()),
        };
        self.pickle.storages.push(found);
        self.push(Value::Storage(self.pickle.storages.len() - 1))
    }
}

fn size(value: Value<'_>) -> Step<usize> {
    match value {
        Value::Integer(number) => {
            usize::try_from(number).map_err(|_| format!("a size is {number}, expected 0 or more"))
        }
        other => Err(format!("a size is {}, expected a whole number", other.kind())),
    }
}
