"""la in Python: this file and libla.so, no package.

    import la
    with la.Session("path/or/hub id") as session:
        image = session.encode("photo.jpg")        # or bytes, a PIL image, a numpy array [height, width, 3] of uint8
        for item in session.ask(image, "red car"):
            print(item.label, item.box, item.score)

libla.so is found by the linker, or named by $LA_LIBRARY. Several threads may use one session; calls leave the lock of
the interpreter.
"""
import ctypes
import os
import weakref
from ctypes import POINTER, byref, c_char_p, c_float, c_int, c_int32, c_int64, c_size_t, c_uint64, c_void_p
from dataclasses import dataclass
from typing import List, Optional, Tuple

STOP_REASONS = ("eos", "max_tokens", "loop", "cancelled")


class Error(Exception):
    """One line: what was expected, what was found."""


class UsageError(Error, ValueError):
    """An argument is wrong."""


@dataclass(frozen=True)
class Item:
    """One thing that was found. Neither box nor point: the model's word that there is none of it."""
    label: str
    box: Optional[Tuple[float, float, float, float]]  # x1 y1 x2 y2, in pixels
    point: Optional[Tuple[float, float]]  # x y, in pixels
    score: float
    label_score: float


@dataclass(frozen=True)
class Answer:
    items: List[Item]
    text: str  # as the model wrote it
    stop_reason: str  # one of STOP_REASONS

    def __iter__(self):
        return iter(self.items)

    def __len__(self):
        return len(self.items)


class _OpenOptions(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("threads", c_int64), ("isa", c_char_p), ("weights", c_char_p),
                ("max_memory", c_uint64)]


class _AskOptions(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("mode", c_char_p), ("max_tokens", c_int64), ("seed", c_uint64),
                ("temperature", c_float), ("min_score", c_float), ("stop", c_void_p)]


class _Request(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("image", c_void_p), ("task", c_char_p), ("phrase", c_char_p),
                ("options", POINTER(_AskOptions))]


class _Item(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("label", c_char_p), ("kind", c_int32), ("box", c_float * 4),
                ("point", c_float * 2), ("score", c_float), ("label_score", c_float)]


def _load():
    library = ctypes.CDLL(os.environ.get("LA_LIBRARY", "libla.so.0"))
    handle = POINTER(c_void_p)
    for name, result, arguments in (
            ("version", c_char_p, ()),
            ("last_error", c_char_p, ()),
            ("open", c_int, (c_char_p, POINTER(_OpenOptions), handle)),
            ("close", None, (c_void_p,)),
            ("session_warning", c_char_p, (c_void_p, c_size_t)),
            ("encode_file", c_int, (c_void_p, c_char_p, handle)),
            ("encode_bytes", c_int, (c_void_p, c_char_p, c_size_t, handle)),
            ("encode_rgb", c_int, (c_void_p, c_char_p, c_int64, c_int64, c_size_t, handle)),
            ("image_width", c_int64, (c_void_p,)),
            ("image_height", c_int64, (c_void_p,)),
            ("image_free", None, (c_void_p,)),
            ("stop_new", c_int, (handle,)),
            ("stop_request", None, (c_void_p,)),
            ("stop_free", None, (c_void_p,)),
            ("ask", c_int, (c_void_p, c_void_p, c_char_p, c_char_p, POINTER(_AskOptions), handle)),
            ("batch", c_int, (c_void_p, POINTER(_Request), c_size_t, handle)),
            ("answer_count", c_size_t, (c_void_p,)),
            ("answer_item", c_int, (c_void_p, c_size_t, POINTER(_Item))),
            ("answer_stop_reason", c_int, (c_void_p,)),
            ("answer_text", c_char_p, (c_void_p,)),
            ("answer_status", c_int, (c_void_p,)),
            ("answer_error", c_char_p, (c_void_p,)),
            ("answer_free", None, (c_void_p,))):
        function = getattr(library, "la_" + name)
        function.restype, function.argtypes = result, arguments
    return library


_la = _load()
__version__ = _la.la_version().decode()


def _error(status, message):
    text = message.decode(errors="replace")
    return {2: UsageError, 3: MemoryError}.get(status, Error)(text)


def _check(status):
    if status:
        raise _error(status, _la.la_last_error())


def _bytes(text):
    """error: a zero byte would end the text early"""
    if text is None:
        return None
    if "\0" in text:
        raise UsageError(f"text: expected no zero byte, found {text!r}")
    return text.encode()


class _Handle:
    """Frees what it holds once, at close(), at the end of a with, or with the last reference."""

    def __init__(self, pointer, free):
        self._pointer = pointer
        self._free = weakref.finalize(self, free, pointer)

    @property
    def handle(self):
        if not self._free.alive:
            raise UsageError(f"{type(self).__name__}: expected an open one, found a closed one")
        return self._pointer

    def close(self):
        self._free()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Stop(_Handle):
    """Ends the questions that have it, from any thread."""

    def __init__(self):
        pointer = c_void_p()
        _check(_la.la_stop_new(byref(pointer)))
        super().__init__(pointer, _la.la_stop_free)

    def request(self):
        _la.la_stop_request(self.handle)


class Image(_Handle):
    """A picture after the vision tower, for any number of questions."""

    def __init__(self, pointer):
        super().__init__(pointer, _la.la_image_free)
        self.width, self.height = _la.la_image_width(pointer), _la.la_image_height(pointer)


def _pixels(picture):
    """The rows of a PIL image or an array, without gaps: bytes, width, height."""
    if hasattr(picture, "convert"):  # PIL; a copy is made anyway
        rgb = picture.convert("RGB")
        return rgb.tobytes(), rgb.width, rgb.height
    view = memoryview(picture)
    if view.format != "B" or view.ndim != 3 or view.shape[2] != 3:
        raise UsageError("picture: expected uint8 of the shape [height, width, 3], "
                         f"found format {view.format!r} of the shape {list(view.shape or ())}")
    return view.tobytes(), view.shape[1], view.shape[0]


class Session(_Handle):
    """An opened model."""

    def __init__(self, model, threads=0, isa=None, weights=None, max_memory=0):
        options = _OpenOptions(ctypes.sizeof(_OpenOptions), threads, _bytes(isa), _bytes(weights), max_memory)
        pointer = c_void_p()
        _check(_la.la_open(os.fsencode(model), byref(options), byref(pointer)))
        super().__init__(pointer, _la.la_close)
        self.warnings = []
        while (warning := _la.la_session_warning(pointer, len(self.warnings))) is not None:
            self.warnings.append(warning.decode(errors="replace"))

    def encode(self, picture):
        """A path, the bytes of a file, a PIL image, or an array [height, width, 3] of uint8."""
        pointer = c_void_p()
        if isinstance(picture, (str, os.PathLike)):
            _check(_la.la_encode_file(self.handle, os.fsencode(picture), byref(pointer)))
        elif isinstance(picture, (bytes, bytearray)):
            _check(_la.la_encode_bytes(self.handle, bytes(picture), len(picture), byref(pointer)))
        else:
            pixels, width, height = _pixels(picture)
            _check(_la.la_encode_rgb(self.handle, pixels, width, height, 3 * width, byref(pointer)))
        return Image(pointer)

    def ask(self, image, phrase, task="ground-single", **options):
        """options: mode, max_tokens, seed, temperature, min_score, stop. task None: the phrase is the whole question."""
        pointer = c_void_p()
        given = _ask_options(**options)
        _check(_la.la_ask(self.handle, image.handle, _bytes(task), _bytes(phrase), byref(given), byref(pointer)))
        return _take(pointer)

    def batch(self, questions, task="ground-single", **options):
        """Answers of pairs of an image and a phrase, in their order."""
        questions = list(questions)
        given = _ask_options(**options)
        requests = (_Request * len(questions))()
        for request, (image, phrase) in zip(requests, questions):
            request.size, request.image = ctypes.sizeof(_Request), image.handle
            request.task, request.phrase, request.options = _bytes(task), _bytes(phrase), ctypes.pointer(given)
        answers = (c_void_p * len(questions))()
        _check(_la.la_batch(self.handle, requests, len(questions), answers))
        errors = [(_la.la_answer_status(answer), _la.la_answer_error(answer)) for answer in answers]
        taken = [_take(c_void_p(answer)) for answer in answers]
        for status, message in errors:
            if status:
                raise _error(status, message)
        return taken


def _ask_options(mode=None, max_tokens=0, seed=0, temperature=0.0, min_score=0.0, stop=None):
    return _AskOptions(ctypes.sizeof(_AskOptions), _bytes(mode), max_tokens, seed, temperature, min_score,
                       stop.handle if stop else None)


def _take(pointer):
    """Copies an answer and frees it."""
    try:
        items = []
        for index in range(_la.la_answer_count(pointer)):
            item = _Item(ctypes.sizeof(_Item))
            _check(_la.la_answer_item(pointer, index, byref(item)))
            items.append(Item(item.label.decode(errors="replace"), tuple(item.box) if item.kind == 0 else None,
                              tuple(item.point) if item.kind == 1 else None, item.score, item.label_score))
        return Answer(items, _la.la_answer_text(pointer).decode(errors="replace"),
                      STOP_REASONS[_la.la_answer_stop_reason(pointer)])
    finally:
        _la.la_answer_free(pointer)
