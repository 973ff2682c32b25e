"""The server under test, and what its tests share."""

import base64
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import time

TIMED = ("seconds", "tokens_per_second", "peak_rss_mb", "image")


def data_uri(path, kind="image/png"):
    with open(path, "rb") as file:
        return f"data:{kind};base64," + base64.b64encode(file.read()).decode()


class Server:
    all = []

    def __init__(self, program, *flags, environment=None):
        # LA_TEST_ENVIRONMENT: such as options of sanitizers
        environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", **(environment or {}),
                       **{name: value for name, value in os.environ.items() if name.endswith("SAN_OPTIONS")}}
        self.process = subprocess.Popen([program, "--port", "0", "--threads", "1", *flags], stderr=subprocess.PIPE,
                                        text=True, env=environment)
        Server.all.append(self)
        for line in self.process.stderr:
            if found := re.search(r"listening on http://127\.0\.0\.1:(\d+)", line):
                self.port = int(found[1])
                return
        raise AssertionError("serve did not listen")

    def ask(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        return response.status, dict(response.getheaders()), text

    def post(self, path, fields, headers=None):
        return self.ask("POST", path, json.dumps(fields), {"Content-Type": "application/json", **(headers or {})})

    def form(self, path, parts, headers=None):
        """parts: (name, bytes or text)"""
        body = b"".join(b'--B\r\nContent-Disposition: form-data; name="' + name.encode() + b'"' +
                        (b'; filename="../../etc/a.png"\r\nContent-Type: image/png' if isinstance(value, bytes) else b"") +
                        b"\r\n\r\n" + (value if isinstance(value, bytes) else value.encode()) + b"\r\n"
                        for name, value in parts) + b"--B--\r\n"
        return self.ask("POST", path, body, {"Content-Type": "multipart/form-data; boundary=B", **(headers or {})})

    def connect(self, timeout=60):
        return socket.create_connection(("127.0.0.1", self.port), timeout)

    def raw(self, sent, timeout=60):
        """The status of what these bytes are answered with; None when the connection just ends."""
        with self.connect(timeout) as client:
            try:
                client.sendall(sent)
                return status_of(client)
            except (ConnectionResetError, BrokenPipeError):
                return None

    def metrics(self):
        status, headers, text = self.ask("GET", "/metrics")
        assert status == 200 and headers["Content-Type"].startswith("text/plain"), text
        return {name: float(value) for name, value in
                (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))}

    def wait_for(self, what, seconds=20):
        """Until the metrics fit."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if what(self.metrics()):
                return
            time.sleep(0.05)
        raise AssertionError(f"not within {seconds} s: {self.metrics()}")

    def resident(self):
        return int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{self.process.pid}/status").read())[1]) * 1024

    def end(self, sent=signal.SIGTERM):
        self.process.send_signal(sent)
        code = self.process.wait(30)
        return code, self.process.stderr.read()


def status_of(client):
    head = b""
    while b"\r\n" not in head:
        more = client.recv(4096)
        if not more:
            return None
        head += more
    return int(head.split()[1])


def ground_answer(program, picture, *flags):
    command = [program, "--image", picture, "--json", "--threads", "1", *flags]
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
    return untimed(subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout)


def untimed(text):
    return {name: value for name, value in json.loads(text).items() if name not in TIMED}


def run_tests(tests, new_server):
    """Those that take a server share one, which must end without a word."""
    try:
        shared = new_server()
        for name, test in list(tests.items()):
            if name.startswith("test_"):
                start = time.monotonic()
                test(*([shared] if test.__code__.co_argcount else []))
                print(f"ok: {name} {time.monotonic() - start:.1f} s", flush=True)
        code, log = shared.end()
        assert code == 0 and log == "", log
    finally:
        for server in Server.all:
            server.process.kill()
