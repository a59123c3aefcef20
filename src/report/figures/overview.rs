//! Figure 1 of the paper: tasks without training, side by side.

use super::chart::Chart;
use super::sizes::{Curve, Explained, panel};
use super::words::{add_new, protocol_name, reservations};
use crate::report::Results;

/// The panels of Figure 1: what they show, and which tasks with which metrics; the first that was measured stands there.
const PANELS: [(&str, &[(&str, &str)]); 4] = [
    ("Reading comprehension", &[("coqa", "f1")]),
    ("Translation", &[("wmt14-fr-en", "bleu"), ("wmt14-en-fr", "bleu"), ("wmt14-en-de", "bleu")]),
    ("Summarization", &[("cnn_dailymail", "rouge_average")]),
    ("Question answering", &[("nq", "exact_match")]),
];

/// The figure, if at least two of its panels have something to show.
pub(super) fn chart(results: &Results) -> Option<Chart> {
    let mut panels = Vec::new();
    let mut footnotes = Vec::new();
    let mut values = Vec::new();
    let (mut protocols, mut reserved) = (Vec::new(), Vec::new());
    for (what, tasks) in PANELS {
        let found = tasks.iter().find_map(|(task, metric)| {
            let mut headings = results
                .headings()
                .iter()
                .filter(|heading| heading.task == *task && protocol_name(&heading.protocol) == "paper");
            headings
                .find_map(|heading| Some((heading, panel(results, &[Curve::alone(heading, metric)], 200.0)?)))
        });
        let Some((heading, Explained { mut panel, footnotes: own, values: measured })) = found else {
            continue;
        };
        panel.title = Some(format!("{what}: {}", heading.title));
        panels.push(panel);
        let marked = reservations(heading, None);
        add_new(&mut footnotes, own.into_iter().filter(|footnote| !marked.contains(footnote)));
        protocols.push(format!("{} {}", heading.title, heading.protocol));
        reserved.extend(reservations(heading, Some(&heading.title)));
        values.push(format!("{what}: {measured}"));
    }
    if panels.len() < 2 {
        return None;
    }
    footnotes.push(format!("Protocols: {}.", protocols.join("; ")));
    footnotes.extend(reserved);
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
