//! Figure 1 of the paper: zero-shot performance on four tasks, side by side.

use super::chart::Chart;
use super::curves::{Curve, CurvePanel, panel};
use super::labels::{protocol_name, task_footnotes};
use crate::report::Results;
use crate::report::distinct::add_new;

/// The panels of Figure 1: title, then tasks with their metrics; the first measured task is shown.
const PANELS: [(&str, &[(&str, &str)]); 4] = [
    ("Reading comprehension", &[("coqa", "f1")]),
    ("Translation", &[("wmt14-fr-en", "bleu"), ("wmt14-en-fr", "bleu"), ("wmt14-en-de", "bleu")]),
    ("Summarization", &[("cnn_dailymail", "rouge_average")]),
    ("Question answering", &[("nq", "exact_match")]),
];

/// The figure, if at least two of its panels have scores.
pub(super) fn chart(results: &Results) -> Option<Chart> {
    let mut panels = Vec::new();
    let mut footnotes = Vec::new();
    let mut values = Vec::new();
    let (mut protocols, mut caveats) = (Vec::new(), Vec::new());
    for (what, tasks) in PANELS {
        let found = tasks.iter().find_map(|(task, metric)| {
            let mut headings = results
                .headings()
                .iter()
                .filter(|heading| heading.task == *task && protocol_name(&heading.protocol) == "paper");
            headings
                .find_map(|heading| Some((heading, panel(results, &[Curve::alone(heading, metric)], 200.0)?)))
        });
        let Some((heading, CurvePanel { mut panel, footnotes: own, values: measured })) = found else {
            continue;
        };
        panel.title = Some(format!("{what}: {}", heading.title));
        panels.push(panel);
        let own_caveats = task_footnotes(heading, None);
        add_new(&mut footnotes, own.into_iter().filter(|footnote| !own_caveats.contains(footnote)));
        protocols.push(format!("{} {}", heading.title, heading.protocol));
        caveats.extend(task_footnotes(heading, Some(&heading.title)));
        values.push(format!("{what}: {measured}"));
    }
    if panels.len() < 2 {
        return None;
    }
    footnotes.push(format!("Protocols: {}.", protocols.join("; ")));
    footnotes.extend(caveats);
    Some(Chart {
        name: "overview".to_owned(),
        title: "Tasks without any training, against model size".to_owned(),
        subtitle: format!("as Figure 1 of Radford et al. 2019 · {}", results.made_by()),
        description: format!(
            "Up to four tasks against parameters on logarithmic axes, as in Figure 1 of the paper. Measured: {}.",
            values.join(". ")
        ),
        panels,
        footnotes,
    })
}
