//! The manifest, as keys and values and as it is in its file.

use serde_json::{Map, Value};

use super::html::{element, escape};
use crate::record::Manifest;

/// The manifest, folded.
pub(super) fn manifest(manifest: &Manifest) -> Result<String, serde_json::Error> {
    let value = serde_json::to_value(manifest)?;
    let raw = serde_json::to_string_pretty(manifest)?;
    let labels: Vec<&str> = manifest.identity.models.iter().map(|model| model.label.as_str()).collect();
    Ok(format!(
        "<details class=\"manifest\"><summary>{}</summary>{}\
         <details><summary>As JSON</summary><pre dir=\"auto\" tabindex=\"0\">{}</pre></details></details>\n",
        escape(&format!("{}, {}", labels.join(", "), manifest.started)),
        described(&value),
        escape(&raw)
    ))
}

fn described(value: &Value) -> String {
    match value {
        Value::Null => "<span class=\"none\">none</span>".to_owned(),
        Value::Object(fields) if fields.is_empty() => "<span class=\"none\">none</span>".to_owned(),
        Value::Object(fields) => list(fields),
        Value::Array(items) if items.is_empty() => "<span class=\"none\">none</span>".to_owned(),
        Value::Array(items) if items.iter().all(is_plain) => {
            items.iter().map(described).collect::<Vec<_>>().join(" ")
        }
        Value::Array(items) => {
            let items: String = items.iter().map(|item| format!("<li>{}</li>", described(item))).collect();
            format!("<ol>{items}</ol>")
        }
        Value::String(text) => element("span", text),
        other => escape(&other.to_string()),
    }
}

/// What is short first, so that the eye finds it.
fn list(fields: &Map<String, Value>) -> String {
    let (plain, nested): (Vec<_>, Vec<_>) = fields.iter().partition(|(_, value)| is_plain(value));
    let items: String = plain
        .into_iter()
        .chain(nested)
        .map(|(name, value)| {
            format!("<dt>{}</dt><dd>{}</dd>", escape(&name.replace('_', " ")), described(value))
        })
        .collect();
    format!("<dl>{items}</dl>")
}

fn is_plain(value: &Value) -> bool {
    !matches!(value, Value::Array(_) | Value::Object(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_values() {
        let value = serde_json::json!({"b_c": [1, "<x>"], "a": null, "z": "y", "e": [], "n": [{"k": 1}]});
        assert_eq!(
            described(&value),
            "<dl><dt>a</dt><dd><span class=\"none\">none</span></dd><dt>z</dt><dd><span dir=\"auto\">y</span></dd>\
             <dt>b c</dt><dd>1 <span dir=\"auto\">&lt;x&gt;</span></dd><dt>e</dt><dd><span class=\"none\">none</span></dd>\
             <dt>n</dt><dd><ol><li><dl><dt>k</dt><dd>1</dd></dl></li></ol></dd></dl>"
        );
    }
}
