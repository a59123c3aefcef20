//! CoQA (Reddy et al. 2019; Radford et al. 2019, §3.5): a conversation of questions about a story.

use std::sync::{Arc, LazyLock};

use super::generation::only_completion;
use super::{Item, Setting, Task, TaskConfig, UnexpectedResponse};
use crate::data::{BundledFile, CoqaStory, DataError, DataFile, read_coqa};
use crate::record::Protocol;
use gpt2_model::request::{Decoding, Request, Response, Side, Trim};
use text_metrics::SampleValues;
use text_metrics::{Aggregate, Breakdown, Grouping, Metric};
use text_metrics::{coqa_harness_score, coqa_score};

static CONFIG: LazyLock<TaskConfig> =
    LazyLock::new(|| TaskConfig::bundled(include_str!("../../tasks/coqa/task.toml")));

/// Maximum tokens of an answer under `paper`. The paper gives no limit; 99.9 % of the human answers are shorter.
const ANSWER_TOKENS: usize = 50;
/// lm-evaluation-harness's default.
const HARNESS_TOKENS: usize = 256;

pub(super) struct Coqa;

/// One question of a story.
pub(super) struct Turn {
    story: Arc<CoqaStory>,
    /// From 0.
    turn: usize,
}

impl Turn {
    /// The story and the conversation up to the question, with the reference answers. `paper`: `Q: …\nA: …\n`; `harness`
    /// separates them by empty lines.
    fn dialogue(&self, protocol: &Protocol) -> String {
        let harness = protocol.name == "harness";
        let mut text = format!("{}\n\n", self.story.text);
        for (index, turn) in self.story.turns.iter().enumerate().take(self.turn + 1) {
            let between = if harness { "\n\n" } else { "\n" };
            text.push_str(&format!("Q: {}{between}A:", turn.question));
            if index < self.turn {
                text.push_str(&format!(" {}{between}", turn.answers.first().map_or("", String::as_str)));
            }
        }
        text
    }

    fn answers(&self) -> Vec<&str> {
        self.story.turns[self.turn].answers.iter().map(String::as_str).collect()
    }
}

impl Task for Coqa {
    type Doc = Turn;

    fn config(&self) -> &TaskConfig {
        &CONFIG
    }

    fn samples(&self) -> &'static [BundledFile] {
        &[
            ("sample.json", include_bytes!("../../tasks/coqa/sample.json")),
            ("examples.json", include_bytes!("../../tasks/coqa/examples.json")),
        ]
    }

    /// `paper`: every turn is a sample; `harness`: the last one of each story.
    fn docs(&self, file: &DataFile, protocol: &Protocol) -> Result<Vec<Item<Turn>>, DataError> {
        let harness = protocol.name == "harness";
        let mut items = Vec::new();
        for story in read_coqa(file)? {
            let story = Arc::new(story);
            let turns = story.turns.len();
            let first = if harness { turns - 1 } else { 0 };
            items.extend((first..turns).map(|turn| Item {
                id: format!("{}-{:02}", story.id, turn + 1),
                cluster: Some(story.id.clone()),
                line: 1,
                doc: Turn { story: Arc::clone(&story), turn },
            }));
        }
        Ok(items)
    }

    fn content(&self, doc: &Turn) -> Option<Vec<String>> {
        let question = doc.story.turns.get(doc.turn).map(|turn| turn.question.clone()).unwrap_or_default();
        Some(vec![doc.story.text.clone(), doc.turn.to_string(), question])
    }

    fn few_shot_example(&self, doc: &Turn, protocol: &Protocol) -> String {
        let last = Turn { story: Arc::clone(&doc.story), turn: doc.story.turns.len() - 1 };
        let answer = last.answers().first().copied().unwrap_or_default().to_owned();
        format!("{} {answer}\n\n", last.dialogue(protocol))
    }

    fn expected(&self, doc: &Turn, _: &Protocol) -> Vec<String> {
        doc.answers().into_iter().map(str::to_owned).collect()
    }

    fn requests(&self, doc: &Turn, setting: &Setting<'_>) -> Vec<Request> {
        let prompt = format!("{}{}", setting.few_shot_examples, doc.dialogue(setting.protocol));
        if setting.protocol.name == "harness" {
            return vec![Request::Generate {
                prompt,
                trim: Trim::left(),
                stop: vec!["\nQ:".to_owned()],
                max_new_tokens: HARNESS_TOKENS,
                decoding: Decoding::Greedy,
            }];
        }
        let story = setting.few_shot_examples.len() + doc.story.text.len();
        vec![Request::Generate {
            prompt,
            trim: Trim { bytes: 0..story, side: Side::Left },
            stop: vec!["\n".to_owned()],
            max_new_tokens: ANSWER_TOKENS,
            decoding: Decoding::Greedy,
        }]
    }

    fn score(
        &self,
        doc: &Turn,
        protocol: &Protocol,
        responses: &[Response],
    ) -> Result<SampleValues, UnexpectedResponse> {
        let text = &only_completion(responses)?.text;
        let score = if protocol.name == "harness" {
            coqa_harness_score(text, &doc.answers())
        } else {
            coqa_score(text, &doc.answers())
        };
        Ok(SampleValues::from([
            ("f1".to_owned(), score.f1),
            ("exact_match".to_owned(), score.exact_match),
            (format!("domain_{}", doc.story.domain), 1.0),
        ]))
    }

    fn metrics(&self, _: &Protocol) -> Vec<Metric> {
        let mean = |name| Metric { name, aggregate: Aggregate::Mean { value: name } };
        vec![mean("f1"), mean("exact_match")]
    }

    fn breakdowns(&self, protocol: &Protocol) -> Vec<Breakdown> {
        let grouping = Grouping::Member { prefix: "domain_" };
        vec![Breakdown { name: "domain", grouping, metrics: self.metrics(protocol) }]
    }
}

#[cfg(test)]
mod tests {
    use super::super::generation::tests::completion;
    use super::*;
    use crate::data::CoqaTurn;

    fn turn(turn: usize) -> Turn {
        let one = |question: &str, answers: &[&str]| CoqaTurn {
            question: question.to_owned(),
            answers: answers.iter().map(|&answer| answer.to_owned()).collect(),
        };
        let story = CoqaStory {
            id: "s".to_owned(),
            domain: "mctest".to_owned(),
            text: "Ann ran home.".to_owned(),
            turns: vec![one("Who ran?", &["Ann", "ann"]), one("Where to?", &["home", "her home"])],
        };
        Turn { story: Arc::new(story), turn }
    }

    fn prompt(protocol: &str, few_shot_examples: &str) -> (String, Trim, Vec<String>) {
        let setting = Setting { protocol: &Protocol::new(protocol), few_shot_examples, seed: 0 };
        match Coqa.requests(&turn(1), &setting).remove(0) {
            Request::Generate { prompt, trim, stop, .. } => (prompt, trim, stop),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn prompts_contain_the_reference_answers() {
        let (text, trim, stop) = prompt("paper", "");
        assert_eq!(text, "Ann ran home.\n\nQ: Who ran?\nA: Ann\nQ: Where to?\nA:");
        assert_eq!((trim, stop), (Trim { bytes: 0..13, side: Side::Left }, vec!["\n".to_owned()]));
        let (text, _, stop) = prompt("harness", "");
        assert_eq!(text, "Ann ran home.\n\nQ: Who ran?\n\nA: Ann\n\nQ: Where to?\n\nA:");
        assert_eq!(stop, ["\nQ:"]);
        let shown = Coqa.few_shot_example(&turn(0), &Protocol::new("paper"));
        assert_eq!(shown, "Ann ran home.\n\nQ: Who ran?\nA: Ann\nQ: Where to?\nA: home\n\n");
        assert!(prompt("paper", &shown).0.starts_with(&shown));
    }

    #[test]
    fn each_reference_is_left_out_in_turn() {
        let values = Coqa.score(&turn(1), &Protocol::new("paper"), &[completion(" Home.", &[-1.0])]).unwrap();
        // The scores against "her home" and against "home" are averaged.
        assert!((values["f1"] - f64::midpoint(2.0 / 3.0, 1.0)).abs() < 1e-12);
        assert_eq!((values["exact_match"], values["domain_mctest"]), (0.5, 1.0));
    }
}
