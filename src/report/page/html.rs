//! The parts of the page that are plain HTML.

use sha2::{Digest, Sha256};

pub(super) use crate::report::escape;
use crate::report::{Cell, Tone};

/// An element that holds nothing but text, whose direction is its own.
pub(super) fn element(name: &str, text: &str) -> String {
    format!("<{name} dir=\"auto\">{}</{name}>", escape(text))
}

/// A table under its title, with its notes. The first column names the row.
pub(super) fn table(title: &str, header: &[String], rows: &[Vec<Cell>], notes: &[String]) -> String {
    let head: String =
        header.iter().map(|cell| format!("<th scope=\"col\">{}</th>", bidirectional(cell))).collect();
    let body: String = rows
        .iter()
        .map(|row| {
            let cells = row.iter().enumerate().map(|(column, cell)| match column {
                0 => format!("<th scope=\"row\">{}</th>", bidirectional(&cell.text)),
                _ => format!("<td{}>{}</td>", class(cell), bidirectional(&cell.text)),
            });
            format!("<tr>{}</tr>", cells.collect::<String>())
        })
        .collect();
    let notes: String = notes.iter().map(|note| element("li", note)).collect();
    let notes = if notes.is_empty() { notes } else { format!("<ul class=\"notes\">{notes}</ul>") };
    let (name, title) = (escape(title), element("h3", title));
    format!(
        "{title}<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{name}\">\
         <table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{notes}\n"
    )
}

/// The classes of a cell, as an attribute.
fn class(cell: &Cell) -> String {
    let tone = match cell.tone {
        Tone::Plain => "",
        Tone::Published => "published",
        Tone::Better => "better",
        Tone::Worse => "worse",
    };
    let best = if cell.is_best { "best" } else { "" };
    match (tone, best) {
        ("", "") => String::new(),
        (one, "") | ("", one) => format!(" class=\"{one}\""),
        (one, other) => format!(" class=\"{one} {other}\""),
    }
}

/// Text that cannot turn round what stands beside it.
fn bidirectional(text: &str) -> String {
    if text.is_ascii() { escape(text) } else { format!("<bdi>{}</bdi>", escape(text)) }
}

/// The source by which a Content-Security-Policy allows an inline script or style.
pub(super) fn sha256_source(content: &str) -> String {
    format!("sha256-{}", base64(&Sha256::digest(content.as_bytes())))
}

/// Base64 of RFC 4648 with padding.
pub(super) fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let number =
            three.iter().fold(0, |number, &byte| number << 8 | u32::from(byte)) << (8 * (3 - three.len()));
        for place in 0..4 {
            let digit = (number >> (18 - 6 * place)) & 63;
            text.push(if place <= three.len() { char::from(ALPHABET[digit as usize]) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_of_rfc_4648() {
        let known = ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"];
        for (length, expected) in known.into_iter().enumerate() {
            assert_eq!(base64(&b"foobar"[..length]), expected);
        }
        assert_eq!(base64(&[0xFB, 0xFF]), "+/8=");
    }

    #[test]
    fn text_stays_text() {
        assert_eq!(
            escape("<a href=\"x\">'&\0\u{85}\n"),
            "&lt;a href=&quot;x&quot;&gt;&#39;&amp;\u{fffd}\u{fffd}\n"
        );
        let best = Cell { is_best: true, ..Cell::toned("\u{202e}x", Tone::Better) };
        let row = vec!["<b>".into(), "1".into(), best];
        let shown = table("T", &["model".to_owned()], &[row], &["† a note".to_owned()]);
        assert!(
            shown
                .contains("<tr><th scope=\"row\">&lt;b&gt;</th><td>1</td><td class=\"better best\"><bdi>\u{202e}x</bdi></td></tr>")
        );
        assert!(shown.contains("<li dir=\"auto\">† a note</li>"));
    }
}
