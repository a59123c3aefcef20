//! Addresses of the hub and its cache, from the environment variables that all clients share.

use std::path::PathBuf;
use std::time::Duration;

use super::HubError;

/// The public hub.
const ENDPOINT: &str = "https://huggingface.co";

/// The hub, its cache, and how to connect.
#[derive(Clone)]
pub struct Settings {
    /// Scheme and host of the hub, without a slash at the end.
    pub endpoint: String,
    /// The cache: `<cache>/models--OWNER--NAME/…`.
    pub cache: PathBuf,
    /// Access token.
    pub token: Option<String>,
    /// Whether downloads are off.
    pub offline: bool,
    /// File with root certificates to trust, in PEM.
    pub certificates: Option<PathBuf>,
    /// Time to wait before the first retry, doubled with each further one.
    pub retry_delay: Duration,
}

impl Settings {
    /// Settings from environment variables; `get` returns the value of a variable.
    ///
    /// `HF_ENDPOINT`; `HF_HUB_CACHE`, else `HF_HOME/hub`, else `~/.cache/huggingface/hub`; `HF_TOKEN`, else the file
    /// that `hf auth login` writes; `HF_HUB_OFFLINE`; `SSL_CERT_FILE`.
    ///
    /// `Err` if the endpoint is not a URL, the token has invalid characters, or no variable gives a cache directory.
    pub fn from_environment(get: &dyn Fn(&str) -> Option<String>) -> Result<Self, HubError> {
        let text = |name: &str| get(name).filter(|value| !value.trim().is_empty());
        let path = |name: &str| text(name).map(PathBuf::from);
        let endpoint = text("HF_ENDPOINT").unwrap_or_else(|| ENDPOINT.to_owned());
        let endpoint = endpoint.trim().trim_end_matches('/').to_owned();
        if !endpoint.starts_with("https://") && !endpoint.starts_with("http://") {
            return Err(HubError::Invalid(format!(
                "HF_ENDPOINT is `{endpoint}`; expected a URL such as {ENDPOINT}"
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
                HubError::Invalid(
                    "no directory for the cache of the hub: set HF_HUB_CACHE to a directory".to_owned(),
                )
            })?;
        let token_file = path("HF_TOKEN_PATH").or_else(|| home.map(|home| home.join("token")));
        let token = text("HF_TOKEN").or_else(|| text("HUGGING_FACE_HUB_TOKEN")).or_else(|| {
            let implicit = !text("HF_HUB_DISABLE_IMPLICIT_TOKEN").is_some_and(|value| is_yes(&value));
            token_file.filter(|_| implicit).and_then(|file| std::fs::read_to_string(file).ok())
        });
        let token = token.map(|token| token.trim().to_owned()).filter(|token| !token.is_empty());
        if token.as_ref().is_some_and(|token| !token.bytes().all(|byte| byte.is_ascii_graphic())) {
            return Err(HubError::Invalid(
                "HF_TOKEN is not a valid token: it contains white space or other invalid characters"
                    .to_owned(),
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

/// Whether a variable is set to true, as in `huggingface_hub`.
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
    fn errors_name_the_invalid_variable() {
        for (name, value) in [("HF_ENDPOINT", "localhost"), ("HF_TOKEN", "a b"), ("X", "")] {
            let variables: &[_] = if name == "X" { &[] } else { &[("HOME", "/a"), (name, value)] };
            let error = settings(variables).err().unwrap().to_string();
            assert!(error.contains(if name == "X" { "HF_HUB_CACHE" } else { name }), "{error}");
        }
    }
}
