//! Answer scores against the official rules and lm-evaluation-harness; `tests/golden/make_answers.py` made them.

use serde_json::Value;
use text_metrics::{
    AnswerScore, coqa_harness_score, coqa_score, normalize_answer, squad_exact_match, squad_f1,
};

const TOLERANCE: f64 = 1e-12;

fn golden() -> Value {
    serde_json::from_str(include_str!("answers.json")).unwrap()
}

#[test]
fn normalized_answers_equal_pythons() {
    let pairs: Vec<(String, String)> = serde_json::from_value(golden()["normalized"].clone()).unwrap();
    assert!(pairs.len() >= 100);
    for (text, expected) in pairs {
        assert_eq!(normalize_answer(&text), expected, "{text:?}");
    }
}

#[test]
fn answer_scores_equal_the_official_ones() {
    let golden = golden();
    let cases = golden["cases"].as_array().unwrap();
    assert!(cases.len() >= 400);
    for case in cases {
        let prediction = case["prediction"].as_str().unwrap();
        let references: Vec<&str> =
            case["references"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
        let squad = AnswerScore {
            exact_match: squad_exact_match(prediction, &references),
            f1: squad_f1(prediction, &references),
        };
        let scores = [
            ("squad", squad),
            ("coqa", coqa_score(prediction, &references)),
            ("harness", coqa_harness_score(prediction, &references)),
        ];
        for (rule, score) in scores {
            for (ours, theirs) in
                [score.exact_match, score.f1].into_iter().zip(case[rule].as_array().unwrap())
            {
                let difference = (ours - theirs.as_f64().unwrap()).abs();
                assert!(difference <= TOLERANCE, "{rule}: {score:?} for {case}");
            }
        }
    }
}
