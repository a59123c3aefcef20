//! A comparison as text: the tables of all tasks, then the samples that changed most.

use super::changes::{ChangedAnswer, ChangedSample, Changes};
use super::compare::{ComparedMetric, ComparedTask, Comparison};
use crate::report::{
    Cell, Screen, Section, add_new, arrow, difference, escape_markdown, interval, markdown, markdown_line,
    number, or_dash, p_value, terminal,
};
use crate::text::visible_white_space;
use untrusted_input::thousands;

/// Footnote of tables with a metric that has no test.
const NO_TEST: &str = "no p: the metric is not a sum over samples, or there are too few samples for a test";

/// For the terminal.
pub(crate) fn comparison_text(comparison: &Comparison, screen: Screen) -> String {
    let mut text = format!("{}\n", heading(comparison));
    let notes = comparison.notes.iter().chain(&comparison.not_compared);
    text.extend(notes.map(|line| format!("  {line}\n")));
    text.push_str(&format!("\n{}", terminal(&sections(comparison), screen)));
    for (task, changes) in all_changes(comparison) {
        text.push_str(&format!("{}\n", changes_title(task, changes)));
        for sample in &changes.samples {
            text.extend(lines(task, changes, sample).map(|line| format!("  {line}\n")));
        }
        text.push('\n');
    }
    text
}

/// As Markdown.
pub(crate) fn comparison_markdown(comparison: &Comparison) -> String {
    let mut text = markdown(&sections(comparison), &heading(comparison), &comparison.notes);
    if !comparison.not_compared.is_empty() {
        text.push_str("\nNot compared:\n\n");
        text.extend(comparison.not_compared.iter().map(|line| format!("- {}\n", markdown_line(line))));
    }
    for (task, changes) in all_changes(comparison) {
        text.push_str(&format!("\n### {}\n", escape_markdown(&changes_title(task, changes))));
        for sample in &changes.samples {
            text.push('\n');
            // An indented block: Markdown in the data's text has no effect.
            text.extend(lines(task, changes, sample).map(|line| format!("    {line}\n")));
            text.push_str("\n<!-- -->\n");
        }
    }
    text
}

fn heading(comparison: &Comparison) -> String {
    format!("{} → {}: what changed, sample by sample", comparison.base, comparison.new)
}

fn all_changes(comparison: &Comparison) -> impl Iterator<Item = (&ComparedTask, &Changes)> {
    comparison.tasks.iter().flat_map(|task| task.changes.iter().map(move |changes| (task, changes)))
}

/// One table per task and protocol.
fn sections(comparison: &Comparison) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    for task in &comparison.tasks {
        let title = format!("{} ({})", task.title, task.protocol);
        let index = sections.iter().position(|section| section.title == title).unwrap_or_else(|| {
            let header = ["model", "metric", "n", "first", "second", "Δ", "95 % interval", "p", "lost / won"];
            let header = header.map(str::to_owned).to_vec();
            sections.push(Section::new(title, 2, header, Vec::new()));
            sections.len() - 1
        });
        let Some(section) = sections.get_mut(index) else { continue };
        section.rows.extend(
            task.metrics.iter().map(|metric| row(task, metric).into_iter().map(Cell::from).collect()),
        );
        let is_untested = task.metrics.iter().any(|metric| metric.p.is_none());
        let left_out = task.left_out.describe().map(|counts| format!("{}: {counts}", models(task)));
        let no_test = is_untested.then(|| NO_TEST.to_owned());
        add_new(&mut section.footnotes, left_out.into_iter().chain(no_test));
    }
    sections
}

fn models(task: &ComparedTask) -> String {
    if task.base_model == task.new_model {
        task.new_model.clone()
    } else {
        format!("{} → {}", task.base_model, task.new_model)
    }
}

fn row(task: &ComparedTask, metric: &ComparedMetric) -> Vec<String> {
    vec![
        models(task),
        format!("{} {}", metric.metric, arrow(metric.higher_is_better)),
        thousands(task.n as u64),
        number(metric.base),
        number(metric.new),
        difference(metric.difference),
        interval(metric.ci95_low.zip(metric.ci95_high)),
        or_dash(metric.p, p_value),
        or_dash(metric.lost.zip(metric.won), |(lost, won)| {
            format!("{} / {}", thousands(lost), thousands(won))
        }),
    ]
}

fn changes_title(task: &ComparedTask, changes: &Changes) -> String {
    format!(
        "{} ({}), {}: {} of {} samples changed {} ({}); the largest changes, worst first",
        task.title,
        task.protocol,
        models(task),
        thousands(changes.changed as u64),
        thousands(task.n as u64),
        changes.metric,
        changes.what
    )
}

/// The lines of a sample.
fn lines<'a>(
    task: &'a ComparedTask,
    changes: &Changes,
    sample: &'a ChangedSample,
) -> impl Iterator<Item = String> + use<'a> {
    let location = sample.location.as_deref().map(|location| format!(" ({location})")).unwrap_or_default();
    let change = if changes.is_accuracy {
        (if sample.new > sample.base { "won" } else { "lost" }).to_owned()
    } else {
        format!("{} → {} ({})", number(sample.base), number(sample.new), difference(sample.new - sample.base))
    };
    let head = format!("{}{location} {change}", sample.id);
    std::iter::once(head).chain(sample.answers.iter().flat_map(|answer| answer_lines(task, answer)))
}

fn answer_lines(task: &ComparedTask, answer: &ChangedAnswer) -> Vec<String> {
    let line = |name: &str, text: &str| format!("  {name:<7} {}", visible_white_space(text));
    let mut lines = Vec::new();
    lines.extend(
        answer.prompt.as_deref().filter(|prompt| !prompt.is_empty()).map(|text| line("prompt", text)),
    );
    if let Some(target) = &answer.target {
        let scores = answer.base_log_likelihood.zip(answer.new_log_likelihood);
        let scores = scores.map(|(old, now)| format!("   {} → {}", number(old), number(now)));
        lines.push(format!("{}{}", line("target", target), scores.unwrap_or_default()));
    }
    let (old, now) = if task.base_model == task.new_model {
        ("first", "second")
    } else {
        (task.base_model.as_str(), task.new_model.as_str())
    };
    lines.extend(answer.base_text.as_deref().map(|text| line(old, text)));
    lines.extend(answer.new_text.as_deref().map(|text| line(now, text)));
    lines
}
