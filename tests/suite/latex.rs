//! `table.tex` compiles, whatever text it contains.

use std::path::Path;
use std::process::Command;

use gpt2_eval::report::{Section, latex};

use crate::common::{copy_model, gpt2_eval, say};

/// Compiles a document without errors and returns the log. Returns `None`, with a message, if LaTeX is missing. Keeps the PDF
/// in the directory that `GPT2_EVAL_KEEP_PDF` names.
fn compiles(document: &str, name: &str) -> Option<String> {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("table.tex"), document).unwrap();
    let compiled = Command::new("pdflatex")
        .args(["-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "table.tex"])
        .current_dir(directory.path())
        .output();
    let Ok(output) = compiled else {
        say("SKIPPED: no pdflatex (Debian: texlive-latex-base and texlive-latex-recommended)");
        return None;
    };
    let log = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{name}: {log}");
    assert!(std::fs::metadata(directory.path().join("table.pdf")).unwrap().len() > 1_000);
    if let Some(keep) = std::env::var_os("GPT2_EVAL_KEEP_PDF") {
        std::fs::copy(directory.path().join("table.pdf"), Path::new(&keep).join(format!("{name}.pdf")))
            .unwrap();
    }
    Some(log)
}

#[test]
fn a_run_with_a_hostile_label_compiles() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    copy_model("tiny-3M", &path.join("model"));
    // The most unusual label that is allowed; `any_text_compiles` tests arbitrary text.
    let label = "50_a--b@c+d中é";
    let model = format!("{label}=model");
    let output = gpt2_eval(path)
        .args(["--tasks", "lambada,wikitext2,cbt-cn,coqa", "--sizes", "tiny", "--model", &model])
        .args(["--data", "sample", "--limit", "4", "--quiet", "--out", "run", "--format", "latex,table"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let document = std::fs::read_to_string(path.join("run/table.tex")).unwrap();
    assert!(path.join("run/table.txt").exists(), "a run writes all formats of --format");
    assert!(document.is_ascii(), "no character needs a special font");
    assert!(document.contains("50\\_a-{}-b@c+d{[}U+4E2D{]}\\'{e}"), "{document}");
    let terms = "; protocol paper; stride 32; shots 0; n = 4; ";
    assert!(document.contains(terms), "the caption has the terms");
    let log = compiles(&document, "run").unwrap_or_default();
    assert!(!log.contains("Overfull"), "overfull lines: {log}");
    // `report` makes the same document from the run's files.
    let again = gpt2_eval(path).args(["report", "run", "--format", "latex"]).output().unwrap();
    assert_eq!(String::from_utf8(again.stdout).unwrap(), document);
}

#[test]
fn any_text_compiles() {
    let everything: String = (' '..='\u{2fff}').step_by(3).chain('\0'..='\u{7f}').collect();
    let hostile = [
        r"\end{document}\input{/etc/passwd}".to_owned(),
        "[1] % $ & # _ { } ~ ^ \\ \\\\".to_owned(),
        "\u{202e}ltr\u{200f} ''' `` --- ?‘ !‘ << >> ,, ^^41 $$".to_owned(),
        "word".repeat(200),
        everything,
    ];
    let mut sections = Vec::new();
    for text in &hostile {
        let short: String = text.chars().take(60).collect();
        let header = vec![short.clone(), format!("{short}\nPPL ↓"), "[".to_owned()];
        let rows =
            vec![vec![short.clone(), "1.00 ± 0.10†‡§¶‖◊*".to_owned(), "[2mm]".to_owned()]; 3];
        let section = Section::new(text.clone(), 1, header, rows);
        sections.push(Section { footnotes: vec![text.clone()], terms: text.clone(), ..section });
    }
    // More tables, columns and rows than LaTeX fits on a page.
    let wide: Vec<String> = (0..40).map(|column| format!("a long name {column} ↑")).collect();
    sections.push(Section::new(
        "wide".to_owned(),
        1,
        wide,
        vec![vec!["123,456.78 ± 1.00".to_owned(); 40]; 90],
    ));
    for number in 0..30 {
        let row = vec!["model".to_owned(), "1.00".to_owned()];
        sections.push(Section::new(
            format!("table {number}"),
            1,
            vec!["model".to_owned(), "f1 ↑".to_owned()],
            vec![row],
        ));
    }
    let document = latex(&sections, &hostile[1], &hostile[..3]);
    assert!(document.is_ascii());
    // Overfull lines are allowed: some of the text cannot be broken.
    compiles(&document, "hostile");
}
