//! Sizes in a header are compared with the file before anything is allocated.

use std::path::Path;

use gpt2_eval::data::DataFile;
use gpt2_eval::record::Protocol;
use gpt2_eval::tasks;
use gpt2_model::WeightFile;

use super::memory::peak_of;
use crate::common::{copy_model, gpt2_eval, refused};

/// The error of opening a weight file with these bytes, which must take almost no memory.
fn refused_weights(bytes: Vec<u8>) -> String {
    let (result, peak) = peak_of(|| WeightFile::in_memory(Path::new("m/model.safetensors"), bytes));
    assert!(peak < 100_000, "{peak} bytes");
    result.err().unwrap().to_string()
}

fn with_header(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), data].concat()
}

#[test]
fn a_header_that_promises_more_than_the_file_has() {
    let claims = |shape: &str, start: u64, end: u64| {
        format!(r#"{{"wte.weight":{{"dtype":"F32","shape":{shape},"data_offsets":[{start},{end}]}}}}"#)
    };
    // 2^60 numbers, and what 4 · 2^60 bytes are.
    let message = refused_weights(with_header(&claims("[1152921504606846976]", 0, 1 << 62), &[0; 8]));
    assert!(
        message.contains("promises 4,611,686,018,427,388,011 (tensor `wte.weight` lies outside)"),
        "{message}"
    );
    let message = refused_weights(with_header(&claims("[1152921504606846976]", 0, 8), &[0; 8]));
    assert!(message.contains("m/model.safetensors: not a safetensors file"), "{message}");
    for shape in
        ["[18446744073709551615,18446744073709551615]", "[4294967296,4294967296,4294967296]", "[-1]", "[1e3]"]
    {
        let message = refused_weights(with_header(&claims(shape, 0, 8), &[0; 8]));
        assert!(message.contains("m/model.safetensors: not a safetensors file"), "{message}");
    }
    let message = refused_weights(with_header(&claims("[2]", u64::MAX - 7, u64::MAX), &[0; 8]));
    assert!(message.contains("is cut short") && message.contains("wte.weight"), "{message}");
}

#[test]
fn sums_of_offsets_do_not_overflow() {
    // Eight tensors of 2^61 bytes end where 64 bits do.
    let tensors: Vec<String> = (0..8_u64)
        .map(|index| {
            let (start, end) = (index << 61, ((u128::from(index) + 1) << 61).min(u128::from(u64::MAX)));
            format!(
                r#""t{index}":{{"dtype":"U8","shape":[{}],"data_offsets":[{start},{end}]}}"#,
                end - u128::from(start)
            )
        })
        .collect();
    let message = refused_weights(with_header(&format!("{{{}}}", tensors.join(",")), &[0; 8]));
    assert!(message.contains("is cut short") && message.contains("tensor `t0` lies outside"), "{message}");
}

#[test]
fn a_header_of_an_impossible_length() {
    let length = |length: u64, more: &[u8]| [&length.to_le_bytes()[..], more].concat();
    let message = refused_weights(length(u64::MAX, b"{}"));
    assert!(
        message.contains("the header has 18,446,744,073,709,551,615 bytes, expected at most 100,000,000"),
        "{message}"
    );
    let message = refused_weights(length(1000, b"{}"));
    assert!(message.contains("it has 10 bytes, but its header promises 1,008"), "{message}");
    assert!(refused_weights(vec![1, 2, 3]).contains("not a safetensors file"));
    let deep = format!("{}{}", "{\"a\":".repeat(50_000), "}".repeat(50_000));
    let message = refused_weights(with_header(&deep, &[]));
    assert!(message.contains("not a safetensors file"), "{message}");
}

#[test]
fn a_tensor_under_both_names() {
    let entry =
        |start: u64| format!(r#"{{"dtype":"F32","shape":[1],"data_offsets":[{start},{}]}}"#, start + 4);
    let header = format!(r#"{{"wte.weight":{},"transformer.wte.weight":{}}}"#, entry(0), entry(4));
    let message = refused_weights(with_header(&header, &[0; 8]));
    assert!(message.contains("occurs twice, with the prefix `transformer.` and without"), "{message}");
}

/// The error of a run with a changed copy of tiny-3M.
fn refused_model(change: impl FnOnce(&Path)) -> String {
    let directory = tempfile::tempdir().unwrap();
    let model = directory.path().join("model");
    copy_model("tiny-3M", &model);
    change(&model);
    refused(
        directory.path(),
        &["--tasks", "lambada", "--data", "sample", "--model", "mine=model", "--out", "run"],
    )
}

#[test]
fn impossible_configurations() {
    let with = |field: &str, value: &str| {
        refused_model(|model| {
            let path = model.join("config.json");
            let mut json: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            json[field] = serde_json::from_str(value).unwrap();
            std::fs::write(path, json.to_string()).unwrap();
        })
    };
    let check = |field, value, expected: &str| {
        let message = with(field, value);
        assert!(message.contains("model/config.json: ") && message.contains(expected), "{message}");
    };
    check("n_layer", "1000000000", "n_layer is 1000000000, expected a size from 1 to 1024");
    check("n_embd", "0", "n_embd is 0, expected a size from 1 to 65536");
    check("n_head", "0", "n_head is 0, expected a size from 1 to 65536");
    check("n_head", "7", "n_head (7) does not divide n_embd (64)");
    check("vocab_size", "1e15", "vocab_size is 1000000000000000.0, expected a size from 1 to 4194304");
    // Possible sizes are compared with the tensors.
    let message = with("n_layer", "1000");
    assert!(
        message.contains("model/model.safetensors: tensor `h.") && message.contains("is missing"),
        "{message}"
    );
    let message = with("vocab_size", "4000000");
    assert!(message.contains("has shape [50257, 64], expected [4000000, 64]"), "{message}");
}

#[test]
fn tokenizers_with_more_than_the_model_has() {
    let with = |name: &'static str, vocab: String| {
        refused_model(|model| {
            std::fs::write(model.join(name), vocab).unwrap();
            std::fs::write(model.join("merges.txt"), "").unwrap();
        })
    };
    // As many tokens as the model has rows, but one id is larger.
    let ids = (0..50_256).map(|id| format!("\"t{id}\":{id},")).collect::<String>();
    let message = with("vocab.json", format!("{{{ids}\"<|endoftext|>\":60000}}"));
    assert!(message.contains("model/vocab.json has the token id 60000"), "{message}");
    assert!(message.contains("has 50257 rows") && message.contains("expected ids below 50257"), "{message}");
    let deep = "[".repeat(1_000_000);
    let message = with("tokenizer.json", deep.clone());
    assert!(message.contains("model/tokenizer.json:1: "), "{message}");
    let message = with("vocab.json", format!("{{\"a\":{deep}"));
    assert!(message.contains("model/vocab.json:1: "), "{message}");
    let message = refused_model(|model| std::fs::write(model.join("config.json"), deep.clone()).unwrap());
    assert!(message.contains("config.json"), "{message}");
}

#[test]
fn files_that_are_too_large_are_not_read() {
    let message = refused_model(|model| {
        std::fs::File::create(model.join("config.json")).unwrap().set_len(1 << 40).unwrap();
    });
    assert!(
        message.contains(
            "model/config.json: cannot read it: 1,099,511,627,776 bytes are more than the limit of 1,000,000"
        ),
        "{message}"
    );
    let message = refused_model(|model| {
        std::fs::File::create(model.join("tokenizer.json")).unwrap().set_len(1 << 40).unwrap();
    });
    assert!(
        message.contains("model/tokenizer.json: cannot read it: 1,099,511,627,776 bytes are more"),
        "{message}"
    );
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(directory.path().join("data")).unwrap();
    let data = std::fs::File::create(directory.path().join("data/lambada_test.jsonl")).unwrap();
    data.set_len(1 << 40).unwrap();
    let message = refused(directory.path(), &["--tasks", "lambada", "--sizes", "tiny-3M", "--data", "data"]);
    assert!(
        message.contains("data/lambada_test.jsonl: 1,099,511,627,776 bytes are more than the limit"),
        "{message}"
    );
}

/// Reads a data file in memory: its error and the memory that it took.
fn refused_data(task: &str, bytes: Vec<u8>) -> (String, usize) {
    let file = DataFile::in_memory("data/f", bytes);
    let task = tasks::find(task).unwrap();
    let (result, peak) = peak_of(|| task.read(file, &Protocol::new("paper")));
    (result.err().unwrap().to_string(), peak)
}

#[test]
fn a_billion_laughs() {
    let entities: String = (1..10)
        .map(|level| format!("<!ENTITY l{level} \"{}\">", format!("&l{};", level - 1).repeat(10)))
        .collect();
    let bomb = format!(
        "<?xml version=\"1.0\"?><!DOCTYPE c [<!ENTITY l0 \"lol\">{entities}]><collection><schema>&l9;</schema></collection>"
    );
    let (message, peak) = refused_data("winograd", bomb.into_bytes());
    assert!(message.starts_with("data/f:1: malformed XML") && message.contains("DTD"), "{message}");
    assert!(peak < 100_000, "{peak} bytes");
    let external = "<!DOCTYPE c [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><collection>&x;</collection>";
    assert!(refused_data("winograd", external.into()).0.contains("DTD"));
}

#[test]
fn nesting_without_end() {
    for (task, open) in
        [("winograd", "<a>"), ("lambada", "[["), ("coqa", "{\"data\":"), ("nq", "{\"question\":{\"a\":")]
    {
        let (message, peak) = refused_data(task, open.repeat(200_000).into_bytes());
        assert!(message.starts_with("data/f:1: "), "{message}");
        assert!(peak < 200 * 200_000 * open.len(), "{task}: {peak} bytes");
    }
    let closed = format!("<collection>{}{}</collection>", "<a>".repeat(100_000), "</a>".repeat(100_000));
    assert!(refused_data("winograd", closed.into_bytes()).0.contains("no records"));
}

#[test]
fn a_file_of_line_ends_takes_no_room() {
    let (message, peak) = refused_data("lambada", vec![b'\n'; 10_000_000]);
    assert!(message.starts_with("data/f:1: blank line"), "{message}");
    assert!(peak < 100_000, "{peak} bytes");
}

#[test]
fn a_long_document_name_is_shared_by_its_segments() {
    let text = format!(
        "<doc docid=\"{}\">\n{}",
        "d".repeat(100_000),
        (0..5000).map(|id| format!("<seg id=\"{id}\">a</seg>\n")).collect::<String>()
    );
    let mut file = DataFile::bundled("data/f", b"");
    file.bytes = text.clone().into_bytes().into();
    file.companion = Some(Box::new(file.clone()));
    let task = tasks::find("wmt14-fr-en").unwrap();
    let (result, peak) = peak_of(|| task.read(file, &Protocol::new("paper")));
    assert_eq!(result.unwrap().len(), 5000);
    assert!(peak < 100 * text.len(), "{peak} bytes for {}", text.len());
}

#[test]
fn nothing_but_a_byte_order_mark_is_no_text() {
    for task in ["wikitext2", "ptb", "lambada", "cnn_dailymail"] {
        let (message, _) = refused_data(task, b"\xef\xbb\xbf".to_vec());
        assert!(message.contains("data/f: the file has no records"), "{task}: {message}");
    }
}

/// Numbers that are none fail their samples, whatever is asked, and leave a journal that can be read.
#[test]
fn weights_that_are_no_numbers() {
    let directory = tempfile::tempdir().unwrap();
    let model = directory.path().join("model");
    copy_model("tiny-3M", &model);
    for value in [f32::NAN, f32::INFINITY, 3e38] {
        let mut tensors = crate::checkpoints::tensors_of("tiny-3M");
        for (name, (_, values)) in &mut tensors {
            if name.contains("h.1.mlp") {
                values.fill(value);
            }
        }
        crate::checkpoints::write(&model, &tensors, safetensors::tensor::Dtype::F32);
        for task in ["lambada", "nq", "cnn_dailymail", "winograd"] {
            let out = format!("{task}-{value}");
            let arguments =
                ["--tasks", task, "--limit", "2", "--data", "sample", "--model", "m=model", "--out", &out];
            for _ in 0..2 {
                let output = gpt2_eval(directory.path()).args(arguments).output().unwrap();
                let message = String::from_utf8_lossy(&output.stderr);
                let tables = String::from_utf8_lossy(&output.stdout);
                let reason = "m: 2 of 2 samples failed";
                assert!(tables.contains(reason), "{value} {task}: {tables}{message}");
                assert!(tables.contains("log-probability is NaN or infinite"), "{value} {task}: {tables}");
                assert!(!message.contains("panicked") && output.status.code() == Some(2), "{message}");
            }
        }
    }
}

/// Every shape that a configuration may have is computed, however odd.
#[test]
fn odd_shapes_run() {
    for (layers, width, heads, context, inner) in
        [(1, 1, 1, 300, 1), (2, 6, 3, 257, 5), (1, 33, 11, 300, 130), (1, 17, 1, 513, 3)]
    {
        let directory = tempfile::tempdir().unwrap();
        let model = directory.path().join("model");
        std::fs::create_dir(&model).unwrap();
        let json = serde_json::json!({
            "n_layer": layers, "n_embd": width, "n_head": heads, "n_positions": context, "n_inner": inner
        });
        std::fs::write(model.join("config.json"), json.to_string()).unwrap();
        let config = gpt2_model::Gpt2Config::from_hugging_face(json.to_string().as_bytes()).unwrap();
        let tensors = config.tensors().into_iter().map(|(name, shape)| {
            let count = shape.iter().product::<usize>();
            (name, (shape, (0..count).map(|index| (index % 7) as f32 * 0.1 - 0.3).collect()))
        });
        crate::checkpoints::write(&model, &tensors.collect(), safetensors::tensor::Dtype::F32);
        let output = gpt2_eval(directory.path())
            .args([
                "--tasks",
                "lambada:harness,nq,winograd",
                "--limit",
                "2",
                "--data",
                "sample",
                "--model",
                "m=model",
                "--out",
                "run",
            ])
            .output()
            .unwrap();
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(!message.contains("panicked"), "{json}: {message}");
        assert!(output.status.success(), "{json}: {message}");
    }
}
