//! Greedy choice on the device: per row and part of the vocabulary three numbers come back instead of all logits.

use burn::tensor::Tensor;

use super::on_device::{combine, largest_and_sum};
use crate::engine::EngineError;
use crate::engine::sample::NextToken;

/// Numbers per row and part: largest logit, its place, Σ exp.
const NUMBERS: usize = 3;

/// The most probable token of each row, the lowest id among equals, in one transfer.
///
/// # Shapes
/// - parts: `[rows, part of the vocabulary]` each
pub fn most_probable(parts: Vec<Tensor<2>>) -> Result<Vec<NextToken>, EngineError> {
    let part_widths: Vec<usize> = parts.iter().map(|part| part.dims()[1]).collect();
    let columns: Tensor<2> = Tensor::cat(parts.into_iter().flat_map(largest_and_sum).collect(), 1);
    let data = columns.try_into_data().map_err(|error| EngineError::device(&error))?;
    let numbers = data.as_slice::<f32>().map_err(|error| EngineError::device(&error))?;
    Ok(numbers
        .chunks_exact(NUMBERS * part_widths.len().max(1))
        .map(|row| {
            let (_, token, sum) = combine(row.chunks_exact(NUMBERS), &part_widths);
            NextToken { token, log_prob: -sum.ln() }
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DeviceRequest;
    use crate::engine::reduce::largest_and_log_sum;
    use burn::tensor::TensorData;

    #[test]
    fn the_same_token_as_on_the_host_and_the_lowest_id_of_equals() {
        const WIDTH: usize = 700;
        let mut logits: Vec<f32> =
            (0..3 * WIDTH).map(|place| ((place * 7919) % 1013) as f32 / 100.0).collect();
        // Equals: within a part, across the cut, and in the second part.
        for (row, places) in [[30, 31], [100, 650], [500, 699]].into_iter().enumerate() {
            for place in places {
                logits[row * WIDTH + place] = 12.0;
            }
        }
        for name in ["flex", "ndarray", "wgpu"] {
            let Ok(device) = name.parse::<DeviceRequest>().unwrap().open() else { continue };
            let all = Tensor::<2>::from_data(TensorData::new(logits.clone(), [3, WIDTH]), device.burn());
            let parts = vec![all.clone().narrow(1, 0, 400), all.narrow(1, 400, WIDTH - 400)];
            let chosen = most_probable(parts).unwrap();
            assert_eq!(chosen.len(), 3);
            for (next, row) in chosen.iter().zip(logits.chunks_exact(WIDTH)) {
                let (token, log_sum) = largest_and_log_sum(row);
                assert_eq!(next.token, token, "{name}");
                assert!((next.log_prob - (12.0 - log_sum)).abs() < 1e-5, "{name}: {}", next.log_prob);
            }
        }
    }
}
