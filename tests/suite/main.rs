//! The integration tests, one binary. Those that need reference data read it from `GPT2_EVAL_SHARED` (default
//! `../shared`) and print a message when they skip.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod backends;
mod bad_checkpoints;
mod bad_input;
mod batched_texts;
mod checkpoints;
mod chromium;
mod command_line;
mod common;
mod contexts;
mod custom_data;
mod custom_tasks;
mod documentation;
mod failures;
mod formats;
mod gate;
mod gate_refusals;
mod golden_core;
mod golden_generation;
mod golden_harness;
mod golden_log_probs;
mod golden_tokens;
mod golden_zero_shot;
mod hostile;
mod hub;
mod interruptions;
mod invariance;
mod json_schema;
mod latex;
mod memory;
mod mistaken;
mod nothing_measured;
mod one_model;
mod page;
mod published;
mod published_records;
mod published_schemas;
mod report;
mod resume;
mod schemas;
mod several_runs;
mod shards;
mod texts;
mod tokenizer_files;
mod verify;
mod view;
mod wild_checkpoints;
mod winograd;
mod writers;
