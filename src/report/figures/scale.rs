//! Axis scales: positions of values, and round ticks.

use untrusted_input::thousands;

/// Maximum ticks of an axis.
pub(super) const MAX_TICKS: usize = 9;

/// A tick of an axis.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tick {
    pub at: f64,
    /// Text beside it.
    pub label: String,
}

/// Maps values to positions from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scale {
    logarithmic: bool,
    /// Value at position 0.
    pub low: f64,
    /// Value at position 1.
    pub high: f64,
}

/// Whether a value can be drawn: larger and smaller numbers are overflows, not results.
pub(super) fn drawable(value: f64) -> bool {
    value == 0.0 || (1e-250..1e250).contains(&value.abs())
}

impl Scale {
    /// A linear scale from `low` to a greater `high`.
    pub fn linear(low: f64, high: f64) -> Self {
        Self { logarithmic: false, low, high }
    }

    /// A logarithmic scale from `low`, above 0, to a greater `high`.
    pub fn logarithmic(low: f64, high: f64) -> Self {
        Self { logarithmic: true, low, high }
    }

    /// The position of a value, clamped to the axis. `None` for NaN.
    pub fn position(self, value: f64) -> Option<f64> {
        if value.is_nan() {
            return None;
        }
        let position = if self.logarithmic {
            if value <= 0.0 {
                return Some(0.0);
            }
            (value.ln() - self.low.ln()) / (self.high.ln() - self.low.ln())
        } else {
            (value - self.low) / (self.high - self.low)
        };
        Some(position.clamp(0.0, 1.0))
    }
}

/// A linear scale that covers `low` to `high` and begins and ends with a tick.
pub(super) fn linear_axis(low: f64, high: f64) -> (Scale, Vec<Tick>) {
    let (mut low, mut high) = (low.min(high), low.max(high));
    // Widens ranges that are narrower than the values' precision.
    if high - low <= 1e-9 * low.abs().max(high.abs()) {
        let room = if high == 0.0 { 1.0 } else { 0.1 * high.abs() };
        (low, high) = (if low >= 0.0 { (low - room).max(0.0) } else { low - room }, high + room);
    }
    let magnitude = 10f64.powf(((high - low) / MAX_TICKS as f64).log10().floor());
    let steps = [1.0, 2.0, 2.5, 5.0, 10.0, 20.0].map(|factor| factor * magnitude);
    let ends = |step: f64| ((low / step + 1e-9).floor(), (high / step - 1e-9).ceil());
    let fits = |step: &f64| {
        let (first, last) = ends(*step);
        last - first < MAX_TICKS as f64 - 0.5
    };
    let step = steps.into_iter().find(fits).unwrap_or(steps[5]);
    let (first, last) = ends(step);
    let decimals = (0..12).find(|&digits| {
        let scaled = step * 10f64.powi(digits);
        scaled >= 0.999 && (scaled - scaled.round()).abs() < 1e-6 * scaled
    });
    let ticks: Vec<Tick> = (0..=(last - first).round() as usize)
        .map(|index| {
            let at = (first + index as f64) * step;
            Tick { at, label: plain(at, decimals.unwrap_or(12) as usize, step) }
        })
        .collect();
    (Scale::linear(first * step, last * step), ticks)
}

/// A logarithmic scale that covers `low` to `high`, both above 0, and begins and ends with a tick.
pub(super) fn logarithmic_axis(low: f64, high: f64) -> (Scale, Vec<Tick>) {
    let (low, high) = (low.min(high), low.max(high));
    let decades = (low.log10().floor() as i32, high.log10().ceil() as i32);
    // 1, 2, 5, 10, 20… if at most MAX_TICKS of them cover the range, else equidistant powers of ten.
    let fine: Vec<(u8, i32)> =
        (decades.0 - 1..=decades.1 + 1).flat_map(|decade| [1, 2, 5].map(|factor| (factor, decade))).collect();
    let value = |&(factor, decade): &(u8, i32)| f64::from(factor) * 10f64.powi(decade);
    let first = fine.iter().rposition(|tick| value(tick) <= low * (1.0 + 1e-9)).unwrap_or(0);
    let last = fine.iter().position(|tick| value(tick) >= high * (1.0 - 1e-9)).unwrap_or(fine.len() - 1);
    let last = last.max(first + 1).min(fine.len() - 1);
    let chosen: Vec<(u8, i32)> = if last - first < MAX_TICKS {
        fine[first..=last].to_vec()
    } else {
        let span = (decades.1 - decades.0).unsigned_abs() as usize;
        let stride = span.div_ceil(MAX_TICKS - 1).max(1);
        (0..=span.div_ceil(stride)).map(|index| (1, decades.0 + (index * stride) as i32)).collect()
    };
    let ticks: Vec<Tick> =
        chosen.iter().map(|tick| Tick { at: value(tick), label: power_label(tick.0, tick.1) }).collect();
    let (low, high) = (ticks.first().map_or(low, |tick| tick.at), ticks.last().map_or(high, |tick| tick.at));
    (Scale::logarithmic(low, high), ticks)
}

/// Label of a multiple of `step`, which has `decimals` decimals. Long numbers get a power of ten.
fn plain(value: f64, decimals: usize, step: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let exponent = value.abs().log10().floor() as i32;
    let sign = if value < 0.0 { "−" } else { "" };
    if exponent >= 7 || decimals > 6 {
        let digits = (exponent - step.log10().floor() as i32 + 1).clamp(1, 12) as usize;
        let mantissa = format!("{:.digits$}", value.abs() / 10f64.powi(exponent));
        let mantissa = mantissa.trim_end_matches('0').trim_end_matches('.');
        return format!("{sign}{mantissa}×10{}", superscript(exponent));
    }
    let text = format!("{:.decimals$}", value.abs());
    let (whole, rest) = text.split_once('.').unwrap_or((&text, ""));
    let whole = whole.parse().map_or_else(|_| whole.to_owned(), thousands);
    if rest.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{rest}") }
}

fn power_label(factor: u8, decade: i32) -> String {
    match decade {
        0..=5 => thousands(u64::from(factor) * 10u64.pow(decade.unsigned_abs())),
        -3..0 => format!("0.{}{factor}", "0".repeat((-decade - 1).unsigned_abs() as usize)),
        _ if factor == 1 => format!("10{}", superscript(decade)),
        _ => format!("{factor}×10{}", superscript(decade)),
    }
}

fn superscript(exponent: i32) -> String {
    exponent
        .to_string()
        .chars()
        .map(|digit| match digit {
            '-' => '⁻',
            '1' => '¹',
            '2' => '²',
            '3' => '³',
            other => other.to_digit(10).and_then(|digit| char::from_u32(0x2070 + digit)).unwrap_or(other),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn labels(ticks: &[Tick]) -> Vec<&str> {
        ticks.iter().map(|tick| tick.label.as_str()).collect()
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(labels(&linear_axis(0.0, 100.0).1), ["0", "20", "40", "60", "80", "100"]);
        assert_eq!(
            labels(&linear_axis(0.93, 1.16).1),
            ["0.90", "0.95", "1.00", "1.05", "1.10", "1.15", "1.20"]
        );
        assert_eq!(labels(&linear_axis(-2.0, 5.0).1), ["−2", "−1", "0", "1", "2", "3", "4", "5"]);
        assert_eq!(labels(&linear_axis(5.0, 5.0).1).len(), 7);
        assert_eq!(labels(&logarithmic_axis(8.63, 99.8).1), ["5", "10", "20", "50", "100"]);
        assert_eq!(
            labels(&logarithmic_axis(10.0, 1e6).1),
            ["10", "100", "1,000", "10,000", "100,000", "10⁶"]
        );
        assert_eq!(labels(&logarithmic_axis(0.002, 0.03).1), ["0.002", "0.005", "0.01", "0.02", "0.05"]);
        assert_eq!(labels(&logarithmic_axis(7.0, 7.0).1), ["5", "10"]);
    }

    #[test]
    fn positions() {
        let scale = Scale::logarithmic(1.0, 100.0);
        assert!((scale.position(10.0).unwrap() - 0.5).abs() < 1e-12);
        assert_eq!([scale.position(-1.0), scale.position(f64::INFINITY)], [Some(0.0), Some(1.0)]);
        assert_eq!(scale.position(f64::NAN), None);
        assert_eq!(Scale::linear(0.0, 4.0).position(1.0), Some(0.25));
    }

    fn check(low: f64, high: f64, (scale, ticks): &(Scale, Vec<Tick>)) -> Result<(), TestCaseError> {
        prop_assert!((2..=MAX_TICKS + 1).contains(&ticks.len()), "{low} {high}: {ticks:?}");
        prop_assert!(ticks.windows(2).all(|pair| pair[0].at < pair[1].at), "{low} {high}: {ticks:?}");
        let room = 1e-8 * (high.abs().max(low.abs()));
        prop_assert!(
            ticks[0].at <= low + room && ticks[ticks.len() - 1].at >= high - room,
            "{low} {high}: {ticks:?}"
        );
        prop_assert_eq!((scale.low, scale.high), (ticks[0].at, ticks[ticks.len() - 1].at));
        let mut labels: Vec<&str> = ticks.iter().map(|tick| tick.label.as_str()).collect();
        labels.dedup();
        prop_assert_eq!(labels.len(), ticks.len(), "{:?}", ticks);
        Ok(())
    }

    proptest! {
        #[test]
        fn linear_ticks_cover_the_range(low in -1e12..1e12f64, range in prop_oneof![0.0..1e13f64, 0.0..1e-3f64]) {
            check(low, low + range, &linear_axis(low, low + range))?;
        }

        #[test]
        fn small_linear_ranges(low in 0.0..100.0f64, range in 0.0..1.0f64) {
            check(low, low + range, &linear_axis(low, low + range))?;
        }

        #[test]
        fn logarithmic_ticks_cover_the_range(low in -240.0..240.0f64, range in prop_oneof![0.0..3.0f64, 0.0..400.0f64]) {
            let (low, high) = (10f64.powf(low), 10f64.powf((low + range).min(245.0)));
            check(low, high, &logarithmic_axis(low, high))?;
        }
    }
}
