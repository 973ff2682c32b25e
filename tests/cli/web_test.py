"""The page does what a person does with it: drop a picture, ask, see boxes; and looks right at every width.

usage: web_test.py SERVE PICTURE [NODE_MODULES [SCREENSHOTS]]; skipped without chromium and chromedriver. Accessibility is
checked where axe-core is in NODE_MODULES
"""

import json
import os
import shutil
import signal
import sys
import tempfile
import time

import serve_program
from browser import CHROMIUM, DONE, DRIVER, DROP, PASTE, READY, Browser, base64_of, read_png

SERVE, PICTURE = sys.argv[1], os.path.abspath(sys.argv[2])
AXE_CORE = os.path.join(sys.argv[3], "axe-core") if len(sys.argv) > 3 else ""
SCREENSHOTS = sys.argv[4] if len(sys.argv) > 4 else None


def open_page(browser, server):
    browser.open(f"http://127.0.0.1:{server.port}/")


def drop(browser, path=PICTURE):
    browser.run(DROP, base64_of(path), os.path.basename(path))
    browser.wait(READY)


def ask(browser, phrase, task=None):
    if task:
        browser.run("const t = document.querySelector('#task'); t.value = arguments[0]; t.dispatchEvent(new Event('change'))", task)
    browser.run("document.querySelector('#phrase').value = ''")
    browser.type("#phrase", phrase + "\ue007")  # and Enter
    browser.wait(DONE)


def colour(css):
    return tuple(int(css[i:i + 2], 16) for i in (1, 3, 5))


def test_drop_ask_and_see_the_box(browser, server, folder):
    browser.size(1300, 900)
    open_page(browser, server)
    drop(browser)
    ask(browser, "red circle")
    assert "1 found" in browser.text("#count") and "1 found in" in browser.text("#status")
    assert browser.text("#items .label") == "red circle"
    status, _, text = server.post("/v1/ground", {"image": serve_program.data_uri(PICTURE), "task": "ground-multi", "phrase": "red circle"})
    x1, y1, x2, y2 = json.loads(text)["items"][0]["box"]
    rows = browser.screenshot("wide")
    at = browser.run("const r = document.querySelector('#picture').getBoundingClientRect(); return [r.x, r.y, r.width, r.height]")
    place = lambda x, y: (round(at[0] + x * at[2] / 224), round(at[1] + y * at[3] / 168))
    want = colour(browser.run("return document.querySelector('#marks .edge').getAttribute('stroke')"))
    near = lambda x, y: min(sum(abs(a - b) for a, b in zip(rows[y + dy][x + dx], want)) for dx in (-1, 0, 1) for dy in (-1, 0, 1))
    for px, py in ((x1, (y1 + y2) / 2), (x2, (y1 + y2) / 2), ((x1 + x2) / 2, y2), ((x1 + x2) / 2 + 5, y1)):
        assert near(*place(px, py)) < 40, ((px, py), place(px, py), near(*place(px, py)), want)
    assert near(*place(x1 - 20, y2 + 20)) > 40  # outside there is no edge
    assert [fact for fact in ("Ran on", "weights", "Tokens") if fact in browser.text("#facts")] == ["Ran on", "weights", "Tokens"]


def test_hover_lights_box_and_line(browser, server, folder):
    ask(browser, "red circle, green star, blue ring", "detect")
    assert "3 found" in browser.text("#count")
    strokes = browser.run("return [...document.querySelectorAll('#marks .edge')].map(e => e.getAttribute('stroke'))")
    assert len(set(strokes)) == 3
    browser.run("document.querySelectorAll('#items button')[1].focus()")
    assert browser.run("return document.querySelectorAll('#marks > .lit').length") == 1
    assert browser.run("return document.querySelector('#marks > .lit text').textContent") == browser.run(
        "return document.querySelectorAll('#items .label')[1].textContent")
    browser.run("document.activeElement.blur(); document.querySelector('#marks > g .edge').parentNode.dispatchEvent(new PointerEvent('pointerenter'))")
    assert browser.run("return document.querySelectorAll('#items .lit').length") == 1


def test_the_slider_hides_what_scores_less(browser, server, folder):
    scores = browser.run("return [...document.querySelectorAll('#items .number')].map(e => Number(e.textContent))")
    least = sorted(scores)[1]
    browser.run("const s = document.querySelector('#score'); s.value = arguments[0]; s.dispatchEvent(new Event('input'))", least - 0.004)
    shown = sum(score >= least - 0.004 for score in scores)
    assert f"{shown} of 3 shown" in browser.text("#count") or shown == 3
    visible = "return [...document.querySelectorAll('#items li')].filter(e => !e.hidden).length"
    assert browser.run(visible) == shown
    browser.run("const s = document.querySelector('#score'); s.value = 0; s.dispatchEvent(new Event('input'))")
    assert browser.run(visible) == 3


def saved(browser, folder, kind, name):
    browser.click(f"[data-save={kind}]")
    path, end = os.path.join(folder, name), time.monotonic() + 20
    while not os.path.exists(path) and time.monotonic() < end:
        time.sleep(0.05)
    time.sleep(0.1)
    with open(path, "rb") as file:
        return file.read()


def test_what_is_saved(browser, server, folder):
    browser.cdp("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": folder})
    answer = json.loads(saved(browser, folder, "json", "shapes.json"))
    assert answer["image"] == "shapes.png" and len(answer["items"]) == 3
    coco = json.loads(saved(browser, folder, "coco", "shapes-coco.json"))
    assert {category["name"] for category in coco["categories"]} == {"red circle", "green star", "blue ring"}
    for item, annotation in zip(answer["items"], coco["annotations"]):
        x1, y1, x2, y2 = item["box"]
        assert all(abs(a - b) < 1e-6 for a, b in zip(annotation["bbox"], (x1, y1, x2 - x1, y2 - y1)))
        assert coco["categories"][annotation["category_id"] - 1]["name"] == item["label"]
    lines = saved(browser, folder, "yolo", "shapes.txt").decode().splitlines()
    x1, y1, x2, y2 = answer["items"][0]["box"]
    number, *box = lines[3].split()
    assert number == "0" and lines[0].startswith("# 0 ")
    assert all(abs(float(a) - b) < 1e-5 for a, b in zip(box, ((x1 + x2) / 448, (y1 + y2) / 336, (x2 - x1) / 224, (y2 - y1) / 168)))
    rows = read_png(saved(browser, folder, "png", "shapes-found.png"))
    assert (len(rows[0]), len(rows)) == (224, 168)


def test_points_paste_choose_and_examples(browser, server, folder):
    ask(browser, "red circle", "point")
    assert browser.run("return document.querySelectorAll('#marks circle.edge').length") == 1
    browser.run("document.querySelector('#picture').setAttribute('aria-label', '')")
    browser.run(PASTE, base64_of(PICTURE))
    browser.wait(READY)
    assert "pasted.png" in browser.text("#status")
    browser.type("#file", PICTURE)
    browser.wait("document.querySelector('#status').textContent.startsWith('shapes.png')")
    for kind, phrase in (("shapes", "red circle"), ("letters", "black letter K")):
        browser.click(f"[data-example={kind}]")
        browser.wait(f"document.querySelector('#status').textContent.startsWith('{kind}.png')")
        ask(browser, phrase)
        assert browser.run("return document.querySelectorAll('#marks rect.edge').length") >= 1, kind
    browser.screenshot("example")


def test_a_question_waits_for_the_picture_still_being_read(browser, server, folder):
    open_page(browser, server)
    browser.run("for (const css of ['[data-example=letters]', '[data-example=shapes]', '#find']) document.querySelector(css).click()")
    browser.wait(DONE)
    assert browser.run("return document.querySelector('#picture').getAttribute('aria-label')") == "Picture shapes.png, 224 by 168 pixels"
    assert [browser.text("#items .label"), browser.text("#count")] == ["red circle", "1 found"]


def test_errors_are_said_in_words(browser, server, folder):
    open_page(browser, server)
    browser.click("#find")
    assert browser.text("#error") == "Choose a picture first."
    drop(browser)
    browser.click("#find")
    assert browser.text("#error") == "Say what to find."
    browser.run("const d = new DataTransfer(); d.items.add(new File(['no'], 'a.png', {type: 'image/png'}));"
                "document.querySelector('#stage').dispatchEvent(new DragEvent('drop', {dataTransfer: d, bubbles: true}))")
    browser.wait("document.querySelector('#error').textContent.includes('no picture')")
    drop(browser)
    browser.run("document.querySelector('#settings').open = true; document.querySelector('#server').value = 'http://127.0.0.1:1'")
    browser.type("#phrase", "x\ue007")
    browser.wait("document.querySelector('#error').textContent.includes('No server answers')")
    keyed = serve_program.Server(SERVE, "--api-key", "secret")
    open_page(browser, keyed)
    drop(browser)
    browser.type("#phrase", "red circle\ue007")
    browser.wait("document.querySelector('#error').textContent.includes('wants a key')")
    browser.run("document.querySelector('#settings').open = true")
    browser.type("#key", "secret")
    ask(browser, "red circle")
    assert "1 found" in browser.text("#count")
    assert keyed.end()[0] == 0


def test_stop_ends_the_question(browser, server, folder):
    open_page(browser, server)
    drop(browser)
    browser.run("document.querySelector('#task').value = 'detect'")
    browser.run("document.querySelector('#phrase').value = Array.from({length: 4000}, (_, i) => `thing ${i}`).join(',')")
    browser.click("#find")
    browser.wait("!document.querySelector('#stop').hidden")
    server.wait_for(lambda now: now["la_requests_under_way"] == 1)
    browser.click("#stop")
    server.wait_for(lambda now: now["la_requests_under_way"] == 0)
    assert browser.text("#status") == "Stopped."


HUNDRED = """
const done = arguments[arguments.length - 1];
const words = ['red circle', 'green star', 'blue square', 'orange triangle', 'pink ring', 'black letter K'];
const items = Array.from({length: 100}, (_, i) => {
  const x = 2 + (i % 10) * 22, y = 2 + Math.floor(i / 10) * 16;
  return {label: words[i % 6], kind: 'box', box: [x, y, x + 18, y + 12], box_1000: [0, 0, 0, 0], score: 0.3 + (i * 37 % 70) / 100, label_score: 1};
});
const answer = {items, width: 224, height: 168, token_ids: Array(900), forward_steps: 300, mode: 'hybrid', isa: 'avx2', weights: 'q8',
  activations: 'q8', warnings: [], seconds: {preprocess: 0.01, vision: 2.1, prefill: 1.2, decode: 9.5}};
const real = window.fetch;
window.fetch = async () => new Response(items.map(item => 'event: item\\ndata: ' + JSON.stringify(item) + '\\n\\n').join('') +
  'event: answer\\ndata: ' + JSON.stringify(answer) + '\\n\\n', {status: 200});
document.querySelector('#phrase').value = 'everything';
document.querySelector('#ask').requestSubmit();
const wait = () => document.querySelector('#saves').hidden ? setTimeout(wait, 20) : (window.fetch = real, done(true));
wait();
"""


def fits(browser):
    return browser.run("return document.documentElement.scrollWidth <= innerWidth")


def test_widths_dark_and_a_hundred_boxes(browser, server, folder):
    for name, width, dark in (("wide", 1300, False), ("narrow", 360, False), ("dark", 1300, True), ("narrow-dark", 360, True)):
        browser.cdp("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]})
        browser.size(width, 900)
        open_page(browser, server)
        assert fits(browser), name
        browser.screenshot(f"{name}-empty")
        browser.check_accessibility(AXE_CORE, f"{name}, empty")
        drop(browser)
        ask(browser, "red circle, green star", "detect")
        rows = browser.screenshot(f"{name}-found")
        assert (sum(rows[2][2]) < 200) is dark, name
        assert fits(browser), name
        browser.check_accessibility(AXE_CORE, name)
        browser.run_async(HUNDRED)
        assert "100 found" in browser.text("#count")
        assert fits(browser), name
        browser.screenshot(f"{name}-hundred")
        browser.check_accessibility(AXE_CORE, f"{name}, a hundred")
    browser.cdp("Emulation.setEmulatedMedia", {"features": []})


def test_the_picture_of_the_readme(browser, server, folder):
    """What .github/page.png shows: SCREENSHOTS gets it."""
    browser.size(900, 560)
    open_page(browser, server)
    browser.click("[data-example=shapes]")
    browser.wait("document.querySelector('#status').textContent.startsWith('shapes.png')")
    ask(browser, "red circle, green star, blue square, orange triangle", "detect")
    browser.screenshot("readme")


def test_a_large_picture_is_shrunk_and_its_boxes_are_not(browser, server, folder):
    browser.size(1300, 900)
    small = serve_program.Server(SERVE, "--max-image-side", "224")  # the model's part of it is not what is tested
    open_page(browser, small)
    browser.run_async("""
const done = arguments[arguments.length - 1];
const canvas = new OffscreenCanvas(8000, 6000), to = canvas.getContext('2d');
to.fillStyle = '#e8e4d8'; to.fillRect(0, 0, 8000, 6000);
to.scale(8000 / 224, 6000 / 168);
to.fillStyle = '#1e46dc'; to.fillRect(28, 26, 48, 48);
to.fillStyle = '#dc1e1e'; to.beginPath(); to.arc(160, 48, 27, 0, 7); to.fill();
canvas.convertToBlob().then(blob => {
  const data = new DataTransfer();
  data.items.add(new File([blob], 'large.png', {type: 'image/png'}));
  window.longest = 0;
  let last = performance.now();
  const tick = () => { const now = performance.now(); longest = Math.max(longest, now - last); last = now; setTimeout(tick, 5); };
  tick();
  document.querySelector('#stage').dispatchEvent(new DragEvent('drop', {dataTransfer: data, bubbles: true, cancelable: true}));
  done();
});""")
    browser.wait("document.querySelector('#status').textContent.startsWith('large.png, 8000')", 60)
    ask(browser, "red circle")
    box = browser.run("const r = document.querySelector('#marks rect.edge'); return ['x', 'y', 'width', 'height'].map(n => Number(r.getAttribute(n)))")
    for got, want in zip(box, (4750, 750, 1930, 1930)):
        assert abs(got - want) < 400, box
    assert "shrunk to" in browser.text("#facts")
    assert small.end()[0] == 0
    print(f"longest pause {browser.run('return longest'):.0f} ms")


def main():
    if not CHROMIUM or not DRIVER:
        print("skipped: chromium and chromedriver were not found (apt-get install chromium chromium-driver)")
        sys.exit(77)
    server = serve_program.Server(SERVE)
    folder = tempfile.mkdtemp()
    browser = None
    try:
        browser = Browser(folder, SCREENSHOTS)
        for name, test in list(globals().items()):
            if name.startswith("test_"):
                start = time.monotonic()
                test(browser, server, folder)
                print(f"ok: {name} {time.monotonic() - start:.1f} s", flush=True)
        complaints = [text for text in browser.complaints() if "401" not in text and "ERR_" not in text]
        assert complaints == [], complaints
        assert server.end(signal.SIGTERM)[0] == 0
    finally:
        if browser:
            browser.end()
        for one in serve_program.Server.all:
            one.process.kill()
        shutil.rmtree(folder, ignore_errors=True)


main()
