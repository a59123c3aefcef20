//! GPT-2 BPE against tiktoken: the id streams of whole files.

use gpt2_eval::tokenizer::Gpt2Tokenizer;
use sha2::{Digest, Sha256};

use crate::common::shared;

#[test]
fn id_streams_of_whole_files_equal_tiktokens() {
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
        let ids = tokenizer.encode(&std::fs::read_to_string(file).unwrap()).unwrap();
        assert_eq!(ids.len() as u64, tokens, "{name}");
        let bytes: Vec<u8> = ids.iter().flat_map(|&id| u16::try_from(id).unwrap().to_le_bytes()).collect();
        assert_eq!(gpt2_eval::text::hexadecimal(&Sha256::digest(bytes)), sha256, "{name}");
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
        assert_eq!(tokenizer.decode(&ids).unwrap(), text);
    }
}

#[test]
fn files_of_a_model_directory_give_the_bundled_tokenizer() {
    let Some(directory) = shared("models/tiny-3M") else { return };
    let from_files = Gpt2Tokenizer::from_directory(&directory).unwrap().expect("vocab.json and merges.txt");
    let bundled = Gpt2Tokenizer::bundled().unwrap();
    assert_eq!(from_files.vocabulary_size(), bundled.vocabulary_size());
    for id in 0..50_257 {
        assert_eq!(from_files.token_bytes(id), bundled.token_bytes(id), "{id}");
    }
    let text = "“naïve” café — 中文 🙂\n\n  1999 it's";
    assert_eq!(from_files.encode(text).unwrap(), bundled.encode(text).unwrap());
}
