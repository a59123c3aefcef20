//! A user's card that was checked: `gpt2-eval --task-file my.toml`.

use std::ops::Range;

use toml::Spanned;

use super::data::CustomData;
use super::error::Problem;
use super::metrics::CustomMetric;
use super::raw::{AnswerIs, Format, Kind, Normalization, RawTaskConfig, Texts};
use super::template::{FieldPath, Template};
use super::{RESERVED_NAMES, TaskConfigError};
use crate::tasks::REGISTRY;

/// Most characters of a task's name, which becomes that of files.
const MAX_NAME: usize = 100;

/// Most tokens of a text: all that GPT-2 holds.
const MAX_TOKENS: usize = 1024;

/// Tokens that a model writes where the card does not say how many.
const USUAL_TOKENS: usize = 64;

/// What a user's card says, ready to be used.
#[derive(Debug, Clone)]
pub struct CustomTaskConfig {
    /// Name on the command line.
    pub name: String,
    /// Name in tables.
    pub title: String,
    /// One sentence.
    pub measures: String,
    /// Who made the data.
    pub citation: String,
    /// What the model is asked.
    pub asked: Asked,
    /// Headline first.
    pub metrics: Vec<CustomMetric>,
    /// Solved examples in the prompt.
    pub shots: u16,
    /// Tokens between two windows.
    pub stride: Option<u16>,
    /// Where the examples are.
    pub data: CustomData,
}

/// What the model is asked, by kind.
#[derive(Debug, Clone)]
pub enum Asked {
    /// The end of a text.
    LastWord {
        /// The text before, or the whole text.
        prompt: Prompt,
        /// What is scored; the last word of the prompt without it.
        target: Option<Template>,
    },
    /// One of several texts.
    Choice {
        /// What stands before.
        prompt: Prompt,
        /// What is scored, for each `{choice}`.
        target: Template,
        /// What there is to choose from.
        choices: Candidates,
        /// The right one.
        answer: FieldPath,
        /// How it is named.
        answer_is: AnswerIs,
        /// How scores become comparable.
        normalization: Normalization,
        /// What stands before the target in the unconditional score.
        unconditional_prompt: Template,
    },
    /// How probable a text is; without a template the file is one text.
    Perplexity(Option<Template>),
    /// A text of its own.
    Generate {
        /// What stands before.
        prompt: Prompt,
        /// How a solved example goes on.
        target: Template,
        /// What is right.
        references: Candidates,
        /// What ends a text.
        stop: Vec<String>,
        /// Most tokens of a text.
        max_new_tokens: usize,
    },
}

/// What stands before a target.
#[derive(Debug, Clone)]
pub struct Prompt {
    /// Before everything.
    pub preamble: String,
    /// For each record.
    pub template: Template,
    /// Behind a solved example.
    pub separator: String,
}

/// Texts of a record.
#[derive(Debug, Clone)]
pub enum Candidates {
    /// Those of a field.
    Field(FieldPath),
    /// One a template.
    Templates(Vec<Template>),
}

impl CustomTaskConfig {
    /// Reads a card; `file` is its name in messages.
    ///
    /// `Err` names line and column: what is no TOML, an unknown key, a key that the kind has no use for, a template with a
    /// brace too few, a metric that the kind does not have.
    pub fn parse(file: &str, text: &str) -> Result<Self, TaskConfigError> {
        let raw: RawTaskConfig =
            toml::from_str(text).map_err(|error| Problem::of_toml(&error).at(file, text))?;
        checked(&raw).map_err(|problem| problem.at(file, text))
    }
}

fn checked(raw: &RawTaskConfig) -> Result<CustomTaskConfig, Problem> {
    check_name(&raw.name)?;
    for line in [&raw.title, &raw.measures].into_iter().chain(&raw.citation) {
        let text = line.get_ref();
        if text.trim().is_empty() || text.chars().any(char::is_control) {
            return Err(Problem::new(
                line.span(),
                "expected one line of text, which stands in tables and lists",
            ));
        }
    }
    let kind = *raw.kind.get_ref();
    let data = CustomData::checked(&raw.data, kind)?;
    check_keys(raw, kind, data.format)?;
    let asked = asked(raw, kind, data.format)?;
    let metrics = CustomMetric::of_config(raw, kind)?;
    let stride = raw.stride.as_ref().map(|stride| match stride.get_ref() {
        1..=1024 => Ok(*stride.get_ref()),
        other => Err(Problem::new(stride.span(), format!("`stride` is {other}, expected 1 to 1024"))),
    });
    Ok(CustomTaskConfig {
        name: raw.name.get_ref().clone(),
        title: raw.title.get_ref().clone(),
        measures: raw.measures.get_ref().clone(),
        citation: raw.citation.as_ref().map(|citation| citation.get_ref().clone()).unwrap_or_default(),
        asked,
        metrics,
        shots: raw.shots.as_ref().map_or(0, |shots| *shots.get_ref()),
        stride: stride.transpose()?,
        data,
    })
}

/// The name stands on the command line, in tables and in the names of files.
fn check_name(name: &Spanned<String>) -> Result<(), Problem> {
    let text = name.get_ref();
    let wrong = |reason: String| Err(Problem::new(name.span(), reason));
    // No full stop: `lambada.harness` would have the journal of `lambada:harness`.
    let allowed = |character: char| character.is_ascii_alphanumeric() || "-_".contains(character);
    let begins = text.chars().next().is_some_and(|first| first.is_ascii_alphanumeric());
    if !begins || !text.chars().all(allowed) || text.len() > MAX_NAME {
        return wrong(format!(
            "{text:?} is no name for a task: expected up to {MAX_NAME} letters, digits and -_, beginning with a letter or \
             digit"
        ));
    }
    if REGISTRY.iter().any(|task| task.config().name.eq_ignore_ascii_case(text)) {
        return wrong(format!("`{text}` is the name of a task of this program: choose another"));
    }
    if RESERVED_NAMES.contains(&text.as_str()) {
        return wrong(format!("`{text}` is the name of a group of tasks: choose another"));
    }
    Ok(())
}

/// A key: its name, where it stands, the kinds that take it, and those that need it.
type Key<'a> = (&'static str, Option<Range<usize>>, &'a [Kind], &'a [Kind]);

/// A key that the kind has no use for, or one that it needs and that is not there.
fn check_keys(raw: &RawTaskConfig, kind: Kind, format: Format) -> Result<(), Problem> {
    use Kind::{Choice, Generate, LastWord, Perplexity};
    let is_text = format == Format::Text;
    let keys: [Key<'_>; 15] = [
        ("preamble", span(raw.preamble.as_ref()), &[LastWord, Choice, Generate], &[]),
        ("prompt", span(raw.prompt.as_ref()), &[LastWord, Choice, Generate], &[LastWord, Choice, Generate]),
        ("target", span(raw.target.as_ref()), &[LastWord, Choice, Generate], &[]),
        ("separator", span(raw.separator.as_ref()), &[LastWord, Choice, Generate], &[]),
        ("shots", span(raw.shots.as_ref()), &[LastWord, Choice, Generate], &[]),
        ("choices", span(raw.choices.as_ref()), &[Choice], &[Choice]),
        ("answer", span(raw.answer.as_ref()), &[Choice], &[Choice]),
        ("answer_is", span(raw.answer_is.as_ref()), &[Choice], &[Choice]),
        ("normalization", span(raw.normalization.as_ref()), &[Choice], &[]),
        ("unconditional_prompt", span(raw.unconditional_prompt.as_ref()), &[Choice], &[]),
        ("references", span(raw.references.as_ref()), &[Generate], &[Generate]),
        ("stop", span(raw.stop.as_ref()), &[Generate], &[]),
        ("max_new_tokens", span(raw.max_new_tokens.as_ref()), &[Generate], &[]),
        ("text", span(raw.text.as_ref()), &[Perplexity], if is_text { &[] } else { &[Perplexity] }),
        ("stride", span(raw.stride.as_ref()), &[Perplexity], &[]),
    ];
    for (key, span, takes, needs) in keys {
        match span {
            Some(span) if !takes.contains(&kind) => {
                let kinds: Vec<&str> = takes.iter().map(|kind| kind.as_str()).collect();
                let (name, kinds) = (kind.as_str(), kinds.join(" and "));
                let reason = format!("`{key}` has no meaning for a task of kind `{name}`, only for {kinds}");
                return Err(Problem::new(span, reason));
            }
            None if needs.contains(&kind) => {
                let reason = format!("a task of kind `{}` needs the key `{key}`", kind.as_str());
                return Err(Problem::new(raw.kind.span(), reason));
            }
            _ => {}
        }
    }
    Ok(())
}

pub(super) fn span<T>(value: Option<&Spanned<T>>) -> Option<Range<usize>> {
    value.map(Spanned::span)
}

fn asked(raw: &RawTaskConfig, kind: Kind, format: Format) -> Result<Asked, Problem> {
    Ok(match kind {
        Kind::LastWord => {
            Asked::LastWord { prompt: prompt(raw)?, target: raw.target.as_ref().map(template).transpose()? }
        }
        Kind::Choice => {
            let normalization =
                raw.normalization.as_ref().map_or(Normalization::None, |known| *known.get_ref());
            if let Some(prompt) = &raw.unconditional_prompt
                && normalization != Normalization::Unconditional
            {
                let reason =
                    "`unconditional_prompt` has no meaning without normalization = \"unconditional\"";
                return Err(Problem::new(prompt.span(), reason));
            }
            let target = or_else(raw.target.as_ref(), " {choice}")?;
            let prompt = prompt(raw)?;
            if !target.names("choice") && !prompt.template.names("choice") {
                let at = raw.target.as_ref().map_or(raw.kind.span(), Spanned::span);
                return Err(Problem::new(
                    at,
                    "neither `target` nor `prompt` has {choice}: all choices are alike",
                ));
            }
            Asked::Choice {
                prompt,
                target,
                choices: candidates(raw.choices.as_ref(), raw.kind.span())?,
                answer: path(raw.answer.as_ref(), raw.kind.span())?,
                answer_is: raw.answer_is.as_ref().map_or(AnswerIs::Letter, |known| *known.get_ref()),
                normalization,
                unconditional_prompt: or_else(raw.unconditional_prompt.as_ref(), "")?,
            }
        }
        Kind::Generate => Asked::Generate {
            prompt: prompt(raw)?,
            target: or_else(raw.target.as_ref(), " {reference}")?,
            references: candidates(raw.references.as_ref(), raw.kind.span())?,
            stop: stop(raw.stop.as_ref())?,
            max_new_tokens: max_new_tokens(raw.max_new_tokens.as_ref())?,
        },
        Kind::Perplexity => {
            if let Some(text) = raw.text.as_ref().filter(|_| format == Format::Text) {
                let reason = "`text` has no meaning where the file is one text: it has no fields";
                return Err(Problem::new(text.span(), reason));
            }
            Asked::Perplexity(raw.text.as_ref().map(template).transpose()?)
        }
    })
}

fn template(text: &Spanned<String>) -> Result<Template, Problem> {
    Template::parse(text.get_ref()).map_err(|reason| Problem::new(text.span(), reason))
}

fn or_else(text: Option<&Spanned<String>>, otherwise: &str) -> Result<Template, Problem> {
    text.map_or_else(|| Template::parse(otherwise).map_err(|reason| Problem::new(0..0, reason)), template)
}

fn prompt(raw: &RawTaskConfig) -> Result<Prompt, Problem> {
    let text = |text: &Option<Spanned<String>>, otherwise: &str| {
        text.as_ref().map_or_else(|| otherwise.to_owned(), |text| text.get_ref().clone())
    };
    Ok(Prompt {
        preamble: text(&raw.preamble, ""),
        template: or_else(raw.prompt.as_ref(), "")?,
        separator: text(&raw.separator, "\n\n"),
    })
}

pub(super) fn path(text: Option<&Spanned<String>>, otherwise: Range<usize>) -> Result<FieldPath, Problem> {
    let Some(text) = text else { return Err(Problem::new(otherwise, "the name of a field is missing")) };
    FieldPath::parse(text.get_ref()).map_err(|reason| Problem::new(text.span(), reason))
}

fn candidates(texts: Option<&Spanned<Texts>>, otherwise: Range<usize>) -> Result<Candidates, Problem> {
    let Some(texts) = texts else { return Err(Problem::new(otherwise, "the name of a field is missing")) };
    let wrong = |reason| Problem::new(texts.span(), reason);
    match texts.get_ref() {
        Texts::Field(field) => FieldPath::parse(field).map(Candidates::Field).map_err(wrong),
        Texts::Templates(templates) if templates.is_empty() => Err(wrong("an empty list".to_owned())),
        Texts::Templates(templates) => {
            let parsed: Result<_, _> = templates.iter().map(|text| Template::parse(text)).collect();
            parsed.map(Candidates::Templates).map_err(wrong)
        }
    }
}

fn stop(stop: Option<&Spanned<Vec<String>>>) -> Result<Vec<String>, Problem> {
    let Some(stop) = stop else { return Ok(vec!["\n".to_owned()]) };
    if stop.get_ref().iter().any(String::is_empty) {
        return Err(Problem::new(stop.span(), "an empty stop string would end every text before it begins"));
    }
    Ok(stop.get_ref().clone())
}

fn max_new_tokens(tokens: Option<&Spanned<usize>>) -> Result<usize, Problem> {
    let Some(tokens) = tokens else { return Ok(USUAL_TOKENS) };
    match *tokens.get_ref() {
        count @ 1..=MAX_TOKENS => Ok(count),
        other => {
            let reason = format!("`max_new_tokens` is {other}, expected 1 to {MAX_TOKENS}");
            Err(Problem::new(tokens.span(), reason))
        }
    }
}
