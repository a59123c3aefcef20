//! `gpt2-eval check`.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, ValueEnum};

use super::baseline::refuse_unfinished;
use super::output::{Problem, Report};
use crate::gate::{Check, CheckOptions, CheckedRecords, ModelMap, Side, Tolerances};
use crate::gate::{check as check_run, check_records, check_sections, check_summary, junit};
use crate::report::{Screen, markdown, terminal};
use untrusted_input::thousands;

#[derive(Debug, Args)]
pub(super) struct CheckArguments {
    /// Regression baseline of `gpt2-eval baseline`, or a run directory
    #[arg(value_name = "BASELINE")]
    baseline: PathBuf,
    /// Run directory
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// How much worse a metric may be: `task.metric=0.5%` of its value, or `task.metric=0.5` in its unit; `*` matches
    /// any task or metric; may be repeated [default: 0]
    #[arg(long, value_name = "TASK.METRIC=AMOUNT")]
    tolerance: Vec<String>,
    /// Models that have another label in RUN; not needed if both have one model
    #[arg(long, value_delimiter = ',', value_name = "OLD=NEW,…")]
    models: Vec<String>,
    /// Require that every record is identical
    #[arg(long)]
    exact: bool,
    /// Output format
    #[arg(long, default_value = "text")]
    format: CheckFormat,
    /// Also write the result to a file: JUnit if its name ends in .xml, Markdown for .md, text for .txt, else the format
    /// of --format; may be repeated
    #[arg(short, long, value_name = "FILE")]
    output: Vec<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum CheckFormat {
    Text,
    /// Markdown, for the summary of a CI job
    Markdown,
    /// JUnit XML, which CI systems show as tests
    Junit,
}

/// Checks a run against a regression baseline.
pub(super) fn check(arguments: &CheckArguments) -> anyhow::Result<Report> {
    let options = CheckOptions {
        tolerances: Tolerances::parse(&arguments.tolerance)?,
        models: ModelMap::parse(&arguments.models)?,
        exact: arguments.exact,
    };
    let (base, new) = (Side::open(&arguments.baseline)?, Side::of_run(&arguments.run)?);
    if let Some(run) = &base.run {
        refuse_unfinished(run)?;
    }
    let checked = check_run(base.named(), new.named(), &options)?;
    let records = if arguments.exact { check_records(&base, &new, &options.models)? } else { Vec::new() };
    let title = format!("{} against {}", new.name, base.name);
    let result = |format, screen| formatted(format, screen, &checked, &records, &title);
    for path in &arguments.output {
        let content = result(format_of(path, arguments.format), Screen::FILE);
        std::fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let text = result(arguments.format, Screen::of_standard_output());
    if checked.is_failure() || records.iter().any(|records| records.difference.is_some()) {
        let reason = format!("{title}: {}", check_summary(&checked, &records));
        return Ok(Report { text, problem: Some(Problem::GateFailed(reason)) });
    }
    let missing = checked.missing_samples();
    let problem = (missing > 0).then(|| {
        let count = thousands(missing as u64);
        Problem::Incomplete(format!(
            "{count} samples of {} are missing or failed in {}; the gate passed without them",
            base.name, new.name
        ))
    });
    Ok(Report { text, problem })
}

fn formatted(
    format: CheckFormat,
    screen: Screen,
    check: &Check,
    records: &[CheckedRecords],
    title: &str,
) -> String {
    match format {
        CheckFormat::Text => terminal(&check_sections(check, records), screen),
        CheckFormat::Markdown => markdown(&check_sections(check, records), title, &[]),
        CheckFormat::Junit => junit(check, records),
    }
}

/// The format of a file by its extension.
fn format_of(path: &Path, otherwise: CheckFormat) -> CheckFormat {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("xml") => CheckFormat::Junit,
        Some("md") => CheckFormat::Markdown,
        Some("txt") => CheckFormat::Text,
        _ => otherwise,
    }
}
