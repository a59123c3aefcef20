//! A client of the Hugging Face hub: downloads files of repositories into the standard cache and verifies their checksums.
//!
//! The cache is shared with `huggingface_hub` and all programs built on it
//! (<https://huggingface.co/docs/hub/local-cache>): files in it are used, and downloads are added to it.
//!
//! The crate `hf-hub` is not enough for a download of 6 GB: its blocking API does not resume an interrupted download and
//! verifies no checksum. This crate uses `ureq`, which blocks, needs no runtime, and uses rustls with ring for TLS, so that
//! neither `CMake` nor OpenSSL is needed.

mod cache;
mod digest;
mod download;
mod error;
mod http;
mod pins;
mod repository;
mod settings;

pub use cache::CachedFile;
pub use digest::Digest;
pub use download::{Hub, RemoteFile, Watch};
pub use error::HubError;
pub use pins::{Pin, Pins};
pub use repository::{Kind, Location, Repository};
pub use settings::Settings;
