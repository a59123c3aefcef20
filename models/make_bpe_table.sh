#!/usr/bin/env bash
# Makes models/gpt2-bpe/vocab.bpe, GPT-2's byte-pair merges in OpenAI's own format, from the
# crates.io package `tiktoken-rs`, which carries that file, and checks it against the sha256 that
# OpenAI's tiktoken pins. The vocabulary needs no second file: token ids are the 256 bytes in
# GPT-2's byte order, then one token a merge line, then <|endoftext|>.
set -euo pipefail
version=0.12.1
expected=1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
cargo init --quiet --vcs none --name bpe_table .
cargo add --quiet "tiktoken-rs@=$version"
cargo vendor --quiet --versioned-dirs vendor >/dev/null
source="vendor/tiktoken-rs-$version/assets/vocab.bpe"
echo "$expected  $source" | sha256sum --check --quiet
mkdir -p "$here/gpt2-bpe"
install -m 644 "$source" "$here/gpt2-bpe/vocab.bpe"
echo "wrote $here/gpt2-bpe/vocab.bpe"
