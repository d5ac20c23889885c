#!/usr/bin/env python3
"""Writes small ONNX transformers into the folder given: the shapes of workloads/models/tiny-*.yaml
and a BERT in miniature, as exporters write them, and a few that are wrong."""
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


class Graph:
    def __init__(self, length):
        self.nodes, self.weights, self.count = [], [], 0
        self.length = length

    def op(self, kind, inputs, outputs=1, **attributes):
        self.count += 1
        names = [f"v{self.count}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, inputs, names, f"{kind}_{self.count}", **attributes))
        return names[0]

    def weight(self, *dims, name=None):
        self.count += 1
        name = name or f"w{self.count}"
        self.weights.append(numpy_helper.from_array(np.zeros(dims, np.float32), name))
        return name

    def ints(self, *values):
        self.count += 1
        name = f"i{self.count}"
        self.weights.append(numpy_helper.from_array(np.array(values, np.int64), name))
        return name

    def scalar(self, value):
        self.count += 1
        name = f"s{self.count}"
        self.weights.append(numpy_helper.from_array(np.array(value, np.float32), name))
        return name

    def linear(self, x, k, n, bias):
        y = self.op("MatMul", [x, self.weight(k, n)])
        return self.op("Add", [y, self.weight(n)]) if bias else y

    def layer_norm(self, x, width):
        return self.op("LayerNormalization", [x, self.weight(width), self.weight(width)], axis=-1)

    def rms_norm(self, x, width):
        square = self.op("Pow", [x, self.scalar(2.0)])
        mean = self.op("ReduceMean", [square], axes=[-1], keepdims=1)
        root = self.op("Sqrt", [self.op("Add", [mean, self.scalar(1e-5)])])
        return self.op("Mul", [self.op("Div", [x, root]), self.weight(width)])

    def decomposed_layer_norm(self, x, width):
        mean = self.op("ReduceMean", [x], axes=[-1], keepdims=1)
        centred = self.op("Sub", [x, mean])
        square = self.op("Pow", [centred, self.scalar(2.0)])
        variance = self.op("ReduceMean", [square], axes=[-1], keepdims=1)
        root = self.op("Sqrt", [self.op("Add", [variance, self.scalar(1e-5)])])
        scaled = self.op("Mul", [self.op("Div", [centred, root]), self.weight(width)])
        return self.op("Add", [scaled, self.weight(width)])

    def heads(self, x, heads, width):
        y = self.op("Reshape", [x, self.ints(1, self.length, heads, width)])
        return self.op("Transpose", [y], perm=[0, 2, 1, 3])

    def rotate(self, x, width):
        cos, sin = (self.weight(self.length, width, name=f"{w}_{self.count}") for w in ("cos", "sin"))
        return self.op("Add", [self.op("Mul", [x, cos]), self.op("Mul", [self.op("Neg", [x]), sin])])

    def attention(self, q, k, v, heads, kv_heads, width, mask):
        if kv_heads < heads:
            k, v = (self.op("Concat", [t] * (heads // kv_heads), axis=1) for t in (k, v))
        scores = self.op("MatMul", [q, self.op("Transpose", [k], perm=[0, 1, 3, 2])])
        scores = self.op("Div", [scores, self.scalar(np.sqrt(width))])
        if mask:
            scores = self.op("Add", [scores, mask])
        mixed = self.op("MatMul", [self.op("Softmax", [scores], axis=-1), v])
        mixed = self.op("Transpose", [mixed], perm=[0, 2, 1, 3])
        return self.op("Reshape", [mixed, self.ints(1, self.length, heads * width)])

    def gelu(self, x):
        half = self.op("Erf", [self.op("Div", [x, self.scalar(1.4142)])])
        return self.op("Mul", [self.op("Mul", [x, self.op("Add", [half, self.scalar(1.0)])]), self.scalar(0.5)])

    def save(self, path, out, dims):
        ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, [1, self.length])
        result = helper.make_tensor_value_info(out, TensorProto.FLOAT, dims)
        graph = helper.make_graph(self.nodes, "g", [ids], [result], self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
        model.ir_version = 8
        onnx.checker.check_model(model)
        onnx.save(model, path)


def gpt2(path, norm="layer_norm", mask=True, odd_layer=False, length=128):
    g = Graph(length)
    table = g.weight(256, 64)
    x = g.op("Gather", [table, "input_ids"])
    x = g.op("Add", [x, g.op("Gather", [g.weight(128, 64), g.ints(*range(0, 1))])])
    triangle = g.op("Trilu", [g.weight(length, length, name="mask")], upper=1) if mask else None
    for layer in range(2):
        ffn = 128 if odd_layer and layer == 1 else 256
        h = getattr(g, norm)(x, 64)
        qkv = g.linear(h, 64, 192, True)
        q, k, v = (f"{qkv}_{p}" for p in "qkv")
        g.nodes.append(helper.make_node("Split", [qkv, g.ints(64, 64, 64)], [q, k, v], axis=-1))
        q, k, v = (g.heads(t, 4, 16) for t in (q, k, v))
        x = g.op("Add", [x, g.linear(g.attention(q, k, v, 4, 4, 16, triangle), 64, 64, True)])
        h = getattr(g, norm)(x, 64)
        x = g.op("Add", [x, g.linear(g.gelu(g.linear(h, 64, ffn, True)), ffn, 64, True)])
    x = getattr(g, norm)(x, 64)
    out = g.op("MatMul", [x, g.op("Transpose", [table], perm=[1, 0])])
    g.save(path, out, [1, length, 256])


def llama(path):
    g = Graph(128)
    x = g.op("Gather", [g.weight(256, 64), "input_ids"])
    mask = g.weight(128, 128, name="causal_mask")
    for _ in range(2):
        h = g.rms_norm(x, 64)
        q = g.rotate(g.heads(g.linear(h, 64, 64, False), 4, 16), 16)
        k = g.rotate(g.heads(g.linear(h, 64, 32, False), 2, 16), 16)
        v = g.heads(g.linear(h, 64, 32, False), 2, 16)
        x = g.op("Add", [x, g.linear(g.attention(q, k, v, 4, 2, 16, mask), 64, 64, False)])
        h = g.rms_norm(x, 64)
        gate = g.linear(h, 64, 176, False)
        gate = g.op("Mul", [gate, g.op("Sigmoid", [gate])])
        up = g.linear(h, 64, 176, False)
        x = g.op("Add", [x, g.linear(g.op("Mul", [gate, up]), 176, 64, False)])
    out = g.linear(g.rms_norm(x, 64), 64, 256, False)
    g.save(path, out, [1, 128, 256])


def bert(path):
    g = Graph(64)
    x = g.op("Gather", [g.weight(300, 64), "input_ids"])
    x = g.op("Add", [x, g.op("Gather", [g.weight(64, 64), g.ints(*range(0, 1))])])
    x = g.op("Add", [x, g.op("Gather", [g.weight(2, 64), g.ints(0)])])
    x = g.layer_norm(x, 64)
    for _ in range(3):
        q, k, v = (g.heads(g.linear(x, 64, 64, True), 4, 16) for _ in range(3))
        x = g.layer_norm(g.op("Add", [x, g.linear(g.attention(q, k, v, 4, 4, 16, None), 64, 64, True)]), 64)
        x = g.layer_norm(g.op("Add", [x, g.linear(g.gelu(g.linear(x, 64, 256, True)), 256, 64, True)]), 64)
    out = g.op("Tanh", [g.linear(x, 64, 64, True)])
    g.save(path, out, [1, 64, 64])


def convolution(path):
    g = Graph(16)
    x = g.op("Gather", [g.weight(50, 8), "input_ids"])
    g.save(path, g.linear(x, 8, 8, False), [1, 16, 8])


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    gpt2(folder / "gpt2.onnx")
    gpt2(folder / "gpt2-decomposed.onnx", norm="decomposed_layer_norm")
    gpt2(folder / "gpt2-unmasked.onnx", mask=False)
    gpt2(folder / "gpt2-odd.onnx", odd_layer=True)
    llama(folder / "llama.onnx")
    bert(folder / "bert.onnx")
    convolution(folder / "no-attention.onnx")


if __name__ == "__main__":
    main()
