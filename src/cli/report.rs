//! `gpt2-eval report RUN --format …`.

use std::path::Path;

use anyhow::{Context, bail};

use super::Report;
use super::arguments::ReportArguments;
use super::results;
use crate::report::{ExportedRun, ExportedTask, Format};
use crate::run::{FinishedRun, FinishedTask, write_atomically};

/// Writes the scores of a run in the formats that are asked for, and returns them or the names of their files.
pub(super) fn report(arguments: &ReportArguments) -> anyhow::Result<Report> {
    let run = FinishedRun::open(&arguments.run)?;
    let scores = results::of_run(&run);
    let tasks = run.tasks.iter().map(|task| exported(&run, task)).collect::<anyhow::Result<_>>()?;
    let exported = ExportedRun {
        manifest: &run.manifest,
        results: &scores,
        tasks,
        organization: &arguments.organization,
    };
    let text = match (arguments.format.as_slice(), &arguments.out) {
        ([format], None) => String::from_utf8(format.text(&exported)?)?,
        ([format], Some(file)) if file.extension().is_some() && !file.is_dir() => {
            write(file, &format.text(&exported)?)?;
            format!("{}\n", file.display())
        }
        (formats, Some(directory)) => write_all(formats, &exported, directory)?,
        (formats, None) => {
            let names: Vec<&str> = formats.iter().map(|format| format.as_str()).collect();
            bail!("--format {}: several formats need a directory: --out DIR", names.join(","))
        }
    };
    Ok(Report { text, problem: results::problem(&run) })
}

fn exported<'a>(run: &FinishedRun, task: &'a FinishedTask) -> anyhow::Result<ExportedTask<'a>> {
    let card = task.card;
    let protocol = &task.measured.protocol;
    Ok(ExportedTask {
        results: results::task_results(task),
        records: &task.records,
        prompts: run.prompts(task)?,
        description: card.protocol(&protocol.name).map_or("", |known| known.description.as_str()),
        hub: card.data.hub.as_deref(),
        split: protocol.options.get("split").map_or(card.data.split.as_str(), String::as_str),
    })
}

fn write_all(formats: &[Format], run: &ExportedRun<'_>, directory: &Path) -> anyhow::Result<String> {
    let mut written = String::new();
    for format in formats {
        for file in format.files(run)? {
            let path = directory.join(&file.path);
            write(&path, &file.content)?;
            written.push_str(&format!("{}\n", path.display()));
        }
    }
    Ok(written)
}

fn write(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)
            .with_context(|| format!("cannot make the directory {}", directory.display()))?;
    }
    Ok(write_atomically(path, content)?)
}
