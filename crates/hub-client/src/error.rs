//! What can go wrong with the hub, each with the next step.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Why a file of the hub cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// No answer from the hub.
    #[error(
        "cannot reach {host}: {reason}; check the network (also HF_ENDPOINT and HTTPS_PROXY) and run the same command \
         again: what was downloaded is kept. Without a network, take files that `gpt2-eval fetch` has brought before \
         (--offline), or name directories with --data DIR and --model LABEL=PATH"
    )]
    NoNetwork {
        /// Scheme and host that were asked.
        host: String,
        /// Why there was no answer.
        reason: String,
    },
    /// A file is not in the cache, and nothing may be downloaded.
    #[error(
        "{what} is not in the cache at {cache}, and with --offline (or HF_HUB_OFFLINE=1) nothing is downloaded: run \
         `gpt2-eval fetch` with the same --tasks and --sizes where there is a network"
    )]
    Offline {
        /// The file.
        what: String,
        /// Where it was looked for.
        cache: PathBuf,
    },
    /// The hub has no such thing.
    #[error("{what}: the hub has no such {missing}; check its name{hint}")]
    NotFound {
        /// The file.
        what: String,
        /// `file`, `revision` or `repository`.
        missing: &'static str,
        /// What else may be the reason.
        hint: &'static str,
    },
    /// The hub has it, but not for everyone.
    #[error(
        "{what}: no permission (HTTP {status}): ask for access or accept the conditions at {page}, then set HF_TOKEN to \
         a token of that account{hint}"
    )]
    NoPermission {
        /// The file.
        what: String,
        /// The hub's answer.
        status: u16,
        /// The repository's page.
        page: String,
        /// Whether a token was sent.
        hint: &'static str,
    },
    /// The hub answers, but not with the file.
    #[error(
        "{what}: {host} answered HTTP {status} {attempts} times; the hub may be busy: run the same command again later, what was downloaded is kept"
    )]
    Server {
        /// The file.
        what: String,
        /// Scheme and host that were asked.
        host: String,
        /// Its answer.
        status: u16,
        /// How often it was asked.
        attempts: u32,
    },
    /// The content is not what the hub says it is.
    #[error(
        "{what}: what was downloaded has {found}, expected {expected}; it was deleted: run the same command again, and if \
         it stays so, something on the way (a proxy, a mirror) changes the file"
    )]
    Checksum {
        /// The file.
        what: String,
        /// As announced.
        expected: String,
        /// As downloaded.
        found: String,
    },
    /// No room.
    #[error(
        "{path}: the disk is full; make room, or name another place with HF_HUB_CACHE, and run the same command again: what was downloaded is kept"
    )]
    DiskFull {
        /// What was written.
        path: PathBuf,
    },
    /// A file of the cache that cannot be read or written.
    #[error("cannot use {path}: {source}; check its permissions, or name another cache with HF_HUB_CACHE")]
    Cache {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// An answer that no hub gives.
    #[error("{what}: {reason}")]
    Odd {
        /// The file.
        what: String,
        /// What is odd.
        reason: String,
    },
    /// A place outside the hub that has not, or gives not, what it once had.
    #[error(
        "{url}: HTTP {status}: its makers have moved it; get the file elsewhere, put it into a directory under the name \
         that `gpt2-eval show TASK` names, and name that with --data DIR"
    )]
    Gone {
        /// The address.
        url: String,
        /// Its answer.
        status: u16,
    },
    /// A name or setting that cannot be meant.
    #[error("{0}")]
    Name(String),
}

impl HubError {
    /// What a failed reading or writing at `path` means.
    pub(super) fn of_disk(path: &Path, source: std::io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::DiskFull { path },
            _ => Self::Cache { path, source },
        }
    }

    /// Whether the hub lacks this very file, though it has the repository.
    pub fn is_missing_file(&self) -> bool {
        matches!(self, Self::NotFound { missing: "file", .. })
    }
}
