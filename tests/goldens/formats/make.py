#!/usr/bin/env python3
"""Makes the pictures of this folder and, beside each, NAME.png with the pixels that they must decode to.

JPEG, WebP, GIF and TIFF: PIL's, turned as EXIF says, alpha on white. HEIC and AVIF, which PIL does not read: those of
heif-convert. With Debian's python3-pil, libjpeg-turbo-progs,
webp, libtiff-tools, libheif-examples and libavif-bin:
/usr/bin/python3 tests/goldens/formats/make.py
"""
import os
import struct
import subprocess
import zlib

from PIL import Image, ImageOps

here = os.path.dirname(os.path.abspath(__file__))


def scene(width, height, channels="RGB"):
    """Ramps, an edge and a little noise: what subsampling and rounding show in."""
    image = Image.new("RGBA", (width, height))
    state = 1
    for y in range(height):
        for x in range(width):
            state = (state * 1103515245 + 12345) % (1 << 31)
            inside = (x - width / 2) ** 2 + (y - height / 3) ** 2 < (min(width, height) / 3) ** 2
            red = x * 255 // max(1, width - 1)
            green = y * 255 // max(1, height - 1)
            blue = 40 if inside else 200
            noise = (state >> 16) % 9
            alpha = min(255, (x + y) * 510 // (width + height))
            image.putpixel((x, y), (red, min(255, green + noise), blue + noise, alpha))
    return image.convert(channels)


def on_white(image):
    rgba = image.convert("RGBA")
    out = Image.new("RGB", rgba.size)
    for y in range(rgba.height):
        for x in range(rgba.width):
            *colours, alpha = rgba.getpixel((x, y))
            t = [c * alpha + 255 * (255 - alpha) + 128 for c in colours]
            out.putpixel((x, y), tuple(((v >> 8) + v) >> 8 for v in t))
    return out


def path(name):
    os.makedirs(os.path.dirname(os.path.join(here, name)), exist_ok=True)
    return os.path.join(here, name)


def expect_pil(name):
    with Image.open(path(name)) as image:
        shown = image if image.format == "TIFF" else ImageOps.exif_transpose(image)  # which turns a TIFF twice
        on_white(shown).save(path(name) + ".png", optimize=True)


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def exif(orientation):
    block = Image.Exif()
    block[0x0112] = orientation
    return block.tobytes()


def without_segments(data, marker):
    """A JPEG without the segments of this kind before its first scan."""
    out, at = data[:2], 2
    while data[at + 1] != 0xDA:
        end = at + 2 + int.from_bytes(data[at + 2:at + 4], "big")
        out += b"" if data[at + 1] == marker else data[at:end]
        at = end
    return out + data[at:]


def jpeg():
    """What is not quite a JPEG of the book and still seen: by phones, webcams, print shops."""
    tables, adobe, trailer = 0xC4, 0xEE, b"\0\0\1\x0a\x0e\0\0\0Image_UTC_Data1700000000000SEFH\x6b\0\0\0SEFT"
    scene(33, 20).save(path("jpeg/plain.tmp"), format="JPEG", quality=90)
    scene(35, 21).save(path("jpeg/progressive.tmp"), format="JPEG", quality=85, progressive=True)
    scene(31, 22, "CMYK").save(path("jpeg/cmyk.tmp"), format="JPEG", quality=90)
    plain, cmyk = (open(path(f"jpeg/{n}.tmp"), "rb").read() for n in ("plain", "cmyk"))
    for name, data in (("no_end", plain[:-2] + trailer), ("no_huffman_tables", without_segments(plain, tables)),
                       ("cmyk_unmarked", without_segments(cmyk, adobe))):
        open(path(f"jpeg/{name}.jpg"), "wb").write(data)
    for name in ("plain", "progressive"):
        run("jpegtran", "-arithmetic", *(["-progressive"] if name == "progressive" else []),
            "-outfile", path(f"jpeg/arithmetic_{name}.jpg"), path(f"jpeg/{name}.tmp"))
    for name in ("plain", "progressive", "cmyk"):
        os.remove(path(f"jpeg/{name}.tmp"))
    scene(24, 10).save(path("jpeg/turned.jpg"), quality=90, exif=exif(6))
    scene(1, 1).save(path("jpeg/one.jpg"), quality=90)
    scene(30, 17).save(path("jpeg/chroma422.jpg"), quality=60, subsampling=1)


def webp():
    scene(17, 31).save(path("webp/lossy.webp"), quality=80)
    scene(16, 16).save(path("webp/lossless.webp"), lossless=True)
    scene(33, 20, "RGBA").save(path("webp/lossy_alpha.webp"), quality=70)
    scene(15, 9, "RGBA").save(path("webp/lossless_alpha.webp"), lossless=True, exact=True)
    scene(1, 1).save(path("webp/one.webp"), quality=90)
    scene(24, 10).save(path("webp/turned.webp"), lossless=True, exif=exif(6))
    frames = [scene(20, 20, "RGBA").rotate(90 * i) for i in range(3)]
    frames[0].save(path("webp/animated.webp"), save_all=True, append_images=frames[1:], duration=100)
    scene(12, 8).save(path("webp/frame.tmp"), format="WEBP", lossless=True)
    run("webpmux", "-frame", path("webp/frame.tmp"), "+100+4+2+0-b", "-frame", path("webp/lossless.webp"), "+100+8+6",
        "-o", path("webp/animated_inset.webp"))
    os.remove(path("webp/frame.tmp"))


def gif():
    scene(17, 31).quantize(32).save(path("gif/palette.gif"))
    scene(31, 5, "L").save(path("gif/grey.gif"))
    scene(16, 21).quantize(16).save(path("gif/interlaced.gif"), interlace=1)
    scene(16, 9).quantize(16).save(path("gif/plain.gif"), interlace=0)
    scene(20, 20).quantize(8).save(path("gif/transparent.gif"), transparency=3)
    frames = [scene(20, 13).quantize(16).rotate(180 * i) for i in range(2)]
    frames[0].save(path("gif/animated.gif"), save_all=True, append_images=frames[1:], duration=100)
    scene(1, 1).quantize(2).save(path("gif/one.gif"))
    for name, source in (("gif/inset.gif", "gif/plain.gif"), ("gif/inset_transparent.gif", "gif/transparent.gif")):
        data = bytearray(open(path(source), "rb").read())
        data[6:10] = struct.pack("<HH", 40, 30)
        at = data.index(b",", 13 + 3 * (2 << (data[10] & 7)))
        data[at + 1:at + 5] = struct.pack("<HH", 5, 7)
        open(path(name), "wb").write(data)


def tiff():
    scene(17, 31).save(path("tiff/rgb_lzw.tif"), compression="tiff_lzw")
    scene(20, 9, "RGBA").save(path("tiff/rgba_deflate.tif"), compression="tiff_adobe_deflate")
    scene(21, 20, "RGBA").save(path("tiff/premultiplied.tif"), tiffinfo={338: 1})
    scene(19, 8, "LA").save(path("tiff/grey_alpha.tif"))
    scene(31, 5, "L").save(path("tiff/grey_packbits.tif"), compression="packbits")
    scene(13, 21).quantize(32).save(path("tiff/palette.tif"))
    scene(37, 22, "1").save(path("tiff/fax.tif"), compression="group4")
    scene(16, 10, "CMYK").save(path("tiff/cmyk.tif"))
    scene(33, 17).save(path("tiff/jpeg.tif"), compression="jpeg", quality=90)
    scene(24, 10).save(path("tiff/turned.tif"), tiffinfo={274: 6})
    run("tiffcp", "-t", "-w", "16", "-l", "16", path("tiff/rgb_lzw.tif"), path("tiff/tiled.tif"))
    run("tiffcp", "-B", "-p", "separate", path("tiff/rgb_lzw.tif"), path("tiff/planes.tif"))
    scene(16, 12).convert("YCbCr").save(path("tiff/ycbcr.tif"), compression="tiff_lzw")


def png16(name, width, height):
    """16 bits a sample, whose high bytes are the scene's."""
    rows = b""
    for y in range(height):
        rows += b"\0"
        for x in range(width):
            for value in scene_of(width, height).getpixel((x, y)):
                rows += bytes([value, (37 * x + 11 * y) % 256])

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    open(path(name), "wb").write(data)


scenes = {}


def scene_of(width, height):
    if (width, height) not in scenes:
        scenes[width, height] = scene(width, height)
    return scenes[width, height]


def turn(name, kind, value):
    """Adds a property to the primary picture of a file of heif-enc: irot, quarter turns to the left, or imir, the axis."""
    data = open(path(name), "rb").read()

    def number(at, size):
        return int.from_bytes(data[at:at + size], "big")

    def boxes(begin, end):
        while begin < end:
            yield data[begin + 4:begin + 8], (begin, begin + number(begin, 4))
            begin += number(begin, 4)

    meta = dict(boxes(0, len(data)))[b"meta"]
    parts = dict(boxes(meta[0] + 12, meta[1]))
    properties = dict(boxes(parts[b"iprp"][0] + 8, parts[b"iprp"][1]))
    ipco, ipma, iloc = properties[b"ipco"], properties[b"ipma"], parts[b"iloc"][0]
    primary = number(parts[b"pitm"][0] + 12, 2)
    at = ipma[0] + 16
    while number(at, 2) != primary:
        at += 3 + data[at + 2]
    associations = at + 2, at + 3 + data[at + 2]
    index = len(list(boxes(ipco[0] + 8, ipco[1]))) + 1
    out = bytearray(data)
    out[associations[0]] += 1
    for begin, by in ((meta[0], 10), (parts[b"iprp"][0], 10), (ipco[0], 9), (ipma[0], 1)):
        out[begin:begin + 4] = struct.pack(">I", number(begin, 4) + by)
    assert data[iloc + 8] == 1 and data[iloc + 12:iloc + 14] == b"\x44\x40"
    at = iloc + 16
    for _ in range(number(iloc + 14, 2)):
        in_file = number(at + 2, 2) == 0
        extents = number(at + 10, 2)
        at += 12
        for _ in range(extents):
            if in_file:
                out[at:at + 4] = struct.pack(">I", number(at, 4) + 10)
            at += 8
    end = associations[1]
    out = out[:ipco[1]] + struct.pack(">I", 9) + kind + bytes([value]) + out[ipco[1]:end] + bytes([index]) + out[end:]
    open(path(name), "wb").write(out)


def heif(folder):
    def encode(name, source, *more):
        run("heif-enc", *(["-A"] if folder == "avif" else []), *more, path(source), "-o", path(f"{folder}/{name}.{folder}"))

    scene(64, 48).save(path("even.tmp.png"))
    scene(65, 47).save(path("odd.tmp.png"))
    scene(48, 40, "RGBA").save(path("alpha.tmp.png"))
    scene(40, 56, "L").save(path("grey.tmp.png"))
    scene(64, 40).save(path("plain.tmp.png"))
    png16("deep.tmp.png", 64, 40)
    encode("even", "even.tmp.png", "-q", "60")
    encode("odd", "odd.tmp.png", "-q", "60")
    encode("chroma444", "odd.tmp.png", "-q", "80", "-p", "chroma=444")
    encode("alpha", "alpha.tmp.png", "-q", "70")
    encode("grey", "grey.tmp.png", "-q", "70")
    if folder == "avif":
        run("avifenc", "-d", "10", "-y", "420", path("deep.tmp.png"), path("avif/deep10.avif"))
        run("avifenc", "-d", "12", "-y", "444", path("deep.tmp.png"), path("avif/deep12.avif"))
        run("avifenc", "--irot", "1", path("plain.tmp.png"), path("avif/turned.avif"))
        run("avifenc", "--irot", "3", "--imir", "1", path("plain.tmp.png"), path("avif/mirrored.avif"))
    else:
        encode("deep10", "deep.tmp.png", "-q", "70", "-b", "10")
        encode("turned", "plain.tmp.png", "-q", "70")
        turn("heic/turned.heic", b"irot", 3)
        encode("mirrored", "plain.tmp.png", "-q", "70")
        turn("heic/mirrored.heic", b"imir", 1)
        run("heif-enc", path("even.tmp.png"), path("grey.tmp.png"), "-q", "50", "-o", path("heic/several.heic"))
    for name in os.listdir(here):
        if ".tmp." in name:
            os.remove(path(name))
    for name in os.listdir(path(folder + "/")):
        if not name.endswith(folder):
            continue
        run("heif-convert", path(f"{folder}/{name}"), path("out.tmp.png"))
        made = [f for f in os.listdir(here) if f.startswith("out.tmp")]
        first = sorted(made)[0]
        with Image.open(path(first)) as image:
            on_white(image).save(path(f"{folder}/{name}.png"), optimize=True)
        for file in made:
            os.remove(path(file))


jpeg()
webp()
gif()
tiff()
for kind in ("jpeg", "webp", "gif", "tiff"):
    for file in sorted(os.listdir(path(kind + "/"))):
        if not file.endswith(".png"):
            expect_pil(f"{kind}/{file}")
heif("heic")
heif("avif")
