//! WMT14 translation (Bojar et al. 2014; Radford et al. 2019, §3.7).

use std::sync::LazyLock;

use super::generation::only_completion;
use super::{Item, Setting, Task, TaskConfig, UnexpectedResponse};
use crate::data::{BundledFile, DataError, DataFile, SentencePair, read_parallel};
use crate::record::Protocol;
use gpt2_model::request::{Decoding, Request, Response, Trim};
use sha2::{Digest as _, Sha256};
use text_metrics::SampleValues;
use text_metrics::{Aggregate, BleuStatistics, BleuTokenizer, Metric};
use text_metrics::{Language, moses_tokenize, sentences};
use untrusted_input::strip;

/// Maximum tokens of a translation under `paper`.
const TRANSLATION_TOKENS: usize = 100;
/// Maximum bytes of the name of a cluster.
const MAX_CLUSTER_BYTES: usize = 100;
/// lm-evaluation-harness's default.
const HARNESS_TOKENS: usize = 256;

/// One direction of translation.
pub(super) struct Translation {
    config: LazyLock<TaskConfig>,
    samples: &'static [BundledFile],
    /// English name of the source language.
    from: &'static str,
    to: &'static str,
    language: Language,
}

pub(super) static FRENCH_ENGLISH: Translation = Translation {
    config: LazyLock::new(|| TaskConfig::bundled(include_str!("../../tasks/wmt14-fr-en/task.toml"))),
    samples: FRENCH_AND_ENGLISH,
    from: "French",
    to: "English",
    language: Language::English,
};

pub(super) static ENGLISH_FRENCH: Translation = Translation {
    config: LazyLock::new(|| TaskConfig::bundled(include_str!("../../tasks/wmt14-en-fr/task.toml"))),
    samples: FRENCH_AND_ENGLISH,
    from: "English",
    to: "French",
    language: Language::French,
};

pub(super) static ENGLISH_GERMAN: Translation = Translation {
    config: LazyLock::new(|| TaskConfig::bundled(include_str!("../../tasks/wmt14-en-de/task.toml"))),
    samples: &[
        ("sample.en", include_bytes!("../../tasks/wmt14-en-de/sample.en")),
        ("sample.de", include_bytes!("../../tasks/wmt14-en-de/sample.de")),
        ("examples.en", include_bytes!("../../tasks/wmt14-en-de/examples.en")),
        ("examples.de", include_bytes!("../../tasks/wmt14-en-de/examples.de")),
    ],
    from: "English",
    to: "German",
    language: Language::German,
};

/// The same pairs serve both directions.
const FRENCH_AND_ENGLISH: &[BundledFile] = &[
    ("sample.fr.sgm", include_bytes!("../../tasks/wmt14-fr-en/sample.fr.sgm")),
    ("sample.en.sgm", include_bytes!("../../tasks/wmt14-fr-en/sample.en.sgm")),
    ("examples.fr", include_bytes!("../../tasks/wmt14-fr-en/examples.fr")),
    ("examples.en", include_bytes!("../../tasks/wmt14-fr-en/examples.en")),
];

/// The document's name, or the checksum of a long one, because every record repeats it.
fn cluster_of(document: &str) -> String {
    if document.len() <= MAX_CLUSTER_BYTES {
        document.to_owned()
    } else {
        hex::encode(Sha256::digest(document))
    }
}

impl Translation {
    /// `source =` (openai/gpt-2#20), or lm-evaluation-harness's two lines.
    fn prompt(&self, source: &str, protocol: &Protocol) -> String {
        if protocol.name == "harness" {
            format!("{} phrase: {source}\n{} phrase:", self.from, self.to)
        } else {
            format!("{source} =")
        }
    }
}

impl Task for Translation {
    type Doc = SentencePair;

    fn config(&self) -> &TaskConfig {
        &self.config
    }

    fn samples(&self) -> &'static [BundledFile] {
        self.samples
    }

    fn docs(&self, file: &DataFile, _: &Protocol) -> Result<Vec<Item<SentencePair>>, DataError> {
        let pairs = read_parallel(file)?.into_iter().enumerate();
        Ok(pairs
            .map(|(index, doc)| Item {
                id: format!("{index:05}"),
                cluster: doc.document.as_deref().map(cluster_of),
                line: doc.line,
                doc,
            })
            .collect())
    }

    fn content(&self, doc: &SentencePair) -> Option<Vec<String>> {
        Some(vec![doc.source.clone(), doc.target.clone()])
    }

    fn few_shot_example(&self, doc: &SentencePair, protocol: &Protocol) -> String {
        let between = if protocol.name == "harness" { "\n\n" } else { "\n" };
        format!("{} {}{between}", self.prompt(&doc.source, protocol), doc.target)
    }

    fn expected(&self, doc: &SentencePair, _: &Protocol) -> Vec<String> {
        vec![doc.target.clone()]
    }

    fn requests(&self, doc: &SentencePair, setting: &Setting<'_>) -> Vec<Request> {
        let harness = setting.protocol.name == "harness";
        vec![Request::Generate {
            prompt: format!("{}{}", setting.few_shot_examples, self.prompt(&doc.source, setting.protocol)),
            trim: Trim::left(),
            stop: vec!["\n".to_owned()],
            max_new_tokens: if harness { HARNESS_TOKENS } else { TRANSLATION_TOKENS },
            decoding: Decoding::Greedy,
        }]
    }

    fn score(
        &self,
        doc: &SentencePair,
        protocol: &Protocol,
        responses: &[Response],
    ) -> Result<SampleValues, UnexpectedResponse> {
        let text = strip(&only_completion(responses)?.text);
        let of = |text: &str, reference: &str, tokenizer| BleuStatistics::of(text, &[reference], tokenizer);
        if protocol.name == "harness" {
            return Ok(of(text, &doc.target, BleuTokenizer::Mteval13a).named("bleu_").collect());
        }
        let first = sentences(text).first().copied().unwrap_or_default();
        let moses = |text: &str| moses_tokenize(text, self.language);
        let tokenized = of(&moses(first), &moses(&doc.target), BleuTokenizer::None);
        let plain = of(first, &doc.target, BleuTokenizer::Mteval13a);
        Ok(plain.named("bleu_").chain(tokenized.named("bleu_tokenized_")).collect())
    }

    fn metrics(&self, protocol: &Protocol) -> Vec<Metric> {
        let bleu = |name, prefix| Metric { name, aggregate: Aggregate::Bleu { prefix } };
        if protocol.name == "harness" {
            return vec![bleu("bleu", "bleu_")];
        }
        vec![bleu("bleu", "bleu_"), bleu("bleu_tokenized", "bleu_tokenized_")]
    }
}

#[cfg(test)]
mod tests {
    use super::super::generation::tests::completion;
    use super::*;

    #[test]
    fn documents_are_clusters() {
        let long = "d".repeat(MAX_CLUSTER_BYTES + 1);
        let text = format!(
            "<doc docid=\"d1\">\n<seg id=\"1\">a</seg>\n<seg id=\"2\">b</seg>\n</doc>\n<doc docid=\"{long}\">\n\
             <seg id=\"1\">c</seg>\n</doc>\n"
        );
        let file = |text: &str| {
            let mut file = DataFile::bundled("x", b"");
            file.bytes = text.as_bytes().to_vec().into();
            file
        };
        let clusters = |text: &str| -> Vec<Option<String>> {
            let mut pair = file(text);
            pair.companion = Some(Box::new(file(text)));
            let items = FRENCH_ENGLISH.docs(&pair, &Protocol::new("paper")).unwrap();
            items.into_iter().map(|item| item.cluster).collect()
        };
        let found = clusters(&text);
        assert_eq!(found[..2], [Some("d1".to_owned()), Some("d1".to_owned())]);
        assert_eq!(found[2].as_deref().map(str::len), Some(64));
        assert_eq!(clusters("a\nb\n"), [None, None]);
    }

    fn pair() -> SentencePair {
        SentencePair {
            line: 1,
            document: None,
            source: "Il pleut.".to_owned(),
            target: "It rains.".to_owned(),
        }
    }

    fn prompt(protocol: &str) -> String {
        let protocol = Protocol::new(protocol);
        let shown = FRENCH_ENGLISH.few_shot_example(&pair(), &protocol);
        let setting = Setting { protocol: &protocol, few_shot_examples: &shown, seed: 0 };
        match FRENCH_ENGLISH.requests(&pair(), &setting).remove(0) {
            Request::Generate { prompt, .. } => prompt,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn prompts_of_both_protocols() {
        assert_eq!(prompt("paper"), "Il pleut. = It rains.\nIl pleut. =");
        assert_eq!(
            prompt("harness"),
            "French phrase: Il pleut.\nEnglish phrase: It rains.\n\nFrench phrase: Il pleut.\nEnglish phrase:"
        );
    }

    #[test]
    fn paper_scores_only_the_first_sentence() {
        let answer = [completion(" It rains. It always rains.", &[])];
        let paper = FRENCH_ENGLISH.score(&pair(), &Protocol::new("paper"), &answer).unwrap();
        assert_eq!((paper["bleu_hypothesis_length"], paper["bleu_correct1"]), (3.0, 3.0));
        assert_eq!(paper["bleu_tokenized_hypothesis_length"], 3.0);
        // A sentence without a word is one as well.
        let stop = [completion(" . It rains.", &[])];
        let paper_stop = FRENCH_ENGLISH.score(&pair(), &Protocol::new("paper"), &stop).unwrap();
        assert_eq!((paper_stop["bleu_hypothesis_length"], paper_stop["bleu_correct1"]), (1.0, 1.0));
        let harness = FRENCH_ENGLISH.score(&pair(), &Protocol::new("harness"), &answer).unwrap();
        assert_eq!(harness["bleu_hypothesis_length"], 7.0);
    }
}
