//! Damaged checkpoints in all formats but safetensors: PyTorch, nanoGPT, llm.c, TensorFlow, Burn, and sharded.

use std::path::{Path, PathBuf};

use gpt2_kernels::Precision;
use gpt2_model::tokenizer::Gpt2Tokenizer;
use gpt2_model::{Checkpoint, CheckpointError, WeightFile};
use proptest::prop_assert_eq;
use proptest::test_runner::TestCaseError;

use super::memory::{bounded, peak_of};
use super::mutate::mutated;
use super::{hold, is_good_message};
use crate::checkpoints::Tensors;
use crate::common::open;
use crate::writers;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/checkpoints").join(name)
}

fn golden_bytes(name: &str) -> Vec<u8> {
    std::fs::read(golden(name)).unwrap()
}

/// Checks opened weights against the configuration of the golden files and loads them. Whether that worked; errors must have
/// good messages.
fn check_and_load(
    name: &str,
    length: usize,
    opened: Result<WeightFile, CheckpointError>,
) -> Result<bool, TestCaseError> {
    let weights = match opened {
        Ok(weights) => weights,
        Err(error) => return is_good_message(&error.to_string(), name).map(|()| false),
    };
    let json = golden_bytes("gelu_new/config.json");
    let config = gpt2_model::Gpt2Config::from_hugging_face(&json).unwrap();
    if let Err(error) = bounded(length, || weights.check(&config))? {
        return is_good_message(&error.to_string(), name).map(|()| false);
    }
    prop_assert_eq!(weights.sha256().len(), 64);
    let paths = [Path::new("v"), Path::new("m")];
    let tokenizer =
        Gpt2Tokenizer::from_vocabulary_files((paths[0], br#"{"<|endoftext|>":0}"#), (paths[1], b"")).unwrap();
    let checkpoint = Checkpoint { config, weights, tokenizer, notes: vec![] };
    let device = open("flex");
    // 10,000 bytes for the model itself, which is small.
    match bounded(length + 10_000, || checkpoint.load_packed(&device, Precision::F32).map(drop))? {
        Ok(()) => Ok(true),
        // The header is right, but a checksum is not.
        Err(error) => is_good_message(&error.to_string(), name).map(|()| false),
    }
}

/// Writes mutations of `valid` to a file. Each must be refused with a good message, or load.
fn hold_on_disk(valid: &[u8]) {
    // These are hundreds of thousands of files, so they are kept in memory if possible.
    let memory = Path::new("/dev/shm");
    let directory = tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir()).unwrap();
    let path = directory.path().join("weights");
    let name = path.display().to_string();
    let read = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        let opened = bounded(bytes.len(), || WeightFile::open(&path))?;
        check_and_load(&name, bytes.len(), opened)
    };
    assert!(read(valid).unwrap(), "the undamaged file loads");
    hold(mutated(&[valid]), |bytes| read(&bytes.0).map(drop));
}

/// As [`hold_on_disk`], in memory.
fn hold_file(valid: &[u8]) {
    let name = "m/weights";
    let read = |bytes: Vec<u8>| {
        let length = bytes.len();
        let opened = bounded(length, || WeightFile::in_memory(Path::new(name), bytes))?;
        check_and_load(name, length, opened)
    };
    assert!(read(valid.to_vec()).unwrap(), "the undamaged file loads");
    hold(mutated(&[valid]), |bytes| read(bytes.0).map(drop));
}

#[test]
fn zips_of_pytorch() {
    hold_on_disk(&golden_bytes("gelu_new/bf16.bin"));
}

#[test]
fn streams_of_pytorch() {
    hold_on_disk(&golden_bytes("gelu_new/legacy.bin"));
}

#[test]
fn checkpoints_of_nano_gpt() {
    hold_on_disk(&golden_bytes("gelu/ckpt.pt"));
    hold_on_disk(&golden_bytes("zero_bias/ckpt.pt"));
}

#[test]
fn files_of_llm_c() {
    hold_file(&golden_bytes("gelu_new/llm_c_bf16.bin"));
}

/// The tensors of a golden model.
fn tensors() -> Tensors {
    let bytes = golden_bytes("gelu_new/model.safetensors");
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let values = |data: &[u8]| data.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    let tensors = file.tensors().into_iter();
    tensors
        .map(|(name, tensor)| {
            (name.replace("transformer.", ""), (tensor.shape().to_vec(), values(tensor.data())))
        })
        .collect()
}

#[test]
fn pickles() {
    // The zip around the pickle stays valid, so the pickle is read.
    let mut members = writers::torch_members(&tensors());
    let pickle = members[0].1.clone();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("weights");
    let name = path.display().to_string();
    let mut read = |bytes: Vec<u8>| {
        members[0].1 = bytes;
        let zip = writers::zip(&members);
        std::fs::write(&path, &zip).unwrap();
        let opened = bounded(zip.len(), || WeightFile::open(&path))?;
        check_and_load(&name, zip.len(), opened)
    };
    assert!(read(pickle.clone()).unwrap());
    let read = std::cell::RefCell::new(read);
    hold(mutated(&[&pickle]), |bytes| read.borrow_mut()(bytes.0).map(drop));
}

#[test]
fn burn_records() {
    use burn::module::Module;
    let directory = tempfile::tempdir().unwrap();
    let checkpoint = Checkpoint::open(&golden("gelu_new/model.safetensors")).unwrap();
    let path = directory.path().join("m.bpk");
    checkpoint.load(&open("flex")).unwrap().into_record().save(&path).unwrap();
    hold_file(&std::fs::read(path).unwrap());
}

#[test]
fn tables_of_tensorflow() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model.ckpt.index");
    writers::tensorflow(directory.path(), &tensors(), false);
    let valid = std::fs::read(&path).unwrap();
    let name = directory.path().join("model.ckpt").display().to_string();
    let read = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        let opened = bounded(bytes.len(), || WeightFile::open(&path))?;
        check_and_load(&name, bytes.len(), opened)
    };
    assert!(read(&valid).unwrap());
    hold(mutated(&[&valid]), |bytes| read(&bytes.0).map(drop));
    // Rows with right checksums.
    let rows = [(vec![], vec![0x08, 1]), (b"model/wte".to_vec(), vec![0x08, 1, 0x12, 0, 0x20, 0x80, 0x18])];
    hold((mutated(&[&rows[0].1]), mutated(&[&rows[1].1])), |(header, value)| {
        let rows = [(vec![], header.0), (rows[1].0.clone(), value.0)];
        read(&writers::table(&rows, true)).map(drop)
    });
}

#[test]
fn indexes_of_several_files() {
    let directory = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(golden("gelu_new/sharded")).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), directory.path().join(file.file_name())).unwrap();
    }
    let path = directory.path().join("model.safetensors.index.json");
    let valid = std::fs::read(&path).unwrap();
    let name = directory.path().display().to_string();
    hold(mutated(&[&valid]), |bytes| {
        std::fs::write(&path, &bytes.0).unwrap();
        // 12,000 bytes for the headers of the files that the index names.
        let opened = bounded(bytes.0.len() + 12_000, || WeightFile::open(&path))?;
        check_and_load(&name, bytes.0.len() + 12_000, opened).map(drop)
    });
    for outside in ["../model.safetensors", "/etc/passwd", "a/../../b"] {
        std::fs::write(&path, format!("{{\"weight_map\":{{\"wte.weight\":\"{outside}\"}}}}")).unwrap();
        let error = WeightFile::open(&path).err().unwrap().to_string();
        assert!(error.contains("lead out of its directory"), "{error}");
    }
}

/// The error of opening or checking a `torch.save` file with these bytes, which must take almost no memory.
fn refused_torch(bytes: &[u8]) -> String {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("w.pt");
    std::fs::write(&path, bytes).unwrap();
    let (opened, peak) = peak_of(|| WeightFile::open(&path));
    assert!(peak < 100_000, "{peak} bytes");
    let json = golden_bytes("gelu_new/config.json");
    let config = gpt2_model::Gpt2Config::from_hugging_face(&json).unwrap();
    opened.and_then(|weights| weights.check(&config)).err().unwrap().to_string()
}

/// As [`refused_torch`], for a zip with this pickle and nothing else.
fn refused_pickle(pickle: &[u8]) -> String {
    refused_torch(&writers::zip(&[("archive/data.pkl".to_owned(), pickle.to_vec())]))
}

#[test]
fn pickles_call_nothing() {
    let message = refused_pickle(b"\x80\x02cos\nsystem\nX\x04\0\0\0true\x85R.");
    assert!(message.contains("w.pt: not a file of torch.save with a GPT-2: "), "{message}");
    assert!(
        message.contains("it holds an object of `os.system`, expected a dictionary of tensors"),
        "{message}"
    );
    let message = refused_pickle(b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93.");
    assert!(message.contains("`builtins.eval`"), "{message}");
    // Instead of a tensor.
    let message = refused_pickle(b"\x80\x02}X\x0a\0\0\0wte.weightcos\nsystem\nX\x04\0\0\0true\x85Rs.");
    assert!(message.contains("is missing"), "{message}");
    let message = refused_pickle(b"\x80\x02X\xff\xff\xff\xffa.");
    assert!(message.contains("expected 4294967295 bytes"), "{message}");
    // A dictionary that contains itself: the inner one is empty.
    assert!(refused_pickle(b"\x80\x02}q\0X\x01\0\0\0ah\0s.").contains("is missing"));
}

/// The pickle of a tensor `a` of `shape` whose strides are 0, in a storage of `numbers`.
fn repeated(shape: [u32; 2], numbers: &[u8]) -> Vec<u8> {
    let [rows, columns] = shape.map(u32::to_le_bytes);
    let start =
        b"\x80\x02}X\x01\0\0\0actorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\n";
    let pieces: [&[u8]; 9] = [
        start,
        b"X\x01\0\0\x000X\x03\0\0\0cpu",
        numbers,
        b"tQK\0(J",
        &rows,
        b"J",
        &columns,
        b"t(K\0K\0t\x89}tRs",
        b".",
    ];
    pieces.concat()
}

#[test]
fn small_files_that_claim_large_tensors() {
    // 400 MB of one number.
    let pickle = repeated([1 << 20, 100], b"K\x01");
    let data = ("archive/data/0".to_owned(), vec![0; 4]);
    let message = refused_torch(&writers::zip(&[("archive/data.pkl".to_owned(), pickle), data]));
    assert!(message.contains("tensor `a`: it has 419,430,400 bytes"), "{message}");
    // More than pytorch-reader allows.
    let message = refused_pickle(&repeated([1 << 30, 1 << 30], b"K\x01"));
    assert!(message.contains("above the 10737418240 byte limit"), "{message}");
    let message = refused_pickle(&repeated([1, 1], b"J\xff\xff\xff\xff"));
    assert!(message.contains("must be non-negative, got -1"), "{message}");
    // Each smaller than the file, together larger.
    let one = repeated([10, 10], b"K\x01");
    let (start, tensor) = (&one[..3], &one[3..one.len() - 1]);
    let many: Vec<u8> = (b'a'..=b'e')
        .flat_map(|name| {
            let mut tensor = tensor.to_vec();
            tensor[5] = name;
            tensor
        })
        .collect();
    let message = refused_pickle(&[start, &many, b"."].concat());
    assert!(message.contains("it has 400 bytes, with the tensors before it more than"), "{message}");
}

#[test]
fn zips_that_torch_save_does_not_write() {
    let valid = writers::torch(&tensors());
    // Compressed, according to the headers.
    let mut deflated = valid.clone();
    let directory = deflated.windows(4).position(|bytes| bytes == b"PK\x01\x02").unwrap();
    deflated[8] = 8;
    deflated[directory + 10] = 8;
    let message = refused_torch(&deflated);
    assert!(message.contains("the zip's member `archive/data.pkl` is compressed"), "{message}");
    let message = refused_pickle(&vec![b'N'; 3 << 20]);
    assert!(message.contains("has 3,145,728 bytes, expected at most 2,097,152"), "{message}");
    let message = refused_torch(&valid[..valid.len() / 2]);
    assert!(message.contains("the file is cut short or damaged; copy it again"), "{message}");
    let message = refused_torch(&writers::zip(&[("archive/x".to_owned(), vec![])]));
    assert!(message.contains("a zip archive with `archive/x`, not a file of torch.save"), "{message}");
    // A stream that is also a tar archive.
    let mut both = golden_bytes("gelu_new/legacy.bin");
    both[257..262].copy_from_slice(b"ustar");
    assert!(refused_torch(&both).contains("at byte 257: it is a tar archive as well"));
}

#[test]
fn storages_that_are_missing() {
    let mut members = writers::torch_members(&tensors());
    let gone = members.pop().unwrap().0;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("w.pt");
    std::fs::write(&path, writers::zip(&members)).unwrap();
    std::fs::copy(golden("gelu_new/config.json"), directory.path().join("config.json")).unwrap();
    for name in ["vocab.json", "merges.txt"] {
        std::fs::copy(golden("gelu_new").join(name), directory.path().join(name)).unwrap();
    }
    let checkpoint = Checkpoint::open(&path).unwrap();
    let message = checkpoint.load_packed(&open("flex"), Precision::F32).err().unwrap().to_string();
    assert!(message.contains("w.pt: tensor `wte.weight` is damaged: "), "{message}");
    assert!(message.contains(&gone) && message.contains("not found"), "{message}");
}

#[test]
fn impossible_sizes_of_llm_c() {
    let valid = golden_bytes("gelu_new/llm_c_f32.bin");
    let with = |field: usize, value: i32| {
        let mut bytes = valid.clone();
        bytes[4 * field..4 * field + 4].copy_from_slice(&value.to_le_bytes());
        let (opened, peak) = peak_of(|| WeightFile::in_memory(Path::new("m/w.bin"), bytes));
        assert!(peak < 100_000, "{peak} bytes");
        opened.err().unwrap().to_string()
    };
    assert!(with(1, 1).contains("at byte 4: its version is 1, expected 3 (f32) or 5 (bf16)"));
    assert!(with(4, 1024).contains("is cut short"));
    assert!(with(6, i32::MAX).contains("n_embd is 2147483647, expected a size from 1 to 65536"));
    assert!(with(5, -1).contains("n_head is 0"));
    assert!(with(7, 3).contains("at byte 28: its vocabulary is padded to 3"));
}
