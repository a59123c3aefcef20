//! Regression gates: compares two runs sample by sample, keeps regression baselines, and decides whether a run is worse.

mod baseline;
mod changes;
mod check;
mod check_tables;
mod compare;
mod compare_tables;
mod junit;
mod pairing;
mod records;
mod side;
#[cfg(test)]
mod simulation;
mod tolerance;
mod units;
mod validity;

pub use baseline::RegressionBaseline;
pub use check::{CheckOptions, check};
pub use check_tables::check_sections;
pub use junit::junit;

pub(crate) use check::Check;
pub(crate) use check_tables::check_summary;
pub(crate) use compare::{CompareOptions, compare};
pub(crate) use compare_tables::{comparison_markdown, comparison_text};
pub(crate) use pairing::ModelMap;
pub(crate) use records::{CheckedRecords, check_records};
pub(crate) use side::Side;
pub(crate) use tolerance::Tolerances;
