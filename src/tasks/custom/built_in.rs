//! Built-in tasks that are a config alone: each `[[protocols]]` of their `task.toml` has the keys of a custom task of kind
//! `choice`.

use std::sync::LazyLock;

use super::{CustomTask, CustomTaskConfig, Place};
use crate::data::BundledFile;
use crate::tasks::TaskConfig;

macro_rules! task {
    ($name:literal) => {
        (
            include_str!(concat!("../../../tasks/", $name, "/task.toml")),
            &[("sample.jsonl", include_bytes!(concat!("../../../tasks/", $name, "/sample.jsonl")))],
        )
    };
}

/// The small set of today's reports, in the order of its tables.
const CONFIGS: &[(&str, &[BundledFile])] = &[
    task!("hellaswag"),
    task!("arc_easy"),
    task!("arc_challenge"),
    task!("piqa"),
    task!("openbookqa"),
    task!("winogrande"),
    task!("boolq"),
    task!("copa"),
    task!("sciq"),
    task!("race"),
    task!("blimp"),
];

/// The tasks of [`CONFIGS`].
pub(in crate::tasks) static BUILT_IN: LazyLock<Vec<CustomTask>> = LazyLock::new(|| {
    let built = |&(toml, samples)| CustomTask::built_in(TaskConfig::bundled(toml), samples);
    CONFIGS.iter().map(built).collect()
});

impl CustomTask {
    /// # Panics
    /// If the config is invalid, which a test rules out.
    #[allow(clippy::panic)]
    fn built_in(config: TaskConfig, samples: &'static [BundledFile]) -> Self {
        let mut questions = config.protocols.iter().filter_map(|protocol| {
            let question = protocol.question.as_ref()?;
            let custom = CustomTaskConfig::of_built_in(&config, question);
            Some((protocol.name.clone(), custom.unwrap_or_else(|error| panic!("{error}"))))
        });
        let Some((_, custom)) = questions.next() else {
            panic!("config of `{}`: no protocol has a [protocols.question]", config.name)
        };
        let others = questions.collect();
        Self { custom, others, config, place: Place::BuiltIn(samples) }
    }
}

#[cfg(test)]
mod tests {
    use crate::data::DataFile;
    use crate::record::Protocol;
    use crate::tasks::{AnyTask, TaskSamples, find};
    use gpt2_model::request::{Request, Span};
    use std::borrow::Cow;

    fn samples(task: &str, protocol: &str, json: &str) -> Result<Box<dyn TaskSamples>, String> {
        let mut file = DataFile::bundled("t.jsonl", b"");
        file.bytes = Cow::Owned(json.as_bytes().to_vec());
        let task: &'static dyn AnyTask = find(task).unwrap();
        task.read(file, &Protocol::new(protocol)).map_err(|error| error.to_string())
    }

    /// Context and continuation of each request for the only record.
    fn read(task: &str, protocol: &str, json: &str) -> Result<Vec<(String, String)>, String> {
        let samples = samples(task, protocol, json)?;
        let text = |request| match request {
            Request::LogLikelihood { context, continuation, span, .. } => {
                assert_eq!(span == Span::Separate, protocol == "llm.c");
                (context, continuation)
            }
            other => panic!("{other:?}"),
        };
        Ok(samples.requests(0).into_iter().map(text).collect())
    }

    fn pair(context: &str, continuation: &str) -> (String, String) {
        (context.to_owned(), continuation.to_owned())
    }

    #[test]
    fn hellaswag_is_cleaned_for_the_harness_only() {
        let json = r#"{"activity_label": "Tea", "ctx_a": "[header] How to [title] Boil it. [step] Wait.",
            "ctx_b": "the man from Wales", "ctx": "[header] How", "label": "1",
            "endings": [" pours.  [substeps] Drinks. ", "waits"]}"#
            .replace('\n', " ");
        let context = "Tea: How to. Boil it. Wait. The man from wales";
        let harness = read("hellaswag", "harness", &json).unwrap();
        assert_eq!(harness, [pair(context, " pours.  Drinks."), pair(context, " waits")]);
        let own = read("hellaswag", "llm.c", &json).unwrap();
        assert_eq!(
            own,
            [pair("[header] How", "  pours.  [substeps] Drinks. "), pair("[header] How", " waits")]
        );
    }

    /// `--limit` chooses the same records under every protocol.
    #[test]
    fn the_content_of_a_sample_is_the_same_under_both_protocols() {
        let text = std::str::from_utf8(include_bytes!("../../../tasks/hellaswag/sample.jsonl")).unwrap();
        let content = |protocol| -> Vec<String> {
            let samples = samples("hellaswag", protocol, text).unwrap();
            (0..samples.len()).map(|index| samples.content(index)).collect()
        };
        assert_eq!(content("harness"), content("llm.c"));
    }

    #[test]
    fn both_contexts_of_winogrande_have_one_continuation() {
        let json =
            r#"{"sentence": "Ann met Bo, and _  left. ", "option1": "Ann", "option2": "Bo", "answer": "2"}"#;
        let found = read("winogrande", "harness", json).unwrap();
        assert_eq!(found, [pair("Ann met Bo, and Ann", " left."), pair("Ann met Bo, and Bo", " left.")]);
        let wrong = read("winogrande", "harness", &json.replace('_', "he")).unwrap_err();
        assert!(wrong.starts_with("t.jsonl:1: `sentence`: there is no `_` in "), "{wrong}");
    }

    #[test]
    fn races_earlier_problems_are_solved() {
        let json = r#"{"article": "A.", "problems": "[{'question': 'Who?', 'answer': 'B', 'options': ['I', 'You']}, {'question': 'They  _  .', 'answer': 'A', 'options': ['left', 'came']}, {'question': 'Why  _  .', 'answer': 'B', 'options': ['x', \"y'\"]}]"}"#;
        let context = "Article: A.\n\nQuestion: Who?\nAnswer: You\nThey left\nWhy  _  .";
        assert_eq!(read("race", "harness", json).unwrap(), [pair(context, " x"), pair(context, " y'")]);
        for (from, to, part) in [
            ("'A'", "'E'", "`answer` of a problem is \"E\"; expected a letter"),
            ("[{'question': 'Who", "[{'quest': 'Who", "`problems`: missing field `question`"),
            ("'question': 'Who", "'question' 'Who", "`problems`: not a Python literal"),
        ] {
            let wrong = read("race", "harness", &json.replace(from, to)).unwrap_err();
            assert!(wrong.starts_with("t.jsonl:1: ") && wrong.contains(part), "{wrong}");
        }
    }

    #[test]
    fn causes_and_effects_have_two_spaces() {
        let json = r#"{"premise": "It rained. ", "question": "effect", "choice1": "I ran.", "choice2": "We ate.", "label": 0}"#;
        let found = read("copa", "harness", json).unwrap();
        assert_eq!(
            found,
            [pair("It rained therefore", "  i ran."), pair("It rained therefore", "  we ate.")]
        );
        let wrong = read("copa", "harness", &json.replace("effect", "reason")).unwrap_err();
        assert!(wrong.contains("`question`: \"reason\" is not one of cause, effect"), "{wrong}");
    }

    #[test]
    fn groups_of_blimp_are_a_table() {
        let breakdowns = find("blimp").unwrap().breakdowns(&Protocol::new("harness"));
        assert_eq!(breakdowns.len(), 1);
        let json = r#"{"sentence_good": "Cats sleep.", "sentence_bad": "Cats sleeps.", "UID": "agreement"}"#;
        assert_eq!(read("blimp", "harness", json).unwrap()[1], pair("", " Cats sleeps."));
        let wrong = read("blimp", "harness", &json.replace("UID", "paradigm")).unwrap_err();
        assert!(wrong.starts_with("t.jsonl:1: the record has no field `UID`"), "{wrong}");
    }

    /// As `SuperGLUE`'s own files and the hub's have it.
    #[test]
    fn truth_values_of_boolq_are_words_or_numbers() {
        for label in ["true", "1", "false", "0"] {
            let json = format!(r#"{{"passage": "P.", "question": "is it", "label": {label}}}"#);
            let found = read("boolq", "harness", &json).unwrap();
            assert_eq!(found[1], pair("P.\nQuestion: is it?\nAnswer:", " yes"));
        }
        assert!(read("boolq", "harness", r#"{"passage": "P.", "question": "q", "label": -1}"#).is_err());
    }
}
