//! Figures of made-up scores: what is in them, and where.

use roxmltree::{Document, Node};

use super::published::SIZES;
use super::{Figure, figures};
use crate::record::{GroupScore, Manifest, MeasuredTask, Protocol, SampleRecord, Score, Statistics};
use crate::report::{ExportedRun, ExportedTask, Heading, Mark, Results, TaskResults, published_numbers};
use crate::request::{LogLikelihood, Response, RollingLogLikelihood};

const HIGHER: [&str; 6] = ["accuracy", "f1", "bleu", "rouge", "exact", "confidence"];

fn heading(task: &str, title: &str, protocol: &str, metrics: &[&str]) -> Heading {
    Heading {
        task: task.to_owned(),
        title: title.to_owned(),
        protocol: protocol.to_owned(),
        metrics: metrics.iter().map(|&metric| metric.to_owned()).collect(),
        marks: Vec::new(),
        notes: Vec::new(),
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
    }
}

/// Every task of the paper on its four models, a little off the paper's numbers, and on a small model of our own.
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
            let known: Vec<f64> = published_numbers()
                .unwrap()
                .iter()
                .filter(|n| {
                    n.task == task && n.protocol == "paper" && n.metric == *metric && n.kind == "paper"
                })
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

/// Groups of a class with what a pointer over each of their points shows, and the points' middles.
fn points<'a>(document: &'a Document<'_>, class: &str) -> Vec<(String, (f64, f64))> {
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

/// The plot's left, right, upper and lower end: the line of the axes.
fn plot(document: &Document<'_>) -> (f64, f64, f64, f64) {
    let axes = document.descendants().find(|node| node.attribute("class") == Some("axes")).unwrap();
    let line =
        axes.children().filter(|node| node.has_attribute("points")).map(pairs).find(|line| line.len() == 3);
    let [(left, top), _, (right, bottom)] = line.unwrap()[..] else { panic!() };
    (left, right, top, bottom)
}

/// That a figure is XML, has no place that is not a number, and keeps every text within its edges.
fn check(figure: &Figure) {
    let document = Document::parse(&figure.svg).unwrap_or_else(|error| panic!("{}: {error}", figure.name));
    let width = number(document.root_element(), "width");
    let height = number(document.root_element(), "height");
    assert!(!figure.svg.contains("NaN") && !figure.svg.contains("inf\""), "{}", figure.name);
    for node in document.descendants().filter(|node| node.tag_name().name() == "text") {
        let (x, y) = (number(node, "x"), number(node, "y"));
        let wide = super::text::width(node.text().unwrap_or_default(), number(node, "font-size"));
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

#[test]
fn every_task_has_its_figures() {
    let figures = figures(&paper_like(), &[]);
    let names: Vec<&str> = figures.iter().map(|figure| figure.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "overview",
            "lambada-perplexity",
            "lambada-accuracy",
            "cbt-accuracy",
            "wikitext2-perplexity",
            "ptb-perplexity",
            "enwik8-bits_per_byte",
            "text8-bits_per_byte",
            "wikitext103-perplexity",
            "1bw-perplexity",
            "winograd-accuracy",
            "coqa-f1",
            "cnn_dailymail-rouge_average",
            "wmt14-fr-en-bleu",
            "nq-exact_match",
            "nq-accuracy_most_confident_1_percent",
            "nq-calibration",
        ]
    );
    for figure in &figures {
        check(figure);
        assert!(figure.description.ends_with('.') && figure.description.len() > 60, "{}", figure.description);
    }
}

#[test]
fn points_are_where_their_values_are() {
    let figures = figures(&paper_like(), &[]);
    let document = Document::parse(&named(&figures, "wikitext2-perplexity").svg).unwrap();
    let (left, right, top, bottom) = plot(&document);
    let (paper, measured) = (points(&document, "paper"), points(&document, "measured"));
    assert_eq!(paper.len(), 4, "{paper:?}");
    assert_eq!(measured.len(), 5, "{measured:?}");
    assert_eq!(paper[0].0, "117M, paper: 29.41");
    assert!(
        measured[1].0.starts_with("117M, measured here: 30.29 (95 %: 29.08 to 31.50), n = 1000"),
        "{measured:?}"
    );
    // The vertical axis goes from 10 to 2,000 by 1, 2 and 5: the tiny model has 40 times the paper's 29.41.
    let height = |value: f64| bottom - (value / 10.0).ln() / 200f64.ln() * (bottom - top);
    let (low, high) = (8e6f64, 1_557_611_200f64);
    let room = (high / low).powf(0.06).max(1.25);
    let across = |p: f64| left + (p * room / low).ln() / (high / low * room * room).ln() * (right - left);
    let near = |(_, found): &(String, (f64, f64)), expected: (f64, f64)| {
        assert!(
            (found.0 - expected.0).abs() < 0.02 && (found.1 - expected.1).abs() < 0.02,
            "{found:?} {expected:?}"
        );
    };
    near(&paper[0], (across(124_439_808.0), height(29.41)));
    near(&paper[3], (across(1_557_611_200.0), height(18.34)));
    near(&measured[0], (across(8e6), height(40.0 * 29.41)));
    near(&measured[4], (across(1_557_611_200.0), height(18.34 * 0.97)));
    let texts = texts(&document);
    for text in
        ["10", "2,000", "117M", "345M", "762M", "1542M", "tiny-8M", "perplexity, ↓ better", "GPT-2 paper"]
    {
        assert!(texts.iter().any(|own| own == text), "{text} in {texts:?}");
    }
    assert!(texts.iter().any(|text| text == "SOTA (2019): 39.14"), "{texts:?}");
}

#[test]
fn baselines_are_lines_and_readings_have_their_range() {
    let figures = figures(&paper_like(), &[]);
    let figure = named(&figures, "cnn_dailymail-rouge_average");
    let document = Document::parse(&figure.svg).unwrap();
    let levels: Vec<String> = document
        .descendants()
        .filter(|node| node.tag_name().name() == "title" && node.parent().unwrap().has_attribute("class"))
        .filter(|node| node.parent().unwrap().attribute("class") != Some("point"))
        .filter_map(|node| node.text().map(str::to_owned))
        .collect();
    assert_eq!(
        levels,
        [
            "Bottom-Up: 32.75",
            "Lede-3: 31.55",
            "Seq2Seq + Attn: 23.99",
            "Random-3: 20.98",
            "Lede-3, measured here: 31.20",
            "Random-3, measured here: 20.40",
        ]
    );
    assert!(texts(&document).iter().any(|text| text.contains("read off a curve")));
    assert!(
        !texts(&Document::parse(&named(&figures, "ptb-perplexity").svg).unwrap())
            .iter()
            .any(|text| text.contains("read off a curve"))
    );
}

#[test]
fn the_same_scores_give_the_same_bytes() {
    let (one, other) = (figures(&paper_like(), &[]), figures(&paper_like(), &[]));
    assert_eq!(one, other);
    let figure = named(&one, "ptb-perplexity");
    assert_eq!(figure.png().unwrap(), named(&other, "ptb-perplexity").png().unwrap());
}

/// One model, one metric: the smallest figure there is.
#[test]
fn a_small_figure() {
    let mut heading = heading("ptb", "Penn Treebank", "paper,data=sample", &["perplexity"]);
    let mut label = Protocol::new("paper");
    label.options.insert("data".to_owned(), "sample".to_owned());
    heading.marks = Mark::of_label(&label, 60);
    let scores = vec![score(&heading, ("117M", Some(124_439_808)), "perplexity", 66.5)];
    let figures = figures(&Results::of_scores(vec![heading], scores, Vec::new()), &[]);
    assert_eq!(figures.len(), 1);
    check(&figures[0]);
    insta::assert_snapshot!(figures[0].svg);
}

#[test]
fn pictures_have_their_size_and_their_title() {
    let figures = figures(&paper_like(), &[]);
    let figure = named(&figures, "lambada-accuracy");
    let document = Document::parse(&figure.svg).unwrap();
    let (width, height) =
        (number(document.root_element(), "width"), number(document.root_element(), "height"));
    let picture = resvg::tiny_skia::Pixmap::decode_png(&figure.png().unwrap()).unwrap();
    let twice = |side: f64| (2.0 * side).ceil() as u32;
    assert_eq!((picture.width(), picture.height()), (twice(width), twice(height)));
    let dark = |left: u32, top: u32, wide: u32, high: u32| {
        let inside = (top..top + high).flat_map(|y| (left..left + wide).map(move |x| (x, y)));
        inside.filter(|&(x, y)| picture.pixel(x, y).is_some_and(|p| p.red() < 100 && p.blue() < 100)).count()
    };
    assert!(dark(36, 36, 300, 36) > 500, "the title is {} dark pixels", dark(36, 36, 300, 36));
    assert_eq!(dark(0, 0, picture.width(), 30), 0, "nothing stands above the title");
    let (red, green) = (213, 94);
    let orange = picture.pixels().iter().filter(|p| (p.red(), p.green()) == (red, green)).count();
    assert!(orange > 100, "the second curve has {orange} pixels");
}

#[test]
fn hostile_labels_are_text() {
    let evil =
        ["<script>alert(1)</script>\u{0}", &"W".repeat(300), "\u{202e}שלום ]]> &amp; \u{1f600}", "", "a\nb"];
    for title in evil {
        let heading = Heading {
            marks: vec![Mark { symbol: "†", explanation: format!("{title}{title}") }],
            notes: vec![format!("§ {title}")],
            ..heading(title, title, &format!("own,{title}"), &["accuracy"])
        };
        let models = evil.iter().enumerate();
        let scores: Vec<Score> = models
            .map(|(index, name)| score(&heading, (name, Some(1000 + index as u64)), "accuracy", 50.0))
            .collect();
        let baseline = score(&heading, (title, None), "accuracy", 1.0);
        let all = scores.into_iter().chain([baseline]).collect();
        let figures = figures(&Results::of_scores(vec![heading], all, Vec::new()), &[]);
        assert_eq!(figures.len(), 1);
        check(&figures[0]);
        assert!(!figures[0].svg.contains("<script"));
        assert!(
            figures[0].name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)),
            "{}",
            figures[0].name
        );
        assert!(figures[0].png().unwrap().len() > 1000);
    }
}

#[test]
fn strange_values_draw_what_can_be_drawn() {
    let of = |models: &[(&str, u64, f64)], interval: (Option<f64>, Option<f64>)| {
        let heading = heading("ptb", "Penn Treebank", "paper", &["perplexity"]);
        let scores = models
            .iter()
            .map(|&(model, parameters, value)| Score {
                ci95_low: interval.0,
                ci95_high: interval.1,
                ..score(&heading, (model, Some(parameters)), "perplexity", value)
            })
            .collect();
        let figures = figures(&Results::of_scores(vec![heading], scores, Vec::new()), &[]);
        figures.iter().for_each(check);
        figures
    };
    let infinite = (Some(f64::NEG_INFINITY), Some(f64::INFINITY));
    assert!(of(&[("a", 5, f64::NAN)], (None, None)).is_empty(), "nothing measured, nothing drawn");
    assert!(of(&[("a", 0, 3.0)], (None, None)).is_empty(), "no place on a logarithmic axis");
    assert_eq!(of(&[("a", 5, f64::INFINITY), ("b", 7, 30.0)], infinite).len(), 1);
    assert_eq!(of(&[("a", 5, 0.0)], (Some(0.0), Some(0.0))).len(), 1);
    assert_eq!(of(&[("a", u64::MAX, 1e200), ("b", 1, 1e-200)], (Some(-5.0), Some(1e300))).len(), 1);
    assert_eq!(of(&[("a", 5, 1e6), ("b", 7, 10.0)], (Some(0.0), Some(f64::NAN))).len(), 1);

    let equal = of(
        &[("mine", 124_439_808, 60.0), ("117M", 124_439_808, 66.0), ("345M", 354_823_168, 47.0)],
        (None, None),
    );
    let document = Document::parse(&equal[0].svg).unwrap();
    let measured = points(&document, "measured");
    assert_eq!(measured.len(), 3);
    let texts = texts(&document);
    assert!(texts.iter().any(|text| text.contains("models of equal")), "{texts:?}");
    assert!(["mine", "117M"].iter().all(|name| texts.iter().any(|text| text == name)), "{texts:?}");
    assert!(figures(&Results::default(), &[]).is_empty());
}

#[test]
fn protocols_have_figures_of_their_own() {
    let metrics = ["word_perplexity"];
    let headings: Vec<Heading> = ["paper", "harness", "paper,stride=1024", "paper,stride=512"]
        .iter()
        .map(|protocol| heading("wikitext2", "WikiText-2", protocol, &metrics))
        .collect();
    let scores = headings.iter().map(|h| score(h, ("117M", Some(124_439_808)), metrics[0], 37.0)).collect();
    let figures = figures(&Results::of_scores(headings, scores, Vec::new()), &[]);
    let names: Vec<&str> = figures.iter().map(|figure| figure.name.as_str()).collect();
    let plain = "wikitext2-word_perplexity";
    assert_eq!(names, [plain, &format!("{plain}-harness"), &format!("{plain}-2"), &format!("{plain}-3")]);
    let harness = Document::parse(&figures[1].svg).unwrap();
    assert_eq!(points(&harness, "reported").len(), 1, "what others reported is for the harness's protocol");
    assert!(points(&harness, "paper").is_empty());
}

fn manifest() -> Manifest {
    let effort = |task: &str, seconds: f64, tokens: u64| {
        serde_json::json!({"model": "a", "task": task, "protocol": "paper", "kernels": "k", "seconds": seconds,
            "requested_tokens": tokens, "read_tokens": tokens, "padding_tokens": 0, "key_value_bytes": 0})
    };
    serde_json::from_value(serde_json::json!({
        "schema_version": 2, "status": "complete",
        "plan": {"models": [], "tasks": [], "data": "sample", "limit": null, "seed": 0},
        "identity": {"engine_version": 1, "backend": "flex", "dtype": "f32", "tasks": [], "data": [], "limit": null,
            "seed": 0, "models": [{"label": "a", "parameters": 5, "config_sha256": "", "weights_sha256": "",
            "tokenizer_sha256": ""}]},
        "tasks": [],
        "environment": {"program_version": "1", "git_revision": null, "git_dirty": null, "dependencies": {},
            "command": [], "files": [], "device": "flex", "threads": 2, "batch_tokens": 1, "processor": "one",
            "system": "s", "host": null},
        "effort": [effort("one", 2.0, 1000), effort("two", 0.5, 1000), effort("one", 2.0, 1000), effort("none", 0.0, 5)],
        "failed_samples": 0, "started": "2026-01-31T12:00:00Z", "ended": null
    }))
    .unwrap()
}

fn record(responses: Vec<Response>) -> SampleRecord {
    SampleRecord {
        id: "0".to_owned(),
        cluster: None,
        key: String::new(),
        prompt_sha256: String::new(),
        context_tokens: 0,
        target_tokens: 0,
        truncated_tokens: 0,
        responses,
        statistics: Statistics::new(),
        error: None,
    }
}

fn scored(token_log_probs: &[f32]) -> Response {
    Response::LogLikelihood(LogLikelihood {
        log_likelihood: 0.0,
        greedy: false,
        token_log_probs: token_log_probs.to_vec(),
        filtered: None,
        context_tokens: 0,
        truncated_tokens: 0,
    })
}

/// The figures of one run without scores whose task has these records.
fn of_records(records: Vec<SampleRecord>) -> Vec<Figure> {
    let (manifest, results, records) = (manifest(), Results::default(), [records]);
    let protocol = Protocol::new("paper");
    let measured = MeasuredTask {
        task: "one".to_owned(),
        label: protocol.clone(),
        protocol,
        journal: "one".to_owned(),
        records: 1,
        samples: 1,
    };
    let task = ExportedTask {
        results: TaskResults { measured: &measured, title: "One", metrics: &[], breakdowns: &[] },
        records: &records,
        prompts: Vec::new(),
        description: "",
        hub: None,
        split: "test",
    };
    let run = ExportedRun { manifest: &manifest, results: &results, tasks: vec![task], organization: "" };
    figures(&results, &[run])
}

#[test]
fn histograms_count_every_token() {
    let figures =
        of_records(vec![record(vec![scored(&[-0.05, -0.05, -9.05])]), record(vec![scored(&[-60.0])])]);
    let figure = named(&figures, "one-log-probabilities");
    check(figure);
    let document = Document::parse(&figure.svg).unwrap();
    let shown = texts(&document).join(" ");
    assert!(shown.contains("a: 4 scored tokens, mean −17.29"), "{shown}");
    assert!(shown.contains("The first bin has all that is below it"), "{shown}");
    let line = document.descendants().find(|node| node.attribute("class") == Some("measured")).unwrap();
    let corners = pairs(line.first_element_child().unwrap());
    let (_, _, top, bottom) = plot(&document);
    // Half of the tokens are in the last bin, and the axis ends at half.
    let highest = corners.iter().map(|corner| corner.1).fold(f64::INFINITY, f64::min);
    assert!((highest - top).abs() < 0.02, "{highest} {top}");
    let quarter = f64::midpoint(top, bottom);
    assert_eq!(
        corners.iter().filter(|corner| (corner.1 - quarter).abs() < 0.02).count(),
        4,
        "two bins of a quarter"
    );

    let part = RollingLogLikelihood { log_likelihood: -30.0, tokens: 10, bytes: 30, windows: 1 };
    let figures = of_records(vec![record(vec![Response::Rolling(part)])]);
    let figure = named(&figures, "one-log-probabilities");
    check(figure);
    assert!(
        figure.description.contains("mean log-probability per token of a part of the text"),
        "{figure:?}"
    );
    assert!(figure.description.contains("a: mean −3.00"), "{}", figure.description);

    let failed = SampleRecord { error: Some("no".to_owned()), ..record(vec![scored(&[-1.0])]) };
    let none = of_records(vec![failed, record(vec![scored(&[f32::NAN])])]);
    assert!(none.iter().all(|figure| figure.name != "one-log-probabilities"));
}

#[test]
fn throughput_sums_sessions() {
    let figures = of_records(Vec::new());
    let figure = named(&figures, "throughput");
    check(figure);
    let document = Document::parse(&figure.svg).unwrap();
    let tooltips: Vec<String> = points(&document, "measured").into_iter().map(|point| point.0).collect();
    assert_eq!(
        tooltips,
        [
            "one, a: 2,000 tokens in 4.0 s, 500 tokens per second",
            "two, a: 1,000 tokens in 0.5 s, 2,000 tokens per second"
        ]
    );
}

/// Writes all figures of made-up scores where `GPT2_EVAL_FIGURES` says, to be looked at.
#[test]
fn figures_to_look_at() {
    let Some(directory) = std::env::var_os("GPT2_EVAL_FIGURES").map(std::path::PathBuf::from) else { return };
    std::fs::create_dir_all(&directory).unwrap();
    for figure in figures(&paper_like(), &[]) {
        std::fs::write(directory.join(format!("{}.svg", figure.name)), &figure.svg).unwrap();
        std::fs::write(directory.join(format!("{}.png", figure.name)), figure.png().unwrap()).unwrap();
    }
}
