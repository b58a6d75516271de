"""Reads folders with sentence-transformers and peft: `python interop.py texts.json folder...` prints {folder: {reader: [[...]]}} as JSON."""

import json
import os
import sys

os.environ["HF_HUB_OFFLINE"] = "1"
import torch
from peft import PeftModel
from sentence_transformers import SentenceTransformer
from transformers import AutoModel, AutoTokenizer

torch.manual_seed(0)
texts = json.load(open(sys.argv[1], encoding="utf-8"))


def by_sentence_transformers(folder):
    model = SentenceTransformer(folder, device="cpu", model_kwargs={"torch_dtype": torch.float32})
    return model.encode(texts, batch_size=4, show_progress_bar=False).tolist()


def by_peft(folder, merged):
    """The mean over tokens, scaled to length 1."""
    config = json.load(open(os.path.join(folder, "adapter_config.json"), encoding="utf-8"))
    base = config["base_model_name_or_path"]
    model = PeftModel.from_pretrained(AutoModel.from_pretrained(base, dtype=torch.float32), folder)
    model = model.merge_and_unload().eval() if merged else model.eval()
    tokens = AutoTokenizer.from_pretrained(folder)(texts, padding=True, truncation=True, max_length=32, return_tensors="pt")
    with torch.no_grad():
        hidden = model(**tokens).last_hidden_state
    mask = tokens["attention_mask"].unsqueeze(-1).float()
    return torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=-1).tolist()


found = {}
for folder in sys.argv[2:]:
    config = os.path.join(folder, "adapter_config.json")
    adapter = json.load(open(config, encoding="utf-8")) if os.path.exists(config) else None
    # transformers 5.23, by which sentence-transformers reads adapters, leaves out DoRA's magnitudes, also in peft's own files.
    use_dora = adapter is not None and adapter["use_dora"]
    found[folder] = {} if use_dora else {"sentence-transformers": by_sentence_transformers(folder)}
    if adapter is not None:
        found[folder]["peft, applied"] = by_peft(folder, False)
        found[folder]["peft, merged"] = by_peft(folder, True)
print(json.dumps(found))
