//! The scores of a run, or of several, with what their tables say about them.

use super::{Caveat, Heading, Scored, Section, Summary, core, sections};
use crate::record::{
    Environment, GroupScore, Identity, MeasuredTask, ModelIdentity, Protocol, SampleResult, Score,
};
use crate::run::{FinishedRun, FinishedTask};
use crate::tasks::{HeuristicBaseline, PAPER_STRIDE};
use text_metrics::Sample;
use untrusted_input::thousands;

/// The scores of one run, which can be unfinished, or of several runs together.
#[derive(Debug, Clone, Default)]
pub struct Results {
    pub(super) headings: Vec<Heading>,
    pub(super) scores: Vec<Score>,
    pub(super) groups: Vec<GroupScore>,
    pub(super) made_by: String,
    pub(super) warnings: Vec<String>,
    pub(super) notes: Vec<String>,
    /// `task:protocol on model: reason` for every task without a value, or without that of a metric.
    pub(super) unmeasured: Vec<String>,
}

/// Program, precision and device.
pub fn made_by(identity: &Identity, environment: &Environment) -> String {
    format!("gpt2-eval {}, {} on {}", environment.program_version, identity.dtype, environment.device)
}

/// Minimum number of tasks for a summary before their tables.
const MIN_TASKS: usize = 2;

impl Results {
    /// Results without tasks; `made_by` names program, precision and device.
    pub fn new(made_by: String) -> Self {
        Self { made_by, ..Self::default() }
    }

    #[cfg(test)]
    pub(super) fn of_scores(headings: Vec<Heading>, scores: Vec<Score>, groups: Vec<GroupScore>) -> Self {
        Self { headings, scores, groups, made_by: "made by a test".to_owned(), ..Self::default() }
    }

    /// The scores of a run directory.
    pub fn of_run(run: &FinishedRun) -> Self {
        let mut results = Self::new(made_by(&run.manifest.identity, &run.manifest.environment));
        for task in &run.tasks {
            results.add_task(task, &run.manifest.identity.models);
        }
        // In the order in which a run computes them.
        for (number, model) in run.manifest.identity.models.iter().enumerate() {
            for task in &run.tasks {
                let Some(records) = task.records.get(number) else { continue };
                if records.len() < task.measured.samples {
                    let reason = format!(
                        "only {} of {} samples are finished; run the same command again to continue",
                        thousands(records.len() as u64),
                        thousands(task.measured.samples as u64)
                    );
                    results.add_failure(model, task, &reason);
                } else {
                    results.add_model(model, task, records);
                }
            }
        }
        results
    }

    /// Adds a task with the scores of its heuristic baselines. Models with windows of different sizes have a heading
    /// each.
    pub fn add_task(&mut self, task: &FinishedTask, models: &[ModelIdentity]) {
        let mut labels: Vec<Protocol> = Vec::new();
        for label in models.iter().map(|model| task.label_of(model)) {
            if !labels.contains(&label) {
                labels.push(label);
            }
        }
        if labels.is_empty() {
            labels.push(task.measured.label.clone());
        }
        for label in &labels {
            self.headings.push(heading(task, label));
        }
        for HeuristicBaseline { name, values, clusters } in &task.baselines {
            let both = values.iter().zip(clusters);
            let samples: Vec<Sample<'_>> =
                both.map(|(values, cluster)| Sample { values, cluster: cluster.as_deref() }).collect();
            let protocol = &task.measured.label;
            let scored = Scored { task, model: name, protocol, parameters: None, failed: 0 };
            self.scores.extend(scored.scores(&samples));
        }
    }

    /// Adds the scores of a model on a task that was added before.
    pub fn add_model(&mut self, model: &ModelIdentity, task: &FinishedTask, records: &[SampleResult]) {
        let (failed, good): (Vec<&SampleResult>, Vec<_>) =
            records.iter().partition(|record| record.error.is_some());
        let samples: Vec<Sample<'_>> = good
            .iter()
            .map(|record| Sample { values: &record.values, cluster: record.cluster.as_deref() })
            .collect();
        let parameters = Some(model.parameters);
        let label = task.label_of(model);
        let protocol = &label;
        let scored = Scored { task, model: &model.label, protocol, parameters, failed: failed.len() };
        let scores = scored.scores(&samples);
        let has_scores = !scores.is_empty();
        let missing = missing_values(task, records, &scores);
        self.scores.extend(scores);
        self.groups.extend(scored.group_scores(&samples));
        core::replace(&mut self.scores);
        let mut footnotes = Vec::new();
        let truncated = records.iter().filter(|record| record.truncated_tokens > 0).count();
        let of_all = |count: usize| {
            format!(
                "{}: {} of {} samples",
                model.label,
                thousands(count as u64),
                thousands(records.len() as u64)
            )
        };
        if truncated > 0 {
            footnotes.push(format!("* {} are longer than the context and were truncated", of_all(truncated)));
        }
        if let Some(first) = failed.first() {
            let reason = first.error.as_deref().unwrap_or_default();
            footnotes.push(format!(
                "§ {} failed and are counted in no score; the first is {}: {reason}",
                of_all(failed.len()),
                first.id
            ));
        }
        if let Some(reason) = &missing {
            let name = format!("{}:{label}", task.measured.task);
            self.unmeasured.push(format!("{name} on {}: {reason}", model.label));
            if failed.is_empty() {
                footnotes.push(format!("§ {}: {reason}", model.label));
            }
        }
        if let Some(heading) = self.heading_of(task, &label) {
            heading.footnotes.extend(footnotes);
            heading.truncated.extend((truncated > 0).then(|| model.label.clone()));
            heading.unmeasured.extend((missing.is_some() && !has_scores).then(|| model.label.clone()));
        }
    }

    /// Adds a footnote that a model has no scores on a task that was added before.
    pub fn add_failure(&mut self, model: &ModelIdentity, task: &FinishedTask, reason: &str) {
        let ModelIdentity { label, .. } = model;
        if let Some(heading) = self.heading_of(task, &task.label_of(model)) {
            heading.footnotes.push(format!("§ {label}: not measured: {reason}"));
            heading.unmeasured.push(label.clone());
        }
    }

    fn heading_of(&mut self, task: &FinishedTask, label: &Protocol) -> Option<&mut Heading> {
        let label = label.to_string();
        self.headings
            .iter_mut()
            .find(|heading| heading.task == task.measured.task && heading.protocol == label)
    }

    /// The rows of `scores.csv`.
    pub fn scores(&self) -> &[Score] {
        &self.scores
    }

    /// The rows of `breakdowns.csv`.
    pub fn groups(&self) -> &[GroupScore] {
        &self.groups
    }

    /// The tasks with their protocols, caveats and footnotes.
    pub fn headings(&self) -> &[Heading] {
        &self.headings
    }

    /// Program, precision and device.
    pub fn made_by(&self) -> &str {
        &self.made_by
    }

    /// The line above tables: what made them, and the meaning of ± and of intervals.
    pub(super) fn byline(&self) -> String {
        format!("{}; ± is the standard error, [low, high] the 95 % interval", self.made_by)
    }

    /// Differences between the runs that affect a comparison; empty for a single run.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Notes on the runs together, such as scores that two runs share.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The paper's summary table with the measured scores.
    pub fn summary(&self) -> Summary {
        Summary::new(&self.headings, &self.scores)
    }

    /// `task:protocol on model: reason` for every task without a value, or without that of a metric, although it was
    /// run.
    pub fn unmeasured(&self) -> &[String] {
        &self.unmeasured
    }

    /// The tables of the tasks.
    pub fn sections(&self) -> Vec<Section> {
        sections(&self.headings, &self.scores, &self.groups)
    }

    /// All tables: the summary, if it has several tasks, and those of the tasks.
    pub fn tables(&self) -> Vec<Section> {
        let summary = self.summary();
        let mut tables = if summary.tasks() < MIN_TASKS { Vec::new() } else { summary.sections() };
        let core = core::section(&self.headings, &self.scores);
        let is_in_core = |heading: &&Heading| core.is_some() && core::is_part(&heading.task);
        let others: Vec<Heading> =
            self.headings.iter().filter(|heading| !is_in_core(heading)).cloned().collect();
        tables.extend(core);
        tables.extend(sections(&others, &self.scores, &self.groups));
        tables
    }

    /// Warnings and notes, as shown before the tables.
    pub fn preface(&self) -> Vec<String> {
        let warnings = self.warnings.iter().map(|warning| format!("Warning: {warning}"));
        warnings.chain(self.notes.iter().cloned()).collect()
    }
}

/// Why a task that was run has no value, or not that of every metric; `None` if it has all. A shard may have nothing to
/// measure.
fn missing_values(task: &FinishedTask, records: &[SampleResult], scores: &[Score]) -> Option<String> {
    let has = |name: &str| scores.iter().any(|score| score.metric == name);
    let missing: Vec<&str> =
        task.metrics.iter().map(|metric| metric.name).filter(|name| !has(name)).collect();
    if missing.is_empty() || task.measured.label.options.contains_key("shard") {
        return None;
    }
    let count = |count: usize| thousands(count as u64);
    let all = count(records.len());
    let failed: Vec<&SampleResult> = records.iter().filter(|record| record.error.is_some()).collect();
    let has_scored = records.iter().any(|record| record.error.is_none() && record.target_tokens > 0);
    let names = missing.join(", ");
    Some(match failed.first() {
        _ if records.is_empty() => "it has no samples".to_owned(),
        Some(first) if !has_scored => {
            let error = first.error.as_deref().unwrap_or_default();
            let failed = if failed.len() == records.len() {
                format!("all {all} samples failed")
            } else {
                format!(
                    "{} of {all} samples failed and no token is scored in the others",
                    count(failed.len())
                )
            };
            format!("{failed}; the first is {}: {error}", first.id)
        }
        None if !has_scored => format!("no token is scored in its {all} samples"),
        _ => format!("its {all} samples give no finite value of {names}"),
    })
}

/// The heading of a task's table for models under `label`.
fn heading(task: &FinishedTask, label: &Protocol) -> Heading {
    let FinishedTask { measured, config, metrics, .. } = task;
    let MeasuredTask { task: name, protocol, records, .. } = measured;
    let known = config.protocol(&protocol.name);
    let takes = |option: &str| known.is_some_and(|known| known.options.iter().any(|name| name == option));
    let number = |option: &str| protocol.options.get(option).and_then(|value| value.parse().ok());
    // Task configs of custom tasks have their own default of `stride`.
    let has_paper_stride = takes("stride") && protocol.name != Protocol::CUSTOM;
    let is_other = |(option, value): &(&String, &String)| {
        known.and_then(|known| known.defaults.get(*option)) != Some(*value)
    };
    let others = protocol.options.iter().filter(is_other).map(|(option, value)| format!("{option}={value}"));
    Heading {
        task: name.clone(),
        title: config.title.clone(),
        protocol: label.to_string(),
        is_default: config.default_protocol() == protocol.name,
        other_options: others.collect::<Vec<_>>().join(","),
        stride: number("stride").or_else(|| has_paper_stride.then_some(PAPER_STRIDE)),
        shots: number("shots").or_else(|| takes("shots").then_some(0)),
        metrics: metrics.iter().map(|metric| metric.name.to_owned()).collect(),
        caveats: Caveat::of_label(label, *records),
        ..Heading::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::find;
    use text_metrics::SampleValues;

    /// What PTB with these log-likelihoods and numbers of tokens reports as not measured.
    fn unmeasured(label: &Protocol, samples: &[(f64, usize)]) -> (Vec<String>, usize) {
        let protocol = Protocol::new("paper");
        let task = find("ptb").unwrap();
        let record = |&(log_likelihood, tokens): &(f64, usize)| SampleResult {
            id: "00000".to_owned(),
            cluster: None,
            key: String::new(),
            prompt_sha256: String::new(),
            context_tokens: 0,
            target_tokens: tokens,
            truncated_tokens: 0,
            responses: Vec::new(),
            candidate_sets: Vec::new(),
            values: ["words", "tokens", "bytes"]
                .into_iter()
                .map(|name| (name.to_owned(), tokens as f64))
                .chain([("log_likelihood".to_owned(), log_likelihood)])
                .collect::<SampleValues>(),
            error: None,
        };
        let finished = FinishedTask {
            measured: MeasuredTask {
                task: "ptb".to_owned(),
                label: label.clone(),
                protocol: protocol.clone(),
                journal: "ptb.jsonl".to_owned(),
                records: samples.len(),
                samples: samples.len(),
            },
            config: task.config(),
            window: None,
            metrics: task.metrics(&protocol),
            breakdowns: Vec::new(),
            prompts: Vec::new(),
            records: Vec::new(),
            baselines: Vec::new(),
        };
        let model = ModelIdentity {
            label: "m".to_owned(),
            parameters: 1,
            n_positions: 1024,
            config_sha256: String::new(),
            weights_sha256: String::new(),
            tokenizer_sha256: String::new(),
        };
        let mut results = Results::new(String::new());
        results.add_task(&finished, std::slice::from_ref(&model));
        results.add_model(&model, &finished, &samples.iter().map(record).collect::<Vec<_>>());
        (results.unmeasured().to_vec(), results.sections().len())
    }

    #[test]
    fn metrics_without_a_value_are_named() {
        let paper = Protocol::new("paper");
        assert_eq!(unmeasured(&paper, &[(-2.0, 1), (-3.0, 1)]), (Vec::new(), 1));
        let (reasons, tables) = unmeasured(&paper, &[(0.0, 0), (0.0, 0)]);
        assert_eq!(reasons, ["ptb:paper on m: no token is scored in its 2 samples"]);
        assert_eq!(tables, 1, "the table says so too");
        let (reasons, _) = unmeasured(&paper, &[(-1e9, 1)]);
        let expected = "ptb:paper on m: its 1 samples give no finite value of perplexity, token_perplexity";
        assert_eq!(reasons, [expected]);
        assert_eq!(unmeasured(&paper, &[]).0, ["ptb:paper on m: it has no samples"],);
        // A shard may have nothing to measure.
        let mut shard = paper;
        shard.options.insert("shard".to_owned(), "0/2".to_owned());
        assert!(unmeasured(&shard, &[]).0.is_empty());
    }
}
