"""Pictures of several sizes and kinds, and what la, stb_image and PIL take to decode them: medians of rounds in which the
three take turns.

    python3 benchmarks/decode.py build/benchmarks/decode [ROUNDS]
"""
import io, json, statistics, subprocess, sys, tempfile, time
import PIL
from PIL import Image, features

program, rounds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 9


def scene(width, height):
    """Structure at every scale: noise of 8 sizes, as a photograph has it. Always the same."""
    import random
    random.seed(7)
    total = Image.new("RGB", (width, height))
    for step in range(8):
        small = (max(2, width >> step), max(2, height >> step))
        noise = Image.frombytes("RGB", small, random.randbytes(small[0] * small[1] * 3))
        total = Image.blend(total, noise.resize((width, height), Image.BICUBIC), 0.45)
    return total


FULL, HD, VGA = (4000, 3000), (1920, 1080), (640, 480)
KINDS = [  # name, size, what PIL saves it with
    ("12 MP, 4:2:0", FULL, dict(format="JPEG", quality=90, subsampling=2)),
    ("12 MP, 4:2:0, progressive", FULL, dict(format="JPEG", quality=90, subsampling=2, progressive=True)),
    ("1080p, 4:2:0", HD, dict(format="JPEG", quality=90, subsampling=2)),
    ("1080p, 4:4:4", HD, dict(format="JPEG", quality=90, subsampling=0)),
    ("1080p, grey", HD, dict(format="JPEG", quality=90)),
    ("640x480, 4:2:0", VGA, dict(format="JPEG", quality=90, subsampling=2)),
    ("1080p PNG", HD, dict(format="PNG")),
    ("1080p WebP", HD, dict(format="WEBP", quality=90)),
    ("1080p TIFF, deflate", HD, dict(format="TIFF", compression="tiff_adobe_deflate")),
    ("1080p GIF", HD, dict(format="GIF")),
]


def by_pil(data):
    start = time.perf_counter()
    Image.open(io.BytesIO(data)).convert("RGB").load()
    return time.perf_counter() - start


print(f"PIL {PIL.__version__}, libjpeg-turbo {features.version('libjpeg_turbo')}; {rounds} rounds, ms")
print(f"{'':28}{'la':>9}{'stb':>9}{'PIL':>9}{'stb/la':>9}{'PIL/la':>9}")
with tempfile.TemporaryDirectory() as folder:
    for number, (name, size, options) in enumerate(KINDS):
        picture = scene(*size)
        if "grey" in name:
            picture = picture.convert("L")
        path = f"{folder}/{number}.picture"
        picture.save(path, **options)
        data = open(path, "rb").read()
        times = {"la_s": [], "stb_s": [], "pil": []}
        for _ in range(rounds):
            line = json.loads(subprocess.check_output([program, "--rounds", "3", path]))
            for key in ("la_s", "stb_s"):
                times[key].append(line[key])
            times["pil"].append(statistics.median(by_pil(data) for _ in range(3)))
        la, stb, pil = (1e3 * statistics.median(times[key]) for key in ("la_s", "stb_s", "pil"))
        reads = stb > 0
        print(f"{name:28}{la:9.2f}{f'{stb:.2f}' if reads else '-':>9}{pil:9.2f}"
              f"{f'{stb / la:.2f}' if reads else '-':>9}{pil / la:9.2f}")
