//! Tests of two paired samples: McNemar's exact test, Newcombe's interval and Holm's correction.

use super::estimate::wilson_95;

/// p values of a paired test under the hypothesis that the two models are alike.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairedTest {
    /// The test.
    pub method: TestMethod,
    /// Probability that the new value is at least as far below the base value by chance.
    pub below: f64,
    /// Probability that the new value is at least as far above the base value by chance.
    pub above: f64,
}

/// A paired test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TestMethod {
    /// McNemar's exact test (1947).
    McNemar,
    /// Student's t test with Hall's correction for skewness (1992).
    Hall,
}

/// Numbers of samples that exactly one of the models has correct.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flips {
    /// Correct with the base model only.
    pub lost: u64,
    /// Correct with the new model only.
    pub won: u64,
}

impl PairedTest {
    /// p of the two-sided test.
    pub fn two_sided(&self) -> f64 {
        (2.0 * self.below.min(self.above)).min(1.0)
    }
}

impl Flips {
    /// McNemar's exact test: each sample that flipped is lost or won with probability ½.
    pub fn test(self) -> PairedTest {
        let of = |count| binomial_tail(self.lost + self.won, count);
        PairedTest { method: TestMethod::McNemar, below: of(self.lost), above: of(self.won) }
    }
}

/// Probability of at least `least` heads in `tosses` tosses of a fair coin. Computed in logarithms because 2^-tosses
/// underflows f64.
fn binomial_tail(tosses: u64, least: u64) -> f64 {
    if 2 * least <= tosses {
        // By symmetry, compute the smaller tail, which has no cancellation.
        return 1.0 - binomial_tail(tosses, tosses - least + 1);
    }
    if least > tosses {
        return 0.0;
    }
    let others = tosses - least;
    let choose: f64 = (1..=others).map(|i| ((least + i) as f64 / i as f64).ln()).sum();
    let first = choose - tosses as f64 * std::f64::consts::LN_2;
    let mut term = 1.0;
    let mut sum = 1.0;
    for heads in least..tosses {
        term *= (tosses - heads) as f64 / (heads + 1) as f64;
        sum += term;
    }
    (first + sum.ln()).exp()
}

/// Counts of samples by their results: correct with both models, with the base only, with the new one only, with neither.
pub(super) fn contingency(base: &[f64], new: &[f64]) -> [u64; 4] {
    let is_correct = |value: f64| value > 0.5;
    let mut counts = [0u64; 4];
    for (&base, &new) in base.iter().zip(new) {
        counts[2 * usize::from(!is_correct(base)) + usize::from(!is_correct(new))] += 1;
    }
    counts
}

/// 95 % interval of the difference (new minus base) of two paired proportions: Newcombe's method 10 (1998), which combines
/// both Wilson intervals with the correlation. `counts` are those of [`contingency`].
pub(super) fn newcombe_interval(counts: [u64; 4]) -> (f64, f64) {
    let [both, lost, won, neither] = counts.map(|count| count as f64);
    let n = both + lost + won + neither;
    let (base, new) = ((both + lost) / n, (both + won) / n);
    let all = counts.iter().sum::<u64>() as usize;
    let ((base_low, base_high), (new_low, new_high)) = (wilson_95(base, all), wilson_95(new, all));
    let margins = (both + lost) * (won + neither) * (both + won) * (lost + neither);
    let product = both * neither - lost * won;
    let corrected = if product > 0.0 { (product - n / 2.0).max(0.0) } else { product };
    let correlation = if margins > 0.0 { corrected / margins.sqrt() } else { 0.0 };
    let reach = |a: f64, b: f64| (a * a - 2.0 * correlation * a * b + b * b).max(0.0).sqrt();
    let difference = new - base;
    (difference - reach(new - new_low, base_high - base), difference + reach(new_high - new, base - base_low))
}

/// p values corrected for multiple comparisons (Holm 1979), in the given order. If values below α are called significant,
/// the probability of any false positive is at most α, whatever the dependence between the tests.
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let mut adjusted = vec![1.0; p.len()];
    let mut largest: f64 = 0.0;
    for (rank, index) in order.into_iter().enumerate() {
        largest = largest.max((p.len() - rank) as f64 * p[index]).min(1.0);
        adjusted[index] = largest;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() <= 1e-10 * b.abs()
    }

    #[test]
    fn mcnemar_agrees_with_exact_integers() {
        // Two-sided p and P(lost or more) in Python's exact integers; scipy 1.17.1's binomtest agrees to 1e-13.
        let reference = [
            (0, 0, 1.0, 1.0),
            (1, 0, 1.0, 0.5),
            (5, 1, 0.21875, 0.109_375),
            (10, 20, 0.098_737_146_705_389_02, 0.978_613_027_371_466_2),
            (12, 2, 0.012_939_453_125, 0.006_469_726_562_5),
            (75, 175, 2.210_465_514_523_283e-10, 0.999_999_999_953_529_2),
            (150, 250, 6.531_819_212_838_427e-7, 0.999_999_807_665_781_9),
            (9_800, 10_200, 0.004_780_889_455_902_644, 0.997_712_882_017_496_7),
            (10_300, 9_700, 2.276_698_138_179_582_4e-5, 1.138_349_069_089_791_2e-5),
            (11_000, 9_000, 1.954_082_770_582_896_3e-45, 9.770_413_852_914_481e-46),
        ];
        for (lost, won, two_sided, below) in reference {
            let test = Flips { lost, won }.test();
            assert!(close(test.two_sided(), two_sided), "{lost} {won}: {}", test.two_sided());
            assert!(close(test.below, below), "{lost} {won}: {}", test.below);
            assert_eq!(test.above, Flips { lost: won, won: lost }.test().below);
        }
    }

    #[test]
    fn newcombe_by_hand() {
        // Both, lost, won, neither. The first is Newcombe's example; all are computed from his formulas in Python.
        let reference = [
            ([36, 2, 12, 0], 0.056_929_584_003_238_69, 0.340_427_602_974_940_7),
            ([36, 0, 14, 0], 0.152_839_517_855_857_3, 0.416_651_236_959_565_63),
            ([20, 2, 12, 16], 0.056_156_424_841_748_24, 0.329_206_995_400_140_53),
            ([53, 1, 0, 0], -0.097_714_374_887_819_2, 0.049_621_661_889_403_88),
        ];
        for (counts, low, high) in reference {
            let found = newcombe_interval(counts);
            assert!(close(found.0, low) && close(found.1, high), "{counts:?}: {found:?}");
        }
        let (low, high) = newcombe_interval([10, 0, 0, 10]);
        assert!(low < 0.0 && 0.0 < high && (low + high).abs() < 1e-12, "equal results");
    }

    #[test]
    fn holm_by_hand() {
        // R: p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm").
        let adjusted = holm(&[0.01, 0.04, 0.03, 0.005]);
        assert!(adjusted.iter().zip([0.03, 0.06, 0.06, 0.02]).all(|(&a, b)| close(a, b)), "{adjusted:?}");
        assert_eq!(holm(&[0.9, 0.8]), [1.0, 1.0]);
        assert!(holm(&[]).is_empty());
    }
}
