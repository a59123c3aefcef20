//! Tests on figures of made-up scores.

use roxmltree::{Document, Node};

use super::published::SIZES;
use super::{Figure, figures};
use crate::record::{GroupScore, Score};
use crate::report::{Heading, Results, paper_numbers};

mod content;
mod hostile;
mod records;

const HIGHER: [&str; 6] = ["accuracy", "f1", "bleu", "rouge", "exact", "confidence"];

fn heading(task: &str, title: &str, protocol: &str, metrics: &[&str]) -> Heading {
    Heading {
        task: task.to_owned(),
        title: title.to_owned(),
        protocol: protocol.to_owned(),
        metrics: metrics.iter().map(|&metric| metric.to_owned()).collect(),
        ..Heading::default()
    }
}

fn score(heading: &Heading, model: (&str, Option<u64>), metric: &str, value: f64) -> Score {
    Score {
        model: model.0.to_owned(),
        parameters: model.1,
        task: heading.task.clone(),
        protocol: heading.protocol.clone(),
        metric: metric.to_owned(),
        value,
        stderr: Some(0.02 * value),
        ci95_low: Some(0.96 * value),
        ci95_high: Some(1.04 * value),
        n: 1000,
        higher_is_better: HIGHER.iter().any(|word| metric.starts_with(word)),
        paper: None,
        failed: 0,
        published: None,
    }
}

/// Every task of the paper with scores near the paper's for its four models, and for a small model.
fn paper_like() -> Results {
    let tasks: [(&str, &str, &[&str]); 14] = [
        ("lambada", "LAMBADA", &["perplexity", "accuracy_stop_filter", "accuracy"]),
        ("cbt-cn", "CBT common nouns", &["accuracy"]),
        ("cbt-ne", "CBT named entities", &["accuracy"]),
        ("wikitext2", "WikiText-2", &["perplexity", "token_perplexity", "bits_per_byte"]),
        ("ptb", "Penn Treebank", &["perplexity"]),
        ("enwik8", "enwik8", &["bits_per_byte"]),
        ("text8", "text8", &["bits_per_byte"]),
        ("wikitext103", "WikiText-103", &["perplexity"]),
        ("1bw", "One Billion Words", &["perplexity"]),
        ("winograd", "Winograd schemas", &["accuracy_partial", "accuracy_full"]),
        ("coqa", "CoQA", &["f1", "exact_match"]),
        ("cnn_dailymail", "CNN/Daily Mail", &["rouge_average", "rouge1", "rouge2", "rougeLsum"]),
        ("wmt14-fr-en", "WMT14 French to English", &["bleu"]),
        ("nq", "Natural Questions", &["exact_match", "accuracy_most_confident_1_percent"]),
    ];
    let (mut headings, mut scores, mut groups) = (Vec::new(), Vec::new(), Vec::new());
    for (task, title, metrics) in tasks {
        let heading = heading(task, title, "paper", metrics);
        for metric in metrics {
            let known: Vec<f64> = paper_numbers()
                .unwrap()
                .iter()
                .filter(|n| n.task == task && n.protocol == "paper" && n.metric == *metric)
                .filter(|n| SIZES.iter().any(|(size, _)| *size == n.model))
                .map(|n| n.value)
                .collect();
            let up = HIGHER.iter().any(|word| metric.starts_with(word));
            for (index, (size, parameters)) in SIZES.iter().enumerate() {
                let paper = crate::report::paper_value(size, task, "paper", metric);
                let middle = known.first().copied().unwrap_or(20.0) * (1.0 + 0.05 * index as f64);
                let value = paper.map_or(middle, |paper| paper * (1.03 - 0.02 * index as f64));
                let value = if up { value.min(99.0) } else { value };
                scores.push(Score { paper, ..score(&heading, (size, Some(*parameters)), metric, value) });
            }
            let small = if up { 3.0 } else { 40.0 * known.first().copied().unwrap_or(20.0) };
            let small = if metric.starts_with("bits") { 2.4 } else { small };
            scores.push(score(&heading, ("tiny-8M", Some(8_000_000)), metric, small));
        }
        if task == "cnn_dailymail" {
            for (name, value) in [("Lede-3", 31.2), ("Random-3", 20.4)] {
                scores.push(score(&heading, (name, None), "rouge_average", value));
            }
        }
        headings.push(heading);
    }
    for (model, skill) in [("117M", 0.2), ("1542M", 0.8)] {
        for bin in 0..10 {
            let sure = 5.0 + 6.0 * f64::from(bin);
            for (metric, value) in [("confidence", sure), ("exact_match", skill * sure)] {
                groups.push(GroupScore {
                    model: model.to_owned(),
                    task: "nq".to_owned(),
                    protocol: "paper".to_owned(),
                    breakdown: "confidence".to_owned(),
                    group: format!("{} of 10", bin + 1),
                    metric: metric.to_owned(),
                    value,
                    stderr: None,
                    ci95_low: Some((value - 4.0).max(0.0)),
                    ci95_high: Some(value + 4.0),
                    n: 361,
                });
            }
        }
    }
    Results::of_scores(headings, scores, groups)
}

fn named<'a>(figures: &'a [Figure], name: &str) -> &'a Figure {
    let names = || figures.iter().map(|figure| figure.name.as_str()).collect::<Vec<_>>();
    figures.iter().find(|figure| figure.name == name).unwrap_or_else(|| panic!("no {name} in {:?}", names()))
}

/// Tooltips and centres of all points in groups of a class.
fn points(document: &Document<'_>, class: &str) -> Vec<(String, (f64, f64))> {
    let of_class = |node: &Node<'_, '_>, class: &str| node.attribute("class") == Some(class);
    let groups = document.descendants().filter(|node| of_class(node, class));
    let markers =
        groups.flat_map(|group| group.children().filter(|node| of_class(node, "point")).collect::<Vec<_>>());
    markers
        .map(|point| {
            let tooltip =
                point.first_element_child().and_then(|title| title.text()).unwrap_or_default().to_owned();
            let marker = point.last_element_child().unwrap();
            let middle = if marker.tag_name().name() == "circle" {
                (number(marker, "cx"), number(marker, "cy"))
            } else {
                let corners = pairs(marker);
                (corners.iter().map(|c| c.0).sum::<f64>() / corners.len() as f64, corners[0].1)
            };
            (tooltip, middle)
        })
        .collect()
}

fn number(node: Node<'_, '_>, name: &str) -> f64 {
    node.attribute(name).unwrap_or_else(|| panic!("{name} of {node:?}")).parse().unwrap()
}

fn pairs(node: Node<'_, '_>) -> Vec<(f64, f64)> {
    let text = node.attribute("points").unwrap();
    text.split(' ')
        .map(|pair| {
            let (x, y) = pair.split_once(',').unwrap();
            (x.parse().unwrap(), y.parse().unwrap())
        })
        .collect()
}

fn texts(document: &Document<'_>) -> Vec<String> {
    let is_text = |node: &Node<'_, '_>| node.tag_name().name() == "text";
    document.descendants().filter(is_text).map(|node| node.text().unwrap_or_default().to_owned()).collect()
}

/// Left, right, top and bottom of the plot, from the line of the axes.
fn plot(document: &Document<'_>) -> (f64, f64, f64, f64) {
    let axes = document.descendants().find(|node| node.attribute("class") == Some("axes")).unwrap();
    let line =
        axes.children().filter(|node| node.has_attribute("points")).map(pairs).find(|line| line.len() == 3);
    let [(left, top), _, (right, bottom)] = line.unwrap()[..] else { panic!() };
    (left, right, top, bottom)
}

/// Checks that a figure is XML without NaN coordinates and that every text is within its edges.
fn check(figure: &Figure) {
    let document = Document::parse(&figure.svg).unwrap_or_else(|error| panic!("{}: {error}", figure.name));
    let width = number(document.root_element(), "width");
    let height = number(document.root_element(), "height");
    assert!(!figure.svg.contains("NaN") && !figure.svg.contains("inf\""), "{}", figure.name);
    for node in document.descendants().filter(|node| node.tag_name().name() == "text") {
        let (x, y) = (number(node, "x"), number(node, "y"));
        let wide =
            crate::report::figures::text::width(node.text().unwrap_or_default(), number(node, "font-size"));
        let (from, to) = match node.attribute("text-anchor") {
            Some("middle") => (x - wide / 2.0, x + wide / 2.0),
            Some("end") => (x - wide, x),
            _ => (x, x + wide),
        };
        let inside = from >= 0.0 && to <= width && y > 8.0 && y < height;
        assert!(inside, "{}: {:?} from {from} to {to} of {width}, {y} of {height}", figure.name, node.text());
    }
    for node in document.descendants().filter(|node| node.has_attribute("points")) {
        for (x, y) in pairs(node) {
            assert!((0.0..=width).contains(&x) && (0.0..=height).contains(&y), "{}: {x} {y}", figure.name);
        }
    }
}
