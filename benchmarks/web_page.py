"""A packed 3B in the page: loads it in Chromium from a local server, asks a question, and tells the seconds of each stage and the
memory of the whole browser, beside ground on as many threads.

usage: web_page.py PAGE SOURCE GROUND [--model-dir DIR] [--size WIDTHxHEIGHT] [--isa NAME] [--native-isa NAME] [--tokens N] [--threads N]
DIR is a packed checkpoint, by default $LA_PACKED_3B; skipped without one, and without chromium and chromedriver. It fails when
the browser needs 4 GB, and when the first token is another than ground's.
"""

import argparse
import base64
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

parser = argparse.ArgumentParser()
parser.add_argument("page")
parser.add_argument("source")
parser.add_argument("ground")
parser.add_argument("--model-dir", default=os.environ.get("LA_PACKED_3B"))
parser.add_argument("--size", default="448x448")
parser.add_argument("--isa", default="")
parser.add_argument("--native-isa", default="avx2")
parser.add_argument("--tokens", type=int, default=6)
parser.add_argument("--threads", type=int, default=1)
args = parser.parse_args()
sys.path[:0] = [os.path.join(args.source, "tests/cli"), os.path.join(args.source, "tests/web")]

from browser import CHROMIUM, DONE, DRIVER, DROP, READY, Browser, base64_of
from static_files import ISOLATED, Server

PHRASE = "red circle"
DRAW = """
const [source, width, height, shift, done] = arguments, image = new Image();
image.onload = () => {
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [width, height];
  canvas.getContext('2d').drawImage(image, shift, 0, width, height);
  done(canvas.toDataURL('image/png').split(',')[1]);
};
image.src = 'data:image/png;base64,' + source;
"""
# The page asks for no fewer tokens than the model wants to say, and random weights never end.
LIMIT = """
const post = Worker.prototype.postMessage, tokens = arguments[0];
Worker.prototype.postMessage = function (told, ...rest) {
  if (told.kind === 'ask') told.fields = {...told.fields, max_tokens: tokens};
  post.call(this, told, ...rest);
  if (told.kind === 'ask') this.addEventListener('message', ({data}) => { if (data.kind === 'answer') window.told = data.answer; });
};
"""


class Memory(threading.Thread):
    """The most that all processes of the browser held at once, each page of memory counted once."""

    def __init__(self, profile):
        super().__init__(daemon=True)
        self.mark, self.most, self.ended = profile.encode(), 0, threading.Event()
        self.start()

    def run(self):
        while not self.ended.wait(0.5):
            total = 0
            for folder in glob.glob("/proc/[0-9]*"):
                try:
                    with open(folder + "/cmdline", "rb") as file:
                        if self.mark not in file.read():
                            continue
                    with open(folder + "/smaps_rollup") as file:
                        total += int(re.search(r"^Pss: *(\d+)", file.read(), re.M)[1]) * 1024
                except OSError:  # it ended
                    pass
            self.most = max(self.most, total)


def numbers(answer):
    s = answer["seconds"]
    return (f"{answer['isa']:11} vision {s['vision']:.2f} s, prefill {s['prefill']:.2f} s, "
            f"{s['decode'] / answer['forward_steps']:.3f} s a pass ({answer['forward_steps']})")


def main():
    if not args.model_dir or not os.path.isdir(args.model_dir):
        print("skipped: $LA_PACKED_3B names no packed checkpoint")
        sys.exit(77)
    if not CHROMIUM or not DRIVER:
        print("skipped: chromium and chromedriver were not found (apt-get install chromium chromium-driver)")
        sys.exit(77)
    width, height = map(int, args.size.split("x"))
    folder = tempfile.mkdtemp()
    site = os.path.join(folder, "site")
    shutil.copytree(args.page, site, ignore=lambda _, names: [n for n in names if n.endswith((".o", ".d", ".cpp"))])
    os.symlink(os.path.abspath(args.model_dir), site + "/packed")
    browser, server = None, Server(site, ISOLATED)
    try:
        browser = Browser(folder)
        browser.size(1300, 900)
        browser.call("POST", "/timeouts", {"script": 600000})
        memory = Memory(folder)
        browser.open(f"{server.address}?threads={args.threads}&isa={args.isa}")
        browser.run(LIMIT, args.tokens)
        browser.wait("document.documentElement.dataset.model")
        start = time.monotonic()
        browser.run("document.querySelector('#settings').open = true; document.querySelector('#address').value = arguments[0]",
                    server.address + "packed")
        browser.click("#fetch")
        browser.wait("document.documentElement.dataset.model === 'packed' || !document.querySelector('#error').hidden", 900)
        assert browser.run("return document.documentElement.dataset.model") == "packed", browser.text("#error")
        print(f"loaded in {time.monotonic() - start:.1f} s, {memory.most / 1e9:.2f} GB of memory at most", flush=True)
        for shift in (0, 40):  # the browser compiles what it runs much while it runs; another picture, as answers are cached
            picture = browser.run_async(DRAW, base64_of(os.path.join(args.source, "data/pictures/shapes.png")), width, height, shift)
            browser.run(DROP, picture, "picture.png")
            browser.wait(READY)
            browser.run("window.told = null; document.querySelector('#mode').value = 'slow'; document.querySelector('#phrase').value = ''")
            browser.type("#phrase", PHRASE + "\ue007")
            browser.wait(f"{DONE} || !document.querySelector('#error').hidden", 900)
            answer = browser.run("return window.told")
            assert answer, browser.text("#error")
            assert answer["threads"] == args.threads, answer["threads"]
            print(f"page:   {numbers(answer)}", flush=True)
        memory.ended.set()
        print(f"memory: {memory.most / 1e9:.2f} GB of all of the browser at most, of which {answer['memory'] / 1e9:.2f} GB are la's", flush=True)
    finally:
        if browser:
            browser.end()
        server.end()
    try:
        image = os.path.join(folder, "picture.png")
        with open(image, "wb") as file:
            file.write(base64.b64decode(picture))
        told = subprocess.run([args.ground, "--model-dir", args.model_dir, "--image", image, "--task", "ground-multi", "--phrase", PHRASE,
                               "--generation-mode", "slow", "--max-tokens", str(args.tokens), "--threads", str(args.threads), "--isa", args.native_isa,
                               "--warmup", "--json"], capture_output=True, check=True).stdout
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    native = json.loads(told)
    print(f"native: {numbers(native)}")
    per = lambda one: (one["seconds"]["vision"], one["seconds"]["prefill"], one["seconds"]["decode"] / one["forward_steps"])
    print("ratio:  vision {:.2f}, prefill {:.2f}, pass {:.2f}".format(*(a / b for a, b in zip(per(answer), per(native)))))
    print(f"tokens: {answer['token_ids']} {native['token_ids']}")
    assert answer["token_ids"][0] == native["token_ids"][0], (answer["token_ids"], native["token_ids"])
    assert memory.most < 4e9, memory.most


main()
