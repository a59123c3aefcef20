//! The manifest as keys and values, and as JSON.

use maud::{Markup, html};
use serde_json::{Map, Value};

use super::tables::Text;
use crate::record::Manifest;

/// The manifest, folded.
pub(super) fn manifest(manifest: &Manifest) -> Result<Markup, serde_json::Error> {
    let value = serde_json::to_value(manifest)?;
    let json = serde_json::to_string_pretty(manifest)?;
    let labels: Vec<&str> = manifest.identity.models.iter().map(|model| model.label.as_str()).collect();
    Ok(html! {
        details class="manifest" {
            summary { (Text(&labels.join(", "))) ", " (Text(&manifest.started)) }
            (described(&value))
            details { summary { "As JSON" } pre dir="auto" tabindex="0" { (Text(&json)) } }
        }
    })
}

fn described(value: &Value) -> Markup {
    match value {
        Value::Object(fields) if !fields.is_empty() => list(fields),
        Value::Array(items) if !items.is_empty() => html! {
            @if items.iter().all(is_scalar) {
                @for (index, item) in items.iter().enumerate() { @if index > 0 { " " } (described(item)) }
            } @else {
                ol { @for item in items { li { (described(item)) } } }
            }
        },
        Value::Null | Value::Object(_) | Value::Array(_) => html! { span class="none" { "none" } },
        Value::String(text) => html! { span dir="auto" { (Text(text)) } },
        Value::Bool(_) | Value::Number(_) => html! { (Text(&value.to_string())) },
    }
}

/// Scalars first: nested values are long.
fn list(fields: &Map<String, Value>) -> Markup {
    let (scalars, nested): (Vec<_>, Vec<_>) = fields.iter().partition(|(_, value)| is_scalar(value));
    html! {
        dl {
            @for (name, value) in scalars.into_iter().chain(nested) {
                dt { (Text(&name.replace('_', " "))) }
                dd { (described(value)) }
            }
        }
    }
}

fn is_scalar(value: &Value) -> bool {
    !matches!(value, Value::Array(_) | Value::Object(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_values() {
        let value = serde_json::json!({"b_c": [1, "<x>"], "a": null, "z": "y", "e": [], "n": [{"k": 1}]});
        assert_eq!(
            described(&value).into_string(),
            "<dl><dt>a</dt><dd><span class=\"none\">none</span></dd><dt>z</dt><dd><span dir=\"auto\">y</span></dd>\
             <dt>b c</dt><dd>1 <span dir=\"auto\">&lt;x&gt;</span></dd><dt>e</dt><dd><span class=\"none\">none</span></dd>\
             <dt>n</dt><dd><ol><li><dl><dt>k</dt><dd>1</dd></dl></li></ol></dd></dl>"
        );
    }
}
