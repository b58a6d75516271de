"""Hugging Face's tokenizers, in Rust, on one thread. Texts are neither padded nor cut."""
import os

import tokenizers
from serve import read_json, serve, write_floats


def open_library(request):
    parallel = os.environ.get("TOKENIZERS_PARALLELISM") == "true"
    return {"name": f"tokenizers {tokenizers.__version__}", "threads": request["threads"] if parallel else 1}


def prepare(request):
    texts = read_json(request["texts"])
    tokenizer = tokenizers.Tokenizer.from_file(os.path.join(request["model"], "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    encode = getattr(tokenizer, "encode_batch_fast", tokenizer.encode_batch)
    # Of each text how many ids it has, then its ids.
    write_floats(request["out"], [value for text in encode(texts) for value in (len(text.ids), *text.ids)])
    return lambda: encode(texts)


serve(open_library, prepare)
