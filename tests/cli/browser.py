"""A headless Chromium for the tests of pages, by the WebDriver protocol."""

import base64
import http.client
import json
import os
import re
import shutil
import struct
import subprocess
import time
import zlib

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


def read_png(data):
    """Rows of (r, g, b)."""
    at, compressed = 8, b""
    while at < len(data):
        size, name = struct.unpack(">I4s", data[at:at + 8])
        content = data[at + 8:at + 8 + size]
        if name == b"IHDR":
            width, height, depth, kind = struct.unpack(">IIBB", content[:10])
            assert depth == 8 and kind in (2, 6)
        if name == b"IDAT":
            compressed += content
        at += 12 + size
    raw, step = zlib.decompress(compressed), 3 if kind == 2 else 4
    stride, rows, before = width * step, [], bytearray(width * step)
    for y in range(height):
        how, line = raw[y * (stride + 1)], bytearray(raw[y * (stride + 1) + 1:(y + 1) * (stride + 1)])
        for i in range(stride):
            a, b, c = line[i - step] if i >= step else 0, before[i], before[i - step] if i >= step else 0
            if how == 1:
                line[i] = (line[i] + a) & 255
            elif how == 2:
                line[i] = (line[i] + b) & 255
            elif how == 3:
                line[i] = (line[i] + (a + b) // 2) & 255
            elif how == 4:
                p = a + b - c
                nearest = min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]
                line[i] = (line[i] + nearest) & 255
        rows.append([tuple(line[x * step:x * step + 3]) for x in range(width)])
        before = line
    return rows


class Browser:
    """One of them; `screenshots` is the folder that named ones are written to."""

    def __init__(self, folder, screenshots=None):
        self.screenshots = screenshots
        self.process = subprocess.Popen([DRIVER, "--port=0"], stdout=subprocess.PIPE, text=True, start_new_session=True)
        for line in self.process.stdout:
            if found := re.search(r"started successfully on port (\d+)", line):
                self.port = int(found[1])
                break
        options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", f"--user-data-dir={folder}/profile",
                   "--force-device-scale-factor=1"]
        self.session = ""
        self.session = "/session/" + self.call("POST", "/session", {"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": {"binary": CHROMIUM, "args": options, "prefs": {"download.default_directory": folder}},
            "goog:loggingPrefs": {"browser": "ALL"}}}})["sessionId"]

    def call(self, method, path, fields=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        connection.request(method, self.session + path, json.dumps(fields or {}) if method == "POST" else None)
        value = json.loads(connection.getresponse().read())["value"]
        if isinstance(value, dict) and "error" in value:
            raise AssertionError(f"{value['error']}: {value['message'].splitlines()[0]}")
        return value

    def open(self, address):
        self.call("POST", "/url", {"url": address})

    def run(self, script, *arguments):
        return self.call("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def run_async(self, script, *arguments):
        return self.call("POST", "/execute/async", {"script": script, "args": list(arguments)})

    def find(self, css):
        return self.call("POST", "/element", {"using": "css selector", "value": css})[ELEMENT]

    def click(self, css):
        self.call("POST", f"/element/{self.find(css)}/click")

    def type(self, css, text):
        self.call("POST", f"/element/{self.find(css)}/value", {"text": text})

    def text(self, css):
        return self.run("return document.querySelector(arguments[0]).innerText", css)

    def wait(self, condition, seconds=30):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if value := self.run("return " + condition):
                return value
            time.sleep(0.05)
        raise AssertionError(f"never: {condition}; status {self.text('#status')!r} error {self.text('#error')!r}")

    def size(self, width, height):
        self.cdp("Emulation.setDeviceMetricsOverride", {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False})

    def cdp(self, command, parameters):
        return self.call("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def screenshot(self, name=None):
        data = base64.b64decode(self.call("GET", "/screenshot"))
        if self.screenshots and name:
            with open(os.path.join(self.screenshots, name + ".png"), "wb") as file:
                file.write(data)
        return read_png(data)

    def check_accessibility(self, axe_core, what):
        """By axe-core, whose folder of npm's package `axe_core` is; left out where it is not there."""
        if not os.path.exists(os.path.join(axe_core, "axe.min.js")):
            return
        with open(os.path.join(axe_core, "axe.min.js"), encoding="utf-8") as file:
            self.run(file.read() + "; window.axe = axe;")
        found = self.run_async("const done = arguments[arguments.length - 1]; axe.run().then(r => done(r.violations.map(v => "
                               "[v.id, v.help, v.nodes.map(n => n.html.slice(0, 120))])))")
        assert found == [], (what, json.dumps(found, indent=1))

    def choose_folder(self, css, folder):
        """As if a person had picked it in the dialog of this input."""
        one = self.cdp("Runtime.evaluate", {"expression": f"document.querySelector({json.dumps(css)})"})["result"]["objectId"]
        self.cdp("DOM.setFileInputFiles", {"files": [folder], "objectId": one})

    def complaints(self):
        return [entry["message"] for entry in self.call("POST", "/se/log", {"type": "browser"}) if entry["level"] == "SEVERE"]

    def end(self):
        try:
            self.call("DELETE", "")
        finally:
            self.process.terminate()
            self.process.wait(10)


DROP = """
const bytes = Uint8Array.from(atob(arguments[0]), c => c.charCodeAt(0));
const data = new DataTransfer();
data.items.add(new File([bytes], arguments[1], {type: 'image/png'}));
document.querySelector('#stage').dispatchEvent(new DragEvent('drop', {dataTransfer: data, bubbles: true, cancelable: true}));
"""
PASTE = """
const bytes = Uint8Array.from(atob(arguments[0]), c => c.charCodeAt(0));
const data = new DataTransfer();
data.items.add(new File([bytes], 'x.png', {type: 'image/png'}));
document.dispatchEvent(new ClipboardEvent('paste', {clipboardData: data, bubbles: true, cancelable: true}));
"""
READY = "document.querySelector('#picture').getAttribute('aria-label').startsWith('Picture')"
DONE = "!document.querySelector('#saves').hidden"


def base64_of(path):
    with open(path, "rb") as file:
        return base64.b64encode(file.read()).decode()
