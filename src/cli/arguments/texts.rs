//! What users type of the commands that talk to one model, and of those about the program itself.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{positive, precision};
use gpt2_kernels::Precision;

/// One model.
#[derive(Debug, Args)]
pub struct ModelArguments {
    /// Model by size: 117M, 345M, 762M, 1542M (also 124M…1558M, small…xl, gpt2…gpt2-xl), or the bundled tiny-3M, tiny-8M
    #[arg(short, long, visible_alias = "sizes", value_name = "SIZE")]
    pub size: Option<String>,
    /// Any GPT-2 checkpoint, as for a run
    #[arg(short, long, value_name = "[LABEL=]PATH|hf:OWNER/NAME[@REVISION]", conflicts_with = "size")]
    pub model: Option<String>,
    /// Directory with <size>/… for --size; what it lacks is taken from the hub
    #[arg(long, value_name = "DIR", env = "GPT2_EVAL_MODELS", default_value = "models")]
    pub models_dir: PathBuf,
    /// Download nothing
    #[arg(long)]
    pub offline: bool,
    /// What to compute on: flex (CPU), ndarray (CPU, deprecated), wgpu or wgpu:N (GPU), cuda or cuda:N
    #[arg(long, default_value = "flex")]
    pub device: String,
    /// How exactly the weights are kept and multiplied, on the CPU: f32, bf16x3, bf16 (docs/performance.md)
    #[arg(long, value_name = "MODE", default_value = "f32", value_parser = precision)]
    pub precision: Precision,
    /// Threads of the CPU work [default: one a core]
    #[arg(long, value_name = "N", value_parser = positive)]
    pub threads: Option<usize>,
    /// Only the text or the numbers
    #[arg(short, long)]
    pub quiet: bool,
}

/// `gpt2-eval generate`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  gpt2-eval generate --size tiny-8M --prompt \"Once upon a time\"
                                                          the most probable text
  gpt2-eval generate --size 117M --prompt \"Once upon a time\" --top-p 0.95 --temperature 0.8 --repeats 3
                                                          three drawn texts
  gpt2-eval generate --size 117M --prompt - --stop '\\n\\n' < prompt.txt
                                                          a prompt from standard input, up to an empty line
Without --temperature, --top-k and --top-p every token is the most probable one.")]
pub struct GenerateArguments {
    /// The model.
    #[command(flatten)]
    pub model: ModelArguments,
    /// What the text continues; `-` reads standard input
    #[arg(short, long, value_name = "TEXT|-", allow_hyphen_values = true)]
    pub prompt: String,
    /// Most tokens to write
    #[arg(short = 'n', long, value_name = "N", default_value = "100", value_parser = positive)]
    pub max_new_tokens: usize,
    /// Draw tokens, with logits divided by T: below 1 surer, above 1 wilder [default with the others: 1]
    #[arg(short = 'T', long, value_name = "T", value_parser = temperature)]
    pub temperature: Option<f64>,
    /// Draw from the K most probable tokens
    #[arg(short = 'k', long, value_name = "K", value_parser = positive)]
    pub top_k: Option<usize>,
    /// Draw from the most probable tokens that together have probability P (nucleus sampling)
    #[arg(long, value_name = "P", value_parser = probability)]
    pub top_p: Option<f64>,
    /// Seed of the first text
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Completions to sample, each with the next seed [default: 1]
    #[arg(long, value_name = "N", value_parser = positive)]
    pub repeats: Option<usize>,
    /// End the text where this comes; \n and \t are a line end and a tab; may be repeated
    #[arg(long, value_name = "TEXT", value_parser = unescaped, allow_hyphen_values = true)]
    pub stop: Vec<String>,
    /// How to print it
    #[arg(long, default_value = "text")]
    pub format: GenerateFormat,
}

/// How a written text is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GenerateFormat {
    /// As it is, token by token.
    Text,
    /// One JSON object a text, with its tokens and their log-probabilities.
    Json,
}

/// `gpt2-eval score-text`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  gpt2-eval score-text README.md --size tiny-8M           perplexities and the ten most surprising tokens
  gpt2-eval score-text - --size 117M --format json < poem.txt
The text is read in windows that begin --stride tokens apart; every token is scored once. Perplexities of different models
can be compared per word or per byte, not per token.")]
pub struct ScoreTextArguments {
    /// The text, in UTF-8; `-` reads standard input
    #[arg(value_name = "FILE|-")]
    pub file: PathBuf,
    /// The model.
    #[command(flatten)]
    pub model: ModelArguments,
    /// Tokens between two windows, from 1 to 1024: less is more exact and slower; the perplexity tasks have 32
    #[arg(long, value_name = "S", default_value_t = 512, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub stride: u16,
    /// How many of the most surprising tokens to show
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub top: usize,
    /// How to print it
    #[arg(long, default_value = "table")]
    pub format: ScoreTextFormat,
}

/// How a scored text is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ScoreTextFormat {
    /// A table for the terminal.
    Table,
    /// JSON, with every number in full.
    Json,
}

/// `gpt2-eval completions`.
#[derive(Debug, Args)]
pub struct CompletionsArguments {
    /// The shell, for example `gpt2-eval completions bash > ~/.local/share/bash-completion/completions/gpt2-eval`
    #[arg(value_name = "SHELL")]
    pub shell: clap_complete::Shell,
}

/// `gpt2-eval man`.
#[derive(Debug, Args)]
pub struct ManualArguments {
    /// Directory for one page a command, such as ~/.local/share/man/man1 [default: the page of the program, to standard
    /// output]
    #[arg(short, long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

fn temperature(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value > 0.0 && value.is_finite() => Ok(value),
        _ => Err("expected a number above 0; leave it out for the most probable text".to_owned()),
    }
}

fn probability(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value > 0.0 && value <= 1.0 => Ok(value),
        _ => Err("expected a number above 0, at most 1".to_owned()),
    }
}

/// A text with `\n`, `\t` and `\\` for a line end, a tab and a backslash.
fn unescaped(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("an empty text would end every text before it begins".to_owned());
    }
    let mut characters = text.chars();
    let mut plain = String::new();
    while let Some(character) = characters.next() {
        plain.push(match character {
            '\\' => match characters.next() {
                Some('n') => '\n',
                Some('t') => '\t',
                Some('\\') => '\\',
                _ => return Err("expected \\n, \\t or \\\\ behind a backslash".to_owned()),
            },
            other => other,
        });
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_stop_strings() {
        assert_eq!(temperature("0.8"), Ok(0.8));
        assert_eq!(probability("1"), Ok(1.0));
        for bad in ["0", "-1", "nan", "inf", "x"] {
            assert!(temperature(bad).is_err() && probability(bad).is_err(), "{bad}");
        }
        assert!(probability("1.1").is_err());
        assert_eq!(unescaped(r"\n\t\\n"), Ok("\n\t\\n".to_owned()));
        assert!(unescaped(r"\x").is_err() && unescaped("").is_err() && unescaped(r"a\").is_err());
    }
}
