"""Times one kind of forward pass with PyTorch and transformers: the counterpart of `examples/throughput.rs`.

Prints one line of JSON: {"seconds": [of each repeat], "tokens": of one repeat}. Cases:

full    log-probabilities of the next token at all positions
last    log-probabilities at the last position only
decode  greedy generation of --new-tokens tokens after a prompt of --length tokens
"""

import argparse
import json
import time

import torch
from transformers import AutoModelForCausalLM


def prepare(arguments, model):
    """Returns the work of one repeat as a function, and its number of tokens."""
    shape = (arguments.batch, arguments.length)
    tokens = torch.randint(0, model.config.vocab_size - 1, shape, generator=torch.Generator().manual_seed(0))
    targets = torch.cat([tokens[:, 1:], tokens[:, :1]], dim=1).unsqueeze(-1)

    def full():
        logits = model(tokens, use_cache=False).logits
        return torch.log_softmax(logits.float(), dim=-1).gather(-1, targets)

    def last():
        logits = model(tokens, use_cache=False, logits_to_keep=1).logits
        return torch.log_softmax(logits.float(), dim=-1)

    def decode():
        generated = model.generate(
            tokens,
            attention_mask=torch.ones_like(tokens),
            max_new_tokens=arguments.new_tokens,
            do_sample=False,
            use_cache=True,
        )
        assert generated.shape[1] == arguments.length + arguments.new_tokens
        return generated

    if arguments.case == "decode":
        return decode, arguments.batch * arguments.new_tokens
    return {"full": full, "last": last}[arguments.case], tokens.numel()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--case", choices=["full", "last", "decode"], required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--length", type=int, required=True)
    parser.add_argument("--new-tokens", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    arguments = parser.parse_args()

    torch.set_num_threads(arguments.threads)
    dtype = getattr(torch, arguments.dtype)
    model = AutoModelForCausalLM.from_pretrained(arguments.model, dtype=dtype, attn_implementation="sdpa").eval()
    # Random weights may generate the end of the text at any time.
    model.generation_config.eos_token_id = None
    model.generation_config.pad_token_id = 0
    work, tokens = prepare(arguments, model)
    seconds = []
    with torch.inference_mode():
        work()
        for _ in range(arguments.repeats):
            start = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - start)
    print(json.dumps({"seconds": seconds, "tokens": tokens}))


if __name__ == "__main__":
    main()
