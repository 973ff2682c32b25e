#!/usr/bin/env python3
"""The library and each program under German and American number formats: 1.234,5 and 1,234.5.

The locales are made here, of the definitions in Debian's package `locales`; nothing on the system changes.
usage: locale_test.py SOURCE_ROOT FOLDER UNIT SET_LOCALE GROUND BATCH QUANTIZE"""
import hashlib, os, re, shutil, subprocess, sys

source, folder, unit, set_locale, ground, batch, quantize = (os.path.abspath(path) for path in sys.argv[1:])
LOCALES = ["de_DE", "en_US"]
definitions = "/usr/share/i18n/locales"
if not shutil.which("localedef") or not all(os.path.exists(f"{definitions}/{name}") for name in LOCALES):
    print("skipped: localedef and", definitions, "were not found: install Debian's package locales")
    sys.exit(77)

locpath = os.path.join(folder, "locales")
os.makedirs(locpath, exist_ok=True)
for name in LOCALES:
    target = f"{locpath}/{name}.UTF-8"
    if not os.path.exists(target):
        subprocess.run(["localedef", "--no-archive", "-i", name, "-f", "UTF-8", target], check=True)

plain = {k: v for k, v in os.environ.items() if not k.startswith("LC_") and k not in ("LANG", "LANGUAGE")}


def environment(name):
    if name == "C":
        return plain
    full = name + ".UTF-8"
    return {**plain, "LOCPATH": locpath, "LC_ALL": full, "LA_TEST_LOCALE": full, "LD_PRELOAD": set_locale}


def run(name, *command, cwd=None):
    done = subprocess.run(command, env=environment(name), cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode != 0:
        sys.exit(f"{name}: {' '.join(command)}: exit code {done.returncode}\n{done.stderr.decode()[-2000:]}"
                 f"{done.stdout.decode()[-2000:]}")
    return done.stdout.decode()


def without_times(text):
    """What two runs of one program need not share."""
    text = re.sub(r'"seconds":\{[^}]*\}', "", text)
    return re.sub(r'"(tokens_per_second|peak_rss_mb)":[^,}]*', "", text)


# The setting itself must bite, or all that follows shows nothing.
probe = run("de_DE", "python3", "-c", "import locale; locale.setlocale(locale.LC_ALL, ''); print(locale.str(1.5))")
if probe.strip() != "1,5":
    sys.exit(f"expected 1,5 of the German locale, found {probe.strip()}")

pictures = os.path.join(source, "data/pictures")
picture = sorted(os.path.join(pictures, p) for p in os.listdir(pictures) if p.endswith(".png"))[0]


def outputs(name):
    """Name -> text or digest of everything that the programs print and write."""
    work = os.path.join(folder, name)
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(work)
    found = {}
    small = os.path.join(work, "small")
    run(name, quantize, "--model-dir", os.path.join(source, "data/shapes"), "--out", small, "--format", "mixed",
        "--method", "rtn")
    ask = ["--image", picture, "--task", "detect", "--categories", "red circle, green star", "--threads", "1"]
    # On the written checkpoint; each reads what a run under "C" wrote too.
    found["ground --json"] = without_times(run(name, ground, *ask, "--model-dir", small, "--json").replace(work, ""))
    reference = os.path.join(folder, "C", "small")
    found["ground"] = run(name, ground, *ask, "--model-dir", reference, "--min-score", "0.5", "--temperature", "0.5",
                          "--annotate", os.path.join(work, "drawn.png"))
    found["ground --dry"] = run(name, ground, *ask, "--model-dir", reference, "--dry", "--max-memory", "8GB")
    with open(os.path.join(work, "in.jsonl"), "w") as lines:
        lines.write('{"image": "%s", "categories": ["red circle"], "id": 1234567, "min_score": 0.25}\n' % picture)
        lines.write('{"image": "%s", "phrase": "green star", "id": 7654321}\n' % picture)
    run(name, batch, "--requests", "in.jsonl", "--out", "out.jsonl", "--format", "jsonl,coco,yolo,labelstudio,cvat,csv",
        "--model-dir", reference, "--threads", "1", cwd=work)
    for root, _, files in os.walk(work):
        for file in files:
            path = os.path.join(root, file)
            with open(path, "rb") as opened:
                content = opened.read()
            if file.endswith(".jsonl"):
                content = without_times(content.decode()).encode()
            found[os.path.relpath(path, work)] = hashlib.sha256(content.replace(work.encode(), b"")).hexdigest()
    return found


expected = outputs("C")
if len(expected) < 12:
    sys.exit(f"expected the files of three programs, found {sorted(expected)}")
for name in LOCALES:
    found = outputs(name)
    different = sorted(k for k in expected.keys() | found.keys() if expected.get(k) != found.get(k))
    if different:
        sys.exit(f"{name}: expected what \"C\" gives, found a difference in {different}:\n"
                 f"{expected.get(different[0])}\n{found.get(different[0])}")
# The German one has other signs for both.
rooms = ["core", "io", "image", "text", "decoding", "weights", "model/config", "model/load_weights",
         "quantize", "session/parts", "session/session"]
tests = ",".join(f"*tests/{room}*" for room in rooms)
# Long texts take long, and say nothing of numbers.
passed = run("de_DE", unit, "--no-intro", "--source-file=" + tests, "--test-case-exclude=*100 MB*")
print("de_DE", passed.strip().splitlines()[-3])
print(f"ok: {len(expected)} outputs of three programs are the same in {LOCALES}, and the tests of the library pass")
