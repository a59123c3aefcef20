//! Protocols with their options.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A way to measure a task: the name of a protocol and its options, displayed as `paper,stride=1024`.
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
pub struct Protocol {
    /// `paper`, `harness`, `raw`, `detok`…
    pub name: String,
    /// Options that change the number, in alphabetical order.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
}

impl Protocol {
    /// The protocol of custom tasks.
    pub const CUSTOM: &'static str = "custom";

    /// A protocol without options.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), options: BTreeMap::new() }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name)?;
        self.options.iter().try_for_each(|(name, value)| write!(formatter, ",{name}={value}"))
    }
}
