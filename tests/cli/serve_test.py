"""serve answers as ground does, refuses what it must, and drains.

usage: serve_test.py SERVE GROUND PICTURE
"""

import concurrent.futures
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

import serve_program
from serve_program import data_uri, ground_answer, untimed

SERVE, GROUND, PICTURE = sys.argv[1:]
PIXELS = open(PICTURE, "rb").read()
DATA = data_uri(PICTURE)


class Server(serve_program.Server):
    def __init__(self, *flags):
        super().__init__(SERVE, *flags)

    def json(self, fields, headers=None):
        return self.post("/v1/ground", fields, headers)


def ground(*flags):
    return ground_answer(GROUND, PICTURE, *flags)


def events(text):
    return [tuple(line.split(": ", 1)[1] for line in event.split("\n")) for event in text.strip().split("\n\n")]


def test_answers_are_those_of_ground(server):
    want = ground("--task", "ground-multi", "--phrase", "red circle")
    assert want["items"]
    fields = {"task": "ground-multi", "phrase": "red circle"}
    answers = [server.json({"image": DATA, **fields}),
               server.ask("POST", "/v1/ground?task=ground-multi&phrase=red+circle", PIXELS, {"Content-Type": "image/png"})]
    answers.append(server.form("/v1/ground", [*fields.items(), ("image", PIXELS)]))
    for status, headers, text in answers:
        assert status == 200, text
        assert headers["Content-Type"] == "application/json"
        assert untimed(text) == want


def test_several_at_once_are_those_of_ground(server):
    asked = [(phrase, mode) for phrase in ("red circle", "green star", "blue ring") for mode in ("slow", "fast", "hybrid")]
    want = [ground("--phrase", phrase, "--generation-mode", mode) for phrase, mode in asked]
    with concurrent.futures.ThreadPoolExecutor(len(asked)) as pool:
        got = list(pool.map(lambda a: server.json({"image": DATA, "task": "ground-single", "phrase": a[0],
                                                   "generation_mode": a[1]}), asked))
    assert [untimed(text) for _, _, text in got] == want


def test_items_come_as_events(server):
    fields = {"image": DATA, "categories": ["red circle", "green star"], "categories_per_question": 0}
    _, _, whole = server.json(fields)
    status, headers, text = server.json(fields, {"Accept": "text/event-stream"})
    assert status == 200 and headers["Content-Type"] == "text/event-stream"
    seen = events(text)
    assert [name for name, _ in seen] == ["item"] * len(json.loads(whole)["items"]) + ["answer"]
    assert len(seen) > 1
    assert [json.loads(data) for name, data in seen if name == "item"] == json.loads(whole)["items"]
    assert untimed(seen[-1][1]) == untimed(whole)


ISOLATION = {"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp",
             "Cross-Origin-Resource-Policy": "same-origin"}


def test_the_page_is_isolated_and_the_answers_are_not(server):
    few = {"image": DATA, "task": "point", "phrase": "red circle"}
    for method in ("GET", "HEAD"):
        for path, want in (("/", 200), ("/app.js", 200), ("/style.css", 200), ("/engine.js", 404), ("/model/config.json", 404), ("/v2", 404)):
            status, headers, _ = server.ask(method, path)
            assert status == want and ISOLATION.items() <= headers.items(), (method, path, status, headers)
    status, headers, _ = server.post("/app.js", few)
    assert status == 405 and ISOLATION.items() <= headers.items(), (status, headers)
    for status, headers, _ in (server.json(few), server.json({}), server.ask("GET", "/v1/models"), server.ask("GET", "/v1/nothing"),
                               server.ask("GET", "/healthz"), server.ask("GET", "/metrics"), server.ask("GET", "/openapi.json")):
        assert not ISOLATION.keys() & headers.keys(), (status, headers)


def test_the_page_of_a_folder():
    """Files of the page alone, read once; one that is missing is an error at the start."""
    with tempfile.TemporaryDirectory() as folder:
        whole = ["index.html", "style.css", "app.js", "local.js", "engine.js", "la.js", "la-threads.js", "la.wasm", "la-threads.wasm"]
        whole += ["model/" + name for name in ("config.json", "generation_config.json", "preprocessor_config.json", "tokenizer.json",
                                               "tokenizer_config.json", "model.safetensors")]
        os.mkdir(f"{folder}/model")
        for name in [*whole, "secret", "model/secret"]:
            with open(f"{folder}/{name}", "w") as file:
                file.write(f"this is {name}")
        server = Server("--page", folder)
        for name in whole:
            status, headers, text = server.ask("GET", "/" + ("" if name == "index.html" else name))
            assert (status, text) == (200, f"this is {name}") and ISOLATION.items() <= headers.items(), (name, status, text)
            assert headers["Content-Length"] == str(len(text)) == server.ask("HEAD", "/" + ("" if name == "index.html" else name))[1]["Content-Length"]
            assert "'wasm-unsafe-eval'" in headers["Content-Security-Policy"]
        assert server.ask("GET", "/la.wasm")[1]["Content-Type"] == "application/wasm"
        for path in ("/secret", "/model/secret", "/model/", "/index.html/../secret", "/la-threads.worker.js"):
            assert server.ask("GET", path)[0] == 404, path
        assert server.end()[0] == 0
        for name in ("app.js", "la-threads.wasm"):
            os.rename(f"{folder}/{name}", f"{folder}/away")
            run = subprocess.run([SERVE, "--page", folder, "--port", "0"], capture_output=True, text=True, env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"})
            assert run.returncode == 1 and f"{folder}/{name}" in run.stderr, run.stderr
            os.rename(f"{folder}/away", f"{folder}/{name}")
    assert "wasm-unsafe-eval" not in Server().ask("GET", "/")[1]["Content-Security-Policy"]


def test_what_is_no_picture_in_the_request_is_refused(server):
    for image in ("http://127.0.0.1/a.png", "https://a/b.png", "file:///etc/passwd", "/etc/passwd", PICTURE, "../a.png"):
        status, _, text = server.json({"image": image, "task": "point", "phrase": "x"})
        assert status == 400 and "expected a data: URI" in text, text
        assert "passwd" not in text
    for image, why in ((DATA[:-400], "image"), ("data:image/png;base64,@@@@", "base64"), ("data:image/png", "comma"),
                       ("data:image/png;base64,", "image")):
        status, _, text = server.json({"image": image, "task": "point", "phrase": "x"})
        assert status == 400 and why in json.loads(text)["error"], text


def test_bad_requests_name_the_field(server):
    for fields, why in (({"task": "nonsense", "phrase": "x"}, "nonsense"), ({"task": "point"}, "phrase"), ({}, "expected query"),
                        ({"task": "point", "phrase": "x", "max_tokens": -1}, "--max-tokens"),
                        ({"task": "point", "phrase": "x", "model_dir": "/etc"}, "model_dir"),
                        ({"task": "point", "phrase": "x\r\nSet-Cookie: a", "weights": "q8"}, "weights")):
        status, headers, text = server.json({"image": DATA, **fields})
        assert status == 400 and why in json.loads(text)["error"], text
        assert "Set-Cookie" not in headers
    for body in ("", "{", "[]", "null", '{"image": 3}', "\0"):
        assert server.ask("POST", "/v1/ground", body, {"Content-Type": "application/json"})[0] == 400
    assert server.ask("POST", "/v1/ground", b"--B\r\nnothing", {"Content-Type": "multipart/form-data; boundary=B"})[0] == 400
    for path in ("/nothing", "/v1/ground/", "/v1"):
        assert server.ask("GET", path)[0] == 404
    assert server.ask("GET", "/v1/ground")[0] == 405


def test_health(server):
    for path in ("/healthz", "/readyz"):
        assert server.ask("GET", path)[::2] == (200, "ok\n")


def test_limits_and_key():
    server = Server("--max-body", "1", "--max-pixels", "1", "--api-key", "secret")
    fields = {"image": DATA, "task": "point", "phrase": "red circle"}
    for header in ({}, {"Authorization": "Bearer secre"}, {"Authorization": "Bearer secret2"}, {"Authorization": "secret"}):
        status, headers, _ = server.json(fields, header)
        assert status == 401 and headers["WWW-Authenticate"] == "Bearer"
    assert server.ask("GET", "/healthz")[0] == 200
    key = {"Authorization": "Bearer secret"}
    assert server.json(fields, key)[0] == 200
    status, _, text = server.ask("POST", "/v1/ground?task=point&phrase=x", b"\0" * 1_500_000, key)
    assert status == 413 and "--max-body" in text
    # A BMP of 2000x2000.
    bmp = b"BM" + (54).to_bytes(4, "little") + bytes(4) + (54).to_bytes(4, "little") + (40).to_bytes(4, "little")
    bmp += (2000).to_bytes(4, "little") * 2 + (1).to_bytes(2, "little") + (24).to_bytes(2, "little") + bytes(24)
    status, _, text = server.ask("POST", "/v1/ground?task=point&phrase=x", bmp, key)
    assert status == 400 and "pixels" in text, text
    assert server.end()[0] == 0


def stream(server, fields):
    """A socket from which the status was read: the request was accepted, or refused."""
    body = json.dumps(fields)
    s = socket.create_connection(("127.0.0.1", server.port), 60)
    s.sendall(f"POST /v1/ground HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\nContent-Type: application/json\r\n"
              f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
    return s, int(s.recv(12).split()[1])


def test_a_full_queue_is_said_and_a_client_that_goes_frees_its_place():
    server = Server("--queue", "1", "--batch-size", "1")
    many = {"image": DATA, "categories": [f"thing {i}" for i in range(6000)]}
    few = {"image": DATA, "task": "point", "phrase": "red circle"}
    clients = [stream(server, many) for _ in range(3)]
    assert [status for _, status in clients].count(200) in (1, 2)
    status, headers, _ = server.json(few)
    if status != 429:  # the first had not begun yet when the others came
        clients.append(stream(server, many))
        status, headers, _ = server.json(few)
    assert status == 429 and int(headers["Retry-After"]) >= 1
    for client, _ in clients:
        client.close()
    end = time.monotonic() + 20
    while (status := server.json(few)[0]) == 429 and time.monotonic() < end:
        time.sleep(0.1)
    assert status == 200
    assert server.end()[0] == 0


def test_an_answer_has_a_time_limit():
    server = Server("--timeout", "1")
    status, headers, text = server.json({"image": DATA, "categories": [f"thing {i}" for i in range(3000)]})
    assert status == 503 and "--timeout" in text and "Retry-After" in headers
    assert server.end()[0] == 0


def test_sigterm_answers_what_is_under_way():
    server = Server()
    client, status = stream(server, {"image": DATA, "categories": [f"thing {i}" for i in range(60)]})
    assert status == 200
    server.process.send_signal(signal.SIGTERM)
    text = b"".join(iter(lambda: client.recv(1 << 16), b"")).decode()
    answer = json.loads(re.search(r"event: answer\ndata: (.*)", text)[1].rstrip("\r"))
    assert answer["stop"] != "cancelled"
    assert server.process.wait(30) == 0


if __name__ == "__main__":
    serve_program.run_tests(globals(), Server)
