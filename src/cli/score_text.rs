//! `gpt2-eval score-text`: perplexity of a text, and its most surprising tokens.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use comfy_table::{Table, presets};
use serde::Serialize;

use super::compute::positive;
use super::generate::{MAX_BYTES, standard_input};
use super::one_model::{ModelArguments, OneModel};
use super::progress::Progress;
use crate::report::number;
use crate::text::{visible_bytes, visible_white_space};
use gpt2_model::engine::{EngineError, Event, Planner, Work};
use gpt2_model::request::{Document, LogLikelihood, Request, Response, Window};
use untrusted_input::read_bounded;
use untrusted_input::thousands;

/// Characters shown before a surprising token.
const CONTEXT_CHARACTERS: usize = 40;

/// Default of `--stride`.
const DEFAULT_STRIDE: usize = 512;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  gpt2-eval score-text README.md --size tiny-8M           perplexities and the ten most surprising tokens
  gpt2-eval score-text - --size 117M --format json < poem.txt
The text is scored in windows that start --stride tokens apart; every token is scored once. Compare perplexities of models
with different tokenizers per word or per byte, not per token.")]
pub(super) struct ScoreTextArguments {
    /// Text in UTF-8; `-` reads standard input
    #[arg(value_name = "FILE|-")]
    file: PathBuf,
    #[command(flatten)]
    model: ModelArguments,
    /// Tokens between the starts of two windows, from 1 to the model's context: fewer are more exact and slower; the
    /// perplexity tasks use 32 [default: 512, or the context if it is shorter]
    #[arg(long, value_name = "S", value_parser = positive)]
    stride: Option<usize>,
    /// Number of surprising tokens to show
    #[arg(long, value_name = "N", default_value_t = 10)]
    top: usize,
    /// Output format
    #[arg(long, default_value = "table")]
    format: ScoreTextFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ScoreTextFormat {
    Table,
    /// All numbers in full precision
    Json,
}

#[derive(Serialize)]
struct ScoredText {
    model: String,
    file: String,
    bytes: usize,
    /// Number of words, split at white space.
    words: usize,
    tokens: usize,
    /// Tokens of a window, and tokens between the starts of two.
    context: usize,
    stride: usize,
    /// In nats.
    log_likelihood: f64,
    token_perplexity: f64,
    /// `None` for a text of only white space.
    word_perplexity: Option<f64>,
    byte_perplexity: f64,
    bits_per_byte: f64,
    most_surprising: Vec<Surprise>,
}

/// A token with a low probability.
#[derive(Serialize)]
struct Surprise {
    /// From 1.
    line: usize,
    /// Characters, from 1.
    column: usize,
    /// From 0.
    token_index: usize,
    token: u32,
    /// Its bytes; those that are not UTF-8 are replaced.
    text: String,
    log_probability: f64,
    /// The end of the line before it.
    before: String,
}

/// Scores a text in overlapping windows, each token once.
pub(super) fn score_text(arguments: &ScoreTextArguments) -> anyhow::Result<String> {
    let text = read(&arguments.file)?;
    if text.is_empty() {
        bail!("{}: the text is empty", arguments.file.display());
    }
    let model = OneModel::load(&arguments.model)?;
    let context = model.checkpoint.config.n_positions;
    if let Some(stride) = arguments.stride.filter(|&stride| stride > context) {
        bail!("--stride {stride}: longer than the context of {}; expected 1 to {context}", model.label);
    }
    let stride = arguments.stride.unwrap_or(DEFAULT_STRIDE).min(context);
    let mut planner = Planner::new(&model.checkpoint.tokenizer, context);
    let request = Request::Rolling {
        document: Document::new(&text),
        part: 0..text.len(),
        window: Window { context: None, stride: Some(stride) },
    };
    let Work::Score { sequences, .. } = planner.plan(&request)? else { bail!("the text cannot be scored") };
    let tokens: Vec<u32> = sequences.iter().flat_map(|sequence| &sequence.targets).copied().collect();
    // Without `rolling_bytes`, the response has the log-probability of every token.
    let work = Work::Score { sequences, rolling_bytes: None, truncated_tokens: 0 };
    let mut progress = Progress::of_tokens(work.tokens() as u64, arguments.model.quiet);
    progress.stage(format!("{} on {}", model.label, arguments.file.display()), 0);
    let mut scored: Option<LogLikelihood> = None;
    model.engine().run(&[&work], |event| -> Result<(), EngineError> {
        match event {
            Event::Response { response: Response::LogLikelihood(score), .. } => scored = Some(score),
            Event::Progress { tokens } => progress.advance(tokens as u64),
            Event::Warning(warning) => progress.note(&format!("warning: {warning}")),
            Event::Response { .. } => {}
        }
        Ok(())
    })?;
    progress.finish();
    let score = scored.context("the engine gave no response")?;
    if !score.log_likelihood.is_finite() {
        bail!(
            "the log-likelihood of {} is {}: {}",
            model.label,
            score.log_likelihood,
            model.checkpoint.explain_not_finite()
        );
    }
    let (_, starts) = model.checkpoint.tokenizer.encode_with_starts(&text)?;
    let surprises = surprises(&model, &text, (&tokens, &starts), &score, arguments.top);
    let (sum, bytes, words) = (score.log_likelihood, text.len(), text.split_whitespace().count());
    let scored = ScoredText {
        model: model.label.clone(),
        file: arguments.file.display().to_string(),
        bytes,
        words,
        tokens: tokens.len(),
        context,
        stride,
        log_likelihood: sum,
        token_perplexity: (-sum / tokens.len() as f64).exp(),
        word_perplexity: (words > 0).then(|| (-sum / words as f64).exp()),
        byte_perplexity: (-sum / bytes as f64).exp(),
        bits_per_byte: -sum / bytes as f64 / std::f64::consts::LN_2,
        most_surprising: surprises,
    };
    match arguments.format {
        ScoreTextFormat::Json => Ok(format!("{}\n", serde_json::to_string_pretty(&scored)?)),
        ScoreTextFormat::Table => Ok(table(&scored)),
    }
}

fn read(path: &Path) -> anyhow::Result<String> {
    if path.as_os_str() == "-" {
        return standard_input();
    }
    let cannot_read = || format!("cannot read {}", path.display());
    let bytes = read_bounded(path, MAX_BYTES).with_context(cannot_read)?;
    String::from_utf8(bytes).map_err(|error| error.utf8_error()).with_context(cannot_read)
}

/// The `count` tokens with the lowest log-probabilities, in their order; of equal ones the first.
fn surprises(
    model: &OneModel,
    text: &str,
    (tokens, starts): (&[u32], &[usize]),
    score: &LogLikelihood,
    count: usize,
) -> Vec<Surprise> {
    let mut order: Vec<usize> = (0..tokens.len().min(score.token_log_probs.len())).collect();
    order.sort_by(|&a, &b| score.token_log_probs[a].total_cmp(&score.token_log_probs[b]).then(a.cmp(&b)));
    order.truncate(count);
    let surprise = |index: usize| {
        let token = tokens[index];
        let bytes = model.checkpoint.tokenizer.token_bytes(token).unwrap_or_default();
        // A token may start inside a character.
        let before = text.floor_char_boundary(starts[index]);
        let before = text.get(..before).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let in_line = before.get(line_start..).unwrap_or_default();
        let characters = in_line.chars().count();
        Surprise {
            line: 1 + before.bytes().filter(|byte| *byte == b'\n').count(),
            column: 1 + characters,
            token_index: index,
            token,
            text: String::from_utf8_lossy(&bytes).into_owned(),
            log_probability: f64::from(score.token_log_probs[index]),
            before: in_line.chars().skip(characters.saturating_sub(CONTEXT_CHARACTERS)).collect(),
        }
    };
    order.into_iter().map(surprise).collect()
}

fn table(scored: &ScoredText) -> String {
    let mut values = Table::new();
    values.load_style(presets::NOTHING);
    let row = |name: &str, value: String| [name.to_owned(), value];
    values.add_row(row(
        "text",
        format!(
            "{}: {} bytes, {} words, {} tokens",
            scored.file,
            thousands(scored.bytes as u64),
            thousands(scored.words as u64),
            thousands(scored.tokens as u64)
        ),
    ));
    values.add_row(row(
        "model",
        format!("{}, windows of {} tokens, {} apart", scored.model, scored.context, scored.stride),
    ));
    values.add_row(row("log-likelihood", format!("{:.4} nats", scored.log_likelihood)));
    values.add_row(row("token perplexity", number(scored.token_perplexity)));
    values.add_row(row("word perplexity", scored.word_perplexity.map_or_else(|| "–".to_owned(), number)));
    values.add_row(row("byte perplexity", format!("{:.4}", scored.byte_perplexity)));
    values.add_row(row("bits per byte", format!("{:.4}", scored.bits_per_byte)));
    let mut text = lines(&values);
    if scored.most_surprising.is_empty() {
        return text;
    }
    let mut surprising = Table::new();
    surprising.load_style(presets::NOTHING);
    surprising.add_row(["line:column", "log P (nats)", "token", "before it"]);
    for surprise in &scored.most_surprising {
        surprising.add_row([
            format!("{}:{}", surprise.line, surprise.column),
            format!("{:.2}", surprise.log_probability),
            visible_bytes(surprise.text.as_bytes()),
            visible_white_space(&surprise.before),
        ]);
    }
    text.push_str("\nMost surprising tokens; · is a space, ↵ a new line\n");
    text.push_str(&lines(&surprising));
    text
}

fn lines(table: &Table) -> String {
    table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}
