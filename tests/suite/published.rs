//! Values that others published, beside ours: `results/published.csv` in tables, formats and figures.

use crate::common::{copy_model, gpt2_eval};

#[test]
fn values_of_others_are_beside_ours_under_their_protocol() {
    let directory = tempfile::tempdir().unwrap();
    copy_model("tiny-3M", &directory.path().join("m"));
    let output = gpt2_eval(directory.path())
        .args("--tasks lambada:harness,lambada --data sample --limit 4 --out run --quiet".split(' '))
        .args("--model 117M=m --format json,latex,html,svg".split(' '))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let read = |name: &str| std::fs::read_to_string(directory.path().join("run").join(name)).unwrap();
    let scores = read("scores.csv");
    assert!(scores.lines().next().unwrap().ends_with(",paper,failed,published"), "{scores}");
    let of = |protocol: &str, metric: &str| {
        let line = scores.lines().find(|line| line.contains(protocol) && line.contains(metric)).unwrap();
        line.rsplit(',').take(3).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(of("\"harness,data=sample,limit=4\"", ",accuracy,"), ["32.56", "0", ""]);
    assert_eq!(of("\"harness,data=sample,limit=4\"", ",perplexity,"), ["40.0554", "0", ""]);
    assert_eq!(of("\"paper,data=sample,limit=4\"", ",perplexity,"), ["", "0", "35.13"]);
    let origin = "published, 117M: lm-evaluation-harness issue 2159, with lm-evaluation-harness 0.4";
    let table = read("table.md");
    assert!(table.contains("| published | Δ |") && table.contains(origin), "{table}");
    assert!(String::from_utf8(output.stdout).unwrap().contains(origin));
    assert!(read("table.tex").contains("published"), "LaTeX");
    let json: serde_json::Value = serde_json::from_str(&read("report.json")).unwrap();
    let scores = json["scores"].as_array().unwrap();
    assert!(scores.iter().any(|score| score["published"] == 32.56 && score["paper"].is_null()));
    let figure = read("figures/lambada-accuracy-harness.svg");
    assert!(figure.contains("lm-evaluation-harness issue 2159"), "{figure}");
}
