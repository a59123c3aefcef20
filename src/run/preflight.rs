//! Reads and checks every input of a run before the first forward pass: models are opened, data files read, requests
//! turned into tokens.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::loaded::{LoadedTask, ReadTask};
use super::selection::{Dealer, SELECTION_VERSION};
use super::{FinishedTask, RunError};
use crate::plan::{ModelSource, Plan, PlannedModel};
use crate::record::{CustomTaskIdentity, DataNotes, FileFingerprint, Identity, ModelIdentity, ModelNotes};
use crate::tasks::Registry;
use gpt2_kernels::Precision;
use gpt2_model::engine::{ENGINE_VERSION, Planner, Work};
use gpt2_model::{Checkpoint, CheckpointError, ComputeDevice};
use untrusted_input::thousands;

/// Maximum number of tasks in the message of a run that cannot measure anything.
const MAX_REASONS: usize = 5;

/// A model whose files have been opened and checked.
pub(crate) struct ReadyModel {
    /// Label and source.
    pub planned: PlannedModel,
    /// Configuration, mapped weights, tokenizer.
    pub checkpoint: Checkpoint,
    /// Fingerprints.
    pub identity: ModelIdentity,
    /// The work of every task, in the plan's order; shared by models with the same tokenizer and context.
    pub(super) work: Arc<Vec<TaskWork>>,
}

/// The tokenized requests of a task: for each sample one piece of work a request, or why the sample cannot be run.
pub(super) type TaskWork = Vec<Result<Vec<Work>, String>>;

/// A plan whose inputs have been read and checked.
pub struct Preflight {
    /// In the plan's order.
    pub(crate) models: Vec<ReadyModel>,
    /// In the plan's order.
    pub tasks: Vec<LoadedTask>,
    /// What decides the result.
    pub identity: Identity,
    /// Number format of weights and activations.
    pub(crate) precision: Precision,
    registry: Registry,
}

impl Preflight {
    /// Opens, reads and checks every input that `plan` names. With `fail_fast`, a sample that a model cannot run is an
    /// error; without it, only this sample fails.
    pub fn new(plan: &Plan, device: &ComputeDevice, fail_fast: bool) -> Result<Self, RunError> {
        let registry = Registry::new(&plan.custom_tasks)?;
        let read: Vec<ReadTask> = plan
            .tasks
            .iter()
            .map(|planned| ReadTask::new(planned, plan, &registry))
            .collect::<Result<_, _>>()?;
        let checkpoints: Vec<Checkpoint> =
            plan.models.iter().map(open_checkpoint).collect::<Result<_, _>>()?;
        for task in &read {
            for (planned, checkpoint) in plan.models.iter().zip(&checkpoints) {
                task.check_stride(&planned.label, checkpoint.config.n_positions)?;
            }
        }
        let Planned { tasks, work } = plan_tasks(read, plan, &checkpoints, fail_fast)?;
        let models: Vec<ReadyModel> = plan
            .models
            .iter()
            .zip(checkpoints)
            .zip(work)
            .map(|((planned, checkpoint), work)| ReadyModel {
                planned: planned.clone(),
                identity: model_identity(planned, &checkpoint),
                checkpoint,
                work,
            })
            .collect();
        // A shard may have no sample that runs where others have some.
        if plan.shard.is_none() {
            check_some_sample_runs(&tasks, &models)?;
        }
        let custom_tasks = plan.custom_tasks.iter();
        let identity = Identity {
            engine_version: ENGINE_VERSION,
            backend: device.backend().to_owned(),
            dtype: plan.precision.arithmetic(),
            models: models.iter().map(|model| model.identity.clone()).collect(),
            tasks: plan.tasks.clone(),
            custom_tasks: custom_tasks
                .map(|file| CustomTaskIdentity { task: file.task.clone(), sha256: file.sha256.clone() })
                .collect(),
            data: tasks.iter().map(LoadedTask::data_identity).collect(),
            limit: plan.limit,
            selection: plan.limit.map(|_| SELECTION_VERSION),
            seed: plan.seed,
            shard: plan.shard,
        };
        Ok(Self { models, tasks, identity, precision: plan.precision, registry })
    }

    /// Tokens that all models read together.
    pub(crate) fn total_tokens(&self) -> u64 {
        self.models
            .iter()
            .flat_map(|model| model.work.iter())
            .map(|task| tokens_of(task.iter().flatten().flatten()))
            .sum()
    }

    /// The tasks as finished ones without sample results yet, with their heuristic baselines.
    pub(crate) fn finished_tasks(&self) -> Result<Vec<FinishedTask>, RunError> {
        let finished = |task: &LoadedTask| {
            let finished = FinishedTask::new(task.measured(), &self.registry)?;
            Ok(FinishedTask { baselines: task.baselines.clone(), ..finished })
        };
        self.tasks.iter().map(finished).collect()
    }

    /// The notes on the models' checkpoints.
    pub(crate) fn model_notes(&self) -> Vec<ModelNotes> {
        let noted = self.models.iter().filter(|model| !model.checkpoint.notes.is_empty());
        noted
            .map(|model| ModelNotes {
                label: model.planned.label.clone(),
                notes: model.checkpoint.notes.clone(),
            })
            .collect()
    }

    /// The proofs of the tasks' data and the notes on them, once for each task.
    pub(crate) fn data_notes(&self) -> Vec<DataNotes> {
        let mut all: Vec<DataNotes> = Vec::new();
        for task in &self.tasks {
            let proof = task.all.proof().map(|proof| proof.as_str().to_owned());
            let notes =
                DataNotes { task: task.planned.task.clone(), proof, notes: task.all.notes().to_vec() };
            if (notes.proof.is_some() || !notes.notes.is_empty()) && !all.contains(&notes) {
                all.push(notes);
            }
        }
        all
    }

    /// Every file that was read, each once.
    pub(crate) fn files(&self) -> Vec<FileFingerprint> {
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
        for (path, sha256) in self.tasks.iter().flat_map(|task| task.all.files()) {
            add("data".to_owned(), path, sha256);
        }
        files
    }
}

/// Tokens that some work reads.
pub(super) fn tokens_of<'a>(work: impl Iterator<Item = &'a Work>) -> u64 {
    work.map(|work| work.tokens() as u64).sum()
}

fn open_checkpoint(planned: &PlannedModel) -> Result<Checkpoint, RunError> {
    let opened = match &planned.source {
        ModelSource::Directory(path) => Checkpoint::open(path),
        ModelSource::Bundled => Checkpoint::bundled(&planned.label).unwrap_or_else(|| {
            let reason = "no bundled model of this name".to_owned();
            Err(CheckpointError::not_found(planned.label.as_ref(), &reason))
        }),
    };
    opened.map_err(|source| RunError::Checkpoint { label: planned.label.clone(), source })
}

/// `Err` if no model can run any sample, which no other attempt changes. Names the first sample of each task on each model.
fn check_some_sample_runs(tasks: &[LoadedTask], models: &[ReadyModel]) -> Result<(), RunError> {
    let mut reasons = Vec::new();
    for model in models {
        for (task, work) in tasks.iter().zip(model.work.iter()) {
            if work.iter().any(Result::is_ok) {
                return Ok(());
            }
            let first = work.iter().find_map(|work| work.as_ref().err());
            let (name, label, count) =
                (&task.planned.task, &model.planned.label, thousands(work.len() as u64));
            reasons.extend(
                first.map(|first| format!("{label} can run none of the {count} samples of {name}: {first}")),
            );
        }
    }
    let more = reasons.len().saturating_sub(MAX_REASONS);
    reasons.truncate(MAX_REASONS);
    if more > 0 {
        reasons.push(format!("and {more} more tasks"));
    }
    if reasons.is_empty() { Ok(()) } else { Err(RunError::Other(reasons.join("\n"))) }
}

fn model_identity(planned: &PlannedModel, checkpoint: &Checkpoint) -> ModelIdentity {
    // The configuration has string keys and no floats that JSON cannot hold.
    let config = serde_json::to_vec(&checkpoint.config).unwrap_or_default();
    ModelIdentity {
        label: planned.label.clone(),
        parameters: checkpoint.config.parameters(),
        n_positions: checkpoint.config.n_positions,
        config_sha256: hex::encode(Sha256::digest(config)),
        weights_sha256: checkpoint.weights.sha256(),
        tokenizer_sha256: checkpoint.tokenizer.sha256().to_owned(),
    }
}

/// The tasks with the samples that are run, and for each model the work of every task.
struct Planned {
    tasks: Vec<LoadedTask>,
    work: Vec<Arc<Vec<TaskWork>>>,
}

/// Chooses the samples of every task and turns their requests into tokens, once for all models with the same tokenizer
/// and context.
fn plan_tasks(
    read: Vec<ReadTask>,
    plan: &Plan,
    checkpoints: &[Checkpoint],
    fail_fast: bool,
) -> Result<Planned, RunError> {
    let mut dealer = plan.shard.map(|shard| Dealer::new(shard.count));
    // A token without a row in the embedding is an error.
    let key = |Checkpoint { tokenizer, config, .. }: &Checkpoint| {
        (tokenizer.sha256().to_owned(), config.n_positions, config.vocab_size)
    };
    let keys: Vec<_> = checkpoints.iter().map(key).collect();
    // Index of the first model with the same key.
    let first_of = |key| keys.iter().position(|known| known == key).unwrap_or_default();
    let first: Vec<usize> = keys.iter().map(first_of).collect();
    let distinct: Vec<usize> = (0..first.len()).filter(|&index| first[index] == index).collect();
    let planner = |&index: &usize| {
        let Checkpoint { tokenizer, config, .. } = &checkpoints[index];
        Planner::new(tokenizer, config.n_positions)
    };
    let mut planners: Vec<Planner<'_>> = distinct.iter().map(planner).collect();
    let mut work: Vec<Vec<TaskWork>> = vec![Vec::new(); planners.len()];
    let mut tasks = Vec::new();
    for task in read {
        let task = task.select(plan, &mut planners, dealer.as_mut());
        for ((planner, work), &index) in planners.iter_mut().zip(&mut work).zip(&distinct) {
            work.push(plan_task(&task, &plan.models[index], planner, fail_fast)?);
        }
        tasks.push(task);
    }
    let shared: Vec<Arc<Vec<TaskWork>>> = work.into_iter().map(Arc::new).collect();
    let of_model = |first| {
        let number = distinct.iter().position(|known| known == first)?;
        shared.get(number).cloned()
    };
    Ok(Planned { tasks, work: first.iter().filter_map(of_model).collect() })
}

fn plan_task(
    task: &LoadedTask,
    model: &PlannedModel,
    planner: &mut Planner<'_>,
    fail_fast: bool,
) -> Result<TaskWork, RunError> {
    let mut of_task = TaskWork::new();
    for sample in &task.samples {
        let work: Result<Vec<Work>, _> =
            sample.requests.iter().map(|request| planner.plan(request)).collect();
        let location = task.location(sample);
        of_task.push(match work {
            Err(source) if fail_fast => {
                let (id, task, model) = (task.id(sample), &task.planned.task, &model.label);
                return Err(RunError::Other(format!(
                    "{location}: sample {id} of {task} cannot be run on {model}: {source}"
                )));
            }
            work => work.map_err(|source| format!("{location}: {source}")),
        });
    }
    Ok(of_task)
}
