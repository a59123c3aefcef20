//! Weight files of every other format than safetensors: PyTorch's, nanoGPT's, llm.c's, TensorFlow's, Burn's, and indexes
//! of several files.

use std::path::{Path, PathBuf};

use gpt2_eval::kernels::Precision;
use gpt2_eval::model::{Checkpoint, WeightFile, WeightsError};
use gpt2_eval::tokenizer::Gpt2Tokenizer;
use proptest::test_runner::TestCaseError;
use proptest::{prop_assert, prop_assert_eq};

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

/// Holds what was opened against the configuration of the golden files, and loads what passes; whether it did.
fn use_it(
    name: &str,
    length: usize,
    opened: Result<WeightFile, WeightsError>,
) -> Result<bool, TestCaseError> {
    let weights = match opened {
        Ok(weights) => weights,
        Err(error) => return is_good_message(&error.to_string(), name).map(|()| false),
    };
    let json = golden_bytes("gelu_new/config.json");
    let config = gpt2_eval::model::Gpt2Config::from_hugging_face(&json).unwrap();
    if let Err(error) = bounded(length, || weights.check(&config))? {
        return is_good_message(&error.to_string(), name).map(|()| false);
    }
    prop_assert_eq!(weights.sha256().len(), 64);
    let paths = [Path::new("v"), Path::new("m")];
    let tokenizer =
        Gpt2Tokenizer::from_vocabulary_files((paths[0], br#"{"<|endoftext|>":0}"#), (paths[1], b"")).unwrap();
    let checkpoint = Checkpoint { config, weights, tokenizer };
    prop_assert!(checkpoint.load_packed(&open("flex"), Precision::F32).is_ok());
    Ok(true)
}

/// Every damaged form of `valid` is refused with a message, or loaded.
fn hold_file(valid: &[u8]) {
    let name = "m/weights";
    let read = |bytes: Vec<u8>| {
        let length = bytes.len();
        let opened = bounded(length, || WeightFile::in_memory(Path::new(name), bytes))?;
        use_it(name, length, opened)
    };
    assert!(read(valid.to_vec()).unwrap(), "the file itself is read");
    hold(mutated(&[valid]), |bytes| read(bytes.0).map(drop));
}

#[test]
fn zips_of_pytorch() {
    hold_file(&golden_bytes("gelu_new/bf16.bin"));
}

#[test]
fn streams_of_pytorch() {
    hold_file(&golden_bytes("gelu_new/legacy.bin"));
}

#[test]
fn checkpoints_of_nano_gpt() {
    hold_file(&golden_bytes("gelu/ckpt.pt"));
    hold_file(&golden_bytes("zero_bias/ckpt.pt"));
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
    // The zip around it is right, so that the pickle is looked at.
    let valid = writers::torch(&tensors());
    let start = 30 + "archive/data.pkl".len();
    let size = u32::from_le_bytes(valid[18..22].try_into().unwrap()) as usize;
    let pickle = &valid[start..start + size];
    let read = std::cell::Cell::new(0);
    hold(mutated(&[pickle]), |bytes| {
        let zip = writers::zip(&[("archive/data.pkl".to_owned(), bytes.0)]);
        let length = zip.len();
        let opened = bounded(length, || WeightFile::in_memory(Path::new("m/weights"), zip))?;
        read.set(read.get() + u32::from(opened.is_ok()));
        use_it("m/weights", length, opened).map(drop)
    });
    assert!(read.get() == 0, "no numbers are there");
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
        use_it(&name, bytes.len(), opened)
    };
    assert!(read(&valid).unwrap());
    hold(mutated(&[&valid]), |bytes| read(&bytes.0).map(drop));
    // Rows whose sums are right.
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
        // The files that it names have headers of their own.
        let opened = bounded(bytes.0.len() + 12_000, || WeightFile::open(&path))?;
        use_it(&name, bytes.0.len() + 12_000, opened).map(drop)
    });
    for outside in ["../model.safetensors", "/etc/passwd", "a/../../b"] {
        std::fs::write(&path, format!("{{\"weight_map\":{{\"wte.weight\":\"{outside}\"}}}}")).unwrap();
        let error = WeightFile::open(&path).err().unwrap().to_string();
        assert!(error.contains("lead out of its directory"), "{error}");
    }
}

/// A zip of `torch.save` with this pickle and nothing else: the message that refuses it, which takes next to no memory.
fn refused_pickle(pickle: &[u8]) -> String {
    let zip = writers::zip(&[("archive/data.pkl".to_owned(), pickle.to_vec())]);
    let (opened, peak) = peak_of(|| WeightFile::in_memory(Path::new("m/w.pt"), zip));
    assert!(peak < 100_000, "{peak} bytes");
    opened.err().unwrap().to_string()
}

#[test]
fn nothing_that_a_pickle_says_is_called() {
    let message = refused_pickle(b"\x80\x02cos\nsystem\nX\x04\0\0\0true\x85R.");
    assert!(message.contains("m/w.pt: not a file of torch.save with a GPT-2: at byte"), "{message}");
    assert!(message.contains("it wants `os.system`") && message.contains("never executed"), "{message}");
    let message = refused_pickle(b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93.");
    assert!(message.contains("it wants `builtins.eval`"), "{message}");
    // Objects by their classes.
    let message = refused_pickle(b"\x80\x02}}\x81.");
    assert!(message.contains("the opcode 0x81 is none that torch.save writes"), "{message}");
    let message = refused_pickle(b"\x80\x02X\xff\xff\xff\xffa.");
    assert!(message.contains("the pickle is cut short"), "{message}");
    let claims = |numbers: &[u8]| {
        let start = b"\x80\x02}X\x01\0\0\0actorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\n";
        let rest = b"tQK\0K\x01\x85K\x01\x85\x89}tRs.";
        refused_pickle(&[&start[..], b"X\x01\0\0\x000X\x03\0\0\0cpu", numbers, rest].concat())
    };
    assert!(claims(b"J\xff\xff\xff\x7f").contains("tensor `a`: its numbers, `data/0`, are not in the file"));
    assert!(claims(b"J\xff\xff\xff\xff").contains("a size is -1, expected 0 or more"));
    // A dictionary that holds itself is a value like others.
    assert!(refused_pickle(b"\x80\x02}q\0X\x01\0\0\0ah\0s.").contains("tensor `a`: it is a dictionary"));
}

#[test]
fn sizes_that_llm_c_never_writes() {
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
    assert!(with(6, i32::MAX).contains("`n_embd` is 2147483647, expected a size from 1 to 65536"));
    assert!(with(5, -1).contains("`n_head` is 0"));
    assert!(with(7, 3).contains("at byte 28: its vocabulary is padded to 3"));
}
