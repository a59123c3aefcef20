//! All checkpoint formats, and which of them a file has by its content.

use super::format::{Contents, Format, Read};
use super::source::Source;
use super::{burn_record, llm_c, mistaken, safetensors, sharded, tensorflow, torch};
use crate::error::CheckpointError;

/// In the order in which a directory is searched.
pub(super) const FORMATS: [&Format; 6] = [
    &safetensors::FORMAT,
    &sharded::FORMAT,
    &torch::FORMAT,
    &llm_c::FORMAT,
    &tensorflow::FORMAT,
    &burn_record::FORMAT,
];

/// The format of a file by its beginning and its end, as for [`Format::recognizes`].
pub(super) fn detect(beginning: &[u8], end: &[u8]) -> Option<&'static Format> {
    FORMATS.into_iter().find(|format| (format.recognizes)(beginning, end))
}

/// Reads the headers of a checkpoint, and opens the files that `first` names.
pub(super) fn read(first: &Source) -> Result<(&'static Format, Contents, Vec<Source>), CheckpointError> {
    let Some(format) = detect(first.bytes(), first.bytes()) else { return Err(unknown(first)) };
    let (contents, others) = match format.read {
        Read::File(read) => (read(first, 0)?, vec![]),
        Read::Files(read) => read(first, read_file)?,
    };
    Ok((format, contents, others))
}

fn read_file(source: &Source, index: usize) -> Result<Contents, CheckpointError> {
    match detect(source.bytes(), source.bytes()) {
        Some(Format { read: Read::File(read), .. }) => read(source, index),
        _ => Err(unknown(source)),
    }
}

/// The error of a file of no supported format.
fn unknown(source: &Source) -> CheckpointError {
    if let Some(other) = mistaken::other_format(source.bytes()) {
        return CheckpointError::new(source.path(), other);
    }
    // The safetensors reader says best what is wrong with an unknown file.
    match safetensors::read(source, 0) {
        Err(error) => error,
        Ok(_) => {
            CheckpointError::malformed(source.path(), "a weight file", None, None, "its format is unknown")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_by_content() {
        for (bytes, expected) in [
            (&b"PK\x03\x04..."[..], Some("pytorch_model.bin")),
            (
                &[0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19],
                Some("pytorch_model.bin"),
            ),
            (&[0xc6, 0xd7, 0x34, 0x01, 3, 0, 0, 0], Some("gpt2_124M.bin")),
            (b"NRUB\x01\0", Some("model.bpk")),
            (b"x\x57\xfb\x80\x8b\x24\x75\x47\xdb", Some("model.ckpt.index")),
            (b"\x02\0\0\0\0\0\0\0{}", Some("model.safetensors")),
            (b" {\"weight_map\":{}}", Some("model.safetensors.index.json")),
            (b"<!DOCTYPE html>", None),
            (b"", None),
        ] {
            let found = detect(bytes, bytes).map(|format| format.file_names[0]);
            assert_eq!(found, expected, "{:?}", bytes.escape_ascii().to_string());
        }
    }
}
