//! Task configs: `tasks/<name>/task.toml`.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::custom::RawQuestion;
use crate::data::DataConfig;
use crate::plan::PlannedTask;
use crate::record::Protocol;
use untrusted_input::clipped;
use untrusted_input::{is_plain_name, path_below};

/// The task config: subject, protocols and data of a task.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskConfig {
    /// Name on the command line.
    pub name: String,
    /// Name in tables.
    pub title: String,
    /// One sentence.
    pub measures: String,
    /// Groups on the command line: `all`, `paper`, `lm`, `zero-shot`.
    pub groups: Vec<String>,
    /// Sources of the data and of the protocol.
    pub citation: String,
    /// Name of the group of samples that share text, such as `story`, where the data have such groups.
    pub cluster: Option<String>,
    /// The first is the default.
    pub protocols: Vec<ProtocolConfig>,
    pub data: DataConfig,
}

/// One way to measure a task.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProtocolConfig {
    /// Name after the colon on the command line.
    pub name: String,
    /// One sentence.
    pub description: String,
    /// Supported options, such as `stride`.
    #[serde(default)]
    pub options: Vec<String>,
    /// Default values of options, such as `shots`.
    #[serde(default)]
    pub defaults: BTreeMap<String, String>,
    /// The keys of a custom task of kind `choice`, for a task that is nothing else.
    pub(super) question: Option<RawQuestion>,
}

impl TaskConfig {
    /// Reads a task config. `Err` has line and column, or the name that could lead out of a directory.
    pub fn parse(toml: &str) -> Result<Self, String> {
        let config: Self = toml::from_str(toml).map_err(|error| clipped(&error.to_string()))?;
        if config.protocols.is_empty() {
            return Err(format!("`{}` has no [[protocols]]; add at least one", config.name));
        }
        // Both become parts of file names.
        for name in config.protocols.iter().map(|protocol| &protocol.name).chain([&config.name]) {
            if !is_plain_name(name) {
                return Err(format!(
                    "invalid name of a task or protocol {name:?}: it must be usable as a file name"
                ));
            }
        }
        for file in config.data.files.iter().chain(&config.data.samples) {
            for name in std::iter::once(&file.name).chain(&file.with) {
                path_below(Path::new(""), name)
                    .map_err(|error| format!("data of `{}`: {error}", config.name))?;
            }
        }
        Ok(config)
    }

    /// A task config that is part of the program.
    ///
    /// # Panics
    /// If it is invalid, which a test rules out.
    #[allow(clippy::panic)]
    pub(super) fn bundled(toml: &str) -> Self {
        Self::parse(toml).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The protocol of this name.
    pub fn protocol(&self, name: &str) -> Option<&ProtocolConfig> {
        self.protocols.iter().find(|protocol| protocol.name == name)
    }

    /// The task under the protocol of this name, with its default options.
    pub fn planned(&self, protocol: &str) -> PlannedTask {
        let options = self.protocol(protocol).map(|known| known.defaults.clone()).unwrap_or_default();
        PlannedTask { task: self.name.clone(), protocol: Protocol { name: protocol.to_owned(), options } }
    }

    /// The protocol of a bare task name.
    pub fn default_protocol(&self) -> &str {
        self.protocols.first().map_or("paper", |protocol| protocol.name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = r#"
        name = "t"
        title = "T"
        measures = "nothing"
        groups = []
        citation = "nobody"
        protocols = [{ name = "paper", description = "d" }]
        data = { files = [{ name = "t/f", with = "t/g" }], samples = [{ name = "s" }] }
    "#;

    #[test]
    fn names_cannot_lead_out_of_a_directory() {
        assert!(TaskConfig::parse(CONFIG).is_ok());
        for (name, bad) in
            [("t/f", "../f"), ("t/f", "/etc/passwd"), ("t/g", "t/../../g"), ("\"s\"", "\"..\"")]
        {
            let error = TaskConfig::parse(&CONFIG.replace(name, bad)).unwrap_err();
            assert!(error.starts_with("data of `t`: the name ") && error.contains("lead out of"), "{error}");
        }
        for (name, bad) in [("\"t\"", "\"../t\""), ("\"paper\"", "\"a/b\"")] {
            let error = TaskConfig::parse(&CONFIG.replace(name, bad)).unwrap_err();
            assert!(error.contains("invalid name of a task or protocol"), "{error}");
        }
    }
}
