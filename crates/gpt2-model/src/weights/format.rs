//! What each checkpoint format says about itself.

use crate::error::CheckpointError;

use super::entry::NamedEntry;
use super::layout::Layout;
use super::source::Source;
use crate::Gpt2Config;

/// A checkpoint format.
pub(super) struct Format {
    /// Usual names of the file, first choice first.
    pub file_names: &'static [&'static str],
    /// Files in the same directory that may hold the configuration, first choice first.
    pub config_names: &'static [&'static str],
    /// Whether a file has this format. The first argument is its beginning (16 bytes or more), the second its end (8 bytes
    /// or more).
    pub recognizes: fn(&[u8], &[u8]) -> bool,
    pub read: Read,
}

/// Reads one file that needs no other. The number is its index among the sources.
pub(super) type ReadFile = fn(&Source, usize) -> Result<Contents, CheckpointError>;

/// How the headers of a checkpoint are read.
pub(super) enum Read {
    /// From one file.
    File(ReadFile),
    /// From a file that names others. The reader opens them: their indices among the sources begin at 1. The second
    /// argument reads one of them.
    Files(fn(&Source, ReadFile) -> Result<WithFiles, CheckpointError>),
}

/// Contents, and the files that were opened for them.
pub(super) type WithFiles = (Contents, Vec<Source>);

/// Contents of the headers.
pub(super) struct Contents {
    /// Name of the format in output.
    pub format: &'static str,
    pub entries: Vec<NamedEntry>,
    pub layout: Layout,
    /// The model's configuration, if the file has it.
    pub config: Option<Gpt2Config>,
}
