//! Tasks and their samples without the document type, so that the registry can hold all of them.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use super::proof::prove;
use super::{HeuristicBaseline, Item, Setting, Task, TaskConfig, UnexpectedResponse};
use crate::data::{DataConfig, DataError, DataFile, Proof, Provenance, Split};
use crate::plan::DataSource;
use crate::record::{CandidateSet, Protocol};
use crate::seeding::{seed_of, shuffled};
use gpt2_model::request::{Request, Response, Window};
use text_metrics::SampleValues;
use text_metrics::{Breakdown, Metric};

/// Source of the samples of a task.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    data: &'a DataSource,
    split: Split,
    seed: u64,
}

impl<'a> Source<'a> {
    /// A split of `data`; `seed` chooses few-shot examples and seeds sampling.
    pub fn new(data: &'a DataSource, split: Split, seed: u64) -> Self {
        Self { data, split, seed }
    }
}

/// A [`Task`] with any document type.
pub trait AnyTask: Sync {
    fn config(&self) -> &TaskConfig;
    /// Reads the samples from `source`, and the few-shot examples where the protocol names `shots`.
    fn load(
        &'static self,
        source: &Source<'_>,
        protocol: &Protocol,
    ) -> Result<Box<dyn TaskSamples>, DataError>;
    /// Reads the samples from a file in memory; few-shot examples come from the same file.
    fn read(&'static self, file: DataFile, protocol: &Protocol) -> Result<Box<dyn TaskSamples>, DataError>;
    /// Whether the heuristic baselines learn from the training split.
    fn baselines_learn(&self) -> bool;
    /// The metrics, headline first.
    fn metrics(&self, protocol: &Protocol) -> Vec<Metric>;
    /// Tables of metrics over groups of samples.
    fn breakdowns(&self, protocol: &Protocol) -> Vec<Breakdown>;
    /// The windows in which the task reads a text; `None` for tasks without windows.
    fn window(&self, protocol: &Protocol) -> Option<Window>;
}

/// The samples of a task in memory; `index` is that of a sample in the data.
pub trait TaskSamples: Send + Sync {
    fn len(&self) -> usize;
    /// Whether there are no samples.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Stable id.
    fn id(&self, index: usize) -> &str;
    /// A hash of the content of a sample without its white space; its id for a part of a longer text. The same for the
    /// same record wherever it is in the data.
    fn content(&self, index: usize) -> String;
    /// The pair, story or document of a sample, where it is not alone in it.
    fn cluster(&self, index: usize) -> Option<&str>;
    /// File and line, for messages.
    fn location(&self, index: usize) -> String;
    /// The requests; built anew by every call.
    fn requests(&self, index: usize) -> Vec<Request>;
    /// References or the correct candidate, where the requests do not have them.
    fn expected(&self, index: usize) -> Vec<String>;
    /// Which of the responses compete with each other.
    fn candidate_sets(&self, index: usize) -> Vec<CandidateSet>;
    fn score(&self, index: usize, responses: &[Response]) -> Result<SampleValues, UnexpectedResponse>;
    fn baselines(&self, selected: &[usize]) -> Vec<HeuristicBaseline>;
    /// The files that were read, with their sha256.
    fn files(&self) -> Vec<(String, String)>;
    /// sha256 of the measured file, or of it and its companion.
    fn file_sha256(&self) -> String;
    /// sha256 of the file with the few-shot examples and the training data of baselines, where there is one.
    fn examples_sha256(&self) -> Option<String>;
    /// Whether the measured file holds the published set.
    fn provenance(&self) -> Provenance;
    /// What proves that it does.
    fn proof(&self) -> Option<Proof>;
    /// Notes for the user on how the data were read.
    fn notes(&self) -> &[String];
    /// Options that the data add to the protocol in outputs: `data=…`, `sentences=…`, `shots_from=…` and `cluster=…`.
    fn label(&self) -> BTreeMap<String, String>;
}

struct Loaded<T: Task + 'static> {
    task: &'static T,
    protocol: Protocol,
    items: Vec<Item<T::Doc>>,
    file: DataFile,
    proof: Option<Proof>,
    notes: Vec<String>,
    /// The training split, or else the validation split, where the source has one.
    training: Option<Examples<T::Doc>>,
    shots: usize,
    /// All few-shot examples in a random order.
    example_order: Vec<usize>,
    split: Split,
    seed: u64,
}

/// Number of few-shot examples in a prompt.
fn shots(protocol: &Protocol) -> usize {
    protocol.options.get("shots").and_then(|shots| shots.parse().ok()).unwrap_or(0)
}

/// Number of samples, where those of a cluster count as one.
fn independent<Doc>(items: &[Item<Doc>]) -> usize {
    let clusters: BTreeSet<&str> = items.iter().filter_map(|item| item.cluster.as_deref()).collect();
    clusters.len() + items.iter().filter(|item| item.cluster.is_none()).count()
}

impl<T: Task + 'static> AnyTask for T {
    fn config(&self) -> &TaskConfig {
        Task::config(self)
    }

    fn load(
        &'static self,
        source: &Source<'_>,
        protocol: &Protocol,
    ) -> Result<Box<dyn TaskSamples>, DataError> {
        let config = Task::config(self);
        let TaskConfig { name, data, .. } = config;
        let open = |split| Task::open(self, source.data, split, protocol);
        let file =
            open(source.split)?.ok_or_else(|| DataFile::not_found(name, data, source.data, source.split))?;
        let (items, notes) = self.docs_and_notes(&file, protocol)?;
        let takes_shots = config
            .protocol(&protocol.name)
            .is_some_and(|known| known.options.iter().any(|name| name == "shots"));
        let mut training = None;
        for split in DataConfig::example_splits(source.split).filter(|_| takes_shots) {
            let Some(mut found) = open(split)? else { continue };
            let items = self.docs(&found, protocol)?;
            found.drop_bytes();
            training = Some((found, items));
            break;
        }
        Ok(Box::new(Loaded::new(
            self,
            protocol,
            (file, items, notes),
            training,
            (source.split, source.seed),
        )?))
    }

    fn read(&'static self, file: DataFile, protocol: &Protocol) -> Result<Box<dyn TaskSamples>, DataError> {
        let (items, notes) = self.docs_and_notes(&file, protocol)?;
        let split = Task::config(self).data.split;
        Ok(Box::new(Loaded::new(self, protocol, (file, items, notes), None, (split, 0))?))
    }

    fn baselines_learn(&self) -> bool {
        Task::baselines_learn(self)
    }

    fn metrics(&self, protocol: &Protocol) -> Vec<Metric> {
        Task::metrics(self, protocol)
    }

    fn breakdowns(&self, protocol: &Protocol) -> Vec<Breakdown> {
        Task::breakdowns(self, protocol)
    }

    fn window(&self, protocol: &Protocol) -> Option<Window> {
        Task::window(self, protocol)
    }
}

/// A data file and its samples.
type Examples<Doc> = (DataFile, Vec<Item<Doc>>);

impl<T: Task> Loaded<T> {
    fn new(
        task: &'static T,
        protocol: &Protocol,
        (mut file, items, mut notes): (DataFile, Vec<Item<T::Doc>>, Vec<String>),
        training: Option<Examples<T::Doc>>,
        (split, seed): (Split, u64),
    ) -> Result<Self, DataError> {
        file.drop_bytes();
        let proof = prove(task, (protocol, split), &mut file, &items, &mut notes);
        let shots = shots(protocol);
        let examples = training.as_ref().map_or(&items, |(_, items)| items);
        let ids: Vec<&str> = examples.iter().map(|item| item.id.as_str()).collect();
        let available = independent(examples).saturating_sub(usize::from(training.is_none()));
        if shots > available {
            let task = Task::config(task).name.clone();
            return Err(DataError::TooFewExamples { task, shots, examples: available });
        }
        let example_order = if shots == 0 { Vec::new() } else { shuffled(&ids, seed, "shots") };
        let protocol = protocol.clone();
        Ok(Self { task, protocol, items, file, proof, notes, training, shots, example_order, split, seed })
    }

    /// The same examples for every sample, at most one of a cluster. An example that would show a sample its own answer
    /// is replaced by the next.
    fn few_shot_examples(&self, index: usize) -> String {
        let (examples, own) = match &self.training {
            Some((_, items)) => (items, None),
            None => (&self.items, self.items.get(index)),
        };
        let mut shown: Vec<&Item<T::Doc>> = Vec::new();
        for &example in &self.example_order {
            let Some(example) = examples.get(example) else { continue };
            let is_near = |other: &Item<T::Doc>| {
                other.id == example.id || (other.cluster.is_some() && other.cluster == example.cluster)
            };
            if shown.len() == self.shots {
                break;
            }
            if !own.into_iter().chain(shown.iter().copied()).any(is_near) {
                shown.push(example);
            }
        }
        shown.into_iter().map(|example| self.task.few_shot_example(&example.doc, &self.protocol)).collect()
    }
}

impl<T: Task> TaskSamples for Loaded<T> {
    fn len(&self) -> usize {
        self.items.len()
    }

    fn id(&self, index: usize) -> &str {
        &self.items[index].id
    }

    fn content(&self, index: usize) -> String {
        let item = &self.items[index];
        let Some(texts) = self.task.content(&item.doc) else { return item.id.clone() };
        let mut hasher = Sha256::new();
        for text in texts {
            for word in text.split_whitespace() {
                hasher.update(word.as_bytes());
                hasher.update(b" ");
            }
            hasher.update([0]);
        }
        hex::encode(hasher.finalize())
    }

    fn cluster(&self, index: usize) -> Option<&str> {
        self.items[index].cluster.as_deref()
    }

    fn location(&self, index: usize) -> String {
        format!("{}:{}", self.file.name, self.items[index].line)
    }

    fn requests(&self, index: usize) -> Vec<Request> {
        let item = &self.items[index];
        let setting = Setting {
            protocol: &self.protocol,
            few_shot_examples: &self.few_shot_examples(index),
            seed: seed_of(self.seed, "sample", &item.id),
        };
        self.task.requests(&item.doc, &setting)
    }

    fn expected(&self, index: usize) -> Vec<String> {
        self.task.expected(&self.items[index].doc, &self.protocol)
    }

    fn candidate_sets(&self, index: usize) -> Vec<CandidateSet> {
        self.task.candidate_sets(&self.items[index].doc, &self.protocol)
    }

    fn score(&self, index: usize, responses: &[Response]) -> Result<SampleValues, UnexpectedResponse> {
        self.task.score(&self.items[index].doc, &self.protocol, responses)
    }

    fn baselines(&self, selected: &[usize]) -> Vec<HeuristicBaseline> {
        let training = self.training.as_ref().map_or(&[][..], |(_, items)| items);
        let mut baselines = self.task.baselines(&self.items, training, &self.protocol, self.seed);
        for baseline in &mut baselines {
            baseline.values =
                selected.iter().filter_map(|&index| baseline.values.get(index).cloned()).collect();
            baseline.clusters = selected.iter().map(|&index| self.items[index].cluster.clone()).collect();
        }
        baselines
    }

    fn files(&self) -> Vec<(String, String)> {
        let files = [Some(&self.file), self.training.as_ref().map(|(file, _)| file)];
        files
            .into_iter()
            .flatten()
            .flat_map(|file| std::iter::once(file).chain(file.companion.as_deref()))
            .map(|file| (file.name.clone(), file.sha256.clone()))
            .collect()
    }

    fn file_sha256(&self) -> String {
        self.file.fingerprint()
    }

    fn examples_sha256(&self) -> Option<String> {
        self.training.as_ref().map(|(file, _)| file.fingerprint())
    }

    fn provenance(&self) -> Provenance {
        self.file.provenance
    }

    fn proof(&self) -> Option<Proof> {
        self.proof
    }

    fn notes(&self) -> &[String] {
        &self.notes
    }

    fn label(&self) -> BTreeMap<String, String> {
        let mut label = self.task.label(&self.file, &self.items, &self.protocol);
        if !matches!(self.provenance(), Provenance::Complete | Provenance::Custom) {
            label.insert("data".to_owned(), self.provenance().as_str().to_owned());
        }
        if self.shots > 0 && self.training.is_none() {
            label.insert("shots_from".to_owned(), self.split.as_str().to_owned());
            // Says which samples lend each other no examples.
            let cluster = Task::config(self.task).cluster.as_ref();
            if let Some(cluster) = cluster.filter(|_| self.items.iter().any(|item| item.cluster.is_some())) {
                label.insert("cluster".to_owned(), cluster.clone());
            }
        }
        label
    }
}
