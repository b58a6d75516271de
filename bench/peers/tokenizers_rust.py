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
    # Of each text how many numbers follow, then its ids; or its ids, then where each begins and ends, in code points.
    if request.get("offsets"):
        rows = ((*text.ids, *(place for span in text.offsets for place in span)) for text in tokenizer.encode_batch(texts))
    else:
        rows = (text.ids for text in encode(texts))
    write_floats(request["out"], [value for row in rows for value in (len(row), *row)])
    return lambda: encode(texts)


serve(open_library, prepare)
