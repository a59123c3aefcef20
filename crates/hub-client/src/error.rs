//! Errors of the hub and its cache. Every message says what to do.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Why a file cannot be downloaded or used.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// No response.
    #[error(
        "cannot reach {host}: {reason}; check the network, HF_ENDPOINT and HTTPS_PROXY, and run the same command again to \
         resume the download. Without a network, use files in the cache with --offline (`gpt2-eval fetch` downloads \
         them), or directories with --data DIR and --model LABEL=PATH"
    )]
    NoNetwork {
        /// Scheme and host of the request.
        host: String,
        /// Reason for the missing response.
        reason: String,
    },
    /// A file is not in the cache, and downloads are off.
    #[error(
        "{what} is not in the cache at {cache}, and --offline (or HF_HUB_OFFLINE=1) forbids downloads; run `gpt2-eval \
         fetch` with the same --tasks and --sizes where there is a network"
    )]
    Offline {
        /// The file.
        what: String,
        /// The directory that was searched.
        cache: PathBuf,
    },
    /// The hub has no such repository, revision or file.
    #[error("{what}: the hub has no such {missing}; check its name{hint}")]
    NotFound {
        /// The file.
        what: String,
        /// `file`, `revision` or `repository`.
        missing: &'static str,
        /// Another possible reason, as the end of the message.
        hint: &'static str,
    },
    /// The file needs a token with access.
    #[error(
        "{what}: no permission (HTTP {status}); request access or accept the conditions at {page}, then set HF_TOKEN to \
         a token of that account{hint}"
    )]
    NoPermission {
        /// The file.
        what: String,
        /// HTTP status.
        status: u16,
        /// The repository's page.
        page: String,
        /// A remark about the current token, as the end of the message.
        hint: &'static str,
    },
    /// Every attempt failed with a temporary error status.
    #[error(
        "{what}: {host} answered HTTP {status} in {attempts} attempts; the server may be busy: run the same command again \
         later to resume the download"
    )]
    Server {
        /// The file.
        what: String,
        /// Scheme and host of the request.
        host: String,
        /// HTTP status.
        status: u16,
        /// Number of attempts.
        attempts: u32,
    },
    /// The content has another checksum or length than announced.
    #[error(
        "{what}: the download has {found}, expected {expected}; it was deleted. Run the same command again; if the error \
         persists, a proxy or mirror changes the file"
    )]
    Checksum {
        /// The file.
        what: String,
        /// The announced checksum or length.
        expected: String,
        /// The checksum or length of the download.
        found: String,
    },
    /// No space left on the disk.
    #[error(
        "{path}: the disk is full; free space, or set HF_HUB_CACHE to a directory on another disk, and run the same \
         command again"
    )]
    DiskFull {
        /// The file.
        path: PathBuf,
    },
    /// A file of the cache that cannot be read or written.
    #[error("cannot use {path}: {source}; check its permissions, or set HF_HUB_CACHE to another directory")]
    Cache {
        /// The file.
        path: PathBuf,
        /// The error of the file system.
        source: std::io::Error,
    },
    /// A response that a hub does not give.
    #[error("{what}: {reason}")]
    UnexpectedResponse {
        /// The file.
        what: String,
        /// The problem.
        reason: String,
    },
    /// An upstream file is no longer at its URL.
    #[error(
        "{url}: HTTP {status}: the file is no longer available there; get it elsewhere, save it in a directory under the \
         name that `gpt2-eval show TASK` prints, and use --data DIR"
    )]
    Gone {
        /// The URL.
        url: String,
        /// HTTP status.
        status: u16,
    },
    /// An invalid name or setting.
    #[error("{0}")]
    Invalid(String),
}

impl HubError {
    /// The error of reading or writing `path`.
    pub(super) fn of_disk(path: &Path, source: std::io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::DiskFull { path },
            _ => Self::Cache { path, source },
        }
    }

    /// Whether the repository exists on the hub but lacks the file.
    pub fn is_missing_file(&self) -> bool {
        matches!(self, Self::NotFound { missing: "file", .. })
    }
}
