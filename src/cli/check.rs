//! `gpt2-eval check`.

use std::path::Path;

use anyhow::Context;

use super::arguments::{CheckArguments, CheckFormat};
use super::{GateFailed, Report};
use crate::gate::{Check, CheckOptions, CheckedRecords, ModelMap, Side, Tolerances};
use crate::gate::{check as check_run, check_records, check_sections, check_summary, junit};
use crate::report::{Screen, markdown, terminal};
use untrusted_input::thousands;

/// Holds a run against a baseline.
pub(super) fn check(arguments: &CheckArguments) -> anyhow::Result<Report> {
    let options = CheckOptions {
        tolerances: Tolerances::parse(&arguments.tolerance)?,
        models: ModelMap::parse(&arguments.models)?,
        ..CheckOptions::default()
    };
    let (base, new) = (Side::open(&arguments.baseline)?, Side::of_run(&arguments.run)?);
    let checked = check_run(base.named(), new.named(), &options)?;
    let records = if arguments.exact { check_records(&base, &new, &options.models)? } else { Vec::new() };
    let title = format!("{} against {}", new.name, base.name);
    let written = |format, screen| written(format, screen, &checked, &records, &title);
    for path in &arguments.output {
        let content = written(format_of(path, arguments.format), Screen::FILE);
        std::fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let text = written(arguments.format, Screen::of_standard_output());
    if checked.is_failure() || records.iter().any(|records| records.difference.is_some()) {
        let reason = format!("{title}: {}", check_summary(&checked, &records));
        return Err(GateFailed { report: text, reason }.into());
    }
    let missing = checked.missing_samples();
    let problem = (missing > 0).then(|| {
        let count = thousands(missing as u64);
        format!(
            "{count} samples of {} are not in {}, or failed there; the gate passed without them",
            base.name, new.name
        )
    });
    Ok(Report { text, problem })
}

fn written(
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

/// The format that a file's name says.
fn format_of(path: &Path, otherwise: CheckFormat) -> CheckFormat {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("xml") => CheckFormat::Junit,
        Some("md") => CheckFormat::Markdown,
        Some("txt") => CheckFormat::Text,
        _ => otherwise,
    }
}
