#!/usr/bin/env python3
"""Kills a run of batch again and again, resumes it, and compares what comes out with one uninterrupted run.

survival.py BATCH MODEL PICTURES shards|mpi [LINES [KILLS [SEED]]]: LINES requests (1000) over four shards, or over four
ranks of MPI, of which one is killed by SIGKILL, KILLS times (10), at a moment drawn from SEED, which is printed. mpirun
takes a third of a second to notice: its ranks compute by the plain backend, which is slow enough.
"""
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

PARTS = 4


def requests(lines, pictures):
    names = [os.path.join(pictures, name) for name in ("shapes.png", "crowd.png", "letters.png")]
    asked = ['"query":"ring</c>star"', '"task":"ground-multi","phrase":"red circle"',
             '"task":"point","phrase":"blue square"', '"query":"letter"', '"task":"no-such"']
    for i in range(lines):  # some of them wrong, some the same again
        own = ',"id":%d' % i if i % 3 else ""
        yield '{"image":"%s",%s%s}\n' % (names[i // 4 % 3], asked[i % 5], own)


def answered_in(path):
    """Whole lines that hold an answer."""
    try:
        with open(path, "rb") as file:
            return sum(b'"raw_response"' in line and line.endswith(b"\n") for line in file)
    except FileNotFoundError:
        return 0


def ranks_of(runner):
    """The processes that mpirun started."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/stat" % name) as file:
                parent = int(file.read().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        if parent == runner.pid:
            found.append(int(name))
    return found


class Run:
    """Some of the work under way, which can lose a process."""

    def __init__(self, batch, here, kind):
        out = os.path.join(here, "out.jsonl")
        self.command = batch + ["--requests", os.path.join(here, "in.jsonl"), "--out", out, "--resume"]
        self.kind = kind
        self.out = [out]
        if kind == "shards":
            self.out = [os.path.join(here, "out.shard-%d-of-%d.jsonl" % (i, PARTS)) for i in range(PARTS)]

    def start(self, part):
        if self.kind == "shards":
            command = self.command + ["--shard", "%d/%d" % (part, PARTS)]
        else:
            command = ["mpirun", "--allow-run-as-root", "--oversubscribe", "-np", str(PARTS)] + self.command
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def kill_one(self, part, dice, after):
        """Starts a part and kills it, or one of its ranks, when `after` more lines are there; its victim."""
        target = answered_in(self.out[part]) + after
        process = self.start(part)
        while answered_in(self.out[part]) < target:
            if process.poll() is not None:
                return None  # it was done before
            time.sleep(0.0005)
        if self.kind == "shards":
            os.kill(process.pid, signal.SIGKILL)
            victim = "shard %d" % part
        else:
            ranks = sorted(ranks_of(process))
            rank = dice.randrange(len(ranks))
            os.kill(ranks[rank], signal.SIGKILL)
            victim = "rank %d" % rank
        process.communicate(timeout=60)
        if process.returncode == 0:
            sys.exit("survival.py: expected a run without %s to fail, found exit code 0" % victim)
        return victim

    def finish(self, part):
        process = self.start(part)
        error = process.communicate(timeout=600)[1]
        if process.returncode != 0:
            sys.exit("survival.py: resumed run ended with %d: %s" % (process.returncode, error))
        return error


def main(batch, model, pictures, kind, lines=1000, kills=10, seed=None):
    lines, kills = int(lines), int(kills)
    seed = int(seed) if seed else random.SystemRandom().randrange(1 << 32)
    dice = random.Random(seed)
    print("seed %d" % seed)
    here = tempfile.mkdtemp(prefix="la-survival-")
    try:
        program = [batch, "--model-dir", model, "--threads", "1"]
        if kind == "mpi":
            program += ["--backend", "reference"]
        source, whole, out = (os.path.join(here, name) for name in ("in.jsonl", "whole.jsonl", "out.jsonl"))
        with open(source, "w") as file:
            file.writelines(requests(lines, pictures))
        subprocess.run(program + ["--requests", source, "--out", whole], check=True, stderr=subprocess.DEVNULL)
        run = Run(program, here, kind)
        killed, again = [], 0
        most = lines // len(run.out) // (2 * (kills // len(run.out) + 1))  # so that half is left at the end
        while len(killed) < kills:
            part = len(killed) % len(run.out)
            before = answered_in(run.out[part])
            victim = run.kill_one(part, dice, dice.randrange(1, max(2, most)))
            if victim is None:  # on a busy machine: once more from the start
                os.remove(run.out[part])
                again += 1
                if again > kills:
                    sys.exit("survival.py: expected %d kills, but all was done after %d" % (kills, len(killed)))
                continue
            killed.append(victim)
            there = answered_in(run.out[part])
            print("killed %s after %d answers, %d are there" % (victim, there - before, there))
        for part, path in enumerate(run.out):
            there = answered_in(path)
            kept = int(re.search(r"(\d+) answered before", run.finish(part)).group(1))
            if kept != there:
                sys.exit("survival.py: expected %d answers to be kept, found %d" % (there, kept))
        if kind == "shards":
            merge = program + ["--requests", source, "--out", out, "--merge"]
            subprocess.run(merge, check=True, stderr=subprocess.DEVNULL)
        with open(whole, "rb") as a, open(out, "rb") as b:
            if a.read() != b.read():
                sys.exit("survival.py: expected the file of one run, found another")
        print("%d lines, %d kills: byte for byte the file of one uninterrupted run" % (lines, len(killed)))
    finally:
        shutil.rmtree(here)


if __name__ == "__main__":
    main(*sys.argv[1:])
