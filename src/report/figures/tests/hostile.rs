//! Hostile labels and extreme values.

use proptest::prelude::*;
use roxmltree::Document;

use super::{check, figures, heading, points, score, texts};
use crate::record::Score;
use crate::report::{Caveat, Heading, Results};

#[test]
fn hostile_labels_are_text() {
    let evil =
        ["<script>alert(1)</script>\u{0}", &"W".repeat(300), "\u{202e}שלום ]]> &amp; \u{1f600}", "", "a\nb"];
    for title in evil {
        let heading = Heading {
            caveats: vec![Caveat { symbol: "†", explanation: format!("{title}{title}"), brief: "" }],
            footnotes: vec![format!("§ {title}")],
            ..heading(title, title, &format!("custom,{title}"), &["accuracy"])
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
fn extreme_values_are_clamped_or_left_out() {
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
    assert!(of(&[("a", 5, f64::NAN)], (None, None)).is_empty(), "no score, no figure");
    assert!(of(&[("a", 0, 3.0)], (None, None)).is_empty(), "0 has no position on a logarithmic axis");
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

fn any_value() -> impl Strategy<Value = f64> {
    let odd =
        [0.0, -1.0, 1e-300, 1e300, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MIN_POSITIVE, 100.0];
    prop_oneof![3 => 0.0..200.0f64, 1 => -1e9..1e9f64, 2 => prop::sample::select(odd.to_vec())]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn any_scores_give_valid_figures(
        rows in prop::collection::vec((any_value(), any_value(), any_value(), 0u64..5, 0u32..40), 0..8),
        metric in prop::sample::select(vec!["perplexity", "accuracy", "bits_per_byte", "strange_metric"]),
        task in prop::sample::select(vec!["ptb", "mine", "enwik8"]),
    ) {
        let heading = heading(task, task, "paper", &[metric]);
        let models = rows.iter().enumerate().map(|(index, &(value, low, high, equal, size))| Score {
            ci95_low: Some(low),
            ci95_high: Some(high),
            // Some models of equal size, some baselines without size.
            parameters: (equal > 0).then(|| if equal == 1 { 1_000_000 } else { 2u64.pow(size) }),
            ..score(&heading, (&format!("m{index}"), None), metric, value)
        });
        let scores = models.collect();
        for figure in figures(&Results::of_scores(vec![heading.clone()], scores, Vec::new()), &[]) {
            check(&figure);
        }
    }
}
