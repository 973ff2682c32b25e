"""ground in WebAssembly takes the flags of ground and answers as it does: the same tokens, the same texts, the same errors.

usage: ground_test.py NODE GROUND_MJS GROUND SOURCE
"""

import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time

NODE, MODULE, NATIVE, SOURCE = sys.argv[1:5]
SHAPES = os.path.join(SOURCE, "data/pictures/shapes.png")
ENVIRONMENT = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}


def run(program, *flags, stdin=None, environment=None):
    done = subprocess.run([*program, *flags], input=stdin, capture_output=True, env={**ENVIRONMENT, **(environment or {})})
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def web(*flags, **settings):
    return run([NODE, MODULE], *flags, **settings)


def native(*flags, **settings):
    return run([NATIVE, "--threads", "1"], *flags, **settings)


def answers(text):
    """What must be the same of each line of JSON; scores are compared apart, as float sums differ between instruction sets."""
    lines = []
    for line in text.splitlines():
        answer = json.loads(line)
        items = [{k: v for k, v in item.items() if "score" not in k} for item in answer["items"]]
        lines.append({k: answer[k] for k in ("width", "height", "query", "answer", "token_ids", "stop")} | {"items": items})
    return lines


def same_answers(*flags, count=1, **settings):
    code, found, err = web(*flags, "--json", **settings)
    assert code == 0, (flags, code, err)
    expected = native(*flags, "--json", **settings)[1]
    assert len(found.splitlines()) == count, (flags, found)
    assert answers(found) == answers(expected), (flags, found, expected)
    for ours, theirs in zip(found.splitlines(), expected.splitlines()):
        for one, other in zip(json.loads(ours)["items"], json.loads(theirs)["items"]):
            assert abs(one["score"] - other["score"]) < 0.01, (flags, one, other)


def same_text(*flags, **settings):
    ours, theirs = web(*flags, **settings), native(*flags, **settings)
    assert ours[:2] == theirs[:2], (flags, ours, theirs)
    return ours


def pad_weights(path, padding):
    """Puts a tensor of `padding` zeros, a hole in the file, before the others."""
    with open(path, "rb") as file:
        header, data = json.loads(file.read(struct.unpack("<Q", file.read(8))[0])), file.read()
    for name, tensor in header.items():
        if name != "__metadata__":
            tensor["data_offsets"] = [padding + at for at in tensor["data_offsets"]]
    header["padding"] = {"dtype": "U8", "shape": [padding], "data_offsets": [0, padding]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 64)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.seek(padding, os.SEEK_CUR)
        file.write(data)


# Pictures from a file and from stdin, tasks, modes, weights and tiles.
same_answers("--image", SHAPES, "--phrase", "red circle", "--phrase", "blue ring", count=2)
with open(SHAPES, "rb") as file:
    same_answers("--image", "-", "--task", "detect", "--categories", "green star, blue ring", stdin=file.read())
for mode in ("slow", "fast"):
    same_answers("--image", SHAPES, "--generation-mode", mode)
for weights in ("q8", "q4", "f32"):
    same_answers("--image", SHAPES, "--phrase", "green star", "--weights", weights)
same_answers("--image", SHAPES, "--tile", "112:0.25", "--phrase", "green star")
same_answers("--query", "Locate a single instance that matches the following description: red circle.",
             environment={"LA_IMAGE": SHAPES})

# Every number that a flag takes: this build parses them by itself.
same_answers("--image", SHAPES, "--temperature", "0.7", "--seed", "3", "--top-p", "9e-1")
for wrong in (("--temperature", "+1"), ("--temperature", " 1"), ("--temperature", "0x1"), ("--temperature", "1x"), ("--temperature", ""),
              ("--min-score", "-0.5"), ("--min-score", "."), ("--seed", "1.5"), ("--frob",), ("--weights", "q5")):
    code, out, err = web("--image", SHAPES, *wrong)
    assert (code, out) == (2, ""), (wrong, code, out, err)
    assert err == native("--image", SHAPES, *wrong)[2], (wrong, err)

# A checkpoint of more than 2 GB, whose weights lie above 2 GB in the file and in memory.
with tempfile.TemporaryDirectory() as folder:
    room = int(re.search(r"MemAvailable: *(\d+)", open("/proc/meminfo").read())[1]) * 1024
    if room < 4 << 30:
        print("skipped: a large checkpoint needs 4 GB of memory")
    else:
        shutil.copytree(os.path.join(SOURCE, "data/shapes"), folder, dirs_exist_ok=True)
        pad_weights(os.path.join(folder, "model.safetensors"), 2200 << 20)
        same_answers("--model-dir", folder, "--image", SHAPES, "--phrase", "red circle")

# Failures have the native message and exit code.
for flags in (("--image", "/nonexistent.png"), ("--model-dir", "/nonexistent"), ("--image", SOURCE)):
    ours, theirs = web(*flags), native(*flags)
    assert ours[0] == theirs[0] == 1 and ours[1] == "" and ours[2].splitlines()[-1] == theirs[2].splitlines()[-1], (flags, ours, theirs)

code, out, _ = web("--isa", "list")
assert code == 0 and re.search(r"^wasm \(WebAssembly with simd128\): runs here$", out, re.M), out
assert web("--isa", "avx2")[0] == 2

# On several threads: the very numbers of one, which another program computes.
def untimed(text):
    lines = [json.loads(line) for line in text.splitlines()]
    return [{name: value for name, value in line.items() if name not in ("seconds", "tokens_per_second", "peak_rss_mb")} for line in lines]


WORD = ("--image", SHAPES, "--phrase", "red circle", "--phrase", "green star", "--json")
for weights, isa in (("bf16", "wasm"), ("q8", "wasm"), ("q4", "wasm"), ("q8", "scalar")):
    one, *more = [web(*WORD, "--weights", weights, "--isa", isa, *threads) for threads in ((), ("--threads", "2"), ("--threads=3",))]
    assert one[0] == 0 and len(untimed(one[1])) == 2, one
    for other in more:
        assert other[0] == 0 and untimed(other[1]) == untimed(one[1]), (weights, isa, other, one)

# With the files, the input and the exit codes of one, and with that many.
with open(SHAPES, "rb") as file:
    same_answers("--image", "-", "--phrase", "blue ring", "--threads", "2", stdin=file.read())
for flags in (("--image", "/nonexistent.png"), ("--weights", "q5")):
    ours, theirs = web(*flags, "--threads", "2"), native(*flags)
    assert ours[:2] == theirs[:2] and ours[2].splitlines()[-1] == theirs[2].splitlines()[-1], (flags, ours, theirs)
with subprocess.Popen([NODE, MODULE, *WORD, "--threads", "3"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=ENVIRONMENT) as three, \
        subprocess.Popen([NODE, MODULE, *WORD], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=ENVIRONMENT) as one:
    most = {three.pid: 0, one.pid: 0}
    while three.poll() is None or one.poll() is None:
        for process in (three, one):
            try:
                most[process.pid] = max(most[process.pid], len(os.listdir(f"/proc/{process.pid}/task")))
            except FileNotFoundError:  # it ended
                pass
        time.sleep(0.005)
# A worker of node has the program's thread alone; main() runs on one too.
assert most[three.pid] >= most[one.pid] + 3, most

same_text("--version")
helps = [re.sub("JPEG, PNG[^;]*;", "", text) for text in (web("--help")[1], native("--help")[1])]
assert helps[0] == helps[1] and "--image" in helps[0], helps

# A picture is drawn into a file; nothing that only a terminal wants is on stderr.
with tempfile.TemporaryDirectory() as folder:
    drawn = os.path.join(folder, "out.png")
    code, _, err = web("--image", SHAPES, "--annotate", drawn)
    assert code == 0 and f"wrote {drawn}" in err and "\r" not in err, (code, err)
    with open(drawn, "rb") as file:
        assert file.read(8) == b"\x89PNG\r\n\x1a\n"
    assert int(re.search(r"peak (\d+) MB", err)[1]) > 10, err
