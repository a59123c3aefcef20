//! The models of the paper, and the sources of models.

mod hub;

use std::path::PathBuf;

pub(crate) use hub::{copy, current_commit, download, list, missing};

use hub_client::{Kind, Location};

/// A size of the paper and its repository on the Hugging Face hub.
#[derive(Debug)]
pub(crate) struct PaperSize {
    pub name: &'static str,
    pub aliases: [&'static str; 3],
    /// Its repository.
    pub hub: &'static str,
    /// Its repository before the hub had owners; many caches have the model under this name.
    pub old_hub: &'static str,
    /// The commit that is measured.
    pub commit: &'static str,
    /// sha256 of `model.safetensors` in that commit.
    pub sha256: &'static str,
    pub parameters: u64,
}

/// The paper's sizes, smallest first.
pub(crate) static PAPER_SIZES: [PaperSize; 4] = [
    PaperSize {
        name: "117M",
        aliases: ["124M", "small", "gpt2"],
        hub: "openai-community/gpt2",
        old_hub: "gpt2",
        commit: "607a30d783dfa663caf39e06633721c8d4cfcd7e",
        sha256: "248dfc3911869ec493c76e65bf2fcf7f615828b0254c12b473182f0f81d3a707",
        parameters: 124_439_808,
    },
    PaperSize {
        name: "345M",
        aliases: ["355M", "medium", "gpt2-medium"],
        hub: "openai-community/gpt2-medium",
        old_hub: "gpt2-medium",
        commit: "6dcaa7a952f72f9298047fd5137cd6e4f05f41da",
        sha256: "fc5a354a19255ad494f3d71549390baca1ccf61d1d822b9408971705c687c9cd",
        parameters: 354_823_168,
    },
    PaperSize {
        name: "762M",
        aliases: ["774M", "large", "gpt2-large"],
        hub: "openai-community/gpt2-large",
        old_hub: "gpt2-large",
        commit: "32b71b12589c2f8d625668d2335a01cac3249519",
        sha256: "5f47f3e12f91cd33b662ce7e433b6150ad5512b5884a2cee961b50e9c3bbebce",
        parameters: 774_030_080,
    },
    PaperSize {
        name: "1542M",
        aliases: ["1558M", "xl", "gpt2-xl"],
        hub: "openai-community/gpt2-xl",
        old_hub: "gpt2-xl",
        commit: "15ea56dee5df4983c59b2538573817e1667135e2",
        sha256: "0f8b28eb05a8075f48b61b6f35332978c74fc7763fa9fb4051a1c30511736a6a",
        parameters: 1_557_611_200,
    },
];

impl PaperSize {
    pub fn location(&self) -> anyhow::Result<Location> {
        Ok(Location::parse(Kind::Model, self.hub)?.at(self.commit))
    }

    /// Its location under its old name.
    pub fn old_location(&self) -> anyhow::Result<Location> {
        Ok(Location::parse(Kind::Model, self.old_hub)?.at(self.commit))
    }
}

/// Source of a model; a hub repository may not be downloaded yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ModelOrigin {
    Bundled,
    Directory(PathBuf),
    Hub(Location),
}

/// A model as the user names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ModelChoice {
    pub label: String,
    pub origin: ModelOrigin,
}
