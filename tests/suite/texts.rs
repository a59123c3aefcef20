//! `generate` and `score-text`.

use std::path::Path;

use serde_json::Value;

use crate::common::gpt2_eval;

const PROMPT: &str = "Once upon a time there was";

fn output(directory: &Path, arguments: &[&str], input: &str) -> (Option<i32>, String, String) {
    let output = gpt2_eval(directory).args(arguments).write_stdin(input).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn generate(arguments: &[&str], input: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    let all = [&["generate", "--size", "tiny-3M", "--quiet"], arguments].concat();
    let (code, text, message) = output(directory.path(), &all, input);
    assert_eq!((code, message.as_str()), (Some(0), ""), "{text}");
    text
}

fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn what_is_streamed_is_what_was_written() {
    let greedy = ["--prompt", PROMPT, "--max-new-tokens", "30"];
    let shown = generate(&greedy, "");
    let json = json_lines(&generate(&[&greedy[..], &["--format", "json"]].concat(), "")).remove(0);
    assert_eq!(shown, format!("{}\n", json["text"].as_str().unwrap()));
    assert_eq!(json["tokens"].as_array().unwrap().len(), 30);
    assert_eq!((&json["finish"], &json["decoding"]["kind"]), (&"token_limit".into(), &"greedy".into()));
    assert!(shown.split_whitespace().count() > 5, "{shown}");
    assert_eq!(generate(&["--prompt", "-", "--max-new-tokens", "30"], PROMPT), shown, "from standard input");
    assert_eq!(generate(&[&greedy[..], &["--temperature", "0", "--device", "cpu"]].concat(), ""), shown);
    // The other device computes the same text.
    assert_eq!(generate(&[&greedy[..], &["--device", "ndarray"]].concat(), ""), shown);
    // A stop string that comes in the middle of the text is never shown, not even in part.
    let word = shown.split_whitespace().nth(4).unwrap();
    let before = &shown[..shown.find(word).unwrap()];
    let stopped = generate(&[&greedy[..], &["--stop", word, "--stop", r"\t\\"]].concat(), "");
    assert_eq!(stopped, format!("{before}\n"));
}

#[test]
fn draws_are_those_of_their_seeds() {
    let sampling = ["--prompt", PROMPT, "--max-new-tokens", "20", "--temperature", "0.8", "--top-p", "0.95"];
    let json =
        |more: &[&str]| json_lines(&generate(&[&sampling[..], &["--format", "json"], more].concat(), ""));
    let three = json(&["--repeats", "3", "--seed", "7"]);
    assert_eq!(three.len(), 3);
    assert_eq!(json(&["--seed", "8"])[0], three[1]);
    assert_ne!(three[0]["tokens"], three[1]["tokens"]);
    let text = generate(&[&sampling[..], &["--repeats", "3", "--seed", "7"]].concat(), "");
    let expected: Vec<String> = three
        .iter()
        .map(|one| format!("--- seed {} ---\n{}\n", one["decoding"]["seed"], one["text"].as_str().unwrap()))
        .collect();
    assert_eq!(text, expected.join("\n"));
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("empty.txt"), "").unwrap();
    std::fs::write(directory.path().join("latin1.txt"), b"caf\xe9").unwrap();
    for (arguments, words) in [
        (&["generate", "--prompt", "x"][..], &["no model", "--size tiny-8M"][..]),
        (&["generate", "--prompt", "x", "--size", "tiny"], &["2 models: expected one"]),
        (
            &["generate", "--prompt", "x", "--size", "tiny-9M"],
            &["invalid value 'tiny-9M'", "possible values: 117M", "a similar value exists: 'tiny-8M'"],
        ),
        (
            &["generate", "--prompt", "x", "--size", "tiny-3M", "--temperature", "-1"],
            &["expected a number from 0"],
        ),
        (&["generate", "--prompt", "x", "--size", "tiny-3M", "--top-p", "1.5"], &["at most 1"]),
        (
            &["generate", "--prompt", "x", "--size", "tiny-3M", "--repeats", "2"],
            &["--repeats 2 is not supported by greedy decoding"],
        ),
        (&["generate", "--prompt", "x", "--size", "tiny-3M", "--stop", ""], &["an empty stop string"]),
        (
            &["generate", "--prompt", "x", "--size", "tiny-3M", "-n", "1025"],
            &["--max-new-tokens 1025 is too many", "has only 1024"],
        ),
        (&["generate", "--prompt", "x", "--model", "nowhere"], &["nowhere"]),
        (&["score-text", "nowhere.txt", "--size", "tiny-3M"], &["cannot read nowhere.txt"]),
        (&["score-text", "empty.txt", "--size", "tiny-3M"], &["empty.txt: the text is empty"]),
        (&["score-text", "latin1.txt", "--size", "tiny-3M"], &["cannot read latin1.txt", "utf-8"]),
    ] {
        let (code, _, message) = output(directory.path(), arguments, "");
        assert_eq!(code, Some(2), "{message}");
        for word in words {
            assert!(message.contains(word), "`{word}` is not in: {message}");
        }
        assert!(!message.contains("panicked"), "{message}");
    }
}

#[test]
fn a_long_prompt_loses_its_beginning_and_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let arguments = ["generate", "--size", "tiny-3M", "--prompt", "-", "--max-new-tokens", "3"];
    let (code, text, message) = output(directory.path(), &arguments, &"word ".repeat(2000));
    assert_eq!(code, Some(0));
    assert!(!text.trim().is_empty());
    assert!(message.contains("tokens of the prompt are left out"), "{message}");
    assert!(message.contains("3 tokens in"), "{message}");
}

#[test]
fn a_text_has_the_perplexity_of_a_task_of_ones_own() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let words = ["The keeper climbed", "Æther, naïve", "the lamp\nwent out —", "日本", "again"];
    let text: String = (0..600).map(|index| format!("{} {index} ", words[index % words.len()])).collect();
    std::fs::write(path.join("text.txt"), &text).unwrap();
    std::fs::write(
        path.join("mine.toml"),
        "name = \"mine\"\ntitle = \"M\"\nmeasures = \"m\"\nkind = \"perplexity\"\nmetrics = [\"token_perplexity\", \
         \"bits_per_byte\", \"word_perplexity\"]\n[data]\nfile = \"text.txt\"\n",
    )
    .unwrap();
    let run = "--task-file mine.toml --sizes tiny-3M --stride 512 --out run --quiet";
    let (code, _, message) = output(path, &run.split(' ').collect::<Vec<_>>(), "");
    assert_eq!(code, Some(0), "{message}");
    let scores = std::fs::read(path.join("run/scores.csv")).unwrap();
    let mut reader = csv::Reader::from_reader(scores.as_slice());
    let of_task: Vec<(String, f64)> = reader
        .records()
        .map(Result::unwrap)
        .map(|row| (row[4].to_owned(), row[5].parse().unwrap()))
        .collect();
    let arguments =
        ["score-text", "text.txt", "--size", "tiny-3M", "--quiet", "--format", "json", "--top", "4"];
    let (code, json, message) = output(path, &arguments, "");
    assert_eq!(code, Some(0), "{message}");
    let json: Value = serde_json::from_str(&json).unwrap();
    for (metric, expected) in &of_task {
        let found = json[metric].as_f64().unwrap();
        assert!((found - expected).abs() <= 1e-12 * expected, "{metric}: {found}, {expected}");
    }
    assert_eq!(of_task.len(), 3);
    let top = json["most_surprising"].as_array().unwrap();
    assert_eq!(top.len(), 4);
    let log_probability = |at: usize| top[at]["log_probability"].as_f64().unwrap();
    assert!(log_probability(0) <= log_probability(1) && log_probability(2) <= log_probability(3));
    for surprise in top {
        // The token is at the reported line and column.
        let line = text.lines().nth(surprise["line"].as_u64().unwrap() as usize - 1).unwrap();
        let from: String = line.chars().skip(surprise["column"].as_u64().unwrap() as usize - 1).collect();
        let token = surprise["text"].as_str().unwrap();
        let is_part = token.contains('\u{fffd}') || token.contains('\n');
        assert!(is_part || from.starts_with(token), "`{token}` in `{from}`");
    }
    let (code, table, _) =
        output(path, &["score-text", "-", "--size", "tiny-3M", "--quiet"], "A lamp, a lamp, a zebra.");
    assert_eq!(code, Some(0));
    for part in ["bits per byte", "token perplexity", "line:column", "·zebra"] {
        assert!(table.contains(part), "`{part}` is not in:\n{table}");
    }
}
