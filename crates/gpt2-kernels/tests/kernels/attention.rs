use gpt2_kernels::{KeyValues, Sequence, SimdLevel, attention};

use crate::support::{assert_close, available, bits, numbers, with_threads};

/// All of a sequence in one call.
fn whole(simd_level: SimdLevel, rows: &[f32], heads: usize, head_width: usize) -> Vec<f32> {
    let width = heads * head_width;
    let mut own = KeyValues::new(heads, head_width, 0);
    own.append(rows);
    let count = rows.len() / (3 * width);
    let mut output = vec![f32::NAN; count * width];
    let sequence = Sequence { rows: 0..count, segments: vec![&own] };
    attention(simd_level, rows, &[sequence], scale(head_width), &mut output);
    output
}

fn scale(head_width: usize) -> f32 {
    1.0 / (head_width as f32).sqrt()
}

fn reference(rows: &[f32], heads: usize, head_width: usize) -> Vec<f64> {
    let width = heads * head_width;
    let count = rows.len() / (3 * width);
    let at = |row: usize, part: usize, head: usize, index: usize| {
        f64::from(rows[row * 3 * width + part * width + head * head_width + index])
    };
    let mut output = vec![0.0; count * width];
    for query in 0..count {
        for head in 0..heads {
            let scores: Vec<f64> = (0..=query)
                .map(|key| (0..head_width).map(|i| at(query, 0, head, i) * at(key, 1, head, i)).sum::<f64>())
                .map(|score| score * f64::from(scale(head_width)))
                .collect();
            let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let weights: Vec<f64> = scores.iter().map(|score| (score - largest).exp()).collect();
            let total: f64 = weights.iter().sum();
            for index in 0..head_width {
                output[query * width + head * head_width + index] =
                    weights.iter().enumerate().map(|(key, w)| w / total * at(key, 2, head, index)).sum();
            }
        }
    }
    output
}

#[test]
fn attention_is_that_of_the_plain_loop() {
    for (count, heads, head_width) in [
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
        let rows: Vec<f32> = numbers(count * 3 * heads * head_width, 9).iter().map(|x| 3.0 * x).collect();
        let expected = reference(&rows, heads, head_width);
        let mut all = Vec::new();
        for simd_level in available() {
            let output = whole(simd_level, &rows, heads, head_width);
            assert_close(&output, &expected, 5e-5);
            all.push(bits(&output));
        }
        assert!(all.windows(2).all(|pair| pair[0] == pair[1]), "the same on all instructions");
    }
}

#[test]
fn no_sequence_and_no_token_are_nothing() {
    attention(SimdLevel::detect(), &[], &[], 1.0, &mut []);
    let empty = KeyValues::new(2, 4, 0);
    let mut output = [7.0; 8];
    let sequences = [Sequence { rows: 0..0, segments: vec![&empty] }];
    attention(SimdLevel::detect(), &[0.0; 24], &sequences, 1.0, &mut output);
    assert_eq!(output, [7.0; 8]);
}

#[test]
fn a_cached_or_shared_prefix_changes_no_bit() {
    let (heads, head_width) = (3, 64);
    let row = 3 * heads * head_width;
    for simd_level in available() {
        for (length, cuts) in
            [(40, vec![1]), (40, vec![16]), (70, vec![37, 40]), (300, vec![5, 6, 21, 257]), (33, vec![32])]
        {
            let rows = numbers(length * row, 11);
            let expected = bits(&whole(simd_level, &rows, heads, head_width));
            // Each cut begins a new segment; all but the last segment were computed before.
            let mut segments: Vec<KeyValues> = Vec::new();
            let mut start = 0;
            for &end in cuts.iter().chain([&length]) {
                let mut segment = KeyValues::new(heads, head_width, start);
                // In two calls, so that a block is filled by pieces.
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
                    scale(head_width),
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
fn token_by_token_changes_no_bit_and_truncation_forgets() {
    let (heads, head_width, length) = (2, 24, 50);
    let row = 3 * heads * head_width;
    let rows = numbers(length * row, 12);
    let expected = bits(&whole(SimdLevel::detect(), &rows, heads, head_width));
    let mut own = KeyValues::new(heads, head_width, 0);
    // Something else first, which is then forgotten.
    own.append(&numbers(length * row, 13));
    own.truncate(0);
    assert!(own.is_empty());
    for (token, query) in rows.chunks(row).enumerate() {
        own.append(query);
        own.append(&numbers(row, 14));
        own.truncate(token + 1);
        assert_eq!(own.len(), token + 1);
        let mut output = vec![0.0; row / 3];
        let sequence = Sequence { rows: 0..1, segments: vec![&own] };
        attention(SimdLevel::detect(), query, &[sequence], scale(head_width), &mut output);
        assert_eq!(bits(&output), expected[token * row / 3..][..row / 3]);
    }
}

#[test]
fn sequences_do_not_depend_on_the_batch_or_the_threads() {
    let (heads, head_width) = (2, 64);
    let row = 3 * heads * head_width;
    let lengths = [5, 130, 1, 64, 17];
    let total = lengths.iter().sum::<usize>() + 2;
    let rows = numbers(total * row, 15);
    let (mut caches, mut ranges) = (Vec::new(), Vec::new());
    // The first and the last row belong to no sequence.
    let mut start = 1;
    for length in lengths {
        ranges.push(start..start + length);
        let mut own = KeyValues::new(heads, head_width, 0);
        own.append(&rows[start * row..(start + length) * row]);
        caches.push(own);
        start += length;
    }
    for simd_level in available() {
        for threads in [1, 2, 3] {
            let mut output = vec![7.0; total * row / 3];
            with_threads(threads, || {
                let sequences: Vec<_> = ranges
                    .iter()
                    .zip(&caches)
                    .map(|(rows, own)| Sequence { rows: rows.clone(), segments: vec![own] })
                    .collect();
                attention(simd_level, &rows, &sequences, scale(head_width), &mut output);
            });
            for range in &ranges {
                let alone = whole(simd_level, &rows[range.start * row..range.end * row], heads, head_width);
                assert_eq!(bits(&alone), bits(&output[range.start * row / 3..range.end * row / 3]));
            }
            assert!(output[..row / 3].iter().chain(&output[(total - 1) * row / 3..]).all(|&x| x == 7.0));
        }
    }
}
