//! Speed of the errors: the jackknife of a metric of 5,000 samples.
//!
//! `cargo bench --bench statistics`.

use text_metrics::SampleValues;
use text_metrics::{Aggregate, BleuStatistics, BleuTokenizer, Metric, Sample};

fn main() {
    divan::main();
}

const SAMPLES: usize = 5000;

fn estimate(bencher: divan::Bencher<'_, '_>, aggregate: Aggregate, values: &[SampleValues]) {
    let samples: Vec<Sample<'_>> = values.iter().map(|values| Sample { values, cluster: None }).collect();
    let metric = Metric { name: "m", aggregate };
    bencher.bench_local(|| metric.estimate(divan::black_box(&samples)));
}

#[divan::bench(sample_count = 10, sample_size = 1)]
fn perplexity(bencher: divan::Bencher<'_, '_>) {
    let values: Vec<SampleValues> = (0..SAMPLES)
        .map(|index| SampleValues::from([("l".to_owned(), -((index % 17) as f64)), ("u".to_owned(), 1.0)]))
        .collect();
    estimate(bencher, Aggregate::Perplexity { log_likelihood: "l", units: "u" }, &values);
}

#[divan::bench(sample_count = 10, sample_size = 1)]
fn bleu(bencher: divan::Bencher<'_, '_>) {
    let values: Vec<SampleValues> = (0..SAMPLES)
        .map(|index| {
            let hypothesis = format!("the cat number {index} sat on the mat");
            let reference = format!("a cat with number {index} sat on a mat");
            BleuStatistics::of(&hypothesis, &[&reference], BleuTokenizer::Mteval13a).named("b_").collect()
        })
        .collect();
    estimate(bencher, Aggregate::Bleu { prefix: "b_" }, &values);
}
