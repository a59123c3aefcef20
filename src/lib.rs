//! `gpt2-eval` measures GPT-2 models zero-shot, as the GPT-2 paper did (Radford et al. 2019), and prints the paper's
//! tables with the paper's numbers beside its own.
//!
//! ```text
//! checkpoint ─▶ model ┐
//!                     ├▶ engine ─▶ responses ┐
//! data ─▶ task ─▶ requests ┘                 ├▶ task.score ─▶ sample records ─▶ metrics ─▶ scores ─▶ report
//!                          └─────────────────┘        (journal, append-only)
//! ```
//!
//! Arrows point one way: tasks never see a tensor, the engine never sees a task, the report never sees the model.
//!
//! To score text with a model from Rust, take [`model::Checkpoint`], [`engine::Planner`] and [`engine::Engine`]; to
//! run tasks, take [`plan::Plan`] and [`run`].

pub mod cli;
pub mod data;
pub mod gate;
pub mod plan;
pub mod record;
pub mod report;
pub mod run;
pub mod seeding;
pub mod tasks;
pub mod text;

/// The worked example of docs/adding-a-task.md, compiled and run with the other examples.
#[cfg(doctest)]
#[doc = include_str!("../docs/adding-a-task.md")]
pub struct AddingATask;
