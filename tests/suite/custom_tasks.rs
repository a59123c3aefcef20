//! Custom tasks: those of `examples/tasks/`, and task configs that reproduce built-in tasks.

use std::path::Path;

use gpt2_eval::record::SampleResult;
use gpt2_model::request::Response;

use crate::common::{gpt2_eval, refused};

const EXAMPLES: [&str; 4] = ["reading", "cloze", "questions", "poems"];

/// A directory with a copy of `examples/tasks/` in `tasks/`.
fn with_examples() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("tasks")).unwrap();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/tasks");
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), directory.path().join("tasks").join(entry.file_name())).unwrap();
    }
    directory
}

fn run(directory: &Path, configs: &[&str], more: &[&str]) -> String {
    let mut command = gpt2_eval(directory);
    for config in configs {
        command.args(["--task-file", &format!("tasks/{config}.toml")]);
    }
    let output = command.args(["--sizes", "tiny-3M", "--quiet"]).args(more).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn succeeds(directory: &Path, arguments: &[&str]) -> String {
    let output = gpt2_eval(directory).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn records(directory: &Path, journal: &str) -> Vec<SampleResult> {
    let text = std::fs::read_to_string(directory.join("samples/tiny-3M").join(journal)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn change(path: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "`{from}` is not in {}", path.display());
    std::fs::write(path, text.replacen(from, to, 1)).unwrap();
}

#[test]
fn a_parquet_table_gives_the_results_of_json_lines() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    std::fs::create_dir(path.join("tasks")).unwrap();
    let table = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/parquet/snappy.parquet");
    std::fs::copy(table, path.join("tasks/table.parquet")).unwrap();
    // The content that make.py writes.
    let line = |index: usize| {
        format!(
            "{{\"unique\": \"row {index}\", \"number\": {index}, \"translation\": {{\"en\": \"yes {index}\"}}}}\n"
        )
    };
    std::fs::write(path.join("tasks/lines.jsonl"), (0..300).map(line).collect::<String>()).unwrap();
    for (name, file) in [("table", "table.parquet"), ("lines", "lines.jsonl")] {
        let config = format!(
            "name = \"{name}\"\ntitle = \"T\"\nmeasures = \"m\"\nkind = \"last-word\"\nprompt = \"{{unique}} of {{number}}: \
             {{translation.en}}\"\n[data]\nfile = \"{file}\"\nid = \"unique\"\n"
        );
        std::fs::write(path.join(format!("tasks/{name}.toml")), config).unwrap();
    }
    run(path, &["table", "lines"], &["--limit", "5", "--out", "run"]);
    let [table, lines] = ["table.jsonl", "lines.jsonl"].map(|journal| records(&path.join("run"), journal));
    assert_eq!(table.len(), 5);
    for (one, other) in table.iter().zip(&lines) {
        assert_eq!((&one.id, &one.values), (&other.id, &other.values));
    }
    std::fs::write(path.join("tasks/table.parquet"), b"PAR1 and no more").unwrap();
    let output =
        gpt2_eval(path).args(["--task-file", "tasks/table.toml", "--sizes", "tiny-3M"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(message.contains("table.parquet:1") && !message.contains("panicked"), "{message}");
}

#[test]
fn example_tasks_run_and_their_runs_are_read_without_the_task_files() {
    let directory = with_examples();
    let path = directory.path();
    let listed = succeeds(path, &["ls", "--task-file", "tasks/reading.toml"]);
    assert!(listed.contains("reading      Which of four answers") && listed.contains("lambada"), "{listed}");
    assert!(listed.contains("reading.jsonl, reading.train.jsonl beside its task config"), "{listed}");
    let shown = succeeds(path, &["show", "questions", "--task-file", "tasks/questions.toml", "--limit", "1"]);
    assert!(shown.contains("prompt  Answer·in·a·word·or·two.↵↵Q:·"), "{shown}");
    assert_eq!(
        shown.lines().find(|line| line.contains("prompt")).unwrap().matches("Q:").count(),
        3,
        "{shown}"
    );

    let table = run(path, &EXAMPLES, &["--out", "run"]);
    for part in ["Reading comprehension (custom)", "Everyday questions (custom,shots=2)", "Majority", "‖ "]
    {
        assert!(table.contains(part), "`{part}` is not in:\n{table}");
    }
    assert!(!table.contains("┆ paper ┆") && !table.contains('Δ'), "no column of the paper:\n{table}");
    let scores = std::fs::read(path.join("run/scores.csv")).unwrap();
    let mut reader = csv::Reader::from_reader(scores.as_slice());
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    for (task, metrics) in EXAMPLES.into_iter().zip([2, 3, 5, 5]) {
        let of_task = rows.iter().filter(|row| row[2] == *task && !row[1].is_empty());
        assert_eq!(of_task.count(), metrics, "{task}");
    }

    // The run directory is complete by itself.
    std::fs::remove_dir_all(path.join("tasks")).unwrap();
    std::fs::remove_file(path.join("run/scores.csv")).unwrap();
    succeeds(path, &["score", "run"]);
    assert!(std::fs::read(path.join("run/scores.csv")).unwrap() == scores);
    assert!(succeeds(path, &["report", "run", "--format", "json"]).contains("Reading comprehension"));
    assert!(succeeds(path, &["report", "run", "--format", "eee"]).contains("reading:custom"));
    let baseline = succeeds(path, &["baseline", "run"]);
    std::fs::write(path.join("baseline.json"), baseline).unwrap();
    let checked = succeeds(path, &["check", "baseline.json", "run", "--exact"]);
    assert!(checked.contains("rougeL"), "{checked}");
    assert!(succeeds(path, &["compare", "run", "run"]).contains("accuracy_normalized"));
}

#[test]
fn accuracies_have_the_error_between_stories() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    std::fs::create_dir(path.join("tasks")).unwrap();
    let config = "name = \"stories\"\ntitle = \"Stories\"\nmeasures = \"m\"\ncitation = \"c\"\nkind = \"choice\"\n\
        prompt = \"{text}\"\nchoices = \"options\"\ntarget = \" {choice}\"\nanswer = \"answer\"\nanswer_is = \"index\"\n\
        [data]\nfile = \"stories.jsonl\"\ncluster = \"story\"\n";
    std::fs::write(path.join("tasks/stories.toml"), config).unwrap();
    // All questions of a story are the same, so a model has all right or all wrong.
    let stories = [
        "The sun rises in the",
        "She sat down on the",
        "One and one make",
        "He drank a cup of",
        "The dog is",
    ];
    let line = |index: usize| {
        let (story, answer) = (index / 20, usize::from([1, 4].contains(&(index / 20))));
        let text = stories[story];
        format!(
            "{{\"story\":{story},\"text\":\"{text}\",\"options\":[\"east\",\"chair\"],\"answer\":{answer}}}\n"
        )
    };
    std::fs::write(path.join("tasks/stories.jsonl"), (0..100).map(line).collect::<String>()).unwrap();
    run(path, &["stories"], &["--out", "run"]);

    let mut reader = csv::Reader::from_path(path.join("run/scores.csv")).unwrap();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let correct: Vec<f64> =
        records(&path.join("run"), "stories.jsonl").iter().map(|record| record.values["correct"]).collect();
    // Index 0 in three stories of five is the answer of Majority.
    let majority: Vec<f64> =
        (0..100).map(|index| f64::from(u8::from(![1, 4].contains(&(index / 20))))).collect();
    for (model, correct) in [("tiny-3M", correct), ("Majority", majority)] {
        let row = rows.iter().find(|row| row[0] == *model).unwrap();
        let mean = correct.iter().sum::<f64>() / 100.0;
        let squares: f64 =
            correct.chunks(20).map(|story| (story.iter().sum::<f64>() - 20.0 * mean).powi(2)).sum();
        let expected = (squares * 5.0 / 4.0).sqrt();
        let found: f64 = row[6].parse().unwrap();
        assert!((found - expected).abs() < 1e-9, "{model}: {found} {expected}");
        assert!(expected > 15.0, "{model}: 4.92 if the questions were independent");
    }
}

#[test]
fn shards_limits_and_shots() {
    let directory = with_examples();
    let path = directory.path();
    run(path, &EXAMPLES, &["--out", "whole", "--limit", "6"]);
    run(path, &EXAMPLES, &["--out", "shards", "--limit", "6", "--shard", "0/2"]);
    run(path, &EXAMPLES, &["--out", "shards", "--limit", "6", "--shard", "1/2"]);
    std::fs::remove_dir_all(path.join("tasks")).unwrap();
    succeeds(path, &["merge", "shards"]);
    for name in ["scores.csv", "table.md", "samples/tiny-3M/reading.jsonl", "prompts/questions.jsonl"] {
        let [whole, merged] =
            ["whole", "shards"].map(|run| std::fs::read(path.join(run).join(name)).unwrap());
        assert!(whole == merged, "{name}");
    }
    // Samples of one article are a cluster, and stay together in a shard.
    assert!(records(&path.join("whole"), "reading.jsonl").iter().all(|record| record.cluster.is_some()));

    let directory = with_examples();
    let path = directory.path();
    let table = run(
        path,
        &["reading"],
        &["--tasks", "reading,lambada", "--data", "sample", "--limit", "3", "--out", "both"],
    );
    assert!(
        table.contains("LAMBADA (paper,data=sample,limit=3)") && table.contains("(custom,limit=3)"),
        "{table}"
    );
    let table = run(path, &["questions"], &["--shots", "0,3", "--limit", "3", "--out", "shots"]);
    assert!(table.contains("custom,limit=3,shots=0") && table.contains("custom,limit=3,shots=3"), "{table}");
}

#[test]
fn an_interrupted_run_continues_and_a_changed_task_config_is_another_run() {
    let directory = with_examples();
    let path = directory.path();
    run(path, &["reading"], &["--out", "run"]);
    let journal = path.join("run/samples/tiny-3M/reading.jsonl");
    let whole = std::fs::read(&journal).unwrap();
    std::fs::write(&journal, &whole[..whole.len() / 2]).unwrap();
    run(path, &["reading"], &["--out", "run"]);
    assert!(std::fs::read(&journal).unwrap() == whole);

    change(&path.join("tasks/reading.toml"), "\"characters\"", "\"bytes\"");
    let arguments = ["--task-file", "tasks/reading.toml", "--sizes", "tiny-3M", "--out", "run"];
    let message = refused(path, &arguments);
    assert!(message.contains("custom_tasks.0.sha256: there"), "{message}");
    // A task config recorded with a run must match its sha256.
    change(&path.join("run/manifest.json"), "normalization = ", "normalization  = ");
    let message = refused(path, &["score", "run"]);
    assert!(message.contains("the task config of `reading` recorded with the run was changed"), "{message}");
}

/// Whether the highest normalized score is the correct choice's.
fn right(record: &SampleResult, choices: usize, lengths: impl Fn(usize) -> f64, answer: usize) -> f64 {
    let score = |index: usize| record.responses[index].log_likelihood().unwrap() / lengths(index);
    let best = (0..choices).fold(0, |best, index| if score(index) > score(best) { index } else { best });
    f64::from(u8::from(best == answer))
}

#[test]
fn choices_are_normalized_as_the_task_config_says() {
    let directory = with_examples();
    let path = directory.path();
    let data = std::fs::read_to_string(path.join("tasks/reading.jsonl")).unwrap();
    let articles: Vec<serde_json::Value> =
        data.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let sample = |id: &str| -> (Vec<String>, usize) {
        let (article, index) = id.rsplit_once('-').unwrap();
        let index: usize = index.parse().unwrap();
        let article = articles.iter().find(|known| known["id"] == article).unwrap();
        let options = article["options"][index].as_array().unwrap();
        let letter = article["answers"][index].as_str().unwrap().as_bytes()[0];
        (
            options.iter().map(|option| option.as_str().unwrap().to_owned()).collect(),
            usize::from(letter - b'A'),
        )
    };
    run(path, &["reading"], &["--out", "characters"]);
    let config = path.join("tasks/reading.toml");
    change(&config, "\"characters\"", "\"tokens\"");
    run(path, &["reading"], &["--out", "tokens"]);
    change(&config, "\"tokens\"", "\"unconditional\"\nunconditional_prompt = \"Answer:\"");
    run(path, &["reading"], &["--out", "unconditional"]);
    let of_run = |name: &str| records(&path.join(name), "reading.jsonl");
    let (characters, tokens, unconditional) =
        (of_run("characters"), of_run("tokens"), of_run("unconditional"));
    assert_eq!((characters.len(), unconditional[0].responses.len()), (13, 8));
    for ((by_characters, by_tokens), by_context) in characters.iter().zip(&tokens).zip(&unconditional) {
        let (options, answer) = sample(&by_characters.id);
        let length = |index: usize| options[index].chars().count() as f64;
        assert_eq!(by_characters.values["correct_normalized"], right(by_characters, 4, length, answer));
        assert_eq!(by_characters.values["correct"], right(by_characters, 4, |_| 1.0, answer));
        let count = |index: usize| by_tokens.responses[index].target_tokens() as f64;
        assert_eq!(by_tokens.values["correct_normalized"], right(by_tokens, 4, count, answer));
        let mut held = by_context.clone();
        for index in 0..4 {
            let alone = held.responses[4 + index].log_likelihood().unwrap();
            let Response::LogLikelihood(score) = &mut held.responses[index] else { panic!() };
            score.log_likelihood -= alone;
        }
        assert_eq!(by_context.values["correct_normalized"], right(&held, 4, |_| 1.0, answer));
    }
}

#[test]
fn the_probability_of_the_correct_choice_also_by_group() {
    let directory = with_examples();
    let path = directory.path();
    let config = path.join("tasks/reading.toml");
    change(
        &config,
        "\"accuracy_normalized\"]",
        "\"probability_correct\", \"bits_per_byte\"]\ngroup = \"id\"",
    );
    change(&config, "{questions}", "{asked|strip}");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text + "\n[fields]\nasked = \" {questions} \"\n").unwrap();
    run(path, &["reading"], &["--out", "out"]);
    let found = records(&path.join("out"), "reading.jsonl");
    let (mut nats, mut bytes, mut shares) = (0.0, 0.0, 0.0);
    for record in &found {
        let scores: Vec<f64> =
            record.responses.iter().map(|response| response.log_likelihood().unwrap()).collect();
        let total: f64 = scores.iter().map(|score| score.exp()).sum();
        let share = record.values["probability_correct"];
        let own = record.values["log_likelihood_correct"];
        assert!(scores.contains(&own) && (share - own.exp() / total).abs() < 1e-9, "{}", record.id);
        nats -= own;
        bytes += record.values["bytes_correct"];
        shares += share;
    }
    let of = |metric: &str| -> f64 {
        let csv = std::fs::read_to_string(path.join("out/scores.csv")).unwrap();
        let mut reader = csv::Reader::from_reader(csv.as_bytes());
        let header = reader.headers().unwrap().clone();
        let column = |name: &str| header.iter().position(|known| known == name).unwrap();
        let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        let is_it =
            |row: &&csv::StringRecord| &row[column("metric")] == metric && &row[column("model")] == "tiny-3M";
        rows.iter().find(is_it).unwrap()[column("value")].parse().unwrap()
    };
    assert!((of("bits_per_byte") - nats / std::f64::consts::LN_2 / bytes).abs() < 1e-6);
    assert!((of("probability_correct") - 100.0 * shares / found.len() as f64).abs() < 1e-6);
    let breakdowns = std::fs::read_to_string(path.join("out/breakdowns.csv")).unwrap();
    let groups: std::collections::BTreeSet<&str> =
        found.iter().map(|record| record.id.rsplit_once('-').unwrap().0).collect();
    assert!(groups.len() > 1);
    for group in groups {
        assert!(breakdowns.contains(&format!("group,{group},probability_correct,")), "{group}: {breakdowns}");
    }
}

/// A task config with a built-in task's requests gets the same responses, bit for bit.
#[test]
fn task_configs_reproduce_built_in_tasks() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    std::fs::create_dir(path.join("tasks")).unwrap();
    let configs = [
        ("mine", "last-word", "prompt = '{text}'\n", "mine.jsonl", "lambada/sample.jsonl"),
        (
            "asked",
            "generate",
            "preamble = \"Answer these questions:\\n\\n\"\nprompt = \"Q: {question}?\\nA:\"\nreferences = 'answer'\n\
             stop = [\"\\n\", '.', ',']\nmax_new_tokens = 256\n",
            "asked.jsonl",
            "nq/sample.jsonl",
        ),
        (
            "stream",
            "perplexity",
            "metrics = ['bits_per_byte', 'token_perplexity']\n",
            "stream.txt",
            "enwik8/sample.xml",
        ),
    ];
    for (name, kind, keys, file, data) in configs {
        let head = format!("name = '{name}'\ntitle = 'T'\nmeasures = 'M'\nkind = '{kind}'\n");
        let config = format!("{head}{keys}[data]\nfile = '{file}'\n");
        std::fs::write(path.join(format!("tasks/{name}.toml")), config).unwrap();
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tasks").join(data);
        std::fs::copy(from, path.join("tasks").join(file)).unwrap();
    }
    let tasks = "lambada:harness,nq:harness,enwik8,custom";
    run(path, &["mine", "asked", "stream"], &["--tasks", tasks, "--data", "sample", "--out", "run"]);
    let run = path.join("run");
    for (custom, built_in) in [("mine", "lambada.harness"), ("asked", "nq.harness"), ("stream", "enwik8")] {
        let [custom, built_in] = [custom, built_in].map(|name| records(&run, &format!("{name}.jsonl")));
        assert!(!custom.is_empty() && custom.len() == built_in.len());
        for (custom, built_in) in custom.iter().zip(&built_in) {
            assert_eq!((&custom.id, &custom.responses), (&built_in.id, &built_in.responses));
            for name in ["log_likelihood", "correct", "tokens", "bytes"] {
                if let Some(value) = built_in.values.get(name).filter(|_| custom.values.contains_key(name)) {
                    assert_eq!(custom.values[name], *value, "{name}");
                }
            }
        }
    }
    let scores = std::fs::read_to_string(run.join("scores.csv")).unwrap();
    let of = |task: &str, metric: &str| -> Vec<String> {
        let rows = scores.lines().map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>());
        let mut found: Vec<Vec<String>> =
            rows.filter(|row| row[2] == task && row.contains(&metric.to_owned())).collect();
        assert_eq!(found.len(), 1, "{task} {metric}:\n{scores}");
        let row = found.remove(0);
        let column = row.iter().position(|cell| cell == metric).unwrap();
        row[column + 1..column + 5].to_vec()
    };
    assert_eq!(of("mine", "perplexity"), of("lambada", "perplexity"));
    assert_eq!(of("stream", "bits_per_byte"), of("enwik8", "bits_per_byte"));
}

/// The message for an example task config in which `from` is changed to `to`.
fn with_change(config: &str, from: &str, to: &str) -> String {
    let directory = with_examples();
    change(&directory.path().join(format!("tasks/{config}.toml")), from, to);
    let file = format!("tasks/{config}.toml");
    refused(directory.path(), &["--task-file", &file, "--sizes", "tiny-3M"])
}

#[test]
fn messages_locate_mistakes_in_a_task_config() {
    for (config, from, to, parts) in [
        (
            "reading",
            "prompt =",
            "promt =",
            &["reading.toml:9:1: unknown key `promt`", "did you mean `prompt`?"][..],
        ),
        ("reading", "\"choice\"", "\"choise\"", &["7:8: unknown variant `choise`", "did you mean `choice`?"]),
        ("reading", "train =", "trian =", &["unknown key `trian`", "did you mean `train`?"]),
        ("reading", "\"reading\"", "\"nq\"", &["3:8: `nq` is the name of a built-in task"]),
        ("reading", "\"reading\"", "\"race\"", &["`race` is the name of a built-in task"]),
        ("reading", "\"reading\"", "\"zero-shot\"", &["`zero-shot` is the name of a group"]),
        (
            "reading",
            "{article}",
            "{article|stip}",
            &["9:10: `{article|stip}`: no filter `stip`; did you mean `strip`?"],
        ),
        ("reading", "[data]", "[fields]\n\"a.b\" = \"c\"\n[data]", &["\"a.b\" in [fields]: expected a name"]),
        ("reading", "[data]", "[fields]\na = \"{b\"\n[data]", &["unbalanced `{`"]),
        (
            "poems",
            "stride = 512",
            "group = \"title\"",
            &["`group` is not supported by kind `perplexity`, only by choice"],
        ),
        ("reading", "\"reading\"", "\"lambada.harness\"", &["invalid task name"]),
        ("reading", "\"reading\"", "\"custom\"", &["`custom` is the name of a group"]),
        ("reading", "\"reading\"", "\"a/b\"", &["invalid task name \"a/b\""]),
        ("reading", "\"accuracy_normalized\"]", "\"f1\"]", &["15:24: kind `choice` has no metric `f1`"]),
        ("reading", "\"accuracy\",", "\"acuracy\",", &["did you mean `accuracy`?"]),
        ("reading", "normalization = \"characters\"\n", "", &["needs the key `normalization`"]),
        ("reading", "answer_is", "stop = []\nanswer_is", &["`stop` is not supported by kind `choice`"]),
        ("reading", "answer_is = \"letter\"\n", "", &["7:8: kind `choice` needs the key `answer_is`"]),
        ("reading", "{article}", "{article", &["9:10: unbalanced `{`"]),
        ("reading", " {choice}", " option", &["neither `target` nor `prompt` contains {choice}"]),
        (
            "reading",
            "\"reading.jsonl\"",
            "\"../x.jsonl\"",
            &["lead out of its directory", "beside the task config"],
        ),
        ("reading", "\"reading.jsonl\"", "\"x.jsnl\"", &["did you mean `jsonl`?", "add format = "]),
        ("poems", "stride = 512", "stride = 0", &["`stride` is 0; expected 1 to the model's context"]),
        (
            "questions",
            "max_new_tokens = 8",
            "max_new_tokens = 5000000",
            &["`max_new_tokens` is 5000000; expected 1 to"],
        ),
        ("questions", "shots = 2", "shots = -2", &["14:9: invalid value", "expected a whole number"]),
        ("questions", "title = ", "# ", &["the key `title` is missing"]),
        ("questions", "stop = [\"\\n\"]", "stop = [\"\"]", &["an empty stop string"]),
        ("questions", "[data]", "[data", &["questions.toml:19:"]),
    ] {
        let message = with_change(config, from, to);
        for part in parts {
            assert!(message.contains(part), "`{part}` is not in: {message}");
        }
    }
    let directory = with_examples();
    let configs =
        ["--task-file", "tasks/poems.toml", "--task-file", "tasks/poems.toml", "--sizes", "tiny-3M"];
    assert!(refused(directory.path(), &configs).contains("both have a task `poems`"));
    let missing = refused(directory.path(), &["--task-file", "nowhere.toml", "--sizes", "tiny"]);
    assert!(missing.contains("cannot read nowhere.toml"), "{missing}");
    let none = refused(directory.path(), &["--tasks", "custom", "--sizes", "tiny"]);
    assert!(none.contains("--task-file"), "{none}");
}

#[test]
fn messages_locate_mistakes_in_a_record() {
    for (config, from, to, parts) in [
        (
            "reading",
            "{questions}",
            "{question}",
            &[
                "reading.jsonl:1: the record has no field `question`; did you mean `questions`?; its fields are answers, article, id, options, questions",
            ][..],
        ),
        (
            "reading",
            "\"letter\"",
            "\"index\"",
            &["reading.jsonl:1: `answers` is \"A\"; expected a whole number from 0 to 3"],
        ),
        (
            "reading",
            "\"letter\"",
            "\"text\"",
            &["`answers` is \"A\"; expected the text of one of the 4 choices"],
        ),
        ("reading", "{questions}", "{options}", &["`options` is a list"]),
        ("reading", "{article}", "{article|before:§}", &["reading.jsonl:1: `article`: there is no `§` in "]),
        (
            "reading",
            "[data]",
            "[fields]\na = \"{b}\"\n[data]",
            &["reading.jsonl:1: the record has no field `b`"],
        ),
        (
            "reading",
            "kind =",
            "derive = \"race\"\nkind =",
            &["reading.jsonl:1: the record has no field `problems`"],
        ),
        (
            "cloze",
            "{word}",
            "{words}",
            &[
                "cloze.csv:2: the record has no field `words`; did you mean `word`?; its fields are id, passage, word",
            ],
        ),
        (
            "poems",
            "\"title\"\n",
            "\"season\"\n",
            &["poems.jsonl:2: `spring` is also the name of an earlier sample"],
        ),
        (
            "poems",
            "file = ",
            "sha256 = \"0000000000000000000000000000000000000000000000000000000000000000\"\nfile = ",
            &["poems.jsonl: sha256 is", "the task config has 0000"],
        ),
        ("questions", "questions.jsonl", "absent.jsonl", &["cannot read tasks/absent.jsonl"]),
    ] {
        let message = with_change(config, from, to);
        for part in parts {
            assert!(message.contains(part), "`{part}` is not in: {message}");
        }
    }
}
