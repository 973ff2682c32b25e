#!/usr/bin/env python3
"""Reads what batch wrote for another tool as that tool does, and compares it with the answers, box by box.

read_formats.py FORMAT ANSWERS FILE: prints how many boxes and points FILE holds; fails where it is not as it should be.
The rules are those of the tools' own readers, each named beside its function; only Python's own modules are used.
"""
import csv
import json
import os
import sys
import xml.etree.ElementTree as ElementTree


def answers_of(path):
    """Lines that were answered: (line number, answer, [(label, kind, numbers, score)])."""
    out = []
    with open(path, encoding="utf-8") as file:
        for number, text in enumerate(file, 1):
            answer = json.loads(text)
            items = []
            for item in answer.get("items", []):
                if item["kind"] != "none":
                    label = item["label"] or answer.get("phrase") or answer.get("query") or "object"
                    items.append((label, item["kind"], item[item["kind"]], item["score"]))
            out.append((number, answer, items))
    return out


def by_image(answers):
    images = {}
    for _, answer, items in answers:
        if "error" not in answer:
            stats = answer["stats"]
            images.setdefault(answer["image"], (stats["width"], stats["height"], []))[2].extend(items)
    return images


def clamp(numbers, width, height):
    return [min(max(n, 0), width if i % 2 == 0 else height) for i, n in enumerate(numbers)]


def expect(condition, *what):
    if not condition:
        sys.exit("read_formats.py: " + " ".join(map(str, what)))


def near(a, b, error):
    return len(a) == len(b) and all(abs(x - y) <= error for x, y in zip(a, b))


def coco(answers, path):
    """source: COCO.loadRes of pycocotools, which wants a list whose image_ids all are the annotations', and bbox."""
    results = json.load(open(path, encoding="utf-8"))
    ids = json.load(open(path + ".ids.json", encoding="utf-8"))
    for kind in ("images", "categories"):
        numbers = list(ids[kind].values())
        expect(len(set(numbers)) == len(numbers), kind, "share a number")
        expect(all(type(n) is int for n in numbers), kind, "expected whole numbers, found", numbers)
    expect(isinstance(results, list), "expected a list")
    boxes = [(answer, item) for _, answer, items in answers if "error" not in answer
             for item in items if item[1] == "box"]
    expect(len(boxes) == len(results), "expected", len(boxes), "boxes, found", len(results))
    for (answer, (label, _, at, score)), result in zip(boxes, results):
        expect(result["image_id"] == answer.get("image_id", ids["images"][answer["image"]]), "image_id of", result)
        expect(result["category_id"] == answer.get("category_id", ids["categories"].get(label)), "category of", result)
        x, y, w, h = result["bbox"]
        expect(w >= 0 and h >= 0 and near([x, y, x + w, y + h], at, 1e-2), "bbox of", result, "expected", at)
        expect(abs(result["score"] - score) < 1e-6, "score of", result)
    return len(results), 0


def yolo(answers, folder):
    """source: verify_image_label, img2label_paths and check_det_dataset of ultralytics: rows of five numbers, none
    negative, no coordinate above 1, classes below the number of names; labels/ beside images/, by the name."""
    data = {}
    for row in open(os.path.join(folder, "data.yaml"), encoding="utf-8"):
        name, _, value = row.rstrip("\n").partition(":")
        data[name.strip()] = value.strip()
    names = [json.loads(data[str(i)]) for i in range(sum(k.isdigit() for k in data))]
    expect(names == sorted(set(names)), "names: expected each once, sorted, found", names)
    train = os.path.join(json.loads(data["path"]), data["train"])
    expect(os.path.isdir(train), "data.yaml: path and train lead nowhere:", train)
    images, total, seen = by_image(answers), 0, {}
    for image in sorted(os.listdir(os.path.join(folder, "images"))):
        target = os.path.realpath(os.path.join(folder, "images", image))
        expect(os.path.splitext(image)[1][1:].lower() in ("bmp", "jpeg", "jpg", "png", "tif", "tiff", "webp"), image)
        rows = []
        for row in open(os.path.join(folder, "labels", os.path.splitext(image)[0] + ".txt"), encoding="utf-8"):
            numbers = [float(n) for n in row.split()]
            expect(len(numbers) == 5, "labels require 5 columns, found", row)
            expect(min(numbers) >= 0 and max(numbers[1:]) <= 1, "not normalized:", row)
            expect(numbers[0] < len(names) and numbers[0] == int(numbers[0]), "class of", row)
            rows.append(numbers)
        seen[target] = rows
    for image, (width, height, items) in images.items():
        rows = seen.pop(os.path.realpath(image))
        boxes = [i for i in items if i[1] == "box"]
        expect(len(rows) == len(boxes), image, "expected", len(boxes), "rows, found", len(rows))
        for (label, _, at, _), (number, x, y, w, h) in zip(boxes, rows):
            corners = [(x - w / 2) * width, (y - h / 2) * height, (x + w / 2) * width, (y + h / 2) * height]
            expect(names[int(number)] == label, image, "expected", label, "found", names[int(number)])
            expect(near(corners, clamp(at, width, height), 1e-5 * max(width, height)), image, at, corners)
        total += len(rows)
    expect(not seen, "pictures that nobody asked about:", list(seen))
    return total, 0


def labelstudio(answers, path):
    """source: Label Studio's import of predictions: tasks of data and predictions; a prediction of model_version, score
    and result; regions of id, from_name, to_name, type, value, with percent of the original sides."""
    tasks = json.load(open(path, encoding="utf-8"))
    images, boxes, points = by_image(answers), 0, 0
    expect([t["data"]["image"] for t in tasks] == list(images), "expected a task a picture, in order")
    for task, (width, height, items) in zip(tasks, images.values()):
        (prediction,) = task["predictions"]
        expect(prediction["model_version"] and 0 <= prediction["score"] <= 1, "prediction of", task["data"])
        expect(len(prediction["result"]) == len(items), "regions of", task["data"])
        expect(len({r["id"] for r in prediction["result"]}) == len(items), "ids of", task["data"])
        for region, (label, kind, at, score) in zip(prediction["result"], items):
            value, name = region["value"], "rectanglelabels" if kind == "box" else "keypointlabels"
            expect(region["type"] == name and region["to_name"] == "image" and region["from_name"] == kind, region)
            expect((region["original_width"], region["original_height"]) == (width, height), region)
            expect(value[name] == [label] and abs(region["score"] - score) < 1e-6, region)
            found = [value["x"] * width / 100, value["y"] * height / 100]
            if kind == "box":
                expect(value["rotation"] == 0 and region["image_rotation"] == 0, region)
                found += [found[0] + value["width"] * width / 100, found[1] + value["height"] * height / 100]
            expect(all(0 <= value[n] <= 100 for n in ("x", "y", "width")), region)
            expect(near(found, clamp(at, width, height), 2e-6 * max(width, height)), region, at)
            boxes, points = boxes + (kind == "box"), points + (kind == "point")
    return boxes, points


def cvat(answers, path):
    """source: load_anno of CVAT's "CVAT 1.1": images by name; box and points of label, occluded, source, z_order."""
    root = ElementTree.parse(path).getroot()
    expect(root.tag == "annotations" and root.find("version").text == "1.1", "expected annotations of version 1.1")
    labels = {label.find("name").text for label in root.iter("label")}
    images, boxes, points = by_image(answers), 0, 0
    elements = root.findall("image")
    expect([e.get("id") for e in elements] == [str(i) for i in range(len(elements))], "ids of images")
    expect([e.get("name") for e in elements] == list(images), "names of images", [e.get("name") for e in elements])
    for element, (width, height, items) in zip(elements, images.values()):
        expect((element.get("width"), element.get("height")) == (str(width), str(height)), "sides of", element.attrib)
        expect(len(element) == len(items), "shapes of", element.attrib)
        for shape, (label, kind, at, _) in zip(element, items):
            expect(shape.get("label") == label and label in labels, shape.attrib)
            expect(shape.get("occluded") == "0" and shape.get("source") == "auto", shape.attrib)
            int(shape.get("z_order"))
            if kind == "box":
                found = [float(shape.attrib[n]) for n in ("xtl", "ytl", "xbr", "ybr")]
            else:
                found = [float(n) for pair in shape.attrib["points"].split(";") for n in pair.split(",")]
            expect(shape.tag == {"box": "box", "point": "points"}[kind], shape.tag)
            expect(near(found, clamp(at, width, height), 0.0051), shape.attrib, at)
            boxes, points = boxes + (kind == "box"), points + (kind == "point")
    return boxes, points


def table(answers, path):
    """source: RFC 4180, by Python's csv."""
    rows = list(csv.DictReader(open(path, newline="", encoding="utf-8"), strict=True))
    boxes = points = 0
    for number, answer, items in answers:
        mine = [row for row in rows if row["line"] == str(number)]
        expect(all(None not in row and None not in row.values() for row in mine), "columns of", mine)
        expect(len(mine) == max(1, len(items)), "rows of line", number)
        expect(mine[0]["image"] == (answer.get("image") or ""), "image of", mine[0])
        if "error" in answer:
            expect(mine[0]["error"] == answer["error"], "error of", mine[0])
            continue
        for row, (label, kind, at, score) in zip(mine, items):
            found = [float(row[n]) for n in (["x1", "y1", "x2", "y2"] if kind == "box" else ["x1", "y1"])]
            expect((row["label"], row["kind"]) == (label, kind) and near(found, at, 0.0051), row)
            expect(abs(float(row["score"]) - score) < 1e-6, row)
            boxes, points = boxes + (kind == "box"), points + (kind == "point")
    expect(boxes + points == sum(row["kind"] in ("box", "point") for row in rows), "more rows than answers")
    return boxes, points


if __name__ == "__main__":
    name, answers_path, output = sys.argv[1:]
    reader = {"coco": coco, "yolo": yolo, "labelstudio": labelstudio, "cvat": cvat, "csv": table}[name]
    print("%d boxes, %d points" % reader(answers_of(answers_path), output))
