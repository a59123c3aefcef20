//! Undoing the tokenization of old data sets, by rewrite rules in a fixed order.
//!
//! GPT-2's own "invertible de-tokenizers" (Radford et al. 2019, §3.1) were never published. Each rule here says
//! whether the original can be told from the result; where it cannot, different originals become one text.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

/// One rewrite of all places in a text, from left to right.
#[derive(Debug)]
pub struct Rule {
    find: Pattern,
    replace: &'static str,
    /// Whether the original can be recovered from the result, in text that the rule was made for. Tests round-trip these.
    #[expect(dead_code, reason = "documents each rule")]
    invertible: bool,
}

#[derive(Debug)]
enum Pattern {
    Text(&'static str),
    Regex(Regex),
}

const fn text(find: &'static str, replace: &'static str, invertible: bool) -> Rule {
    Rule { find: Pattern::Text(find), replace, invertible }
}

fn regex(find: &str, replace: &'static str, invertible: bool) -> Option<Rule> {
    Regex::new(find).ok().map(|regex| Rule { find: Pattern::Regex(regex), replace, invertible })
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

/// `input` after all of `rules`.
pub fn rewrite(input: &str, rules: &[Rule]) -> String {
    rules.iter().fold(Cow::Borrowed(input), |text, rule| rule.apply(text)).into_owned()
}

/// WikiText: the rules of Megatron-LM and of lm-evaluation-harness's `wikitext`, in their order and with their slips
/// (the second rule matches slashes that were meant to delimit it).
pub static WIKITEXT: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    [
        Some(text("s '", "s'", false)),
        regex(r"/' [0-9]/", "/'[0-9]/", false),
        Some(text(" @-@ ", "-", false)),
        Some(text(" @,@ ", ",", false)),
        Some(text(" @.@ ", ".", false)),
        Some(text(" : ", ": ", true)),
        Some(text(" ; ", "; ", true)),
        Some(text(" . ", ". ", true)),
        Some(text(" ! ", "! ", true)),
        Some(text(" ? ", "? ", true)),
        Some(text(" , ", ", ", true)),
        regex(r"\(\s*([^\)]*?)\s*\)", "($1)", true),
        regex(r"\[\s*([^\]]*?)\s*\]", "[$1]", true),
        regex(r"\{\s*([^}]*?)\s*\}", "{$1}", true),
        regex(r#""\s*([^"]*?)\s*""#, "\"$1\"", true),
        regex(r"'\s*([^']*?)\s*'", "'$1'", false),
        Some(text("= = = =", "====", true)),
        Some(text("= = =", "===", true)),
        Some(text("= =", "==", true)),
        Some(text(" \u{b0} ", "\u{b0}", false)),
        Some(text(" \n", "\n", true)),
        Some(text("\n ", "\n", true)),
        Some(text(" N ", " 1 ", false)),
        Some(text(" 's", "'s", true)),
    ]
    .into_iter()
    .flatten()
    .collect()
});

/// Penn Treebank as Mikolov cut it: Megatron-LM's rules in their order.
pub static PENN_TREEBANK: [Rule; 7] = [
    text(" '", "'", true),
    text(" \n", "\n", true),
    text("\n ", "\n", true),
    text(" n't", "n't", true),
    text(" N ", "1 ", false),
    text("$ 1", "$1", true),
    text("# 1", "#1", true),
];

/// One Billion Word news text: our own rules, since nobody has published any.
pub static NEWS: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    [
        Some(text(" n't", "n't", true)),
        regex(r" '(s|re|ve|ll|m|d)\b", "'$1", true),
        regex(r#""\s+([^"\n]*?)\s+""#, "\"$1\"", true),
        regex(r" ([,.;:!?%)])", "$1", true),
        Some(text("( ", "(", true)),
        Some(text("$ ", "$", true)),
    ]
    .into_iter()
    .flatten()
    .collect()
});

/// Children's Book Test, in the Penn Treebank's tokenization: our own rules, since nobody has published any.
pub static BOOK: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    [
        Some(text("-LRB- ", "(", true)),
        Some(text(" -RRB-", ")", true)),
        Some(text("`` ", "\"", true)),
        Some(text(" ''", "\"", false)),
        Some(text("` ", "'", false)),
        Some(text(" n't", "n't", true)),
        regex(r" '(s|S|re|ve|ll|m|d|em)\b", "'$1", true),
        regex(r" ([,.;:!?%)])", "$1", true),
        // A closing single quote.
        regex(r#" '($|[ ,.;:!?"\n])"#, "'$1", false),
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
        assert_eq!(BOOK.len(), 9);
    }

    #[test]
    fn wikitext_as_lm_evaluation_harness_has_it() {
        let raw = " \n = Valkyria = \n \n In 1 @,@ 000 years ( 3 @.@ 5 ) it 's \" old \" , he said . \n = = Part = = \n";
        assert_eq!(
            rewrite(raw, &WIKITEXT),
            "\n= Valkyria =\n\nIn 1,000 years (3.5) it's \"old\", he said.\n== Part ==\n"
        );
    }

    #[test]
    fn penn_treebank_as_megatron_has_it() {
        let raw = " the company 's net rose N N to $ N million \n it did n't fall \n";
        assert_eq!(
            rewrite(raw, &PENN_TREEBANK),
            " the company's net rose1 N to $1 million\nit didn't fall\n"
        );
    }

    #[test]
    fn news() {
        let raw = "\" We 're here , \" he said ( twice ) , but it wo n't cost $ 5 .\n";
        assert_eq!(rewrite(raw, &NEWS), "\"We're here,\" he said (twice), but it won't cost $5.\n");
    }
}
