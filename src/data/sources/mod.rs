//! Dataset sources: the program itself, a directory, the Hugging Face hub, and the sites where authors publish their
//! data. [`provision`] downloads from the last two into a directory.

mod directory;
mod hub;
mod provision;
mod upstream;

pub use hub::HubConfig;
pub(super) use hub::question as cbt_question;
pub(crate) use provision::{Needed, Provision, list, missing};
pub use upstream::UpstreamConfig;

use super::{DataConfig, DataError, DataFile, Split};
use crate::plan::DataSource;

/// A bundled file: its name in the task's folder and its content.
pub type BundledFile = (&'static str, &'static [u8]);

impl DataFile {
    /// The task's file of this split from `source`; `Ok(None)` if there is none.
    pub(crate) fn open(
        task: &str,
        config: &DataConfig,
        samples: &[BundledFile],
        source: &DataSource,
        split: Split,
    ) -> Result<Option<Self>, DataError> {
        match source {
            DataSource::Sample => bundled_sample(task, config, samples, split),
            DataSource::Directory(path) => directory::find(config, path, split),
            DataSource::TaskFiles => Ok(None),
        }
    }

    /// The error when [`Self::open`] finds nothing.
    pub(crate) fn not_found(task: &str, config: &DataConfig, source: &DataSource, split: Split) -> DataError {
        let DataSource::Directory(directory) = source else {
            return DataError::NoSample { task: task.to_owned(), split: split.as_str() };
        };
        let mut names: Vec<String> = Vec::new();
        for file in config.of_split(&config.files, split) {
            let name = match &file.with {
                Some(with) => format!("{} with {with}", file.name),
                None => file.name.clone(),
            };
            // The config lists a file twice if the hub has it in two forms.
            if !names.contains(&name) {
                names.push(name);
            }
        }
        DataError::NotFound { task: task.to_owned(), directory: directory.clone(), names }
    }
}

fn bundled_sample(
    task: &str,
    config: &DataConfig,
    samples: &[BundledFile],
    split: Split,
) -> Result<Option<DataFile>, DataError> {
    let Some(known) = config.of_split(&config.samples, split).next() else { return Ok(None) };
    let bundled = |name: &str| {
        let found = samples.iter().find(|(known, _)| *known == name);
        let (name, bytes) = found.ok_or_else(|| DataError::NotFound {
            task: task.to_owned(),
            directory: "the program".into(),
            names: vec![name.to_owned()],
        })?;
        Ok(DataFile::bundled(&format!("tasks/{task}/{name}"), bytes))
    };
    let mut file = bundled(&known.name)?;
    if let Some(with) = &known.with {
        file.companion = Some(Box::new(bundled(with)?));
    }
    Ok(Some(file))
}
