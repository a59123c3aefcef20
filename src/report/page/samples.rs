//! The samples as data for the page's scripts.
//!
//! Strings are stored once in tables and named by their indices; values that the page filters or sorts by are columns; the
//! rest of an answer is a JSON string, which the page parses when it shows the answer. So 20,000 samples load fast.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::answers::{Answers, Tables, correctness};
use super::string_table::{PromptTable, StringTable};
use super::vocabulary::Vocabulary;
use crate::record::{ModelIdentity, PromptRecord};
use crate::report::exporter::ExportedRun;
use crate::run::FinishedTask;

/// Everything that the scripts read.
#[derive(Serialize)]
pub(super) struct Samples {
    prompts: PromptTable,
    /// Targets, completions, errors, locations in data files.
    texts: StringTable,
    tokens: Vocabulary,
    models: Vec<Model>,
    tasks: Vec<TaskSamples>,
}

#[derive(Serialize)]
struct Model {
    name: String,
    #[serde(skip)]
    label: String,
    #[serde(skip)]
    weights_sha256: String,
    /// Whether its tokenizer files differ from the bundled ones.
    other_tokenizer: bool,
}

/// The samples of a task under a protocol. Columns have a value per sample.
#[derive(Serialize)]
struct TaskSamples {
    task: String,
    title: String,
    protocol: String,
    description: String,
    /// Names of the metrics that a single sample has a value of.
    metrics: Vec<&'static str>,
    /// The metric that says whether a sample is right.
    right: Option<&'static str>,
    ids: Vec<String>,
    /// File and line in the data.
    locations: Vec<Option<usize>>,
    /// References, or the correct candidate, where the requests do not have it as their target.
    expected: Vec<Vec<usize>>,
    requests: Vec<Requests>,
    /// Names of sample values.
    value_names: StringTable,
    answers: Vec<Answers>,
    #[serde(skip)]
    indices: HashMap<(String, Requests), usize>,
}

/// Indices of context and target of each request: context, target, context, target…
type Requests = Vec<Option<usize>>;

impl Samples {
    /// The samples of `runs`. Runs share a task if name and protocol are equal, and a sample if id and requests are.
    pub fn new(runs: &[ExportedRun<'_>]) -> anyhow::Result<Self> {
        let mut samples = Self {
            prompts: PromptTable::default(),
            texts: StringTable::default(),
            tokens: Vocabulary::new()?,
            models: Vec::new(),
            tasks: Vec::new(),
        };
        for run in runs {
            for task in run.tasks {
                samples.add_task(&run.manifest.identity.models, task)?;
            }
        }
        Ok(samples)
    }

    fn add_task(&mut self, models: &[ModelIdentity], finished: &FinishedTask) -> anyhow::Result<()> {
        let mut task = self.take_task(finished);
        let mut requests_of: BTreeMap<&str, Requests> = BTreeMap::new();
        for prompt in &finished.prompts {
            let requests = self.requests(prompt);
            let location = Some(self.texts.index(&prompt.location));
            let sample = task.sample(&prompt.id, &requests, location);
            let expected = prompt.expected.iter().map(|text| self.texts.index(text)).collect();
            if let Some(known) = task.expected.get_mut(sample) {
                *known = expected;
            }
            requests_of.insert(&prompt.id, requests);
        }
        for (identity, records) in models.iter().zip(&finished.records) {
            let mut answers = Answers::new(self.model(identity, &task));
            let is_own_vocabulary = identity.tokenizer_sha256 == self.tokens.tokenizer_sha256();
            for record in records {
                let requests = requests_of.get(record.id.as_str()).map_or(&[][..], Vec::as_slice);
                let sample = task.sample(&record.id, requests, None);
                let tables = Tables {
                    texts: &mut self.texts,
                    tokens: &mut self.tokens,
                    value_names: &mut task.value_names,
                    is_own_vocabulary,
                };
                let targets: Vec<Option<usize>> =
                    requests.as_chunks::<2>().0.iter().map(|&[_, target]| target).collect();
                answers.add(sample, record, &targets, &finished.metrics, tables)?;
            }
            task.answers.push(answers);
        }
        self.tasks.push(task);
        Ok(())
    }

    /// Takes the task of an earlier run out of the list, or makes a new one.
    fn take_task(&mut self, finished: &FinishedTask) -> TaskSamples {
        let FinishedTask { measured, metrics, .. } = finished;
        let protocol = measured.label.to_string();
        let is_same = |task: &TaskSamples| task.task == measured.task && task.protocol == protocol;
        if let Some(known) = self.tasks.iter().position(is_same) {
            return self.tasks.remove(known);
        }
        TaskSamples {
            task: measured.task.clone(),
            title: finished.config.title.clone(),
            protocol,
            description: finished.description().to_owned(),
            metrics: metrics
                .iter()
                .filter(|metric| metric.is_per_sample())
                .map(|metric| metric.name)
                .collect(),
            right: correctness(metrics).map(|(metric, _)| metric),
            ids: Vec::new(),
            locations: Vec::new(),
            expected: Vec::new(),
            requests: Vec::new(),
            value_names: StringTable::default(),
            answers: Vec::new(),
            indices: HashMap::new(),
        }
    }

    /// A context that was left out is that of the request before.
    fn requests(&mut self, prompt: &PromptRecord) -> Requests {
        let mut context = None;
        let mut requests = Vec::with_capacity(2 * prompt.requests.len());
        for request in &prompt.requests {
            context = request.context.as_ref().map(|text| self.prompts.0.index(text)).or(context);
            requests.extend([context, request.target.as_ref().map(|text| self.texts.index(text))]);
        }
        requests
    }

    /// The index of a model without answers in `task`. The same label with other weights, or a second time in the task, is
    /// another model with a number after its name.
    fn model(&mut self, identity: &ModelIdentity, task: &TaskSamples) -> usize {
        let mut count = 0;
        for (index, model) in
            self.models.iter().enumerate().filter(|(_, model)| model.label == identity.label)
        {
            count += 1;
            if model.weights_sha256 == identity.weights_sha256
                && task.answers.iter().all(|answers| answers.model != index)
            {
                return index;
            }
        }
        let label = identity.label.clone();
        self.models.push(Model {
            name: if count == 0 { label.clone() } else { format!("{label} ({})", count + 1) },
            label,
            weights_sha256: identity.weights_sha256.clone(),
            other_tokenizer: identity.tokenizer_sha256 != self.tokens.tokenizer_sha256(),
        });
        self.models.len() - 1
    }
}

impl TaskSamples {
    /// The index of a sample, which is added if it is new.
    fn sample(&mut self, id: &str, requests: &[Option<usize>], location: Option<usize>) -> usize {
        let key = (id.to_owned(), requests.to_vec());
        if let Some(&known) = self.indices.get(&key) {
            return known;
        }
        let new = self.ids.len();
        self.ids.push(id.to_owned());
        self.locations.push(location);
        self.expected.push(Vec::new());
        self.requests.push(requests.to_vec());
        self.indices.insert(key, new);
        new
    }
}

#[cfg(test)]
mod tests;
