//! What stands at the end of a file: its columns, and where their values are.

use super::thrift::Thrift;
use super::{MAGIC, MOST_VALUES};

/// `LIST` among the converted types, and among the logical ones.
const LIST: i64 = 3;
const LOGICAL_LIST: i16 = 3;
/// Most columns in each other.
const MOST_LEVELS: usize = 16;

/// A column, or a part of one.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub name: String,
    pub is_optional: bool,
    pub is_repeated: bool,
    /// Whether its one child is repeated and holds the elements of a list.
    pub is_list: bool,
    pub children: Vec<Node>,
    physical: Option<i64>,
}

/// A column of values.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Leaf {
    /// From the outermost part to the values: name, optional, repeated.
    pub path: Vec<(String, bool, bool)>,
    /// Physical type, by its number.
    pub physical: i64,
    /// Highest levels.
    pub definition: u16,
    pub repetition: u16,
}

impl Leaf {
    pub fn name(&self) -> String {
        self.path.iter().map(|(name, _, _)| name.as_str()).collect::<Vec<_>>().join(".")
    }
}

/// Where the values of a column are.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Chunk {
    pub start: usize,
    pub values: usize,
    /// How pages are compressed, by its number.
    pub codec: i64,
}

/// Some of the rows.
pub(super) struct Group {
    pub rows: usize,
    /// One a leaf.
    pub chunks: Vec<Chunk>,
}

/// The whole.
pub(super) struct Table {
    pub columns: Vec<Node>,
    pub leaves: Vec<Leaf>,
    pub groups: Vec<Group>,
}

impl Table {
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let cut = || "the table is cut off, or no Parquet".to_owned();
        let body = bytes.strip_suffix(MAGIC).filter(|_| bytes.starts_with(MAGIC)).ok_or_else(cut)?;
        let (body, length) = body.split_last_chunk::<4>().ok_or_else(cut)?;
        let length = u32::from_le_bytes(*length) as usize;
        let start = body.len().checked_sub(length).ok_or_else(cut)?;
        let (footer, _) = Thrift::read(&body[start..])?;
        let mut elements = footer.list(2).iter();
        let root = node(&mut elements, 0).ok_or("a damaged list of columns")?;
        let mut leaves = Vec::new();
        let mut path = Vec::new();
        root.children.iter().try_for_each(|child| collect(child, &mut path, (0, 0), &mut leaves))?;
        let groups = footer.list(4).iter().map(|group| read_group(group, leaves.len()));
        let groups: Option<Vec<Group>> = groups.collect();
        let groups = groups.ok_or("a damaged group of rows")?;
        let values = groups.iter().flat_map(|group| &group.chunks).map(|chunk| chunk.values as u64);
        if values.fold(0_u64, u64::saturating_add) > MOST_VALUES.saturating_mul(leaves.len() as u64) {
            return Err(format!("more than {MOST_VALUES} values in a column"));
        }
        Ok(Self { columns: root.children, leaves, groups })
    }
}

fn node<'a>(elements: &mut impl Iterator<Item = &'a Thrift<'a>>, level: usize) -> Option<Node> {
    if level > MOST_LEVELS {
        return None;
    }
    let element = elements.next()?;
    let count = element.length(5).unwrap_or(0);
    let repetition = element.int(3).unwrap_or(0);
    // No room beforehand: the number is the file's own.
    let mut children = Vec::new();
    for _ in 0..count {
        children.push(node(elements, level + 1)?);
    }
    let is_list = element.int(6) == Some(LIST)
        || element.field(10).is_some_and(|logical| logical.field(LOGICAL_LIST).is_some());
    Some(Node {
        name: element.text(4)?.to_owned(),
        is_optional: repetition == 1,
        is_repeated: repetition == 2,
        is_list: is_list && children.len() == 1,
        children,
        physical: element.int(1),
    })
}

fn collect(
    node: &Node,
    path: &mut Vec<(String, bool, bool)>,
    (definition, repetition): (u16, u16),
    leaves: &mut Vec<Leaf>,
) -> Result<(), String> {
    path.push((node.name.clone(), node.is_optional, node.is_repeated));
    let definition = definition + u16::from(node.is_optional || node.is_repeated);
    let repetition = repetition + u16::from(node.is_repeated);
    if node.children.is_empty() {
        let physical = node.physical.ok_or_else(|| format!("column {} has no type", node.name))?;
        leaves.push(Leaf { path: path.clone(), physical, definition, repetition });
    }
    node.children.iter().try_for_each(|child| collect(child, path, (definition, repetition), leaves))?;
    path.pop();
    Ok(())
}

fn read_group(group: &Thrift<'_>, leaves: usize) -> Option<Group> {
    let chunks = group.list(1).iter().map(|chunk| {
        let data = chunk.field(3)?;
        let first_page = data.length(9)?;
        // A dictionary stands before the pages that use it.
        let start =
            data.length(11).filter(|start| *start > 0).map_or(first_page, |start| start.min(first_page));
        Some(Chunk { start, values: data.length(5)?, codec: data.int(4)? })
    });
    let chunks: Vec<Chunk> = chunks.collect::<Option<_>>()?;
    (chunks.len() == leaves).then_some(())?;
    Some(Group { rows: group.length(3)?, chunks })
}
