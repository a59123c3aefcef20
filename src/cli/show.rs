//! `gpt2-eval show TASK`: what the model sees.

use std::path::PathBuf;

use clap::Args;

use super::compute::positive;
use super::progress::Progress;
use super::resolve::{DataChoice, downloaded_data};
use super::tasks::{drop_defaults, measured_split, set_option, set_split, task_of, task_parser};
use crate::data::Split;
use crate::download::Downloads;
use crate::tasks::{Registry, Source};
use crate::text::{visible_bytes, visible_white_space};
use gpt2_model::engine::{Planner, Work};
use gpt2_model::request::Request;
use gpt2_model::tokenizer::Gpt2Tokenizer;
use gpt2_model::{Checkpoint, GPT2_POSITIONS};

#[derive(Debug, Args)]
pub(super) struct ShowArguments {
    /// Task, optionally with its protocol
    #[arg(value_name = "TASK[:PROTOCOL]", value_parser = task_parser(), hide_possible_values = true)]
    task: String,
    /// Task config of a custom task (docs/custom-tasks.md); may be repeated
    #[arg(long, value_name = "FILE")]
    task_file: Vec<PathBuf>,
    /// Data: `sample` (bundled), a directory with <task>/<file>, or `hub`
    #[arg(short, long, value_name = "sample|DIR|hub", default_value = "sample")]
    data: String,
    /// Number of samples
    #[arg(short, long, value_name = "N", default_value = "3", value_parser = positive)]
    limit: usize,
    /// Few-shot examples in the prompt [default: as the protocol says]
    #[arg(long, visible_alias = "num-fewshot", value_name = "K")]
    shots: Option<u16>,
    /// Split to show [default: the paper's]
    #[arg(long)]
    split: Option<Split>,
    /// Seed of everything random
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Use the tokenizer of this model [default: GPT-2's]
    #[arg(short, long, value_name = "PATH")]
    model: Option<PathBuf>,
}

/// The first samples of a task, as text and as tokens.
pub(super) fn show(arguments: &ShowArguments) -> anyhow::Result<String> {
    let registry = Registry::read(&arguments.task_file)?;
    let mut planned = [task_of(&arguments.task, &registry)?];
    if let Some(shots) = arguments.shots {
        set_option(&mut planned, ("shots", &shots.to_string()), &registry)?;
    }
    if let Some(split) = arguments.split {
        set_split(&mut planned, split, &registry)?;
    }
    drop_defaults(&mut planned, &registry);
    let [planned] = planned;
    let tasks = std::slice::from_ref(&planned);
    let source = match DataChoice::new(&arguments.data, tasks, &registry)? {
        DataChoice::Local(source) => source,
        DataChoice::Hub => {
            downloaded_data(tasks, &mut Downloads::new(false, Box::new(Progress::of_downloads(false)))?)?
        }
    };
    let Some(task) = registry.find(&planned.task) else {
        anyhow::bail!("unknown task `{}`", planned.task);
    };
    let from = Source::new(&source, measured_split(&planned, task.config()), arguments.seed);
    let loaded = task.load(&from, &planned.protocol)?;
    let (tokenizer, context) = match &arguments.model {
        Some(directory) => {
            let checkpoint = Checkpoint::open(directory)?;
            (checkpoint.tokenizer, checkpoint.config.n_positions)
        }
        None => (Gpt2Tokenizer::bundled()?, GPT2_POSITIONS),
    };
    let mut planner = Planner::new(&tokenizer, context);
    let mut text = format!(
        "{}:{} from {}; · is a space, ↵ a new line, → a tab, | separates tokens\n",
        planned.task,
        planned.protocol,
        loaded.files().into_iter().map(|(name, _)| name).collect::<Vec<_>>().join(", ")
    );
    for index in 0..loaded.len().min(arguments.limit) {
        text.push_str(&format!("\n{} ({})\n", loaded.id(index), loaded.location(index)));
        for request in loaded.requests(index) {
            describe(&mut text, &request, &mut planner, &tokenizer)?;
        }
    }
    Ok(text)
}

fn describe(
    text: &mut String,
    request: &Request,
    planner: &mut Planner<'_>,
    tokenizer: &Gpt2Tokenizer,
) -> anyhow::Result<()> {
    let mut line = |name: &str, value: &str| text.push_str(&format!("  {name:<7} {value}\n"));
    match request {
        Request::LogLikelihood { context, continuation, .. } => {
            line("context", &visible_white_space(context));
            line("target", &visible_white_space(continuation));
        }
        Request::Rolling { document, part, .. } => {
            line("part", &visible_white_space(document.text().get(part.clone()).unwrap_or_default()));
        }
        Request::Generate { prompt, .. } => line("prompt", &visible_white_space(prompt)),
    }
    match planner.plan(request)? {
        Work::Score { sequences, truncated_tokens, .. } => {
            // The other windows of a long document are similar.
            if let Some(sequence) = sequences.first() {
                line("reads", &tokens(tokenizer, &sequence.input));
                line("scores", &tokens(tokenizer, &sequence.targets));
                if !sequence.excluded.is_empty() {
                    line(
                        "filter",
                        &format!("the stop-word filter excludes {} tokens", sequence.excluded.len()),
                    );
                }
            }
            if sequences.len() > 1 {
                line("", &format!("and {} more windows", sequences.len() - 1));
            }
            if truncated_tokens > 0 {
                line("dropped", &format!("{truncated_tokens} tokens on the left"));
            }
        }
        Work::Generate(prompt) => {
            line("reads", &tokens(tokenizer, &prompt.tokens));
            if prompt.truncated_tokens > 0 {
                line("dropped", &format!("{} tokens of the prompt", prompt.truncated_tokens));
            }
            line("limit", &format!("at most {} new tokens", prompt.max_new_tokens));
        }
    }
    Ok(())
}

/// Longer sequences are shown without their middle.
const MAX_TOKENS: usize = 400;

/// The tokens' text with `|` between them, and their ids.
fn tokens(tokenizer: &Gpt2Tokenizer, ids: &[u32]) -> String {
    let plural = if ids.len() == 1 { "" } else { "s" };
    let end = if ids.len() > MAX_TOKENS { MAX_TOKENS / 2 } else { ids.len() };
    let (head, rest) = ids.split_at(end);
    let tail = &rest[rest.len().saturating_sub(MAX_TOKENS / 2)..];
    let text = |ids: &[u32]| {
        let shown: Vec<String> =
            ids.iter().map(|&id| visible_bytes(&tokenizer.token_bytes(id).unwrap_or_default())).collect();
        shown.join("|")
    };
    if tail.is_empty() {
        return format!("{}\n          {ids:?} ({} token{plural})", text(ids), ids.len());
    }
    format!("{} … {}\n          {head:?} … {tail:?} ({} tokens)", text(head), text(tail), ids.len())
}
