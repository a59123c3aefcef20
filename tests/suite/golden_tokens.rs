//! GPT-2's BPE gives the same token ids as tiktoken for whole files.

use std::path::Path;

use gpt2_model::tokenizer::Gpt2Tokenizer;
use sha2::{Digest, Sha256};

use crate::common::shared;

/// Compares the token ids of a file with their number and hash by tiktoken.
fn check_stream(tokenizer: &Gpt2Tokenizer, name: &str, text: &str, tokens: u64, sha256: &str) {
    let ids = tokenizer.encode(text).unwrap();
    assert_eq!(ids.len() as u64, tokens, "{name}");
    let bytes: Vec<u8> = ids.iter().flat_map(|&id| u16::try_from(id).unwrap().to_le_bytes()).collect();
    assert_eq!(hex::encode(Sha256::digest(bytes)), sha256, "{name}");
}

#[test]
fn id_streams_of_the_bundled_samples_equal_tiktokens() {
    let golden: serde_json::Value = serde_json::from_str(include_str!("../golden/tokens.json")).unwrap();
    let tokenizer = Gpt2Tokenizer::bundled().unwrap();
    let files = golden["files"].as_object().unwrap();
    assert!(files.len() >= 20);
    for (name, expected) in files {
        let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap();
        let (tokens, sha256) = (expected["tokens"].as_u64(), expected["sha256_u16le"].as_str());
        check_stream(&tokenizer, name, &text, tokens.unwrap(), sha256.unwrap());
    }
}

#[test]
fn id_streams_of_the_test_sets_equal_tiktokens() {
    let Some(path) = shared("data/golden/gpt2_token_ids.tiktoken-0.14.0.derived.json") else { return };
    let golden: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let tokenizer = Gpt2Tokenizer::bundled().unwrap();
    let mut checked = 0;
    for (name, expected) in golden["files"].as_object().unwrap() {
        let (Some(tokens), Some(sha256)) =
            (expected["whole_file_tokens"].as_u64(), expected["sha256_u16le"].as_str())
        else {
            continue;
        };
        let Some(file) = shared(&format!("data/{name}")) else { continue };
        check_stream(&tokenizer, name, &std::fs::read_to_string(file).unwrap(), tokens, sha256);
        checked += 1;
    }
    assert!(checked >= 5, "only {checked} files were compared");
}

#[test]
fn published_vectors() {
    let Some(path) = shared("data/golden/gpt2_bpe_vectors.derived.json") else { return };
    let golden: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let tokenizer = Gpt2Tokenizer::bundled().unwrap();
    let vectors: Vec<(String, Vec<u32>)> = serde_json::from_value(golden["encode"].clone()).unwrap();
    assert!(vectors.len() >= 20);
    for (text, ids) in vectors {
        assert_eq!(tokenizer.encode(&text).unwrap(), ids, "{text:?}");
        assert_eq!(tokenizer.decode(&ids), text);
    }
}

#[test]
fn files_of_a_model_directory_give_the_bundled_tokenizer() {
    let Some(directory) = shared("models/tiny-3M") else { return };
    let from_files = Gpt2Tokenizer::from_directory(&directory).unwrap();
    let bundled = Gpt2Tokenizer::bundled().unwrap();
    assert_eq!(from_files.vocab_size(), bundled.vocab_size());
    for id in 0..50_257 {
        assert_eq!(from_files.token_bytes(id), bundled.token_bytes(id), "{id}");
    }
    let text = "“naïve” café — 中文 🙂\n\n  1999 it's";
    assert_eq!(from_files.encode(text).unwrap(), bundled.encode(text).unwrap());
}

/// GPT-2's `vocab.json` and the lines of its `merges.txt`, made from the bundled merges.
pub fn gpt2_vocabulary() -> (serde_json::Map<String, serde_json::Value>, Vec<&'static str>) {
    let bundled = Gpt2Tokenizer::bundled().unwrap();
    let merges: Vec<&str> = include_str!("../../models/gpt2-bpe/vocab.bpe").lines().skip(1).collect();
    let mut vocabulary = serde_json::Map::new();
    let printable = |byte: u8| matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    let mut next_stand_in = 0x100;
    for byte in 0..=255u8 {
        let character = if printable(byte) {
            char::from(byte)
        } else {
            next_stand_in += 1;
            char::from_u32(next_stand_in - 1).unwrap()
        };
        let id = (0..256).find(|&id| bundled.token_bytes(id).unwrap() == [byte]).unwrap();
        vocabulary.insert(character.to_string(), id.into());
    }
    for (merge, id) in merges.iter().zip(256..) {
        vocabulary.insert(merge.replace(' ', ""), id.into());
    }
    vocabulary.insert("<|endoftext|>".to_owned(), 50_256.into());
    (vocabulary, merges)
}

/// `tokenizer.json` as transformers writes it for GPT-2.
pub fn gpt2_tokenizer_json() -> serde_json::Value {
    let (vocabulary, merges) = gpt2_vocabulary();
    let byte_level = serde_json::json!({
        "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true
    });
    serde_json::json!({
        "version": "1.0",
        "truncation": {"direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0},
        "padding": null,
        "added_tokens": [{
            "id": 50_256, "content": "<|endoftext|>", "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": true, "special": true
        }],
        "normalizer": null,
        "pre_tokenizer": byte_level,
        "post_processor": byte_level,
        "decoder": byte_level,
        "model": {
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": "",
            "end_of_word_suffix": "", "fuse_unk": false, "vocab": vocabulary, "merges": merges
        },
    })
}

#[test]
fn tokenizer_json_gives_the_bundled_tokenizer() {
    let (bundled, json) = (Gpt2Tokenizer::bundled().unwrap(), gpt2_tokenizer_json());
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("tokenizer.json"), json.to_string()).unwrap();
    let tokenizer = Gpt2Tokenizer::from_directory(directory.path()).unwrap();
    assert_eq!((tokenizer.vocab_size(), tokenizer.begin_of_text().unwrap()), (50_257, 50_256));
    let text = "“naïve” café — 中文 🙂\n\n  1999 it's <|endoftext|>";
    let ids = tokenizer.encode(text).unwrap();
    assert_eq!(ids, bundled.encode(text).unwrap());
    assert_eq!(tokenizer.decode(&ids), text);
}
