//! A statistic of every sample, as short as JSON can have it.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A statistic of every sample: written as integers where all are, else as the shortest decimals that read back as the
/// same bits.
#[derive(Debug, Clone, PartialEq)]
pub struct Column(pub Vec<f64>);

/// Whole numbers up to here are exact in f64.
const LARGEST_INTEGER: f64 = 9_007_199_254_740_992.0;

impl Serialize for Column {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let is_integer = |value: &f64| {
            value.fract() == 0.0
                && value.abs() <= LARGEST_INTEGER
                && (*value != 0.0 || value.is_sign_positive())
        };
        if self.0.iter().all(is_integer) {
            return serializer.collect_seq(self.0.iter().map(|&value| value as i64));
        }
        serializer.collect_seq(&self.0)
    }
}

impl<'de> Deserialize<'de> for Column {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_short_and_exact() {
        let json = |values: &[f64]| serde_json::to_string(&Column(values.to_vec())).unwrap();
        assert_eq!(json(&[0.0, 1.0, 1024.0, -3.0]), "[0,1,1024,-3]");
        assert_eq!(json(&[1.0, -14.532_182_428_000_173]), "[1.0,-14.532182428000173]");
        assert_eq!(json(&[-0.0]), "[-0.0]");
        for values in [vec![0.1 + 0.2, 5e-324, 1e300, -0.0], vec![3.0, LARGEST_INTEGER], vec![]] {
            let back: Column = serde_json::from_str(&json(&values)).unwrap();
            let bits = |column: &[f64]| column.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&back.0), bits(&values));
        }
        assert!(serde_json::from_str::<Column>("[null]").is_err());
    }
}
