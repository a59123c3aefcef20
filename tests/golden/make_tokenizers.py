"""Writes tests/golden/tokenizers.json: token ids, begin and end of text, log-likelihoods and greedy completions by transformers
for tokenizers with side files, and tests/golden/own_bpe.json, a byte-level BPE of 2,000 tokens trained on docs/.

    pip install torch transformers
    python tests/golden/make_tokenizers.py

The models: tiny-3M with more rows in its embedding, and a model of one's own. Their weights are formulas, which the test repeats.
"""

import json
import shutil
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
TINY = ROOT / "models" / "tiny-3M"
BYTES = [*range(33, 127), *range(161, 173), *range(174, 256)]
BYTES += [byte for byte in range(256) if byte not in BYTES]

TEXT = "The lamp <user> asked: COVID-19? [PAD]ded <bot>\nThe keeper  <user><bot> said nothing about COVID-19s, naïve as ever."
STRINGS = [
    "<user>", "<user><bot>", "a <user> b", "a  <user>  b", "a<user>b", "\n<user>\n", " <user>", "<user> ", "<use r><user",
    "COVID-19", "xCOVID-19y", "COVID-19-20", " COVID-19.", "_COVID-19_", "<<user>>", "user", "the user's <user>'s", "[PAD] x[PAD]",
    "naïve café <user>日本<bot>🙂", "<bot> \t <bot>", "word", "words word sword", "word-word", "a wordword", "word\nword", "",
    " ", "<user>COVID-19<bot>word<user>", "  <left>  <both>  <right>  ", "x<left>y<both>z<right>w", "a <left> <left> b", "hello hello",
]


def gpt2_vocabulary():
    printable = set(BYTES[:188])
    order, stand_in = {}, 0x100
    for byte in range(256):
        if byte in printable:
            order[byte] = chr(byte)
        else:
            order[byte] = chr(stand_in)
            stand_in += 1
    merges = (ROOT / "models/gpt2-bpe/vocab.bpe").read_text().splitlines()[1:]
    tokens = [order[byte] for byte in BYTES] + [merge.replace(" ", "") for merge in merges] + ["<|endoftext|>"]
    return {token: id for id, token in enumerate(tokens)}, merges


def numbers(count, seed, scale):
    index = torch.arange(count, dtype=torch.int64)
    return ((index * 7919 + seed * 104729) % 257 - 128).float() * scale


def token(content, **flags):
    plain = {"lstrip": False, "rstrip": False, "single_word": False, "normalized": True, "special": False}
    return {"content": content, **plain, **flags}


END = token("<|endoftext|>", special=True, normalized=False)
CASES = {
    "added": {"files": {"added_tokens.json": {"<user>": 50257, "<bot>": 50258, "COVID-19": 50259}}},
    "added and named": {
        "files": {
            "added_tokens.json": {"<user>": 50257, "<bot>": 50258, "COVID-19": 50259, "[PAD]": 50260, "<end>": 50261},
            "special_tokens_map.json": {
                "bos_token": "<|endoftext|>", "eos_token": {**token("<end>"), "normalized": False},
                "pad_token": "[PAD]", "additional_special_tokens": ["<user>"],
            },
        },
    },
    "decoder": {
        "files": {
            "tokenizer_config.json": {
                "tokenizer_class": "GPT2Tokenizer",
                "added_tokens_decoder": {
                    "50256": END, "50257": token("<left>", lstrip=True, normalized=False),
                    "50258": token("<right>", rstrip=True), "50259": token("<both>", lstrip=True, rstrip=True, special=True),
                    "50260": token("COVID-19", normalized=False), "4775": token("word", single_word=True),
                    "31373": token("hello"),
                },
            },
            "added_tokens.json": {"<user>": 50262},
        },
    },
    "prefix space": {
        "files": {
            "tokenizer_config.json": {"add_prefix_space": True, "bos_token": "<s>", "pad_token": "[PAD]"},
            "added_tokens.json": {"<user>": 50257},
        },
    },
    "named only": {
        "files": {
            "tokenizer_config.json": {
                "bos_token": {"__type": "AddedToken", **token("<bos>")}, "additional_special_tokens": ["<user>", "<bot>"],
                "pad_token": "[PAD]", "unk_token": "<unk>", "eos_token": "<end>",
            },
        },
    },
    "no begin": {"files": {"tokenizer_config.json": {"bos_token": None, "eos_token": "<end>"}}},
    "configuration": {"files": {}, "config": {"bos_token_id": 11, "eos_token_id": [13, 50256]}, "begin": 11},
}


def save(directory, weights, config, files):
    for name, content in files.items():
        (directory / name).write_text(json.dumps(content))
    GPT2LMHeadModel(config).save_pretrained(directory)
    model = GPT2LMHeadModel(config)
    missing, unexpected = model.load_state_dict(weights, strict=False)
    assert not unexpected and all("lm_head" in name or "attn.bias" in name for name in missing), (missing, unexpected)
    model.tie_weights()
    model.eval()
    return model


def score(model, tokenizer, begin, text):
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    with torch.no_grad():
        logits = model(torch.tensor([[begin, *ids]])).logits[0, :-1].double()
    return torch.log_softmax(logits, -1)[range(len(ids)), ids].sum().item()


def greedy(model, tokenizer, prompt, ends, count=12):
    ids = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    made = []
    while len(made) < count:
        with torch.no_grad():
            made.append(model(torch.tensor([ids + made])).logits[0, -1].argmax().item())
        if made[-1] in ends:
            break
    return made


def tiny_cases(out):
    vocabulary, merges = gpt2_vocabulary()
    weights = {name: tensor.float() for name, tensor in load_file(TINY / "model.safetensors").items()}
    table = weights["transformer.wte.weight"]
    for name, case in CASES.items():
        with tempfile.TemporaryDirectory() as directory:
            directory = Path(directory)
            (directory / "vocab.json").write_text(json.dumps(vocabulary))
            (directory / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n")
            for file, content in case["files"].items():
                (directory / file).write_text(json.dumps(content))
            shutil.copy(TINY / "config.json", directory)
            tokenizer = AutoTokenizer.from_pretrained(directory)
            more = len(tokenizer) - len(table)
            config = GPT2Config.from_pretrained(TINY, vocab_size=len(tokenizer), **case.get("config", {}))
            grown = torch.cat([table, numbers(more * 64, 0, 1 / 1024).reshape(more, 64)])
            model = save(directory, {**weights, "transformer.wte.weight": grown}, config, {})
            begin = case.get("begin", tokenizer.bos_token_id)
            begin = tokenizer.eos_token_id if begin is None else begin
            out[name] = {
                **case, "tokens": len(tokenizer), "bos": tokenizer.bos_token_id, "eos": tokenizer.eos_token_id, "begin": begin,
                "ids": [tokenizer(text, add_special_tokens=False)["input_ids"] for text in STRINGS],
                "log_likelihood": score(model, tokenizer, begin, TEXT),
            }


def own(out):
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trained.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=2000, special_tokens=["<s>", "</s>", "<unk>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    path = HERE / "own_bpe.json"
    if not path.exists():
        trained.train([str(file) for file in sorted((ROOT / "docs").glob("*.md"))], trainer)
        trained.save(str(path), pretty=False)
    sizes = {"n_layer": 2, "n_embd": 16, "n_head": 2, "n_positions": 64}
    config = GPT2Config(vocab_size=2000, bos_token_id=0, eos_token_id=1, **sizes)
    weights = {}
    for seed, (name, tensor) in enumerate(sorted(GPT2LMHeadModel(config).transformer.state_dict().items())):
        values = numbers(tensor.numel(), seed, 1 / 512).reshape(tensor.shape)
        weights[f"transformer.{name}"] = values + (1.0 if "ln_" in name and name.endswith("weight") else 0.0)
    with tempfile.TemporaryDirectory() as directory:
        directory = Path(directory)
        shutil.copy(path, directory / "tokenizer.json")
        config.save_pretrained(directory)
        named = {"tokenizer_class": "GPT2Tokenizer", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
        model = save(directory, weights, config, {"tokenizer_config.json": named})
        tokenizer = AutoTokenizer.from_pretrained(directory)
        text = "The token `<|endoftext|>` ends a text; the baseline does not, naïve or not."
        free = greedy(model, tokenizer, "The run ends", [])
        out["own"] = {
            "text": text, "ids": tokenizer(text, add_special_tokens=False)["input_ids"], "tokens": len(tokenizer),
            "log_likelihood": score(model, tokenizer, 0, text), "prompt": "The run ends", "greedy": free,
            "tokenizer_config": named,
        }


def main():
    out = {"text": TEXT, "strings": STRINGS, "cases": {}}
    tiny_cases(out["cases"])
    own(out)
    lines = [f"{json.dumps(name)}: {json.dumps(case, ensure_ascii=False)}" for name, case in out.pop("cases").items()]
    parts = [f"{json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}" for name, value in out.items()]
    parts.append('"cases": {\n' + ",\n".join(lines) + "\n}")
    (HERE / "tokenizers.json").write_text("{\n" + ",\n".join(parts) + "\n}\n")


if __name__ == "__main__":
    main()
