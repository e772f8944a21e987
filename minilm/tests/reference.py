"""Makes reference.json: token ids and vectors of all-MiniLM-L6-v2 by an independent implementation.

Tokens come from the reference tokeniser, vectors from plain NumPy in double precision. Run, in a virtual
environment with `pip install numpy tokenizers`:

    python reference.py MODEL_DIR > reference.json

where MODEL_DIR holds model.safetensors and tokenizer.json.
"""

import json
import math
import struct
import sys
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

TEXTS = [
    "Ownership is a set of rules that govern how a Rust program manages memory.",
    "What happens when a value goes out of scope?",
    "Café, naïve façade — Ångström's “déjà vu”; ﬁne print: ½ of £5 & 10‰.",
    "東京は日本の首都です。机器学习是人工智能的一个分支。 한국어 문장도 있습니다.",
    "Deploy it 🚀🚀, then celebrate 🎉! 👩‍💻 ships code… हिन्दी में भी, и по-русски; بالعربية.",
    " \t\n",
    "fn main() { let x: Vec<u8> = vec![0; 32]; println!(\"{x:?}\"); } // snake_case_name == CamelCase::new()?",
    "Control\u0000 char\u200bacters,\u00a0odd\u2003blanks\ufffd and a " + "very" * 30 + " long word.",
    "A transaction groups several statements into one unit that either commits or rolls back. " * 30,
]


def load(path):
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    tensors = {}
    for name, entry in json.loads(data[8 : 8 + length]).items():
        if name != "__metadata__" and entry["dtype"] == "F32":
            start, end = (8 + length + offset for offset in entry["data_offsets"])
            values = np.frombuffer(data[start:end], dtype="<f4").astype(np.float64)
            tensors[name] = values.reshape(entry["shape"])
    return tensors


def norm(w, name, x):
    x = x - x.mean(-1, keepdims=True)
    x = x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-12)
    return x * w[name + ".weight"] + w[name + ".bias"]


def dense(w, name, x):
    return x @ w[name + ".weight"].T + w[name + ".bias"]


def heads(x):
    return x.reshape(len(x), 12, 32).transpose(1, 0, 2)


def embed(w, ids):
    x = w["embeddings.word_embeddings.weight"][ids] + w["embeddings.position_embeddings.weight"][: len(ids)]
    x = norm(w, "embeddings.LayerNorm", x + w["embeddings.token_type_embeddings.weight"][0])
    for layer in range(6):
        p = f"encoder.layer.{layer}."
        q, k, v = (heads(dense(w, p + "attention.self." + part, x)) for part in ("query", "key", "value"))
        scores = q @ k.transpose(0, 2, 1) / math.sqrt(32)
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        scores = scores / scores.sum(-1, keepdims=True)
        attended = (scores @ v).transpose(1, 0, 2).reshape(len(ids), 384)
        x = norm(w, p + "attention.output.LayerNorm", x + dense(w, p + "attention.output.dense", attended))
        wide = dense(w, p + "intermediate.dense", x)
        wide = wide * 0.5 * (1 + np.vectorize(math.erf)(wide / math.sqrt(2)))
        x = norm(w, p + "output.LayerNorm", x + dense(w, p + "output.dense", wide))
    mean = x.mean(0)
    return mean / np.linalg.norm(mean)


def main():
    directory = Path(sys.argv[1])
    tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
    # The packaged file truncates and pads to 128; the model is used with 256 and without padding.
    tokenizer.enable_truncation(256)
    tokenizer.no_padding()
    weights = load(directory / "model.safetensors")
    cases = []
    for text in TEXTS:
        ids = tokenizer.encode(text).ids
        vector = [round(float(value), 7) for value in embed(weights, ids)]
        cases.append({"text": text, "tokens": ids, "vector": vector})
    lines = ",\n".join(json.dumps(case, ensure_ascii=False, separators=(",", ":")) for case in cases)
    print(f"[\n{lines}\n]")


main()
