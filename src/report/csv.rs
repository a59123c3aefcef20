//! `scores.csv`, the file that scripts read, and `breakdowns.csv`.

use serde::Serialize;

use super::exporter::{Export, ExportedFile, Exporter};
use crate::record::{GroupScore, Score};

pub(super) struct Csv;

impl Exporter for Csv {
    fn name(&self) -> &'static str {
        "csv"
    }

    fn description(&self) -> &'static str {
        "scores.csv and breakdowns.csv"
    }

    fn files(&self, export: &Export<'_>) -> anyhow::Result<Vec<ExportedFile>> {
        Ok(vec![
            ExportedFile::new("scores.csv", scores_csv(export.results.scores())?),
            ExportedFile::new("breakdowns.csv", breakdowns_csv(export.results.groups())?),
        ])
    }
}

/// One row per metric.
fn scores_csv(scores: &[Score]) -> Result<Vec<u8>, csv::Error> {
    let header = "model,parameters,task,protocol,metric,value,stderr,ci95_low,ci95_high,n,higher_is_better,paper,failed,published";
    rows(header, scores)
}

/// One row per group and metric.
fn breakdowns_csv(scores: &[GroupScore]) -> Result<Vec<u8>, csv::Error> {
    rows("model,task,protocol,breakdown,group,metric,value,stderr,ci95_low,ci95_high,n", scores)
}

/// The header is there even without rows.
fn rows<Row: Serialize>(header: &str, rows: &[Row]) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    writer.write_record(header.split(','))?;
    for row in rows {
        writer.serialize(row)?;
    }
    writer.into_inner().map_err(|error| csv::Error::from(std::io::Error::other(error.to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_row_per_score_with_empty_cells_for_unknown_values() {
        let score = Score {
            model: "117M".to_owned(),
            parameters: Some(124_439_808),
            task: "lambada".to_owned(),
            protocol: "paper,data=sample,limit=5".to_owned(),
            metric: "perplexity".to_owned(),
            value: 35.5,
            stderr: None,
            ci95_low: None,
            ci95_high: None,
            n: 1,
            higher_is_better: false,
            paper: Some(35.13),
            failed: 0,
            published: None,
        };
        let text = String::from_utf8(scores_csv(&[score]).unwrap()).unwrap();
        assert_eq!(
            text,
            "model,parameters,task,protocol,metric,value,stderr,ci95_low,ci95_high,n,higher_is_better,paper,failed,published\n\
             117M,124439808,lambada,\"paper,data=sample,limit=5\",perplexity,35.5,,,,1,false,35.13,0,\n"
        );
        assert_eq!(scores_csv(&[]).unwrap().iter().filter(|&&byte| byte == b'\n').count(), 1);
    }
}
