//! A value with its error, with as many digits as the error supports.

use super::numbers::number;
use untrusted_input::thousands;

/// Footnote of tables with `± ?`.
pub const UNKNOWN_ERROR: &str =
    "± ?: the error is unknown: fewer than two independent samples, or a metric without an error";

/// The value with ± its standard error, or with its 95 % interval: `35.13 ± 0.70` or `1,200 [430, 3,400]`.
///
/// ± is printed only if the interval is about two standard errors to each side. Few samples, a value near its limit and a
/// logarithmic scale make the interval wider or asymmetric: then the interval is printed. Without a standard error: `± ?`.
pub fn with_error(value: f64, stderr: Option<f64>, ci95: Option<(f64, f64)>) -> String {
    let Some(stderr) = stderr else { return format!("{} ± ?", number(value)) };
    match ci95 {
        Some((low, high)) if !is_about_two(value - low, stderr) || !is_about_two(high - value, stderr) => {
            interval_text(value, low, high)
        }
        _ if stderr > 0.0 => {
            let unit = last_digit(stderr);
            let error = if value.abs() >= LARGE && stderr >= 1000.0 {
                format!("{stderr:.1e}")
            } else {
                rounded(stderr, unit)
            };
            format!("{} ± {error}", rounded(value, unit))
        }
        _ => format!("{} ± 0", number(value)),
    }
}

/// The value as [`with_error`] prints it, without its error.
pub fn value_text(value: f64, stderr: Option<f64>, ci95: Option<(f64, f64)>) -> String {
    let text = with_error(value, stderr, ci95);
    text.split_once(' ').map_or(text.clone(), |(value, _)| value.to_owned())
}

/// Whether an arm of the interval is as long as ± lets a reader expect: 1.96 standard errors, 30 % more or less.
fn is_about_two(arm: f64, stderr: f64) -> bool {
    if stderr == 0.0 { arm == 0.0 } else { (1.4..=2.6).contains(&(arm / stderr)) }
}

fn interval_text(value: f64, low: f64, high: f64) -> String {
    let [value, low, high] = value_and_interval(value, low, high);
    format!("{value} [{low}, {high}]")
}

/// A value and the ends of its 95 % interval, each with the digits that the interval supports.
pub fn value_and_interval(value: f64, low: f64, high: f64) -> [String; 3] {
    let unit = last_digit((high - low) / 4.0);
    // Over several orders of magnitude, the digits that the upper end supports say nothing of the lower end.
    [value, low, high]
        .map(|number| rounded(number, if number == 0.0 { unit } else { unit.min(last_digit(number.abs())) }))
}

/// The 95 % interval of a difference, with signs and the digits that it supports, or a dash.
pub fn interval(ci95: Option<(f64, f64)>) -> String {
    let Some((low, high)) = ci95 else { return "–".to_owned() };
    let [_, low_text, high_text] = value_and_interval(0.0, low, high);
    let signed = |number: f64, text: String| if number < 0.0 { text } else { format!("+{text}") };
    format!("{} … {}", signed(low, low_text), signed(high, high_text))
}

/// Exponent of the second significant digit: −2 for 0.35.
fn last_digit(error: f64) -> i32 {
    if error > 0.0 { error.log10().floor() as i32 - 1 } else { -2 }
}

/// Numbers from here have an exponent.
const LARGE: f64 = 999_999.5;

/// Decimals of numbers with an exponent.
const MAX_DECIMALS: i32 = 4;

/// `value` to a multiple of 10^`exponent`, with thousands separators; with an exponent from a million, and where more than
/// five decimals would be needed.
fn rounded(value: f64, exponent: i32) -> String {
    let sign = if value < 0.0 { "−" } else { "" };
    let size = value.abs();
    if size > 0.0 && (size >= LARGE || exponent < -5) {
        let digits = (size.log10().floor() as i32 - exponent).clamp(0, MAX_DECIMALS) as usize;
        return format!("{sign}{size:.digits$e}");
    }
    if exponent > 0 {
        let unit = 10f64.powi(exponent);
        return format!("{sign}{}", thousands(((size / unit).round() * unit) as u64));
    }
    let decimals = exponent.unsigned_abs() as usize;
    let text = format!("{size:.decimals$}");
    let (whole, rest) = text.split_once('.').unwrap_or((&text, ""));
    let point = if rest.is_empty() { "" } else { "." };
    format!("{sign}{}{point}{rest}", thousands(whole.parse().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_two_digits_and_the_value_no_more() {
        let shown = |value: f64, stderr: f64| {
            with_error(value, Some(stderr), Some((value - 1.96 * stderr, value + 1.96 * stderr)))
        };
        assert_eq!(shown(35.126, 0.7), "35.13 ± 0.70");
        assert_eq!(shown(35.126, 3.12), "35.1 ± 3.1");
        assert_eq!(shown(135.126, 31.4), "135 ± 31");
        assert_eq!(shown(13_594.2, 1_879.91), "13,600 ± 1,900");
        assert_eq!(shown(2_346_902.6, 81_234.0), "2.347e6 ± 8.1e4");
        assert_eq!(shown(0.976_912, 0.001_234), "0.9769 ± 0.0012");
        assert_eq!(shown(0.058_218, 0.013_4), "0.058 ± 0.013");
        assert_eq!(shown(7e-7, 1.2e-7), "7.0e-7 ± 1.2e-7");
        assert_eq!(with_error(35.126, Some(0.5), None), "35.13 ± 0.50");
        assert_eq!(with_error(35.126, None, None), "35.13 ± ?");
        assert_eq!(with_error(100.0, None, Some((20.65, 100.0))), "100.00 ± ?");
    }

    #[test]
    fn wide_and_asymmetric_errors_are_intervals() {
        // Wilson's interval of 0 of 60, and of 3 of 60.
        assert_eq!(with_error(0.0, Some(0.0), Some((0.0, 6.02))), "0.0 [0.0, 6.0]");
        assert_eq!(with_error(5.0, Some(2.84), Some((1.71, 13.7))), "5.0 [1.7, 13.7]");
        assert_eq!(with_error(7_448_156.51, Some(1.4e7), Some((51_234.0, 1.1e9))), "7.4e6 [51,000, 1.10e9]");
        assert_eq!(with_error(523.4, Some(120.0), Some((198.0, 1_412.0))), "520 [200, 1,410]");
        // Student's t for three samples.
        assert_eq!(with_error(4.5, Some(0.1), Some((4.07, 4.93))), "4.50 [4.07, 4.93]");
        assert_eq!(with_error(50.0, Some(0.0), Some((50.0, 50.0))), "50.00 ± 0");
        assert_eq!(interval(Some((-0.123_4, 1.5))), "−0.12 … +1.50");
        assert_eq!(interval(Some((0.0, 0.0))), "+0.00 … +0.00");
        assert_eq!(interval(None), "–");
    }
}
