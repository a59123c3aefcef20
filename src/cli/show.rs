//! `gpt2-eval show TASK`: what the model sees.

use super::arguments::ShowArguments;
use super::remote::Remote;
use super::resolve::{
    WantedData, data_source, set_option, set_split, task_of, without_what_goes_without_saying,
};
use crate::data::Split;
use crate::plan::DataSource;
use crate::tasks::{Registry, Source};
use crate::text::{visible_bytes, visible_white_space};
use gpt2_model::Checkpoint;
use gpt2_model::engine::{Planner, Work};
use gpt2_model::request::Request;
use gpt2_model::tokenizer::Gpt2Tokenizer;

/// Positions of GPT-2, where no model is given.
const GPT2_CONTEXT: usize = 1024;

/// The first samples of a task, as text and as tokens, in the order of the data.
pub(super) fn show(arguments: &ShowArguments) -> anyhow::Result<String> {
    let registry = Registry::read(&arguments.task_file)?;
    let mut planned = [task_of(&arguments.task, &registry)?];
    if let Some(shots) = arguments.shots {
        set_option(&mut planned, ("shots", &shots.to_string()), &registry)?;
    }
    if let Some(split) = &arguments.split {
        set_split(&mut planned, split, &registry)?;
    }
    without_what_goes_without_saying(&mut planned, &registry);
    let [planned] = planned;
    let source = match data_source(&arguments.data, std::slice::from_ref(&planned), &registry)? {
        WantedData::Source(source) => source,
        WantedData::Hub => {
            DataSource::Directory(Remote::new(false, false)?.data(std::slice::from_ref(&planned))?)
        }
    };
    let Some(task) = registry.find(&planned.task) else {
        anyhow::bail!("unknown task `{}`", planned.task);
    };
    let split = planned.protocol.options.get("split").and_then(|split| Split::find(split));
    let from = Source::new(&source, split.unwrap_or(task.config().data.split), arguments.seed);
    let loaded = task.load(&from, &planned.protocol)?;
    let (tokenizer, context) = match &arguments.model {
        Some(directory) => {
            let checkpoint = Checkpoint::open(directory)?;
            (checkpoint.tokenizer, checkpoint.config.context)
        }
        None => (Gpt2Tokenizer::bundled()?, GPT2_CONTEXT),
    };
    let mut planner = Planner::new(&tokenizer, context);
    let mut text = format!(
        "{}:{} from {}; · is a space, ↵ a new line, → a tab, | stands between tokens\n",
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
            // The windows of a long document are much alike.
            if let Some(sequence) = sequences.first() {
                line("reads", &tokens(tokenizer, &sequence.input));
                line("scores", &tokens(tokenizer, &sequence.targets));
                if !sequence.excluded.is_empty() {
                    line(
                        "filter",
                        &format!("{} tokens are left out of a second reading", sequence.excluded.len()),
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
        Work::Continue { continuation, truncated_tokens } => {
            line("reads", &tokens(tokenizer, &continuation.prompt));
            if truncated_tokens > 0 {
                line("dropped", &format!("{truncated_tokens} tokens of the prompt"));
            }
            line("writes", &format!("at most {} tokens", continuation.max_new_tokens));
        }
    }
    Ok(())
}

/// Of longer sequences only the ends are shown.
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
