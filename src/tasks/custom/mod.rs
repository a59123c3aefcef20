//! Custom tasks: a task config in TOML and a data file, without Rust (`docs/custom-tasks.md`); and the built-in tasks that
//! are no more than that.

mod built_in;
mod choice;
mod config;
mod data;
mod derive;
mod error;
mod filter;
mod generation;
mod last_word;
mod metrics;
mod python_literal;
mod raw;
mod record;
mod tables;
mod template;

use std::path::{Path, PathBuf};

pub(super) use built_in::BUILT_IN;
pub use config::{CUSTOM_GROUP, CustomTaskConfig};
pub use error::TaskConfigError;
pub(super) use raw::RawQuestion;
pub use record::{FieldPath, Record};
pub use template::Template;

use super::choice::{choice_baselines, first_largest};
use super::generation::only_completion;
use super::perplexity::{Cut, Part, canonical_words, stream, window};
use super::{HeuristicBaseline, Item, ProtocolConfig, Setting, Task, TaskConfig, UnexpectedResponse};
use crate::data::{BundledFile, DataConfig, DataError, DataFile, FileConfig, Split};
use crate::plan::DataSource;
use crate::record::{CandidateSet, Protocol};
use choice::{GROUP_PREFIX, Question};
use config::Query;
use gpt2_model::request::{Request, Response, Window};
use raw::{Format, Normalization};
use template::Prompt;
use text_metrics::{Breakdown, Grouping, Metric, SampleValues};
use untrusted_input::strip;

#[derive(Debug)]
pub(super) struct CustomTask {
    /// Under the default protocol.
    custom: CustomTaskConfig,
    /// Under the other protocols of a built-in task.
    others: Vec<(String, CustomTaskConfig)>,
    config: TaskConfig,
    place: Place,
}

/// Where the data of a task are.
#[derive(Debug)]
enum Place {
    /// Below `--data`, or in the directory of the task config.
    Beside(PathBuf),
    /// In a dataset source, as for every built-in task, with the bundled samples.
    BuiltIn(&'static [BundledFile]),
}

/// A sample of a custom task, by kind.
pub(super) enum Sample {
    /// With the bytes of the target.
    LastWord(Record, usize),
    Choice(Record, Question),
    Generate(Record),
    Perplexity(Part),
}

impl CustomTask {
    /// The task of a config at `path`, with the data beside it.
    pub fn new(custom: CustomTaskConfig, path: &Path) -> Self {
        let config = task_config(&custom);
        let directory = path.parent().unwrap_or(Path::new("")).to_owned();
        Self { custom, others: Vec::new(), config, place: Place::Beside(directory) }
    }

    /// What a sample is under this protocol.
    fn custom(&self, protocol: &Protocol) -> &CustomTaskConfig {
        let other = self.others.iter().find(|(name, _)| *name == protocol.name);
        other.map_or(&self.custom, |(_, custom)| custom)
    }

    fn query(&self, protocol: &Protocol) -> &Query {
        &self.custom(protocol).query
    }

    fn default_protocol(&self) -> Protocol {
        Protocol::new(self.config.default_protocol())
    }

    /// Checks a record by rendering every template for it, so that rendering cannot fail later. `None` for a record
    /// without text, which has no perplexity.
    fn sample(&self, record: Record, protocol: &Protocol) -> Result<Option<Sample>, String> {
        // `content` renders a sample under the default protocol, whatever it is measured under.
        let mut record = self.custom.fields.add_to(record)?;
        if protocol.name != self.config.default_protocol() {
            record = self.custom(protocol).fields.add_to(record)?;
        }
        let sample = match self.query(protocol) {
            Query::LastWord(query) => {
                let (_, target) = query.context_and_target(&record)?;
                Sample::LastWord(record, target.len())
            }
            Query::Choice(query) => {
                let question = query.question(&record)?;
                Sample::Choice(record, question)
            }
            Query::Generate(query) => {
                query.check(&record)?;
                Sample::Generate(record)
            }
            Query::Perplexity(template) => {
                let text = template.as_ref().map_or(Ok(String::new()), |text| text.render(&record, None))?;
                if text.trim().is_empty() {
                    return Ok(None);
                }
                Sample::Perplexity(Part::whole(&text, units(&text)))
            }
        };
        Ok(Some(sample))
    }

    /// A message about a record, with the likely reason if a table lacks a column.
    fn with_hint(&self, reason: String) -> String {
        let is_table = matches!(self.custom.data.format, Format::Csv | Format::Tsv);
        if is_table && reason.contains("the record has no field") {
            return format!("{reason}; the first line of the file must name the columns");
        }
        reason
    }

    fn prompt(&self, protocol: &Protocol) -> Option<&Prompt> {
        match self.query(protocol) {
            Query::LastWord(query) => Some(&query.prompt),
            Query::Choice(query) => Some(&query.prompt),
            Query::Generate(query) => Some(&query.prompt),
            Query::Perplexity(_) => None,
        }
    }
}

/// Units of a text that perplexity can be per.
fn units(text: &str) -> Vec<(&'static str, f64)> {
    vec![
        ("units", canonical_words(text) as f64),
        ("words", text.split_whitespace().count() as f64),
        ("bytes", text.len() as f64),
    ]
}

/// The part of the config that built-in tasks have too.
fn task_config(custom: &CustomTaskConfig) -> TaskConfig {
    let (description, option) = match custom.query {
        Query::LastWord(_) => ("log-likelihood of the end of a text", "shots"),
        Query::Choice(_) => ("the choice with the highest log-likelihood", "shots"),
        Query::Generate(_) => ("greedy completions against references", "shots"),
        Query::Perplexity(_) => ("texts in overlapping windows of the model's context", "stride"),
    };
    let mut protocol = ProtocolConfig {
        name: Protocol::CUSTOM.to_owned(),
        description: format!("Custom task: {description}"),
        options: vec![option.to_owned()],
        defaults: std::collections::BTreeMap::new(),
        question: None,
    };
    if custom.shots > 0 {
        protocol.defaults.insert("shots".to_owned(), custom.shots.to_string());
    }
    if let Some(stride) = custom.stride {
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
        protocols: Vec::new(),
        records: None,
        records_sha256: None,
    };
    let mut files = vec![file(&custom.data.file, Split::Test)];
    files.extend(custom.data.train.as_ref().map(|train| file(train, Split::Train)));
    TaskConfig {
        name: custom.name.clone(),
        title: custom.title.clone(),
        measures: custom.measures.clone(),
        groups: vec![CUSTOM_GROUP.to_owned()],
        citation: custom.citation.clone(),
        cluster: None,
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
        match self.place {
            Place::Beside(_) => &[],
            Place::BuiltIn(samples) => samples,
        }
    }

    /// For a custom task the file below `--data` if it exists, else the one beside the task config.
    fn open(
        &self,
        source: &DataSource,
        split: Split,
        protocol: &Protocol,
    ) -> Result<Option<DataFile>, DataError> {
        let Place::Beside(beside) = &self.place else {
            let TaskConfig { name, data, .. } = &self.config;
            return DataFile::open(
                name,
                &data.for_protocol(&protocol.name),
                Task::samples(self),
                source,
                split,
            );
        };
        let file = match split {
            Split::Test => &self.custom.data.file,
            Split::Train => match &self.custom.data.train {
                Some(train) => train,
                None => return Ok(None),
            },
            Split::Validation => return Ok(None),
        };
        let elsewhere = match source {
            DataSource::Directory(directory) => Some(directory.join(&file.name)).filter(|path| path.exists()),
            DataSource::Sample | DataSource::TaskFiles => None,
        };
        let path = elsewhere.unwrap_or_else(|| beside.join(&file.name));
        DataFile::custom(&path, file.sha256.as_deref()).map(Some)
    }

    fn docs(&self, file: &DataFile, protocol: &Protocol) -> Result<Vec<Item<Sample>>, DataError> {
        self.docs_and_notes(file, protocol).map(|(items, _)| items)
    }

    fn docs_and_notes(
        &self,
        file: &DataFile,
        protocol: &Protocol,
    ) -> Result<(Vec<Item<Sample>>, Vec<String>), DataError> {
        if let Query::Perplexity(None) = self.query(protocol) {
            let text = file.text()?;
            let parts = stream(text, &[], &units(text), Cut::Lines).into_iter();
            let items = parts.map(|Item { id, cluster, line, doc }| Item {
                id,
                cluster,
                line,
                doc: Sample::Perplexity(doc),
            });
            return Ok((items.collect(), Vec::new()));
        }
        let (records, mut notes) = self.custom.data.samples(file)?;
        let mut items = Vec::new();
        let mut empty = 0;
        for Item { id, cluster, line, doc } in records {
            match self
                .sample(doc, protocol)
                .map_err(|reason| file.record_error(line, self.with_hint(reason)))?
            {
                Some(doc) => items.push(Item { id, cluster, line, doc }),
                None => empty += 1,
            }
        }
        notes.extend(data::skipped(empty, "record with an empty text", "records with an empty text"));
        if items.is_empty() {
            return Err(DataError::Empty { file: file.name.clone() });
        }
        Ok((items, notes))
    }

    /// The rendered templates, whatever the file's format and its other fields.
    fn content(&self, doc: &Sample) -> Option<Vec<String>> {
        if let Sample::Perplexity(part) = doc {
            return part.content();
        }
        let protocol = self.default_protocol();
        let setting = Setting { protocol: &protocol, few_shot_examples: "", seed: 0 };
        let mut texts = self.expected(doc, setting.protocol);
        for request in self.requests(doc, &setting) {
            match request {
                Request::LogLikelihood { context, continuation, .. } => texts.extend([context, continuation]),
                Request::Generate { prompt, .. } => texts.push(prompt),
                Request::Rolling { .. } => {}
            }
        }
        Some(texts)
    }

    fn few_shot_example(&self, doc: &Sample, protocol: &Protocol) -> String {
        let example = match (self.query(protocol), doc) {
            (Query::LastWord(query), Sample::LastWord(record, _)) => {
                let (context, target) = query.context_and_target(record).unwrap_or_default();
                format!("{context}{target}")
            }
            (Query::Choice(query), Sample::Choice(record, question)) => {
                query.few_shot_example(record, question.first_answer())
            }
            (Query::Generate(query), Sample::Generate(record)) => query.few_shot_example(record),
            _ => String::new(),
        };
        format!("{example}{}", self.prompt(protocol).map_or("", |prompt| prompt.separator.as_str()))
    }

    fn expected(&self, doc: &Sample, protocol: &Protocol) -> Vec<String> {
        match (self.query(protocol), doc) {
            (Query::Choice(query), Sample::Choice(record, question)) => {
                let choices = query.choices(record);
                question.answers.iter().filter_map(|&answer| choices.get(answer).cloned()).collect()
            }
            (Query::Generate(query), Sample::Generate(record)) => query.references(record),
            _ => Vec::new(),
        }
    }

    fn candidate_sets(&self, doc: &Sample, protocol: &Protocol) -> Vec<CandidateSet> {
        match (self.query(protocol), doc) {
            (Query::Choice(query), Sample::Choice(_, question)) => query.candidate_sets(question),
            _ => Vec::new(),
        }
    }

    fn window(&self, protocol: &Protocol) -> Option<Window> {
        matches!(self.query(protocol), Query::Perplexity(_)).then(|| window(protocol))
    }

    fn requests(&self, doc: &Sample, setting: &Setting<'_>) -> Vec<Request> {
        let preamble = self.prompt(setting.protocol).map_or("", |prompt| prompt.preamble.as_str());
        let before = format!("{preamble}{}", setting.few_shot_examples);
        match (self.query(setting.protocol), doc) {
            (Query::LastWord(query), Sample::LastWord(record, _)) => query.requests(record, &before),
            (Query::Choice(query), Sample::Choice(record, _)) => query.requests(record, &before),
            (Query::Generate(query), Sample::Generate(record)) => query.requests(record, &before),
            (_, Sample::Perplexity(part)) => part.requests(setting.protocol),
            _ => Vec::new(),
        }
    }

    fn score(
        &self,
        doc: &Sample,
        protocol: &Protocol,
        responses: &[Response],
    ) -> Result<SampleValues, UnexpectedResponse> {
        let CustomTaskConfig { query, metrics, .. } = self.custom(protocol);
        match (query, doc) {
            (_, Sample::LastWord(_, bytes)) => last_word::score(*bytes, responses),
            (_, Sample::Perplexity(part)) => part.score(responses),
            (Query::Choice(query), Sample::Choice(_, question)) => query.score(question, responses),
            (Query::Generate(query), Sample::Generate(record)) => {
                let text = strip(&only_completion(responses)?.text);
                let references = query.references(record);
                let references: Vec<&str> = references.iter().map(String::as_str).collect();
                Ok(metrics.iter().flat_map(|metric| metric.of_text(text, &references)).collect())
            }
            _ => Ok(SampleValues::new()),
        }
    }

    fn metrics(&self, protocol: &Protocol) -> Vec<Metric> {
        self.custom(protocol).metrics.iter().map(|metric| metric.metric()).collect()
    }

    /// By `group`, if the task config has it.
    fn breakdowns(&self, protocol: &Protocol) -> Vec<Breakdown> {
        match self.query(protocol) {
            Query::Choice(query) if query.group.is_some() => vec![Breakdown {
                name: "group",
                grouping: Grouping::Member { prefix: GROUP_PREFIX },
                metrics: self.metrics(protocol),
            }],
            _ => Vec::new(),
        }
    }

    /// Majority (the index that is correct most often) and Random.
    fn baselines(
        &self,
        items: &[Item<Sample>],
        training: &[Item<Sample>],
        protocol: &Protocol,
        seed: u64,
    ) -> Vec<HeuristicBaseline> {
        let Query::Choice(query) = self.query(protocol) else { return Vec::new() };
        let of = |doc: &Sample| match doc {
            Sample::Choice(_, question) => (question.answers.clone(), question.lengths.len()),
            _ => (vec![0], 1),
        };
        let mut counts: Vec<f64> = Vec::new();
        for item in if training.is_empty() { items } else { training } {
            for answer in of(&item.doc).0 {
                counts.resize(counts.len().max(answer + 1), 0.0);
                counts[answer] += 1.0;
            }
        }
        let majority = first_largest(&counts);
        let names: &[&str] = match query.normalization {
            Normalization::None => &["correct"],
            _ => &["correct", "correct_normalized"],
        };
        choice_baselines(items, seed, names, |doc| {
            let (answers, choices) = of(doc);
            (majority, answers, choices)
        })
    }
}
