//! Content of figures and positions of their elements.

use roxmltree::Document;

use super::{check, figures, heading, named, number, paper_like, plot, points, score, texts};
use crate::record::Protocol;
use crate::report::{Caveat, Heading, Results};

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
fn points_are_at_their_values() {
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
    // The vertical axis ends at 2,000: the tiny model has 40 times the paper's 29.41.
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
fn heuristic_baselines_are_lines_and_curve_readings_have_a_range() {
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
fn equal_baselines_of_two_curves_share_a_line() {
    let metrics = ["accuracy_partial", "accuracy_full"];
    let heading = heading("winograd", "Winograd schemas", "raw", &metrics);
    let of = |model, parameters, [one, other]: [f64; 2]| {
        [
            score(&heading, (model, parameters), metrics[0], one),
            score(&heading, (model, parameters), metrics[1], other),
        ]
    };
    let scores = [
        of("a", Some(5), [60.0, 61.0]),
        of("Majority", None, [50.0, 50.0]),
        of("Random", None, [48.0, 49.0]),
    ]
    .concat();
    let figures = figures(&Results::of_scores(vec![heading], scores, Vec::new()), &[]);
    assert_eq!(figures[0].name, "winograd-accuracy-raw");
    let shown = texts(&Document::parse(&figures[0].svg).unwrap()).join(" ");
    assert!(
        shown.contains("full scoring, measured here Majority, measured here: 50.00 partial scoring, Random"),
        "{shown}"
    );
}

#[test]
fn the_same_scores_give_the_same_bytes() {
    let (one, other) = (figures(&paper_like(), &[]), figures(&paper_like(), &[]));
    assert_eq!(one, other);
    let figure = named(&one, "ptb-perplexity");
    assert_eq!(figure.png().unwrap(), named(&other, "ptb-perplexity").png().unwrap());
}

/// One model, one metric.
#[test]
fn a_small_figure() {
    let mut heading = heading("ptb", "Penn Treebank", "paper,data=sample", &["perplexity"]);
    let mut label = Protocol::new("paper");
    label.options.insert("data".to_owned(), "sample".to_owned());
    heading.caveats = Caveat::of_label(&label, 60);
    let scores = vec![score(&heading, ("117M", Some(124_439_808)), "perplexity", 66.5)];
    let figures = figures(&Results::of_scores(vec![heading], scores, Vec::new()), &[]);
    assert_eq!(figures.len(), 1);
    check(&figures[0]);
    insta::assert_snapshot!(figures[0].svg);
}

#[test]
fn pngs_have_the_right_size_title_and_colours() {
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
    assert!(dark(36, 36, 300, 36) > 500, "the title has {} dark pixels", dark(36, 36, 300, 36));
    assert_eq!(dark(0, 0, picture.width(), 30), 0, "no text above the title");
    let (red, green) = (213, 94);
    let orange = picture.pixels().iter().filter(|p| (p.red(), p.green()) == (red, green)).count();
    assert!(orange > 100, "the second curve has {orange} pixels");
}

#[test]
fn each_protocol_has_its_figure() {
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
    assert_eq!(points(&harness, "reported").len(), 1, "values of others are for the harness protocol");
    assert!(figures[1].svg.contains("transformers issue 13761"), "who measured");
    assert!(points(&harness, "paper").is_empty());
}

/// Writes all figures of made-up scores to the directory in `GPT2_EVAL_FIGURES`, for inspection.
#[test]
fn figures_for_inspection() {
    let Some(directory) = std::env::var_os("GPT2_EVAL_FIGURES").map(std::path::PathBuf::from) else { return };
    std::fs::create_dir_all(&directory).unwrap();
    for figure in figures(&paper_like(), &[]) {
        std::fs::write(directory.join(format!("{}.svg", figure.name)), &figure.svg).unwrap();
        std::fs::write(directory.join(format!("{}.png", figure.name)), figure.png().unwrap()).unwrap();
    }
}
