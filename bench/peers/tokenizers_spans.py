"""Where tokens come from in their texts, as Hugging Face's tokenizers library says: ids, then begins and ends in code points. From the project's root:
  python3 bench/peers/tokenizers_spans.py < test/text/fixtures/spans-cases.json > test/text/fixtures/spans-expected.json
  python3 bench/peers/tokenizers_spans.py folder … > test/text/fixtures/spans-golden.json
The second form: folders with a tokenizer.json (.gz) or BERT's vocab.txt or GPT-2's vocab.json, and golden.jsonl; of each of its lines a digest of the numbers is written.
"""
import gzip
import hashlib
import json
import os
import sys

import tokenizers
from tokenizers import BertWordPieceTokenizer, ByteLevelBPETokenizer, Tokenizer


def numbers(encoding):
    return [encoding.ids, [place for span in encoding.offsets for place in span]]


def of_case(case, texts, pairs):
    tokenizer = Tokenizer.from_str(json.dumps(case["tokenizer"]))
    return {"name": case["name"], "texts": [numbers(tokenizer.encode(text)) for text in texts], "pairs": [numbers(tokenizer.encode(*pair)) for pair in pairs]}


def load(folder):
    path = os.path.join(folder, "tokenizer.json")
    if os.path.exists(os.path.join(folder, "vocab.txt")) and not os.path.exists(path):
        with open(os.path.join(folder, "tokenizer_config.json"), encoding="utf-8") as file:
            lower = json.load(file).get("do_lower_case", True)
        return BertWordPieceTokenizer(os.path.join(folder, "vocab.txt"), lowercase=lower)
    if os.path.exists(os.path.join(folder, "merges.txt")) and not os.path.exists(path):
        tokenizer = ByteLevelBPETokenizer(*(os.path.join(folder, name) for name in ("vocab.json", "merges.txt")))
        tokenizer.add_special_tokens(["<|endoftext|>"])
        return tokenizer
    with open(path, "rb") if os.path.exists(path) else gzip.open(path + ".gz") as file:
        return Tokenizer.from_str(file.read().decode())


def of_folder(folder):
    tokenizer = load(folder)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    digests = []
    with open(os.path.join(folder, "golden.jsonl"), encoding="utf-8") as file:
        for line in map(json.loads, file):
            found = numbers(tokenizer.encode(line["text"], line.get("pair")))
            digests.append(hashlib.sha256(json.dumps(found, separators=(",", ":")).encode()).hexdigest()[:10])
    return digests


result = {"library": f"tokenizers {tokenizers.__version__}"}
if len(sys.argv) > 1:
    result["folders"] = {os.path.basename(folder.rstrip("/")): " ".join(of_folder(folder)) for folder in sys.argv[1:]}
else:
    given = json.load(sys.stdin)
    result["cases"] = [of_case(case, given["texts"], given["pairs"]) for case in given["cases"]]
json.dump(result, sys.stdout, separators=(",", ":"))
print()
