//! Writers of checkpoint formats whose programs are not available in a test: TensorFlow, llm.c, and PyTorch for models of any
//! size.

use std::path::Path;

use crate::checkpoints::Tensors;

fn bytes_of(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// `[rows, columns]` as `[columns, rows]`.
pub fn transposed(values: &[f32], columns: usize) -> Vec<f32> {
    (0..columns).flat_map(|column| values.iter().skip(column).step_by(columns).copied()).collect()
}

/// Whether this is the weight of a linear layer, which transformers stores transposed (`Conv1D`).
pub fn is_linear(name: &str) -> bool {
    ["c_attn.weight", "c_proj.weight", "c_fc.weight"].iter().any(|end| name.ends_with(end))
}

/// As llm.c's `write_model` in f32, with these `n_layer`, `n_head` and `n_positions`.
pub fn llm_c(tensors: &Tensors, [layers, heads, context]: [usize; 3], padded: usize) -> Vec<u8> {
    let (shape, embedding) = &tensors["wte.weight"];
    let (vocabulary, width) = (shape[0], shape[1]);
    let mut header = [0_i32; 256];
    for (field, value) in
        header.iter_mut().zip([20_240_326, 3, context, vocabulary, layers, heads, width, padded])
    {
        *field = value as i32;
    }
    let mut file: Vec<u8> = header.iter().flat_map(|field| field.to_le_bytes()).collect();
    file.extend(bytes_of(embedding));
    // Reading this padding would change every score.
    file.extend(bytes_of(&vec![9.0; (padded - vocabulary) * width]));
    file.extend(bytes_of(&tensors["wpe.weight"].1));
    let kinds = [
        "ln_1.weight",
        "ln_1.bias",
        "attn.c_attn.weight",
        "attn.c_attn.bias",
        "attn.c_proj.weight",
        "attn.c_proj.bias",
        "ln_2.weight",
        "ln_2.bias",
        "mlp.c_fc.weight",
        "mlp.c_fc.bias",
        "mlp.c_proj.weight",
        "mlp.c_proj.bias",
    ];
    for kind in kinds {
        for layer in 0..layers {
            let (shape, values) = &tensors[&format!("h.{layer}.{kind}")];
            file.extend(if is_linear(kind) {
                bytes_of(&transposed(values, shape[1]))
            } else {
                bytes_of(values)
            });
        }
    }
    file.extend(bytes_of(&tensors["ln_f.weight"].1));
    file.extend(bytes_of(&tensors["ln_f.bias"].1));
    file
}

/// Writes `model.ckpt.index` and its data file as TensorFlow does for `OpenAI`'s variables.
pub fn tensorflow(directory: &Path, tensors: &Tensors, compressed: bool) {
    let mut variables: Vec<(String, &Vec<usize>, &Vec<f32>)> =
        tensors.iter().map(|(name, (shape, values))| (variable_name(name), shape, values)).collect();
    variables.sort_by(|one, other| one.0.cmp(&other.0));
    // num_shards 1, version { producer 1 }.
    let mut rows = vec![(vec![], vec![0x08, 1, 0x1a, 2, 0x08, 1])];
    let mut data = Vec::new();
    for (name, shape, values) in variables {
        let bytes = bytes_of(values);
        let mut axes = Vec::new();
        let convolution = name.ends_with("/w").then_some(1);
        for size in convolution.into_iter().chain(shape.iter().copied()) {
            let axis = [vec![0x08], varint(size)].concat();
            axes.extend([vec![0x12], varint(axis.len()), axis].concat());
        }
        let mut value = [vec![0x08, 1, 0x12], varint(axes.len()), axes].concat();
        if !data.is_empty() {
            value.extend([vec![0x20], varint(data.len())].concat());
        }
        value.extend([vec![0x28], varint(bytes.len()), vec![0x35]].concat());
        value.extend(masked(crc32c::crc32c(&bytes)).to_le_bytes());
        rows.push((name.into_bytes(), value));
        data.extend(bytes);
    }
    std::fs::write(directory.join("model.ckpt.data-00000-of-00001"), data).unwrap();
    std::fs::write(directory.join("model.ckpt.index"), table(&rows, compressed)).unwrap();
}

fn variable_name(name: &str) -> String {
    let name = match name.split_once(".weight") {
        Some((stem @ ("wte" | "wpe"), _)) => return format!("model/{stem}"),
        Some((stem, _)) if stem.contains("ln_") => format!("{stem}/g"),
        Some((stem, _)) => format!("{stem}/w"),
        None => name.replace(".bias", "/b"),
    };
    let name = name.strip_prefix("h.").map_or(name.clone(), |rest| format!("h{rest}"));
    format!("model/{}", name.replace('.', "/"))
}

/// A LevelDB table: blocks of at most 16 rows, keys with a prefix shared with the key before, and a footer.
pub fn table(rows: &[(Vec<u8>, Vec<u8>)], compressed: bool) -> Vec<u8> {
    let mut file = Vec::new();
    let mut index = Vec::new();
    for rows in rows.chunks(16) {
        let handle = add_block(&mut file, &block(rows), compressed);
        index.push((rows.last().unwrap().0.clone(), handle));
    }
    let nothing = add_block(&mut file, &block(&[]), false);
    let index = add_block(&mut file, &block(&index), compressed);
    let mut footer = [nothing, index].concat();
    footer.resize(40, 0);
    file.extend(footer);
    file.extend(0xdb47_7524_8b80_fb57_u64.to_le_bytes());
    file
}

fn block(rows: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let mut block = Vec::new();
    let mut before: &[u8] = &[];
    for (key, value) in rows {
        let shared = key.iter().zip(before).take_while(|(one, other)| one == other).count();
        block.extend([varint(shared), varint(key.len() - shared), varint(value.len())].concat());
        block.extend(&key[shared..]);
        block.extend(value);
        before = key;
    }
    block.extend([0_u32, 1].iter().flat_map(|number| number.to_le_bytes()));
    block
}

/// Adds a block with its trailer, and returns its offset.
fn add_block(file: &mut Vec<u8>, block: &[u8], compressed: bool) -> Vec<u8> {
    let stored =
        if compressed { snap::raw::Encoder::new().compress_vec(block).unwrap() } else { block.to_vec() };
    let handle = [varint(file.len()), varint(stored.len())].concat();
    let checked = [stored, vec![u8::from(compressed)]].concat();
    file.extend(&checked);
    file.extend(masked(crc32c::crc32c(&checked)).to_le_bytes());
    handle
}

fn masked(sum: u32) -> u32 {
    sum.rotate_right(15).wrapping_add(0xa282_ead8)
}

fn varint(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 128 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

fn number(number: usize) -> Vec<u8> {
    [&b"J"[..], &(number as i32).to_le_bytes()].concat()
}

fn text(text: &str) -> Vec<u8> {
    [&b"X"[..], &(text.len() as u32).to_le_bytes(), text.as_bytes()].concat()
}

/// The opcodes of a state dict in f32, and its storages. Equal tensors share a storage, as tied ones do.
fn state_dict(tensors: &Tensors) -> (Vec<u8>, Vec<(String, Vec<u8>)>) {
    let mut pickle = b"ccollections\nOrderedDict\n)R(".to_vec();
    let mut storages: Vec<(String, Vec<u8>)> = Vec::new();
    for (name, (shape, values)) in tensors {
        let bytes = bytes_of(values);
        let known = storages.iter().position(|(_, stored)| *stored == bytes && values.len() > 10_000);
        let key = known.unwrap_or(storages.len());
        let sizes: Vec<u8> = shape.iter().flat_map(|&size| number(size)).collect();
        let strides = (0..shape.len()).flat_map(|axis| number(shape[axis + 1..].iter().product()));
        let strides: Vec<u8> = strides.collect();
        let storage = [
            &b"(X\x07\0\0\0storagectorch\nFloatStorage\n"[..],
            &text(&key.to_string()),
            &text("cpu"),
            &number(values.len()),
            b"tQ",
        ]
        .concat();
        let made: [&[u8]; 10] = [
            &text(name),
            b"ctorch._utils\n_rebuild_tensor_v2\n(",
            &storage,
            b"K\0(",
            &sizes,
            b"t(",
            &strides,
            b"t",
            b"\x89ccollections\nOrderedDict\n)R",
            b"tR",
        ];
        pickle.extend(made.concat());
        if known.is_none() {
            storages.push((format!("archive/data/{key}"), bytes));
        }
    }
    pickle.extend(b"u");
    (pickle, storages)
}

/// A state dict as `torch.save` writes it, in f32.
pub fn torch(tensors: &Tensors) -> Vec<u8> {
    zip(&torch_members(tensors))
}

/// The members of the zip of a state dict.
pub fn torch_members(tensors: &Tensors) -> Vec<(String, Vec<u8>)> {
    let (state, storages) = state_dict(tensors);
    members([&b"\x80\x02"[..], &state, b"."].concat(), storages)
}

fn members(pickle: Vec<u8>, storages: Vec<(String, Vec<u8>)>) -> Vec<(String, Vec<u8>)> {
    std::iter::once(("archive/data.pkl".to_owned(), pickle)).chain(storages).collect()
}

/// With the matrices of linear layers as `nn.Linear` has them.
pub fn in_linear_layout(tensors: &Tensors) -> Tensors {
    let stored = |(name, (shape, values)): (&String, &(Vec<usize>, Vec<f32>))| {
        let tensor = match shape.as_slice() {
            [rows, columns] if is_linear(name) => (vec![*columns, *rows], transposed(values, *columns)),
            _ => (shape.clone(), values.clone()),
        };
        (name.clone(), tensor)
    };
    tensors.iter().map(stored).collect()
}

/// A trainer's checkpoint: the state dict under `key`, a step, and perhaps [`dataclass`] or [`dictionary`].
pub fn trainer(tensors: &Tensors, key: &str, config: &[u8]) -> Vec<u8> {
    let (state, storages) = state_dict(tensors);
    let step = [text("step"), number(100)].concat();
    zip(&members([&b"\x80\x02}("[..], &text(key), &state, config, &step, b"u."].concat(), storages))
}

/// `"config": GPTConfig(…)`, an instance of a class in the trainer's script.
pub fn dataclass(fields: &[(&str, usize)]) -> Vec<u8> {
    [text("config"), b"c__main__\nGPTConfig\n)\x81}(".to_vec(), numbers(fields), b"ub".to_vec()].concat()
}

/// `"config": {…}`.
pub fn dictionary(fields: &[(&str, usize)]) -> Vec<u8> {
    [text("config"), b"}(".to_vec(), numbers(fields), b"u".to_vec()].concat()
}

fn numbers(fields: &[(&str, usize)]) -> Vec<u8> {
    fields.iter().flat_map(|(name, value)| [text(name), number(*value)].concat()).collect()
}

/// nanoGPT's `ckpt.pt` with the output projection `output`, and these `n_layer`, `n_head` and `block_size`.
pub fn nano_gpt(tensors: &Tensors, [layers, heads, context]: [usize; 3], output: &[f32]) -> Vec<u8> {
    let shape = &tensors["wte.weight"].0;
    let named = |(name, tensor)| (format!("_orig_mod.transformer.{name}"), tensor);
    let mut stored: Tensors = in_linear_layout(tensors).into_iter().map(named).collect();
    stored.insert("_orig_mod.lm_head.weight".to_owned(), (shape.clone(), output.to_vec()));
    let (state, storages) = state_dict(&stored);
    let mut pickle = [&b"\x80\x02}("[..], &text("model"), &state, &text("model_args"), b"}("].concat();
    for (name, value) in [
        ("n_layer", layers),
        ("n_head", heads),
        ("n_embd", shape[1]),
        ("block_size", context),
        ("vocab_size", shape[0]),
    ] {
        pickle.extend([text(name), number(value)].concat());
    }
    pickle.extend([&text("bias")[..], b"\x88u", &text("iter_num"), &number(2000), b"u."].concat());
    zip(&members(pickle, storages))
}

/// A zip of stored members.
pub fn zip(members: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut directory = Vec::new();
    for (name, bytes) in members {
        let size = (bytes.len() as u32).to_le_bytes();
        let name_length = (name.len() as u16).to_le_bytes();
        let offset = file.len() as u32;
        // Version, flags, method, time, date, checksum, sizes, lengths of name and extra field.
        let shared =
            [&[20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0][..], &size, &size, &name_length, &[0, 0]].concat();
        file.extend([b"PK\x03\x04", &shared[..], name.as_bytes(), bytes].concat());
        let entry: [&[u8]; 6] =
            [b"PK\x01\x02\x14\0", &shared, &[0; 10], &offset.to_le_bytes(), name.as_bytes(), b""];
        directory.extend(entry.concat());
    }
    let (start, size) = (file.len() as u32, directory.len() as u32);
    let count = (members.len() as u16).to_le_bytes();
    file.extend(directory);
    file.extend(
        [b"PK\x05\x06\0\0\0\0", &count[..], &count, &size.to_le_bytes(), &start.to_le_bytes(), b"\0\0"]
            .concat(),
    );
    file
}
