//! De-tokenizers: rewrite rules in a fixed order that undo the tokenization of old data sets.
//!
//! GPT-2's own "invertible de-tokenizers" (Radford et al. 2019, §3.1) were never published. Rules marked "lossy" map
//! different originals to the same text; the others can be inverted on text in the data set's tokenization.

use std::borrow::Cow;
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

impl Rule {
    fn apply<'a>(&self, input: Cow<'a, str>) -> Cow<'a, str> {
        match &self.find {
            Pattern::Text(find) if !input.contains(find) => input,
            Pattern::Text(find) => Cow::Owned(input.replace(find, self.replace)),
            Pattern::Regex(regex) => Cow::Owned(regex.replace_all(&input, self.replace).into_owned()),
        }
    }
}

/// Applies `rules` to `input`, one after the other.
pub fn rewrite(input: &str, rules: &[Rule]) -> String {
    rules.iter().fold(Cow::Borrowed(input), |text, rule| rule.apply(text)).into_owned()
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
