"""Writes positions.json: log-likelihoods of a text under models with other contexts than 1,024 tokens, by transformers.

    venv/bin/pip install torch transformers==5.24.0
    venv/bin/python tests/golden/make_positions.py models/tiny-3M gpt2 tasks/cbt-cn/sample.txt tests/golden/positions.json

The second argument is GPT-2's tokenizer: its name on the hub, or a directory. The models are tiny-3M with more or fewer positions. The windows are those of lm-evaluation-harness 0.4.13
(`get_rolling_token_windows` with `context_len=1` and `make_disjoint_window`), or overlap with a stride.
"""

import json
import re
import sys

import torch
from transformers import GPT2LMHeadModel, GPT2Tokenizer

MODEL, TOKENIZER, TEXT, OUT = sys.argv[1:5]
WORDS = 3000

words = re.findall(r"[a-z]+", open(TEXT, encoding="utf-8").read().lower())[:WORDS]
text = " ".join(words) + "\n"
tokenizer = GPT2Tokenizer.from_pretrained(TOKENIZER)
tokens = tokenizer(text)["input_ids"]
stream = [50256, *tokens]


def model(positions):
    known = GPT2LMHeadModel.from_pretrained(MODEL, dtype=torch.float32).eval()
    wpe = known.transformer.wpe.weight.data
    wpe = torch.cat([wpe, wpe.flip(0)])[:positions]
    known.transformer.wpe = torch.nn.Embedding.from_pretrained(wpe)
    for block in known.transformer.h:
        block.attn.bias = torch.tril(torch.ones(positions, positions, dtype=torch.bool))[None, None]
    known.config.n_positions = positions
    return known


@torch.no_grad()
def log_likelihood(known, context, stride):
    total, scored, windows = 0.0, 0, 0
    while scored < len(tokens):
        end = min(len(tokens), context if scored == 0 else scored + stride)
        first = max(0, end - context)
        logits = known(torch.tensor([stream[first:end]])).logits[0].double().log_softmax(-1)
        targets = torch.tensor(stream[scored + 1 : end + 1])
        total += logits[scored - first :].gather(1, targets[:, None]).sum().item()
        scored, windows = end, windows + 1
    return {"log_likelihood": total, "windows": windows}


found = {"words": len(words), "tokens": len(tokens), "cases": []}
for positions, context, stride in [(2048, 2048, 2048), (2048, 1024, 32), (2048, 2048, 256), (512, 512, 512), (512, 512, 32)]:
    case = {"n_positions": positions, "context": context, "stride": stride}
    found["cases"].append({**case, **log_likelihood(model(positions), context, stride)})
with open(OUT, "w", encoding="utf-8") as file:
    json.dump(found, file, indent=1)
    file.write("\n")
