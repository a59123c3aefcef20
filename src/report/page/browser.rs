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
use crate::record::{ModelIdentity, PromptRecord};
use crate::report::ExportedRun;
use crate::run::FinishedTask;
use text_metrics::{Aggregate, Metric};

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
    /// What would be right, where the requests do not say it: texts.
    expected: Vec<Vec<usize>>,
    /// Context and target of each request, one behind the other.
    requests: Vec<Vec<Option<usize>>>,
    /// Names of statistics, in the order of their first use.
    values: Pool,
    answers: Vec<Answers>,
    #[serde(skip)]
    samples: HashMap<(String, Vec<Option<usize>>), usize>,
}

/// The pools that all answers share.
pub(super) struct Pools<'a> {
    pub prompts: &'a Prompts,
    pub texts: &'a mut Pool,
    pub pieces: &'a mut Pieces,
    pub values: &'a mut Pool,
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
            for task in run.tasks {
                browser.add_task(&run.manifest.identity.models, task)?;
            }
        }
        Ok(browser)
    }

    fn add_task(&mut self, models: &[ModelIdentity], task: &FinishedTask) -> Result<(), PageError> {
        let mut block = self.take_block(task);
        let mut asked: BTreeMap<&str, Vec<Option<usize>>> = BTreeMap::new();
        for prompt in &task.prompts {
            let requests = self.requests(prompt);
            let place = Some(self.texts.place(&prompt.location));
            let sample = block.sample(&prompt.id, &requests, place);
            let expected = prompt.expected.iter().map(|text| self.texts.place(text)).collect();
            if let Some(known) = block.expected.get_mut(sample) {
                *known = expected;
            }
            asked.insert(&prompt.id, requests);
        }
        for (identity, records) in models.iter().zip(&task.records) {
            let mut answers = Answers::new(self.model(identity, &block));
            for record in records {
                let requests = asked.get(record.id.as_str()).map_or(&[][..], Vec::as_slice);
                let sample = block.sample(&record.id, requests, None);
                let pools = Pools {
                    prompts: &self.prompts,
                    texts: &mut self.texts,
                    pieces: &mut self.pieces,
                    values: &mut block.values,
                };
                answers.add(sample, record, requests, &task.metrics, pools)?;
            }
            block.answers.push(answers);
        }
        self.blocks.push(block);
        Ok(())
    }

    /// The block of this task and protocol, new or that of an earlier run, which becomes the last.
    fn take_block(&mut self, task: &FinishedTask) -> Block {
        let measured = &task.measured;
        let protocol = measured.label.to_string();
        let is_own = |block: &Block| block.task == measured.task && block.protocol == protocol;
        if let Some(known) = self.blocks.iter().position(is_own) {
            return self.blocks.remove(known);
        }
        let metrics = &task.metrics;
        Block {
            task: measured.task.clone(),
            title: task.config.title.clone(),
            protocol,
            description: task.description().to_owned(),
            metrics: metrics
                .iter()
                .filter(|metric| is_of_samples(metric))
                .map(|metric| metric.name)
                .collect(),
            right: correctness(metrics).map(|(metric, _)| metric),
            ids: Vec::new(),
            places: Vec::new(),
            expected: Vec::new(),
            requests: Vec::new(),
            values: Pool::default(),
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
        self.expected.push(Vec::new());
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
mod tests;
