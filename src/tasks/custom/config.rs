//! A checked task config of a custom task: `gpt2-eval --task-file my.toml`.

use std::ops::Range;

use toml::Spanned;

use super::choice::Choice;
use super::data::CustomData;
use super::derive::AddedFields;
use super::error::{Problem, TaskConfigError};
use super::generation::Generation;
use super::last_word::LastWord;
use super::metrics::CustomMetric;
use super::raw::{AnswerIs, Format, Kind, Normalization, RawQuestion, RawTaskConfig, Tokenization, span};
use super::record::FieldPath;
use super::template::{Prompt, Template, TextList};
use crate::tasks::{REGISTRY, TaskConfig};
use gpt2_model::MAX_POSITIONS;

/// The group of all custom tasks of a run.
pub const CUSTOM_GROUP: &str = "custom";

/// Groups of tasks, which no task may be called.
const RESERVED_NAMES: [&str; 8] = ["all", "paper", "lm", "cbt", "wmt14", "core", "zero-shot", CUSTOM_GROUP];

/// Maximum characters of a task's name, which becomes part of file names.
const MAX_NAME: usize = 100;

/// Default of `max_new_tokens`.
const DEFAULT_TOKENS: usize = 64;

/// A task config that was checked.
#[derive(Debug, Clone)]
pub struct CustomTaskConfig {
    /// Name on the command line.
    pub name: String,
    /// Name in tables.
    pub title: String,
    /// One sentence.
    pub measures: String,
    /// Source of the data.
    pub citation: String,
    /// Requests, by kind.
    pub query: Query,
    /// Headline first.
    pub metrics: Vec<CustomMetric>,
    /// Few-shot examples in the prompt.
    pub shots: u16,
    /// Tokens between the starts of two windows.
    pub stride: Option<usize>,
    /// Fields that are added to each record.
    pub fields: AddedFields,
    /// The data files.
    pub data: CustomData,
}

/// How a record becomes requests, by kind.
#[derive(Debug, Clone)]
pub enum Query {
    /// The end of a text.
    LastWord(LastWord),
    /// One of several texts.
    Choice(Choice),
    /// A completion.
    Generate(Generation),
    /// The perplexity of a text; without a template the file is one text.
    Perplexity(Option<Template>),
}

impl CustomTaskConfig {
    /// Reads a task config; `file` is its name in messages.
    ///
    /// `Err` names line and column of invalid TOML, an unknown key, a key that the kind does not support, unbalanced
    /// braces, or a metric that the kind does not have.
    pub fn parse(file: &str, text: &str) -> Result<Self, TaskConfigError> {
        let raw: RawTaskConfig =
            toml::from_str(text).map_err(|error| Problem::of_toml(&error).at(file, text))?;
        checked(&raw).map_err(|problem| problem.at(file, text))
    }

    /// The question of a built-in task under one of its protocols. `Err` is a mistake in the bundled config.
    pub(super) fn of_built_in(task: &TaskConfig, question: &RawQuestion) -> Result<Self, String> {
        let raw = question.to_task(&task.name, &task.title, &task.measures);
        unnamed(&raw).map_err(|problem| format!("config of `{}`: {}", task.name, problem.reason))
    }
}

fn checked(raw: &RawTaskConfig) -> Result<CustomTaskConfig, Problem> {
    check_name(&raw.name)?;
    unnamed(raw)
}

/// Checks all but the name.
fn unnamed(raw: &RawTaskConfig) -> Result<CustomTaskConfig, Problem> {
    for line in [&raw.title, &raw.measures].into_iter().chain(&raw.citation) {
        let text = line.get_ref();
        if text.trim().is_empty() || text.chars().any(char::is_control) {
            return Err(Problem::new(line.span(), "expected one line of text, for tables and lists"));
        }
    }
    let kind = *raw.kind.get_ref();
    let data = CustomData::checked(&raw.data, kind)?;
    check_keys(raw, kind, data.format)?;
    let metrics = CustomMetric::of_config(raw, kind)?;
    let query = query(raw, kind, data.format, &metrics)?;
    let stride = raw.stride.as_ref().map(|stride| match stride.get_ref() {
        count @ 1..=MAX_POSITIONS => Ok(*count),
        other => {
            let reason = format!("`stride` is {other}; expected 1 to the model's context, such as 1024");
            Err(Problem::new(stride.span(), reason))
        }
    });
    Ok(CustomTaskConfig {
        name: raw.name.get_ref().clone(),
        title: raw.title.get_ref().clone(),
        measures: raw.measures.get_ref().clone(),
        citation: raw.citation.as_ref().map(|citation| citation.get_ref().clone()).unwrap_or_default(),
        query,
        metrics,
        shots: raw.shots.as_ref().map_or(0, |shots| *shots.get_ref()),
        stride: stride.transpose()?,
        fields: AddedFields::of_config(raw)?,
        data,
    })
}

/// The name appears on the command line, in tables and in file names.
fn check_name(name: &Spanned<String>) -> Result<(), Problem> {
    let text = name.get_ref();
    let wrong = |reason: String| Err(Problem::new(name.span(), reason));
    // No full stop: `lambada.harness` would have the journal of `lambada:harness`.
    let allowed = |character: char| character.is_ascii_alphanumeric() || "-_".contains(character);
    let begins = text.chars().next().is_some_and(|first| first.is_ascii_alphanumeric());
    if !begins || !text.chars().all(allowed) || text.len() > MAX_NAME {
        return wrong(format!(
            "invalid task name {text:?}: expected a letter or digit, then letters, digits, - and _, at most {MAX_NAME} in \
             all"
        ));
    }
    if REGISTRY.iter().any(|task| task.config().name.eq_ignore_ascii_case(text)) {
        return wrong(format!("`{text}` is the name of a built-in task; choose another name"));
    }
    if RESERVED_NAMES.contains(&text.as_str()) {
        return wrong(format!("`{text}` is the name of a group of tasks; choose another name"));
    }
    Ok(())
}

/// A key: its name, its location, the kinds that support it, and the kinds that need it.
type Key<'a> = (&'static str, Option<Range<usize>>, &'a [Kind], &'a [Kind]);

/// Refuses keys that the kind does not support, and missing keys that it needs.
fn check_keys(raw: &RawTaskConfig, kind: Kind, format: Format) -> Result<(), Problem> {
    use Kind::{Choice, Generate, LastWord, Perplexity};
    let is_text = format == Format::Text;
    let keys: [Key<'_>; 18] = [
        ("preamble", span(raw.preamble.as_ref()), &[LastWord, Choice, Generate], &[]),
        ("prompt", span(raw.prompt.as_ref()), &[LastWord, Choice, Generate], &[LastWord, Choice, Generate]),
        ("target", span(raw.target.as_ref()), &[LastWord, Choice, Generate], &[]),
        ("separator", span(raw.separator.as_ref()), &[LastWord, Choice, Generate], &[]),
        ("shots", span(raw.shots.as_ref()), &[LastWord, Choice, Generate], &[]),
        ("choices", span(raw.choices.as_ref()), &[Choice], &[Choice]),
        ("answer", span(raw.answer.as_ref()), &[Choice], &[Choice]),
        ("answer_is", span(raw.answer_is.as_ref()), &[Choice], &[Choice]),
        ("labels", span(raw.labels.as_ref()), &[Choice], &[]),
        ("normalization", span(raw.normalization.as_ref()), &[Choice], &[]),
        ("unconditional_prompt", span(raw.unconditional_prompt.as_ref()), &[Choice], &[]),
        ("tokenization", span(raw.tokenization.as_ref()), &[Choice], &[]),
        ("group", span(raw.group.as_ref()), &[Choice], &[]),
        ("references", span(raw.references.as_ref()), &[Generate], &[Generate]),
        ("stop", span(raw.stop.as_ref()), &[Generate], &[]),
        ("max_new_tokens", span(raw.max_new_tokens.as_ref()), &[Generate], &[]),
        ("text", span(raw.text.as_ref()), &[Perplexity], if is_text { &[] } else { &[Perplexity] }),
        ("stride", span(raw.stride.as_ref()), &[Perplexity], &[]),
    ];
    for (key, span) in [("derive", span(raw.derive.as_ref())), ("fields", span(raw.fields.as_ref()))] {
        if let Some(span) = span.filter(|_| is_text) {
            let reason =
                format!("`{key}` is not supported by format \"text\", which has no fields; remove it");
            return Err(Problem::new(span, reason));
        }
    }
    for (key, span, supported_by, needed_by) in keys {
        match span {
            Some(span) if !supported_by.contains(&kind) => {
                let kinds: Vec<&str> = supported_by.iter().map(|kind| kind.as_str()).collect();
                let (name, kinds) = (kind.as_str(), kinds.join(" and "));
                let reason =
                    format!("`{key}` is not supported by kind `{name}`, only by {kinds}; remove the key");
                return Err(Problem::new(span, reason));
            }
            None if needed_by.contains(&kind) => {
                let reason = format!("kind `{}` needs the key `{key}`; add it", kind.as_str());
                return Err(Problem::new(raw.kind.span(), reason));
            }
            _ => {}
        }
    }
    Ok(())
}

fn query(
    raw: &RawTaskConfig,
    kind: Kind,
    format: Format,
    metrics: &[CustomMetric],
) -> Result<Query, Problem> {
    Ok(match kind {
        Kind::LastWord => Query::LastWord(LastWord {
            prompt: Prompt::of_config(raw)?,
            target: raw.target.as_ref().map(Template::spanned).transpose()?,
        }),
        Kind::Choice => Query::Choice(choice(raw, metrics)?),
        Kind::Generate => Query::Generate(Generation {
            prompt: Prompt::of_config(raw)?,
            target: template_or(raw.target.as_ref(), " {reference}")?,
            needs_reference: metrics.iter().find(|metric| metric.needs_reference()).copied(),
            references: TextList::of_config(raw.references.as_ref(), raw.kind.span())?,
            stop: stop(raw.stop.as_ref())?,
            max_new_tokens: max_new_tokens(raw.max_new_tokens.as_ref())?,
        }),
        Kind::Perplexity => {
            if let Some(text) = raw.text.as_ref().filter(|_| format == Format::Text) {
                let reason =
                    "`text` is not supported by format \"text\", which has no fields; remove the key";
                return Err(Problem::new(text.span(), reason));
            }
            Query::Perplexity(raw.text.as_ref().map(Template::spanned).transpose()?)
        }
    })
}

fn choice(raw: &RawTaskConfig, metrics: &[CustomMetric]) -> Result<Choice, Problem> {
    let normalization = raw.normalization.as_ref().map_or(Normalization::None, |known| *known.get_ref());
    if let Some(prompt) = &raw.unconditional_prompt
        && normalization != Normalization::Unconditional
    {
        let reason = "`unconditional_prompt` needs normalization = \"unconditional\"";
        return Err(Problem::new(prompt.span(), reason));
    }
    let target = template_or(raw.target.as_ref(), " {choice}")?;
    let prompt = Prompt::of_config(raw)?;
    if !target.contains("choice") && !prompt.template.contains("choice") {
        let at = raw.target.as_ref().map_or(raw.kind.span(), Spanned::span);
        let reason = "neither `target` nor `prompt` contains {choice}, so all choices would score alike; add it to one";
        return Err(Problem::new(at, reason));
    }
    let answer_is = raw.answer_is.as_ref().map_or(AnswerIs::Letter, |known| *known.get_ref());
    let labels = match (&raw.labels, answer_is) {
        (Some(labels), AnswerIs::Label) => Some(TextList::of_config(Some(labels), labels.span())?),
        (Some(labels), _) => {
            return Err(Problem::new(labels.span(), "`labels` needs answer_is = \"label\""));
        }
        (None, AnswerIs::Label) => {
            let at = raw.answer_is.as_ref().map_or(raw.kind.span(), Spanned::span);
            let reason = "answer_is = \"label\" needs the key `labels`: the field with the choices' labels, such as \
                          labels = \"choices.label\"";
            return Err(Problem::new(at, reason));
        }
        (None, _) => None,
    };
    let answer =
        raw.answer.as_ref().ok_or_else(|| Problem::new(raw.kind.span(), "a field name is missing"))?;
    Ok(Choice {
        prompt,
        target,
        choices: TextList::of_config(raw.choices.as_ref(), raw.kind.span())?,
        answer: FieldPath::spanned(answer)?,
        answer_is,
        labels,
        normalization,
        unconditional_prompt: template_or(raw.unconditional_prompt.as_ref(), "")?,
        tokenization: raw.tokenization.as_ref().map_or(Tokenization::Together, |known| *known.get_ref()),
        group: raw.group.as_ref().map(FieldPath::spanned).transpose()?,
        keeps_probability: metrics.iter().any(|metric| metric.is_of_correct_choice()),
    })
}

fn template_or(text: Option<&Spanned<String>>, default: &str) -> Result<Template, Problem> {
    text.map_or_else(
        || Template::parse(default).map_err(|reason| Problem::new(0..0, reason)),
        Template::spanned,
    )
}

fn stop(stop: Option<&Spanned<Vec<String>>>) -> Result<Vec<String>, Problem> {
    let Some(stop) = stop else { return Ok(vec!["\n".to_owned()]) };
    if stop.get_ref().iter().any(String::is_empty) {
        let reason = "an empty stop string would end every completion at once; remove it, or use `stop = []`";
        return Err(Problem::new(stop.span(), reason));
    }
    Ok(stop.get_ref().clone())
}

fn max_new_tokens(tokens: Option<&Spanned<usize>>) -> Result<usize, Problem> {
    let Some(tokens) = tokens else { return Ok(DEFAULT_TOKENS) };
    match *tokens.get_ref() {
        count @ 1..=MAX_POSITIONS => Ok(count),
        other => {
            let reason = format!(
                "`max_new_tokens` is {other}; expected 1 to less than the model's context, such as 64"
            );
            Err(Problem::new(tokens.span(), reason))
        }
    }
}
