//! Models by size, by path, and by their name on the hub.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use gpt2_model::BUNDLED_MODELS;
use hub_client::{Kind, Location};
use untrusted_input::did_you_mean;

/// A size of the paper: its name there, its repository on the Hugging Face hub, other names for it.
pub(super) struct PaperSize {
    pub name: &'static str,
    pub hub: &'static str,
    /// The commit of that repository that is measured.
    pub commit: &'static str,
    /// sha256 of its `model.safetensors` there.
    pub sha256: &'static str,
    /// Its name from the hub's early days, under which many caches have it.
    pub old_hub: &'static str,
    /// How many parameters it has.
    pub parameters: u64,
    aliases: [&'static str; 3],
}

impl PaperSize {
    /// Where it is on the hub.
    pub fn location(&self) -> anyhow::Result<Location> {
        Ok(Location::parse(Kind::Model, self.hub)?.at(self.commit))
    }

    /// Where a cache may have it under its old name.
    pub fn old_location(&self) -> anyhow::Result<Location> {
        Ok(Location::parse(Kind::Model, self.old_hub)?.at(self.commit))
    }
}

/// The paper's sizes, smallest first.
pub(super) const PAPER_SIZES: [PaperSize; 4] = [
    PaperSize {
        name: "117M",
        hub: "openai-community/gpt2",
        commit: "607a30d783dfa663caf39e06633721c8d4cfcd7e",
        sha256: "248dfc3911869ec493c76e65bf2fcf7f615828b0254c12b473182f0f81d3a707",
        old_hub: "gpt2",
        parameters: 124_439_808,
        aliases: ["124M", "small", "gpt2"],
    },
    PaperSize {
        name: "345M",
        hub: "openai-community/gpt2-medium",
        commit: "6dcaa7a952f72f9298047fd5137cd6e4f05f41da",
        sha256: "fc5a354a19255ad494f3d71549390baca1ccf61d1d822b9408971705c687c9cd",
        old_hub: "gpt2-medium",
        parameters: 354_823_168,
        aliases: ["355M", "medium", "gpt2-medium"],
    },
    PaperSize {
        name: "762M",
        hub: "openai-community/gpt2-large",
        commit: "32b71b12589c2f8d625668d2335a01cac3249519",
        sha256: "5f47f3e12f91cd33b662ce7e433b6150ad5512b5884a2cee961b50e9c3bbebce",
        old_hub: "gpt2-large",
        parameters: 774_030_080,
        aliases: ["774M", "large", "gpt2-large"],
    },
    PaperSize {
        name: "1542M",
        hub: "openai-community/gpt2-xl",
        commit: "15ea56dee5df4983c59b2538573817e1667135e2",
        sha256: "0f8b28eb05a8075f48b61b6f35332978c74fc7763fa9fb4051a1c30511736a6a",
        old_hub: "gpt2-xl",
        parameters: 1_557_611_200,
        aliases: ["1558M", "xl", "gpt2-xl"],
    },
];

/// Where a model is to come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// Part of the program.
    Bundled,
    /// A directory on this machine.
    Directory(PathBuf),
    /// A repository of the hub.
    Hub(Location),
}

/// A model that need not be on this machine yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WantedModel {
    pub label: String,
    pub place: Place,
}

/// The models of `--sizes` and `--model`, in this order. A size is taken from its directory below `models_dir` if it
/// is there.
pub(super) fn models_of(
    sizes: &[String],
    models_given: &[String],
    models_dir: Option<&Path>,
) -> anyhow::Result<Vec<WantedModel>> {
    let mut models: Vec<WantedModel> = Vec::new();
    for given in sizes {
        for size in sizes_of(given)? {
            let (label, place) = match size {
                Size::Bundled(label) => (label, Place::Bundled),
                Size::Paper(size) => {
                    let directory = models_dir.map(|models| models.join(size.name));
                    let place = match directory.filter(|directory| directory.is_dir()) {
                        Some(directory) => Place::Directory(directory),
                        None => Place::Hub(size.location()?),
                    };
                    (size.name, place)
                }
            };
            add_model(&mut models, label, place)?;
        }
    }
    for given in models_given {
        let (label, place) = labelled(given).with_context(|| format!("--model {given}"))?;
        add_model(&mut models, &label, place)?;
    }
    Ok(models)
}

/// `[LABEL=]PATH` or `[LABEL=]hf:OWNER/NAME[@REVISION]`.
fn labelled(given: &str) -> anyhow::Result<(String, Place)> {
    let (label, place) = match given.split_once('=') {
        Some((label, place)) => (Some(label.to_owned()), place),
        None => (None, given),
    };
    let (name, place) = match place.strip_prefix("hf:") {
        Some(name) => {
            let last = name.rsplit_once('/').map_or(name, |(_, last)| last);
            let last = if name.contains("@refs/") { None } else { Some(last.to_owned()) };
            (last, Place::Hub(Location::parse(Kind::Model, name)?))
        }
        None => {
            let path = Path::new(place);
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            (name, Place::Directory(path.to_owned()))
        }
    };
    let label = label.or(name).with_context(|| format!("no name to label it with; write LABEL={given}"))?;
    check_label(&label)?;
    Ok((label, place))
}

/// A label becomes a directory of the run and stands in tables.
fn check_label(label: &str) -> anyhow::Result<()> {
    let allowed = |character: char| character.is_alphanumeric() || "-_.+@".contains(character);
    if label.is_empty() || label.starts_with('.') || !label.chars().all(allowed) {
        bail!("label `{label}` is not usable: expected letters, digits and -_.+@, not beginning with a dot");
    }
    Ok(())
}

fn add_model(models: &mut Vec<WantedModel>, label: &str, place: Place) -> anyhow::Result<()> {
    match models.iter().find(|model| model.label == label) {
        Some(model) if model.place == place => {}
        Some(_) => {
            bail!("two models have the label `{label}`: give one another label with --model LABEL=PATH")
        }
        None => models.push(WantedModel { label: label.to_owned(), place }),
    }
    Ok(())
}

enum Size {
    Bundled(&'static str),
    Paper(&'static PaperSize),
}

fn sizes_of(given: &str) -> anyhow::Result<Vec<Size>> {
    let lower = given.to_lowercase();
    let bundled = BUNDLED_MODELS.iter().map(|(label, _, _)| *label);
    match lower.as_str() {
        "all" => return Ok(PAPER_SIZES.iter().map(Size::Paper).collect()),
        "tiny" => return Ok(bundled.map(Size::Bundled).collect()),
        _ => {}
    }
    if let Some(label) = bundled.clone().find(|label| label.to_lowercase() == lower) {
        return Ok(vec![Size::Bundled(label)]);
    }
    let is_named =
        |size: &&PaperSize| [size.name].iter().chain(&size.aliases).any(|name| name.to_lowercase() == lower);
    if let Some(size) = PAPER_SIZES.iter().find(is_named) {
        return Ok(vec![Size::Paper(size)]);
    }
    let names = PAPER_SIZES.iter().flat_map(|size| [size.name].into_iter().chain(size.aliases));
    let hint = did_you_mean(given, names.chain(bundled).chain(["all", "tiny"]));
    bail!("unknown size `{given}`{hint}; expected 117M, 345M, 762M, 1542M, all, tiny-3M, tiny-8M or tiny")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(sizes: &[&str]) -> Vec<String> {
        let mut models = Vec::new();
        for size in sizes.iter().flat_map(|size| sizes_of(size).unwrap()) {
            models.push(match size {
                Size::Bundled(label) => label.to_owned(),
                Size::Paper(size) => size.name.to_owned(),
            });
        }
        models
    }

    #[test]
    fn sizes_and_their_aliases() {
        assert_eq!(labels(&["all"]), ["117M", "345M", "762M", "1542M"]);
        assert_eq!(labels(&["tiny"]), ["tiny-3M", "tiny-8M"]);
        assert_eq!(labels(&["124m", "GPT2-medium", "large", "1558M"]), ["117M", "345M", "762M", "1542M"]);
        assert!(sizes_of("117").err().unwrap().to_string().contains("did you mean `117M`?"));
    }

    #[test]
    fn repositories_of_the_hub() {
        let of = |given: &str| {
            labelled(given).map(|(label, place)| match place {
                Place::Hub(location) => (label, location.to_string()),
                other => panic!("{other:?}"),
            })
        };
        assert_eq!(of("hf:a/b").unwrap(), ("b".to_owned(), "a/b@main".to_owned()));
        assert_eq!(of("x=hf:a/b@v1").unwrap(), ("x".to_owned(), "a/b@v1".to_owned()));
        assert_eq!(of("hf:gpt2").unwrap(), ("gpt2".to_owned(), "gpt2@main".to_owned()));
        assert!(of("hf:a/b/c").is_err() && of("hf:").is_err());
        let models = models_of(&["117M".to_owned()], &[], Some(Path::new("nowhere"))).unwrap();
        assert_eq!(
            models[0].place,
            Place::Hub(
                Location::parse(
                    Kind::Model,
                    "openai-community/gpt2@607a30d783dfa663caf39e06633721c8d4cfcd7e"
                )
                .unwrap()
            )
        );
    }

    #[test]
    fn labels_stay_inside_the_run_directory() {
        for bad in ["", "..", "a/b", "a\\b", ".hidden", "a b"] {
            assert!(check_label(bad).is_err(), "{bad}");
        }
        assert!(check_label("gpt2-1.5B_v2").is_ok());
    }
}
