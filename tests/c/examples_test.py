#!/usr/bin/env python3
"""The examples in C and Python, and the wrapper in C++ without exceptions, find what `ground` finds: built by strict
compilers, run with libla.so.
usage: examples_test.py SOURCE LIBRARY GROUND"""
import os
import shutil
import subprocess
import sys
import tempfile
import threading

SOURCE, LIBRARY, GROUND = sys.argv[1:4]
MODEL = os.path.join(SOURCE, "data/shapes")
PICTURE = os.path.join(SOURCE, "data/pictures/shapes.png")
PHRASES = ["red circle", "green star", "blue ring"]
STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror"]


def run(command, **options):
    return subprocess.run(command, capture_output=True, text=True, **options)


def check(ok, *words):
    if not ok:
        sys.exit(" ".join(["FAILED:"] + [str(word) for word in words]))


def check_program(command, expected, **options):
    """Answers as ground does, and tells what is wrong."""
    done = run(command + [MODEL, PICTURE] + PHRASES, **options)
    check(done.returncode == 0 and done.stdout == expected, command, "expected", expected, "found", done.stdout,
          done.stderr)
    check(done.stderr == "", command, done.stderr)
    for wrong in (["/no/such/model", PICTURE, "x"], [MODEL, "/no/such/picture", "x"]):
        done = run(command + wrong, **options)
        check(done.returncode == 1 and "/no/such" in done.stderr and done.stderr.count("\n") == 1, command,
              done.returncode, done.stderr)


def build(compiler, source, folder, *flags):
    program = os.path.join(folder, os.path.basename(source) + "." + compiler)
    done = run([compiler, *flags, *STRICT, "-O1", "-I", SOURCE, os.path.join(SOURCE, source), "-o", program, LIBRARY,
                "-Wl,-rpath," + folder])
    check(done.returncode == 0 and done.stderr == "", compiler, source, done.stderr)
    return program


def check_python(expected):
    os.environ["LA_LIBRARY"] = LIBRARY
    sys.dont_write_bytecode = True
    sys.path.insert(0, os.path.join(SOURCE, "examples/python"))
    import la

    def fails(kind, begin, call, *arguments, **options):
        try:
            call(*arguments, **options)
        except kind as error:
            check(str(error).startswith(begin), "expected", begin, "found", error)
            return
        check(False, "expected", kind, begin)

    session = la.Session(MODEL, threads=1)
    image = session.encode(PICTURE)
    answer = session.ask(image, "red circle")
    check(answer.items and answer.stop_reason == "eos" and "<box>" in answer.text, answer)
    check("red circle: box" in expected and f"score {answer.items[0].score:.3f}" in expected, answer, expected)
    point = session.ask(image, "red circle", task="point").items[0]
    check(point.box is None and 139 < point.point[0] < 190, point)
    check(session.ask(image, "red circle", mode="slow", max_tokens=3).stop_reason == "max_tokens")
    check(not session.ask(image, "red circle", min_score=1.5).items)
    check(len({session.ask(image, "x", temperature=9, seed=seed, max_tokens=24).text for seed in (1, 2)}) == 2)

    # A picture in every form that it may have.
    with open(PICTURE, "rb") as file:
        data = file.read()
    size = image.width * image.height * 3
    forms = [data, bytearray(data)]
    for pixels in decoded(PICTURE, size):
        flat = memoryview(pixels)
        array = flat.cast("B", (image.height, image.width, 3))
        check(session.ask(session.encode(array), "red circle") == answer, "an array with the same pixels")
        fails(la.UsageError, "picture: ", session.encode, flat)
        fails(la.UsageError, "picture: ", session.encode, flat.cast("B", (image.height * image.width, 3, 1)))
        forms.append(Picture(pixels, image.width, image.height))
        try:
            import numpy
            whole = numpy.frombuffer(pixels, numpy.uint8).reshape(image.height, image.width, 3)
            wide = numpy.zeros((image.height, image.width + 9, 3), numpy.uint8)
            wide[:, 4:-5] = whole
            forms += [whole, wide[:, 4:-5]]
            fails(la.UsageError, "picture: ", session.encode, whole.astype(numpy.float32))
        except ImportError:
            print("skipped: numpy was not found")
    try:
        import PIL.Image
        forms += [PIL.Image.open(PICTURE), PIL.Image.open(PICTURE).convert("RGBA")]
    except ImportError:
        print("skipped: PIL was not found")
    for form in forms:
        check(session.ask(session.encode(form), "red circle") == answer, type(form))

    stop = la.Stop()
    threading.Thread(target=stop.request).start()
    check(session.ask(image, "x", mode="slow", temperature=50, seed=1, stop=stop).stop_reason == "cancelled")
    fails(la.UsageError, "task: ", session.ask, image, "x", task="find")
    fails(la.UsageError, "text: ", session.ask, image, "a\0b")
    fails(la.UsageError, "requests[1]: ", session.batch, [(image, "x"), (image, None)])
    fails(la.Error, "/no/such.png", session.encode, "/no/such.png")
    fails(la.Error, "bytes: ", session.encode, b"GIF")
    check(session.batch([]) == [])
    check([one.items for one in session.batch([(image, p) for p in PHRASES])] ==
          [session.ask(image, p).items for p in PHRASES], "a batch")
    image.close()
    fails(la.UsageError, "Image: ", session.ask, image, "x")


class Picture:
    """What la.py uses of a PIL image, where there is no PIL."""

    def __init__(self, pixels, width, height):
        self.pixels, self.width, self.height = pixels, width, height

    def convert(self, mode):
        check(mode == "RGB", mode)
        return self

    def tobytes(self):
        return self.pixels


def decoded(path, size):
    """The pixels of a picture, where something is there to decode it."""
    if shutil.which("ffmpeg"):
        done = subprocess.run(["ffmpeg", "-v", "error", "-i", path, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"],
                              capture_output=True, check=True)
        check(len(done.stdout) == size, "ffmpeg:", len(done.stdout), size)
        yield done.stdout
    else:
        print("skipped: arrays, as ffmpeg was not found")


def main():
    phrases = [word for phrase in PHRASES for word in ("--phrase", phrase)]
    done = run([GROUND, "--model-dir", MODEL, "--image", PICTURE] + phrases)
    check(done.returncode == 0 and done.stdout.count("\n") == len(PHRASES), done.stdout, done.stderr)
    expected = done.stdout
    with tempfile.TemporaryDirectory() as folder:
        os.symlink(os.path.abspath(LIBRARY), os.path.join(folder, "libla.so.0"))
        count = 0
        for compiler in ("gcc", "clang"):
            if not shutil.which(compiler):
                print(f"skipped: {compiler} was not found")
                continue
            check_program([build(compiler, "examples/c/ground.c", folder, "-std=c99")], expected)
            check_program([build({"gcc": "g++", "clang": "clang++"}[compiler], "tests/c/wrapper.cpp", folder, "-std=c++17",
                                 "-fno-exceptions", "-fno-rtti")], expected)
            count += 1
        check(count, "expected gcc or clang")
    check_program([sys.executable, "-B", os.path.join(SOURCE, "examples/python/ground.py")], expected,
                  env={**os.environ, "LA_LIBRARY": LIBRARY})
    check_python(expected)
    print("ok")


main()
