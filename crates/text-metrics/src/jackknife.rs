//! The jackknife (Quenouille 1956, Tukey 1958): how much each row contributes to a metric of sums.

use super::rows::total;

/// `n θ − (n − 1) θ₍₋ᵢ₎` for each row `i`, with θ the metric of all rows and θ₍₋ᵢ₎ that without row `i`. For a mean these
/// are the values themselves. Their deviation divided by √n is the standard error of the metric.
///
/// `rows` has `width` numbers a row.
pub(super) fn pseudo_values(rows: &[f64], width: usize, metric: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    let sums = total(rows, width);
    let all = metric(&sums);
    let count = (rows.len() / width.max(1)) as f64;
    let mut others = sums.clone();
    rows.chunks_exact(width)
        .map(|row| {
            for ((other, sum), value) in others.iter_mut().zip(&sums).zip(row) {
                *other = sum - value;
            }
            count * all - (count - 1.0) * metric(&others)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_has_its_values() {
        let rows = [1.0, 1.0, 5.0, 1.0, 3.0, 1.0];
        let found = pseudo_values(&rows, 2, |sums| sums[0] / sums[1]);
        assert!(found.iter().zip([1.0, 5.0, 3.0]).all(|(found, value)| (found - value).abs() < 1e-12));
    }
}
