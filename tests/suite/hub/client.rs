//! The client and its cache.

use std::path::Path;
use std::time::Duration;

use hub_client::{CachedFile, Digest, Hub, HubError, Kind, Location, Settings, Watch};

use super::server::{COMMIT, Fault, HubServer};

const MODEL: &str = "owner/model";

/// Records the calls of the client.
#[derive(Default)]
struct Notes {
    said: Vec<String>,
    bytes: u64,
    began_at: Vec<u64>,
}

impl Watch for Notes {
    fn begin(&mut self, _: &str, _: Option<u64>, at: u64) {
        self.began_at.push(at);
    }
    fn advance(&mut self, bytes: u64) {
        self.bytes += bytes;
    }
    fn end(&mut self) {}
    fn note(&mut self, text: &str) {
        self.said.push(text.to_owned());
    }
}

struct Setup {
    server: HubServer,
    cache: tempfile::TempDir,
    settings: Settings,
    notes: Notes,
}

impl Setup {
    fn new() -> Self {
        let (server, cache) = (HubServer::start(), tempfile::tempdir().unwrap());
        let settings = Settings {
            endpoint: server.endpoint(),
            cache: cache.path().to_owned(),
            token: None,
            offline: false,
            certificates: None,
            retry_delay: Duration::from_millis(1),
        };
        Self { server, cache, settings, notes: Notes::default() }
    }

    fn fetch(&mut self, path: &str) -> Result<CachedFile, HubError> {
        Hub::new(self.settings.clone()).unwrap().fetch(&main_branch(), path, &mut self.notes)
    }

    fn in_cache(&self, path: &str) -> std::path::PathBuf {
        self.cache.path().join("models--owner--model").join(path)
    }

    /// Files in `blobs/`, incomplete downloads included.
    fn blobs(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.in_cache("blobs")) else { return vec![] };
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn main_branch() -> Location {
    Location::parse(Kind::Model, MODEL).unwrap()
}

/// Content without repetitions.
fn content(bytes: usize) -> Vec<u8> {
    (0..bytes as u32).flat_map(u32::to_le_bytes).take(bytes).collect()
}

fn read(file: &CachedFile) -> Vec<u8> {
    std::fs::read(&file.path).unwrap()
}

#[test]
fn files_are_stored_in_the_layout_of_the_cache() {
    let mut setup = Setup::new();
    let large = content(300_000);
    setup.server.add_large(MODEL, "model.safetensors", &large);
    setup.server.add_small(MODEL, "sub/config.json", b"{}\n");
    let weights = setup.fetch("model.safetensors").unwrap();
    let config = setup.fetch("sub/config.json").unwrap();
    assert_eq!((read(&weights), read(&config)), (large, b"{}\n".to_vec()));
    assert_eq!(weights.commit, COMMIT);
    assert_eq!(weights.path, setup.in_cache(&format!("snapshots/{COMMIT}/model.safetensors")));
    assert!(matches!(weights.digest, Some(Digest::Sha256(_))));
    assert_eq!(config.digest, Digest::of_etag("0967ef424bce6791893e9a57bb952f80fd536e93"));
    assert_eq!(std::fs::read_to_string(setup.in_cache("refs/main")).unwrap(), COMMIT);
    #[cfg(unix)]
    {
        let link = std::fs::read_link(&config.path).unwrap();
        assert_eq!(link, Path::new("../../../blobs/0967ef424bce6791893e9a57bb952f80fd536e93"));
    }
    assert_eq!(setup.blobs().len(), 2, "nothing unfinished is left");
    assert_eq!(setup.notes.bytes, 300_003);
    // The second fetch asks the hub and downloads nothing.
    let gets = setup.server.gets().len();
    assert_eq!(setup.fetch("model.safetensors").unwrap(), weights);
    assert_eq!(setup.server.gets().len(), gets);
    // A commit needs no request.
    let all = setup.server.seen().len();
    let commit = main_branch().at(COMMIT);
    let hub = Hub::new(setup.settings.clone()).unwrap();
    assert_eq!(hub.fetch(&commit, "model.safetensors", &mut setup.notes).unwrap(), weights);
    assert_eq!(setup.server.seen().len(), all);
}

#[test]
fn an_interrupted_download_is_resumed() {
    let mut setup = Setup::new();
    let large = content(500_000);
    setup.server.add_large(MODEL, "w", &large);
    setup.server.fail("GET", "w", Fault::CutAfter(200_000));
    setup.server.fail("GET", "w", Fault::Status(503, &[]));
    setup.server.fail("GET", "w", Fault::CutAfter(100_000));
    let file = setup.fetch("w").unwrap();
    assert_eq!(read(&file), large);
    let ranges: Vec<Option<String>> = setup.server.gets().into_iter().map(|seen| seen.range).collect();
    assert_eq!(ranges[0], None);
    let starts: Vec<u64> = ranges[1..]
        .iter()
        .map(|range| range.as_ref().unwrap()["bytes=".len()..].trim_end_matches('-').parse().unwrap())
        .collect();
    assert!(starts.iter().all(|&start| start > 0 && start <= 300_000), "{starts:?}");
    assert_eq!(setup.notes.bytes, 500_000, "nothing came twice");
    assert!(setup.notes.said.iter().any(|note| note.contains("retrying")), "{:?}", setup.notes.said);
}

#[test]
fn a_partial_download_of_a_killed_process_is_resumed() {
    let mut setup = Setup::new();
    let large = content(100_000);
    setup.server.add_large(MODEL, "w", &large);
    let whole = setup.fetch("w").unwrap();
    let blob = std::fs::canonicalize(&whole.path).unwrap();
    let incomplete = blob.with_extension("incomplete");
    let restart = |part: &[u8]| {
        std::fs::remove_file(&blob).unwrap();
        std::fs::write(&incomplete, part).unwrap();
    };
    restart(&large[..40_000]);
    let before = setup.notes.bytes;
    assert_eq!(read(&setup.fetch("w").unwrap()), large);
    assert_eq!(setup.notes.bytes - before, 60_000);
    assert_eq!(setup.notes.began_at.last(), Some(&40_000));
    // Complete, but not yet checked.
    restart(&large);
    let gets = setup.server.gets().len();
    assert_eq!(read(&setup.fetch("w").unwrap()), large);
    assert_eq!(setup.server.gets().len(), gets);
    // A server that ignores ranges, a partial file that is too long, and one of another file.
    setup.server.fail("GET", "w", Fault::IgnoreRange);
    for part in [&large[..40_000], &content(100_001)[..], &[7; 500][..], &vec![7; 100_000]] {
        restart(part);
        assert_eq!(read(&setup.fetch("w").unwrap()), large);
        assert_eq!(setup.blobs().len(), 1);
    }
}

#[test]
fn a_corrupted_body_is_an_error() {
    for is_large in [true, false] {
        let mut setup = Setup::new();
        if is_large {
            setup.server.add_large(MODEL, "w", &content(1000));
        } else {
            setup.server.add_small(MODEL, "w", &content(1000));
        }
        setup.server.fail("GET", "w", Fault::Corrupt);
        let error = setup.fetch("w").unwrap_err();
        assert!(matches!(error, HubError::Checksum { .. }), "{error}");
        assert!(error.to_string().contains("owner/model@main/w"), "{error}");
        assert_eq!(setup.blobs(), Vec::<String>::new());
        assert_eq!(read(&setup.fetch("w").unwrap()), content(1000));
    }
}

#[test]
fn busy_hubs_are_retried_then_named_in_an_error() {
    let mut setup = Setup::new();
    setup.server.add_small(MODEL, "c", b"{}");
    setup.server.fail("HEAD", "c", Fault::Status(429, &[("Retry-After", "0")]));
    setup.server.fail("HEAD", "c", Fault::Status(500, &[]));
    setup.server.fail("GET", "c", Fault::Status(502, &[]));
    setup.fetch("c").unwrap();
    assert_eq!(setup.notes.said.len(), 3, "{:?}", setup.notes.said);
    setup.server.add_small(MODEL, "d", b"{}");
    for _ in 0..5 {
        setup.server.fail("HEAD", "d", Fault::Status(503, &[]));
    }
    let error = setup.fetch("d").unwrap_err();
    assert!(matches!(error, HubError::Server { status: 503, attempts: 5, .. }), "{error}");
}

#[test]
fn only_the_hub_gets_the_token() {
    let mut setup = Setup::new();
    setup.server.add_large(MODEL, "w", &content(10));
    setup.server.demand_token("hf_secret");
    let error = setup.fetch("w").unwrap_err();
    assert!(matches!(error, HubError::NoPermission { status: 401, .. }), "{error}");
    assert!(error.to_string().contains("HF_TOKEN") && error.to_string().contains("/owner/model"), "{error}");
    setup.settings.token = Some("hf_wrong".to_owned());
    assert!(setup.fetch("w").unwrap_err().to_string().contains("the current token has no access"));
    setup.settings.token = Some("hf_secret".to_owned());
    setup.fetch("w").unwrap();
    let seen = setup.server.seen();
    assert!(seen.iter().filter(|seen| seen.at_store).count() > 0);
    for seen in seen.iter().filter(|seen| seen.at_store) {
        assert_eq!(seen.authorization, None, "the store is another host");
    }
}

#[test]
fn missing_files_revisions_and_repositories_have_their_own_errors() {
    let mut setup = Setup::new();
    setup.server.add_small(MODEL, "c", b"{}");
    let error = setup.fetch("nothing").unwrap_err();
    assert!(error.is_missing_file(), "{error}");
    setup.server.fail("HEAD", "c", Fault::Status(404, &[("X-Error-Code", "RevisionNotFound")]));
    assert!(matches!(setup.fetch("c"), Err(HubError::NotFound { missing: "revision", .. })));
    let other = Location::parse(Kind::Dataset, "no/body").unwrap();
    let hub = Hub::new(setup.settings.clone()).unwrap();
    let error = hub.fetch(&other, "c", &mut setup.notes).unwrap_err();
    assert!(matches!(error, HubError::NotFound { missing: "repository", .. }), "{error}");
    assert!(error.to_string().contains("HF_TOKEN"), "{error}");
    for bad in ["../c", "/c", "a//b"] {
        assert!(matches!(setup.fetch(bad), Err(HubError::Invalid(_))), "{bad}");
    }
}

#[test]
fn the_cache_works_without_a_network() {
    let mut setup = Setup::new();
    setup.server.add_small(MODEL, "c", b"{}");
    let file = setup.fetch("c").unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    setup.settings.endpoint = format!("http://{free}");
    assert_eq!(setup.fetch("c").unwrap(), file);
    assert!(setup.notes.said.last().unwrap().contains("using the cached"));
    let error = setup.fetch("d").unwrap_err();
    assert!(matches!(error, HubError::NoNetwork { .. }), "{error}");
    assert!(error.to_string().contains("--offline"), "{error}");
    setup.settings.offline = true;
    setup.settings.endpoint = setup.server.endpoint();
    let seen = setup.server.seen().len();
    assert_eq!(setup.fetch("c").unwrap(), file);
    let error = setup.fetch("d").unwrap_err();
    assert!(
        matches!(error, HubError::Offline { .. }) && error.to_string().contains("gpt2-eval fetch"),
        "{error}"
    );
    assert_eq!(setup.server.seen().len(), seen, "nothing is asked");
}

#[test]
fn damaged_files_in_the_cache_are_downloaded_again() {
    let mut setup = Setup::new();
    setup.server.add_large(MODEL, "w", &content(1000));
    let file = setup.fetch("w").unwrap();
    let blob = std::fs::canonicalize(&file.path).unwrap();
    std::fs::write(&blob, vec![0; 1000]).unwrap();
    let hub = Hub::new(setup.settings.clone()).unwrap();
    let mended = hub.fetch_checked(&main_branch(), "w", &mut setup.notes).unwrap();
    assert_eq!(read(&mended), content(1000));
    assert!(setup.notes.said.last().unwrap().contains("is damaged"));
    // A plain fetch notices a truncated file too.
    std::fs::write(&blob, vec![0; 10]).unwrap();
    assert_eq!(read(&setup.fetch("w").unwrap()), content(1000));
}

#[test]
fn a_full_disk_has_its_own_error() {
    if !Path::new("/dev/full").exists() {
        return;
    }
    let mut setup = Setup::new();
    setup.server.add_large(MODEL, "w", &content(1000));
    let file = setup.fetch("w").unwrap();
    let blob = std::fs::canonicalize(&file.path).unwrap();
    std::fs::remove_file(&blob).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("/dev/full", blob.with_extension("incomplete")).unwrap();
    let error = setup.fetch("w").unwrap_err();
    assert!(matches!(error, HubError::DiskFull { .. }), "{error}");
}

#[test]
fn a_host_without_an_address_is_tried_once() {
    let mut setup = Setup::new();
    // Names in `.invalid` never have an address (RFC 2606).
    setup.settings.endpoint = "http://no-such-host.invalid".to_owned();
    let hub = Hub::new(setup.settings.clone()).unwrap();
    let mut reasons = Vec::new();
    for path in ["one.json", "two.json"] {
        match hub.fetch(&main_branch(), path, &mut setup.notes).unwrap_err() {
            HubError::NoNetwork { host, reason } => {
                assert_eq!(host, "http://no-such-host.invalid");
                reasons.push(reason);
            }
            other => panic!("{other}"),
        }
    }
    assert_eq!(reasons[0], reasons[1], "the second file does not ask again");
    assert!(setup.notes.said.is_empty(), "no retry: {:?}", setup.notes.said);
}
