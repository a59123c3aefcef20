//! CNN/Daily Mail (See et al. 2017; Radford et al. 2019, §3.6): summaries after `TL;DR:`.

use std::sync::LazyLock;

use super::generation::{completions, only_completion};
use super::{HeuristicBaseline, Item, Setting, Task, TaskConfig, UnexpectedResponse};
use crate::data::{Article, BundledFile, DataError, DataFile, read_articles};
use crate::record::Protocol;
use crate::seeding::{seed_of, shuffled};
use gpt2_model::request::{Decoding, Request, Response, Sampling, Side, Trim};
use text_metrics::SampleValues;
use text_metrics::sentences;
use text_metrics::{Aggregate, Metric, rouge};

static CONFIG: LazyLock<TaskConfig> =
    LazyLock::new(|| TaskConfig::bundled(include_str!("../../tasks/cnn_dailymail/task.toml")));

/// Tokens of a completion.
const SUMMARY_TOKENS: usize = 100;
/// Sentences of the completion that are the summary.
const SUMMARY_SENTENCES: usize = 3;
const TOP_K: usize = 2;
const HINT: &str = "\nTL;DR:";
/// lm-evaluation-harness's limit of tokens.
const HARNESS_TOKENS: usize = 128;
/// Whether ROUGE compares stems: see `tasks/cnn_dailymail/README.md`.
const STEMMING: bool = true;

pub(super) struct CnnDailyMail;

/// How many times each article is summarised.
fn repeats(protocol: &Protocol) -> u64 {
    protocol.options.get("repeats").and_then(|repeats| repeats.parse().ok()).unwrap_or(1)
}

/// The sentences that have a word. ROUGE sees only words, so a piece without one would take the place of a sentence.
fn sentences_with_words(text: &str) -> Vec<&str> {
    let mut sentences = sentences(text);
    sentences.retain(|sentence| sentence.contains(char::is_alphanumeric));
    sentences
}

/// The first three sentences, one a line.
fn lede(text: &str) -> String {
    let mut sentences = sentences_with_words(text);
    sentences.truncate(SUMMARY_SENTENCES);
    sentences.join("\n")
}

/// ROUGE of a summary with one sentence a line, 0 to 1.
fn scores(summary: &str, doc: &Article) -> [(&'static str, f64); 4] {
    let score = rouge(&doc.highlights.join("\n"), summary, STEMMING);
    let (one, two, lsum) = (score.rouge1.f1, score.rouge2.f1, score.rouge_lsum.f1);
    [("rouge1", one), ("rouge2", two), ("rougeLsum", lsum), ("rouge_average", (one + two + lsum) / 3.0)]
}

fn values(summary: &str, doc: &Article) -> SampleValues {
    scores(summary, doc).into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

impl Task for CnnDailyMail {
    type Doc = Article;

    fn config(&self) -> &TaskConfig {
        &CONFIG
    }

    fn samples(&self) -> &'static [BundledFile] {
        &[
            ("sample.csv", include_bytes!("../../tasks/cnn_dailymail/sample.csv")),
            ("examples.csv", include_bytes!("../../tasks/cnn_dailymail/examples.csv")),
        ]
    }

    fn docs(&self, file: &DataFile, _: &Protocol) -> Result<Vec<Item<Article>>, DataError> {
        Ok(read_articles(file)?
            .into_iter()
            .enumerate()
            .map(|(index, doc)| Item { id: format!("{index:05}"), cluster: None, line: doc.line, doc })
            .collect())
    }

    fn content(&self, doc: &Article) -> Option<Vec<String>> {
        Some(std::iter::once(&doc.article).chain(&doc.highlights).cloned().collect())
    }

    /// The lede of an article, because whole articles would fill the context, and its summary.
    fn few_shot_example(&self, doc: &Article, protocol: &Protocol) -> String {
        let highlights = doc.highlights.join(" ");
        let article = lede(&doc.article).replace('\n', " ");
        match protocol.name.as_str() {
            "harness" => {
                format!("Summarize the following article:\n\n{article}\n\nSummary: {highlights}\n\n")
            }
            "no-hint" => format!("{article}\n{highlights}\n\n"),
            _ => format!("{article}{HINT} {highlights}\n\n"),
        }
    }

    fn expected(&self, doc: &Article, _: &Protocol) -> Vec<String> {
        vec![doc.highlights.join("\n")]
    }

    fn requests(&self, doc: &Article, setting: &Setting<'_>) -> Vec<Request> {
        let Setting { protocol, few_shot_examples, seed } = setting;
        let (before, after) = match protocol.name.as_str() {
            "harness" => ("Summarize the following article:\n\n", "\n\nSummary:"),
            "no-hint" => ("", ""),
            _ => ("", HINT),
        };
        let prompt = format!("{few_shot_examples}{before}{}{after}", doc.article);
        if protocol.name == "harness" {
            return vec![Request::Generate {
                prompt,
                trim: Trim::left(),
                stop: vec!["\n\n".to_owned()],
                max_new_tokens: HARNESS_TOKENS,
                decoding: Decoding::Greedy,
            }];
        }
        let start = few_shot_examples.len() + before.len();
        let request = |repeat: u64| Request::Generate {
            prompt: prompt.clone(),
            // The beginning of an article says most.
            trim: Trim { bytes: start..start + doc.article.len(), side: Side::Right },
            stop: Vec::new(),
            max_new_tokens: SUMMARY_TOKENS,
            decoding: Decoding::Sample(Sampling {
                temperature: 1.0,
                top_k: Some(TOP_K),
                top_p: None,
                seed: seed_of(*seed, "draw", &repeat.to_string()),
            }),
        };
        (0..repeats(protocol)).map(request).collect()
    }

    /// With several repeats, the mean over them, and each by itself.
    fn score(
        &self,
        doc: &Article,
        protocol: &Protocol,
        responses: &[Response],
    ) -> Result<SampleValues, UnexpectedResponse> {
        if protocol.name == "harness" {
            let score =
                text_metrics::rouge(&doc.highlights.join("\n"), &only_completion(responses)?.text, true);
            return Ok(SampleValues::from([
                ("rouge1".to_owned(), score.rouge1.f1),
                ("rouge2".to_owned(), score.rouge2.f1),
                ("rougeL".to_owned(), score.rouge_l.f1),
            ]));
        }
        let completions = completions(responses)?;
        let mut sums = SampleValues::new();
        for (repeat, completion) in completions.iter().enumerate() {
            for (name, value) in scores(&lede(&completion.text), doc) {
                *sums.entry(name.to_owned()).or_default() += value / completions.len() as f64;
                if completions.len() > 1 && name == "rouge_average" {
                    sums.insert(format!("rouge_average_seed_{repeat}"), value);
                }
            }
        }
        Ok(sums)
    }

    fn metrics(&self, protocol: &Protocol) -> Vec<Metric> {
        let mean = |name| Metric { name, aggregate: Aggregate::Mean { value: name } };
        if protocol.name == "harness" {
            return vec![mean("rouge1"), mean("rouge2"), mean("rougeL")];
        }
        let mut metrics = vec![mean("rouge_average"), mean("rouge1"), mean("rouge2"), mean("rougeLsum")];
        if repeats(protocol) > 1 {
            let aggregate = Aggregate::SeedDeviation { prefix: "rouge_average_seed_" };
            metrics.push(Metric { name: "rouge_average_seed_deviation", aggregate });
        }
        metrics
    }

    /// The first three sentences of the article, and three random ones in their order.
    fn baselines(
        &self,
        items: &[Item<Article>],
        _: &[Item<Article>],
        protocol: &Protocol,
        seed: u64,
    ) -> Vec<HeuristicBaseline> {
        // `no-hint` would have the same values, and the harness has no baselines.
        if protocol.name != "paper" {
            return Vec::new();
        }
        let lede = items.iter().map(|item| values(&lede(&item.doc.article), &item.doc)).collect();
        let random = items
            .iter()
            .map(|item| {
                let all = sentences_with_words(&item.doc.article);
                let indices: Vec<String> = (0..all.len()).map(|index| index.to_string()).collect();
                let indices: Vec<&str> = indices.iter().map(String::as_str).collect();
                let mut chosen = shuffled(&indices, seed_of(seed, "random-3", &item.id), "sentence");
                chosen.truncate(SUMMARY_SENTENCES);
                chosen.sort_unstable();
                let chosen: Vec<&str> = chosen.into_iter().map(|index| all[index]).collect();
                values(&chosen.join("\n"), &item.doc)
            })
            .collect();
        vec![HeuristicBaseline::new("Lede-3", lede), HeuristicBaseline::new("Random-3", random)]
    }
}

#[cfg(test)]
mod tests {
    use super::super::generation::tests::completion;
    use super::*;

    fn article() -> Article {
        Article {
            line: 1,
            id: None,
            article: "The cat sat. The dog ran. A bird sang. Nobody knew why.".to_owned(),
            highlights: vec!["The cat sat .".to_owned(), "The dog ran .".to_owned()],
        }
    }

    fn request(protocol: &Protocol, few_shot_examples: &str) -> Vec<Request> {
        CnnDailyMail.requests(&article(), &Setting { protocol, few_shot_examples, seed: 7 })
    }

    #[test]
    fn the_hint_is_kept_and_the_article_is_truncated() {
        let paper = Protocol::new("paper");
        let shown = CnnDailyMail.few_shot_example(&article(), &paper);
        assert_eq!(shown, "The cat sat. The dog ran. A bird sang.\nTL;DR: The cat sat . The dog ran .\n\n");
        let Request::Generate { prompt, trim, .. } = request(&paper, &shown).remove(0) else { panic!() };
        assert!(prompt.ends_with("knew why.\nTL;DR:"));
        assert_eq!(&prompt[trim.bytes.clone()], article().article);
        assert_eq!(trim.side, Side::Right);
        let Request::Generate { prompt, .. } = request(&Protocol::new("no-hint"), "").remove(0) else {
            panic!()
        };
        assert_eq!(prompt, article().article);
    }

    #[test]
    fn every_repeat_has_its_own_seed() {
        let mut protocol = Protocol::new("paper");
        protocol.options.insert("repeats".to_owned(), "3".to_owned());
        let requests = request(&protocol, "");
        assert_eq!(requests.len(), 3);
        assert_ne!(requests[0], requests[1]);
        let answers =
            [completion("The cat sat.", &[]), completion("The dog ran.", &[]), completion("Nothing.", &[])];
        let values = CnnDailyMail.score(&article(), &protocol, &answers).unwrap();
        let each: f64 = (0..3).map(|repeat| values[&format!("rouge_average_seed_{repeat}")]).sum();
        assert!((values["rouge_average"] - each / 3.0).abs() < 1e-12);
        assert_eq!(values["rouge_average_seed_2"], 0.0);
    }

    #[test]
    fn only_three_sentences_are_scored() {
        let values = CnnDailyMail
            .score(
                &article(),
                &Protocol::new("paper"),
                &[completion("Rain fell. Snow fell. Hail fell. The cat sat.", &[])],
            )
            .unwrap();
        assert_eq!(values["rouge1"], 0.0);
        assert_eq!(
            lede("-- \nRain fell. Snow fell.\n...\nHail fell. More."),
            "Rain fell.\nSnow fell.\nHail fell."
        );
        let items = [Item { id: "0".to_owned(), cluster: None, line: 1, doc: article() }];
        let baselines = CnnDailyMail.baselines(&items, &[], &Protocol::new("paper"), 0);
        assert_eq!(baselines[0].name, "Lede-3");
        assert!(baselines[0].values[0]["rouge1"] > 0.7);
    }
}
