//! Users' own tasks: a card in TOML and a data file, without any Rust (`docs/custom-tasks.md`).

mod choice;
mod config;
mod data;
mod document;
mod ending;
mod error;
mod metrics;
mod raw;
mod reader;
mod record;
mod template;

use std::path::{Path, PathBuf};

pub use config::CustomTaskConfig;
pub use error::TaskConfigError;
pub use record::Record;
pub use template::{FieldPath, Template};

use super::choice::{choice_baselines, first_largest};
use super::generation::only_completion;
use super::{HeuristicBaseline, Item, ProtocolConfig, Setting, Task, TaskConfig, UnexpectedResponse};
use crate::data::{BundledFile, DataConfig, DataError, DataFile, FileConfig, Split};
use crate::plan::DataSource;
use crate::record::{CandidateSet, Protocol};
use crate::tasks::perplexity::Part;
use choice::{Choice, Question, candidates};
use config::{Asked, Prompt};
use gpt2_model::request::{Decoding, Request, Response, Trim};
use text_metrics::Metric;
use text_metrics::SampleValues;
use untrusted_input::strip;

/// The group of all users' tasks of a run.
pub const CUSTOM_GROUP: &str = "custom";

/// Groups of tasks, which no task may be called.
const RESERVED_NAMES: [&str; 6] = ["all", "paper", "lm", "cbt", "wmt14", CUSTOM_GROUP];

/// A user's task.
#[derive(Debug)]
pub(super) struct CustomTask {
    own: CustomTaskConfig,
    config: TaskConfig,
    /// Where the card is, and data beside it.
    directory: PathBuf,
}

/// A sample of a user's task.
pub(super) enum Sample {
    /// The target of the record has so many bytes.
    Ending(Record, usize),
    /// Candidates.
    Choice(Record, Question),
    /// What the model writes after.
    Prompt(Record),
    /// A text, or a part of one.
    Part(Part),
}

impl CustomTask {
    /// The task of a card, with the data beside the card's file at `path`.
    pub fn new(own: CustomTaskConfig, path: &Path) -> Self {
        let config = config_of(&own);
        Self { own, config, directory: path.parent().unwrap_or(Path::new("")).to_owned() }
    }

    /// Reads a record and tries every template on it, so that nothing is missing later.
    fn sample(&self, record: Record) -> Result<Sample, String> {
        match &self.own.asked {
            Asked::LastWord { prompt, target } => {
                let (_, target) = ending::context_and_target(prompt, target.as_ref(), &record)?;
                Ok(Sample::Ending(record, target.len()))
            }
            asked @ Asked::Choice { .. } => match Choice::of(asked) {
                Some(choice) => choice.question(&record).map(|question| Sample::Choice(record, question)),
                None => Err("no choices".to_owned()),
            },
            Asked::Generate { prompt, target, references, .. } => {
                if prompt.template.render(&record, None)?.trim().is_empty() {
                    return Err("`prompt` has no text for this record".to_owned());
                }
                let references = candidates(references, &record)?;
                target.render(&record, references.first().map(|text| ("reference", text.as_str())))?;
                Ok(Sample::Prompt(record))
            }
            Asked::Perplexity(template) => {
                let text = template.as_ref().map_or(Ok(String::new()), |text| text.render(&record, None))?;
                if text.trim().is_empty() {
                    return Err("`text` has no text for this record".to_owned());
                }
                Ok(Sample::Part(document::whole(&text)))
            }
        }
    }

    fn prompt(&self) -> Option<&Prompt> {
        match &self.own.asked {
            Asked::LastWord { prompt, .. }
            | Asked::Choice { prompt, .. }
            | Asked::Generate { prompt, .. } => Some(prompt),
            Asked::Perplexity(_) => None,
        }
    }
}

/// What of a user's card all tasks have.
fn config_of(own: &CustomTaskConfig) -> TaskConfig {
    let (description, option) = match own.asked {
        Asked::LastWord { .. } => ("how probable the end of a text is", "shots"),
        Asked::Choice { .. } => ("the candidate with the highest log-likelihood", "shots"),
        Asked::Generate { .. } => ("what the model writes, greedy", "shots"),
        Asked::Perplexity(_) => ("texts in overlapping windows of 1024 tokens", "stride"),
    };
    let mut protocol = ProtocolConfig {
        name: Protocol::CUSTOM.to_owned(),
        description: format!("A task of your own: {description}"),
        options: vec![option.to_owned()],
        defaults: std::collections::BTreeMap::new(),
    };
    if own.shots > 0 {
        protocol.defaults.insert("shots".to_owned(), own.shots.to_string());
    }
    if let Some(stride) = own.stride {
        protocol.defaults.insert("stride".to_owned(), stride.to_string());
    }
    let file = |file: &data::CustomFile, split| FileConfig {
        name: file.name.clone(),
        with: None,
        split: Some(split),
        sha256: file.sha256.clone(),
        with_sha256: None,
        hub: None,
        with_hub: None,
        upstream: None,
        with_upstream: None,
        records: None,
    };
    let mut files = vec![file(&own.data.file, Split::Test)];
    files.extend(own.data.train.as_ref().map(|train| file(train, Split::Train)));
    TaskConfig {
        name: own.name.clone(),
        title: own.title.clone(),
        measures: own.measures.clone(),
        groups: vec![CUSTOM_GROUP.to_owned()],
        citation: own.citation.clone(),
        protocols: vec![protocol],
        data: DataConfig { split: Split::Test, files, hub: None, samples: Vec::new() },
    }
}

impl Task for CustomTask {
    type Doc = Sample;

    fn config(&self) -> &TaskConfig {
        &self.config
    }

    fn samples(&self) -> &'static [BundledFile] {
        &[]
    }

    /// The file below `--data` if it is there, else the one beside the card.
    fn open(&self, source: &DataSource, split: Split) -> Result<Option<DataFile>, DataError> {
        let file = match split {
            Split::Test => &self.own.data.file,
            Split::Train => match &self.own.data.train {
                Some(train) => train,
                None => return Ok(None),
            },
            Split::Validation => return Ok(None),
        };
        let elsewhere = match source {
            DataSource::Directory(directory) => Some(directory.join(&file.name)).filter(|path| path.exists()),
            DataSource::Sample | DataSource::TaskFiles => None,
        };
        let path = elsewhere.unwrap_or_else(|| self.directory.join(&file.name));
        DataFile::custom(&path, file.sha256.as_deref()).map(Some)
    }

    fn docs(&self, file: &DataFile, _: &Protocol) -> Result<Vec<Item<Sample>>, DataError> {
        if let Asked::Perplexity(None) = self.own.asked {
            let parts = document::of_file(file)?.into_iter();
            return Ok(parts
                .map(|Item { id, cluster, line, doc }| Item { id, cluster, line, doc: Sample::Part(doc) })
                .collect());
        }
        reader::samples(file, &self.own.data)?
            .into_iter()
            .map(|Item { id, cluster, line, doc }| {
                let doc = self.sample(doc).map_err(|reason| file.record_error(line, reason))?;
                Ok(Item { id, cluster, line, doc })
            })
            .collect()
    }

    fn few_shot_example(&self, doc: &Sample, _: &Protocol) -> String {
        let solved = match (&self.own.asked, doc) {
            (Asked::LastWord { prompt, target }, Sample::Ending(record, _)) => {
                let (context, target) =
                    ending::context_and_target(prompt, target.as_ref(), record).unwrap_or_default();
                format!("{context}{target}")
            }
            (asked @ Asked::Choice { .. }, Sample::Choice(record, question)) => {
                Choice::of(asked).map(|choice| choice.solved(record, question.answer)).unwrap_or_default()
            }
            (Asked::Generate { prompt, target, references, .. }, Sample::Prompt(record)) => {
                let references = candidates(references, record).unwrap_or_default();
                let bound = references.first().map(|text| ("reference", text.as_str()));
                let asked = prompt.template.render(record, None).unwrap_or_default();
                format!("{asked}{}", target.render(record, bound).unwrap_or_default())
            }
            _ => String::new(),
        };
        format!("{solved}{}", self.prompt().map_or("", |prompt| prompt.separator.as_str()))
    }

    fn expected(&self, doc: &Sample) -> Vec<String> {
        // What a record lacks was found when it was read.
        match (&self.own.asked, doc) {
            (Asked::Choice { choices, .. }, Sample::Choice(record, question)) => {
                let choices = candidates(choices, record).unwrap_or_default();
                choices.get(question.answer).cloned().into_iter().collect()
            }
            (Asked::Generate { references, .. }, Sample::Prompt(record)) => {
                candidates(references, record).unwrap_or_default()
            }
            _ => Vec::new(),
        }
    }

    fn candidate_sets(&self, doc: &Sample, _: &Protocol) -> Vec<CandidateSet> {
        match doc {
            Sample::Choice(_, question) => {
                Choice::of(&self.own.asked).map(|choice| choice.candidate_sets(question)).unwrap_or_default()
            }
            _ => Vec::new(),
        }
    }

    fn requests(&self, doc: &Sample, setting: &Setting<'_>) -> Vec<Request> {
        let preamble = self.prompt().map_or("", |prompt| prompt.preamble.as_str());
        let before = format!("{preamble}{}", setting.few_shot_examples);
        // What a record lacks was found when it was read.
        match (&self.own.asked, doc) {
            (Asked::LastWord { prompt, target }, Sample::Ending(record, _)) => {
                let texts = ending::context_and_target(prompt, target.as_ref(), record).unwrap_or_default();
                ending::requests(&before, texts)
            }
            (asked @ Asked::Choice { .. }, Sample::Choice(record, _)) => {
                Choice::of(asked).map(|choice| choice.requests(record, &before)).unwrap_or_default()
            }
            (Asked::Generate { prompt, stop, max_new_tokens, .. }, Sample::Prompt(record)) => {
                let asked = prompt.template.render(record, None).unwrap_or_default();
                vec![Request::Generate {
                    prompt: format!("{before}{asked}"),
                    trim: Trim::left(),
                    stop: stop.clone(),
                    max_new_tokens: *max_new_tokens,
                    decoding: Decoding::Greedy,
                }]
            }
            (_, Sample::Part(part)) => part.requests(setting.protocol),
            _ => Vec::new(),
        }
    }

    fn score(
        &self,
        doc: &Sample,
        _: &Protocol,
        responses: &[Response],
    ) -> Result<SampleValues, UnexpectedResponse> {
        match (&self.own.asked, doc) {
            (_, Sample::Ending(_, bytes)) => ending::score(*bytes, responses),
            (_, Sample::Part(part)) => part.score(responses),
            (asked, Sample::Choice(_, question)) => match Choice::of(asked) {
                Some(choice) => choice.score(question, responses),
                None => Ok(SampleValues::new()),
            },
            (Asked::Generate { references, .. }, Sample::Prompt(record)) => {
                let text = strip(&only_completion(responses)?.text);
                let references = candidates(references, record).unwrap_or_default();
                let references: Vec<&str> = references.iter().map(String::as_str).collect();
                Ok(self.own.metrics.iter().flat_map(|metric| metric.of_text(text, &references)).collect())
            }
            _ => Ok(SampleValues::new()),
        }
    }

    fn metrics(&self, _: &Protocol) -> Vec<Metric> {
        self.own.metrics.iter().map(|metric| metric.metric()).collect()
    }

    /// The place that is right most often, and a drawn one.
    fn baselines(
        &self,
        items: &[Item<Sample>],
        training: &[Item<Sample>],
        _: &Protocol,
        seed: u64,
    ) -> Vec<HeuristicBaseline> {
        let Asked::Choice { normalization, .. } = self.own.asked else { return Vec::new() };
        let of = |doc: &Sample| match doc {
            Sample::Choice(_, question) => (question.answer, question.lengths.len()),
            _ => (0, 1),
        };
        let mut counts: Vec<f64> = Vec::new();
        for item in if training.is_empty() { items } else { training } {
            let (answer, _) = of(&item.doc);
            counts.resize(counts.len().max(answer + 1), 0.0);
            counts[answer] += 1.0;
        }
        let most = first_largest(&counts);
        let names: &[&str] = match normalization {
            raw::Normalization::None => &["correct"],
            _ => &["correct", "correct_normalized"],
        };
        choice_baselines(items, seed, names, |doc| {
            let (answer, candidates) = of(doc);
            (most, answer, candidates)
        })
    }
}
