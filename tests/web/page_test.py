"""The page as static files alone answers in the browser: a picture is dropped, asked about, and its box is seen; other models
come from a folder or an address and are kept for the next visit.

usage: page_test.py PAGE SOURCE GROUND QUANTIZE NODE_MODULES [SERVE]; skipped without chromium and chromedriver
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

PAGE, SOURCE, GROUND, QUANTIZE, NODE_MODULES = sys.argv[1:6]
SERVE = sys.argv[6] if len(sys.argv) > 6 else None
sys.path.insert(0, os.path.join(SOURCE, "tests/cli"))

import serve_program
from browser import CHROMIUM, DONE, DRIVER, DROP, READY, Browser, base64_of
from static_files import ISOLATED, Server

SHAPES = os.path.join(SOURCE, "data/pictures/shapes.png")


def opened(browser, name, seconds=60):
    browser.wait(f"document.documentElement.dataset.model === {json.dumps(name)}", seconds)


def ask(browser, phrase, seconds=60):
    browser.run(DROP, base64_of(SHAPES), "shapes.png")
    browser.wait(READY)
    browser.run("document.querySelector('#phrase').value = ''")
    browser.type("#phrase", phrase + "\ue007")
    browser.wait(DONE, seconds)


def box(browser):
    return browser.run("const r = document.querySelector('#marks rect.edge'); return ['x', 'y', 'width', 'height'].map(n => Number(r.getAttribute(n)))")


def test_drop_ask_and_see_the_box(browser, server):
    browser.open(server.address)
    opened(browser, "shapes and letters")
    assert "in this browser" in browser.text("#status")
    ask(browser, "red circle")
    assert "1 found" in browser.text("#count"), browser.text("#count")
    told = subprocess.run([GROUND, "--image", SHAPES, "--task", "ground-multi", "--phrase", "red circle", "--json", "--threads", "1"],
                          capture_output=True, check=True).stdout
    x1, y1, x2, y2 = json.loads(told)["items"][0]["box"]
    for got, want in zip(box(browser), (x1, y1, x2 - x1, y2 - y1)):
        assert abs(got - want) < 0.5, box(browser)
    assert "Ran on wasm" in browser.text("#facts").replace("\n", " "), browser.text("#facts")
    assert not any("/v1/" in path for path in server.asked())


# What the worker answers, with all its numbers.
HEAR = """
const post = Worker.prototype.postMessage;
Worker.prototype.postMessage = function (told, ...rest) {
  post.call(this, told, ...rest);
  if (told.kind === 'ask') this.addEventListener('message', ({data}) => { if (data.kind === 'answer') window.told = data.answer; });
};
"""


def numbers_of(browser, address, phrase="red circle"):
    browser.open(address)
    browser.run(HEAR)
    opened(browser, "shapes and letters")
    browser.run("window.said = document.querySelector('#status').textContent")
    ask(browser, phrase)
    answer = browser.run("return window.told")
    return answer.pop("threads"), {name: answer[name] for name in ("isa", "token_ids", "items", "answer", "stats", "forward_steps")}


def test_every_set_finds_the_same(browser, server):
    boxes = {}
    for isa in ("scalar", "wasm", "wasmrelaxed"):
        browser.open(server.address + f"?isa={isa}")
        opened(browser, "shapes and letters")
        ask(browser, "green star")
        assert f"Ran on {isa}," in browser.text("#facts").replace("\n", " "), browser.text("#facts")
        boxes[isa] = box(browser)
    assert boxes["scalar"] == boxes["wasm"] == boxes["wasmrelaxed"], boxes


def test_stop_and_ask_again(browser, server):
    browser.open(server.address)
    opened(browser, "shapes and letters")
    browser.run(DROP, base64_of(SHAPES), "shapes.png")
    browser.wait(READY)
    browser.run("document.querySelector('#task').value = 'detect'")
    browser.run("document.querySelector('#phrase').value = Array.from({length: 4000}, (_, i) => `thing ${i}`).join(',')")
    browser.click("#find")
    browser.wait("!document.querySelector('#stop').hidden")
    browser.click("#stop")
    browser.run("document.querySelector('#task').value = 'ground-multi'")
    opened(browser, "shapes and letters")
    ask(browser, "red circle")
    assert "1 found" in browser.text("#count")


def test_errors_are_said(browser, server):
    browser.open(server.address)
    opened(browser, "shapes and letters")
    browser.run("document.querySelector('#settings').open = true; document.querySelector('#address').value = arguments[0]",
                server.address + "nothing")
    browser.click("#fetch")
    browser.wait("document.querySelector('#error').textContent.includes('expected config.json')")
    browser.open(server.address + "?isa=avx2")
    browser.wait("document.querySelector('#error').textContent.includes(\"expected one of\")")


def test_a_model_from_an_address_is_kept(browser, server):
    browser.open(server.address)
    opened(browser, "shapes and letters")
    browser.run("document.querySelector('#settings').open = true; document.querySelector('#address').value = arguments[0]",
                server.address + "packed")
    browser.click("#fetch")
    opened(browser, "packed")
    ask(browser, "red circle")
    assert "weights q8" in browser.text("#facts"), browser.text("#facts")
    expected = box(browser)
    assert "/packed/model.safetensors" in server.asked()
    server.asked().clear()
    browser.open(server.address)  # another visit
    opened(browser, "shapes and letters")
    assert browser.run("return [...document.querySelector('#model').options].map(o => o.textContent)") == [
        "shapes and letters", "packed", "a server, see below"]
    browser.run("const m = document.querySelector('#model'); m.value = 1; m.dispatchEvent(new Event('change'))")
    opened(browser, "packed")
    ask(browser, "red circle")
    assert box(browser) == expected and "weights q8" in browser.text("#facts")
    assert not any(path.startswith("/packed/") for path in server.asked()), server.asked()


def test_a_model_from_a_folder(browser, server):
    with tempfile.TemporaryDirectory() as folder:
        own = os.path.join(folder, "my own")
        shutil.copytree(os.path.join(server.folder, "packed"), own)
        os.makedirs(own + "/another")  # what lies deeper is no part of it
        for name in ("config.json", "model.safetensors", "tokenizer.json"):
            with open(f"{own}/another/{name}", "w") as file:
                file.write("nothing")
        os.mkdir(folder + "/pictures")
        shutil.copy(SHAPES, folder + "/pictures")
        browser.open(server.address)
        opened(browser, "shapes and letters")
        server.asked().clear()
        browser.choose_folder("#folder", own)
        opened(browser, "my own")
        browser.wait("document.querySelector('#model').selectedOptions[0].textContent === 'my own'")
        ask(browser, "red circle")
        assert "1 found" in browser.text("#count") and "weights q8" in browser.text("#facts"), browser.text("#facts")
        browser.choose_folder("#folder", folder + "/pictures")
        browser.wait("document.querySelector('#error').textContent.includes('no *.safetensors')")
        ask(browser, "green star")  # the one before is still there
        assert "weights q8" in browser.text("#facts"), browser.text("#facts")
        assert not any("safetensors" in path for path in server.asked()), server.asked()


def test_accessibility(browser, server):
    browser.open(server.address)
    opened(browser, "shapes and letters")
    browser.run("document.querySelector('#settings').open = true")
    browser.check_accessibility(os.path.join(NODE_MODULES, "axe-core"), "the page alone")


def test_without_room_to_keep_it_a_model_answers(browser, server):
    browser.open(server.address)
    opened(browser, "shapes and letters")
    browser.cdp("Storage.overrideQuotaForOrigin", {"origin": server.address.rstrip("/"), "quotaSize": 100000})
    browser.run("document.querySelector('#settings').open = true; document.querySelector('#address').value = arguments[0]",
                server.address + "roomless")
    browser.click("#fetch")
    opened(browser, "roomless")
    ask(browser, "red circle")
    assert "weights q8" in browser.text("#facts"), browser.text("#facts")
    browser.cdp("Storage.overrideQuotaForOrigin", {"origin": server.address.rstrip("/")})
    browser.open(server.address)  # another visit: what was kept in part is no model
    opened(browser, "shapes and letters")
    assert "roomless" not in browser.run("return [...document.querySelector('#model').options].map(o => o.textContent)")
    left = browser.run_async("const done = arguments[0]; (async () => { const names = []; for await (const name of "
                             "(await navigator.storage.getDirectory()).keys()) names.push(name); done(names); })()")
    assert "roomless" not in left, left


def threads_of(browser):
    """As the page says them: when the model is open, and beside the answer."""
    return browser.text("#facts").replace("\n", " ").split("Ran on ")[1].split(", ")[1]


def on_threads(browser, site):
    """Threads are for isolated pages: as many as asked for, with the numbers of one; where they cannot start, one, and the page says why."""
    plain = Server(site)
    threads, one = numbers_of(browser, plain.address + "?threads=3")
    assert threads == 1 and threads_of(browser) == "1 thread" and not browser.run("return crossOriginIsolated")
    assert "/la-threads.js" not in plain.asked() and browser.run("return document.querySelector('#threads').disabled")
    assert "Cross-Origin-Opener-Policy" in browser.run("return document.querySelector('#models').textContent")
    plain.end()

    if SERVE:  # its own headers, its own security policy
        server = serve_program.Server(SERVE, "--page", site)
        address = f"http://127.0.0.1:{server.port}/"
    else:
        server = Server(site, ISOLATED)
        address = server.address
    for wanted in (2, 3):
        threads, several = numbers_of(browser, address + f"?threads={wanted}")
        assert browser.run("return crossOriginIsolated") and threads == wanted, threads
        assert threads_of(browser) == f"{wanted} threads"
        assert several == one, (several, one)
    browser.open(address)
    opened(browser, "shapes and letters")
    assert browser.run("return document.querySelector('#threads').value") == str(min(16, browser.run("return navigator.hardwareConcurrency")))
    browser.run("const t = document.querySelector('#threads'); t.value = 4; t.dispatchEvent(new Event('change'))")
    opened(browser, "shapes and letters")
    assert "4 threads" in browser.text("#status"), browser.text("#status")
    server.end()

    for lacking in ("/la-threads.js", "/la-threads.wasm", "/la-threads.worker.js"):
        if os.path.exists(site + lacking):
            server = Server(site, ISOLATED, (lacking,))
            threads, several = numbers_of(browser, server.address + "?threads=2")
            assert threads == 1 and several == one and threads_of(browser) == "1 thread", threads
            assert lacking in server.asked() and "More threads could not be started: " in browser.run("return window.said"), browser.run("return window.said")
            server.end()


def main():
    if not CHROMIUM or not DRIVER:
        print("skipped: chromium and chromedriver were not found (apt-get install chromium chromium-driver)")
        sys.exit(77)
    folder = tempfile.mkdtemp()
    site = os.path.join(folder, "site")
    shutil.copytree(PAGE, site, ignore=lambda _, names: [n for n in names if n.endswith((".o", ".d", ".cpp"))])
    subprocess.run([QUANTIZE, "--model-dir", f"{SOURCE}/data/shapes", "--out", f"{site}/packed", "--format", "q8", "--method", "rtn"],
                   capture_output=True, check=True)
    shutil.copytree(f"{site}/packed", f"{site}/roomless")
    browser = None
    try:
        browser = Browser(folder)
        browser.size(1300, 900)
        for headers in ((), ISOLATED):
            server = Server(site, headers)
            for name, test in list(globals().items()):
                if name.startswith("test_") and (not headers or name in ("test_a_model_from_an_address_is_kept", "test_a_model_from_a_folder")):
                    start = time.monotonic()
                    test(browser, server)
                    print(f"ok: {name}{', isolated' if headers else ''} {time.monotonic() - start:.1f} s", flush=True)
            server.end()
        start = time.monotonic()
        on_threads(browser, site)
        print(f"ok: on_threads {time.monotonic() - start:.1f} s", flush=True)
        complaints = [text for text in browser.complaints() if "404" not in text]
        assert complaints == [], complaints
    finally:
        if browser:
            browser.end()
        shutil.rmtree(folder, ignore_errors=True)


main()
