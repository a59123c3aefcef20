//! `results/schema/` against the schemas of the types. `GPT2_EVAL_UPDATE_SCHEMA=1 cargo test --release schemas` updates it.

use std::path::Path;

use gpt2_eval::record::{GroupScore, HeuristicResult, Manifest, PromptRecord, SampleResult, Score};
use gpt2_eval::report::Document;
use gpt2_eval::run::ShardSamples;
use schemars::generate::SchemaSettings;
use schemars::transform::transform_subschemas;
use schemars::{JsonSchema, Schema};

/// A doc comment on one line, without links that only rustdoc understands.
fn plain(text: &str) -> String {
    let text = text.replace("[`", "`").replace("`]", "`");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn plain_descriptions(schema: &mut Schema) {
    if let Some(serde_json::Value::String(text)) = schema.get_mut("description") {
        *text = plain(text);
    }
    transform_subschemas(&mut plain_descriptions, schema);
}

fn schema<T: JsonSchema>() -> String {
    let settings = SchemaSettings::draft2020_12().for_serialize().with_transform(plain_descriptions);
    let schema = settings.into_generator().into_root_schema_for::<T>();
    format!("{}\n", serde_json::to_string_pretty(&schema).unwrap())
}

#[test]
fn published_schemas_match_the_types() {
    let published = [
        ("manifest", schema::<Manifest>()),
        ("sample", schema::<SampleResult>()),
        ("baseline", schema::<HeuristicResult>()),
        ("prompt", schema::<PromptRecord>()),
        ("shard", schema::<ShardSamples>()),
        ("score", schema::<Score>()),
        ("breakdown", schema::<GroupScore>()),
        ("report", schema::<Document<'static>>()),
    ];
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("results/schema");
    let update = std::env::var_os("GPT2_EVAL_UPDATE_SCHEMA").is_some_and(|value| value == "1");
    for (name, derived) in published {
        let path = directory.join(format!("{name}.schema.json"));
        if update {
            std::fs::create_dir_all(&directory).unwrap();
            std::fs::write(&path, &derived).unwrap();
        }
        let there = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            there == derived,
            "{} is not the schema of its type: run GPT2_EVAL_UPDATE_SCHEMA=1 cargo test --release schemas, and raise \
             SCHEMA_VERSION if a field changed its meaning",
            path.display()
        );
    }
}
