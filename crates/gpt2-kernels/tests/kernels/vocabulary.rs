use gpt2_kernels::{PackedMatrix, Precision, SimdLevel, TargetScore, greedy_tokens, logits, score_targets};

use crate::support::{available, bits, numbers, with_threads};

fn argmax(row: &[f32], excluded: &[u32]) -> u32 {
    let mut best = (0, f32::NEG_INFINITY);
    for (token, &logit) in row.iter().enumerate() {
        if logit > best.1 && !excluded.contains(&(token as u32)) {
            best = (token as u32, logit);
        }
    }
    best.0
}

fn log_probability(row: &[f32], target: u32, excluded: &[u32]) -> f64 {
    let kept = |token: u32| token == target || !excluded.contains(&token);
    let logit = f64::from(row[target as usize]);
    let sum: f64 = (0..row.len() as u32)
        .filter(|&token| kept(token))
        .map(|token| (f64::from(row[token as usize]) - logit).exp())
        .sum();
    -sum.ln()
}

#[test]
fn scores_agree_with_a_plain_loop() {
    for (rows, width, vocabulary) in
        [(0, 4, 9), (1, 1, 1), (2, 8, 16), (3, 5, 513), (15, 33, 1500), (150, 64, 777)]
    {
        let hidden: Vec<f32> = numbers(rows * width, 21).iter().map(|x| 4.0 * x).collect();
        let embedding =
            PackedMatrix::from_outputs(Precision::F32, &numbers(vocabulary * width, 22), width, vocabulary);
        let targets: Vec<u32> = (0..rows).map(|row| (row * 37 % vocabulary) as u32).collect();
        let excluded: Vec<Vec<u32>> = (0..rows)
            .map(|row| {
                (0..vocabulary as u32).filter(|token| (token + row as u32).is_multiple_of(5)).collect()
            })
            .collect();
        let lists: Vec<&[u32]> = excluded.iter().map(Vec::as_slice).collect();
        let mut all = vec![0.0; rows * vocabulary];
        logits(SimdLevel::detect(), &hidden, &embedding, &mut all);
        let mut scores = Vec::new();
        for simd_level in available() {
            let scored = score_targets(simd_level, &hidden, &embedding, &targets, &lists);
            let first = greedy_tokens(simd_level, &hidden, &embedding);
            assert_eq!((scored.len(), first.len()), (rows, rows));
            for (row, score) in scored.iter().enumerate() {
                let logits = &all[row * vocabulary..][..vocabulary];
                let close = |actual: f64, expected: f64| {
                    assert!((actual - expected).abs() < 2e-6, "{actual} {expected}");
                };
                close(score.log_prob, log_probability(logits, targets[row], &[]));
                assert_eq!(score.argmax, argmax(logits, &[]));
                assert_eq!(first[row].token, score.argmax);
                close(first[row].log_prob, log_probability(logits, score.argmax, &[]));
                assert_eq!(score.filtered.is_some(), !lists[row].is_empty());
                if let Some(filtered) = score.filtered {
                    close(filtered.log_prob, log_probability(logits, targets[row], lists[row]));
                    assert_eq!(filtered.argmax, argmax(logits, lists[row]));
                }
            }
            let plain = score_targets(simd_level, &hidden, &embedding, &targets, &[]);
            for (plain, scored) in plain.iter().zip(&scored) {
                assert_eq!(*plain, TargetScore { filtered: None, ..*scored });
            }
            scores.push(scored);
        }
        assert!(scores.windows(2).all(|pair| pair[0] == pair[1]), "the same at all SIMD levels");
    }
}

#[test]
fn ties_and_extremes() {
    let one = |logits: &[f32], target: u32, excluded: &[u32]| {
        let embedding = PackedMatrix::from_outputs(Precision::F32, logits, 1, logits.len());
        score_targets(SimdLevel::detect(), &[1.0], &embedding, &[target], &[excluded])[0]
    };
    let mut logits = vec![-1e30; 1200];
    (logits[700], logits[701], logits[1199]) = (3.0, 3.0, 3.0);
    let score = one(&logits, 1199, &[700]);
    assert_eq!(score.argmax, 700);
    assert!((score.log_prob + 3f64.ln()).abs() < 1e-12);
    let filtered = score.filtered.unwrap();
    assert_eq!(filtered.argmax, 701);
    assert!((filtered.log_prob + 2f64.ln()).abs() < 1e-12);
    // The first token that is not excluded wins; a target that is excluded with all others has probability 1.
    let everything: Vec<u32> = (0..20).collect();
    assert_eq!(one(&[1.0; 20], 4, &everything[..4]).filtered.unwrap().argmax, 4);
    assert_eq!(one(&[1.0; 20], 4, &everything).filtered.unwrap().log_prob, 0.0);
    // A NaN logit makes every log-probability NaN.
    let mut logits = vec![0.0; 600];
    logits[599] = f32::NAN;
    assert!(one(&logits, 1, &[]).log_prob.is_nan());
}

#[test]
fn rows_do_not_depend_on_the_batch_or_the_threads() {
    let (rows, width, vocabulary) = (150, 40, 1100);
    let hidden = numbers(rows * width, 31);
    let embedding =
        PackedMatrix::from_outputs(Precision::F32, &numbers(vocabulary * width, 32), width, vocabulary);
    let targets: Vec<u32> = (0..rows as u32).map(|row| row * 7 % vocabulary as u32).collect();
    let excluded = vec![[3, 4, 600].as_slice(); rows];
    let whole = score_targets(SimdLevel::detect(), &hidden, &embedding, &targets, &excluded);
    for threads in [1, 2, 3] {
        with_threads(threads, || {
            assert_eq!(whole, score_targets(SimdLevel::detect(), &hidden, &embedding, &targets, &excluded));
        });
    }
    for size in [1, 4, 33] {
        let parts: Vec<_> = hidden
            .chunks(size * width)
            .zip(targets.chunks(size))
            .zip(excluded.chunks(size))
            .flat_map(|((hidden, targets), excluded)| {
                score_targets(SimdLevel::detect(), hidden, &embedding, targets, excluded)
            })
            .collect();
        assert_eq!(whole, parts);
    }
    let mut all = vec![0.0; rows * vocabulary];
    logits(SimdLevel::detect(), &hidden, &embedding, &mut all);
    let mut last = vec![0.0; vocabulary];
    logits(SimdLevel::detect(), &hidden[(rows - 1) * width..], &embedding, &mut last);
    assert_eq!(bits(&last), bits(&all[(rows - 1) * vocabulary..]));
}
