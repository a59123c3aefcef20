//! Data sets: where they are published, where they are on this machine, and readers for their formats.

mod cbt;
mod config;
mod coqa;
mod error;
mod file;
mod jsonl;
mod line_numbers;
mod parallel;
mod parquet;
mod records;
mod rows;
pub(crate) mod sources;
mod summaries;
mod winograd;

pub use cbt::{BLANK, CbtQuestion, read_cbt};
pub use config::{DataConfig, FileConfig, Split};
pub use coqa::{CoqaStory, CoqaTurn, read_coqa};
pub use error::DataError;
pub use file::{DataFile, Proof, Provenance};
pub use jsonl::{read_json_lines, read_json_lines_but_blank, read_json_list};
pub(crate) use line_numbers::LineNumbers;
pub use parallel::{SentencePair, read_parallel};
pub use parquet::read_parquet;
pub use records::records_sha256;
pub use sources::BundledFile;
pub use summaries::{Article, read_articles};
pub use winograd::{WinogradForm, WinogradSchema, read_winograd};
