//! `gpt2-eval report RUN… --format …`.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::arguments::ReportArguments;
use super::{Report, results, say};
use crate::report::{Export, ExportedRun, ExportedTask, Format, Results, Screen};
use crate::run::{FinishedRun, FinishedTask, write_atomically};

/// Who made a run, where nobody says.
pub(super) const UNKNOWN: &str = "unknown";

/// Writes the scores of runs in the formats that are asked for, and returns them or the names of their files.
pub(super) fn report(arguments: &ReportArguments) -> anyhow::Result<Report> {
    let opened = Opened::new(&arguments.runs)?;
    let export = opened.export(&arguments.organization)?;
    for warning in export.results.warnings() {
        say(&format!("warning: {warning}"));
    }
    let text = match (arguments.format.as_slice(), &arguments.out) {
        ([format], None) => String::from_utf8(format.text(&export, Screen::of_standard_output())?)?,
        ([format], Some(file)) if file.extension().is_some() && !file.is_dir() => {
            write(file, &format.text(&export, Screen::FILE)?)?;
            format!("{}\n", file.display())
        }
        (formats, Some(directory)) => write_all(formats, &export, directory)?,
        (formats, None) => {
            let names: Vec<&str> = formats.iter().map(|format| format.as_str()).collect();
            bail!("--format {}: several formats need a directory: --out DIR", names.join(","))
        }
    };
    Ok(Report { text, problem: opened.problem() })
}

/// Runs with what is needed to export them.
pub(super) struct Opened {
    runs: Vec<FinishedRun>,
    scores: Vec<Results>,
    names: Vec<String>,
}

impl Opened {
    /// Reads the run directories, each once.
    pub fn new(paths: &[PathBuf]) -> anyhow::Result<Self> {
        let paths = without_repetitions(paths);
        let runs =
            paths.iter().map(|path| Ok(FinishedRun::open(path)?)).collect::<anyhow::Result<Vec<_>>>()?;
        let scores = runs.iter().map(results::of_run).collect();
        Ok(Self { runs, scores, names: names(&paths) })
    }

    /// All of them together.
    pub fn export<'a>(&'a self, organization: &'a str) -> anyhow::Result<Export<'a>> {
        export(&self.runs, &self.scores, &self.names, organization)
    }

    /// What the runs lack, with their names if there are several.
    pub fn problem(&self) -> Option<String> {
        problem(&self.runs, &self.names)
    }
}

/// Writes the scores of the run at `path` into its own directory.
pub(super) fn write_formats(path: &Path, formats: &[Format]) -> anyhow::Result<()> {
    let opened = Opened::new(&[path.to_owned()])?;
    write_all(formats, &opened.export(UNKNOWN)?, path).map(drop)
}

fn export<'a>(
    runs: &'a [FinishedRun],
    scores: &'a [Results],
    names: &[String],
    organization: &'a str,
) -> anyhow::Result<Export<'a>> {
    let runs = runs.iter().zip(scores).zip(names).map(|((run, results), name)| {
        let tasks = run.tasks.iter().map(|task| exported(run, task)).collect::<anyhow::Result<_>>()?;
        Ok(ExportedRun { name: name.clone(), manifest: &run.manifest, results, tasks, organization })
    });
    Ok(Export::new(runs.collect::<anyhow::Result<_>>()?))
}

/// Each directory once, by whatever path it is named.
fn without_repetitions(paths: &[PathBuf]) -> Vec<PathBuf> {
    let mut seen = Vec::new();
    let mut once = Vec::new();
    for path in paths {
        let place = path.canonicalize().unwrap_or_else(|_| path.clone());
        if !seen.contains(&place) {
            seen.push(place);
            once.push(path.clone());
        }
    }
    once
}

/// What runs are called beside each other: the names of their directories, or the paths where those are the same.
fn names(paths: &[PathBuf]) -> Vec<String> {
    let short = |path: &PathBuf| {
        let place = path.canonicalize().unwrap_or_else(|_| path.clone());
        place
            .file_name()
            .map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
    };
    let all: Vec<String> = paths.iter().map(short).collect();
    let is_unique = |name: &String| all.iter().filter(|other| *other == name).count() == 1;
    let names = all.iter().zip(paths);
    names
        .map(|(name, path)| if is_unique(name) { name.clone() } else { path.display().to_string() })
        .collect()
}

/// What the runs lack, with their names if there are several.
fn problem(runs: &[FinishedRun], names: &[String]) -> Option<String> {
    if let [run] = runs {
        return results::problem(run);
    }
    let problems = runs.iter().zip(names).filter_map(|(run, name)| {
        let problem = results::problem(run)?;
        Some(format!("{name}: {problem}"))
    });
    let problems: Vec<String> = problems.collect();
    (!problems.is_empty()).then(|| problems.join("\n"))
}

/// A task of a run as exporters see it.
fn exported<'a>(run: &FinishedRun, task: &'a FinishedTask) -> anyhow::Result<ExportedTask<'a>> {
    let config = task.config;
    let protocol = &task.measured.protocol;
    Ok(ExportedTask {
        results: results::task_results(task),
        records: &task.records,
        prompts: run.prompts(task)?,
        description: config.protocol(&protocol.name).map_or("", |known| known.description.as_str()),
        hub: config.data.hub.as_deref(),
        split: protocol.options.get("split").map_or(config.data.split.as_str(), String::as_str),
    })
}

fn write_all(formats: &[Format], export: &Export<'_>, directory: &Path) -> anyhow::Result<String> {
    let mut written = String::new();
    for format in formats {
        for file in format.files(export)? {
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
