//! `gpt2-eval report RUN… --format …`.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use clap::builder::EnumValueParser;

use super::compute::Trimmed;
use super::output::{Problem, Report, warn};
use super::score;
use crate::report::{Export, ExportedRun, Format, Results, Screen};
use crate::run::{FinishedRun, write_atomically};

/// Default of `--organization`.
pub(super) const UNKNOWN: &str = "unknown";

#[derive(Debug, Args)]
pub(super) struct ReportArguments {
    /// Run directories; several give one table
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<PathBuf>,
    /// Formats, comma-separated
    #[arg(short, long, value_delimiter = ',', value_name = "FORMAT,…", default_value = "table", value_parser = Trimmed(EnumValueParser::<Format>::new()))]
    format: Vec<Format>,
    /// Directory for the files, created if missing; for one format also a file, if the name has an extension [default:
    /// print, for one format]
    #[arg(short, long, value_name = "DIR|FILE")]
    out: Option<PathBuf>,
    /// Who made the run, for eee
    #[arg(long, value_name = "NAME", default_value = UNKNOWN)]
    organization: String,
}

/// Exports the scores of runs; returns them or the names of the files.
pub(super) fn report(arguments: &ReportArguments) -> anyhow::Result<Report> {
    let opened = Opened::new(&arguments.runs)?;
    let export = opened.export(&arguments.organization);
    for warning in export.results.warnings() {
        warn(warning);
    }
    let text = match (arguments.format.as_slice(), &arguments.out) {
        ([format], None) => String::from_utf8(format.document(&export, Screen::of_standard_output())?)?,
        ([format], Some(file)) if file.extension().is_some() && !file.is_dir() => {
            write(file, &format.document(&export, Screen::FILE)?)?;
            format!("{}\n", file.display())
        }
        (formats, Some(directory)) => write_all(formats, &export, directory)?,
        (formats, None) => {
            let names: Vec<&str> = formats.iter().map(|format| format.name()).collect();
            bail!("--format {}: several formats need a directory: add --out DIR", names.join(","))
        }
    };
    Ok(Report { text, problem: opened.problem() })
}

/// Runs with everything that exports need.
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
        let scores = runs.iter().map(Results::of_run).collect();
        Ok(Self { runs, scores, names: names(&paths) })
    }

    pub fn export<'a>(&'a self, organization: &'a str) -> Export<'a> {
        let runs = self.runs.iter().zip(&self.scores).zip(&self.names);
        let runs = runs.map(|((run, results), name)| ExportedRun {
            name: name.clone(),
            manifest: &run.manifest,
            results,
            tasks: &run.tasks,
            organization,
        });
        Export::new(runs.collect())
    }

    /// Missing and failed samples and tasks without a value, with the names of the runs if there are several.
    pub fn problem(&self) -> Option<Problem> {
        let of_run = |(run, results)| score::problem(run, results);
        if let ([run], [results]) = (self.runs.as_slice(), self.scores.as_slice()) {
            return of_run((run, results));
        }
        let mut lines = Vec::new();
        let mut is_unmeasured = false;
        for (pair, name) in self.runs.iter().zip(&self.scores).zip(&self.names) {
            let Some(problem) = of_run(pair) else { continue };
            is_unmeasured |= matches!(problem, Problem::NothingMeasured(_));
            lines.push(format!("{name}: {}", problem.text()));
        }
        let text = lines.join("\n");
        match (text.is_empty(), is_unmeasured) {
            (true, _) => None,
            (false, true) => Some(Problem::NothingMeasured(text)),
            (false, false) => Some(Problem::Incomplete(text)),
        }
    }
}

/// Exports the run at `path` into its own directory.
pub(super) fn write_formats(path: &Path, formats: &[Format]) -> anyhow::Result<()> {
    let opened = Opened::new(&[path.to_owned()])?;
    write_all(formats, &opened.export(UNKNOWN), path).map(drop)
}

/// Each directory once, even if it is given by different paths.
fn without_repetitions(paths: &[PathBuf]) -> Vec<PathBuf> {
    let mut seen = Vec::new();
    let mut once = Vec::new();
    for path in paths {
        let canonical = path.canonicalize().unwrap_or_else(|_| path.clone());
        if !seen.contains(&canonical) {
            seen.push(canonical);
            once.push(path.clone());
        }
    }
    once
}

/// Names of runs in one table: of their directories, or paths where those are the same.
fn names(paths: &[PathBuf]) -> Vec<String> {
    let short = |path: &PathBuf| {
        let canonical = path.canonicalize().unwrap_or_else(|_| path.clone());
        canonical
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
            .with_context(|| format!("cannot create the directory {}", directory.display()))?;
    }
    Ok(write_atomically(path, content)?)
}
