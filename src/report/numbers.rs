//! Numbers for readers.

use untrusted_input::thousands;

/// Two decimals and thousands separators; three significant digits below 0.01.
pub fn number(value: f64) -> String {
    if value != 0.0 && value.abs() < 0.01 {
        return format!("{value:.2e}");
    }
    let text = format!("{:.2}", value.abs());
    let (whole, decimals) = text.split_once('.').unwrap_or((&text, "00"));
    let sign = if value < 0.0 { "−" } else { "" };
    match whole.parse::<u64>() {
        Ok(whole) => format!("{sign}{}.{decimals}", thousands(whole)),
        // Too many digits for a table.
        Err(_) => format!("{value:.3e}"),
    }
}

/// A number with its sign.
pub fn difference(value: f64) -> String {
    if value < 0.0 { number(value) } else { format!("+{}", number(value)) }
}

/// `↑` if higher is better, else `↓`.
pub fn arrow(higher_is_better: bool) -> &'static str {
    if higher_is_better { "↑" } else { "↓" }
}

/// A p value; `< 0.0001` below that.
pub fn p_value(p: f64) -> String {
    if p < 0.0001 { "< 0.0001".to_owned() } else { format!("{p:.4}") }
}

/// The text of a value, or a dash.
pub fn or_dash<T>(value: Option<T>, text: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| "–".to_owned(), text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        assert_eq!(number(35.126), "35.13");
        assert_eq!(number(530_881.264), "530,881.26");
        assert_eq!(number(0.0), "0.00");
        assert_eq!(number(0.001_234), "1.23e-3");
        assert_eq!(number(1e30), "1.000e30");
        assert_eq!(difference(-0.5), "−0.50");
        assert_eq!(difference(0.5), "+0.50");
    }
}
