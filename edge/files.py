"""Writes a file whole or not at all: a power cut at any moment leaves the old content or the new one."""

import os

# MicroPython has none: there flush() writes through to the medium.
fsync = getattr(os, "fsync", lambda _file: None)


def replace(path, text):
    """Make `text` the content of the file `path`; raises OSError and leaves what was there when it cannot."""
    with open(path + ".new", "wb") as file:
        file.write(text.encode())
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
    if text.count("{") != text.count("}") or "{" not in text:
        raise ValueError("%s: torn" % path)
    return text
