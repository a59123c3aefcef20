"""Writes tokens.json: tiktoken's token counts and the sha256 of its token ids for the bundled samples.

    pip install tiktoken==0.14.0 && python3 make_tokens.py
"""

import hashlib
import json
from importlib.metadata import version
from pathlib import Path

import tiktoken

TIKTOKEN = "0.14.0"
ROOT = Path(__file__).resolve().parents[2]
PATTERN = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""


def gpt2():
    """GPT-2's encoding from the merges in models/gpt2-bpe: tiktoken's own download is not needed."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    byte_of = {chr(byte): byte for byte in printable}
    for number, byte in enumerate(byte for byte in range(256) if byte not in printable):
        byte_of[chr(256 + number)] = byte
    ranks = {bytes([byte]): rank for rank, byte in enumerate([*printable, *(b for b in range(256) if b not in printable)])}
    merges = (ROOT / "models/gpt2-bpe/vocab.bpe").read_text(encoding="utf-8").splitlines()[1:]
    for merge in filter(None, merges):
        ranks[bytes(byte_of[symbol] for symbol in merge.replace(" ", ""))] = len(ranks)
    return tiktoken.Encoding("gpt2", pat_str=PATTERN, mergeable_ranks=ranks, special_tokens={"<|endoftext|>": 50256})


def main():
    assert version("tiktoken") == TIKTOKEN, version("tiktoken")
    encoding = gpt2()
    files = {}
    for path in sorted(ROOT.glob("tasks/*/*")):
        if not path.stem.startswith(("sample", "examples")):
            continue
        ids = encoding.encode_ordinary(path.read_bytes().decode("utf-8"))
        stream = b"".join(token.to_bytes(2, "little") for token in ids)
        files[str(path.relative_to(ROOT))] = {"tokens": len(ids), "sha256_u16le": hashlib.sha256(stream).hexdigest()}
    golden = {"source": f"tiktoken {TIKTOKEN}, encode_ordinary of the whole file", "files": files}
    Path(__file__).with_name("tokens.json").write_text(json.dumps(golden, indent=1) + "\n", encoding="utf-8")


main()
