//! Where the hub and its cache are: the environment variables that all its clients share.

use std::path::PathBuf;
use std::time::Duration;

use super::HubError;

/// Where the hub is.
const ENDPOINT: &str = "https://huggingface.co";

/// How to reach the hub, and where its files are kept.
#[derive(Clone)]
pub struct Settings {
    /// Scheme and host, without a slash at the end.
    pub endpoint: String,
    /// The cache: `<cache>/models--OWNER--NAME/…`.
    pub cache: PathBuf,
    /// Who asks.
    pub token: Option<String>,
    /// Whether nothing may be downloaded.
    pub offline: bool,
    /// File with further certificates, in PEM.
    pub certificates: Option<PathBuf>,
    /// Time to wait before the second try, doubled with each further one.
    pub retry_delay: Duration,
}

impl Settings {
    /// What the environment says; `get` looks a variable up.
    ///
    /// `HF_ENDPOINT`; `HF_HUB_CACHE`, else `HF_HOME/hub`, else `~/.cache/huggingface/hub`; `HF_TOKEN`, else the file
    /// that `hf auth login` writes; `HF_HUB_OFFLINE`; `SSL_CERT_FILE`.
    ///
    /// `Err` for an endpoint that is no address, a token that is none, and where no cache can be named.
    pub fn from_environment(get: &dyn Fn(&str) -> Option<String>) -> Result<Self, HubError> {
        let text = |name: &str| get(name).filter(|value| !value.trim().is_empty());
        let path = |name: &str| text(name).map(PathBuf::from);
        let endpoint = text("HF_ENDPOINT").unwrap_or_else(|| ENDPOINT.to_owned());
        let endpoint = endpoint.trim().trim_end_matches('/').to_owned();
        if !endpoint.starts_with("https://") && !endpoint.starts_with("http://") {
            return Err(HubError::Name(format!(
                "HF_ENDPOINT is `{endpoint}`; expected an address such as {ENDPOINT}"
            )));
        }
        let user = || path("HOME").or_else(|| path("USERPROFILE"));
        let home = path("HF_HOME")
            .or_else(|| path("XDG_CACHE_HOME").map(|cache| cache.join("huggingface")))
            .or_else(|| user().map(|home| home.join(".cache").join("huggingface")));
        let cache = path("HF_HUB_CACHE")
            .or_else(|| path("HUGGINGFACE_HUB_CACHE"))
            .or_else(|| home.as_ref().map(|home| home.join("hub")))
            .ok_or_else(|| {
                HubError::Name("no place for the hub's files: set HF_HUB_CACHE to a directory".to_owned())
            })?;
        let token_file = path("HF_TOKEN_PATH").or_else(|| home.map(|home| home.join("token")));
        let token = text("HF_TOKEN").or_else(|| text("HUGGING_FACE_HUB_TOKEN")).or_else(|| {
            let implicit = !text("HF_HUB_DISABLE_IMPLICIT_TOKEN").is_some_and(|value| is_yes(&value));
            token_file.filter(|_| implicit).and_then(|file| std::fs::read_to_string(file).ok())
        });
        let token = token.map(|token| token.trim().to_owned()).filter(|token| !token.is_empty());
        if token.as_ref().is_some_and(|token| !token.bytes().all(|byte| byte.is_ascii_graphic())) {
            return Err(HubError::Name(
                "HF_TOKEN is no token: it has white space or other odd characters".to_owned(),
            ));
        }
        Ok(Self {
            endpoint,
            cache,
            token,
            offline: text("HF_HUB_OFFLINE").is_some_and(|value| is_yes(&value)),
            certificates: path("SSL_CERT_FILE"),
            retry_delay: Duration::from_secs(1),
        })
    }
}

/// As `huggingface_hub` reads switches.
fn is_yes(value: &str) -> bool {
    ["1", "on", "yes", "true"].contains(&value.trim().to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(variables: &[(&str, &str)]) -> Result<Settings, HubError> {
        let find = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        Settings::from_environment(&find)
    }

    #[test]
    fn variables_of_the_hub() {
        let plain = settings(&[("HOME", "/home/a")]).unwrap();
        assert_eq!(plain.cache, PathBuf::from("/home/a/.cache/huggingface/hub"));
        assert_eq!((plain.endpoint.as_str(), plain.offline, plain.token), (ENDPOINT, false, None));
        let set = [
            ("HF_HOME", "/h"),
            ("HF_ENDPOINT", "http://localhost:1/"),
            ("HF_TOKEN", " hf_x\n"),
            ("HF_HUB_OFFLINE", "ON"),
        ];
        let set = settings(&set).unwrap();
        assert_eq!(set.cache, PathBuf::from("/h/hub"));
        assert_eq!((set.endpoint.as_str(), set.offline), ("http://localhost:1", true));
        assert_eq!(set.token.as_deref(), Some("hf_x"));
        assert_eq!(
            settings(&[("HF_HUB_CACHE", "/c"), ("HF_HOME", "/h")]).unwrap().cache,
            PathBuf::from("/c")
        );
    }

    #[test]
    fn odd_variables_are_named() {
        for (name, value) in [("HF_ENDPOINT", "localhost"), ("HF_TOKEN", "a b"), ("X", "")] {
            let variables: &[_] = if name == "X" { &[] } else { &[("HOME", "/a"), (name, value)] };
            let error = settings(variables).err().unwrap().to_string();
            assert!(error.contains(if name == "X" { "HF_HUB_CACHE" } else { name }), "{error}");
        }
    }
}
