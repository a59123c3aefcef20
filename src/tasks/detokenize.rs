//! De-tokenizers: rewrite rules in a fixed order that undo the tokenization of old data sets.
//!
//! GPT-2's own "invertible de-tokenizers" (Radford et al. 2019, §3.1) were never published. Rules marked "lossy" map
//! different originals to the same text; the others can be inverted on text in the data set's tokenization.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

/// Replaces all matches in a text, from left to right.
#[derive(Debug)]
pub struct Rule {
    find: Pattern,
    replace: &'static str,
}

#[derive(Debug)]
enum Pattern {
    Text(&'static str),
    Regex(Regex),
}

const fn text(find: &'static str, replace: &'static str) -> Rule {
    Rule { find: Pattern::Text(find), replace }
}

fn regex(find: &str, replace: &'static str) -> Option<Rule> {
    Regex::new(find).ok().map(|regex| Rule { find: Pattern::Regex(regex), replace })
}

/// An edit of a rule: the bytes that it replaced, and the capture group 1 in them if the replacement repeats it.
struct Edit {
    replaced: Range<usize>,
    kept: Option<Range<usize>>,
    replacement: String,
    /// Where `kept` begins in the replacement.
    kept_at: usize,
}

impl Rule {
    fn edits(&self, input: &str) -> Vec<Edit> {
        match &self.find {
            Pattern::Text(find) => input
                .match_indices(find)
                .map(|(start, found)| Edit {
                    replaced: start..start + found.len(),
                    kept: None,
                    replacement: self.replace.to_owned(),
                    kept_at: 0,
                })
                .collect(),
            Pattern::Regex(regex) => {
                let kept_at = self.replace.find("$1").unwrap_or(0);
                let edit = |captures: regex::Captures<'_>| {
                    let mut replacement = String::new();
                    captures.expand(self.replace, &mut replacement);
                    let kept = captures.get(1).map(|group| group.range());
                    let replaced = captures.get(0).map_or(0..0, |all| all.range());
                    Edit { replaced, kept, replacement, kept_at }
                };
                regex.captures_iter(input).map(edit).collect()
            }
        }
    }
}

/// Applies `rules` to `input`, one after the other.
pub fn rewrite(input: &str, rules: &[Rule]) -> String {
    rewrite_with_offsets(input, rules, &[]).0
}

/// Applies `rules` to `input`, one after the other, and finds where `offsets` of it, in increasing order, are in the result.
/// An offset inside of text that a rule replaced is after the replacement, or at the nearest character that the rule kept.
pub fn rewrite_with_offsets(input: &str, rules: &[Rule], offsets: &[usize]) -> (String, Vec<usize>) {
    let mut text = input.to_owned();
    let mut offsets = offsets.to_vec();
    for rule in rules {
        let edits = rule.edits(&text);
        let mut rewritten = String::with_capacity(text.len());
        let mut copied = 0;
        let mut pending = offsets.iter_mut().peekable();
        for edit in edits {
            let Range { start, end } = edit.replaced;
            while let Some(offset) = pending.next_if(|offset| **offset <= start) {
                *offset = rewritten.len() + (*offset - copied);
            }
            rewritten.push_str(&text[copied..start]);
            while let Some(offset) = pending.next_if(|offset| **offset < end) {
                *offset = match &edit.kept {
                    Some(kept) => {
                        let inside = (*offset).clamp(kept.start, kept.end) - kept.start;
                        rewritten.len() + edit.kept_at + inside
                    }
                    None => rewritten.len() + edit.replacement.len(),
                };
            }
            rewritten.push_str(&edit.replacement);
            copied = end;
        }
        for offset in pending {
            *offset = rewritten.len() + (*offset - copied);
        }
        rewritten.push_str(&text[copied..]);
        text = rewritten;
    }
    (text, offsets)
}

/// WikiText: the rules of Megatron-LM and of lm-evaluation-harness's `wikitext`, in their order and with their mistakes
/// (the second rule matches slashes that were meant to delimit the pattern).
pub static WIKITEXT: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    [
        Some(text("s '", "s'")),         // lossy
        regex(r"/' [0-9]/", "/'[0-9]/"), // lossy
        Some(text(" @-@ ", "-")),        // lossy
        Some(text(" @,@ ", ",")),        // lossy
        Some(text(" @.@ ", ".")),        // lossy
        Some(text(" : ", ": ")),
        Some(text(" ; ", "; ")),
        Some(text(" . ", ". ")),
        Some(text(" ! ", "! ")),
        Some(text(" ? ", "? ")),
        Some(text(" , ", ", ")),
        regex(r"\(\s*([^\)]*?)\s*\)", "($1)"),
        regex(r"\[\s*([^\]]*?)\s*\]", "[$1]"),
        regex(r"\{\s*([^}]*?)\s*\}", "{$1}"),
        regex(r#""\s*([^"]*?)\s*""#, "\"$1\""),
        regex(r"'\s*([^']*?)\s*'", "'$1'"), // lossy
        Some(text("= = = =", "====")),
        Some(text("= = =", "===")),
        Some(text("= =", "==")),
        Some(text(" \u{b0} ", "\u{b0}")), // lossy
        Some(text(" \n", "\n")),
        Some(text("\n ", "\n")),
        Some(text(" N ", " 1 ")), // lossy
        Some(text(" 's", "'s")),
    ]
    .into_iter()
    .flatten()
    .collect()
});

/// Penn Treebank as Mikolov cut it: Megatron-LM's rules in their order.
pub static PENN_TREEBANK: [Rule; 7] = [
    text(" '", "'"),
    text(" \n", "\n"),
    text("\n ", "\n"),
    text(" n't", "n't"),
    text(" N ", "1 "), // lossy
    text("$ 1", "$1"),
    text("# 1", "#1"),
];

/// One Billion Word news text: our own rules, as none are published.
pub static NEWS: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    [
        Some(text(" n't", "n't")),
        regex(r" '(s|re|ve|ll|m|d)\b", "'$1"),
        regex(r#""\s+([^"\n]*?)\s+""#, "\"$1\""),
        regex(r" ([,.;:!?%)])", "$1"),
        Some(text("( ", "(")),
        Some(text("$ ", "$")),
    ]
    .into_iter()
    .flatten()
    .collect()
});

/// Children's Book Test, in the Penn Treebank's tokenization: our own rules, as none are published.
pub static BOOK: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    [
        Some(text("-LRB- ", "(")),
        Some(text(" -RRB-", ")")),
        Some(text("-LSB- ", "[")),
        Some(text(" -RSB-", "]")),
        Some(text("`` ", "\"")),
        Some(text(" ''", "\"")), // lossy
        Some(text("` ", "'")),   // lossy
        Some(text(" n't", "n't")),
        regex(r" '(s|S|re|ve|ll|m|d|em)\b", "'$1"),
        regex(r" ([,.;:!?%)])", "$1"),
        // A closing single quote.
        regex(r#" '($|[ ,.;:!?"\n])"#, "'$1"), // lossy
    ]
    .into_iter()
    .flatten()
    .collect()
});

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_pattern_compiles() {
        assert_eq!(WIKITEXT.len(), 24);
        assert_eq!(NEWS.len(), 6);
        assert_eq!(BOOK.len(), 11);
    }

    #[test]
    fn wikitext_equals_lm_evaluation_harness() {
        let raw = " \n = Valkyria = \n \n In 1 @,@ 000 years ( 3 @.@ 5 ) it 's \" old \" , he said . \n = = Part = = \n";
        assert_eq!(
            rewrite(raw, &WIKITEXT),
            "\n= Valkyria =\n\nIn 1,000 years (3.5) it's \"old\", he said.\n== Part ==\n"
        );
    }

    #[test]
    fn offsets_follow_the_text() {
        let raw = " = A = \n \n ( one \n two ) \" a \n \n = B = \n \n b \" \n";
        let starts =
            [raw.find("= A").unwrap(), raw.find("two").unwrap(), raw.find(" = B").unwrap(), raw.len()];
        let (text, at) = rewrite_with_offsets(raw, &WIKITEXT, &starts);
        assert_eq!(text, rewrite(raw, &WIKITEXT));
        assert_eq!(&text[at[0]..at[0] + 5], "= A =");
        assert!(text[at[1]..].starts_with("two)"));
        assert!(text[at[2]..].starts_with("= B =\n"), "{:?}", &text[at[2]..]);
        assert_eq!(at[3], text.len());
    }

    proptest! {
        #[test]
        fn rules_replace_as_the_standard_library_does(raw in "[a\"'(){} \n=@,.N]{0,60}", parts in 1usize..6) {
            let bounds: Vec<usize> = (0..=parts).map(|part| part * raw.len() / parts).collect();
            let (text, at) = rewrite_with_offsets(&raw, &WIKITEXT, &bounds);
            let expected = WIKITEXT.iter().fold(raw.clone(), |text, rule| match &rule.find {
                Pattern::Text(find) => text.replace(find, rule.replace),
                Pattern::Regex(regex) => regex.replace_all(&text, rule.replace).into_owned(),
            });
            prop_assert_eq!(&text, &expected);
            prop_assert!(at.is_sorted());
            prop_assert!(at.iter().all(|&at| text.is_char_boundary(at)));
        }
    }

    #[test]
    fn penn_treebank_equals_megatron() {
        let raw = " the company 's net rose N N to $ N million \n it did n't fall \n";
        assert_eq!(
            rewrite(raw, &PENN_TREEBANK),
            " the company's net rose1 N to $1 million\nit didn't fall\n"
        );
    }

    #[test]
    fn news_quotes_contractions_and_punctuation() {
        let raw = "\" We 're here , \" he said ( twice ) , but it wo n't cost $ 5 .\n";
        assert_eq!(rewrite(raw, &NEWS), "\"We're here,\" he said (twice), but it won't cost $5.\n");
    }
}
