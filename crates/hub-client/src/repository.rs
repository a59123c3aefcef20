//! Names of repositories, revisions and files on the hub.

use std::fmt;
use std::path::Path;

use super::HubError;
use untrusted_input::path_below;

/// Kind of a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Weights.
    Model,
    /// Data.
    Dataset,
}

/// A repository of the hub.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Repository {
    kind: Kind,
    name: String,
}

impl Repository {
    /// The repository `OWNER/NAME`, or an old one without owner. `Err` if the name is invalid.
    pub fn new(kind: Kind, name: &str) -> Result<Self, HubError> {
        let parts: Vec<&str> = name.split('/').collect();
        let plain = |part: &&str| {
            !part.is_empty()
                && !part.starts_with(['.', '-'])
                && !part.contains("--")
                && !part.contains("..")
                && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        };
        if parts.len() > 2 || !parts.iter().all(plain) {
            let expected = "expected OWNER/NAME of letters, digits and -_.";
            return Err(HubError::Invalid(format!(
                "`{name}` is not a name of a repository on the hub: {expected}"
            )));
        }
        Ok(Self { kind, name: name.to_owned() })
    }

    /// `OWNER/NAME`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its folder in the cache: `models--OWNER--NAME`.
    pub fn folder(&self) -> String {
        let kind = match self.kind {
            Kind::Model => "models",
            Kind::Dataset => "datasets",
        };
        format!("{kind}--{}", self.name.replace('/', "--"))
    }

    /// Its path on the hub: `OWNER/NAME`, `datasets/OWNER/NAME`.
    pub fn path(&self) -> String {
        match self.kind {
            Kind::Model => self.name.clone(),
            Kind::Dataset => format!("datasets/{}", self.name),
        }
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.path())
    }
}

/// A repository at a revision: a branch, a tag or a commit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// The repository.
    pub repository: Repository,
    /// Branch, tag or commit.
    pub revision: String,
}

impl Location {
    /// `Err` if the revision is not a valid name.
    pub fn new(repository: Repository, revision: &str) -> Result<Self, HubError> {
        let plain = revision.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c));
        if !plain || path_below(Path::new(""), revision).is_err() {
            let expected = "expected a branch, a tag or a commit, such as main";
            return Err(HubError::Invalid(format!(
                "`{revision}` is not a name of a revision of {repository}: {expected}"
            )));
        }
        Ok(Self { repository, revision: revision.to_owned() })
    }

    /// `OWNER/NAME` or `OWNER/NAME@REVISION`; `main` without a revision.
    pub fn parse(kind: Kind, text: &str) -> Result<Self, HubError> {
        let (name, revision) = text.split_once('@').unwrap_or((text, "main"));
        Self::new(Repository::new(kind, name)?, revision)
    }

    /// Whether the revision is a commit, which never changes.
    pub fn is_commit(&self) -> bool {
        is_commit(&self.revision)
    }

    /// The same repository at another revision.
    #[must_use]
    pub fn at(&self, revision: &str) -> Self {
        Self { repository: self.repository.clone(), revision: revision.to_owned() }
    }

    /// URL of the file `path` on the hub at `endpoint`.
    pub fn url(&self, endpoint: &str, path: &str) -> String {
        // An unescaped slash in the revision would be a part of the path.
        let revision = self.revision.replace('/', "%2F");
        format!("{endpoint}/{}/resolve/{revision}/{}", self.repository.path(), escaped(path))
    }
}

impl fmt::Display for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Ten digits are enough for a reader.
        let revision = if self.is_commit() { &self.revision[..10] } else { &self.revision };
        write!(formatter, "{}@{revision}", self.repository)
    }
}

/// Whether `text` is a full commit hash.
pub(super) fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// A path in a URL: percent-encodes everything except letters, digits and `-_.~/`.
fn escaped(path: &str) -> String {
    path.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_folders_and_urls() {
        let location = Location::parse(Kind::Dataset, "wmt/wmt14@refs/convert/parquet").unwrap();
        assert_eq!(location.repository.folder(), "datasets--wmt--wmt14");
        assert_eq!(
            location.url("https://h", "fr-en/a b.parquet"),
            "https://h/datasets/wmt/wmt14/resolve/refs%2Fconvert%2Fparquet/fr-en/a%20b.parquet"
        );
        let model = Location::parse(Kind::Model, "gpt2").unwrap();
        assert_eq!((model.repository.folder(), model.revision.as_str()), ("models--gpt2".into(), "main"));
        let commit = model.at(&"0123456789".repeat(4));
        assert!(commit.is_commit());
        assert_eq!(commit.to_string(), "gpt2@0123456789");
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for bad in
            ["", "/", "a/b/c", "../x", "a/..", "a b/c", "a--b/c", "a/b@", "a/b@../x", "a/b@x y", "a/b@/x"]
        {
            assert!(Location::parse(Kind::Model, bad).is_err(), "{bad}");
        }
    }
}
