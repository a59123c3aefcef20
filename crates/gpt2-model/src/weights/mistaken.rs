//! Recognises files that are often in the place of a checkpoint's file but are something else.

use std::io::Cursor;

use untrusted_input::{clipped, thousands};
use zip::ZipArchive;

/// Longest beginning that is looked at.
const BEGINNING_BYTES: usize = 1024;

/// Characters of a text that a message shows.
const SHOWN_CHARACTERS: usize = 60;

/// Offset of the magic of a tar archive.
const TAR_MAGIC: usize = 257;

/// What a text file is that was saved or checked out instead of the file itself: a Git LFS pointer or an HTML page. With
/// the remedy. Valid for every file of a checkpoint.
pub(crate) fn placeholder(bytes: &[u8]) -> Option<String> {
    let beginning = &bytes[..bytes.len().min(BEGINNING_BYTES)];
    let text = beginning.strip_prefix(b"\xef\xbb\xbf").unwrap_or(beginning).trim_ascii_start();
    if text.starts_with(b"version https://git-lfs.github.com/spec/") {
        let lines = String::from_utf8_lossy(text);
        let size = lines.lines().find_map(|line| line.strip_prefix("size ")?.trim().parse::<u64>().ok());
        let size = size.map(|size| format!(" ({} bytes)", thousands(size))).unwrap_or_default();
        return Some(format!(
            "a Git LFS pointer: the file itself was not downloaded{size}; run `git lfs pull` in its repository, or \
             download the file"
        ));
    }
    let lower = text.to_ascii_lowercase();
    let tags = [&b"<!doctype html"[..], b"<html", b"<head", b"<body", b"<?xml", b"<error", b"<!--"];
    tags.into_iter().any(|tag| lower.starts_with(tag)).then(|| {
        let title = title(&String::from_utf8_lossy(text));
        format!(
            "a web page{title} in HTML, not the file: a login or error page was saved instead; download the file again"
        )
    })
}

/// ` ("…")` with the title of an HTML page, if its beginning has one.
fn title(html: &str) -> String {
    let lower = html.to_ascii_lowercase();
    let title = lower.find("<title").and_then(|start| {
        let start = start + lower.get(start..)?.find('>')? + 1;
        let end = start + lower.get(start..)?.find("</title")?;
        html.get(start..end)
    });
    let title = title.map(|title| title.split_whitespace().collect::<Vec<_>>().join(" ")).unwrap_or_default();
    if title.is_empty() { title } else { format!(" ({title:?})") }
}

/// What a file of no supported format is, with the remedy.
pub(super) fn other_format(bytes: &[u8]) -> Option<String> {
    let starts = |magic: &[u8]| bytes.starts_with(magic);
    let not_read =
        "is not read: use the checkpoint from which it was made (model.safetensors or pytorch_model.bin)";
    if starts(b"GGUF") || [&b"lmgg"[..], b"tjgg", b"fmgg"].into_iter().any(starts) {
        return Some(format!("a GGUF file of llama.cpp, which {not_read}"));
    }
    if starts(b"\x89HDF\r\n\x1a\n") {
        return Some(format!(
            "an HDF5 file of Keras (tf_model.h5), which {not_read}, or convert it with transformers 4: \
             `GPT2LMHeadModel.from_pretrained(DIR, from_tf=True).save_pretrained(NEW)`"
        ));
    }
    if is_flax(bytes) {
        return Some(format!(
            "a msgpack file of Flax (flax_model.msgpack), which {not_read}, or convert it with transformers 4: \
             `GPT2LMHeadModel.from_pretrained(DIR, from_flax=True).save_pretrained(NEW)`"
        ));
    }
    if is_onnx(bytes) {
        return Some(format!("an ONNX model, which {not_read}"));
    }
    if let Some(archive) = archive(bytes) {
        return Some(format!("{archive}: unpack it and name the file or directory inside"));
    }
    if starts(b"\x93NUMPY") {
        return Some("a NumPy array, not a model: save the model's state_dict() with torch.save".to_owned());
    }
    if matches!(bytes, [0x80, 2..=5, ..]) {
        return Some(
            "a Python pickle, not a file of torch.save: save the model's state_dict() with torch.save".into(),
        );
    }
    text_beginning(bytes).map(|beginning| format!("a text, not weights: it begins with {beginning:?}"))
}

/// The first characters of a file that is a text.
pub(super) fn text_beginning(bytes: &[u8]) -> Option<String> {
    let beginning = &bytes[..bytes.len().min(BEGINNING_BYTES)];
    let text = beginning.utf8_chunks().next()?.valid();
    let is_printed = |character: char| !character.is_control() || character.is_whitespace();
    // A character may be cut at the end of the beginning.
    let is_text = text.len() > 3 && text.len() + 4 > beginning.len() && text.chars().all(is_printed);
    is_text.then(|| text.chars().take(SHOWN_CHARACTERS).collect())
}

/// What a zip is that `torch.save` did not write, with the remedy. `None` for files of `torch.save` and for damaged zips.
pub(super) fn other_zip(bytes: &[u8]) -> Option<String> {
    let archive = ZipArchive::new(Cursor::new(bytes)).ok()?;
    let members: Vec<_> = archive.file_names().filter_map(Result::ok).collect();
    let has = |name: &str| members.iter().any(|member| member.rsplit('/').next() == Some(name));
    if has("constants.pkl") {
        return Some(
            "a TorchScript archive of torch.jit.save, which is not read: save the model's state_dict() with torch.save"
                .to_owned(),
        );
    }
    if has("data.pkl") {
        return None;
    }
    if members.iter().any(|member| member.ends_with(".npy")) {
        return Some(
            "arrays of NumPy (npz), not a model: save the model's state_dict() with torch.save".to_owned(),
        );
    }
    let first = members.first().map(|name| format!(" with `{}`", clipped(name))).unwrap_or_default();
    Some(format!(
        "a zip archive{first}, not a file of torch.save: unpack it and name the file or directory inside"
    ))
}

fn archive(bytes: &[u8]) -> Option<&'static str> {
    let magics = [
        (&b"\x1f\x8b"[..], "a gzip archive"),
        (b"BZh", "a bzip2 archive"),
        (b"\xfd7zXZ\0", "an xz archive"),
        (b"\x28\xb5\x2f\xfd", "a Zstandard archive"),
        (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
        (b"Rar!", "a RAR archive"),
    ];
    let found = magics.into_iter().find(|(magic, _)| bytes.starts_with(magic)).map(|(_, name)| name);
    let is_tar = || bytes.get(TAR_MAGIC..).is_some_and(|rest| rest.starts_with(b"ustar"));
    found.or_else(|| is_tar().then_some("a tar archive"))
}

/// A msgpack map whose first key is a short name: `transformer`, `params`.
fn is_flax(bytes: &[u8]) -> bool {
    let [0x81..=0x8f, key @ 0xa1..=0xbf, rest @ ..] = bytes else { return false };
    rest.get(..usize::from(key & 0x1f))
        .is_some_and(|key| key.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_'))
}

/// A protocol buffer that begins with ONNX's version (field 1) and the name of the producer (field 2).
fn is_onnx(bytes: &[u8]) -> bool {
    let [8, 1..=30, 0x12, length @ 1..=64, rest @ ..] = bytes else { return false };
    rest.get(..usize::from(*length)).is_some_and(|name| name.iter().all(u8::is_ascii_graphic))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_named_with_the_remedy() {
        let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 548105171\n";
        let found = placeholder(pointer.as_bytes()).unwrap();
        assert!(found.contains("the file itself was not downloaded (548,105,171 bytes)"), "{found}");
        assert!(found.starts_with("a Git LFS pointer: "), "{found}");
        assert!(found.contains("`git lfs pull`"), "{found}");
        let page = "\u{feff}\n<!DOCTYPE html>\n<html><head><title>Sign in\n to X</title>";
        let found = placeholder(page.as_bytes()).unwrap();
        assert!(found.starts_with("a web page (\"Sign in to X\") in HTML"), "{found}");
        assert!(placeholder(b"<Error><Code>AccessDenied</Code>").unwrap().contains("a web page in HTML"));
        for other in
            [&b"{\"n_layer\": 2}"[..], b"#version: 0.2\n", b"", b"versions of git-lfs", b"<|endoftext|>"]
        {
            assert_eq!(placeholder(other), None);
        }
    }

    #[test]
    fn other_formats_are_named() {
        let mut tar = vec![b'm'; 600];
        tar[TAR_MAGIC..TAR_MAGIC + 5].copy_from_slice(b"ustar");
        for (bytes, name) in [
            (&b"GGUF\x03\0\0\0"[..], "a GGUF file"),
            (b"\x89HDF\r\n\x1a\n\0", "an HDF5 file"),
            (b"\x81\xabtransformer\x84", "a msgpack file of Flax"),
            (b"\x08\x07\x12\x07pytorch\x1a", "an ONNX model"),
            (b"\x1f\x8b\x08\0", "a gzip archive: unpack it"),
            (&tar, "a tar archive: unpack it"),
            (b"\x93NUMPY\x01\0", "a NumPy array"),
            (b"\x80\x04\x95\x10\0", "a Python pickle"),
            (b"Entry not found", "a text, not weights: it begins with \"Entry not found\""),
        ] {
            let found = other_format(bytes).unwrap();
            assert!(found.starts_with(name), "{found}");
        }
        for unknown in
            [&b""[..], b"\xff\xd8\xff\xe0", b"a\0b\0c\0d\0", b"\x81\xab\0\0", b"\x08\x07\x12\x07\0\0\0"]
        {
            assert_eq!(other_format(unknown), None);
        }
    }
}
