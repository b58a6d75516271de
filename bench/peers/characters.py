"""What Hugging Face's tokenizers library makes of every character in each kind of pipeline, as hashes. From the project's root:
  python3 bench/peers/characters.py > test/text/fixtures/characters.json
"""
import hashlib
import json

from tokenizers import Regex, normalizers as N, pre_tokenizers as P

CL100K = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
plain = P.WhitespaceSplit()
pipelines = [
    (N.BertNormalizer(), P.BertPreTokenizer()),
    (N.BertNormalizer(lowercase=False), P.BertPreTokenizer()),
    (None, P.ByteLevel(add_prefix_space=False)),
    (None, P.Sequence([P.Split(Regex(CL100K), "isolated"), P.ByteLevel(add_prefix_space=False, use_regex=False)])),
    (N.NFC(), plain),
    (N.NFD(), plain),
    (N.NFKC(), plain),
    (N.NFKD(), plain),
    (N.Lowercase(), P.Whitespace()),
    (N.Sequence([N.NFD(), N.StripAccents()]), P.Punctuation()),
    (N.Nmt(), P.Digits(individual_digits=True)),
]
# First and last of a stretch. Left out: surrogates, and what all of it is alike (ideographs, Hangul, Tangut, private use).
stretches = [(0x1, 0x33FF), (0x4DC0, 0x4E0F), (0x9FF0, 0xAC0F), (0xD790, 0xD7FF), (0xF8F0, 0x1700F), (0x18CF0, 0x2000F), (0xE0000, 0xE01FF)]
BLOCK = 1024


def text_of(code):
    return f"a{chr(code)}b {chr(code)}{chr(code)}1"


def hashes(normalizer, pre_tokenizer):
    codes = [code for first, last in stretches for code in range(first, last + 1)]
    lines = []
    for code in codes:
        text = normalizer.normalize_str(text_of(code)) if normalizer else text_of(code)
        lines.append("\x01".join(word for word, _ in pre_tokenizer.pre_tokenize_str(text)))
    blocks = ["\x02".join(lines[i : i + BLOCK]) for i in range(0, len(lines), BLOCK)]
    return [hashlib.sha256(block.encode()).hexdigest()[:12] for block in blocks]


def written(part):
    return json.loads(part.__getstate__()) if part else None


rows = [{"normalizer": written(n), "pre_tokenizer": written(p), "hashes": hashes(n, p)} for n, p in pipelines]
print(json.dumps({"stretches": stretches, "block": BLOCK, "pipelines": rows}, indent=1))
