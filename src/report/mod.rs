//! Tables from scores: one exporter a file.

mod csv;
mod every_eval_ever;
mod export;
mod format;
mod json;
mod markdown;
mod paper;
mod results;
mod scores;
mod section;
mod terminal;

pub use csv::{group_scores_csv, scores_csv};
pub use every_eval_ever::{ModelExport, every_eval_ever};
pub use export::{ExportError, ExportedFile, ExportedRun, ExportedTask, Format};
pub use format::{difference, number};
pub use json::Document;
pub use markdown::{escape, markdown};
pub use paper::{PublishedNumber, paper_value, published_numbers};
pub use results::{Results, TaskResults};
pub use scores::{ScoredTask, independent_samples, samples_of, score_groups, score_samples};
pub use section::{Heading, Mark, Section, sections};
pub use terminal::{terminal, terminal_width};
