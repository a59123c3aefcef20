//! Rows put together from their columns.

use serde_json::Value;

use super::metadata::Node;
use crate::data::rows::Row;

/// A row, or a part of one, while its columns come in.
#[derive(Debug, Default, PartialEq)]
pub(super) enum Tree {
    /// Nothing has come.
    #[default]
    Unset,
    /// It is said that there is nothing.
    Null,
    Value(Value),
    Group(Vec<(String, Tree)>),
    List(Vec<Tree>),
}

impl Tree {
    /// Puts a value to its place: `path` from here, `places` in the lists on the way, `definition` says how far down
    /// there is something.
    pub fn insert(
        &mut self,
        path: &[(String, bool, bool)],
        places: &[usize],
        definition: u16,
        value: Value,
    ) -> Result<(), String> {
        let wrong = || "columns that contradict each other".to_owned();
        let mut here = self;
        let mut places = places.iter();
        let mut level = 0;
        for (name, is_optional, is_repeated) in path {
            if *here == Self::Unset {
                *here = Self::Group(Vec::new());
            }
            let Self::Group(fields) = here else { return Err(wrong()) };
            let known = fields.iter().position(|(known, _)| known == name);
            let index = known.unwrap_or(fields.len());
            if known.is_none() {
                fields.push((name.clone(), Self::Unset));
            }
            here = fields.get_mut(index).map(|(_, tree)| tree).ok_or_else(wrong)?;
            level += u16::from(*is_optional || *is_repeated);
            if *is_repeated {
                if *here == Self::Unset {
                    *here = Self::List(Vec::new());
                }
                let Self::List(elements) = here else { return Err(wrong()) };
                let place = *places.next().ok_or_else(wrong)?;
                if definition < level {
                    return Ok(());
                }
                if place == elements.len() {
                    elements.push(Self::Unset);
                }
                here = elements.get_mut(place).ok_or_else(wrong)?;
            } else if definition < level {
                if *here == Self::Unset {
                    *here = Self::Null;
                }
                return Ok(());
            }
        }
        if *here != Self::Unset {
            return Err(wrong());
        }
        *here = Self::Value(value);
        Ok(())
    }

    /// The row as it is read.
    pub fn into_row(self, columns: &[Node]) -> Row {
        let Self::Group(fields) = self else { return Row::new() };
        let values = fields.into_iter().map(|(name, tree)| {
            let node = columns.iter().find(|node| node.name == name);
            (name, node.map_or(Value::Null, |node| tree.into_value(node)))
        });
        values.collect()
    }

    fn into_value(self, node: &Node) -> Value {
        let mut elements = node.children.iter();
        match (self, elements.next()) {
            (Self::Value(value), _) => value,
            (Self::List(items), _) => items.into_iter().map(|item| item.into_value(node)).collect(),
            // A list: a group of one repeated group of one element.
            (Self::Group(mut fields), Some(list)) if node.is_list && list.is_repeated => {
                let items = match fields.pop() {
                    Some((_, Self::List(items))) => items,
                    _ => Vec::new(),
                };
                let element = |item: Self| match (item, list.children.first()) {
                    (Self::Group(mut fields), Some(element)) if list.children.len() == 1 => {
                        fields.pop().map_or(Value::Null, |(_, tree)| tree.into_value(element))
                    }
                    (item, _) => item.into_value(list),
                };
                items.into_iter().map(element).collect()
            }
            (Self::Group(fields), _) => {
                let fields = fields.into_iter().map(|(name, tree)| {
                    let child = node.children.iter().find(|child| child.name == name);
                    (name, child.map_or(Value::Null, |child| tree.into_value(child)))
                });
                Value::Object(fields.collect())
            }
            (Self::Unset | Self::Null, _) => Value::Null,
        }
    }
}
