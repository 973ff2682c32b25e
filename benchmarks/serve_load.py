"""Load on serve: many connections with mixed pictures, questions, dialects and bad requests; every answer is checked.

usage: serve_load.py SERVE PICTURES [--seconds 300] [--connections 64] [--flags='FLAGS of serve']

First one connection in slow mode, for comparison, then all. It prints questions a second, the times of their answers, and
the server's memory in the second and the last minute; it fails when an answer is not the expected one.
"""

import argparse
import base64
import collections
import functools
import http.client
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time

PICTURES = ("shapes.png", "letters.png", "crowd.png")
PHRASES = ("red circle", "green star", "blue square", "orange triangle", "pink ring", "black letter K", "red letter R")


@functools.cache
def data_uri(pixels):
    return "data:image/png;base64," + base64.b64encode(pixels).decode()


@functools.cache
def json_body(picture, **fields):
    """Made once: the clients take their processor time from the server."""
    if fields.pop("chat", False):
        content = [{"type": "text", "text": fields.pop("phrase")}, {"type": "image_url", "image_url": {"url": data_uri(picture)}}]
        return json.dumps({**fields, "messages": [{"role": "user", "content": content}]}).encode()
    return json.dumps({"image": data_uri(picture), **fields}).encode()


@functools.cache
def form_body(picture):
    return b'--B\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n' + picture + b"\r\n--B--\r\n"


def request_of(draw, pictures, mode=None):
    """(path, body, headers, expected statuses, kind)"""
    picture = draw.choice(pictures)
    phrase, json_type = draw.choice(PHRASES), {"Content-Type": "application/json"}
    kind = draw.choices(("plain", "events", "chat", "localai", "deepstack", "bad"), (30, 20, 15, 10, 10, 15))[0]
    if kind in ("plain", "events"):
        body = json_body(picture, task="ground-multi", phrase=phrase, generation_mode=mode or draw.choice(("slow", "fast", "hybrid")))
        headers = {**json_type, **({"Accept": "text/event-stream"} if kind == "events" else {})}
        return "/v1/ground", body, headers, (200,), kind
    if kind == "chat":
        body = json_body(picture, chat=True, model="shapes", task="ground-single", phrase=phrase, stream=draw.random() < 0.5,
                         generation_mode=mode or "hybrid")
        return "/v1/chat/completions", body, json_type, (200,), kind
    if kind == "localai":
        return "/v1/detection", json_body(picture, prompt=", ".join(draw.sample(PHRASES, 2))), json_type, (200,), kind
    if kind == "deepstack":
        return "/v1/vision/detection", form_body(picture), {"Content-Type": "multipart/form-data; boundary=B"}, (200,), kind
    return (*draw.choice((("/v1/ground", b"{", json_type, (400,)), ("/v1/ground", json_body(picture), json_type, (400,)),
                          ("/v1/ground?task=point&phrase=x", picture[:-50], {}, (400,)), ("/v1/nothing", b"x", {}, (404,)),
                          ("/v1/chat/completions", b'{"model":"other","messages":[]}', json_type, (400,)),
                          ("/v1/vision/detection", b"--C", {"Content-Type": "multipart/form-data; boundary=B"}, (400,)))), kind)


class Load:
    def __init__(self, port, pictures, connections, seconds, mode=None):
        self.port, self.pictures, self.mode = port, pictures, mode
        self.end = time.monotonic() + seconds
        self.lock = threading.Lock()
        self.times, self.counts, self.wrong = [], collections.Counter(), collections.Counter()
        threads = [threading.Thread(target=self.client, args=(i,)) for i in range(connections)]
        start = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.seconds = time.monotonic() - start

    def client(self, number):
        draw = random.Random(number)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        while time.monotonic() < self.end:
            path, body, headers, want, kind = request_of(draw, self.pictures, self.mode)
            if not self.mode and draw.random() < 0.01:  # one that leaves in the middle
                with socket.create_connection(("127.0.0.1", self.port)) as client:
                    client.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() +
                                   body[:draw.randrange(len(body) + 1)])
                kind = "left"
            else:
                start = time.monotonic()
                try:
                    connection.request("POST", path, body, headers)
                    response = connection.getresponse()
                    text = response.read()
                    if response.status not in want or b'"error"' in text and response.status == 200:
                        with self.lock:
                            self.wrong[f"{path} {response.status} {text[:100]}"] += 1
                except (OSError, http.client.HTTPException) as error:
                    connection.close()
                    with self.lock:
                        self.wrong[f"{path} {error!r}"] += 1
                taken = time.monotonic() - start
                if want == (200,):
                    with self.lock:
                        self.times.append(taken)
            with self.lock:
                self.counts[kind] += 1

    def rate(self):
        return len(self.times) / self.seconds

    def quantile(self, share):
        ordered = sorted(self.times)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000


def resident(process):
    return int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{process}/status").read())[1]) * 1024 / 1e6


def used(process):
    fields = open(f"/proc/{process}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def mean(values):
    return sum(values) / max(1, len(values))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("serve")
    parser.add_argument("pictures")
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--alone", type=float, default=20, help="seconds of the one connection")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--flags", default="", help="of serve, in one argument")
    options = parser.parse_args()
    pictures = [open(os.path.join(options.pictures, name), "rb").read() for name in PICTURES]
    server = subprocess.Popen([options.serve, "--port", "0", "--connections", str(options.connections + 16), "--queue", "1024",
                               "--categories", "red circle, green star", *options.flags.split()], stderr=subprocess.PIPE, text=True)
    try:
        for line in server.stderr:
            if found := re.search(r"listening on http://127\.0\.0\.1:(\d+)", line):
                port = int(found[1])
                break
        alone = Load(port, pictures, 1, options.alone, "slow")
        memory, stop = [], threading.Event()

        def watch():
            start = time.monotonic()
            while not stop.wait(0.5):
                memory.append((time.monotonic() - start, resident(server.pid)))

        watching = threading.Thread(target=watch)
        watching.start()
        load = Load(port, pictures, options.connections, options.seconds)
        stop.set()
        watching.join()
        minute = min(60.0, options.seconds / 5)
        second = mean([mb for at, mb in memory if minute <= at < 2 * minute])
        last = mean([mb for at, mb in memory if at >= options.seconds - minute])
        print(f"1 connection, slow mode: {alone.rate():.1f} questions/s, p50 {alone.quantile(0.5):.1f} ms, p99 {alone.quantile(0.99):.1f} ms")
        print(f"{options.connections} connections, all mixed: {load.rate():.1f} questions/s ({load.rate() / alone.rate():.2f} times one), "
              f"p50 {load.quantile(0.5):.0f} ms, p99 {load.quantile(0.99):.0f} ms")
        print(f"{sum(load.counts.values())} requests in {load.seconds:.0f} s: " + ", ".join(f"{n} {kind}" for kind, n in load.counts.most_common()))
        print(f"resident memory: {second:.1f} MB from second {minute:.0f} on, {last:.1f} MB in the last {minute:.0f} s ({100 * (last / second - 1):+.1f} %); "
              "in steps of as long: " + ", ".join(f"{mean([mb for at, mb in memory if minute * i <= at < minute * (i + 1)]):.1f}"
                                                  for i in range(int(options.seconds / minute))))
        print(f"seconds of CPU: {used(server.pid):.0f} of the server, {time.process_time():.0f} of its clients")
        wrong = alone.wrong + load.wrong
        for what, count in wrong.most_common(10):
            print(f"not expected, {count} times: {what}")
        server.send_signal(signal.SIGTERM)
        code, log = server.wait(60), server.stderr.read()
        if log:
            print(log)
        sys.exit(1 if wrong or code != 0 else 0)
    finally:
        server.kill()


main()
