"""Writes tests/golden/checkpoints/: one small GPT-2 in the formats of PyTorch, transformers, nanoGPT and llm.c.

    pip install torch transformers safetensors
    python tests/golden/make_checkpoints.py

All files have the same weights, which are exact in bf16. In `zero_bias` all biases are zero; nanoGPT with `bias=False` does not
store them.
"""

import json
import struct
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import GPT2Config, GPT2LMHeadModel

OUT = Path(__file__).parent / "checkpoints"
LAYERS, WIDTH, HEADS, CONTEXT, VOCABULARY, PADDED = 2, 8, 2, 16, 4, 128
TRANSPOSED = ("attn.c_attn.weight", "attn.c_proj.weight", "mlp.c_fc.weight", "mlp.c_proj.weight")


def model(activation, bias):
    torch.manual_seed(0)
    config = GPT2Config(
        n_layer=LAYERS, n_embd=WIDTH, n_head=HEADS, n_positions=CONTEXT, vocab_size=VOCABULARY,
        activation_function=activation, bos_token_id=3, eos_token_id=3,
    )
    made = GPT2LMHeadModel(config)
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            is_norm = "ln_" in name and name.endswith("weight")
            parameter.copy_((torch.randn_like(parameter) * 0.3 + is_norm).bfloat16().float())
            if name.endswith("bias") and not bias:
                parameter.zero_()
    return made


def save_transformers(directory, made):
    made.save_pretrained(directory, safe_serialization=True)
    (directory / "generation_config.json").unlink(missing_ok=True)
    (directory / "vocab.json").write_text(json.dumps({"a": 0, "b": 1, "ab": 2, "<|endoftext|>": 3}))
    (directory / "merges.txt").write_text("#version: 0.2\na b\n")


@dataclass
class GPTConfig:
    """The configuration of build-nanogpt's train_gpt2.py, which it saves beside the state dict."""

    block_size: int = CONTEXT
    vocab_size: int = VOCABULARY
    n_layer: int = LAYERS
    n_head: int = HEADS
    n_embd: int = WIDTH


class NanoGpt(torch.nn.Module):
    """The parameters of nanoGPT's model.py: linear layers where transformers has Conv1D, a tied lm_head."""

    def __init__(self, made, bias):
        super().__init__()
        linear, norm = torch.nn.Linear, torch.nn.LayerNorm

        def block():
            attention = torch.nn.ModuleDict(
                {"c_attn": linear(WIDTH, 3 * WIDTH, bias=bias), "c_proj": linear(WIDTH, WIDTH, bias=bias)}
            )
            mlp = torch.nn.ModuleDict(
                {"c_fc": linear(WIDTH, 4 * WIDTH, bias=bias), "c_proj": linear(4 * WIDTH, WIDTH, bias=bias)}
            )
            return torch.nn.ModuleDict(
                {"ln_1": norm(WIDTH, bias=bias), "attn": attention, "ln_2": norm(WIDTH, bias=bias), "mlp": mlp}
            )

        self.transformer = torch.nn.ModuleDict(
            {
                "wte": torch.nn.Embedding(VOCABULARY, WIDTH),
                "wpe": torch.nn.Embedding(CONTEXT, WIDTH),
                "h": torch.nn.ModuleList([block() for _ in range(LAYERS)]),
                "ln_f": norm(WIDTH, bias=bias),
            }
        )
        self.lm_head = linear(WIDTH, VOCABULARY, bias=False)
        self.transformer.wte.weight = self.lm_head.weight
        theirs = made.state_dict()
        with torch.no_grad():
            for name, parameter in self.state_dict().items():
                values = theirs[name]
                parameter.copy_(values.T if name.endswith(TRANSPOSED) else values)


def save_trainers(directory, made):
    """`log_dir/model_00100.pt` of build-nanogpt and its copies, whose linear layers are those of nanoGPT's model."""
    state = NanoGpt(made, bias=True).state_dict()
    for name, legacy in (("model_00100.pt", False), ("model_00100.legacy.pt", True)):
        checkpoint = {"model": state, "config": GPTConfig(), "step": 100, "val_loss": 5.0}
        torch.save(checkpoint, directory / name, _use_new_zipfile_serialization=not legacy)


def save_nano_gpt(path, made, bias, compiled):
    nano = NanoGpt(made, bias)
    optimizer = torch.optim.AdamW(nano.parameters(), lr=0.0, weight_decay=0.0)
    sum(parameter.sum() for parameter in nano.parameters()).backward()
    optimizer.step()
    state = nano.state_dict()
    if compiled:
        # As `torch.compile` does, whose metadata stays that of the module inside.
        for name in list(state):
            state["_orig_mod." + name] = state.pop(name)
    arguments = {
        "n_layer": LAYERS, "n_head": HEADS, "n_embd": WIDTH, "block_size": CONTEXT, "bias": bias,
        "vocab_size": VOCABULARY, "dropout": 0.0,
    }
    checkpoint = {
        "model": state,
        "optimizer": optimizer.state_dict(),
        "model_args": arguments,
        "iter_num": 2000,
        "best_val_loss": torch.tensor(3.25),
        "config": {"out_dir": "out", "learning_rate": 6e-4, "compile": compiled, "seed": 2**40, "init_from": None},
    }
    torch.save(checkpoint, path)


def save_llm_c(path, made, dtype, version):
    """llm.c's train_gpt2.py: write_model, write_tensors."""
    header = torch.zeros(256, dtype=torch.int32)
    header[:8] = torch.tensor([20240326, version, CONTEXT, VOCABULARY, LAYERS, HEADS, WIDTH, PADDED])
    theirs = made.state_dict()
    parameters = {
        name.removeprefix("transformer."): values.T if name.endswith(TRANSPOSED) else values
        for name, values in theirs.items()
    }
    parameters["wte.weight"] = torch.nn.functional.pad(parameters["wte.weight"], (0, 0, 0, PADDED - VOCABULARY))
    kinds = [
        "ln_1.weight", "ln_1.bias", "attn.c_attn.weight", "attn.c_attn.bias", "attn.c_proj.weight",
        "attn.c_proj.bias", "ln_2.weight", "ln_2.bias", "mlp.c_fc.weight", "mlp.c_fc.bias", "mlp.c_proj.weight",
        "mlp.c_proj.bias",
    ]
    order = ["wte.weight", "wpe.weight"]
    order += [f"h.{layer}.{kind}" for kind in kinds for layer in range(LAYERS)]
    order += ["ln_f.weight", "ln_f.bias"]
    with open(path, "wb") as file:
        file.write(header.numpy().tobytes())
        for name in order:
            values = parameters[name].detach().to(dtype).contiguous().flatten()
            if dtype == torch.bfloat16:
                values = values.view(torch.int16)
            file.write(values.numpy().tobytes())


def main():
    torch.use_deterministic_algorithms(True)
    for name, activation, bias in [("gelu_new", "gelu_new", True), ("gelu", "gelu", True), ("zero_bias", "gelu", False)]:
        made = model(activation, bias)
        directory = OUT / name
        directory.mkdir(parents=True, exist_ok=True)
        save_transformers(directory, made)
        if name == "gelu_new":
            torch.save(made.state_dict(), directory / "f32.bin")
            torch.save(made.bfloat16().state_dict(), directory / "bf16.bin")
            made = made.float()
            torch.save(made.state_dict(), directory / "legacy.bin", _use_new_zipfile_serialization=False)
            made.save_pretrained(directory / "sharded", max_shard_size="3KB")
            (directory / "sharded" / "generation_config.json").unlink(missing_ok=True)
            save_llm_c(directory / "llm_c_f32.bin", made, torch.float32, 3)
            save_llm_c(directory / "llm_c_bf16.bin", made, torch.bfloat16, 5)
            save_trainers(directory, made)
        else:
            save_nano_gpt(directory / "ckpt.pt", made, bias, compiled=bias)
    print(sum(path.stat().st_size for path in OUT.rglob("*") if path.is_file()), "bytes", struct.calcsize("P") * 8, "bit")


if __name__ == "__main__":
    main()
