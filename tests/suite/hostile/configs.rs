//! Task configs of built-in tasks.

use gpt2_eval::tasks::TaskConfig;
use proptest::prop_assert;
use untrusted_input::{is_plain_name, path_below};

use super::hold;
use super::memory::bounded;
use super::mutate::mutated;

const CONFIG: &[u8] = br#"name = "t"
title = "T"
measures = "nothing"
groups = ["all", "paper"]
citation = "nobody"
[[protocols]]
name = "paper"
description = "d"
options = ["shots"]
defaults = { shots = "5" }
[data]
split = "validation"
hub = "a/b"
[[data.files]]
name = "t/f.txt"
with = "t/g.txt"
split = "train"
sha256 = "00"
records = 12
[[data.samples]]
name = "s"
"#;

#[test]
fn mutated_configs_stay_within_their_directory() {
    hold(mutated(&[CONFIG]), |bytes| {
        let text = String::from_utf8_lossy(&bytes.0);
        if let Ok(config) = bounded(text.len(), || TaskConfig::parse(&text))? {
            prop_assert!(!config.protocols.is_empty());
            prop_assert!(is_plain_name(&config.name) && is_plain_name(config.default_protocol()));
            for file in config.data.files.iter().chain(&config.data.samples) {
                for name in std::iter::once(&file.name).chain(&file.with) {
                    let path = path_below("data".as_ref(), name);
                    prop_assert!(path.is_ok_and(|path| path.starts_with("data")), "{name}");
                }
            }
        }
        Ok(())
    });
}

#[test]
fn deep_nesting_is_refused() {
    for (open, close) in [("[", "]"), ("{a=", "}")] {
        let text = format!("name = {}1{}", open.repeat(100_000), close.repeat(100_000));
        let message = TaskConfig::parse(&text).unwrap_err();
        assert!(message.contains("TOML parse error at line 1") && message.len() < 4000, "{open}: {message}");
    }
}
