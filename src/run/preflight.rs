//! Everything that can go wrong before the first forward pass goes wrong here: every model is opened, every data file
//! read, every request turned into tokens.

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::shard::Dealer;
use super::subset::nested_subset;
use super::{FinishedTask, RunError};
use crate::data::Split;
use crate::plan::{ModelSource, Plan, PlannedModel, PlannedTask};
use crate::record::{
    CustomTaskIdentity, DataIdentity, FileFingerprint, Identity, MeasuredTask, ModelIdentity, Protocol,
};
use crate::tasks::{HeuristicBaseline, LoadedTask, Registry, Source, TaskConfig};
use gpt2_kernels::Precision;
use gpt2_model::engine::{ENGINE_VERSION, Planner, Work};
use gpt2_model::request::Request;
use gpt2_model::{Checkpoint, CheckpointError, ComputeDevice};

/// A model that has been opened and checked.
pub struct ReadyModel {
    /// Label and place.
    pub planned: PlannedModel,
    /// Configuration, mapped weights, tokenizer.
    pub checkpoint: Checkpoint,
    /// Fingerprints.
    pub identity: ModelIdentity,
    /// The work of every task, in the plan's order; shared by models of one tokenizer and window.
    pub(super) work: Arc<Vec<TaskWork>>,
}

/// A task with its examples and what it asks.
pub struct ReadyTask {
    /// Name and protocol.
    pub planned: PlannedTask,
    /// The task's card.
    pub config: &'static TaskConfig,
    /// Protocol in outputs: with `data=sample`, `limit=100`… where not all of the published test set is used.
    pub label: Protocol,
    /// The examples.
    pub loaded: Box<dyn LoadedTask>,
    /// What methods without a model score on those that are run.
    pub baselines: Vec<HeuristicBaseline>,
    /// Those that are run, by index, ascending.
    pub selected: Vec<usize>,
    /// The place of each of them among the samples of the whole run, of which a shard has only some.
    pub places: Vec<usize>,
    /// sha256 of the requests of each selected example.
    pub(super) prompt_sha256: Vec<String>,
    requests: Vec<Vec<Request>>,
}

/// The work of a task for models of one tokenizer and window: for each selected example, one piece a request, or why it
/// cannot be asked.
pub(super) type TaskWork = Vec<Result<Vec<Work>, String>>;

/// A plan whose every input has been read and checked.
pub struct Preflight {
    /// In the plan's order.
    pub models: Vec<ReadyModel>,
    /// In the plan's order.
    pub tasks: Vec<ReadyTask>,
    /// What decides the result.
    pub identity: Identity,
    /// How exactly the models compute.
    pub precision: Precision,
    registry: Registry,
}

impl Preflight {
    /// Opens, reads and checks everything that `plan` names. A sample that a model cannot be asked is an error with
    /// `fail_fast`; without it the sample alone fails.
    pub fn new(plan: &Plan, device: &ComputeDevice, fail_fast: bool) -> Result<Self, RunError> {
        let registry = Registry::new(&plan.custom_tasks)?;
        let mut tasks = Vec::new();
        let mut dealer = plan.shard.map(|shard| Dealer::new(shard.count));
        for planned in &plan.tasks {
            tasks.push(ready_task(planned, (plan, &registry), dealer.as_mut())?);
        }
        let mut models: Vec<ReadyModel> = Vec::new();
        let mut shared: BTreeMap<(String, usize), Arc<Vec<TaskWork>>> = BTreeMap::new();
        for planned in &plan.models {
            let checkpoint = open_checkpoint(planned)?;
            let place = (checkpoint.tokenizer.sha256().to_owned(), checkpoint.config.context);
            let work = match shared.get(&place) {
                Some(work) => Arc::clone(work),
                None => {
                    let work = Arc::new(plan_tasks(&tasks, planned, &checkpoint, fail_fast)?);
                    shared.insert(place, Arc::clone(&work));
                    work
                }
            };
            let identity = model_identity(planned, &checkpoint);
            models.push(ReadyModel { planned: planned.clone(), checkpoint, identity, work });
        }
        for task in &mut tasks {
            // They are tokens now.
            task.requests = Vec::new();
        }
        let identity = Identity {
            engine_version: ENGINE_VERSION,
            backend: device.backend().to_owned(),
            dtype: plan.precision.arithmetic(),
            models: models.iter().map(|model| model.identity.clone()).collect(),
            tasks: plan.tasks.clone(),
            custom_tasks: plan
                .custom_tasks
                .iter()
                .map(|config| CustomTaskIdentity { task: config.task.clone(), sha256: config.sha256.clone() })
                .collect(),
            data: tasks.iter().map(ReadyTask::data_identity).collect(),
            limit: plan.limit,
            seed: plan.seed,
            shard: plan.shard,
        };
        Ok(Self { models, tasks, identity, precision: plan.precision, registry })
    }

    /// Tokens that all models read together.
    pub fn total_tokens(&self) -> u64 {
        self.models
            .iter()
            .flat_map(|model| model.work.iter())
            .map(|task| tokens_of(task.iter().flatten().flatten()))
            .sum()
    }

    /// The tasks as finished ones without samples yet, with their heuristic baselines.
    pub fn finished_tasks(&self) -> Result<Vec<FinishedTask>, RunError> {
        let finished = |task: &ReadyTask| {
            let finished = FinishedTask::new(task.measured(), &self.registry)?;
            Ok(FinishedTask { baselines: task.baselines.clone(), ..finished })
        };
        self.tasks.iter().map(finished).collect()
    }

    /// Every file that was read, each once.
    pub fn files(&self) -> Vec<FileFingerprint> {
        let mut files = Vec::new();
        let mut add = |role: String, path: String, sha256: String| {
            let file = FileFingerprint { role, path, sha256 };
            if !files.contains(&file) {
                files.push(file);
            }
        };
        for ReadyModel { checkpoint, identity, .. } in &self.models {
            let path = checkpoint.weights.path().display().to_string();
            let role = format!("weights {}", checkpoint.weights.stored_types());
            add(role, path, identity.weights_sha256.clone());
            let tokenizer = &checkpoint.tokenizer;
            add("tokenizer".to_owned(), tokenizer.origin().to_owned(), tokenizer.sha256().to_owned());
        }
        for (path, sha256) in self.tasks.iter().flat_map(|task| task.loaded.files()) {
            add("data".to_owned(), path, sha256);
        }
        files
    }
}

/// Tokens of some work.
pub(super) fn tokens_of<'a>(work: impl Iterator<Item = &'a Work>) -> u64 {
    work.map(|work| work.tokens() as u64).sum()
}

impl ReadyTask {
    fn data_identity(&self) -> DataIdentity {
        DataIdentity {
            task: self.planned.task.clone(),
            sha256: self.loaded.file_sha256(),
            examples_sha256: self.loaded.examples_sha256(),
            records: self.loaded.len(),
            provenance: self.loaded.provenance().as_str().to_owned(),
        }
    }

    /// What the manifest says of it.
    pub fn measured(&self) -> MeasuredTask {
        MeasuredTask {
            task: self.planned.task.clone(),
            protocol: self.planned.protocol.clone(),
            label: self.label.clone(),
            journal: self.journal_name(),
            records: self.loaded.len(),
            samples: self.selected.len(),
        }
    }

    /// File name of this task's journal: `<task>.jsonl` for the default protocol, else `<task>.<protocol>.jsonl`.
    pub fn journal_name(&self) -> String {
        let PlannedTask { task, protocol } = &self.planned;
        let is_default = self.config.planned(self.config.default_protocol()).protocol == *protocol;
        if is_default { format!("{task}.jsonl") } else { format!("{task}.{protocol}.jsonl") }
    }
}

fn ready_task(
    planned: &PlannedTask,
    (plan, registry): (&Plan, &Registry),
    dealer: Option<&mut Dealer>,
) -> Result<ReadyTask, RunError> {
    let task = registry.find(&planned.task).ok_or_else(|| RunError::UnknownTask(planned.task.clone()))?;
    let split = planned.protocol.options.get("split").and_then(|split| Split::find(split));
    let source = Source::new(&plan.data, split.unwrap_or(task.config().data.split), plan.seed);
    let loaded = task.load(&source, &planned.protocol)?;
    let ids: Vec<&str> = (0..loaded.len()).map(|index| loaded.id(index)).collect();
    let mut selected = nested_subset(&ids, plan.limit, plan.seed);
    let mut label = planned.protocol.clone();
    label.options.extend(loaded.label());
    if selected.len() < loaded.len() {
        label.options.insert("limit".to_owned(), selected.len().to_string());
    }
    let mut requests: Vec<Vec<Request>> = selected.iter().map(|&index| loaded.requests(index)).collect();
    let mut places: Vec<usize> = (0..selected.len()).collect();
    if let (Some(dealer), Some(shard)) = (dealer, plan.shard) {
        let owners = dealer.deal(&*loaded, &selected, &requests);
        places.retain(|&place| owners[place] == shard.index);
        selected = places.iter().map(|&place| selected[place]).collect();
        requests = places.iter().map(|&place| std::mem::take(&mut requests[place])).collect();
        label.options.insert("shard".to_owned(), shard.to_string());
    }
    let prompt_sha256 = requests.iter().map(hash_of).collect();
    let baselines = loaded.baselines(&selected);
    Ok(ReadyTask {
        planned: planned.clone(),
        config: task.config(),
        label,
        loaded,
        baselines,
        selected,
        places,
        prompt_sha256,
        requests,
    })
}

/// sha256 of a value's JSON form.
fn hash_of<T: serde::Serialize>(value: &T) -> String {
    // The types hashed here have string keys and no floats that JSON cannot hold.
    let json = serde_json::to_vec(value).unwrap_or_default();
    hex::encode(Sha256::digest(json))
}

fn open_checkpoint(planned: &PlannedModel) -> Result<Checkpoint, RunError> {
    let opened = match &planned.source {
        ModelSource::Directory(path) => Checkpoint::open(path),
        ModelSource::Bundled => Checkpoint::bundled(&planned.label).unwrap_or_else(|| {
            let reason = "no bundled model of this name".to_owned();
            Err(CheckpointError::NotFound { path: planned.label.clone().into(), reason })
        }),
    };
    opened.map_err(|source| RunError::Checkpoint { label: planned.label.clone(), source })
}

fn model_identity(planned: &PlannedModel, checkpoint: &Checkpoint) -> ModelIdentity {
    ModelIdentity {
        label: planned.label.clone(),
        parameters: checkpoint.config.parameters(),
        config_sha256: hash_of(&checkpoint.config),
        weights_sha256: checkpoint.weights.sha256(),
        tokenizer_sha256: checkpoint.tokenizer.sha256().to_owned(),
    }
}

fn plan_tasks(
    tasks: &[ReadyTask],
    model: &PlannedModel,
    checkpoint: &Checkpoint,
    fail_fast: bool,
) -> Result<Vec<TaskWork>, RunError> {
    let mut planner = Planner::new(&checkpoint.tokenizer, checkpoint.config.context);
    let mut planned = Vec::new();
    for task in tasks {
        let mut of_task = TaskWork::new();
        for (requests, &index) in task.requests.iter().zip(&task.selected) {
            let work: Result<Vec<Work>, _> = requests.iter().map(|request| planner.plan(request)).collect();
            of_task.push(match work {
                Ok(work) => Ok(work),
                Err(source) if fail_fast => {
                    return Err(RunError::Sample {
                        location: task.loaded.location(index),
                        id: task.loaded.id(index).to_owned(),
                        task: task.planned.task.clone(),
                        model: model.label.clone(),
                        source,
                    });
                }
                Err(source) => Err(format!("{}: {source}", task.loaded.location(index))),
            });
        }
        planned.push(of_task);
    }
    Ok(planned)
}
