//! `gpt2-eval` measures GPT-2 models zero-shot, as the GPT-2 paper did (Radford et al. 2019), and prints the paper's
//! tables with the paper's numbers beside its own. This is the harness, a library only for its binary, tests and benches.
//!
//! ```text
//! checkpoint ─▶ model ─▶ Backend ┐
//!                                ├▶ engine ─▶ responses ┐
//! dataset source ─▶ task ─▶ requests ┘                  ├▶ task.score ─▶ sample results ─▶ metrics ─▶ scores ─▶ report
//!                              └────────────────────────┘        (journal, append-only)
//! ```
//!
//! Tasks never see a tensor, the engine never sees a task, and the report never sees the model. To score text with a model
//! from Rust, use the crate `gpt2-model`; to run tasks, use [`plan::Plan`] and [`run`].

// Names suffice for most items; the crates have full documentation.
#![allow(missing_docs)]

pub mod cli;
pub mod data;
mod download;
pub mod gate;
mod models;
pub mod plan;
pub mod record;
pub mod report;
pub mod run;
pub mod seeding;
pub mod tasks;
pub mod text;

/// Compiles and runs the example of docs/adding-a-task.md.
#[cfg(doctest)]
#[doc = include_str!("../docs/adding-a-task.md")]
pub struct AddingATask;
