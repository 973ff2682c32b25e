#!/usr/bin/env python3
"""The examples for GNU parallel and Kubernetes write what one process does.

examples_test.py SOURCE BATCH: Kubernetes' pods are processes here, started with the command and the arguments of the
example and the variable that an indexed job sets, the volume a folder.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile


def run(command, here, **more):
    environment = dict(os.environ, **more)
    return subprocess.run(command, cwd=here, env=environment, check=True, stderr=subprocess.PIPE, text=True).stderr


def same(here, name):
    with open(os.path.join(here, "one.jsonl"), "rb") as one, open(os.path.join(here, name), "rb") as other:
        if one.read() != other.read():
            sys.exit("examples_test.py: %s: expected the file of one process, found another" % name)


def parallel(source, batch, here):
    if not shutil.which("parallel"):
        return "GNU parallel is not installed: not tried"
    run(["sh", source + "/examples/cluster/parallel.sh", "--requests", "in.jsonl", "--out", "parallel.jsonl"], here,
        LA_BATCH=batch, SHARDS="3")
    same(here, "parallel.jsonl")
    return "GNU parallel, 3 processes: the file of one"


def kubernetes(source, batch, here):
    try:
        import yaml
    except ImportError:
        return "python3-yaml is not installed: Kubernetes' example was not tried"
    with open(source + "/examples/cluster/kubernetes.yaml") as file:
        job = yaml.safe_load(file)
    spec = job["spec"]
    if (job["kind"], spec["completionMode"]) != ("Job", "Indexed") or spec["completions"] != spec["parallelism"]:
        sys.exit("examples_test.py: expected an indexed job of as many pods as completions, found %s" % job)
    container = spec["template"]["spec"]["containers"][0]
    volume = container["volumeMounts"][0]["mountPath"]
    arguments = [re.sub("^" + volume + "/model$", source + "/data/shapes", a) for a in container["args"]]
    arguments = [re.sub("^" + volume, here, a).replace("/out.jsonl", "/pods.jsonl") for a in arguments]
    if container["command"] != ["batch"] or "auto/%d" % spec["completions"] not in arguments:
        sys.exit("examples_test.py: expected batch and as many shards as completions, found %s" % container)
    for index in range(spec["completions"]):
        run([batch] + arguments, here, JOB_COMPLETION_INDEX=str(index))
    run([batch, "--requests", "in.jsonl", "--out", "pods.jsonl", "--merge"], here)
    same(here, "pods.jsonl")
    return "Kubernetes' indexed job, %d pods as processes: the file of one" % spec["completions"]


def main(source, batch):
    batch = os.path.abspath(batch)
    os.environ["LA_MODEL_DIR"] = source + "/data/shapes"
    here = tempfile.mkdtemp(prefix="la-cluster-")
    try:
        with open(os.path.join(here, "in.jsonl"), "w") as file:
            for i in range(24):
                file.write('{"image":"%s/data/pictures/shapes.png","query":"ring","id":%d}\n' % (source, i))
        run([batch, "--requests", "in.jsonl", "--out", "one.jsonl"], here)
        print(parallel(source, batch, here))
        print(kubernetes(source, batch, here))
    except subprocess.CalledProcessError as error:
        sys.exit("%s\n%s" % (error, error.stderr))
    finally:
        shutil.rmtree(here)


if __name__ == "__main__":
    main(*sys.argv[1:])
