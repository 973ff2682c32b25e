"""benchmarks/web.cpp in Chromium: products in WebAssembly, as shares of what this engine can do.

usage: web_kernels.py BUILD_WEB SOURCE [ISA]
Skipped without chromium and chromedriver.
"""

import os
import shutil
import sys
import tempfile

folder_of_program, source = sys.argv[1:3]
sys.path[:0] = [os.path.join(source, "tests/cli"), os.path.join(source, "tests/web")]

from browser import CHROMIUM, DRIVER, Browser
from static_files import ISOLATED, Server

PAGE = """<!doctype html><body><script>
var lines = [], Module = {arguments: %s, print: line => lines.push(line), printErr: line => lines.push(line),
                          postRun: () => document.body.dataset.done = 'yes'};
</script><script async src="kernels_page.js"></script>"""

if not CHROMIUM or not DRIVER:
    print("skipped: chromium and chromedriver were not found (apt-get install chromium chromium-driver)")
    sys.exit(77)
folder = tempfile.mkdtemp()
site = os.path.join(folder, "site")
os.mkdir(site)
for name in ("kernels_page.js", "kernels_page.wasm"):
    shutil.copy(os.path.join(folder_of_program, name), site)
with open(os.path.join(site, "index.html"), "w") as page:
    page.write(PAGE % sys.argv[3:4])
server = Server(site, ISOLATED)  # whose clock tells microseconds
browser = Browser(folder)
try:
    browser.call("POST", "/timeouts", {"script": 600000, "pageLoad": 600000})
    browser.open(server.address)
    browser.wait("document.body.dataset.done", 600)
    print("\n".join(browser.run("return lines")))
finally:
    browser.end()
    server.end()
    shutil.rmtree(folder, ignore_errors=True)
