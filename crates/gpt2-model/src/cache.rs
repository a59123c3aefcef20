//! The KV cache of a padded batch.

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};

/// Keys and values of the tokens that a batch of rows has read, for every block.
///
/// Rows start in column 0 and are padded on the right up to the longest. Later tokens follow the padding, which attention
/// masks. The position of a token is the number of tokens before it in its row, not its column.
#[derive(Debug, Clone)]
pub struct KeyValueCache {
    /// Keys and values of each block, `[rows, heads, capacity, head width]`.
    blocks: Vec<Option<(Tensor<4>, Tensor<4>)>>,
    rows: Vec<Row>,
    /// Columns that have been read.
    columns: usize,
    /// Columns of the first pass, which may have padding.
    first_columns: usize,
    /// Maximum number of columns.
    capacity: usize,
    /// `[rows, 1, 1, capacity]`, true where a row is padded; `None` if no row is.
    padding: Option<Tensor<4, Bool>>,
}

#[derive(Debug, Clone, Copy)]
struct Row {
    /// Tokens of the first pass, without padding.
    first: usize,
    /// All tokens; also the position of the next one.
    length: usize,
    /// Whether its completion is finished, so that further tokens do not matter.
    is_finished: bool,
}

impl KeyValueCache {
    /// An empty cache for a model of `layers` blocks, for `capacity` columns: the longest row and the tokens after it.
    pub fn new(layers: usize, capacity: usize) -> Self {
        Self {
            blocks: vec![None; layers],
            rows: Vec::new(),
            columns: 0,
            first_columns: 0,
            capacity,
            padding: None,
        }
    }

    /// Whether it has no tokens.
    pub fn is_empty(&self) -> bool {
        self.columns == 0
    }

    /// Bytes of the keys and values.
    pub fn bytes(&self) -> usize {
        let numbers = |tensor: &Tensor<4>| tensor.dims().iter().product::<usize>();
        let of_block = |(key, value): &(Tensor<4>, Tensor<4>)| numbers(key) + numbers(value);
        self.blocks.iter().flatten().map(of_block).sum::<usize>() * size_of::<f32>()
    }

    /// Free columns after `new` more; `None` if they do not fit.
    pub(super) fn free_after(&self, new: usize) -> Option<usize> {
        self.capacity.checked_sub(self.columns + new)
    }

    /// The position of the next token of each of `rows` rows.
    pub(super) fn next_positions(&self, rows: usize) -> Vec<usize> {
        if self.rows.is_empty() {
            return vec![0; rows];
        }
        self.rows.iter().map(|row| row.length).collect()
    }

    /// Mask of the padding among the keys of the next `new` tokens of each row; `None` without padding.
    ///
    /// # Shapes
    /// - output: `[rows, heads, new, read + new]`, true where a key is masked
    pub(super) fn mask(&self, heads: usize, new: usize) -> Option<Tensor<4, Bool>> {
        let columns = self.columns + new;
        let padding = self.padding.as_ref()?.clone().narrow(3, 0, columns);
        Some(padding.expand([self.rows.len(), heads, new, columns]))
    }

    /// Appends keys and values of new tokens to block `layer` and returns all keys and values of that block. The first call
    /// allocates the memory for all columns.
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
        let (columns, capacity) = (self.columns, self.capacity);
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
                let empty = || Tensor::zeros([rows, heads, capacity, width], &key.device());
                let kept = (write(empty(), key.clone()), write(empty(), value.clone()));
                self.blocks[layer] = Some(kept);
                (key, value)
            }
        }
    }

    /// Counts `new` more tokens in each of `rows` rows. Called after all blocks have appended them.
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

    /// Masks padding after the first pass: row `i` has `lengths[i]` tokens, and the rest of it is padding.
    pub fn mask_padding(&mut self, lengths: &[usize], device: &Device) {
        for (row, &length) in self.rows.iter_mut().zip(lengths) {
            (row.first, row.length) = (length, length);
        }
        self.update_padding(device);
    }

    fn update_padding(&mut self, device: &Device) {
        let (first_columns, capacity) = (self.first_columns, self.capacity);
        let is_padded = self.rows.iter().any(|row| row.first < first_columns);
        self.padding = is_padded.then(|| {
            let of_row = |row: &Row| {
                let padding = row.first..first_columns;
                (0..capacity).map(move |column| padding.contains(&column))
            };
            let is_padding: Vec<bool> = self.rows.iter().flat_map(of_row).collect();
            Tensor::from_data(TensorData::new(is_padding, [self.rows.len(), 1, 1, capacity]), device)
        });
    }

    /// Marks a row as finished: its position no longer advances, until [`Self::keep`] drops it.
    pub fn finish(&mut self, row: usize) {
        if let Some(row) = self.rows.get_mut(row) {
            row.is_finished = true;
        }
    }

    /// Keeps these rows, in this order, and frees the memory of the others.
    pub fn keep(&mut self, rows: &[usize], device: &Device) {
        let indices: Vec<i32> = rows.iter().map(|&row| row as i32).collect();
        let indices = Tensor::<1, Int>::from_data(indices.as_slice(), device);
        for (key, value) in self.blocks.iter_mut().flatten() {
            *key = key.clone().select(0, indices.clone());
            *value = value.clone().select(0, indices.clone());
        }
        self.rows = rows.iter().filter_map(|&row| self.rows.get(row).copied()).collect();
        self.update_padding(device);
    }
}
