"""PyTorch as a rival: the device, a model folder, padded batches of ids and their vectors."""
import torch
import transformers

device = "cpu"


def open_torch(request):
    global device
    torch.set_num_threads(request["threads"])
    # On a GPU full f32 as ours, not TF32.
    device = "cuda" if request.get("device") == "gpu" and torch.cuda.is_available() else "cpu"
    where = torch.cuda.get_device_name() if device == "cuda" else "cpu"
    return {"name": f"torch {torch.__version__} ({where})", "threads": torch.get_num_threads()}


def load(folder):
    config = transformers.AutoConfig.from_pretrained(folder)
    options = {"add_pooling_layer": False} if config.model_type == "bert" else {}
    return transformers.AutoModel.from_pretrained(folder, dtype=torch.float32, **options).to(device)


def padded(texts):
    """-> input_ids and attention_mask (texts, longest)"""
    length = max(map(len, texts))
    ids = torch.tensor([text + [0] * (length - len(text)) for text in texts], device=device)
    mask = torch.tensor([[1] * len(text) + [0] * (length - len(text)) for text in texts], device=device)
    return {"input_ids": ids, "attention_mask": mask}


def vectors(model, inputs, pooling="mean", normalize=True):
    states = model(**inputs).last_hidden_state
    if pooling == "cls":
        pooled = states[:, 0]
    else:
        mask = inputs["attention_mask"].unsqueeze(-1).to(states.dtype)
        pooled = (states * mask).sum(1) / mask.sum(1)
    return torch.nn.functional.normalize(pooled, dim=-1) if normalize else pooled


def finish():
    if device == "cuda":
        torch.cuda.synchronize()
