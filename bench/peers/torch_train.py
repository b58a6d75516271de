"""A retriever's training step on PyTorch (LoRA by peft): InfoNCE over the passages of the batch, dropout on, clipping, AdamW."""
import peft
import torch
from serve import read_json, serve, write_floats
from torch_model import finish, load, open_torch, padded, vectors


def trained_model(request):
    model = load(request["model"])
    if request["method"] == "lora":
        lora = request["lora"]
        settings = peft.LoraConfig(
            r=lora["rank"], lora_alpha=lora["alpha"], lora_dropout=lora["dropout"], target_modules=lora["targets"]
        )
        model = peft.get_peft_model(model, settings)
    return model


def prepare(request):
    torch.manual_seed(1)
    ids = read_json(request["ids"])
    model = trained_model(request)
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=request["rate"])

    def loss_of(batch):
        query, passage = (vectors(model, padded(batch[side])) for side in ("query", "passage"))
        scores = query @ passage.T / request["temperature"]
        return torch.nn.functional.cross_entropy(scores, torch.arange(len(scores), device=scores.device))

    def step(batch):
        loss = loss_of(batch)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        return loss.item()

    model.eval()
    loss = loss_of(ids["check"])
    loss.backward()
    norm = torch.sqrt(sum((p.grad.double() ** 2).sum() for p in parameters if p.grad is not None))
    write_floats(request["out"], [loss.item(), norm.item()])
    model.train()

    def steps():
        for batch in ids["batches"]:
            step(batch)
        finish()

    steps()
    return steps


serve(open_torch, prepare)
