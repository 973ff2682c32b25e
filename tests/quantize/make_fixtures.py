#!/usr/bin/env python3
"""Write small 4-bit weights in every packing, from random integers, with the values they stand for.

Needs no packages beyond the standard library, and shares no code with the loader: each packing is written from the
description of its own tool.

    make_fixtures.py DIR    # DIR/NAME/model.safetensors, each with tensor "w" packed and "w.expected", F32 [N, K]
"""
import json, os, random, struct, sys


def safetensors(path, tensors):
    head, at = {}, 0
    for name, (dtype, shape, data) in tensors.items():
        head[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(data)]}
        at += len(data)
    text = json.dumps(head).encode()
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(d for _, _, d in tensors.values()))


def f32(x):
    return struct.unpack("<f", struct.pack("<f", x))[0]


def words(values):
    return struct.pack(f"<{len(values)}I", *values)


def pack(nibbles):
    """Eight nibbles, the first one lowest."""
    return sum(q << (4 * j) for j, q in enumerate(nibbles))


AWQ_ORDER = [0, 2, 4, 6, 1, 3, 5, 7]


def weight(rng, n, k, g, zero_range, negative, order):
    groups = k // g
    q = [[rng.randrange(16) for _ in range(n)] for _ in range(k)]
    zero = [[rng.randint(*zero_range) for _ in range(n)] for _ in range(groups)]
    half = [[struct.pack("<e", (rng.choice((-1, 1)) if negative else 1) * rng.uniform(1e-5, 0.02)) for _ in range(n)]
            for _ in range(groups)]
    scale = [[struct.unpack("<e", h)[0] for h in row] for row in half]
    group_of = [i // g for i in range(k)]
    if order == "shuffled":
        rng.shuffle(group_of)
    expected = [f32(scale[group_of[i]][o] * (q[i][o] - zero[group_of[i]][o])) for o in range(n) for i in range(k)]
    return q, zero, half, group_of, expected


def fixture(root, name, layout, n, k, g, *, minus_one=False, symmetric=False, negative=False, order=None, config=None):
    rng = random.Random(name)
    # Stored minus one, a zero is 1..16; stored as it is, 0..15.
    zero_range = (8, 8) if symmetric else (1, 16) if minus_one else (0, 15)
    q, zero, half, group_of, expected = weight(rng, n, k, g, zero_range, negative, order)
    groups = k // g
    if layout == "gptq":
        qweight = [pack([q[8 * r + j][o] for j in range(8)]) for r in range(k // 8) for o in range(n)]
        qzeros = [pack([zero[h][8 * c + j] - minus_one for j in range(8)]) for h in range(groups) for c in range(n // 8)]
        shape = [k // 8, n]
    else:
        qweight = [pack([q[i][8 * c + j] for j in AWQ_ORDER]) for i in range(k) for c in range(n // 8)]
        qzeros = [pack([zero[h][8 * c + j] for j in AWQ_ORDER]) for h in range(groups) for c in range(n // 8)]
        shape = [k, n // 8]
    tensors = {
        "w.qweight": ("I32", shape, words(qweight)),
        "w.qzeros": ("I32", [groups, n // 8], words(qzeros)),
        "w.scales": ("F16", [groups, n], b"".join(b"".join(row) for row in half)),
        "w.expected": ("F32", [n, k], struct.pack(f"<{n * k}f", *expected)),
    }
    if order:
        tensors["w.g_idx"] = ("I32", [k], struct.pack(f"<{k}i", *group_of))
    safetensors(os.path.join(root, name, "model.safetensors"), tensors)
    with open(os.path.join(root, name, "fixture.json"), "w") as f:
        json.dump({"outputs": n, "inputs": k, "config": config}, f)


def main(root):
    gptq = lambda g, **more: {"bits": 4, "group_size": g, "quant_method": "gptq", **more}
    rounded = lambda g, packing: {"bits": 4, "group_size": g, "quant_method": "auto-round", "packing_format": packing}
    fixture(root, "gptq", "gptq", 40, 256, 128, minus_one=True, config=gptq(128))
    fixture(root, "gptq_v2", "gptq", 40, 256, 128, config=gptq(128, checkpoint_format="gptq_v2"))
    fixture(root, "gptq_ordered", "gptq", 24, 128, 32, minus_one=True, order="plain", config=gptq(32))
    fixture(root, "gptq_shuffled", "gptq", 24, 128, 32, minus_one=True, order="shuffled", config=gptq(32))
    fixture(root, "gptq_g64", "gptq", 24, 192, 64, minus_one=True, config=gptq(64))
    fixture(root, "gptq_g24", "gptq", 16, 96, 24, minus_one=True, config=gptq(24))
    fixture(root, "gptq_one_group", "gptq", 16, 200, 200, minus_one=True, config=gptq(-1))
    fixture(root, "autoround", "gptq", 40, 256, 128, minus_one=True, symmetric=True, negative=True,
            config=rounded(128, "auto_round:auto_gptq"))
    fixture(root, "autoround_plain", "gptq", 40, 256, 128, negative=True, config=rounded(128, "auto_round"))
    fixture(root, "autoround_gptqmodel", "gptq", 40, 256, 128, config=rounded(128, "auto_round:gptqmodel"))
    fixture(root, "no_config_sevens", "gptq", 16, 128, 32, minus_one=True, symmetric=True, negative=True)
    fixture(root, "no_config_eights", "gptq", 16, 128, 32, symmetric=True, negative=True)
    fixture(root, "awq", "awq", 40, 256, 128, config={"bits": 4, "group_size": 128, "quant_method": "awq"})
    fixture(root, "autoround_awq", "awq", 40, 256, 32, negative=True, config=rounded(32, "auto_round:auto_awq"))
    fixture(root, "awq_no_config", "awq", 16, 136, 136)


main(sys.argv[1])
