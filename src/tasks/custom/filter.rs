//! Filters of templates: `{support|strip_left}`, `{sentence|before:_}`. They change a field's text from left to right.

use untrusted_input::{clipped, did_you_mean, strip};

/// A change of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// Python's `strip()`.
    Strip,
    /// Python's `lstrip()`.
    StripLeft,
    /// Python's `capitalize()`: the first letter upper case, all others lower case.
    Capitalize,
    /// The first letter lower case.
    LowerFirst,
    /// Without the last character.
    DropLast,
    /// Without `[…]`, each on one line.
    DropBrackets,
    /// The text before the first occurrence of a marker.
    Before(String),
    /// The text after it.
    After(String),
    /// Every occurrence of a text replaced, from left to right, once.
    Replace(String, String),
    /// Another text for each of these texts; others are errors.
    Map(Vec<(String, String)>),
}

/// Names of all filters, with a colon if they need an argument.
const NAMES: [&str; 10] = [
    "strip",
    "strip_left",
    "capitalize",
    "lower_first",
    "drop_last",
    "drop_brackets",
    "before:",
    "after:",
    "replace:",
    "map:",
];

impl Filter {
    /// Reads the filters after a field's path, which `|` separates. `Err` says what is wrong.
    pub(super) fn parse_all<'a>(texts: impl Iterator<Item = &'a str>) -> Result<Vec<Self>, String> {
        texts.map(Self::parse).collect()
    }

    fn parse(text: &str) -> Result<Self, String> {
        let (name, argument) = match text.split_once(':') {
            Some((name, argument)) => (name, Some(argument)),
            None => (text, None),
        };
        let pair = |text: &str| {
            let (from, to) = text.split_once('=')?;
            (!from.is_empty()).then(|| (from.to_owned(), to.to_owned()))
        };
        let filter = match (name.trim(), argument) {
            ("strip", None) => Some(Self::Strip),
            ("strip_left", None) => Some(Self::StripLeft),
            ("capitalize", None) => Some(Self::Capitalize),
            ("lower_first", None) => Some(Self::LowerFirst),
            ("drop_last", None) => Some(Self::DropLast),
            ("drop_brackets", None) => Some(Self::DropBrackets),
            ("before", Some(marker)) if !marker.is_empty() => Some(Self::Before(marker.to_owned())),
            ("after", Some(marker)) if !marker.is_empty() => Some(Self::After(marker.to_owned())),
            ("replace", Some(argument)) => pair(argument).map(|(from, to)| Self::Replace(from, to)),
            ("map", Some(argument)) => {
                argument.split(',').map(pair).collect::<Option<Vec<_>>>().map(Self::Map)
            }
            _ => None,
        };
        filter.ok_or_else(|| {
            let hint = did_you_mean(name.trim(), NAMES.map(|known| known.trim_end_matches(':')));
            format!(
                "no filter `{}`{hint}; the filters are strip, strip_left, capitalize, lower_first, drop_last, drop_brackets, \
                 before:TEXT, after:TEXT, replace:FROM=TO and map:A=B,C=D",
                clipped(text)
            )
        })
    }

    /// The changed text. `Err` says why the filter does not fit the text.
    pub(super) fn apply(&self, text: &str) -> Result<String, String> {
        let around = |marker: &str| {
            text.split_once(marker).ok_or_else(|| format!("there is no `{marker}` in {:?}", clipped(text)))
        };
        Ok(match self {
            Self::Strip => strip(text).to_owned(),
            Self::StripLeft => {
                // The full stop keeps the white space at the end.
                let guarded = format!("{text}.");
                let kept = strip(&guarded);
                kept.strip_suffix('.').unwrap_or(kept).to_owned()
            }
            Self::Capitalize => with_first(text, |first| first.to_uppercase().collect(), str::to_lowercase),
            Self::LowerFirst => with_first(text, |first| first.to_lowercase().collect(), str::to_owned),
            Self::DropLast => {
                let mut characters = text.chars();
                characters.next_back();
                characters.as_str().to_owned()
            }
            Self::DropBrackets => without_brackets(text),
            Self::Before(marker) => around(marker)?.0.to_owned(),
            Self::After(marker) => around(marker)?.1.to_owned(),
            Self::Replace(from, to) => text.replace(from, to),
            Self::Map(pairs) => {
                let known = pairs.iter().find(|(from, _)| from == text);
                let (_, to) = known.ok_or_else(|| {
                    let names: Vec<&str> = pairs.iter().map(|(from, _)| from.as_str()).collect();
                    format!("{:?} is not one of {}", clipped(text), names.join(", "))
                })?;
                to.clone()
            }
        })
    }
}

/// The first character and the rest, each changed.
fn with_first(text: &str, first: impl Fn(char) -> String, rest: impl Fn(&str) -> String) -> String {
    let mut characters = text.chars();
    match characters.next() {
        Some(character) => format!("{}{}", first(character), rest(characters.as_str())),
        None => String::new(),
    }
}

/// Without the matches of the regular expression `\[.*?\]`.
fn without_brackets(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some((before, inside)) = rest.split_once('[') {
        kept.push_str(before);
        let Some(end) = inside.find([']', '\n']) else {
            // No bracket after this one is closed either.
            kept.push('[');
            rest = inside;
            break;
        };
        let (within, from_end) = inside.split_at(end);
        match from_end.strip_prefix(']') {
            Some(after) => rest = after,
            None => {
                kept.extend(["[", within]);
                rest = from_end;
            }
        }
    }
    kept + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_pythons() {
        for (filter, text, expected) in [
            ("strip", "\u{1f} a b\u{a0}\n", "a b"),
            ("strip_left", " \n a. ", "a. "),
            ("strip_left", "  ", ""),
            ("capitalize", "the man from Wales", "The man from wales"),
            ("capitalize", "éTÉ", "Été"),
            ("capitalize", "", ""),
            ("lower_first", "The Man", "the Man"),
            ("drop_last", "It rained…", "It rained"),
            ("drop_last", "", ""),
            ("drop_brackets", "a [step] b [[x]] [c\nd] e]", "a  b ] [c\nd] e]"),
            ("drop_brackets", "[a]x[ [b", "x[ [b"),
            ("before:_", "a _ b _", "a "),
            ("after:_", "a _ b _", " b _"),
            ("replace:  = ", "a   b  c", "a  b c"),
            ("replace:x=", "axbx", "ab"),
            ("map:cause=because,effect=therefore", "effect", "therefore"),
        ] {
            assert_eq!(Filter::parse(filter).unwrap().apply(text).unwrap(), expected, "{filter}");
        }
    }

    #[test]
    fn messages_say_what_is_wrong() {
        for (filter, part) in [
            ("stripe", "no filter `stripe`; did you mean `strip`?"),
            ("strip:x", "no filter `strip:x`"),
            ("before", "no filter `before`"),
            ("replace:=a", "no filter `replace:=a`"),
            ("map:a=b,c", "before:TEXT, after:TEXT, replace:FROM=TO and map:A=B,C=D"),
        ] {
            let message = Filter::parse(filter).unwrap_err();
            assert!(message.contains(part), "{message}");
        }
        let wrong = |filter: &str, text: &str| Filter::parse(filter).unwrap().apply(text).unwrap_err();
        assert_eq!(wrong("after:_", "none"), "there is no `_` in \"none\"");
        assert_eq!(wrong("map:a=b,c=d", "e"), "\"e\" is not one of a, c");
    }
}
