//! `gpt2-eval compare`.

use super::arguments::{CompareArguments, CompareFormat};
use crate::gate::{CompareOptions, ModelMap, Side, compare as compare_sides};
use crate::gate::{comparison_markdown, comparison_text};
use crate::report::Screen;

/// Two runs side by side.
pub(super) fn compare(arguments: &CompareArguments) -> anyhow::Result<String> {
    let models = ModelMap::parse(&arguments.models)?;
    let (base, new) = (Side::of_run(&arguments.base)?, Side::of_run(&arguments.new)?);
    let options = CompareOptions { models, force: arguments.force, samples: arguments.samples };
    let comparison = compare_sides(&base, &new, &options)?;
    Ok(match arguments.format {
        CompareFormat::Text => comparison_text(&comparison, Screen::of_standard_output()),
        CompareFormat::Markdown => comparison_markdown(&comparison),
        CompareFormat::Json => serde_json::to_string_pretty(&comparison)? + "\n",
    })
}
