//! `--sizes` and `--model`: models by size, by path, or by repository of the hub.

use std::path::Path;

use anyhow::{Context, anyhow, bail};
use clap::builder::{EnumValueParser, PossibleValue};
use clap::{Args, ValueEnum};

use super::compute::Trimmed;
use crate::models::{ModelChoice, ModelOrigin, PAPER_SIZES, PaperSize};
use gpt2_model::BUNDLED_MODELS;
use hub_client::{Kind, Location};
use untrusted_input::clipped;

/// Longest label. File systems allow 255 bytes in a name, and the run directory's name has the label, the task and a hash.
const MAX_LABEL_BYTES: usize = 128;

/// `--sizes`.
#[derive(Debug, Args)]
pub(super) struct SizesArgument {
    /// Models by size: 117M, 345M, 762M, 1542M (also 124M…1558M, small…xl, gpt2…gpt2-xl), `all` for these four, or the
    /// bundled tiny-3M and tiny-8M, `tiny` for both
    #[arg(
        short,
        long,
        value_delimiter = ',',
        value_name = "SIZE,…",
        value_parser = Trimmed(EnumValueParser::<Size>::new()),
        ignore_case = true,
        hide_possible_values = true
    )]
    pub sizes: Vec<Size>,
}

/// A value of `--sizes`.
#[derive(Debug, Clone, Copy)]
pub(super) enum Size {
    Paper(&'static PaperSize),
    /// All sizes of the paper.
    All,
    Bundled(&'static str),
    /// All bundled models.
    Tiny,
}

impl ValueEnum for Size {
    fn value_variants<'a>() -> &'a [Self] {
        static VARIANTS: [Size; 8] = [
            Size::Paper(&PAPER_SIZES[0]),
            Size::Paper(&PAPER_SIZES[1]),
            Size::Paper(&PAPER_SIZES[2]),
            Size::Paper(&PAPER_SIZES[3]),
            Size::All,
            Size::Bundled(BUNDLED_MODELS[0].0),
            Size::Bundled(BUNDLED_MODELS[1].0),
            Size::Tiny,
        ];
        &VARIANTS
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::Paper(size) => PossibleValue::new(size.name).aliases(size.aliases),
            Self::All => PossibleValue::new("all"),
            Self::Bundled(label) => PossibleValue::new(*label),
            Self::Tiny => PossibleValue::new("tiny"),
        })
    }
}

impl Size {
    /// The models that it names; one of the paper is read from its directory below `models_dir` if there is one.
    fn models(self, models_dir: Option<&Path>) -> anyhow::Result<Vec<ModelChoice>> {
        let bundled = |label: &str| ModelChoice { label: label.to_owned(), origin: ModelOrigin::Bundled };
        let paper = |size: &PaperSize| {
            let directory = models_dir.map(|models| models.join(size.name));
            let origin = match directory.filter(|directory| directory.is_dir()) {
                Some(directory) => ModelOrigin::Directory(directory),
                None => ModelOrigin::Hub(size.location()?),
            };
            Ok(ModelChoice { label: size.name.to_owned(), origin })
        };
        match self {
            Self::Paper(size) => Ok(vec![paper(size)?]),
            Self::All => PAPER_SIZES.iter().map(paper).collect(),
            Self::Bundled(label) => Ok(vec![bundled(label)]),
            Self::Tiny => Ok(BUNDLED_MODELS.iter().map(|(label, _, _)| bundled(label)).collect()),
        }
    }
}

/// The models of `--sizes` and `--model`, in this order, each once.
pub(super) fn models_of(
    sizes: &[Size],
    models: &[String],
    models_dir: Option<&Path>,
) -> anyhow::Result<Vec<ModelChoice>> {
    let mut chosen: Vec<ModelChoice> = Vec::new();
    let mut add = |model: ModelChoice| {
        match chosen.iter().find(|known| known.label == model.label) {
            Some(known) if *known == model => {}
            Some(_) => bail!(
                "two models have the label `{}`: give one another label with --model LABEL=PATH",
                model.label
            ),
            None => chosen.push(model),
        }
        Ok(())
    };
    for size in sizes {
        size.models(models_dir)?.into_iter().try_for_each(&mut add)?;
    }
    for given in models {
        add(labelled(given).with_context(|| format!("--model {given}"))?)?;
    }
    Ok(chosen)
}

/// `[LABEL=]PATH` or `[LABEL=]hf:OWNER/NAME[@REVISION]`.
fn labelled(given: &str) -> anyhow::Result<ModelChoice> {
    let (label, origin) = split_label(given);
    let (name, origin) = match origin.strip_prefix("hf:") {
        Some(name) => {
            let last = name.rsplit_once('/').map_or(name, |(_, last)| last);
            let last = if name.contains("@refs/") { None } else { Some(last.to_owned()) };
            (last, ModelOrigin::Hub(Location::parse(Kind::Model, name)?))
        }
        None if origin.is_empty() => bail!("the path is missing: use LABEL=PATH"),
        None => (name_of(Path::new(origin)), ModelOrigin::Directory(origin.into())),
    };
    let label = match label {
        Some(label) => {
            check_label(label)?;
            label.to_owned()
        }
        None => {
            let name = name.with_context(|| format!("the model needs a label: use --model LABEL={given}"))?;
            check_label(&name)
                .map_err(|error| anyhow!("{error}; give another one with --model LABEL={given}"))?;
            name
        }
    };
    Ok(ModelChoice { label, origin })
}

/// The label before the first `=`, if there is one, and the rest. A path that exists has no label, even if it contains `=`;
/// neither has a text with a slash before the `=`.
fn split_label(given: &str) -> (Option<&str>, &str) {
    let split = given.split_once('=');
    match split.filter(|(label, _)| !label.contains(['/', '\\']) && !Path::new(given).exists()) {
        Some((label, origin)) => (Some(label), origin),
        None => (None, given),
    }
}

/// The name of a file or directory; of `.` and `..` the name of the directory.
fn name_of(path: &Path) -> Option<String> {
    let absolute = if path.file_name().is_none() { path.canonicalize().ok() } else { None };
    let name = absolute.as_deref().unwrap_or(path).file_name()?;
    Some(name.to_string_lossy().into_owned())
}

/// `Err` if `label` is not usable as a directory name and in tables.
fn check_label(label: &str) -> anyhow::Result<()> {
    let allowed = |character: char| character.is_alphanumeric() || "-_.+@".contains(character);
    if label.is_empty() || label.starts_with('.') || !label.chars().all(allowed) {
        bail!(
            "label `{}` is not usable: expected letters, digits and -_.+@, not starting with a dot",
            clipped(label)
        );
    }
    if label.len() > MAX_LABEL_BYTES {
        bail!(
            "label `{}` is not usable: it has {} bytes, but it becomes a directory's name and may have at most \
             {MAX_LABEL_BYTES}",
            clipped(label),
            label.len()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(sizes: &[&str]) -> Vec<String> {
        let sizes: Vec<Size> = sizes.iter().map(|size| Size::from_str(size, true).unwrap()).collect();
        models_of(&sizes, &[], None).unwrap().into_iter().map(|model| model.label).collect()
    }

    #[test]
    fn sizes_and_their_aliases() {
        assert_eq!(labels(&["all"]), ["117M", "345M", "762M", "1542M"]);
        assert_eq!(labels(&["tiny"]), ["tiny-3M", "tiny-8M"]);
        assert_eq!(labels(&["124m", "GPT2-medium", "large", "1558M"]), ["117M", "345M", "762M", "1542M"]);
        assert_eq!(Size::value_variants().len(), PAPER_SIZES.len() + BUNDLED_MODELS.len() + 2);
    }

    #[test]
    fn hub_repositories() {
        let of = |given: &str| {
            labelled(given).map(|model| match model.origin {
                ModelOrigin::Hub(location) => (model.label, location.to_string()),
                other => panic!("{other:?}"),
            })
        };
        assert_eq!(of("hf:a/b").unwrap(), ("b".to_owned(), "a/b@main".to_owned()));
        assert_eq!(of("x=hf:a/b@v1").unwrap(), ("x".to_owned(), "a/b@v1".to_owned()));
        assert_eq!(of("hf:gpt2").unwrap(), ("gpt2".to_owned(), "gpt2@main".to_owned()));
        assert!(of("hf:a/b/c").is_err() && of("hf:").is_err());
        let models = models_of(&[Size::Paper(&PAPER_SIZES[0])], &[], Some(Path::new("nowhere"))).unwrap();
        let location = "openai-community/gpt2@607a30d783dfa663caf39e06633721c8d4cfcd7e";
        assert_eq!(models[0].origin, ModelOrigin::Hub(Location::parse(Kind::Model, location).unwrap()));
    }

    #[test]
    fn labels_stay_inside_the_run_directory() {
        for bad in ["", "..", "a/b", "a\\b", ".hidden", "a b"] {
            assert!(check_label(bad).is_err(), "{bad}");
        }
        assert!(check_label("gpt2-1.5B_v2").is_ok());
        assert!(check_label(&"x".repeat(128)).is_ok());
        let long = check_label(&"x".repeat(129)).unwrap_err().to_string();
        assert!(long.contains("it has 129 bytes") && long.contains("at most 128"), "{long}");
    }

    #[test]
    fn paths_with_equal_signs() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name).display().to_string();
        std::fs::create_dir_all(path("lr=0.1/ckpt")).unwrap();
        let of = |given: &str| labelled(given).map(|model| (model.label, model.origin));
        let directory_at = |path: &str| ModelOrigin::Directory(path.into());
        let checkpoint = path("lr=0.1/ckpt");
        assert_eq!(of(&checkpoint).unwrap(), ("ckpt".to_owned(), directory_at(&checkpoint)));
        // Not there either: a label has no slash.
        assert_eq!(of("runs/lr=1/x/").unwrap(), ("x".to_owned(), directory_at("runs/lr=1/x/")));
        assert_eq!(of("a=b=c/").unwrap(), ("a".to_owned(), directory_at("b=c/")));
        let error = format!("{:#}", of(&path("lr=0.1")).unwrap_err());
        assert!(error.contains("; give another one with --model LABEL=/"), "{error}");
        assert!(error.contains("label `lr=0.1` is not usable"), "{error}");
        assert!(format!("{:#}", of("x=").unwrap_err()).contains("the path is missing"));
        let here = std::env::current_dir().unwrap();
        assert_eq!(name_of(Path::new(".")).unwrap(), here.file_name().unwrap().to_string_lossy());
    }
}
