//! The regression baseline file: a run's identity, its metrics, and the values of every sample that they come from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use anyhow::{Context, anyhow, bail};
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::plan::CustomTaskFile;
use crate::record::{DataIdentity, ModelIdentity, Protocol};
use crate::report::Arithmetic;
use untrusted_input::{clipped, read_bounded};

/// Version of the file format; raised when a field changes its meaning.
pub(super) const BASELINE_VERSION: u32 = 2;

/// Largest baseline in bytes; a million samples take about a hundred million.
const MAX_BYTES: u64 = 1_000_000_000;

/// A run's values for a gate, small enough for a repository.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegressionBaseline {
    /// Version of the file format.
    pub baseline_version: u32,
    /// Version of the program that measured.
    pub program_version: String,
    /// Version of the engine's arithmetic.
    pub engine_version: u32,
    /// Backend: `flex`, `ndarray`, `wgpu`, `cuda`.
    pub backend: String,
    /// Number format of the arithmetic.
    pub dtype: String,
    /// Seed of all sampling.
    pub seed: u64,
    /// In the run's order.
    pub models: Vec<ModelIdentity>,
    /// Task configs of custom tasks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub custom_tasks: Vec<CustomTaskFile>,
    /// In the run's order.
    pub tasks: Vec<BaselineTask>,
}

/// A task of a regression baseline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaselineTask {
    /// Name of the task.
    pub task: String,
    /// The protocol with `data=`, `limit=`… where it used less or other data than the published test set.
    pub protocol: Protocol,
    /// Fingerprint of the data.
    pub data: DataIdentity,
    /// In the order of the data.
    pub samples: SampleIds,
    /// For each sample the number of its story or article; present where samples are not independent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clusters: Option<Vec<usize>>,
    /// In the run's order.
    pub models: Vec<BaselineModel>,
}

/// Ids of a task's samples.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum SampleIds {
    /// `00000`, `00001`…: only their count.
    Numbered(usize),
    /// By name.
    Named(Vec<String>),
}

/// Metrics and values of a model on a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaselineModel {
    /// Label of the model.
    pub model: String,
    /// Headline first.
    pub metrics: Vec<BaselineMetric>,
    /// Indices of samples that failed or are missing, ascending; the columns leave them out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub without: Vec<usize>,
    /// The values that the metrics are computed from.
    #[serde(deserialize_with = "distinct_names")]
    pub values: BTreeMap<String, Column>,
    /// sha256 of the model's sample results, as lines of the journal.
    pub records_sha256: String,
}

/// A metric and its value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaselineMetric {
    /// Name.
    pub metric: String,
    /// Its value; accuracies in percent.
    pub value: f64,
}

/// One value of every sample. JSON has integers if all values are integers, else the shortest decimals that read back
/// as the same bits.
#[derive(Debug, Clone, PartialEq)]
pub struct Column(pub Vec<f64>);

/// Whole numbers up to here are exact in f64.
const MAX_INTEGER: f64 = 9_007_199_254_740_992.0;

impl Serialize for Column {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let is_integer = |value: &f64| {
            value.fract() == 0.0 && value.abs() <= MAX_INTEGER && (*value != 0.0 || value.is_sign_positive())
        };
        if self.0.iter().all(is_integer) {
            return serializer.collect_seq(self.0.iter().map(|&value| value as i64));
        }
        serializer.collect_seq(&self.0)
    }
}

impl<'de> Deserialize<'de> for Column {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self)
    }
}

/// A map of which no name is twice: JSON readers would silently take the last.
fn distinct_names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, Column>, D::Error> {
    struct Columns;
    impl<'de> Visitor<'de> for Columns {
        type Value = BTreeMap<String, Column>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("columns by name")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
            let mut columns = BTreeMap::new();
            while let Some((name, column)) = access.next_entry::<String, Column>()? {
                if columns.contains_key(&name) {
                    return Err(A::Error::custom(format_args!("duplicate field `{name}`")));
                }
                columns.insert(name, column);
            }
            Ok(columns)
        }
    }
    deserializer.deserialize_map(Columns)
}

/// The field that every version of the file has.
#[derive(Deserialize)]
struct Version {
    #[serde(default)]
    baseline_version: Option<serde_json::Value>,
}

impl SampleIds {
    pub(super) fn new(ids: Vec<String>) -> Self {
        let is_numbered = ids.iter().enumerate().all(|(number, id)| *id == format!("{number:05}"));
        if is_numbered { Self::Numbered(ids.len()) } else { Self::Named(ids) }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Numbered(count) => *count,
            Self::Named(ids) => ids.len(),
        }
    }

    pub(super) fn names(&self) -> Vec<String> {
        match self {
            Self::Numbered(count) => (0..*count).map(|number| format!("{number:05}")).collect(),
            Self::Named(ids) => ids.clone(),
        }
    }
}

impl RegressionBaseline {
    /// Reads a baseline file.
    ///
    /// # Errors
    ///
    /// The file is not a baseline, has another version, or contradicts itself ([`RegressionBaseline::check`]).
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        Self::parse(path)
            .map_err(|cause| anyhow!("cannot read {}: {}", path.display(), clipped(&cause.to_string())))
    }

    fn parse(path: &Path) -> anyhow::Result<Self> {
        let bytes = read_bounded(path, MAX_BYTES)?;
        let version: Version = serde_json::from_slice(&bytes)
            .map_err(|cause| anyhow!("{cause}; name a run directory or a file of `gpt2-eval baseline`"))?;
        let version =
            version.baseline_version.map_or_else(|| "missing".to_owned(), |found| found.to_string());
        if version != BASELINE_VERSION.to_string() {
            bail!(
                "its baseline_version is {version}, this program reads {BASELINE_VERSION}; make it again with `gpt2-eval \
                 baseline`"
            );
        }
        let baseline: Self = serde_json::from_slice(&bytes)?;
        baseline.check().map_err(|reason| anyhow!("{reason}; make it again with `gpt2-eval baseline`"))?;
        Ok(baseline)
    }

    /// What computed it.
    pub(super) fn arithmetic(&self) -> Arithmetic<'_> {
        Arithmetic {
            program_version: &self.program_version,
            engine_version: self.engine_version,
            precision: &self.dtype,
            backend: &self.backend,
        }
    }

    /// As JSON with one line per task and model, so that version control shows what changed.
    pub(crate) fn to_json(&self) -> anyhow::Result<String> {
        self.json_lines().context("cannot write the baseline as JSON")
    }

    fn json_lines(&self) -> serde_json::Result<String> {
        let head = serde_json::to_string(&Self { tasks: Vec::new(), ..self.clone() })?;
        let task_lines = |task: &BaselineTask| {
            let head = serde_json::to_string(&BaselineTask { models: Vec::new(), ..task.clone() })?;
            let models = task.models.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>()?;
            Ok(with_lines(&head, &models))
        };
        let tasks = self.tasks.iter().map(task_lines).collect::<serde_json::Result<Vec<_>>>()?;
        Ok(with_lines(&head, &tasks) + "\n")
    }
}

/// Puts `lines` into the empty list that `head` ends with.
fn with_lines(head: &str, lines: &[String]) -> String {
    let head = head.strip_suffix("[]}").unwrap_or(head);
    format!("{head}[\n{}\n]}}", lines.join(",\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_short_and_exact() {
        let json = |values: &[f64]| serde_json::to_string(&Column(values.to_vec())).unwrap();
        assert_eq!(json(&[0.0, 1.0, 1024.0, -3.0]), "[0,1,1024,-3]");
        assert_eq!(json(&[1.0, -14.532_182_428_000_173]), "[1.0,-14.532182428000173]");
        assert_eq!(json(&[-0.0]), "[-0.0]");
        for values in [vec![0.1 + 0.2, 5e-324, 1e300, -0.0], vec![3.0, MAX_INTEGER], vec![]] {
            let back: Column = serde_json::from_str(&json(&values)).unwrap();
            let bits = |column: &[f64]| column.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&back.0), bits(&values));
        }
        assert!(serde_json::from_str::<Column>("[null]").is_err());
    }
}
