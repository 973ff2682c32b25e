#!/usr/bin/env python3
"""Mean average precision of a COCO results file, by COCO's own definition written anew, and by pycocotools.

coco_map.py ANNOTATIONS RESULTS: prints both; fails where they differ. Without pycocotools only the first is printed.
"""
import bisect
import contextlib
import io
import json
import sys


def overlap(a, b):
    """Intersection over union of boxes [x, y, width, height]."""
    w = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    h = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    common = max(w, 0) * max(h, 0)
    return common / (a[2] * a[3] + b[2] * b[3] - common)


def hits(boxes, truths, threshold):
    """Of boxes by falling score: whether each finds a truth that none before it found."""
    free, found = list(truths), []
    for box in boxes:
        best = max(free, key=lambda truth: overlap(box, truth), default=None)
        found.append(best is not None and overlap(box, best) >= threshold)
        if found[-1]:
            free.remove(best)
    return found


def average_precision(truths, results, threshold):
    """Of one category: precision, made to fall, at recalls 0, 0.01, ..., 1; at most 100 boxes a picture."""
    scored = []
    for image in sorted(set(truths) | set(results)):
        mine = sorted(results.get(image, []), key=lambda r: -r["score"])[:100]
        found = hits([r["bbox"] for r in mine], truths.get(image, []), threshold)
        scored += zip([r["score"] for r in mine], found)
    scored.sort(key=lambda s: -s[0])
    things = sum(map(len, truths.values()))
    recall, precision, right = [], [], 0
    for i, (_, found) in enumerate(scored, 1):
        right += found
        recall.append(right / things)
        precision.append(right / i)
    for i in range(len(precision) - 1, 0, -1):
        precision[i - 1] = max(precision[i - 1], precision[i])
    at = [bisect.bisect_left(recall, r / 100) for r in range(101)]
    return sum(precision[i] for i in at if i < len(precision)) / 101


def own_map(annotations, results):
    """(AP over overlaps 0.5, 0.55, ..., 0.95, AP at 0.5): the mean over the categories that are there."""
    def by_image(entries, category, of):
        images = {}
        for entry in entries:
            if entry["category_id"] == category:
                images.setdefault(entry["image_id"], []).append(of(entry))
        return images

    sums = [0.0] * 10
    categories = {a["category_id"] for a in annotations["annotations"]}
    for category in categories:
        truths = by_image(annotations["annotations"], category, lambda a: a["bbox"])
        boxes = by_image(results, category, lambda r: r)
        for i in range(10):
            sums[i] += average_precision(truths, boxes, 0.5 + 0.05 * i) / len(categories)
    return sum(sums) / 10, sums[0]


def main(annotations, results):
    own = own_map(json.load(open(annotations)), json.load(open(results)))
    print("own AP %.6f, AP50 %.6f" % own)
    try:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    except ImportError:
        print("pycocotools is not installed: not compared")
        return
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(annotations)
        evaluation = COCOeval(truth, truth.loadRes(results), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    theirs = evaluation.stats[0], evaluation.stats[1]
    print("pycocotools AP %.6f, AP50 %.6f" % theirs)
    if max(abs(a - b) for a, b in zip(own, theirs)) > 1e-9:
        sys.exit("coco_map.py: expected the same, found another")


if __name__ == "__main__":
    main(*sys.argv[1:])
