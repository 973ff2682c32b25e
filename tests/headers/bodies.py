"""Headers used without the library end with the files that hold their bodies. That each of them compiles so, by itself, is
seen without compiling it: the build compiles every body alone, the header first; and no body is read while a header that it
includes has only begun, whichever header a program includes first.

usage: bodies.py SOURCE; prints the headers that have no body
"""

import os
import re
import sys

SOURCE = os.path.abspath(sys.argv[1])
INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]+)"|<(la/[^>]+)>)', re.M)
known = {}


def included_by(path):
    """Files of la, as they are named in it."""
    if path not in known:
        with open(path, encoding="utf-8") as file:
            named = [os.path.normpath(os.path.join(os.path.dirname(path), near) if near else os.path.join(SOURCE, far))
                     for near, far in INCLUDE.findall(file.read())]
        known[path] = [file for file in named if os.path.exists(file)]
    return known[path]


def bodies_of(header):
    """What it ends with."""
    return [file for file in included_by(header) if file.endswith(".cpp")]


def begun_too_early(first):
    """(header, who includes it) while what the header declares is not all read yet, in a file that includes `first` alone."""
    found, read, open_files = [], set(), []

    def read_file(path):
        if path in open_files:
            inner = open_files[open_files.index(path) + 1:][:1]
            if not inner or inner[0] not in bodies_of(path):
                found.append((path, open_files[-1]))
        elif path not in read:
            read.add(path)
            open_files.append(path)
            for file in included_by(path):
                read_file(file)
            open_files.pop()

    read_file(first)
    return found


headers = sorted(os.path.join(folder, name) for folder, _, names in os.walk(os.path.join(SOURCE, "la"))
                 for name in names if name.endswith(".hpp"))
failed = False
for header in headers:
    files = included_by(header)
    bodies = bodies_of(header)
    with open(header, encoding="utf-8") as file:
        behind = re.split(r'#include "[^"]+\.cpp"', file.read(), maxsplit=1)[1:]
    if files[len(files) - len(bodies):] != bodies or re.search(r'^(?!#(endif|include "[^"]+\.cpp"))\s*\S', "".join(behind).strip(), re.M):
        print(f"failed: {header}: expected its bodies behind all else", file=sys.stderr)
        failed = True
    for body in bodies:
        if included_by(body)[:1] != [header]:
            print(f"failed: {body}: expected {header} first", file=sys.stderr)
            failed = True
    for early, by in begun_too_early(header):
        print(f"failed: a file that includes {header} reads {by} while {early} has only begun", file=sys.stderr)
        failed = True
    if not bodies:
        print(header)
sys.exit(failed)
