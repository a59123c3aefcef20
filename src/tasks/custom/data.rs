//! `[data]` of a user's card.

use std::path::Path;
use std::sync::Arc;

use toml::Spanned;

use super::config::{path, span};
use super::error::Problem;
use super::raw::{Format, Kind, RawData};
use super::template::FieldPath;
use untrusted_input::did_you_mean;
use untrusted_input::path_below;

/// Where the examples are, and what names them.
#[derive(Debug, Clone)]
pub struct CustomData {
    /// The measured file, below the card's directory.
    pub file: CustomFile,
    /// Where solved examples are from.
    pub train: Option<CustomFile>,
    /// How both are read.
    pub format: Format,
    /// The field that names a record.
    pub id: Option<FieldPath>,
    /// The field that names the story or article of a record.
    pub cluster: Option<FieldPath>,
    /// Fields that are lists with one element a sample.
    pub each: Arc<[String]>,
}

/// A file of a card.
#[derive(Debug, Clone)]
pub struct CustomFile {
    /// Path below the card's directory.
    pub name: String,
    /// sha256 that it must have.
    pub sha256: Option<String>,
}

impl CustomData {
    /// Checks `[data]`.
    pub(super) fn checked(raw: &RawData, kind: Kind) -> Result<Self, Problem> {
        let file = file(&raw.file, raw.sha256.as_ref())?;
        let format = match &raw.format {
            Some(format) => *format.get_ref(),
            None => format_of(&raw.file)?,
        };
        if format == Format::Text && kind != Kind::Perplexity {
            let at = raw.format.as_ref().map_or(raw.file.span(), Spanned::span);
            return Err(Problem::new(at, "a file that is one text is for tasks of kind `perplexity`"));
        }
        let is_text = format == Format::Text;
        for (key, at) in [
            ("id", span(raw.id.as_ref())),
            ("cluster", span(raw.cluster.as_ref())),
            ("each", span(raw.each.as_ref())),
        ] {
            if let Some(at) = at.filter(|_| is_text) {
                let reason = format!("`{key}` has no meaning where the file is one text: it has no fields");
                return Err(Problem::new(at, reason));
            }
        }
        let train = match (&raw.train, &raw.train_sha256) {
            (Some(train), _) if kind == Kind::Perplexity => {
                let reason =
                    "`train` has no meaning for a task of kind `perplexity`: it has no solved examples";
                return Err(Problem::new(train.span(), reason));
            }
            (Some(train), sha256) => Some(self::file(train, sha256.as_ref())?),
            (None, Some(sha256)) => {
                return Err(Problem::new(sha256.span(), "`train_sha256` has no meaning without `train`"));
            }
            (None, None) => None,
        };
        let optional =
            |text: &Option<Spanned<String>>| text.as_ref().map(|t| path(Some(t), 0..0)).transpose();
        let mut each: Vec<String> = Vec::new();
        for name in raw.each.iter().flat_map(Spanned::get_ref) {
            let is_field = FieldPath::parse(name.get_ref()).is_ok_and(|path| path.inside.is_empty());
            if !is_field || each.contains(name.get_ref()) {
                let reason = format!("{:?}: expected the names of fields, each once", name.get_ref());
                return Err(Problem::new(name.span(), reason));
            }
            each.push(name.get_ref().clone());
        }
        let (id, cluster) = (optional(&raw.id)?, optional(&raw.cluster)?);
        Ok(Self { file, train, format, id, cluster, each: each.into() })
    }
}

fn file(name: &Spanned<String>, sha256: Option<&Spanned<String>>) -> Result<CustomFile, Problem> {
    path_below(Path::new(""), name.get_ref()).map_err(|reason| {
        Problem::new(name.span(), format!("{reason}; data are looked for beside the card, or below --data"))
    })?;
    if let Some(sha256) = sha256 {
        let text = sha256.get_ref();
        if text.len() != 64 || !text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(Problem::new(sha256.span(), "a sha256 has 64 digits from 0 to 9 and a to f"));
        }
    }
    Ok(CustomFile { name: name.get_ref().clone(), sha256: sha256.map(|sha256| sha256.get_ref().clone()) })
}

/// What the file's name says.
fn format_of(name: &Spanned<String>) -> Result<Format, Problem> {
    let extension = name.get_ref().rsplit_once('.').map_or("", |(_, extension)| extension);
    match extension {
        "jsonl" | "ndjson" => Ok(Format::Jsonl),
        "csv" => Ok(Format::Csv),
        "parquet" => Ok(Format::Parquet),
        "txt" => Ok(Format::Text),
        other => {
            let hint = did_you_mean(other, ["jsonl", "csv", "parquet", "txt"]);
            let reason = format!(
                "{:?} does not say how it is read{hint}: add format = \"jsonl\", \"csv\", \"parquet\" or \"text\"",
                name.get_ref()
            );
            Err(Problem::new(name.span(), reason))
        }
    }
}
