//! `gpt2-eval ls`.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::data::{DataFile, Proof};
use crate::models::PAPER_SIZES;
use crate::plan::DataSource;
use crate::record::Protocol;
use crate::tasks::{AnyTask, CUSTOM_GROUP, Registry};
use gpt2_model::{BUNDLED_MODELS, find_weights};
use untrusted_input::thousands;

#[derive(Debug, Args)]
pub(super) struct ListArguments {
    /// Task config of a custom task (docs/custom-tasks.md); may be repeated
    #[arg(long, value_name = "FILE")]
    task_file: Vec<PathBuf>,
    /// Directory to search for data
    #[arg(short, long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Directory to search for models
    #[arg(long, value_name = "DIR", env = "GPT2_EVAL_MODELS", default_value = "models")]
    models_dir: PathBuf,
}

/// Lists tasks with their protocols and data, then models.
pub(super) fn list(arguments: &ListArguments) -> anyhow::Result<String> {
    if let Some(directory) = arguments.data.as_deref().filter(|directory| !directory.is_dir()) {
        anyhow::bail!("no data directory at {}", directory.display());
    }
    let mut text = "Tasks (task:protocol; the first protocol is the default)\n".to_owned();
    let registry = Registry::read(&arguments.task_file)?;
    for task in registry.all() {
        describe_task(&mut text, task, arguments.data.as_deref());
    }
    text.push_str("\nModels\n");
    for (label, _, _) in BUNDLED_MODELS {
        text.push_str(&format!("  {label:<12} bundled\n"));
    }
    for size in &PAPER_SIZES {
        let directory = arguments.models_dir.join(size.name);
        let state = if find_weights(&directory).is_some() {
            format!("in {}", directory.display())
        } else {
            format!("{} on the hub, downloaded by a run; or put it into {}", size.hub, directory.display())
        };
        text.push_str(&format!("  {:<12} {state}\n", size.name));
    }
    Ok(text)
}

/// The number of records in the file of a task that is there, and whether they are the published ones; or what is wrong
/// with the file.
fn content(task: &'static dyn AnyTask, directory: &Path) -> String {
    let config = task.config();
    let source = DataSource::Directory(directory.to_owned());
    let protocol = Protocol::new(config.default_protocol());
    let data = config.data.for_protocol(&protocol.name);
    let read = DataFile::open(&config.name, &data, &[], &source, data.split)
        .and_then(|file| file.map(|file| task.read(file, &protocol)).transpose());
    let samples = match read {
        Ok(Some(samples)) => samples,
        Ok(None) => return String::new(),
        Err(error) => return format!("\n                 unusable: {error}"),
    };
    let is_text = config.groups.iter().any(|group| group == "lm");
    let what = if is_text { "parts" } else { "records" };
    let state = match samples.proof() {
        Some(Proof::File) => "the published file",
        Some(Proof::Records) => "the published records in another file",
        None => samples.provenance().as_str(),
    };
    let notes: Vec<String> = match samples.proof() {
        None => samples.notes().iter().map(|note| format!("\n                 {note}")).collect(),
        Some(_) => Vec::new(),
    };
    format!(" ({} {what}, {state}){}", thousands(samples.len() as u64), notes.concat())
}

fn describe_task(text: &mut String, task: &'static dyn AnyTask, data: Option<&Path>) {
    let config = task.config();
    text.push_str(&format!("  {:<12} {}\n", config.name, config.measures));
    for protocol in &config.protocols {
        text.push_str(&format!("    :{:<11} {}\n", protocol.name, protocol.description));
    }
    if let Some(cluster) = &config.cluster {
        text.push_str(&format!("    cluster      {cluster}\n"));
    }
    if config.groups.iter().any(|group| group == CUSTOM_GROUP) {
        let names: Vec<&str> = config.data.files.iter().map(|file| file.name.as_str()).collect();
        text.push_str(&format!("    data         {} beside its task config\n", names.join(", ")));
        return;
    }
    text.push_str("    data         bundled sample");
    match data {
        None => text.push_str("; --data DIR to search for the test set"),
        Some(directory) => match config.data.find_in(directory, config.data.split) {
            Some((_, path)) => text.push_str(&format!("; {}{}", path.display(), content(task, directory))),
            None => {
                let name = config.data.files.first().map_or("", |file| file.name.as_str());
                text.push_str(&format!("; no {}", directory.join(name).display()));
            }
        },
    }
    text.push('\n');
}
