//! The data of the sample browser.
//!
//! Texts stand once in pools and are named by their places; what is filtered and sorted by stands in columns; the rest of an
//! answer is a JSON text of its own, which the page reads when it is looked at. So 20,000 samples are read in no time.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::PageError;
use super::answers::Answers;
use super::pieces::Pieces;
use super::pools::{Pool, Prompts};
use crate::metrics::{Aggregate, Metric};
use crate::record::{ModelIdentity, PromptRecord};
use crate::report::{ExportedRun, ExportedTask};

/// Everything that the page's scripts read.
#[derive(Serialize)]
pub(super) struct Browser {
    /// What models read.
    prompts: Prompts,
    /// What was scored or written, reasons of failures, places in data files.
    texts: Pool,
    /// What tokens stand for.
    pieces: Pieces,
    models: Vec<Model>,
    blocks: Vec<Block>,
}

/// A model of a run.
#[derive(Serialize)]
struct Model {
    name: String,
    #[serde(skip)]
    label: String,
    #[serde(skip)]
    weights: String,
    /// Whether its tokenizer's files are not those of the bundled tokenizer.
    other_tokenizer: bool,
}

/// A task under a protocol.
#[derive(Serialize)]
struct Block {
    task: String,
    title: String,
    protocol: String,
    description: String,
    /// Names of metrics that one sample has a value of.
    metrics: Vec<&'static str>,
    /// The metric that says whether a sample is right.
    right: Option<&'static str>,
    ids: Vec<String>,
    /// File and line in the data.
    places: Vec<Option<usize>>,
    /// Context and target of each request, one behind the other.
    requests: Vec<Vec<Option<usize>>>,
    /// Names of statistics, in the order of their first use.
    statistics: Pool,
    answers: Vec<Answers>,
    #[serde(skip)]
    samples: HashMap<(String, Vec<Option<usize>>), usize>,
}

/// The pools that all answers share.
pub(super) struct Pools<'a> {
    pub prompts: &'a Prompts,
    pub texts: &'a mut Pool,
    pub pieces: &'a mut Pieces,
    pub statistics: &'a mut Pool,
}

impl Browser {
    /// The samples of `runs`. Tasks of several runs are one where name and protocol are the same, and samples where name and
    /// requests are.
    pub fn new(runs: &[ExportedRun<'_>]) -> Result<Self, PageError> {
        let mut browser = Self {
            prompts: Prompts::default(),
            texts: Pool::default(),
            pieces: Pieces::new()?,
            models: Vec::new(),
            blocks: Vec::new(),
        };
        for run in runs {
            for task in &run.tasks {
                browser.add_task(&run.manifest.identity.models, task)?;
            }
        }
        Ok(browser)
    }

    fn add_task(&mut self, models: &[ModelIdentity], task: &ExportedTask<'_>) -> Result<(), PageError> {
        let mut block = self.take_block(task);
        let mut asked: BTreeMap<&str, Vec<Option<usize>>> = BTreeMap::new();
        for prompt in &task.prompts {
            let requests = self.requests(prompt);
            let place = Some(self.texts.place(&prompt.place));
            block.sample(&prompt.id, &requests, place);
            asked.insert(&prompt.id, requests);
        }
        for (identity, records) in models.iter().zip(task.records) {
            let mut answers = Answers::new(self.model(identity, &block));
            for record in records {
                let requests = asked.get(record.id.as_str()).map_or(&[][..], Vec::as_slice);
                let sample = block.sample(&record.id, requests, None);
                let pools = Pools {
                    prompts: &self.prompts,
                    texts: &mut self.texts,
                    pieces: &mut self.pieces,
                    statistics: &mut block.statistics,
                };
                answers.add(sample, record, requests, task.results.metrics, pools)?;
            }
            block.answers.push(answers);
        }
        self.blocks.push(block);
        Ok(())
    }

    /// The block of this task and protocol, new or that of an earlier run, which becomes the last.
    fn take_block(&mut self, task: &ExportedTask<'_>) -> Block {
        let measured = task.results.measured;
        let protocol = measured.label.to_string();
        let is_own = |block: &Block| block.task == measured.task && block.protocol == protocol;
        if let Some(known) = self.blocks.iter().position(is_own) {
            return self.blocks.remove(known);
        }
        let metrics = task.results.metrics;
        Block {
            task: measured.task.clone(),
            title: task.results.title.to_owned(),
            protocol,
            description: task.description.to_owned(),
            metrics: metrics
                .iter()
                .filter(|metric| is_of_samples(metric))
                .map(|metric| metric.name)
                .collect(),
            right: correctness(metrics).map(|(metric, _)| metric),
            ids: Vec::new(),
            places: Vec::new(),
            requests: Vec::new(),
            statistics: Pool::default(),
            answers: Vec::new(),
            samples: HashMap::new(),
        }
    }

    /// The places of contexts and targets; a context that was left out is that of the request before.
    fn requests(&mut self, prompt: &PromptRecord) -> Vec<Option<usize>> {
        let mut context = None;
        let mut places = Vec::with_capacity(2 * prompt.requests.len());
        for request in &prompt.requests {
            context = request.context.as_ref().map(|text| self.prompts.0.place(text)).or(context);
            places.extend([context, request.target.as_ref().map(|text| self.texts.place(text))]);
        }
        places
    }

    /// The place of a model that has no answers in `block` yet: the same label of another run with other weights, or on
    /// the same task, is another model and has a number behind its name.
    fn model(&mut self, identity: &ModelIdentity, block: &Block) -> usize {
        let mut count = 0;
        for (place, model) in
            self.models.iter().enumerate().filter(|(_, model)| model.label == identity.label)
        {
            count += 1;
            if model.weights == identity.weights_sha256 && block.answers.iter().all(|own| own.model != place)
            {
                return place;
            }
        }
        let label = identity.label.clone();
        self.models.push(Model {
            name: if count == 0 { label.clone() } else { format!("{label} ({})", count + 1) },
            label,
            weights: identity.weights_sha256.clone(),
            other_tokenizer: identity.tokenizer_sha256 != self.pieces.tokenizer_sha256(),
        });
        self.models.len() - 1
    }
}

impl Block {
    /// The place of a sample; with its place in the data where it is new.
    fn sample(&mut self, id: &str, requests: &[Option<usize>], place: Option<usize>) -> usize {
        let key = (id.to_owned(), requests.to_vec());
        if let Some(&known) = self.samples.get(&key) {
            return known;
        }
        let new = self.ids.len();
        self.ids.push(id.to_owned());
        self.places.push(place);
        self.requests.push(requests.to_vec());
        self.samples.insert(key, new);
        new
    }
}

/// Whether the metric of one sample says something of this sample; else it is of all or of some of them.
pub(super) fn is_of_samples(metric: &Metric) -> bool {
    !matches!(metric.aggregate, Aggregate::MostConfident { .. } | Aggregate::SeedDeviation { .. })
}

/// The first accuracy and the statistic that has 1 for a sample that is right by it, as `gpt2-eval compare` sees it.
pub(super) fn correctness(metrics: &[Metric]) -> Option<(&'static str, &'static str)> {
    metrics.iter().find_map(|metric| match metric.aggregate {
        Aggregate::Accuracy { correct } => Some((metric.name, correct)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{MeasuredTask, Protocol, RequestText, SampleRecord, Statistics};
    use crate::report::TaskResults;
    use crate::request::{Finish, Generated, LogLikelihood, Response};
    use serde_json::{Value, json};

    const METRICS: [Metric; 2] = [
        Metric { name: "perplexity", aggregate: Aggregate::Perplexity { log_likelihood: "l", units: "u" } },
        Metric { name: "accuracy", aggregate: Aggregate::Accuracy { correct: "right" } },
    ];

    fn identity(label: &str, weights: &str) -> ModelIdentity {
        let text = |text: &str| text.to_owned();
        ModelIdentity {
            label: text(label),
            parameters: 1,
            config_sha256: text("c"),
            weights_sha256: text(weights),
            tokenizer_sha256: text("another"),
        }
    }

    fn scored(log_probs: &[f32]) -> Response {
        Response::LogLikelihood(LogLikelihood {
            log_likelihood: log_probs.iter().map(|&log_prob| f64::from(log_prob)).sum(),
            greedy: false,
            token_log_probs: log_probs.to_vec(),
            filtered: None,
            context_tokens: 3,
            truncated_tokens: 0,
        })
    }

    fn record(id: &str, responses: Vec<Response>, right: f64) -> SampleRecord {
        SampleRecord {
            id: id.to_owned(),
            cluster: None,
            key: String::new(),
            prompt_sha256: String::new(),
            context_tokens: 3,
            target_tokens: 2,
            truncated_tokens: 0,
            responses,
            statistics: Statistics::from([
                ("right".to_owned(), right),
                ("l".to_owned(), -2.0),
                ("u".to_owned(), 1.0),
            ]),
            error: None,
        }
    }

    fn prompt(id: &str, requests: &[(Option<&str>, Option<&str>)]) -> PromptRecord {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let requests = requests
            .iter()
            .map(|&(context, target)| RequestText { context: owned(context), target: owned(target) });
        PromptRecord { id: id.to_owned(), place: format!("file:{id}"), requests: requests.collect() }
    }

    fn browser(runs: &[(&[ModelIdentity], &[Vec<SampleRecord>], &[PromptRecord])]) -> Value {
        let measured = MeasuredTask {
            task: "t".to_owned(),
            protocol: Protocol::new("paper"),
            label: Protocol::new("paper"),
            journal: "t.jsonl".to_owned(),
            records: 2,
            samples: 2,
        };
        let mut browser = Browser::new(&[]).unwrap();
        for (models, records, prompts) in runs {
            let results = TaskResults { measured: &measured, title: "T", metrics: &METRICS, breakdowns: &[] };
            let task = ExportedTask {
                results,
                records,
                prompts: prompts.to_vec(),
                description: "",
                hub: None,
                split: "test",
            };
            browser.add_task(models, &task).unwrap();
        }
        serde_json::to_value(&browser).unwrap()
    }

    fn details(answers: &Value, place: usize) -> Value {
        serde_json::from_str(answers["details"][place].as_str().unwrap()).unwrap()
    }

    #[test]
    fn targets_and_candidates() {
        let models = [identity("m", "w")];
        let prompts = [
            prompt("0", &[(Some("The cat sat on the"), Some(" mat."))]),
            prompt("1", &[(Some("The dog"), Some(" ran.")), (None, Some(" sat."))]),
        ];
        let records = [vec![
            record("0", vec![scored(&[-1.0, -2.0])], 1.0),
            record("1", vec![scored(&[-3.0, -1.0]), scored(&[-1.0, -1.0])], 0.0),
        ]];
        let data = browser(&[(&models, &records, &prompts)]);
        let (block, answers) = (&data["blocks"][0], &data["blocks"][0]["answers"][0]);
        assert_eq!(
            (&block["right"], &block["metrics"]),
            (&json!("accuracy"), &json!(["perplexity", "accuracy"]))
        );
        assert_eq!((&answers["right"], &answers["highest"]), (&json!([1, 0]), &json!([0, 1])));
        assert_eq!(answers["loss"], json!([1.5, 1.0]));
        let share = answers["confidence"][1].as_f64().unwrap();
        assert!((share - 1.0 / (1.0 + (-2.0f64).exp())).abs() < 1e-5, "of two candidates");
        assert!((answers["confidence"][0].as_f64().unwrap() - (-3.0f64).exp()).abs() < 1e-5, "of a target");
        // The context of the second candidate is that of the first.
        assert_eq!(block["requests"][1][0], block["requests"][1][2]);
        let first = details(answers, 0);
        let pieces: Vec<&str> = first[5][0][5]
            .as_array()
            .unwrap()
            .iter()
            .map(|place| data["pieces"][place.as_u64().unwrap() as usize].as_str().unwrap())
            .collect();
        assert_eq!(pieces, [" mat", "."]);
        assert_eq!((&first[0], &details(answers, 1)[4]), (&json!([7.38906, 100.0]), &json!([2])));
        assert_eq!(data["models"], json!([{"name": "m", "other_tokenizer": true}]));
    }

    #[test]
    fn what_failed_or_was_written_or_is_not_known() {
        let written = Response::Generate(Generated {
            text: " yes".to_owned(),
            tokens: vec![3763, 198],
            token_log_probs: vec![-0.5, -1.5],
            finish: Finish::StopString,
            prompt_tokens: 4,
            truncated_tokens: 0,
        });
        let mut failed = record("1", Vec::new(), 0.0);
        failed.statistics.clear();
        failed.error = Some("too long".to_owned());
        let records =
            [vec![record("0", vec![written], 0.0), failed, record("unknown", vec![scored(&[-1.0])], 1.0)]];
        let prompts = [prompt("0", &[(Some("Q"), None)]), prompt("1", &[(Some("R"), None)])];
        let data = browser(&[(&[identity("m", "w")], &records, &prompts)]);
        let answers = &data["blocks"][0]["answers"][0];
        assert_eq!(answers["right"], json!([0, null, 1]));
        assert_eq!(answers["loss"], json!([1.0, null, 1.0]));
        assert!(
            (answers["confidence"][0].as_f64().unwrap() - (-0.5f64).exp()).abs() < 1e-5,
            "of the answer's tokens"
        );
        let error = answers["error"][1].as_u64().unwrap() as usize;
        assert_eq!((&data["texts"][error], &answers["error"][0]), (&json!("too long"), &Value::Null));
        let text = answers["written"][0][0].as_u64().unwrap() as usize;
        assert_eq!(data["texts"][text], " yes");
        // Without prompt the tokens have no text.
        assert_eq!(details(answers, 2)[5][0][5], Value::Null);
        assert_eq!(data["blocks"][0]["requests"][2], json!([]));
    }

    #[test]
    fn runs_are_put_side_by_side() {
        let prompts = [prompt("0", &[(Some("The cat"), Some(" sat"))])];
        let other = [prompt("0", &[(Some("Another"), Some(" text"))])];
        let records = [vec![record("0", vec![scored(&[-1.0])], 1.0)]];
        let run = |label, weights| [identity(label, weights)];
        let (a, b, c) = (run("a", "1"), run("b", "2"), run("a", "3"));
        let data = browser(&[
            (&a, &records, &prompts),
            (&b, &records, &prompts),
            (&c, &records, &other),
            (&a, &records, &prompts),
        ]);
        let names: Vec<&Value> =
            data["models"].as_array().unwrap().iter().map(|model| &model["name"]).collect();
        assert_eq!(names, ["a", "b", "a (2)", "a (3)"]);
        assert_eq!(data["blocks"].as_array().unwrap().len(), 1);
        let samples: Vec<&Value> = data["blocks"][0]["answers"]
            .as_array()
            .unwrap()
            .iter()
            .map(|answers| &answers["samples"])
            .collect();
        assert_eq!(
            samples,
            [&json!([0]), &json!([0]), &json!([1]), &json!([0])],
            "what was asked makes the sample"
        );
    }
}
