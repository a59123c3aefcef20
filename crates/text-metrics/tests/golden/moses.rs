//! Moses's tokens against sacremoses; `tests/golden/make_moses.py` made them.

use serde_json::Value;
use text_metrics::{Language, moses_tokenize};

#[test]
fn tokens_equal_those_of_sacremoses() {
    let golden: Value = serde_json::from_str(include_str!("moses.json")).unwrap();
    let triples: Vec<(String, String, String)> = serde_json::from_value(golden["triples"].clone()).unwrap();
    assert!(triples.len() >= 500);
    for (language, text, expected) in triples {
        let language = match language.as_str() {
            "en" => Language::English,
            "fr" => Language::French,
            "de" => Language::German,
            other => panic!("the tokenizer does not support the language {other}"),
        };
        assert_eq!(moses_tokenize(&text, language), expected, "{language:?} {text:?}");
    }
}
