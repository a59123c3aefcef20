//! Upstream files: data as its authors publish it on the web, plain or in an archive.

use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::path::Path;

use flate2::read::GzDecoder;
use serde::Deserialize;

use untrusted_input::clipped;

/// Maximum bytes of a file in an archive, ten times the largest test set: a small archive cannot fill the disk.
const MAX_BYTES: u64 = 1_000_000_000;

/// A download that is, or contains, a file that a task reads.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamConfig {
    pub url: String,
    /// sha256 of the download; another file is refused.
    pub sha256: Option<String>,
    /// Length of the download.
    pub bytes: Option<u64>,
    /// The file's name in the archive, if the download is one: `.zip`, `.tar.gz` or `.tgz`. With a `*` in a `.zip`, all files
    /// of such names, one after the other in the order of their names.
    pub member: Option<String>,
}

impl UpstreamConfig {
    /// The last part of the URL.
    pub fn file_name(&self) -> &str {
        self.url.rsplit('/').next().unwrap_or_default()
    }

    /// Copies or extracts the file that the task reads from the download at `path` to `out`. `Err` says what is wrong
    /// with the download.
    pub fn extract(&self, path: &Path, out: &mut impl Write) -> Result<(), String> {
        let file = File::open(path).map_err(|error| error.to_string())?;
        let Some(member) = &self.member else { return copy(file, out) };
        let missing = || format!("the archive has no `{member}`");
        let name = self.file_name();
        let is = |ending: &str| name.to_ascii_lowercase().ends_with(ending);
        if is(".zip") {
            let mut archive = zip::ZipArchive::new(BufReader::new(file)).map_err(message)?;
            if let Some((before, after)) = member.split_once('*') {
                let is_member = |name: &String| {
                    name.strip_prefix(before).is_some_and(|name| name.ends_with(after) && !name.contains('/'))
                };
                let names: Result<Vec<String>, _> =
                    archive.file_names().map(|name| name.map(std::borrow::Cow::into_owned)).collect();
                let mut names: Vec<String> = names.map_err(message)?.into_iter().filter(is_member).collect();
                names.sort_unstable();
                if names.is_empty() {
                    return Err(missing());
                }
                return names.iter().try_for_each(|name| copy(archive.by_name(name).map_err(message)?, out));
            }
            let index = archive.index_for_name(member).ok_or_else(missing)?;
            return copy(archive.by_index(index).map_err(message)?, out);
        }
        if !(is(".tar.gz") || is(".tgz")) {
            return Err(format!("`{name}` is not a supported archive: expected .zip, .tar.gz or .tgz"));
        }
        let mut archive = tar::Archive::new(GzDecoder::new(BufReader::new(file)));
        for entry in archive.entries().map_err(message)? {
            let entry = entry.map_err(message)?;
            if entry.path_bytes().as_ref() == member.as_bytes() {
                return copy(entry, out);
            }
        }
        Err(missing())
    }
}

fn copy(from: impl Read, out: &mut impl Write) -> Result<(), String> {
    let copied = std::io::copy(&mut from.take(MAX_BYTES + 1), out).map_err(message)?;
    if copied > MAX_BYTES {
        return Err(format!("the extracted file has more than {MAX_BYTES} bytes"));
    }
    Ok(())
}

fn message(error: impl std::fmt::Display) -> String {
    clipped(&error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    fn config(url: &str, member: Option<&str>) -> UpstreamConfig {
        let member = member.map(str::to_owned);
        UpstreamConfig { url: url.to_owned(), sha256: None, bytes: None, member }
    }

    fn extracted(config: &UpstreamConfig, content: &[u8]) -> Result<Vec<u8>, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("download");
        std::fs::write(&path, content).unwrap();
        let mut out = Vec::new();
        config.extract(&path, &mut out).map(|()| out)
    }

    fn tar_gz() -> Vec<u8> {
        let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        for (name, content) in [("a/b.txt", "first"), ("a/c.txt", "second")] {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            archive.append_data(&mut header, name, content.as_bytes()).unwrap();
        }
        archive.into_inner().unwrap().finish().unwrap()
    }

    fn zip_file() -> Vec<u8> {
        let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        archive.start_file("enwik8", zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(b"<mediawiki").unwrap();
        archive.finish().unwrap().into_inner()
    }

    #[test]
    fn files_are_extracted_unchanged() {
        assert_eq!(extracted(&config("http://h/x.jsonl", None), b"text").unwrap(), b"text");
        assert_eq!(extracted(&config("http://h/x.tar.gz", Some("a/c.txt")), &tar_gz()).unwrap(), b"second");
        assert_eq!(extracted(&config("http://h/x.zip", Some("enwik8")), &zip_file()).unwrap(), b"<mediawiki");
    }

    #[test]
    fn files_of_an_archive_are_joined_by_name() {
        let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        for (name, content) in
            [("d/b.jsonl", "2\n"), ("d/a.jsonl", "1\n"), ("d/e/c.jsonl", "3\n"), ("d/x", "4\n")]
        {
            archive.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
            archive.write_all(content.as_bytes()).unwrap();
        }
        let bytes = archive.finish().unwrap().into_inner();
        assert_eq!(extracted(&config("http://h/x.zip", Some("d/*.jsonl")), &bytes).unwrap(), b"1\n2\n");
        let missing = extracted(&config("http://h/x.zip", Some("d/*.txt")), &bytes).unwrap_err();
        assert!(missing.contains("no `d/*.txt`"), "{missing}");
    }

    #[test]
    fn errors_name_missing_members_and_unsupported_archives() {
        let error = |url, member, content: &[u8]| extracted(&config(url, Some(member)), content).unwrap_err();
        assert!(error("http://h/x.tgz", "b.txt", &tar_gz()).contains("no `b.txt`"));
        assert!(error("http://h/x.zip", "b.txt", &zip_file()).contains("no `b.txt`"));
        assert!(error("http://h/x.rar", "b.txt", b"").contains("expected .zip"));
        for length in [0, 1, 10, 40] {
            assert!(!error("http://h/x.tgz", "a/c.txt", &tar_gz()[..length]).is_empty());
            assert!(!error("http://h/x.zip", "enwik8", &zip_file()[..length]).is_empty());
        }
    }
}
