"""Tokens a second and core of all-MiniLM-L6-v2 by onnxruntime, in full precision and after `quantize_dynamic`, over the English
sections and sentences of examples/answers, beside `examples/precision.rs`.

The graph is made here from the published weights: there is no file of it among them.

    pip install numpy safetensors tokenizers onnx onnxruntime
    python minilm/tests/by_onnxruntime.py DIRECTORY_OF_THE_MODEL
"""

import pathlib
import re
import sys
import tempfile
import time

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from safetensors.numpy import load_file
from tokenizers import Tokenizer

MODEL = pathlib.Path(sys.argv[1])
CORPUS = pathlib.Path(__file__).parents[2] / "examples" / "answers"
BATCH = 16

weights = load_file(MODEL / "model.safetensors")
constants, nodes = [], []


def constant(values):
    constants.append(numpy_helper.from_array(np.ascontiguousarray(values), f"c{len(constants)}"))
    return constants[-1].name


def node(kind, *inputs, **attributes):
    nodes.append(helper.make_node(kind, inputs, [f"n{len(nodes)}"], name=f"{kind}{len(nodes)}", **attributes))
    return nodes[-1].output[0]


def dense(x, name):
    product = node("MatMul", x, constant(weights[f"{name}.weight"].T))
    return node("Add", product, constant(weights[f"{name}.bias"]))


def norm(x, name):
    gain, bias = (constant(weights[f"{name}.{part}"]) for part in ("weight", "bias"))
    return node("LayerNormalization", x, gain, bias, epsilon=1e-12, axis=-1)


def graph():
    places = weights["embeddings.position_embeddings.weight"] + weights["embeddings.token_type_embeddings.weight"][0]
    words = node("Gather", constant(weights["embeddings.word_embeddings.weight"]), "ids")
    x = norm(node("Add", words, node("Gather", constant(places), "places")), "embeddings.LayerNorm")
    split, merge = constant(np.array([0, 0, 12, 32])), constant(np.array([0, 0, 384]))
    scale, far = constant(np.float32(32**-0.5)), constant(np.float32(1e9))
    missing = node("Mul", node("Sub", "mask", constant(np.float32(1))), far)
    missing = node("Unsqueeze", missing, constant(np.array([1, 2])))
    for layer in range(6):
        layer = f"encoder.layer.{layer}"

        def heads(name, order):
            rows = dense(x, f"{layer}.attention.self.{name}")
            return node("Transpose", node("Reshape", rows, split), perm=order)

        query, key, value = heads("query", [0, 2, 1, 3]), heads("key", [0, 2, 3, 1]), heads("value", [0, 2, 1, 3])
        scores = node("Add", node("Mul", node("MatMul", query, key), scale), missing)
        mixed = node("MatMul", node("Softmax", scores, axis=-1), value)
        mixed = node("Reshape", node("Transpose", mixed, perm=[0, 2, 1, 3]), merge)
        x = norm(node("Add", dense(mixed, f"{layer}.attention.output.dense"), x), f"{layer}.attention.output.LayerNorm")
        wide = node("Gelu", dense(x, f"{layer}.intermediate.dense"))
        x = norm(node("Add", dense(wide, f"{layer}.output.dense"), x), f"{layer}.output.LayerNorm")
    own = node("Mul", x, node("Unsqueeze", "mask", constant(np.array([2]))))
    total = node("ReduceSum", own, constant(np.array([1])), keepdims=0)
    vector = node("LpNormalization", total, axis=-1, p=2)
    inputs = [
        helper.make_tensor_value_info("ids", TensorProto.INT64, ["batch", "length"]),
        helper.make_tensor_value_info("mask", TensorProto.FLOAT, ["batch", "length"]),
        helper.make_tensor_value_info("places", TensorProto.INT64, ["length"]),
    ]
    output = helper.make_tensor_value_info(vector, TensorProto.FLOAT, ["batch", 384])
    made = helper.make_graph(nodes, "minilm", inputs, [output], constants)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


def texts():
    sections, sentences = [], []
    for course in ("astronomy", "bread", "networks"):
        for lesson in sorted((CORPUS / course).glob("*.md")):
            title, body = lesson.read_text().split("\n", 1)
            for section in filter(str.strip, body.split("\n## ")):
                heading, text = section.split("\n", 1)
                sections.append(f"{title.lstrip('# ')} › {heading}\n{text.strip()}")
                parts = re.findall(r"[^.?!\n]*[.?!\n]", text)
                sentences += [f"{heading}: {part.strip()}" for part in parts if len(part.split()) > 3]
    return {"sections": sections, "sentences": sentences}


def embed(session, sequences):
    """Batches of like length, which is the least padding."""
    order = sorted(range(len(sequences)), key=lambda index: len(sequences[index]))
    vectors = np.zeros((len(sequences), 384), np.float32)
    for start in range(0, len(order), BATCH):
        batch = order[start : start + BATCH]
        length = max(len(sequences[index]) for index in batch)
        ids, mask = np.zeros((len(batch), length), np.int64), np.zeros((len(batch), length), np.float32)
        for row, index in enumerate(batch):
            ids[row, : len(sequences[index])], mask[row, : len(sequences[index])] = sequences[index], 1
        vectors[batch] = session.run(None, {"ids": ids, "mask": mask, "places": np.arange(length)})[0]
    return vectors


tokenizer = Tokenizer.from_file(str(MODEL / "tokenizer.json"))
tokenizer.no_padding()
tokenizer.enable_truncation(256)
sequences = {name: [tokenizer.encode(text).ids for text in some] for name, some in texts().items()}
exact = {}
with tempfile.TemporaryDirectory() as directory:
    full, eight, channels = (f"{directory}/{name}.onnx" for name in ("full", "eight", "channels"))
    onnx.save(graph(), full)
    quantize_dynamic(full, eight, weight_type=QuantType.QInt8)
    quantize_dynamic(full, channels, weight_type=QuantType.QInt8, per_channel=True)
    for what, path in (("full", full), ("eight bits", eight), ("eight bits, a scale for each output", channels)):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        for name, some in sequences.items():
            begun = time.process_time()
            vectors = embed(session, some)
            speed = sum(map(len, some)) / (time.process_time() - begun)
            cosines = (vectors * exact.setdefault(name, vectors)).sum(axis=1)
            print(f"{what}, {name}: {speed:.0f} tokens/s, cosine to full {cosines.mean():.4f}, {cosines.min():.4f}")
