//! A task with its samples in memory and the requests that they make.

use super::RunError;
use super::selection::{Dealer, LoadedSample, nested_subset};
use crate::data::Split;
use crate::plan::{Plan, PlannedTask};
use crate::record::{DataIdentity, HeuristicResult, MeasuredTask, PromptRecord, Protocol, RequestText};
use crate::tasks::{HeuristicBaseline, Registry, Source, TaskConfig, TaskSamples};
use gpt2_model::engine::Planner;
use gpt2_model::request::{Request, Window};
use untrusted_input::thousands;

/// A task of the plan whose data have been read.
pub(super) struct ReadTask {
    planned: PlannedTask,
    config: &'static TaskConfig,
    /// How its requests read a text, for tasks with windows.
    pub window: Option<Window>,
    /// All samples of the data.
    all: Box<dyn TaskSamples>,
}

impl ReadTask {
    /// Reads the data of a task of `plan`.
    pub fn new(planned: &PlannedTask, plan: &Plan, registry: &Registry) -> Result<Self, RunError> {
        let task = registry.find(&planned.task).ok_or_else(|| RunError::unknown_task(&planned.task))?;
        let split = planned.protocol.options.get("split").and_then(|split| Split::find(split));
        let source = Source::new(&plan.data, split.unwrap_or(task.config().data.split), plan.seed);
        let all = task.load(&source, &planned.protocol)?;
        let window = task.window(&planned.protocol);
        Ok(Self { planned: planned.clone(), config: task.config(), window, all })
    }

    /// `Err` if the stride that the user chose is longer than the windows of the model with this label and `n_positions`
    /// positions.
    pub fn check_stride(&self, label: &str, n_positions: usize) -> Result<(), RunError> {
        let PlannedTask { task, protocol } = &self.planned;
        let stride = protocol.options.get("stride").and_then(|stride| stride.parse::<usize>().ok());
        let (Some(window), Some(stride)) = (self.window, stride) else { return Ok(()) };
        let tokens = window.tokens(n_positions);
        if stride <= tokens {
            return Ok(());
        }
        let (stride, shown) = (thousands(stride as u64), thousands(tokens as u64));
        Err(RunError::Other(format!(
            "{task}:{protocol} on {label}: the stride of {stride} tokens is longer than the window of {shown}; use --stride \
             with 1 to {tokens}"
        )))
    }

    /// Chooses the samples that are run and builds their requests; `dealer` chooses those of a shard. `--limit` takes only
    /// samples with something to score for every one of `planners`: in a part of a text no window may begin.
    pub fn select(
        self,
        plan: &Plan,
        planners: &mut [Planner<'_>],
        dealer: Option<&mut Dealer>,
    ) -> LoadedTask {
        let Self { planned, config, window, all } = self;
        let has_targets = |index: usize| {
            window.is_none()
                || all.requests(index).iter().all(|request| {
                    planners
                        .iter_mut()
                        .all(|planner| planner.plan(request).map_or(true, |work| work.has_targets()))
                })
        };
        let selected = nested_subset(&*all, plan.limit, plan.seed, has_targets);
        let mut label = planned.protocol.clone();
        label.options.extend(all.label());
        if selected.len() < all.len() {
            label.options.insert("limit".to_owned(), selected.len().to_string());
        }
        let selected = selected.into_iter().enumerate();
        let mut samples: Vec<LoadedSample> =
            selected.map(|(in_run, index)| LoadedSample::new(&*all, index, in_run)).collect();
        if let (Some(dealer), Some(shard)) = (dealer, plan.shard) {
            let owners = dealer.deal(&*all, &samples);
            samples.retain(|sample| owners[sample.index_in_run] == shard.index);
            label.options.insert("shard".to_owned(), shard.to_string());
        }
        let indices: Vec<usize> = samples.iter().map(|sample| sample.index).collect();
        let baselines = all.baselines(&indices);
        LoadedTask { planned, config, label, all, samples, baselines }
    }
}

/// A task of the plan with the samples that are run.
pub struct LoadedTask {
    /// Name and protocol.
    pub planned: PlannedTask,
    config: &'static TaskConfig,
    /// Protocol in outputs: with `data=sample`, `limit=100`… where not all of the published test set is used.
    pub(super) label: Protocol,
    /// All samples of the data.
    pub(super) all: Box<dyn TaskSamples>,
    /// The samples that are run, in the order of the data.
    pub(super) samples: Vec<LoadedSample>,
    /// Heuristic baselines on those samples.
    pub(super) baselines: Vec<HeuristicBaseline>,
}

impl LoadedTask {
    /// The manifest's entry.
    pub fn measured(&self) -> MeasuredTask {
        MeasuredTask {
            task: self.planned.task.clone(),
            protocol: self.planned.protocol.clone(),
            label: self.label.clone(),
            journal: self.journal_name(),
            records: self.all.len(),
            samples: self.samples.len(),
        }
    }

    pub(super) fn data_identity(&self) -> DataIdentity {
        DataIdentity {
            task: self.planned.task.clone(),
            sha256: self.all.file_sha256(),
            examples_sha256: self.all.examples_sha256(),
            records: self.all.len(),
            provenance: self.all.provenance().as_str().to_owned(),
        }
    }

    /// File name of the journal: `<task>.jsonl` for the default protocol, else `<task>.<protocol>.jsonl`.
    pub(super) fn journal_name(&self) -> String {
        let PlannedTask { task, protocol } = &self.planned;
        let is_default = self.config.planned(self.config.default_protocol()).protocol == *protocol;
        if is_default { format!("{task}.jsonl") } else { format!("{task}.{protocol}.jsonl") }
    }

    pub(super) fn id(&self, sample: &LoadedSample) -> &str {
        self.all.id(sample.index)
    }

    /// File and line of a sample.
    pub(super) fn location(&self, sample: &LoadedSample) -> String {
        self.all.location(sample.index)
    }

    /// The lines of `prompts/<journal>`.
    pub(super) fn prompts(&self) -> Vec<PromptRecord> {
        let samples = self.samples.iter();
        samples
            .map(|sample| PromptRecord {
                id: self.id(sample).to_owned(),
                location: self.location(sample),
                requests: texts(&sample.requests),
                expected: self.all.expected(sample.index),
            })
            .collect()
    }

    /// The lines of `baselines/<journal>`.
    pub(super) fn heuristic_results(&self) -> Vec<HeuristicResult> {
        let mut results = Vec::new();
        for HeuristicBaseline { name, values, clusters } in &self.baselines {
            for ((sample, values), cluster) in self.samples.iter().zip(values).zip(clusters) {
                let id = self.id(sample).to_owned();
                let (cluster, values) = (cluster.clone(), values.clone());
                results.push(HeuristicResult { method: name.clone(), id, cluster, values });
            }
        }
        results
    }
}

/// The texts of requests; a context is left out where it is that of the request before.
fn texts(requests: &[Request]) -> Vec<RequestText> {
    let mut previous: Option<&str> = None;
    requests
        .iter()
        .map(|request| {
            let (context, target) = match request {
                Request::LogLikelihood { context, continuation, .. } => {
                    (Some(context.as_str()), Some(continuation.clone()))
                }
                Request::Rolling { document, part, .. } => {
                    (None, Some(document.text().get(part.clone()).unwrap_or_default().to_owned()))
                }
                Request::Generate { prompt, .. } => (Some(prompt.as_str()), None),
            };
            let is_repeated = context.is_some() && context == previous;
            previous = context;
            RequestText { context: context.filter(|_| !is_repeated).map(str::to_owned), target }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use gpt2_model::request::{Overflow, Span};

    #[test]
    fn a_repeated_context_is_left_out() {
        let request = |context: &str, continuation: &str| Request::LogLikelihood {
            context: context.to_owned(),
            continuation: continuation.to_owned(),
            excluded_words: [].into(),
            overflow: Overflow::Refuse,
            span: Span::Continuation,
        };
        let texts = texts(&[request("a", "b"), request("a", "c"), request("d", "c")]);
        let contexts: Vec<Option<&str>> = texts.iter().map(|text| text.context.as_deref()).collect();
        assert_eq!(contexts, [Some("a"), None, Some("d")]);
        assert_eq!(texts[1].target.as_deref(), Some("c"));
    }
}
