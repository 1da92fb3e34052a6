"""Writes a file whole or not at all: a power cut at any moment leaves the old content or the new one."""

import os

# MicroPython has none: there flush() writes through to the medium.
fsync = getattr(os, "fsync", lambda _file: None)


def replace(path, text):
    """Make `text` the content of the file `path`; raises OSError and leaves what was there when it cannot.

    A list of bytes is written piece by piece: a heap of 100 KB has no room for it as a whole.
    """
    with open(path + ".new", "wb") as file:
        for piece in [text.encode()] if isinstance(text, str) else text:
            file.write(piece)
        file.flush()
        fsync(file)
    os.rename(path + ".new", path)


def read(path):
    """Return the text of a file of JSON objects, None when there is none.

    Raises ValueError when it is torn; MicroPython's json takes an object without its end for whole.
    """
    try:
        with open(path, "rb") as file:
            text = file.read().decode()
    except OSError:
        return None
    if not is_whole(text):
        raise ValueError("%s: torn" % path)
    return text


def is_whole(text):
    """Tell whether a JSON text that begins with an object has all its ends, whatever stands in its strings."""
    depth = 0
    quoted = escaped = False
    for letter in text:
        if quoted:
            if escaped or letter == "\\":
                escaped = not escaped
            elif letter == '"':
                quoted = False
        elif letter == '"':
            quoted = True
        elif letter in "{[":
            depth += 1
        elif letter in "}]":
            depth -= 1
    return depth == 0 and not quoted and text.strip()[:1] == "{"
