//! `gpt2-eval generate`: completions of a prompt.

use std::io::{Read, Write};
use std::time::Instant;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use serde::Serialize;

use super::compute::positive;
use super::one_model::{ModelArguments, OneModel};
use super::output::{print, say, warn};
use gpt2_model::engine::{PlanError, Planner, Work};
use gpt2_model::request::{Completion, Decoding, FinishReason, Request, Sampling, Trim};

/// Maximum bytes of standard input.
pub(super) const MAX_BYTES: u64 = 100_000_000;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  gpt2-eval generate --size tiny-8M --prompt \"Once upon a time\"
                                                          the greedy completion
  gpt2-eval generate --size 117M --prompt \"Once upon a time\" --top-p 0.95 --temperature 0.8 --repeats 3
                                                          three sampled completions
  gpt2-eval generate --size 117M --prompt - --stop '\\n\\n' < prompt.txt
                                                          a prompt from standard input, up to an empty line
Without --temperature, --top-k and --top-p, and with --temperature 0, decoding is greedy.")]
pub(super) struct GenerateArguments {
    #[command(flatten)]
    model: ModelArguments,
    /// Text to continue; `-` reads standard input
    #[arg(short, long, value_name = "TEXT|-", allow_hyphen_values = true)]
    prompt: String,
    /// Maximum tokens to generate
    #[arg(short = 'n', long, value_name = "N", default_value = "100", value_parser = positive)]
    max_new_tokens: usize,
    /// Sample from logits divided by T; 0 is greedy [default: 1 with --top-k or --top-p]
    #[arg(short = 'T', long, value_name = "T", value_parser = temperature, allow_negative_numbers = true)]
    temperature: Option<f64>,
    /// Sample from the K most probable tokens
    #[arg(short = 'k', long, value_name = "K", value_parser = positive)]
    top_k: Option<usize>,
    /// Sample from the most probable tokens that together have probability P (nucleus sampling)
    #[arg(long, value_name = "P", value_parser = probability)]
    top_p: Option<f64>,
    /// Seed of the first completion
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Completions to sample, each with the next seed [default: 1]
    #[arg(long, value_name = "N", value_parser = positive)]
    repeats: Option<usize>,
    /// End the completion before this text; \n and \t are a line end and a tab; may be repeated
    #[arg(long, value_name = "TEXT", value_parser = unescaped, allow_hyphen_values = true)]
    stop: Vec<String>,
    /// Output format
    #[arg(long, default_value = "text")]
    format: GenerateFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum GenerateFormat {
    /// The completion, token by token
    Text,
    /// A JSON object per completion, with its tokens and their log-probabilities
    Json,
}

fn temperature(text: &str) -> Result<f64, &'static str> {
    match text.parse::<f64>() {
        Ok(value) if value >= 0.0 && value.is_finite() => Ok(value),
        _ => Err("expected a number from 0"),
    }
}

fn probability(text: &str) -> Result<f64, &'static str> {
    match text.parse::<f64>() {
        Ok(value) if value > 0.0 && value <= 1.0 => Ok(value),
        _ => Err("expected a number above 0 and at most 1"),
    }
}

/// Replaces `\n`, `\t` and `\\` by a line end, a tab and a backslash.
fn unescaped(text: &str) -> Result<String, &'static str> {
    if text.is_empty() {
        return Err("expected some text: an empty stop string would end every completion at once");
    }
    let mut characters = text.chars();
    let mut plain = String::new();
    while let Some(character) = characters.next() {
        plain.push(match character {
            '\\' => match characters.next() {
                Some('n') => '\n',
                Some('t') => '\t',
                Some('\\') => '\\',
                _ => return Err("expected \\n, \\t or \\\\ after a backslash"),
            },
            other => other,
        });
    }
    Ok(plain)
}

impl GenerateArguments {
    fn decoding(&self, seed: u64) -> Decoding {
        if self.temperature == Some(0.0)
            || (self.temperature.is_none() && self.top_k.is_none() && self.top_p.is_none())
        {
            return Decoding::Greedy;
        }
        Decoding::Sample(Sampling {
            temperature: self.temperature.unwrap_or(1.0),
            top_k: self.top_k,
            top_p: self.top_p,
            seed,
        })
    }
}

/// One completion in JSON.
#[derive(Serialize)]
struct JsonCompletion<'a> {
    model: &'a str,
    prompt: &'a str,
    decoding: Decoding,
    #[serde(flatten)]
    completion: &'a Completion,
}

/// Prints one completion per seed, token by token.
pub(super) fn generate(arguments: &GenerateArguments) -> anyhow::Result<String> {
    let repeats = arguments.repeats.unwrap_or(1);
    if repeats > 1 && arguments.decoding(0) == Decoding::Greedy {
        bail!(
            "--repeats {repeats} is not supported by greedy decoding, which always gives the same completion: sample with \
             --temperature, --top-k or --top-p"
        );
    }
    let prompt = match arguments.prompt.as_str() {
        "-" => standard_input()?,
        prompt => prompt.to_owned(),
    };
    let model = OneModel::load(&arguments.model)?;
    let mut planner = Planner::new(&model.checkpoint.tokenizer, model.checkpoint.config.n_positions);
    let engine = model.engine();
    for number in 0..repeats as u64 {
        let seed = arguments
            .seed
            .checked_add(number)
            .context("--seed and --repeats: the last seed is above 18446744073709551615")?;
        let decoding = arguments.decoding(seed);
        let request = Request::Generate {
            prompt: prompt.clone(),
            trim: Trim::left(),
            stop: arguments.stop.clone(),
            max_new_tokens: arguments.max_new_tokens,
            decoding,
        };
        let too_many = || format!("--max-new-tokens {} is too many", arguments.max_new_tokens);
        let planned = match planner.plan(&request) {
            Err(error @ PlanError::NoRoom { .. }) => return Err(error).with_context(too_many),
            planned => planned?,
        };
        let Work::Generate(planned) = planned else {
            bail!("the prompt cannot be continued");
        };
        let truncated_tokens = planned.truncated_tokens;
        if truncated_tokens > 0 && number == 0 {
            warn(&format!(
                "prompt and completion are longer than the context of {} tokens: the first {truncated_tokens} tokens of \
                 the prompt are left out",
                model.checkpoint.config.n_positions
            ));
        }
        let is_text = arguments.format == GenerateFormat::Text;
        if is_text && repeats > 1 {
            print(&format!("{}--- seed {seed} ---\n", if number > 0 { "\n" } else { "" }))?;
        }
        let begin = Instant::now();
        let mut stream = Stream::new(&arguments.stop, is_text);
        let completion = engine.generate(&planned, |text| stream.show(text))?;
        if !completion.token_log_probs.iter().all(|log_prob| log_prob.is_finite()) {
            bail!(
                "a log-probability of {} is NaN or infinite: {}",
                model.label,
                model.checkpoint.explain_not_finite()
            );
        }
        stream.finish(&completion.text)?;
        if !is_text {
            let label = &model.label;
            let json = JsonCompletion { model: label, prompt: &prompt, decoding, completion: &completion };
            print(&format!("{}\n", serde_json::to_string(&json)?))?;
        } else if !arguments.model.quiet {
            say(&summary(&model.label, &completion, begin.elapsed().as_secs_f64()));
        }
    }
    Ok(String::new())
}

fn summary(label: &str, completion: &Completion, seconds: f64) -> String {
    let tokens = completion.tokens.len();
    let why = match completion.finish {
        FinishReason::StopString => "ended by a stop string",
        FinishReason::EndOfText => "ended by the model",
        FinishReason::TokenLimit => "ended by --max-new-tokens",
    };
    let sum: f64 = completion.token_log_probs.iter().map(|value| f64::from(*value)).sum();
    format!(
        "{label}: {tokens} tokens in {seconds:.1} s ({:.0} tokens/s), {why}; mean log-probability {:.3} nats per token",
        tokens as f64 / seconds.max(1e-9),
        sum / tokens.max(1) as f64
    )
}

/// Reads standard input. `Err` if it is not UTF-8 or longer than [`MAX_BYTES`].
pub(super) fn standard_input() -> anyhow::Result<String> {
    let mut text = String::new();
    let read = std::io::stdin().lock().take(MAX_BYTES + 1).read_to_string(&mut text);
    if read.context("cannot read standard input as UTF-8")? as u64 > MAX_BYTES {
        bail!("standard input has more than {MAX_BYTES} bytes");
    }
    Ok(text)
}

/// Prints a completion while it grows.
struct Stream<'a> {
    stop: &'a [String],
    is_shown: bool,
    /// Bytes printed so far.
    printed: usize,
    failed: Option<std::io::Error>,
}

impl<'a> Stream<'a> {
    fn new(stop: &'a [String], is_shown: bool) -> Self {
        Self { stop, is_shown, printed: 0, failed: None }
    }

    /// Prints the part that no further token changes.
    fn show(&mut self, text: &str) {
        self.print(settled(text, self.stop));
    }

    /// Prints the rest and a line end. A closed pipe is not an error.
    fn finish(mut self, text: &str) -> anyhow::Result<()> {
        self.print(text);
        if self.is_shown {
            self.print(&format!("{text}\n"));
        }
        match self.failed {
            Some(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                Err(error).context("cannot write to standard output")
            }
            _ => Ok(()),
        }
    }

    fn print(&mut self, text: &str) {
        let Some(more) = text.get(self.printed..).filter(|more| self.is_shown && !more.is_empty()) else {
            return;
        };
        if self.failed.is_none() {
            let mut out = std::io::stdout().lock();
            self.failed = out.write_all(more.as_bytes()).and_then(|()| out.flush()).err();
            self.printed = text.len();
        }
    }
}

/// The part of a growing text that no further token changes: without an incomplete character, and without what may be
/// the start of a stop string.
fn settled<'t>(text: &'t str, stop: &[String]) -> &'t str {
    let text = text.trim_end_matches('\u{fffd}');
    let begins_stop = |at: &usize| stop.iter().any(|stop| stop.starts_with(&text[*at..]));
    let starts = text.char_indices().map(|(at, _)| at);
    let longest = stop.iter().map(String::len).max().unwrap_or(0);
    let end = starts.filter(|at| text.len() - at < longest.max(1)).find(begins_stop);
    &text[..end.unwrap_or(text.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_settled_text_is_shown() {
        let stop = ["\n\n".to_owned(), "END".to_owned()];
        assert_eq!(settled("a b", &stop), "a b");
        assert_eq!(settled("a b\n", &stop), "a b");
        assert_eq!(settled("a bE", &stop), "a b");
        assert_eq!(settled("a bEN", &stop), "a b");
        assert_eq!(settled("a bENX", &stop), "a bENX");
        assert_eq!(settled("caf\u{fffd}", &stop), "caf");
        assert_eq!(settled("é\n", &stop), "é");
        assert_eq!(settled("", &[]), "");
        assert_eq!(settled("x\n", &[]), "x\n");
    }

    #[test]
    fn numbers_and_stop_strings() {
        assert_eq!((temperature("0.8"), temperature("0")), (Ok(0.8), Ok(0.0)));
        assert_eq!(probability("1"), Ok(1.0));
        for bad in ["-1", "nan", "inf", "x"] {
            assert!(temperature(bad).is_err() && probability(bad).is_err(), "{bad}");
        }
        assert!(probability("0").is_err() && probability("1.1").is_err());
        assert_eq!(unescaped(r"\n\t\\n"), Ok("\n\t\\n".to_owned()));
        assert!(unescaped(r"\x").is_err() && unescaped("").is_err() && unescaped(r"a\").is_err());
    }
}
