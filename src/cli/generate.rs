//! `gpt2-eval generate`: what a model writes after a prompt.

use std::io::{Read, Write};
use std::time::Instant;

use anyhow::{Context, bail};
use serde::Serialize;

use super::arguments::{GenerateArguments, GenerateFormat};
use super::one_model::OneModel;
use gpt2_model::engine::{Planner, Work};
use gpt2_model::request::{Completion, Decoding, FinishReason, Request, Sampling, Trim};

/// Most bytes that are read from standard input.
pub(super) const MAX_BYTES: u64 = 100_000_000;

/// One text, as JSON has it.
#[derive(Serialize)]
struct Written<'a> {
    model: &'a str,
    prompt: &'a str,
    /// How the tokens are chosen, with the seed.
    decoding: Decoding,
    #[serde(flatten)]
    generated: &'a Completion,
}

/// Writes one text a seed to standard output, token by token.
pub(super) fn generate(arguments: &GenerateArguments) -> anyhow::Result<String> {
    let is_drawn = arguments.temperature.is_some() || arguments.top_k.is_some() || arguments.top_p.is_some();
    let repeats = arguments.repeats.unwrap_or(1);
    if repeats > 1 && !is_drawn {
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
    let mut planner = Planner::new(&model.checkpoint.tokenizer, model.checkpoint.config.context);
    let engine = model.engine();
    for number in 0..repeats as u64 {
        let seed = arguments.seed.checked_add(number).context("the seeds end at 18446744073709551615")?;
        let decoding = if is_drawn {
            Decoding::Sample(Sampling {
                temperature: arguments.temperature.unwrap_or(1.0),
                top_k: arguments.top_k,
                top_p: arguments.top_p,
                seed,
            })
        } else {
            Decoding::Greedy
        };
        let request = Request::Generate {
            prompt: prompt.clone(),
            trim: Trim::left(),
            stop: arguments.stop.clone(),
            max_new_tokens: arguments.max_new_tokens,
            decoding,
        };
        let Work::Continue { continuation, truncated_tokens } = planner.plan(&request)? else {
            bail!("the prompt cannot be continued");
        };
        if truncated_tokens > 0 && number == 0 {
            super::say(&format!(
                "note: the prompt and the text are longer than the {} tokens that the model sees: the first \
                 {truncated_tokens} tokens of the prompt are left out",
                model.checkpoint.config.context
            ));
        }
        let is_text = arguments.format == GenerateFormat::Text;
        if is_text && repeats > 1 {
            super::print(&format!("{}--- seed {seed} ---\n", if number > 0 { "\n" } else { "" }))?;
        }
        let begin = Instant::now();
        let mut stream = Stream::new(&arguments.stop, is_text);
        let generated = engine.write(&continuation, truncated_tokens, |text| stream.show(text))?;
        stream.finish(&generated.text)?;
        if !is_text {
            let written = Written { model: &model.label, prompt: &prompt, decoding, generated: &generated };
            super::print(&format!("{}\n", serde_json::to_string(&written)?))?;
        } else if !arguments.model.quiet {
            super::say(&summary(&model.label, &generated, begin.elapsed().as_secs_f64()));
        }
    }
    Ok(String::new())
}

fn summary(label: &str, generated: &Completion, seconds: f64) -> String {
    let tokens = generated.tokens.len();
    let why = match generated.finish {
        FinishReason::StopString => "ended by a stop string",
        FinishReason::EndOfText => "ended by the model",
        FinishReason::TokenLimit => "ended by --max-new-tokens",
    };
    let sum: f64 = generated.token_log_probs.iter().map(|value| f64::from(*value)).sum();
    format!(
        "{label}: {tokens} tokens in {seconds:.1} s ({:.0} a second), {why}; mean log-probability {:.3} nats a token",
        tokens as f64 / seconds.max(1e-9),
        sum / tokens.max(1) as f64
    )
}

/// All of standard input. `Err` if it is no UTF-8, or too much.
pub(super) fn standard_input() -> anyhow::Result<String> {
    let mut text = String::new();
    let read = std::io::stdin().lock().take(MAX_BYTES + 1).read_to_string(&mut text);
    if read.context("cannot read standard input as UTF-8")? as u64 > MAX_BYTES {
        bail!("standard input has more than {MAX_BYTES} bytes");
    }
    Ok(text)
}

/// A text on its way to standard output.
struct Stream<'a> {
    stop: &'a [String],
    is_shown: bool,
    /// Bytes that are printed.
    printed: usize,
    failed: Option<std::io::Error>,
}

impl<'a> Stream<'a> {
    fn new(stop: &'a [String], is_shown: bool) -> Self {
        Self { stop, is_shown, printed: 0, failed: None }
    }

    /// Prints what will not change any more of a text that grows.
    fn show(&mut self, text: &str) {
        self.print(settled(text, self.stop));
    }

    /// Prints the rest of the text and a line end. A reader that has gone away is no error.
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

/// The beginning of a text that no further token changes: without the first bytes of a character, and without what may
/// be the beginning of a stop string.
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
    fn only_what_stays_is_shown() {
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
}
