//! Damaged tokenizer files, arbitrary text, and arbitrary token ids.

use std::path::Path;
use std::sync::LazyLock;

use gpt2_model::tokenizer::Gpt2Tokenizer;
use proptest::collection::vec;
use proptest::prelude::{Strategy, any};
use proptest::prop_oneof;
use proptest::test_runner::TestCaseError;
use proptest::{prop_assert, prop_assert_eq};

use super::memory::bounded;
use super::mutate::mutated;
use super::{hold, is_good_message};

static BUNDLED: LazyLock<Gpt2Tokenizer> = LazyLock::new(|| Gpt2Tokenizer::bundled().unwrap());

const VOCAB: &[u8] = br#"{"a":0,"b":1,"c":2,"\u0120":3,"ab":4,"\u0120a":5,"abc":6,"<|endoftext|>":7}"#;
const MERGES: &[u8] = "#version: 0.2\na b\nĠ a\nab c\n".as_bytes();
const JSON: &[u8] = br#"{"version":"1.0","truncation":null,"padding":null,"added_tokens":[{"id":7,"content":"<|endoftext|>",
"single_word":false,"lstrip":false,"rstrip":false,"normalized":true,"special":true},{"id":8,"content":"[PAD]",
"single_word":true,"lstrip":true,"rstrip":true,"normalized":false,"special":false}],"normalizer":null,"pre_tokenizer":
{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true},"post_processor":{"type":"ByteLevel"},
"decoder":{"type":"ByteLevel"},"model":{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":null,
"end_of_word_suffix":null,"fuse_unk":false,"byte_fallback":false,"ignore_merges":false,"vocab":{"a":0,"b":1,"c":2,"\u0120":3,
"ab":4,"\u0120a":5,"abc":6,"<|endoftext|>":7},"merges":["a b",["\u0120","a"],"ab c"]}}"#;

/// Properties of every tokenizer.
fn is_sound(tokenizer: &Gpt2Tokenizer) -> Result<(), TestCaseError> {
    prop_assert!(tokenizer.largest_id() < 1 << 24);
    prop_assert!(tokenizer.ends_of_text().iter().all(|end| *end <= tokenizer.largest_id()));
    prop_assert!(
        tokenizer.begin_of_text().is_ok_and(|begin| begin <= tokenizer.largest_id())
            || tokenizer.ends_of_text().is_empty()
    );
    for text in ["abc a", "", "a[PAD]b <|endoftext|>", "é"] {
        if let Ok(ids) = tokenizer.encode(text) {
            prop_assert!(ids.iter().all(|id| *id <= tokenizer.largest_id()), "{ids:?}");
            prop_assert!(ids.iter().all(|id| tokenizer.token_bytes(*id).is_some()));
            let text = tokenizer.decode(&ids);
            prop_assert!(text.len() >= ids.len(), "{ids:?}");
        }
    }
    Ok(())
}

#[test]
fn vocabulary_files() {
    let paths = [Path::new("m/vocab.json"), Path::new("m/merges.txt")];
    let read = |vocab: &[u8], merges: &[u8]| {
        Gpt2Tokenizer::from_vocabulary_files((paths[0], vocab), (paths[1], merges))
    };
    assert_eq!(read(VOCAB, MERGES).unwrap().encode("abc a").unwrap(), [6, 5]);
    hold((mutated(&[VOCAB]), mutated(&[MERGES]), 0..3), |(vocab, merges, choice)| {
        let vocab = if choice == 0 { VOCAB } else { &vocab.0 };
        let merges = if choice == 1 { MERGES } else { &merges.0 };
        match bounded(vocab.len() + merges.len(), || read(vocab, merges))? {
            Ok(tokenizer) => is_sound(&tokenizer),
            Err(error) => is_good_message(&error.to_string(), "m/"),
        }
    });
}

#[test]
fn tokenizer_json() {
    let path = Path::new("m/tokenizer.json");
    assert_eq!(Gpt2Tokenizer::from_tokenizer_json(path, JSON).unwrap().encode("abc a").unwrap(), [6, 5]);
    hold(mutated(&[JSON]), |json| {
        match bounded(json.0.len(), || Gpt2Tokenizer::from_tokenizer_json(path, &json.0))? {
            Ok(tokenizer) => is_sound(&tokenizer),
            Err(error) => is_good_message(&error.to_string(), "m/tokenizer.json"),
        }
    });
}

/// Arbitrary characters, and strings that tokenizers treat specially.
fn texts() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => any::<char>().prop_map(String::from),
        2 => "[a-zA-Z'0-9 ]{1,8}",
        1 => "[ \n\t\u{a0}\u{3000}\r]{1,12}",
        1 => proptest::sample::select(vec!["<|endoftext|>", "'ll", "'s", "Ġ", "Ċ", "\u{feff}", "\0", "\u{fffd}", "👩‍👩‍👧", "e\u{301}\u{301}"])
            .prop_map(str::to_owned),
    ];
    vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

#[test]
fn any_text_round_trips() {
    LazyLock::force(&BUNDLED);
    hold(texts(), |text| {
        let ids = BUNDLED.encode(&text).unwrap();
        prop_assert!(ids.len() <= text.len() && ids.iter().all(|id| *id < 50_256));
        prop_assert_eq!(&BUNDLED.decode(&ids), &text);
        let bytes: Vec<u8> = ids.iter().flat_map(|&id| BUNDLED.token_bytes(id).unwrap()).collect();
        prop_assert_eq!(bytes, text.into_bytes());
        Ok(())
    });
}

#[test]
fn any_ids_are_decoded() {
    LazyLock::force(&BUNDLED);
    let id = prop_oneof![3 => 0_u32..50_257, 1 => any::<u32>(), 1 => 50_250_u32..50_300];
    hold(vec(id, 0..30), |ids| {
        let text = bounded(4 * ids.len(), || BUNDLED.decode(&ids))?;
        let known: Vec<u8> = ids.iter().filter_map(|&id| BUNDLED.token_bytes(id)).flatten().collect();
        prop_assert_eq!(text, String::from_utf8_lossy(&known).into_owned(), "unknown ids decode to nothing");
        prop_assert!(ids.iter().all(|&id| BUNDLED.token_bytes(id).is_some() == (id < 50_257)));
        Ok(())
    });
}

#[test]
fn too_long_white_space_is_refused() {
    let spaced = |count: usize| format!("a{}b c", " ".repeat(count));
    let words = |text: &str| BUNDLED.encode(text).map(|ids| BUNDLED.decode(&ids));
    assert_eq!(words(&spaced(100_000)).unwrap(), spaced(100_000));
    let ids = BUNDLED.encode(&spaced(100_000)).unwrap();
    assert_eq!(ids[ids.len() - 2..], BUNDLED.encode(" b c").unwrap(), "words after it are found");
    let error = words(&spaced(100_001)).unwrap_err().to_string();
    assert!(error.contains("more than 100000 bytes of white space in a row"), "{error}");
}

#[test]
fn a_long_word_round_trips() {
    let word = "ab".repeat(100_000);
    assert_eq!(BUNDLED.decode(&BUNDLED.encode(&word).unwrap()), word);
}
