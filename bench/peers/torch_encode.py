"""Encoding with transformers on PyTorch: batches of 32 texts of like length, padded within the batch, as sentence-transformers does it."""
import torch
from serve import read_json, serve, write_floats
from torch_model import finish, load, open_torch, padded, vectors

BATCH = 32


def prepare(request):
    texts = read_json(request["ids"])
    model = load(request["model"]).eval()
    order = sorted(range(len(texts)), key=lambda i: -len(texts[i]))

    @torch.inference_mode()
    def encode():
        rows = {}
        for first in range(0, len(order), BATCH):
            chosen = order[first : first + BATCH]
            made = vectors(model, padded([texts[i] for i in chosen]), request["pooling"], request["normalize"])
            rows.update(zip(chosen, made.cpu()))
        finish()
        return torch.stack([rows[i] for i in range(len(texts))])

    write_floats(request["out"], encode().flatten().tolist())
    return encode


serve(open_torch, prepare)
