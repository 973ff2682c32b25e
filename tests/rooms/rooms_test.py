#!/usr/bin/env python3
"""Rooms use only rooms below them: reads every #include under la/ and kernels/ and names those that run up or sideways.
usage: rooms_test.py SOURCE"""
import os
import re
import sys

# From the top down; rooms on one line do not know each other.
FLOORS = [
    ["la"],  # la.hpp alone
    ["quantize", "c"],
    ["session"],
    ["model"],
    ["ops"],
    ["weights", "decoding"],
    ["text"],
    ["kernels", "image", "io"],
    ["core"],
    ["abi"],
]
# Macros, and what kind of number a float is: for all.
FOR_ALL = {os.path.join("kernels", "abi.hpp"), os.path.join("kernels", "common", "float_bits.hpp"),
           os.path.join("la", "version.hpp")}
FLOOR = {room: number for number, floor in enumerate(FLOORS) for room in floor}


def room_of(path):
    if path in FOR_ALL:
        return "abi"
    parts = path.split(os.sep)
    if parts[0] == "kernels":
        return "kernels"
    return parts[1] if len(parts) > 2 else "la"


def check(root):
    problems = []
    files = 0
    for top in ("la", "kernels"):
        for folder, _, names in os.walk(os.path.join(root, top)):
            for name in sorted(names):
                if not name.endswith((".hpp", ".cpp", ".h")):
                    continue
                files += 1
                path = os.path.relpath(os.path.join(folder, name), root)
                room = room_of(path)
                for number, line in enumerate(open(os.path.join(root, path), encoding="utf-8"), 1):
                    found = re.match(r'\s*#\s*include\s*"([^"]+)"', line)
                    if not found:
                        continue
                    target = os.path.normpath(os.path.join(os.path.dirname(path), found.group(1)))
                    if not os.path.exists(os.path.join(root, target)):
                        continue  # a generated header
                    other = room_of(target)
                    if room not in FLOOR or other not in FLOOR:
                        problems.append(f"{path}:{number}: room '{room}' or '{other}' has no floor in this test")
                    elif other != room and FLOOR[other] <= FLOOR[room]:
                        problems.append(f"{path}:{number}: {room} uses {target}, which is not below it")
                    elif room == "kernels" and other not in ("kernels", "abi"):
                        problems.append(f"{path}:{number}: kernels use nothing of la, found {target}")
    return files, problems


def main():
    files, problems = check(sys.argv[1])
    if not files:
        problems.append("no source file was found")
    for problem in problems:
        print(problem)
    print(f"{files} files, {len(problems)} includes that run up")
    sys.exit(1 if problems else 0)


main()
