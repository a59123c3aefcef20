//! A client of the Hugging Face hub: files of repositories into the standard cache, checked.
//!
//! The cache is the one that `huggingface_hub` and everything built on it share
//! (<https://huggingface.co/docs/hub/local-cache>): what is there already is used as it is, and others find what this
//! program puts there.
//!
//! Written over `ureq` because the crate `hf-hub` cannot do what a download of 6 GB needs: its blocking half keeps no
//! part of a file that broke off, and checks no sum. `ureq` blocks, needs no runtime, and speaks TLS through rustls with
//! ring: neither `CMake` nor OpenSSL.

mod cache;
mod digest;
mod download;
mod error;
mod http;
mod lock;
mod repository;
mod settings;

pub use cache::CachedFile;
pub use digest::Digest;
pub use download::{Hub, RemoteFile, Watch};
pub use error::HubError;
pub use lock::{FirstUse, FirstUses};
pub use repository::{Kind, Location, Repository};
pub use settings::Settings;
