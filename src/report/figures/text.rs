//! Labels of figures: cleaned, measured, clipped and wrapped, without a font library.

use unicode_segmentation::UnicodeSegmentation;

/// Advance widths of `' '` to `'~'` in the bundled font, in 2048ths of the text's size.
const WIDTHS: [u16; 95] = [
    651, 821, 942, 1716, 1303, 1946, 1597, 563, 799, 799, 1024, 1716, 651, 739, 651, 690, 1303, 1303, 1303,
    1303, 1303, 1303, 1303, 1303, 1303, 1303, 690, 690, 1716, 1716, 1716, 1087, 2048, 1401, 1405, 1430, 1577,
    1294, 1178, 1587, 1540, 604, 604, 1343, 1141, 1767, 1532, 1612, 1235, 1612, 1423, 1300, 1251, 1499, 1401,
    2025, 1403, 1251, 1403, 799, 690, 799, 1716, 1024, 1024, 1255, 1300, 1126, 1300, 1260, 721, 1300, 1298,
    569, 569, 1186, 569, 1995, 1298, 1253, 1300, 1300, 842, 1067, 803, 1298, 1212, 1675, 1212, 1212, 1075,
    1303, 690, 1303, 1716,
];

/// `text` on one line, without characters that XML forbids and without direction overrides.
pub(super) fn clean(text: &str) -> String {
    text.chars()
        .filter_map(|character| match character {
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => None,
            '\u{fffe}' | '\u{ffff}' => Some('\u{fffd}'),
            '\u{2028}' | '\u{2029}' => Some(' '),
            control if control.is_control() => Some(' '),
            other => Some(other),
        })
        .collect()
}

/// Width of a character at size 1: exact for ASCII, an upper bound for the rest of the bundled font.
fn character_width(character: char) -> f64 {
    match character {
        ' '..='~' => f64::from(WIDTHS[character as usize - 32]) / 2048.0,
        '\u{300}'..='\u{36f}' | '\u{200b}'..='\u{200d}' => 0.0,
        '†' | '‡' | '§' | '‖' | '–' | '‘' | '’' | '“' | '”' | '⁰' | '⁴'..='⁹' | '⁻' => {
            0.53
        }
        '\u{a0}'..='\u{ff}' => 0.8,
        '↑' | '↓' | '→' | '−' | 'Δ' | '≤' | '≥' => 0.84,
        '…' => 1.0,
        _ => 1.25,
    }
}

/// Width of `text` at a font size, in pixels.
pub(super) fn width(text: &str, size: f64) -> f64 {
    size * text.chars().map(character_width).sum::<f64>()
}

/// Cuts `text` to `max_width` pixels at a font size; `…` replaces the rest.
pub(super) fn clip(text: &str, size: f64, max_width: f64) -> String {
    let text = clean(text);
    if width(&text, size) <= max_width {
        return text;
    }
    let mut clipped = String::new();
    let mut left = max_width - width("…", size);
    for cluster in text.graphemes(true) {
        left -= width(cluster, size);
        if left < 0.0 {
            break;
        }
        clipped.push_str(cluster);
    }
    format!("{}…", clipped.trim_end())
}

/// Breaks `text` into at most `max_lines` lines of `max_width` pixels; `…` replaces the rest.
pub(super) fn wrap(text: &str, size: f64, max_width: f64, max_lines: usize) -> Vec<String> {
    let text = clean(text);
    let mut wrapped: Vec<String> = Vec::new();
    let mut line = String::new();
    let mut words = text.split_whitespace().peekable();
    while let Some(word) = words.next() {
        let longer = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
        if line.is_empty() || width(&longer, size) <= max_width {
            line = longer;
        } else if wrapped.len() + 1 == max_lines {
            // The last line takes the rest and is clipped below.
            line = longer;
            line.extend(words.by_ref().take(100).flat_map(|word| [" ", word]));
        } else {
            wrapped.push(clip(&line, size, max_width));
            word.clone_into(&mut line);
        }
    }
    if !line.is_empty() {
        wrapped.push(clip(&line, size, max_width));
    }
    wrapped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_labels_become_one_clean_line() {
        assert_eq!(clean("a\nb\u{0}\u{202e}c\u{ffff}<x>"), "a b c\u{fffd}<x>");
        let clipped = clip(&"W".repeat(300), 12.0, 100.0);
        assert!(clipped.ends_with('…') && width(&clipped, 12.0) <= 100.0, "{clipped}");
        assert_eq!(clip("short", 12.0, 100.0), "short");
        assert_eq!(clip("xyz", 12.0, 1.0), "…");
    }

    #[test]
    fn wrapped_lines_fit_and_show_that_text_was_cut() {
        let text = "one two three four five six seven eight nine ten";
        let lines = wrap(text, 10.0, 80.0, 3);
        assert_eq!(lines.len(), 3);
        assert!(lines.iter().all(|line| width(line, 10.0) <= 80.0), "{lines:?}");
        assert!(lines[2].ends_with('…'));
        assert_eq!(wrap(text, 10.0, 1000.0, 3), [text]);
        assert!(wrap("", 10.0, 80.0, 3).is_empty());
    }
}
