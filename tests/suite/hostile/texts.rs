//! Arbitrary text in the metrics, the de-tokenizers and the functions that display text.

use gpt2_eval::tasks::detokenize::{BOOK, NEWS, WIKITEXT, rewrite};
use gpt2_eval::text::{visible_bytes, visible_white_space};
use proptest::{prop_assert, prop_assert_eq};
use text_metrics::{BleuStatistics, BleuTokenizer, rouge};
use text_metrics::{
    Language, coqa_harness_score, coqa_score, harness_nq_exact_match, moses_tokenize, sentences,
    squad_exact_match, squad_f1,
};
use untrusted_input::did_you_mean;

use super::hold;
use super::memory::bounded;
use super::mutate::mutated;

const TEXT: &[u8] =
    "Mr. J. Doe left the U.S. \"Why?\" he asked.\nIt's 1,000.5 % « l'eau » the end... A man's, an i\u{307}."
        .as_bytes();

fn is_share(value: f64) -> bool {
    (0.0..=1.0).contains(&value)
}

#[test]
fn scores_are_shares() {
    hold((mutated(&[TEXT]), mutated(&[TEXT])), |(one, other)| {
        let (one, other) = (String::from_utf8_lossy(&one.0), String::from_utf8_lossy(&other.0));
        let references = [other.as_ref(), "the cat"];
        for score in [coqa_score(&one, &references), coqa_harness_score(&one, &references)] {
            prop_assert!(is_share(score.f1) && is_share(score.exact_match), "{score:?}");
        }
        prop_assert!(is_share(squad_f1(&one, &references)));
        prop_assert!(is_share(squad_exact_match(&one, &references)));
        prop_assert!(is_share(harness_nq_exact_match(&one, &references)));
        prop_assert_eq!(squad_exact_match(&one, &[one.as_ref()]), 1.0);
        let _ = did_you_mean(&one, references);
        Ok(())
    });
}

#[test]
fn overlaps_are_shares() {
    hold((mutated(&[TEXT]), mutated(&[TEXT])), |(one, other)| {
        let (one, other) = (String::from_utf8_lossy(&one.0), String::from_utf8_lossy(&other.0));
        let score = rouge(&one, &other, true);
        for measure in [score.rouge1, score.rouge2, score.rouge_l, score.rouge_lsum] {
            prop_assert!(is_share(measure.f1));
        }
        let bleu = BleuStatistics::of(&one, &[&other], BleuTokenizer::Mteval13a).score();
        prop_assert!((0.0..=100.000_001).contains(&bleu), "{bleu}");
        Ok(())
    });
}

#[test]
fn de_tokenized_text_is_bounded() {
    hold(mutated(&[TEXT]), |bytes| {
        let text = String::from_utf8_lossy(&bytes.0);
        bounded(text.len(), || {
            visible_white_space(&text);
            visible_bytes(&bytes.0);
            sentences(&text).len()
        })?;
        for sentence in sentences(&text) {
            prop_assert!(text.contains(sentence) && sentence.trim() == sentence && !sentence.is_empty());
        }
        for rules in [&WIKITEXT[..], &NEWS[..], &BOOK[..]] {
            prop_assert!(rewrite(&text, rules).len() <= 2 * text.len());
        }
        Ok(())
    });
}

#[test]
fn moses_tokens_are_bounded() {
    hold(mutated(&[TEXT]), |bytes| {
        let text = String::from_utf8_lossy(&bytes.0);
        for language in [Language::English, Language::French, Language::German] {
            let tokens = moses_tokenize(&text, language);
            prop_assert!(tokens.len() <= 5 * text.len() + 5, "{tokens}");
        }
        Ok(())
    });
}
