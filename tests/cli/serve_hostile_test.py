"""What people send to servers that they do not like: each is refused or cut, and the server goes on.

usage: serve_hostile_test.py SERVE PICTURE [SECONDS of random requests]
"""

import base64
import json
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import time
import zlib

import serve_program
from serve_program import data_uri, status_of

SERVE, PICTURE = sys.argv[1:3]
SECONDS = float(sys.argv[3]) if len(sys.argv) > 3 else 5
PIXELS = open(PICTURE, "rb").read()
DATA = data_uri(PICTURE)
FEW = {"image": DATA, "task": "point", "phrase": "red circle"}
MANY = {"image": DATA, "categories": [f"thing {i}" for i in range(6000)]}

# Bytes that may stay of what was refused. ThreadSanitizer shadows all that was touched.
KEPT = 600e6 if "TSAN_OPTIONS" in os.environ else 20e6


def new_server(*flags):
    return serve_program.Server(SERVE, "--categories", "red circle", *flags)


def alive(server):
    status, _, text = server.post("/v1/ground", FEW)
    assert status == 200 and json.loads(text)["items"], text


def request(body, path="/v1/ground", headers="Content-Type: application/json\r\n", method="POST"):
    body = body if isinstance(body, bytes) else body.encode()
    return f"{method} {path} HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body


def sent_in_pieces(server, pieces):
    """The status that comes in the end; what the server does not take any more is not sent."""
    with server.connect() as client:
        try:
            for piece in pieces:
                client.sendall(piece)
        except (ConnectionResetError, BrokenPipeError):
            pass
        try:
            return status_of(client)
        except ConnectionResetError:
            return None


def test_a_body_of_100_mb(server):
    before = server.resident()
    megabyte = b"x" * 1_000_000
    head = b"POST /v1/ground HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n"
    assert sent_in_pieces(server, [head] + [megabyte] * 100) == 413
    assert server.resident() - before < KEPT
    chunk = b"f4240\r\n" + megabyte + b"\r\n"
    head = b"POST /v1/ground HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert sent_in_pieces(server, [head] + [chunk] * 100 + [b"0\r\n\r\n"]) in (413, None)
    assert sent_in_pieces(server, [head] + [chunk] * 40 + [b"0\r\n\r\n"]) == 413
    for length, want in (("99999999999999999999999", 413), ("-1", 400), ("1x", 400), ("0x10", 400), ("", 411)):
        assert server.raw(f"POST /v1/ground HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode()) == want, length
    alive(server)


def test_a_hundred_thousand_headers(server):
    before = server.resident()
    many = [b"".join(b"X-Header-%d: value\r\n" % (i * 1000 + j) for j in range(1000)) for i in range(100)]
    assert sent_in_pieces(server, [b"GET /healthz HTTP/1.1\r\nHost: x\r\n"] + many + [b"\r\n"]) == 431
    assert sent_in_pieces(server, [b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: "] + [b"a" * 100_000] * 100 + [b"\r\n\r\n"]) in (400, 431)
    assert sent_in_pieces(server, [b"GET /"] + [b"a" * 100_000] * 100 + [b" HTTP/1.1\r\n\r\n"]) in (400, 414, 431, None)
    assert sent_in_pieces(server, [b"GET /healthz HTTP/1.1\r\nHost: x\r\n"] + [b"no colon\r\n" * 1000] * 100) in (400, 431)
    assert server.resident() - before < KEPT
    alive(server)


def test_paths_lead_nowhere(server):
    for path in ("/../../../../etc/passwd", "/..%2f..%2fetc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd", "/.//../etc/passwd",
                 "/app.js/../../serve.cpp", "/..\\..\\etc\\passwd", "/%00", "/app.js%00.png", "/v1/ground/../../etc/passwd",
                 "/proc/self/environ", "/%c0%ae%c0%ae/etc/passwd", "/" + "a/" * 3000, "/?file=/etc/passwd&x=" + "y" * 3000,
                 "/index.html/..", "/style.css/", "http://127.0.0.1/etc/passwd", "/a%0d%0aSet-Cookie:%20x"):
        with server.connect() as client:
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            answer = b"".join(iter(lambda: client.recv(1 << 16), b""))
        assert b"root:" not in answer and b"Set-Cookie" not in answer and b"#include" not in answer
        assert answer.split()[1] in (b"400", b"404") or path.startswith("/?"), (path, answer[:200])
    for method in ("TRACE", "CONNECT", "PROPFIND", "DELETE", "PUT", "PATCH", "\0"):
        assert server.raw(request("", "/v1/ground", "", method)) in (400, 404, 405, None), method
    alive(server)


def test_forms_that_are_none(server):
    part = b'Content-Disposition: form-data; name="image"\r\n\r\n' + PIXELS
    good = b"--B\r\n" + part + b'\r\n--B\r\nContent-Disposition: form-data; name="task"\r\n\r\ndetect-text\r\n--B--\r\n'
    kind = "multipart/form-data; boundary="
    ask = lambda body, kind: server.ask("POST", "/v1/ground", body, {"Content-Type": kind})
    assert ask(good, kind + "B")[0] == 200
    assert ask(b"a preamble\r\n" + good + b"an epilogue", kind + '"B"')[0] == 200
    for body, its_kind in ((good, "multipart/form-data"), (good, kind), (good, kind + "C"), (good, kind + "b" * 300), (good, kind + '"'),
                           (good[:-40], kind + "B"), (good[:100], kind + "B"), (b"", kind + "B"), (b"--B", kind + "B"),
                           (b"--B--", kind + "B"), (b"--B\r\n", kind + "B"), (b"--B\r\n\r\n", kind + "B"), (b"--B\r\n\r\n\r\n--B--", kind + "B"),
                           (b"--Bx\r\n" + part + b"\r\n--B--", kind + "B"), (b"--B\r\n" + b"A" * 20000 + b"\r\n\r\nx\r\n--B--", kind + "B"),
                           (b'--B\r\nContent-Disposition: form-data; name="' + b"a" * 8000 + b'"\r\n\r\nx\r\n--B--', kind + "B"),
                           (b'--B\r\nContent-Disposition: form-data; name="\\\r\n\r\nx\r\n--B--', kind + "B"),
                           (b"--B\r\n" + part + b"\r\n" + b'--B\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n' * 100 + b"--B--", kind + "B"),
                           (b"--B\r\n" + part + b"\r\n--B\r\n" + part + b"\r\n--B--", kind + "B"), (b"\r\n--B" * 100000, kind + "B")):
        status, _, text = ask(body, its_kind)
        assert status == 400 and json.loads(text)["error"], (body[:80], its_kind, text)
    alive(server)


def png_of(width, height, data=b""):
    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b""))


def test_data_uris_that_lie(server):
    before = server.resident()
    encode = lambda data: base64.b64encode(data).decode()
    assert server.post("/v1/ground", {**FEW, "image": DATA.replace("image/png", "text/html")})[0] == 200  # bytes tell, not names
    for image in ("data:image/png;base64," + encode(png_of(60000, 60000)), "data:image/png;base64," + encode(png_of(2 ** 31 - 1, 2 ** 31 - 1)),
                  "data:image/png;base64," + encode(png_of(100, 100)), "data:image/png;base64," + encode(PIXELS[:-100]),
                  "data:image/png;base64," + encode(b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>"),
                  "data:image/jpeg;base64," + encode(b"\xff\xd8\xff\xe0" + b"\0" * 100), "data:text/html,<script>alert(1)</script>",
                  "data:image/png;base64,", "data:,", "data:", "data:image/png;base64;base64," + "A" * 5, "data:;base64,\0\0\0\0",
                  "data:image/png;base64," + "=" * 1000, "data:image/png;base64," + "%" * 1000, "DATA:image/png;base64," + encode(PIXELS),
                  "file:///etc/passwd", "http://169.254.169.254/latest/meta-data", "blob:x", " " + DATA):
        for path, fields in (("/v1/ground", {**FEW, "image": image}), ("/v1/detection", {"image": image}),
                             ("/v1/chat/completions", {"model": "shapes", "messages": [{"role": "user", "content": [
                                 {"type": "text", "text": "x"}, {"type": "image_url", "image_url": {"url": image}}]}]})):
            status, _, text = server.post(path, fields)
            assert status == 400 and json.loads(text)["error"], (path, image[:60], text)
            assert "root:" not in text
    # A bomb: 4 MB of PNG that is 4 GB of pixels.
    server.post("/v1/ground", {**FEW, "image": "data:image/png;base64," + encode(png_of(36000, 36000, b"\0" * 100_000_000))})
    assert server.resident() - before < 200e6
    alive(server)


def test_what_json_can_be(server):
    deep = "[" * 100_000
    for body in (deep, '{"image":' + deep, '{"a":' * 50_000, '{"image":"' + DATA + '","task":"point","phrase":' + deep, "\xff\xfe", "nul", '"',
                 '{"image":1e999}', '{"image":"' + "\\u0000" * 1000 + '"}', '{"image":"\\ud800"}', '{"task":"point"}' * 2, "\ufeff{}"):
        for path in ("/v1/ground", "/v1/detection", "/v1/chat/completions"):
            assert server.raw(request(body.encode("utf-8", "surrogatepass"), path)) == 400, (body[:60], path)
    assert server.raw(request(b'{"phrase":"\xff\xff","task":"point","image":"' + DATA.encode() + b'"}')) == 400
    alive(server)


def test_compressed_bodies_are_not_unpacked(server):
    bomb = zlib.compressobj(9, zlib.DEFLATED, 31)
    body = bomb.compress(b"\0" * 30_000_000) + bomb.flush()
    for how in ("gzip", "br", "deflate", "gzip, gzip"):
        assert server.raw(request(body, headers=f"Content-Encoding: {how}\r\n")) == 415
    alive(server)


def test_one_request_is_not_two(server):
    inner = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
    for head, want in (("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400), ("Content-Length: 5\r\nContent-Length: 50\r\n", 400),
                       ("Transfer-Encoding: gzip, chunked\r\n", 400), ("", 411), ("Content-Length: 999999999\r\n", 413)):
        with server.connect() as client:
            client.sendall(f"POST /v1/ground HTTP/1.1\r\nHost: x\r\n{head}\r\n{inner}".encode())
            client.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: client.recv(1 << 16), b""))
        assert answer.count(b"HTTP/1.1") == 1 and int(answer.split()[1]) == want, answer
    # What is left of a body whose request had no key is no request either.
    keyed = new_server("--api-key", "secret")
    with keyed.connect() as client:
        client.sendall(request(inner))
        client.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: client.recv(1 << 16), b""))
    assert answer.count(b"HTTP/1.1") == 1 and answer.split()[1] == b"401", answer
    assert keyed.end()[0] == 0
    # Two that come at once are two.
    with server.connect() as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert b"".join(iter(lambda: client.recv(1 << 16), b"")).count(b"200 OK") == 2


def test_ranges_of_every_kind(server):
    for value in ("bytes=0-0" + ",0-0" * 2000, "bytes=" + "-" * 8000, "bytes=99999999999999999999-", "bytes=5-1", "x" * 8000,
                  "bytes=" + "1" * 8000 + "-", "bytes=0-" + "0" * 7000):
        server.raw(f"GET /openapi.json HTTP/1.1\r\nHost: x\r\nRange: {value}\r\n\r\n".encode())
    alive(server)


def test_keys_that_are_not_the_key():
    server = new_server("--api-key", "secret key")
    for header in ({}, {"Authorization": ""}, {"Authorization": "Bearer"}, {"Authorization": "Bearer "}, {"Authorization": "Bearer secret"},
                   {"Authorization": "Bearer secret key "[:-2]}, {"Authorization": "Bearer secret key2"}, {"Authorization": "bearer secret key"},
                   {"Authorization": "Basic c2VjcmV0IGtleQ=="}, {"X-Api-Key": "secret key"}, {"Authorization": "B" * 8000}):
        for path in ("/v1/ground?key=secret+key", "/v1/chat/completions", "/v1/detection"):
            status, headers, text = server.post(path, FEW, header)
            assert status == 401 and headers["WWW-Authenticate"] == "Bearer" and "secret" not in text, header
        assert server.ask("GET", "/v1/models", headers=header)[0] == 401
    assert server.post("/v1/ground", FEW, {"Authorization": "Bearer secret key"})[0] == 200
    assert server.end()[0] == 0


def test_slow_loris():
    """Clients that send a byte now and then keep nobody out, and are cut when their time is over."""
    server = new_server("--connections", "4", "--arrival", "6")
    slow = [server.connect() for _ in range(12)]
    head = b"POST /v1/ground HTTP/1.1\r\nHost: x\r\nX-Slow: " + b"a" * 1000
    start, waited, sent = time.monotonic(), None, 0
    ended = [False] * len(slow)
    import threading
    def ask():
        nonlocal waited
        alive(server)
        waited = time.monotonic() - start
    asking = threading.Thread(target=ask)
    asking.start()
    while time.monotonic() - start < 40 and not (all(ended) and waited):
        for i, client in enumerate(slow):
            try:
                client.sendall(head[sent:sent + 1])
            except OSError:
                ended[i] = True
        sent += 1
        time.sleep(0.2)
    asking.join(60)
    assert waited is not None and waited < 30, waited
    assert all(ended), ended
    # A body that stops half way.
    with server.connect() as client:
        client.sendall(request("x" * 1000)[:-500])
        assert status_of(client) == 408
    assert server.end()[0] == 0


def test_clients_that_do_not_read():
    """An answer that nobody takes ends with its connection."""
    server = new_server("--connections", "4")
    for _ in range(8):
        client = server.connect()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.sendall(request(json.dumps(FEW)))
        client.close()  # a reset
    server.wait_for(lambda now: now["la_requests_under_way"] == 0)
    alive(server)
    assert server.end()[0] == 0


def test_clients_that_are_killed():
    server = new_server("--batch-size", "2")
    script = ("import http.client,sys\nc = http.client.HTTPConnection('127.0.0.1', int(sys.argv[1]))\n"
              "c.request('POST', '/v1/ground', sys.stdin.read(), {'Content-Type': 'application/json', 'Accept': sys.argv[2]})\n"
              "c.getresponse().read()\n")
    clients = []
    for accept in ("application/json", "text/event-stream") * 3:
        client = subprocess.Popen([sys.executable, "-c", script, str(server.port), accept], stdin=subprocess.PIPE)
        client.stdin.write(json.dumps(MANY).encode())
        client.stdin.close()
        clients.append(client)
    server.wait_for(lambda now: now["la_requests_under_way"] == len(clients), 60)
    for client in clients:
        client.kill()
        client.wait()
    server.wait_for(lambda now: now["la_requests_under_way"] == 0, 60)
    alive(server)
    assert server.end()[0] == 0


def test_random_requests(server):
    """Bytes of good requests changed, cut, doubled: any answer will do, as long as the next good one is answered."""
    boundary = b'--B\r\nContent-Disposition: form-data; name="image"; filename="a"\r\nContent-Type: image/png\r\n\r\n'
    form = boundary + PIXELS + b'\r\n--B\r\nContent-Disposition: form-data; name="task"\r\n\r\ndetect-text\r\n--B--\r\n'
    good = [request(json.dumps(FEW)), request(form, headers="Content-Type: multipart/form-data; boundary=B\r\n"),
            request(PIXELS, "/v1/ground?task=point&phrase=red+circle", "Content-Type: image/png\r\n"),
            request(json.dumps({"image": DATA}), "/v1/detection"), request(form, "/v1/vision/detection", "Content-Type: multipart/form-data; boundary=B\r\n"),
            request(json.dumps({"model": "shapes", "messages": [{"role": "user", "content": [
                {"type": "text", "text": "red circle"}, {"type": "image_url", "image_url": {"url": DATA}}]}], "stream": True}), "/v1/chat/completions"),
            b"GET /metrics HTTP/1.1\r\nHost: x\r\nRange: bytes=0-5\r\n\r\n"]
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    draw = random.Random(seed)
    end, count = time.monotonic() + SECONDS, 0
    while time.monotonic() < end:
        sent = bytearray(draw.choice(good))
        for _ in range(draw.choice((1, 1, 2, 5, 20))):
            # The head of the body and of the request, where the grammar is, more often than pixels.
            place = draw.randrange(min(len(sent), draw.choice((60, 200, 400, 1 << 30)))) if sent else 0
            how = draw.randrange(5)
            if how == 0:
                sent[place:place + 1] = bytes([draw.randrange(256)])
            elif how == 1:
                del sent[place:place + draw.choice((1, 3, 50))]
            elif how == 2:
                sent[place:place] = draw.choice((b"\r\n", b"\r\n\r\n", b"--B", b"\0", b'"', b"{", b"[", b":", b"%", b"\xff", b"9" * 20, b"-1"))
            elif how == 3:
                sent[place:place] = sent[place:place + draw.choice((1, 10, 100))]
            else:
                del sent[place + 500:]
        with server.connect() as client:
            try:
                client.sendall(sent)
                client.shutdown(socket.SHUT_WR)
                while client.recv(1 << 16):
                    pass
            except OSError:
                pass
        count += 1
    print(f"{count} requests")
    server.wait_for(lambda now: now["la_requests_under_way"] == 0, 60)
    alive(server)


if __name__ == "__main__":
    serve_program.run_tests(globals(), new_server)
