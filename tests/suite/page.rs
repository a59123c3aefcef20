//! `report.html` in a real browser.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use crate::chromium::Chromium;
use crate::common::{Run, gpt2_eval, run_on_sample, say};

/// Sets a control of the page and waits until the filters are applied.
const SET: &str = "(async (id, value) => {
    const control = document.getElementById(id);
    if (control.tagName === 'SELECT') {
        control.value = [...control.options].find((option) => option.text.startsWith(value)).value;
    } else {
        control.value = value;
    }
    control.dispatchEvent(new Event('input', { bubbles: true }));
    await new Promise((done) => setTimeout(done, 200));
})";

fn set(browser: &mut Chromium, id: &str, value: &str) {
    browser.value(&format!("{SET}({}, {})", json!(id), json!(value)));
}

/// The number before "of" in the count of results.
fn found(browser: &mut Chromium) -> u64 {
    let text = browser.value("document.getElementById('count').textContent");
    let (found, _) = text.as_str().unwrap().split_once(" of ").unwrap();
    found.replace(',', "").parse().unwrap()
}

fn text_of(browser: &mut Chromium, selector: &str) -> String {
    let text = browser.value(&format!("document.querySelector({})?.textContent ?? ''", json!(selector)));
    text.as_str().unwrap().to_owned()
}

/// Writes the page of a run and returns its address.
fn page_of(run: &Run) -> String {
    let output = gpt2_eval(run.path()).args(["view", "run", "--no-open"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), "run/report.html");
    format!("file://{}/run/report.html", run.path().canonicalize().unwrap().display())
}

/// Changes every line of a file of JSON lines.
fn rewrite(path: &Path, change: impl Fn(usize, &mut Value)) {
    let text = std::fs::read_to_string(path).unwrap();
    let mut lines = String::new();
    for (index, line) in text.lines().enumerate() {
        let mut value: Value = serde_json::from_str(line).unwrap();
        change(index, &mut value);
        writeln!(lines, "{value}").unwrap();
    }
    std::fs::write(path, lines).unwrap();
}

#[test]
fn filters_search_sorting_and_keys() {
    let Some(mut browser) = Chromium::start() else { return };
    let run = run_on_sample("lambada,cbt-cn,coqa,wikitext2", &["--limit", "6"]);
    // Of six passages, one model is right on the first three, the other on the even ones.
    for (model, is_right) in
        [("tiny-3M", (|index| index < 3) as fn(usize) -> bool), ("tiny-8M", |index| index % 2 == 0)]
    {
        rewrite(&run.path().join(format!("run/samples/{model}/lambada.jsonl")), |index, record| {
            record["values"]["correct_stop_filter"] = json!(f64::from(u8::from(is_right(index))));
        });
    }
    let address = page_of(&run);
    browser.show_as(1280, 900, "light");
    browser.open(&address);
    let all = found(&mut browser);
    // Not more than six parts of the stream have scored windows, so that all ten are measured.
    assert_eq!(all, 2 * (6 + 6 + 6 + 10), "four tasks, two models");

    // Filters.
    set(&mut browser, "task", "LAMBADA");
    assert_eq!(found(&mut browser), 12);
    set(&mut browser, "model", "tiny-3M");
    assert_eq!(found(&mut browser), 6);
    set(&mut browser, "result", "right");
    assert_eq!(found(&mut browser), 3);
    set(&mut browser, "result", "wrong");
    assert_eq!(found(&mut browser), 3);
    set(&mut browser, "task", "CoQA");
    assert_eq!(found(&mut browser), 0, "F1 is neither right nor wrong");
    assert!(text_of(&mut browser, "#sample").contains("No answer matches"));
    set(&mut browser, "result", "neither");
    assert_eq!(found(&mut browser), 6);
    // The page shows the expected answers from the run's prompts.
    let id = browser.value("document.getElementById('sample').getAttribute('aria-label')");
    let prompts = std::fs::read_to_string(run.path().join("run/prompts/coqa.jsonl")).unwrap();
    let prompts = prompts.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let prompt = prompts
        .into_iter()
        .find(|prompt| id == format!("Sample {}", prompt["id"].as_str().unwrap()))
        .unwrap();
    let shown = text_of(&mut browser, "#sample");
    for expected in prompt["expected"].as_array().unwrap() {
        assert!(shown.contains(expected.as_str().unwrap()), "{expected} is not in {shown}");
    }

    // Flips: only the second passage is right for 3M and wrong for 8M, only the fifth the reverse.
    set(&mut browser, "task", "all");
    for (result, expected) in [("flipped", 2), ("lost", 1), ("won", 1)] {
        set(&mut browser, "result", result);
        assert_eq!(found(&mut browser), expected, "{result}");
    }
    assert_eq!(text_of(&mut browser, ".row span"), "✗→✓");
    set(&mut browser, "to", "tiny-3M");
    assert_eq!(found(&mut browser), 0, "nothing flips between a model and itself");

    // The search ignores case, and finds prompts, targets and completions.
    browser.value("document.querySelector('[type=reset]').click()");
    browser.wait("document.getElementById('result').value === ''");
    browser.wait(&format!("document.getElementById('count').textContent.startsWith('{all} ')"));
    set(&mut browser, "task", "LAMBADA");
    let target = text_of(&mut browser, ".row .snippet").to_uppercase();
    set(&mut browser, "search", &target);
    let of_target = found(&mut browser);
    assert!((2..12).contains(&of_target), "{target}: {of_target}");
    set(&mut browser, "search", "no text has this");
    assert_eq!(found(&mut browser), 0);
    set(&mut browser, "search", "");

    // Sorting.
    set(&mut browser, "task", "Children");
    let key = |column: &str| {
        format!(
            "JSON.parse(document.getElementById('data').textContent).tasks.flatMap((task) => task.task === 'cbt-cn' ? \
             task.answers.flatMap((answers) => answers.{column}) : [])"
        )
    };
    for (order, column, best) in [
        ("most confident", "confidence", "Math.max"),
        ("least confident", "confidence", "Math.min"),
        ("lowest loss", "loss", "Math.min"),
        ("highest loss", "loss", "Math.max"),
    ] {
        set(&mut browser, "sort", order);
        let extreme = browser.value(&format!("{best}(...{})", key(column))).as_f64().unwrap();
        let first = text_of(&mut browser, ".row");
        let shown = if column == "loss" {
            format!("loss {extreme:.2}")
        } else {
            format!("P {:.1} %", extreme * 100.0)
        };
        assert!(first.contains(&shown), "{order}: {first}, expected {shown}");
    }

    candidates_and_tokens(&mut browser);
    keys(&mut browser);
    assert_eq!(browser.complaints(&address), Vec::<String>::new());
}

fn candidates_and_tokens(browser: &mut Chromium) {
    // A choice shows ten candidates with their tokens; one is the best and one is correct.
    assert_eq!(browser.value("document.querySelectorAll('.answer.current .candidate').length"), 10);
    assert_eq!(browser.value("document.querySelectorAll('.answer.current .candidate.highest').length"), 1);
    let correct = "[...document.querySelectorAll('.answer.current .candidate .numbers')].filter((numbers) => numbers.textContent.includes('correct')).length";
    assert_eq!(browser.value(correct), 1);
    set(browser, "sort", "of the data");
    set(browser, "task", "LAMBADA");
    let (tokens, target) = (text_of(browser, ".answer .tokens"), text_of(browser, ".text:nth-of-type(2)"));
    assert_eq!(tokens, target, "the tokens' texts are the target");
    set(browser, "task", "WikiText");
    assert!(text_of(browser, ".answer").contains("no log-probabilities of tokens"));
}

fn keys(browser: &mut Chromium) {
    browser.value("document.getElementById('list').focus()");
    browser.press("/");
    assert_eq!(browser.value("document.activeElement.id"), "search");
    browser.press("c");
    browser.press("Escape");
    assert_eq!(browser.value("document.getElementById('search').value"), "");
    browser.press("Escape");
    assert_eq!(browser.value("document.activeElement.id"), "list");
    let active = "document.getElementById('list').getAttribute('aria-activedescendant')";
    browser.press("Home");
    browser.press("ArrowDown");
    browser.press("ArrowDown");
    assert_eq!(browser.value(active), "row-2");
    assert_eq!(browser.value("document.querySelectorAll('.row[aria-selected=true]').length"), 1);
    browser.press("End");
    // All ten parts of WikiText with both models.
    assert_eq!(browser.value(active), json!(format!("row-{}", 10 * 2 - 1)));
    assert_eq!(browser.value(&format!("document.getElementById({active}) !== null")), true);
    browser.press("Enter");
    assert_eq!(browser.value("document.activeElement.id"), "sample");
    browser.press("Escape");
    set(browser, "task", "CoQA");
    browser.value("document.querySelector('.tokens').focus()");
    browser.press("ArrowRight");
    assert!(text_of(browser, ".readout").contains(" nats, probability "));
}

#[test]
fn hostile_text_is_text() {
    let Some(mut browser) = Chromium::start() else { return };
    let run = run_on_sample("lambada,coqa", &["--limit", "3"]);
    let directory = run.path().join("run");
    let markup =
        "</script><script>window.harmed = 1</script><img src=x onerror='window.harmed = 1'><!-- &lt; <b>";
    let hostile = format!("{markup} שלום \u{202e}evil\u{2066} 👩‍👩‍👧 \u{0}\u{2028}\u{85} \\ud800 end");
    let long = "x".repeat(100_000);
    rewrite(&directory.join("prompts/lambada.jsonl"), |index, prompt| {
        prompt["requests"][0]["context"] = json!([&hostile, &long, ""][index]);
    });
    rewrite(&directory.join("samples/tiny-3M/coqa.jsonl"), |_, record| {
        record["responses"][0]["text"] = json!(hostile);
        record["error"] = json!(markup);
    });
    rewrite(&directory.join("prompts/coqa.jsonl"), |_, prompt| prompt["location"] = json!(markup));
    let mut manifest: Value =
        serde_json::from_slice(&std::fs::read(directory.join("manifest.json")).unwrap()).unwrap();
    manifest["environment"]["host"] = json!(hostile);
    std::fs::write(directory.join("manifest.json"), manifest.to_string()).unwrap();
    let address = page_of(&run);
    browser.open(&address);

    set(&mut browser, "task", "LAMBADA");
    let shown = text_of(&mut browser, ".text");
    let named = hostile
        .replace('\u{202e}', "U+202E")
        .replace('\u{2066}', "U+2066")
        .replace('\u{0}', "U+0000")
        .replace('\u{2028}', "U+2028")
        .replace('\u{85}', "U+0085");
    assert_eq!(shown, named);
    assert_eq!(browser.value("getComputedStyle(document.querySelector('.text')).unicodeBidi"), "isolate");
    set(&mut browser, "search", "<IMG SRC=x");
    assert_eq!(found(&mut browser), 2, "both models' answers to the prompt");
    set(&mut browser, "search", "xxxx");
    assert!(text_of(&mut browser, ".text").len() < 3_000, "folded");
    browser.value("document.querySelector('.folded button').click()");
    assert_eq!(text_of(&mut browser, ".text").len(), 100_000);
    assert_eq!(browser.value("document.documentElement.scrollWidth <= innerWidth"), true);

    // Tokens with another text than the completion: bars with positions.
    set(&mut browser, "search", "");
    set(&mut browser, "task", "CoQA");
    set(&mut browser, "model", "tiny-3M");
    assert_eq!(
        browser.value("document.querySelector('.failure').textContent"),
        json!(format!("Failed: {markup}"))
    );
    assert!(text_of(&mut browser, "#sample .facts").contains(markup));
    assert_eq!(text_of(&mut browser, ".answer.current .bars .token"), "1");
    set(&mut browser, "result", "failed");
    assert_eq!(found(&mut browser), 3);

    assert!(text_of(&mut browser, ".manifest pre").contains("window.harmed = 1"));
    let intruders =
        "document.querySelectorAll('main script, main img:not(figure > img), #sample b, .manifest b').length";
    assert_eq!(browser.value(intruders), 0);
    assert_eq!(browser.value("window.harmed === undefined"), true);
    assert_eq!(browser.complaints(&address), Vec::<String>::new());
    // Even an injected script could load nothing.
    let load = "fetch('data.json').then(() => 'loaded', () => 'refused')";
    assert_eq!(browser.value(load), "refused");
    assert!(browser.complaints(&address).iter().any(|text| text.contains("Content Security Policy")));
}

/// The lowest contrast of visible text with its background, with the element.
const LOWEST_CONTRAST: &str = "(() => {
    const parse = (colour) => colour.match(/[\\d.]+/g).map(Number);
    const light = (rgb) => rgb.slice(0, 3).map((value) => value / 255)
        .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
        .reduce((sum, value, index) => sum + value * [0.2126, 0.7152, 0.0722][index], 0);
    const behind = (element) => {
        for (let at = element; at; at = at.parentElement) {
            const colour = parse(getComputedStyle(at).backgroundColor);
            if (colour.length === 3 || colour[3] === 1) return colour;
        }
        return [255, 255, 255];
    };
    let lowest = [99, ''];
    let checked = 0;
    for (const element of document.body.querySelectorAll('*')) {
        const hasText = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== '');
        if (!hasText || element.getClientRects().length === 0 || element.disabled) continue;
        const [a, b] = [light(parse(getComputedStyle(element).color)), light(behind(element))];
        const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        checked += 1;
        if (contrast < lowest[0]) lowest = [contrast, `${element.outerHTML.slice(0, 120)}: ${getComputedStyle(element).color} on ${behind(element)}`];
    }
    return [...lowest, checked, getComputedStyle(document.body).backgroundColor];
})()";

#[test]
fn light_and_dark_wide_and_narrow() {
    let Some(mut browser) = Chromium::start() else { return };
    let run = run_on_sample("lambada,cbt-cn,coqa", &["--limit", "4"]);
    let address = page_of(&run);
    browser.show_as(1280, 900, "light");
    browser.open(&address);
    let mut papers = Vec::new();
    for scheme in ["light", "dark"] {
        browser.show_as(1280, 900, scheme);
        for task in ["LAMBADA", "Children", "CoQA"] {
            set(&mut browser, "task", task);
            let measured = browser.value(LOWEST_CONTRAST);
            assert!(measured[0].as_f64().unwrap() >= 4.5, "{scheme}, {task}: {measured}");
            assert!(measured[2].as_u64().unwrap() > 50, "{measured}");
            papers.push(measured[3].clone());
        }
    }
    assert_ne!(papers[0], papers[5]);
    // The legend has every step of the heat map; its contrast is checked above.
    assert_eq!(browser.value("document.querySelectorAll('.legend .token').length"), 8);

    // The button overrides the system's colour scheme.
    assert_eq!(text_of(&mut browser, "#theme"), "Light colours");
    browser.value("document.getElementById('theme').click()");
    assert_eq!(browser.value(LOWEST_CONTRAST)[3], papers[0]);

    // Only tables are wider than a narrow window; they scroll on their own.
    browser.show_as(360, 740, "light");
    for task in ["LAMBADA", "Children", "CoQA"] {
        set(&mut browser, "task", task);
        assert_eq!(browser.value("document.documentElement.scrollWidth <= innerWidth"), true, "{task}");
    }

    // Names and roles: every control has a label, every list its name.
    let unnamed = "[...document.querySelectorAll('input, select, button, [role=listbox], [role=region], img')].filter((element) => \
        !(element.labels?.length || element.getAttribute('aria-label') || element.textContent.trim() || element.alt)).length";
    assert_eq!(browser.value(unnamed), 0);
    assert_eq!(browser.value("document.getElementById('count').getAttribute('aria-live')"), "polite");
    assert_eq!(browser.complaints(&address), Vec::<String>::new());
}

/// Measures the time to load and filter 20,000 answers in headless Chromium.
///
/// `cargo test --release --test suite twenty_thousand -- --ignored --nocapture`. docs/page.md has
/// results.
#[test]
#[ignore = "a measurement"]
fn twenty_thousand_answers() {
    let Some(mut browser) = Chromium::start() else { return };
    let run = run_on_sample("lambada,coqa", &[]);
    for name in ["lambada", "coqa"] {
        for file in [
            format!("prompts/{name}.jsonl"),
            format!("samples/tiny-3M/{name}.jsonl"),
            format!("samples/tiny-8M/{name}.jsonl"),
        ] {
            let path = run.path().join("run").join(file);
            let text = std::fs::read_to_string(&path).unwrap();
            let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            let mut many = String::new();
            for index in 0..5_000 {
                let mut value = lines[index % lines.len()].clone();
                value["id"] = json!(format!("{index:05}"));
                if let Some(context) = value["requests"][0]["context"].as_str() {
                    // Distinct prompts as long as a story.
                    let longer = format!("{index} {context} {context} {index} {context}");
                    value["requests"][0]["context"] = json!(longer);
                }
                writeln!(many, "{value}").unwrap();
            }
            std::fs::write(&path, many).unwrap();
        }
    }
    let path = run.path().join("run/manifest.json");
    let mut manifest: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    for task in manifest["tasks"].as_array_mut().unwrap() {
        task["samples"] = json!(5_000);
    }
    std::fs::write(&path, manifest.to_string()).unwrap();
    let address = page_of(&run);
    let size = std::fs::metadata(run.path().join("run/report.html")).unwrap().len();
    browser.show_as(1280, 900, "light");
    for _ in 0..3 {
        browser.open(&address);
        let ready = browser.value("document.documentElement.dataset.ready");
        say(&format!("{} bytes loaded in {} ms", size, ready.as_str().unwrap()));
    }
    for (id, value) in [
        ("search", "lighthouse"),
        ("search", "the old man"),
        ("search", ""),
        ("task", "CoQA"),
        ("task", "all"),
        ("result", "wrong"),
        ("result", "flipped"),
        ("result", "all"),
        ("sort", "most confident"),
        ("sort", "highest loss"),
    ] {
        set(&mut browser, id, value);
        let took = browser.value("document.documentElement.dataset.filterMilliseconds");
        say(&format!("{id} {value:?}: {} of 20,000 in {} ms", found(&mut browser), took.as_str().unwrap()));
    }
}
