use gpt2_kernels::{KeyValues, Sequence, SimdLevel, attention};

use crate::support::{assert_close, available, bits, numbers, with_threads};

/// Attention of all tokens of a sequence in one call.
fn whole(simd_level: SimdLevel, rows: &[f32], heads: usize, head_dim: usize) -> Vec<f32> {
    let width = heads * head_dim;
    let mut segment = KeyValues::new(heads, head_dim, 0);
    segment.append(rows);
    let count = rows.len() / (3 * width);
    let mut output = vec![f32::NAN; count * width];
    let sequence = Sequence { rows: 0..count, segments: vec![&segment] };
    attention(simd_level, rows, &[sequence], scale(head_dim), &mut output);
    output
}

fn scale(head_dim: usize) -> f32 {
    1.0 / (head_dim as f32).sqrt()
}

fn reference(rows: &[f32], heads: usize, head_dim: usize) -> Vec<f64> {
    let width = heads * head_dim;
    let count = rows.len() / (3 * width);
    let at = |row: usize, part: usize, head: usize, index: usize| {
        f64::from(rows[row * 3 * width + part * width + head * head_dim + index])
    };
    let mut output = vec![0.0; count * width];
    for query in 0..count {
        for head in 0..heads {
            let scores: Vec<f64> = (0..=query)
                .map(|key| (0..head_dim).map(|i| at(query, 0, head, i) * at(key, 1, head, i)).sum::<f64>())
                .map(|score| score * f64::from(scale(head_dim)))
                .collect();
            let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let weights: Vec<f64> = scores.iter().map(|score| (score - largest).exp()).collect();
            let total: f64 = weights.iter().sum();
            for index in 0..head_dim {
                output[query * width + head * head_dim + index] =
                    weights.iter().enumerate().map(|(key, w)| w / total * at(key, 2, head, index)).sum();
            }
        }
    }
    output
}

#[test]
fn attention_agrees_with_a_plain_loop() {
    for (count, heads, head_dim) in [
        (1, 1, 1),
        (2, 2, 3),
        (15, 3, 16),
        (16, 1, 20),
        (17, 2, 64),
        (60, 2, 64),
        (129, 2, 40),
        (300, 1, 64),
        (9, 1, 300),
        (513, 1, 2),
    ] {
        let rows: Vec<f32> = numbers(count * 3 * heads * head_dim, 9).iter().map(|x| 3.0 * x).collect();
        let expected = reference(&rows, heads, head_dim);
        let mut all = Vec::new();
        for simd_level in available() {
            let output = whole(simd_level, &rows, heads, head_dim);
            assert_close(&output, &expected, 5e-5);
            all.push(bits(&output));
        }
        assert!(all.windows(2).all(|pair| pair[0] == pair[1]), "the same at all SIMD levels");
    }
}

#[test]
fn no_sequences_or_no_tokens_leave_the_output_alone() {
    attention(SimdLevel::detect(), &[], &[], 1.0, &mut []);
    let empty = KeyValues::new(2, 4, 0);
    let mut output = [7.0; 8];
    let sequences = [Sequence { rows: 0..0, segments: vec![&empty] }];
    attention(SimdLevel::detect(), &[0.0; 24], &sequences, 1.0, &mut output);
    assert_eq!(output, [7.0; 8]);
}

#[test]
fn a_cached_or_shared_prefix_changes_no_bit() {
    let (heads, head_dim) = (3, 64);
    let row = 3 * heads * head_dim;
    for simd_level in available() {
        for (length, cuts) in
            [(40, vec![1]), (40, vec![16]), (70, vec![37, 40]), (300, vec![5, 6, 21, 257]), (33, vec![32])]
        {
            let rows = numbers(length * row, 11);
            let expected = bits(&whole(simd_level, &rows, heads, head_dim));
            // Each cut begins a new segment. Segments are computed one after the other.
            let mut segments: Vec<KeyValues> = Vec::new();
            let mut start = 0;
            for &end in cuts.iter().chain([&length]) {
                let mut segment = KeyValues::new(heads, head_dim, start);
                // In two calls, so that a group of sixteen positions is filled piece by piece.
                let middle = usize::midpoint(start, end);
                segment.append(&rows[start * row..middle * row]);
                segment.append(&rows[middle * row..end * row]);
                segments.push(segment);
                let mut output = vec![f32::NAN; (end - start) * row / 3];
                let sequence = Sequence { rows: 0..end - start, segments: segments.iter().collect() };
                attention(
                    simd_level,
                    &rows[start * row..end * row],
                    &[sequence],
                    scale(head_dim),
                    &mut output,
                );
                assert_eq!(
                    bits(&output),
                    expected[start * row / 3..end * row / 3],
                    "{length} {cuts:?} {start}"
                );
                start = end;
            }
        }
    }
}

#[test]
fn token_by_token_changes_no_bit_and_truncation_removes_tokens() {
    let (heads, head_dim, length) = (2, 24, 50);
    let row = 3 * heads * head_dim;
    let rows = numbers(length * row, 12);
    let expected = bits(&whole(SimdLevel::detect(), &rows, heads, head_dim));
    let mut segment = KeyValues::new(heads, head_dim, 0);
    // Other tokens first, which truncation removes.
    segment.append(&numbers(length * row, 13));
    segment.truncate(0);
    assert!(segment.is_empty());
    for (token, query) in rows.chunks(row).enumerate() {
        segment.append(query);
        segment.append(&numbers(row, 14));
        segment.truncate(token + 1);
        assert_eq!(segment.len(), token + 1);
        let mut output = vec![0.0; row / 3];
        let sequence = Sequence { rows: 0..1, segments: vec![&segment] };
        attention(SimdLevel::detect(), query, &[sequence], scale(head_dim), &mut output);
        assert_eq!(bits(&output), expected[token * row / 3..][..row / 3]);
    }
}

#[test]
fn sequences_do_not_depend_on_the_batch_or_the_threads() {
    let (heads, head_dim) = (2, 64);
    let row = 3 * heads * head_dim;
    let lengths = [5, 130, 1, 64, 17];
    let total = lengths.iter().sum::<usize>() + 2;
    let rows = numbers(total * row, 15);
    let (mut caches, mut ranges) = (Vec::new(), Vec::new());
    // The first and the last row belong to no sequence.
    let mut start = 1;
    for length in lengths {
        ranges.push(start..start + length);
        let mut segment = KeyValues::new(heads, head_dim, 0);
        segment.append(&rows[start * row..(start + length) * row]);
        caches.push(segment);
        start += length;
    }
    for simd_level in available() {
        for threads in [1, 2, 3] {
            let mut output = vec![7.0; total * row / 3];
            with_threads(threads, || {
                let sequences: Vec<_> = ranges
                    .iter()
                    .zip(&caches)
                    .map(|(rows, segment)| Sequence { rows: rows.clone(), segments: vec![segment] })
                    .collect();
                attention(simd_level, &rows, &sequences, scale(head_dim), &mut output);
            });
            for range in &ranges {
                let alone = whole(simd_level, &rows[range.start * row..range.end * row], heads, head_dim);
                assert_eq!(bits(&alone), bits(&output[range.start * row / 3..range.end * row / 3]));
            }
            assert!(output[..row / 3].iter().chain(&output[(total - 1) * row / 3..]).all(|&x| x == 7.0));
        }
    }
}
