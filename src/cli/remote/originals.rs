//! Files where their makers have put them on the web.

use std::path::PathBuf;

use anyhow::{Context, bail};
use sha2::{Digest as _, Sha256};

use super::{Fetched, Remote, is_closed};
use crate::cli::fetch::Listed;
use crate::data::UpstreamConfig;
use crate::record::HubFile;
use hub_client::Digest;

impl Remote {
    /// Where the download of a file outside the hub is kept.
    pub(super) fn place_of(&self, original: &UpstreamConfig) -> PathBuf {
        let key = hex::encode(Sha256::digest(&original.url));
        let folder = original.sha256.as_deref().unwrap_or(&key);
        self.ours.join("downloads").join(folder.get(..16).unwrap_or(folder)).join(original.file_name())
    }

    /// Where a file outside the hub is taken from.
    fn address_of(&self, original: &UpstreamConfig) -> String {
        let (origin, rest) = split_address(&original.url);
        match &self.mirror {
            Some(mirror) => format!("{mirror}/{}/{rest}", origin.rsplit('/').next().unwrap_or_default()),
            None => original.url.clone(),
        }
    }

    /// A file outside the hub as it stands in the list of what is to come; `None` if it cannot be downloaded.
    pub fn look_original(&mut self, original: &UpstreamConfig) -> anyhow::Result<Option<Listed>> {
        let is_here = self.place_of(original).is_file();
        let looked = if is_here {
            Ok(original.bytes)
        } else {
            self.hub.look_url(&self.address_of(original), &mut self.watch)
        };
        let is_pinned = original.sha256.is_some();
        match looked {
            Ok(bytes) => Ok(Some(Listed {
                place: original.url.clone(),
                bytes: bytes.or(original.bytes),
                is_here,
                is_pinned,
            })),
            Err(error) if is_closed(&error, false) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// A file outside the hub, noted for the manifest and held against its first use.
    pub(super) fn original(&mut self, original: &UpstreamConfig) -> anyhow::Result<Fetched> {
        let path = self.place_of(original);
        let (origin, rest) = split_address(&original.url);
        let url = self.address_of(original);
        self.hub.fetch_url(&url, original.sha256.as_deref(), &path, &mut self.watch)?;
        let digest = match &original.sha256 {
            Some(sha256) if !self.checks => format!("sha256 {sha256}"),
            _ => Digest::sha256_of(&path)
                .with_context(|| format!("cannot read {}", path.display()))?
                .to_string(),
        };
        if let Some(sha256) = original.sha256.as_ref().filter(|sha256| digest != format!("sha256 {sha256}")) {
            std::fs::remove_file(&path).with_context(|| format!("cannot delete {}", path.display()))?;
            bail!(
                "{} was damaged ({digest}, expected sha256 {sha256}) and is deleted: run the same command again",
                path.display()
            );
        }
        let noted = HubFile {
            repository: origin.to_owned(),
            revision: String::new(),
            commit: String::new(),
            path: rest.to_owned(),
            digest: Some(digest.clone()),
            first_digest: None,
        };
        self.note(noted, &original.url)?;
        Ok(Fetched { path, is_pinned: original.sha256.is_some(), content: digest })
    }
}

/// Scheme and host of an address, and the rest behind the slash.
fn split_address(url: &str) -> (&str, &str) {
    let host = url.find("://").map_or(0, |at| at + 3);
    let end = url.get(host..).and_then(|rest| rest.find('/')).map_or(url.len(), |at| host + at);
    (url.get(..end).unwrap_or(url), url.get(end + 1..).unwrap_or_default())
}
