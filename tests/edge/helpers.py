"""What the tests of the board's code need from the interpreter, the same on CPython and MicroPython."""

import os
from binascii import hexlify


def tmp_dir():
    """Return the path of a fresh, empty folder, under FENCELINE_TEST_DIR or the system's temporary folder."""
    parent = os.getenv("FENCELINE_TEST_DIR") or os.getenv("TMPDIR") or "/tmp"
    path = parent + "/" + hexlify(os.urandom(8)).decode()
    os.mkdir(path)
    return path


def raises(exception, function, *args):
    """Call the function and return the exception that it must raise."""
    try:
        function(*args)
    except exception as error:
        return error
    raise AssertionError(f"{exception.__name__} was not raised")
