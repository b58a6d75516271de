"""Vocabularies trained by Hugging Face's tokenizers library, to compare with and to time (--time). From the project's root:
  python3 bench/peers/tokenizers_train.py < test/text/fixtures/training-cases.json > test/text/fixtures/training-expected.json
A case: {kind, texts or files (corpus.jsonl), special, size, min_frequency, limit_alphabet?, max_token_length?, prefix?,
lower_case?, alphabet?: characters, whole?: true for all of tokenizer.json}.
"""
import hashlib
import json
import sys
import time

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers


def special(token):
    # RoBERTa's mask takes the space before it.
    return AddedToken(token, lstrip=token == "<mask>", normalized=False, special=True)


def train(case):
    given = {name: case[name] for name in ("limit_alphabet", "max_token_length") if case.get(name) is not None}
    shared = dict(vocab_size=case["size"], min_frequency=case["min_frequency"], special_tokens=[special(token) for token in case["special"]], show_progress=False, **given)
    if case["kind"] == "wordpiece":
        prefix = case.get("prefix", "##")
        tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]", continuing_subword_prefix=prefix))
        tokenizer.normalizer = normalizers.BertNormalizer(lowercase=case.get("lower_case", True))
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        tokenizer.decoder = decoders.WordPiece(prefix=prefix)
        trainer = trainers.WordPieceTrainer(continuing_subword_prefix=prefix, initial_alphabet=list(case.get("alphabet", "")), **shared)
    else:
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet() + list(case.get("alphabet", ""))
        trainer = trainers.BpeTrainer(initial_alphabet=alphabet, **shared)
    texts = case.get("texts") or [text for file in case["files"] for text in read_corpus(file)]
    started, cpu = time.perf_counter(), time.process_time()
    tokenizer.train_from_iterator(texts, trainer=trainer)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu
    add_template(tokenizer, case)
    written = json.loads(tokenizer.to_str())
    vocab = written["model"]["vocab"]
    tokens = sorted(vocab, key=vocab.get)
    answer = {"tokens": len(tokens), "tokens_sha256": sha256(tokens)}
    if case["kind"] == "bpe":
        answer["merges_sha256"] = sha256([" ".join(pair) for pair in written["model"]["merges"]])
    else:
        # Their order is that of a hash table: another one each time.
        answer["continuing"] = [token[len(prefix) :] for token in tokens if token.startswith(prefix) and len(token) == len(prefix) + 1]
    if case.get("whole"):
        answer["json"] = written
    return {**answer, "seconds": seconds, "cpu_seconds": cpu_seconds} if "--time" in sys.argv else answer


def read_corpus(file):
    with open(file, encoding="utf-8") as lines:
        documents = [json.loads(line) for line in lines]
    return [f"{d['title']} {d['text']}" if d.get("title") else d["text"] for d in documents]


def sha256(strings):
    return hashlib.sha256("\n".join(strings).encode()).hexdigest()


def add_template(tokenizer, case):
    pair = lambda token: (token, tokenizer.token_to_id(token))
    if case["kind"] == "bpe" and "</s>" in case["special"]:
        tokenizer.post_processor = processors.RobertaProcessing(pair("</s>"), pair("<s>"), True, False)
    elif "[SEP]" in case["special"]:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[pair("[CLS]"), pair("[SEP]")]
        )


json.dump([train(case) for case in json.load(sys.stdin)], sys.stdout, ensure_ascii=False, indent=1)
print()
