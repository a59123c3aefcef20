//! Keys and values of tokens that the model has read.

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};

/// What every block remembers of the rows of a batch, so that the next token of each row costs one position.
///
/// Rows begin in column 0 and are padded on the right up to the longest; what is read later stands behind the padding,
/// which attention leaves out. So nothing but the mask knows of the padding: the position of a token is the number of
/// tokens before it in its row, whatever its column.
#[derive(Debug, Clone)]
pub struct KeyValueCache {
    /// `[rows, heads, room, head width]` each.
    blocks: Vec<Option<(Tensor<4>, Tensor<4>)>>,
    rows: Vec<Row>,
    /// Columns that have been read.
    columns: usize,
    /// Columns of the first pass: those that may hold padding.
    first_columns: usize,
    /// Columns that there is room for.
    room: usize,
    /// `[rows, 1, 1, room]`, true where a row is padded; `None` if no row is.
    padding: Option<Tensor<4, Bool>>,
}

#[derive(Debug, Clone, Copy)]
struct Row {
    /// Tokens of the first pass, padding not counted.
    first: usize,
    /// Tokens in all; the position of the next one.
    length: usize,
    /// Whether what it reads does not matter any more.
    is_finished: bool,
}

impl KeyValueCache {
    /// An empty cache for a model of `layers` blocks, with room for `room` columns: the longest row, and the tokens that
    /// are read behind it.
    pub fn new(layers: usize, room: usize) -> Self {
        Self {
            blocks: vec![None; layers],
            rows: Vec::new(),
            columns: 0,
            first_columns: 0,
            room,
            padding: None,
        }
    }

    /// Whether nothing has been read.
    pub fn is_empty(&self) -> bool {
        self.columns == 0
    }

    /// Bytes that the keys and values take.
    pub fn bytes(&self) -> usize {
        let numbers = |tensor: &Tensor<4>| tensor.dims().iter().product::<usize>();
        let of_block = |(key, value): &(Tensor<4>, Tensor<4>)| numbers(key) + numbers(value);
        self.blocks.iter().flatten().map(of_block).sum::<usize>() * size_of::<f32>()
    }

    /// Columns that would be left after reading `new` more; `None` if there is no room for them.
    pub(super) fn room_behind(&self, new: usize) -> Option<usize> {
        self.room.checked_sub(self.columns + new)
    }

    /// The position of the next token of each of `rows` rows.
    pub(super) fn next_positions(&self, rows: usize) -> Vec<usize> {
        if self.rows.is_empty() {
            return vec![0; rows];
        }
        self.rows.iter().map(|row| row.length).collect()
    }

    /// Which keys the next `new` tokens of each row must not see because they are padding; `None` if there are none.
    ///
    /// # Shapes
    /// - output: `[rows, heads, new, read + new]`, true where a key is left out
    pub(super) fn mask(&self, heads: usize, new: usize) -> Option<Tensor<4, Bool>> {
        let columns = self.columns + new;
        let padding = self.padding.as_ref()?.clone().narrow(3, 0, columns);
        Some(padding.expand([self.rows.len(), heads, new, columns]))
    }

    /// Appends keys and values of new tokens to block `layer` and returns all of that block. The memory is taken once, by
    /// the first tokens: later ones are written into it.
    ///
    /// # Shapes
    /// - key, value: `[rows, heads, new, head width]`
    /// - output: `[rows, heads, read + new, head width]` each
    pub(super) fn extend(
        &mut self,
        layer: usize,
        key: Tensor<4>,
        value: Tensor<4>,
    ) -> (Tensor<4>, Tensor<4>) {
        let [rows, heads, new, width] = key.dims();
        let (columns, room) = (self.columns, self.room);
        let write = |all: Tensor<4>, part: Tensor<4>| {
            all.slice_assign([0..rows, 0..heads, columns..columns + new, 0..width], part)
        };
        let read = |all: &Tensor<4>| all.clone().narrow(2, 0, columns + new);
        match self.blocks[layer].take() {
            Some((keys, values)) => {
                let (keys, values) = (write(keys, key), write(values, value));
                let extended = (read(&keys), read(&values));
                self.blocks[layer] = Some((keys, values));
                extended
            }
            None => {
                let empty = || Tensor::zeros([rows, heads, room, width], &key.device());
                let kept = (write(empty(), key.clone()), write(empty(), value.clone()));
                self.blocks[layer] = Some(kept);
                (key, value)
            }
        }
    }

    /// Counts `new` tokens of each of `rows` rows as read, once every block has them.
    pub(super) fn advance(&mut self, rows: usize, new: usize) {
        if self.rows.is_empty() {
            self.rows = vec![Row { first: new, length: new, is_finished: false }; rows];
            self.first_columns = new;
        } else {
            for row in self.rows.iter_mut().filter(|row| !row.is_finished) {
                row.length += new;
            }
        }
        self.columns += new;
    }

    /// After the first pass: row `i` has `lengths[i]` tokens, and what it read behind them is padding.
    pub fn leave_out_padding(&mut self, lengths: &[usize], device: &Device) {
        for (row, &length) in self.rows.iter_mut().zip(lengths) {
            (row.first, row.length) = (length, length);
        }
        self.mark_padding(device);
    }

    fn mark_padding(&mut self, device: &Device) {
        let (first_columns, room) = (self.first_columns, self.room);
        let is_padded = self.rows.iter().any(|row| row.first < first_columns);
        self.padding = is_padded.then(|| {
            let of_row = |row: &Row| {
                let padding = row.first..first_columns;
                (0..room).map(move |column| padding.contains(&column))
            };
            let marks: Vec<bool> = self.rows.iter().flat_map(of_row).collect();
            Tensor::from_data(TensorData::new(marks, [self.rows.len(), 1, 1, room]), device)
        });
    }

    /// Says that nobody looks at a row any more: its position stands still, wherever the others go, until
    /// [`Self::keep`] drops it.
    pub fn finish(&mut self, row: usize) {
        if let Some(row) = self.rows.get_mut(row) {
            row.is_finished = true;
        }
    }

    /// Keeps these rows, in this order, and gives the memory of the others back.
    pub fn keep(&mut self, rows: &[usize], device: &Device) {
        let places: Vec<i32> = rows.iter().map(|&row| row as i32).collect();
        let places = Tensor::<1, Int>::from_data(places.as_slice(), device);
        for (key, value) in self.blocks.iter_mut().flatten() {
            *key = key.clone().select(0, places.clone());
            *value = value.clone().select(0, places.clone());
        }
        self.rows = rows.iter().filter_map(|&row| self.rows.get(row).copied()).collect();
        self.mark_padding(device);
    }
}
