//! Validates the subset of JSON Schema that the schemas of this repository use, in which drafts 7 and 2020-12 agree. An
//! unknown keyword fails the test.
//!
//! The crate `jsonschema` would enable features of `ahash` and `num-complex` that Burn also depends on, so that
//! `cargo build` and `cargo test` would each compile Burn.

use regex::Regex;
use serde_json::{Map, Value};

/// Keywords that do not affect validity.
const ANNOTATIONS: [&str; 9] =
    ["$schema", "title", "description", "default", "format", "version", "$defs", "$comment", "examples"];

pub struct Validator {
    root: Value,
}

impl Validator {
    pub fn new(text: &str) -> Self {
        Self { root: serde_json::from_str(text).unwrap() }
    }

    /// Errors, each with the pointer to the invalid value.
    pub fn errors(&self, value: &Value) -> Vec<String> {
        let mut errors = Vec::new();
        self.check(&self.root, value, "", &mut errors);
        errors
    }

    fn is_valid(&self, schema: &Value, value: &Value) -> bool {
        let mut errors = Vec::new();
        self.check(schema, value, "", &mut errors);
        errors.is_empty()
    }

    fn check(&self, schema: &Value, value: &Value, pointer: &str, errors: &mut Vec<String>) {
        let rules = match schema {
            Value::Bool(true) => return,
            Value::Object(rules) => rules,
            _ => return errors.push(format!("{pointer}: not allowed: {value}")),
        };
        for (keyword, rule) in rules {
            let list = || rule.as_array().unwrap();
            let valid = || list().iter().filter(|schema| self.is_valid(schema, value)).count();
            let holds = match keyword.as_str() {
                "$ref" => {
                    let target =
                        rule.as_str().unwrap().strip_prefix('#').expect("a pointer into this schema");
                    self.check(self.root.pointer(target).unwrap(), value, pointer, errors);
                    true
                }
                "type" => match rule {
                    Value::String(name) => is_of_type(value, name),
                    _ => list().iter().any(|name| is_of_type(value, name.as_str().unwrap())),
                },
                "const" => value == rule,
                "enum" => list().contains(value),
                "allOf" => {
                    for schema in list() {
                        self.check(schema, value, pointer, errors);
                    }
                    true
                }
                "anyOf" => valid() > 0,
                "oneOf" => valid() == 1,
                "not" => !self.is_valid(rule, value),
                "if" => {
                    let branch = if self.is_valid(rule, value) { "then" } else { "else" };
                    if let Some(schema) = rules.get(branch) {
                        self.check(schema, value, pointer, errors);
                    }
                    true
                }
                "minimum" => value.as_f64().is_none_or(|number| number >= rule.as_f64().unwrap()),
                "maximum" => value.as_f64().is_none_or(|number| number <= rule.as_f64().unwrap()),
                "minItems" => {
                    value.as_array().is_none_or(|items| items.len() as u64 >= rule.as_u64().unwrap())
                }
                "pattern" => {
                    let pattern = Regex::new(rule.as_str().unwrap()).unwrap();
                    value.as_str().is_none_or(|text| pattern.is_match(text))
                }
                "required" | "properties" | "additionalProperties" | "items" => {
                    self.check_parts(keyword, rules, value, pointer, errors);
                    true
                }
                "then" | "else" => rules.contains_key("if"),
                known if ANNOTATIONS.contains(&known) => true,
                unknown => panic!("the validator does not know the keyword {unknown}"),
            };
            if !holds {
                errors.push(format!("{pointer}: {keyword} {rule} does not hold for {value}"));
            }
        }
    }

    fn check_parts(
        &self,
        keyword: &str,
        rules: &Map<String, Value>,
        value: &Value,
        pointer: &str,
        errors: &mut Vec<String>,
    ) {
        let rule = &rules[keyword];
        match (keyword, value) {
            ("required", Value::Object(fields)) => {
                let names = rule.as_array().unwrap().iter().map(|name| name.as_str().unwrap());
                for name in names.filter(|name| !fields.contains_key(*name)) {
                    errors.push(format!("{pointer}: {name} is missing"));
                }
            }
            ("properties", Value::Object(fields)) => {
                for (name, schema) in rule.as_object().unwrap() {
                    if let Some(field) = fields.get(name) {
                        self.check(schema, field, &format!("{pointer}/{name}"), errors);
                    }
                }
            }
            ("additionalProperties", Value::Object(fields)) => {
                let is_named =
                    |name: &str| rules.get("properties").is_some_and(|named| named.get(name).is_some());
                for (name, field) in fields.iter().filter(|(name, _)| !is_named(name)) {
                    self.check(rule, field, &format!("{pointer}/{name}"), errors);
                }
            }
            ("items", Value::Array(items)) => {
                for (index, item) in items.iter().enumerate() {
                    self.check(rule, item, &format!("{pointer}/{index}"), errors);
                }
            }
            _ => {}
        }
    }
}

fn is_of_type(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "number" => value.is_number(),
        "integer" => value.is_u64() || value.is_i64(),
        other => panic!("no type {other}"),
    }
}

#[test]
fn invalid_values_are_found() {
    let schema = Validator::new(
        r##"{
            "$defs": {"name": {"type": "string", "pattern": "^[a-z]+$"}},
            "type": "object", "required": ["a"], "additionalProperties": false,
            "properties": {
                "a": {"$ref": "#/$defs/name"},
                "b": {"type": ["integer", "null"], "minimum": 0},
                "c": {"oneOf": [{"const": "x"}, {"type": "array", "items": {"enum": [1, 2]}, "minItems": 1}]}
            },
            "if": {"required": ["b"]}, "then": {"required": ["c"]}
        }"##,
    );
    let errors = |text: &str| schema.errors(&serde_json::from_str(text).unwrap());
    for right in [r#"{"a": "q"}"#, r#"{"a": "q", "b": 1, "c": "x"}"#, r#"{"a": "q", "b": null, "c": [2, 1]}"#]
    {
        assert_eq!(errors(right), Vec::<String>::new(), "{right}");
    }
    for (wrong, part) in [
        ("[]", "type"),
        ("{}", "a is missing"),
        (r#"{"a": "Q"}"#, "/a: pattern"),
        (r#"{"a": "q", "d": 1}"#, "/d: not allowed"),
        (r#"{"a": "q", "b": 0}"#, "c is missing"),
        (r#"{"a": "q", "b": -1, "c": "x"}"#, "/b: minimum"),
        (r#"{"a": "q", "b": 0.5, "c": "x"}"#, "/b: type"),
        (r#"{"a": "q", "c": [3]}"#, "/c: oneOf"),
        (r#"{"a": "q", "c": []}"#, "/c: oneOf"),
    ] {
        let found = errors(wrong);
        assert!(found.iter().any(|error| error.contains(part)), "{wrong}: {found:?}");
    }
}
