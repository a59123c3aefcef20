//! `--shard`.

use anyhow::{Context, bail};

use crate::record::Shard;

/// Parses `I/N`, or `auto`: index and count from the environment of a Slurm array or a Kubernetes Indexed Job.
pub(super) fn shard(given: &str) -> anyhow::Result<Shard> {
    if given == "auto" {
        return automatic(|name| std::env::var(name).ok());
    }
    let example = "expected I/N with I from 0 to N - 1, for example --shard 0/4, or `auto`";
    let (index, count) = given.split_once('/').with_context(|| format!("--shard {given}: {example}"))?;
    match (index.parse(), count.parse()) {
        (Ok(index), Ok(count)) if index < count => Ok(Shard { index, count }),
        _ => bail!("--shard {given}: {example}"),
    }
}

/// The shard that the environment variables describe.
fn automatic(variable: impl Fn(&str) -> Option<String>) -> anyhow::Result<Shard> {
    let number = |name: &str| -> anyhow::Result<Option<usize>> {
        let Some(text) = variable(name) else { return Ok(None) };
        let number = text.trim().parse().ok();
        Ok(Some(
            number.with_context(|| format!("--shard auto: {name} is `{text}`, expected a whole number"))?,
        ))
    };
    let of_slurm = number("SLURM_ARRAY_TASK_ID")?;
    let (index, count, name) = if let Some(id) = of_slurm {
        let first = number("SLURM_ARRAY_TASK_MIN")?.unwrap_or(0);
        let index = id.checked_sub(first).with_context(|| {
            format!("--shard auto: SLURM_ARRAY_TASK_ID is {id}, below SLURM_ARRAY_TASK_MIN, {first}")
        })?;
        let count = number("SLURM_ARRAY_TASK_COUNT")?;
        if let (Some(count), Some(last)) = (count, number("SLURM_ARRAY_TASK_MAX")?)
            && last + 1 != first + count
        {
            bail!(
                "--shard auto: the array {first}-{last} has {count} tasks, so its indexes have gaps; use --array={first}-{} \
                 or --shard I/N",
                first + count.max(1) - 1
            );
        }
        (index, count, "SLURM_ARRAY_TASK_COUNT")
    } else if let Some(index) = number("JOB_COMPLETION_INDEX")? {
        (index, number("GPT2_EVAL_SHARD_COUNT")?, "GPT2_EVAL_SHARD_COUNT")
    } else {
        bail!(
            "--shard auto: neither SLURM_ARRAY_TASK_ID nor JOB_COMPLETION_INDEX is set; run in a Slurm array or a \
             Kubernetes Indexed Job, or use --shard I/N"
        );
    };
    let count =
        count.with_context(|| format!("--shard auto: {name} is not set: set it to the number of shards"))?;
    if index >= count {
        bail!("--shard auto: the index {index} is not below {name}, {count}");
    }
    Ok(Shard { index, count })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Result<String, String> {
        let find =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, v)| (*v).to_owned());
        automatic(find).map(|shard| shard.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn index_and_count() {
        assert_eq!(shard("3/4").unwrap(), Shard { index: 3, count: 4 });
        for wrong in ["4/4", "0/0", "1", "-1/4", "a/b", "1/2/3", ""] {
            let message = shard(wrong).unwrap_err().to_string();
            assert!(message.contains(&format!("--shard {wrong}: expected I/N")), "{message}");
        }
    }

    #[test]
    fn from_slurm_and_kubernetes() {
        let slurm =
            [("SLURM_ARRAY_TASK_ID", "5"), ("SLURM_ARRAY_TASK_MIN", "2"), ("SLURM_ARRAY_TASK_COUNT", "4")];
        assert_eq!(of(&slurm).unwrap(), "3/4");
        assert_eq!(of(&[("JOB_COMPLETION_INDEX", "0"), ("GPT2_EVAL_SHARD_COUNT", "4")]).unwrap(), "0/4");
        for (variables, part) in [
            (&[][..], "neither SLURM_ARRAY_TASK_ID nor"),
            (&[("JOB_COMPLETION_INDEX", "0")], "GPT2_EVAL_SHARD_COUNT is not set"),
            (&[("SLURM_ARRAY_TASK_ID", "x")], "`x`, expected a whole number"),
            (
                &[("SLURM_ARRAY_TASK_ID", "4"), ("SLURM_ARRAY_TASK_COUNT", "4")],
                "the index 4 is not below SLURM_ARRAY_TASK_COUNT, 4",
            ),
            (
                &[
                    ("SLURM_ARRAY_TASK_ID", "4"),
                    ("SLURM_ARRAY_TASK_COUNT", "3"),
                    ("SLURM_ARRAY_TASK_MAX", "4"),
                ],
                "gaps",
            ),
        ] {
            let message = of(variables).unwrap_err();
            assert!(message.contains(part), "{message}");
        }
    }
}
