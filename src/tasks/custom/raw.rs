//! The keys of a custom task's config with their locations, before they are checked.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use toml::Spanned;

/// All keys of all kinds.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTaskConfig {
    pub name: Spanned<String>,
    pub title: Spanned<String>,
    pub measures: Spanned<String>,
    pub citation: Option<Spanned<String>>,
    pub kind: Spanned<Kind>,
    pub preamble: Option<Spanned<String>>,
    pub prompt: Option<Spanned<String>>,
    pub target: Option<Spanned<String>>,
    pub separator: Option<Spanned<String>>,
    pub shots: Option<Spanned<u16>>,
    pub choices: Option<Spanned<Texts>>,
    pub answer: Option<Spanned<String>>,
    pub answer_is: Option<Spanned<AnswerIs>>,
    pub labels: Option<Spanned<Texts>>,
    pub normalization: Option<Spanned<Normalization>>,
    pub unconditional_prompt: Option<Spanned<String>>,
    pub references: Option<Spanned<Texts>>,
    pub stop: Option<Spanned<Vec<String>>>,
    pub max_new_tokens: Option<Spanned<usize>>,
    pub text: Option<Spanned<String>>,
    pub stride: Option<Spanned<usize>>,
    pub metrics: Option<Spanned<Vec<Spanned<String>>>>,
    pub tokenization: Option<Spanned<Tokenization>>,
    pub group: Option<Spanned<String>>,
    pub derive: Option<Spanned<Derive>>,
    pub fields: Option<Spanned<BTreeMap<String, Spanned<String>>>>,
    pub data: RawData,
}

/// The keys of a choice in the config of a built-in task: `[protocols.question]`. They are those of a custom task.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawQuestion {
    pub prompt: Spanned<String>,
    pub target: Option<Spanned<String>>,
    pub choices: Spanned<Texts>,
    pub answer: Spanned<String>,
    pub answer_is: Spanned<AnswerIs>,
    pub labels: Option<Spanned<Texts>>,
    pub normalization: Option<Spanned<Normalization>>,
    pub metrics: Option<Spanned<Vec<Spanned<String>>>>,
    pub tokenization: Option<Spanned<Tokenization>>,
    pub group: Option<Spanned<String>>,
    pub derive: Option<Spanned<Derive>>,
    pub fields: Option<Spanned<BTreeMap<String, Spanned<String>>>>,
}

impl RawQuestion {
    /// The same keys in a custom task's config.
    pub(super) fn to_task(&self, name: &str, title: &str, measures: &str) -> RawTaskConfig {
        let spanned = |text: &str| Spanned::new(0..0, text.to_owned());
        let RawQuestion { prompt, target, choices, answer, answer_is, labels, normalization, .. } =
            self.clone();
        let RawQuestion { metrics, tokenization, group, derive, fields, .. } = self.clone();
        RawTaskConfig {
            name: spanned(name),
            title: spanned(title),
            measures: spanned(measures),
            citation: None,
            kind: Spanned::new(0..0, Kind::Choice),
            preamble: None,
            prompt: Some(prompt),
            target,
            separator: None,
            shots: None,
            choices: Some(choices),
            answer: Some(answer),
            answer_is: Some(answer_is),
            labels,
            normalization,
            unconditional_prompt: None,
            references: None,
            stop: None,
            max_new_tokens: None,
            text: None,
            stride: None,
            metrics,
            tokenization,
            group,
            derive,
            fields,
            data: RawData::of_file(spanned("data.jsonl")),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawData {
    pub file: Spanned<String>,
    pub sha256: Option<Spanned<String>>,
    pub train: Option<Spanned<String>>,
    pub train_sha256: Option<Spanned<String>>,
    pub format: Option<Spanned<Format>>,
    pub delimiter: Option<Spanned<char>>,
    pub quotes: Option<Spanned<bool>>,
    pub id: Option<Spanned<String>>,
    pub cluster: Option<Spanned<String>>,
    pub each: Option<Spanned<Vec<Spanned<String>>>>,
}

impl RawData {
    fn of_file(file: Spanned<String>) -> Self {
        Self {
            file,
            sha256: None,
            train: None,
            train_sha256: None,
            format: None,
            delimiter: None,
            quotes: None,
            id: None,
            cluster: None,
            each: None,
        }
    }
}

/// The kinds of custom tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The end of a text.
    LastWord,
    /// One of several texts.
    Choice,
    Perplexity,
    /// A completion.
    Generate,
}

/// How a record names the correct choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AnswerIs {
    /// `A` for the first.
    Letter,
    /// 0 for the first.
    Index,
    /// 1 for the first.
    Number,
    /// The choice itself.
    Text,
    /// The choice's element of `labels`.
    Label,
    /// `false` for the first of two, `true` for the second.
    Boolean,
}

/// Normalization of the log-likelihood of a choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Normalization {
    /// Nothing.
    None,
    /// Tokens of the whole target.
    Tokens,
    /// UTF-8 bytes of the choice.
    Bytes,
    /// Characters of the choice.
    Characters,
    /// The log-likelihood of the target after `unconditional_prompt`, which is subtracted.
    Unconditional,
}

/// How prompt and target become tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tokenization {
    /// In one piece; the target begins after the tokens of the prompt alone.
    Together,
    /// Each by itself.
    Separate,
}

/// Fields that are made from a record's other fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Derive {
    /// `context`, `options` and `answer` of the last of RACE's `problems`.
    Race,
}

/// The format of a data file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// A JSON object a line.
    Jsonl,
    /// One JSON list of objects.
    Json,
    /// Comma-separated, with a header.
    Csv,
    /// Tab-separated, with a header.
    Tsv,
    /// Apache Parquet.
    Parquet,
    Text,
}

/// A field name or a list of templates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Texts {
    Field(String),
    Templates(Vec<String>),
}

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Texts;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a field name or a list of templates")
            }

            fn visit_str<E>(self, text: &str) -> Result<Texts, E> {
                Ok(Texts::Field(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Texts, A::Error> {
                let mut templates = Vec::new();
                while let Some(template) = list.next_element()? {
                    templates.push(template);
                }
                Ok(Texts::Templates(templates))
            }
        }

        deserializer.deserialize_any(Either)
    }
}

impl Kind {
    /// Its name in task configs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LastWord => "last-word",
            Self::Choice => "choice",
            Self::Perplexity => "perplexity",
            Self::Generate => "generate",
        }
    }
}

/// Where a key's value is in the text, if it is there.
pub(super) fn span<T>(value: Option<&Spanned<T>>) -> Option<Range<usize>> {
    value.map(Spanned::span)
}
