//! Escapes text for LaTeX with Computer Modern, the font of every installation.

/// Maximum characters of a word without a possible line break.
const MAX_UNBROKEN: usize = 24;

/// Escapes the text of a cell. Characters that Computer Modern lacks, such as control characters, become their code point.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut before = None;
    for each in text.chars() {
        push(&mut escaped, before, each);
        before = Some(each);
    }
    escaped
}

/// Appends a character, separated where TeX would form a ligature, as of two hyphens.
fn push(escaped: &mut String, before: Option<char>, each: char) {
    if before == Some(each) && matches!(each, '-' | '\'') || matches!((before, each), (Some('?' | '!'), '‘'))
    {
        escaped.push_str("{}");
    }
    escaped.push_str(&character(each));
}

/// Escapes running text, with possible line breaks in long words such as file paths.
pub(super) fn escape_running(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + text.len() / 8);
    let (mut length, mut before) = (0, None);
    for each in text.chars() {
        length = if each.is_whitespace() { 0 } else { length + 1 };
        push(&mut escaped, before, each);
        before = Some(each);
        if matches!(each, '/' | ',' | '=' | '_' | ':' | '.') && length > MAX_UNBROKEN / 3
            || length > MAX_UNBROKEN
        {
            escaped.push_str(r"\allowbreak{}");
            length = 0;
        }
    }
    escaped
}

fn character(character: char) -> String {
    let known = match character {
        '\\' => r"$\backslash$",
        '{' => r"\{",
        '}' => r"\}",
        '$' => r"\$",
        '&' => r"\&",
        '#' => r"\#",
        '%' => r"\%",
        '_' => r"\_",
        '~' => r"\~{}",
        '^' => r"\^{}",
        '<' => "$<$",
        '>' => "$>$",
        '|' => "$|$",
        '"' => r"{\ttfamily\char34}",
        '`' => r"\`{}",
        '[' => "{[}",
        ']' => "{]}",
        '\n' | '\r' | '\t' | '\u{a0}' => " ",
        '±' => r"$\pm$",
        '−' => "$-$",
        '×' => r"$\times$",
        '·' => r"$\cdot$",
        '≈' => r"$\approx$",
        '≤' => r"$\leq$",
        '≥' => r"$\geq$",
        '→' => r"$\rightarrow$",
        '←' => r"$\leftarrow$",
        '↑' => r"$\uparrow$",
        '↓' => r"$\downarrow$",
        'Δ' => r"$\Delta$",
        'α' => r"$\alpha$",
        'β' => r"$\beta$",
        'µ' | 'μ' => r"$\mu$",
        '†' => r"$^{\dagger}$",
        '‡' => r"$^{\ddagger}$",
        '‖' => r"$^{\|}$",
        '◊' => r"$^{\diamond}$",
        '§' => r"\textsuperscript{\S}",
        '¶' => r"\textsuperscript{\P}",
        '*' => r"$^{\ast}$",
        '–' => "--",
        '—' => "---",
        '…' => r"\ldots{}",
        '“' => "``{}",
        '”' => "''{}",
        '‘' => "`{}",
        '’' => "'{}",
        'ß' => r"\ss{}",
        'æ' => r"\ae{}",
        'Æ' => r"\AE{}",
        'œ' => r"\oe{}",
        'Œ' => r"\OE{}",
        'ø' => r"\o{}",
        'Ø' => r"\O{}",
        'å' => r"\r{a}",
        'Å' => r"\r{A}",
        'ł' => r"\l{}",
        'Ł' => r"\L{}",
        'ı' => r"\i{}",
        ' '..='\u{7e}' => return character.to_string(),
        other => return accented(other).unwrap_or_else(|| format!("{{[}}U+{:04X}{{]}}", u32::from(other))),
    };
    known.to_owned()
}

/// The TeX accent command of an accented letter.
fn accented(character: char) -> Option<String> {
    const ACCENTS: [(&str, &str, &str); 8] = [
        (r"\`", "àèìòùÀÈÌÒÙ", "aeiouAEIOU"),
        (r"\'", "áéíóúýćńśźÁÉÍÓÚÝĆŃŚŹ", "aeiouycnszAEIOUYCNSZ"),
        (r"\^", "âêîôûÂÊÎÔÛ", "aeiouAEIOU"),
        (r#"\""#, "äëïöüÿÄËÏÖÜ", "aeiouyAEIOU"),
        (r"\~", "ãñõÃÑÕ", "anoANO"),
        (r"\c", "çşÇŞ", "csCS"),
        (r"\v", "čěňřšžČĚŇŘŠŽ", "cenrszCENRSZ"),
        (r"\u", "ăğĂĞ", "agAG"),
    ];
    ACCENTS.iter().find_map(|(accent, letters, plain)| {
        let index = letters.chars().position(|letter| letter == character)?;
        let plain = plain.chars().nth(index)?;
        let plain = if plain == 'i' { r"\i".to_owned() } else { plain.to_string() };
        Some(format!("{accent}{{{plain}}}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_escaped() {
        assert_eq!(escape(r"\input{x}"), r"$\backslash$input\{x\}");
        assert_eq!(escape("a_b%c&d#e$f~g^h"), r"a\_b\%c\&d\#e\$f\~{}g\^{}h");
        assert_eq!(escape("--x-'',"), "-{}-x-'{}',", "neither dash nor quotation mark");
        assert_eq!(escape("?‘"), "?{}`{}");
        assert_eq!(escape("[1]"), "{[}1{]}", "no optional argument of a line break");
        assert_eq!(escape("35.50 ± 0.50†"), r"35.50 $\pm$ 0.50$^{\dagger}$");
        assert_eq!(escape("naïve ñ Škoda"), r#"na\"{\i}ve \~{n} \v{S}koda"#);
    }

    #[test]
    fn missing_characters_become_code_points() {
        assert_eq!(escape("\u{202e}中🙂\u{0}"), "{[}U+202E{]}{[}U+4E2D{]}{[}U+1F642{]}{[}U+0000{]}");
        assert!(escape(&('\0'..=char::MAX).step_by(7).collect::<String>()).is_ascii());
    }

    #[test]
    fn long_words_may_be_broken() {
        let running = escape_running(&"a".repeat(60));
        assert_eq!(running.matches(r"\allowbreak{}").count(), 2);
        assert!(escape_running("results/a-run/samples/file.jsonl").contains(r"/\allowbreak{}"));
        assert!(!escape_running("plain words, and no more.").contains("allowbreak"));
    }
}
