"""serve speaks as OpenAI, LocalAI and DeepStack do, counts what it does, and tells pages of other origins nothing.

usage: serve_clients_test.py SERVE GROUND PICTURE [NODE_MODULES]; without the package openai there its client is left out
"""

import json
import os
import re
import shutil
import struct
import subprocess
import sys
import time

import serve_program
from serve_program import data_uri, ground_answer

SERVE, GROUND, PICTURE = sys.argv[1:4]
NODE_MODULES = sys.argv[4] if len(sys.argv) > 4 else ""
PIXELS = open(PICTURE, "rb").read()
DATA = data_uri(PICTURE)
END = "<|im_end|>"


def new_server(*flags):
    return serve_program.Server(SERVE, "--categories", "red circle, green star", *flags)


def message(text, *images):
    return [{"role": "user", "content": [{"type": "text", "text": text}] +
             [{"type": "image_url", "image_url": {"url": image}} for image in images]}]


def chat(server, text="red circle", images=(DATA,), **fields):
    return server.post("/v1/chat/completions", {"model": "shapes", "messages": message(text, *images), **fields})


def openai_error(answer, status, **want):
    got_status, headers, text = answer
    assert got_status == status, text
    error = json.loads(text)["error"]
    assert set(error) == {"message", "type", "param", "code"}, text
    for name, value in want.items():
        assert value in str(error[name]), text
    return error


def ground(*flags):
    return ground_answer(GROUND, PICTURE, *flags)


def test_a_completion_is_the_answer_of_ground(server):
    want = ground("--task", "ground-multi", "--phrase", "red circle")
    text = want["answer"].removesuffix(END)
    assert text != want["answer"] and want["items"]
    for fields in ({"text": want["query"]}, {"text": "red circle", "task": "ground-multi"}):
        status, headers, body = chat(server, **fields)
        assert status == 200, body
        answer = json.loads(body)
        assert answer["object"] == "chat.completion" and answer["model"] == "shapes" and answer["id"].startswith("chatcmpl-")
        assert abs(answer["created"] - time.time()) < 60
        choice, = answer["choices"]
        assert choice["finish_reason"] == "stop" and choice["index"] == 0
        assert choice["message"]["role"] == "assistant" and choice["message"]["content"] == text
        assert choice["message"]["items"] == want["items"]
        usage = answer["usage"]
        assert usage["completion_tokens"] == len(want["token_ids"])
        assert usage["prompt_tokens"] > 50 and usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert usage["prompt_tokens_details"]["cached_tokens"] > 0
    cut = json.loads(chat(server, want["query"], max_completion_tokens=3, generation_mode="slow")[2])
    assert cut["choices"][0]["finish_reason"] == "length" and cut["usage"]["completion_tokens"] == 3


def test_chunks_add_up_to_the_completion(server):
    pieces = []
    for mode, heat in (("slow", 0), ("fast", 0), ("hybrid", 0), ("slow", 4)):  # hot, the answer is long and has odd bytes
        fields = {"generation_mode": mode, "temperature": heat, "seed": 5, "max_tokens": 400}
        whole = json.loads(chat(server, **fields)[2])
        status, headers, text = chat(server, **fields, stream=True, stream_options={"include_usage": True})
        assert status == 200 and headers["Content-Type"] == "text/event-stream"
        events = [line.removeprefix("data: ") for line in text.strip().split("\n\n")]
        assert events.pop() == "[DONE]"
        chunks = [json.loads(event) for event in events]
        assert all(chunk["object"] == "chat.completion.chunk" and chunk["id"] == chunks[0]["id"] for chunk in chunks)
        assert chunks[-1]["choices"] == [] and chunks[-1]["usage"]["total_tokens"] == whole["usage"]["total_tokens"]
        deltas = [chunk["choices"][0]["delta"] for chunk in chunks[:-1]]
        assert deltas[0] == {"role": "assistant", "content": ""}
        assert "".join(delta.get("content", "") for delta in deltas) == whole["choices"][0]["message"]["content"]
        pieces.append(len([delta for delta in deltas if delta.get("content")]))
        assert [chunk["choices"][0]["finish_reason"] for chunk in chunks[:-1]] == [None] * (len(deltas) - 1) + [
            whole["choices"][0]["finish_reason"]]
        assert deltas[-1]["items"] == whole["choices"][0]["message"]["items"]
    assert max(pieces) > 1, pieces


def test_several_pictures(server):
    other = data_uri(os.path.join(os.path.dirname(PICTURE), "letters.png"))
    one = json.loads(chat(server)[2])
    two = json.loads(chat(server, images=(DATA, other))[2])
    assert two["usage"]["prompt_tokens"] > one["usage"]["prompt_tokens"] + 30
    named = json.loads(chat(server, "<image-2> <image-1> red circle", images=(DATA, other))[2])
    assert named["usage"]["prompt_tokens"] >= two["usage"]["prompt_tokens"]
    openai_error(chat(server, images=[DATA] * 17), 400, message="at most 16", param="messages")
    error = json.loads(chat(server, "<image-3> red circle", images=(DATA, other))[2])
    assert "image-3" in error["error"]["message"]


def test_what_cannot_be_honoured_is_an_error_in_openais_form(server):
    for name, value in (("n", 2), ("stop", ["x"]), ("tools", [{"type": "function"}]), ("logprobs", True),
                        ("presence_penalty", 0.5), ("response_format", {"type": "json_object"}),
                        ("logit_bias", {"5": 1}), ("nonsense", 1), ("tile", "64"), ("modalities", ["audio"]),
                        ("temperature", -1), ("max_tokens", 0), ("generation_mode", "quick"), ("stream", "yes"), ("task", "guess")):
        openai_error(chat(server, **{name: value}), 400, param=name, type="invalid_request_error")
    for name, value in (("n", 1), ("stop", None), ("tools", []), ("logprobs", False), ("user", "a"), ("seed", 7),
                        ("response_format", {"type": "text"}), ("metadata", {"a": "b"}), ("temperature", 0)):
        assert chat(server, **{name: value})[0] == 200, name
    for messages in ([], "x", [{"role": "system", "content": "x"}], message("x", DATA) * 2,
                     [{"role": "user", "content": 3}], [{"role": "user"}],
                     [{"role": "user", "content": [{"type": "input_audio"}]}],
                     [{"role": "user", "content": [{"type": "image_url"}]}], [{"role": "user", "content": "no picture"}]):
        openai_error(server.post("/v1/chat/completions", {"model": "shapes", "messages": messages}), 400, param="messages")
    openai_error(chat(server, images=["https://example.org/a.png"]), 400, message="data: URI", code="invalid_image_url")
    openai_error(chat(server, images=["data:image/png;base64,AAAA"]), 400, code="invalid_image")
    openai_error(chat(server, model="gpt-4o"), 404, code="model_not_found", param="model")
    openai_error(server.post("/v1/chat/completions", {"messages": message("x", DATA)}), 400, param="model")
    for body in ("", "{", "[]", "\0"):
        openai_error(server.ask("POST", "/v1/chat/completions", body, {"Content-Type": "application/json"}), 400)
    openai_error(server.ask("GET", "/v1/chat/completions"), 405)
    assert json.loads(server.ask("GET", "/v1/models")[2])["data"][0]["id"] == "shapes"


def test_openais_own_client(server):
    node = shutil.which("node")
    if not node or not os.path.isdir(os.path.join(NODE_MODULES, "openai")):
        print("skipped: node with the package openai was not found")
        return
    script = """
import OpenAI from 'openai';
const client = new OpenAI({baseURL: process.argv[2], apiKey: 'none', maxRetries: 0});
const request = {model: 'shapes', messages: JSON.parse(process.argv[3])};
const whole = await client.chat.completions.create(request);
let streamed = '';
for await (const chunk of await client.chat.completions.create({...request, stream: true}))
  streamed += chunk.choices[0]?.delta?.content ?? '';
let refused;
try { await client.chat.completions.create({...request, n: 2}); } catch (error) { refused = error; }
const models = (await client.models.list()).data;
console.log(JSON.stringify({whole: whole.choices[0].message.content, streamed, usage: whole.usage,
  status: refused.status, param: refused.param, name: refused.constructor.name, models}));
"""
    path = os.path.join(NODE_MODULES, "..", "la_openai_client.mjs")
    with open(path, "w") as file:
        file.write(script)
    try:
        want = ground("--phrase", "red circle")
        run = subprocess.run([node, path, f"http://127.0.0.1:{server.port}/v1", json.dumps(message(want["query"], DATA))],
                             capture_output=True, text=True, timeout=60)
    finally:
        os.unlink(path)
    assert run.returncode == 0, run.stderr
    got = json.loads(run.stdout)
    assert got["whole"] == got["streamed"] == want["answer"].removesuffix(END)
    assert got["usage"]["completion_tokens"] == len(want["token_ids"])
    assert (got["status"], got["param"], got["name"]) == (400, "n", "BadRequestError")
    assert [model["id"] for model in got["models"]] == ["shapes"]


def test_localais_detection(server):
    want = {item["label"]: item for item in ground("--task", "detect", "--categories", "red circle, green star")["items"]}
    assert len(want) == 2
    plain = DATA.split(",")[1]
    for fields in ({"image": DATA, "model": "rfdetr-base"}, {"image": plain}, {"image": DATA, "prompt": "red circle, green star"}):
        status, _, text = server.post("/v1/detection", fields)
        assert status == 200, text
        assert set(json.loads(text)) == {"detections"}
        got = json.loads(text)["detections"]
        assert {box["class_name"] for box in got} == set(want)
        assert [box["confidence"] for box in got] == sorted((box["confidence"] for box in got), reverse=True)
        for box in got:
            assert set(box) == {"x", "y", "width", "height", "confidence", "class_name"}
            x1, y1, x2, y2 = want[box["class_name"]]["box"]
            assert abs(box["x"] - x1) + abs(box["y"] - y1) < 1e-3
            assert abs(box["width"] - (x2 - x1)) + abs(box["height"] - (y2 - y1)) < 1e-3
            assert abs(box["confidence"] - want[box["class_name"]]["score"]) < 1e-6
    assert json.loads(server.post("/v1/detection", {"image": DATA, "threshold": 0.999})[2]) == {"detections": []}
    for fields, why in (({"image": "https://media.roboflow.com/dog.jpeg"}, "data: URI"), ({}, "image"),
                        ({"image": "/etc/passwd"}, "image"), ({"image": DATA, "points": [1.0, 2.0, 1.0]}, "points"),
                        ({"image": DATA, "threshold": 2}, "threshold"), ({"image": DATA, "nonsense": 1}, "nonsense")):
        status, _, text = server.post("/v1/detection", fields)
        error = json.loads(text)["error"]
        assert status == 400 == error["code"] and why in error["message"], text


def test_deepstacks_detection(server):
    want = {item["label"]: item for item in ground("--task", "detect", "--categories", "red circle, green star")["items"]}
    for parts in ([("image", PIXELS)], [("image", PIXELS), ("api_key", ""), ("min_confidence", "0.45")],
                  [("min_confidence", "0.4"), ("categories", "green star, red circle"), ("image", PIXELS)]):
        status, _, text = server.form("/v1/vision/detection", parts)
        answer = json.loads(text)
        assert status == 200 and answer["success"] is True and answer["duration"] > 0, text
        assert {box["label"] for box in answer["predictions"]} == set(want)
        assert [box["confidence"] for box in answer["predictions"]] == sorted(
            (box["confidence"] for box in answer["predictions"]), reverse=True)
        for box in answer["predictions"]:
            assert set(box) == {"confidence", "label", "y_min", "x_min", "y_max", "x_max"}
            got = [box[side] for side in ("x_min", "y_min", "x_max", "y_max")]
            assert all(isinstance(side, int) for side in got)
            assert all(abs(a - b) <= 0.5 for a, b in zip(got, want[box["label"]]["box"]))
    # Unquoted names, as .NET's clients write them.
    body = b"--B\r\nContent-Disposition: form-data; name=image; filename=a.png\r\n\r\n" + PIXELS + b"\r\n--B--\r\n"
    status, _, text = server.ask("POST", "/v1/vision/detection", body, {"Content-Type": 'multipart/form-data; boundary="B"'})
    assert status == 200 and len(json.loads(text)["predictions"]) == 2, text
    for parts, why in (([], "image"), ([("image", b"no picture")], "image"), ([("image", PIXELS), ("min_confidence", "x")], "min_confidence"),
                       ([("image", PIXELS), ("image", PIXELS)], "image")):
        status, _, text = server.form("/v1/vision/detection", parts)
        assert status == 400 and json.loads(text)["success"] is False and why in json.loads(text)["error"], text


def test_without_categories_detections_say_so():
    server = serve_program.Server(SERVE)
    status, _, text = server.form("/v1/vision/detection", [("image", PIXELS)])
    assert status == 400 and "--categories" in json.loads(text)["error"]
    status, _, text = server.post("/v1/detection", {"image": DATA})
    assert status == 400 and "--categories" in json.loads(text)["error"]["message"]
    assert server.end()[0] == 0


def test_keys_of_each_dialect():
    server = new_server("--api-key", "secret")
    right = {"Authorization": "Bearer secret"}
    for header in ({}, {"Authorization": "Bearer wrong!"}):
        openai_error(server.post("/v1/chat/completions", {}, header), 401, type="authentication_error", code="invalid_api_key")
        assert server.ask("GET", "/metrics", headers=header)[0] == 401
    assert server.ask("GET", "/metrics", headers=right)[0] == 200
    for parts, headers, want in (([("image", PIXELS)], {}, 401), ([("image", PIXELS), ("api_key", "wrong!")], {}, 401),
                                 ([("image", PIXELS), ("api_key", "secret")], {}, 200), ([("image", PIXELS)], right, 200),
                                 ([("image", PIXELS), ("api_key", "secret")], {"Authorization": "Bearer wrong!"}, 401)):
        status, _, text = server.form("/v1/vision/detection", parts, headers)
        assert status == want and json.loads(text)["success"] is (want == 200), text
    assert server.end()[0] == 0


def test_metrics_count(server):
    before = server.metrics()
    assert chat(server, "a question that nobody has asked")[0] == 200
    assert chat(server, n=2)[0] == 400
    assert server.ask("GET", "/no/such/path?of=many")[0] == 404
    after = server.metrics()
    grown = {name: after[name] - before.get(name, 0) for name in after}
    assert grown['la_requests_total{path="/v1/chat/completions",status="200"}'] == 1
    assert grown['la_requests_total{path="/v1/chat/completions",status="400"}'] == 1
    assert grown['la_requests_total{path="other",status="404"}'] == 1
    assert grown["la_request_seconds_count"] == 4 and grown["la_request_seconds_sum"] > 0
    assert after['la_request_seconds_bucket{le="+Inf"}'] == after["la_request_seconds_count"]
    for name in ('la_tokens_total{kind="prompt"}', 'la_tokens_total{kind="generated"}', "la_rows_total", "la_passes_total",
                 'la_stage_seconds_total{stage="prefill"}', 'la_image_cache_total{result="hit"}'):
        assert grown[name] > 0, name
    assert after["la_resident_bytes"] > 1e6 and after["la_queue_capacity"] == 64 and after["la_requests_under_way"] == 0
    # The text format: names, one HELP and TYPE each, before the samples.
    text = server.ask("GET", "/metrics")[2]
    seen = set()
    for line in text.splitlines():
        if found := re.fullmatch(r"# TYPE (\w+) (counter|gauge|histogram)", line):
            assert found[1] not in seen
            seen.add(found[1])
        elif not line.startswith("# HELP "):
            name = re.fullmatch(r'(\w+)(\{\w+="[^"]*"(,\w+="[^"]*")*\})? [-+.e\d]+', line)[1]
            assert name in seen or re.sub("_(bucket|sum|count)$", "", name) in seen, line


def test_a_file_that_comes_again_is_not_decoded_again(server):
    def counts(one):
        return [one.metrics()[f'la_image_decodes_total{{result="{result}"}}'] for result in ("hit", "miss")]

    one = new_server()
    turned = open(os.path.join(os.path.dirname(PICTURE), "turned.jpg"), "rb").read()
    answers = []
    for pixels, no_exif, want in ((turned, "false", [0, 1]), (turned, "false", [1, 1]), (turned, "true", [1, 2]),
                                  (turned + b"\0", "false", [1, 3]), (turned, "false", [2, 3])):
        status, _, text = one.form("/v1/ground", [("image", pixels), ("task", "ground-multi"), ("phrase", "red circle"), ("no_exif", no_exif)])
        assert status == 200, text
        answers.append([json.loads(text)[name] for name in ("width", "height", "items")])
        assert counts(one) == want, (counts(one), want)
    assert answers[0] == answers[1] == answers[3] == answers[4] != answers[2]
    assert one.end()[0] == 0

    def bmp(shade, side):
        row = bytes([shade, 0, 0] * side)
        return struct.pack("<2sIIIIiiHHIIiiII", b"BM", 54 + side * len(row), 0, 54, 40, side, side, 1, 24, *[0] * 6) + side * row

    # In one megabyte two of them have room, file and pixels; the last ones stay, and what is larger never does.
    a, b, c, large = bmp(1, 260), bmp(2, 260), bmp(3, 260), bmp(4, 420)
    for room, want in (("0", [0, 9]), ("1", [3, 6])):
        small = new_server("--kept-pictures", room)
        for pixels in (a, b, a, c, a, b, large, large, a):
            assert small.form("/v1/vision/detection", [("image", pixels), ("categories", "red circle")])[0] == 200
        assert counts(small) == want, (room, counts(small))
        assert small.end()[0] == 0


def test_the_description_lists_what_is_answered(server):
    description = json.loads(server.ask("GET", "/openapi.json")[2])
    assert description["openapi"].startswith("3.")
    for path, methods in description["paths"].items():
        for method in methods:
            status, _, text = server.ask(method.upper(), path, "" if method == "post" else None)
            assert status in (200, 400), (path, status, text)
    assert {"/v1/ground", "/v1/chat/completions", "/v1/models", "/v1/detection", "/v1/vision/detection", "/metrics"} <= set(
        description["paths"])


def test_other_origins_are_told_nothing_unless_named(server):
    asked = {"Origin": "https://example.org", "Access-Control-Request-Method": "POST"}
    status, headers, _ = server.ask("OPTIONS", "/v1/ground", headers=asked)
    assert status in (404, 405) and "Access-Control-Allow-Origin" not in headers
    assert "Access-Control-Allow-Origin" not in server.ask("GET", "/v1/models", headers=asked)[1]
    named = new_server("--cors", "https://example.org", "--api-key", "secret")
    status, headers, _ = named.ask("OPTIONS", "/v1/ground", headers=asked)  # browsers send no key with it
    assert status == 204 and headers["Access-Control-Allow-Origin"] == "https://example.org"
    assert "Authorization" in headers["Access-Control-Allow-Headers"] and "POST" in headers["Access-Control-Allow-Methods"]
    for path in ("/healthz", "/v1/models"):
        assert named.ask("GET", path, headers=asked)[1]["Access-Control-Allow-Origin"] == "https://example.org"
    assert named.end()[0] == 0
    for bad in ("example.org", "https://a/b", "https://", "https://a\r\nX: y"):
        run = subprocess.run([SERVE, "--cors", bad], capture_output=True, text=True)
        assert run.returncode == 2 and "--cors" in run.stderr, run.stderr


def test_a_client_that_goes_away_frees_its_rows(server):
    """Also one that waits for a whole answer, running or not."""
    small = new_server("--queue", "1", "--batch-size", "1")
    body = json.dumps({"image": DATA, "categories": [f"thing {i}" for i in range(6000)]})
    request = ("POST /v1/ground HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
               f"Content-Length: {len(body)}\r\n\r\n{body}").encode()
    running = small.connect()
    running.sendall(request)
    small.wait_for(lambda now: now["la_requests_under_way"] == 1 and now["la_rows_total"] > 0)
    waiting = small.connect()
    waiting.sendall(request)
    small.wait_for(lambda now: now["la_queue_waiting"] == 1)
    assert small.post("/v1/ground", {"image": DATA, "task": "point", "phrase": "x"})[0] == 429
    waiting.close()
    small.wait_for(lambda now: now["la_connections"] == 2)  # the one that runs, and this
    running.close()
    small.wait_for(lambda now: now["la_requests_under_way"] == 0 and now["la_cancelled_total"] >= 1)
    assert small.post("/v1/ground", {"image": DATA, "task": "point", "phrase": "red circle"})[0] == 200
    assert small.end()[0] == 0


if __name__ == "__main__":
    serve_program.run_tests(globals(), new_server)
