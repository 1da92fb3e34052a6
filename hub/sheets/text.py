"""A file's text, line by line, in whatever encoding it was saved; a long file is never held as a whole."""

import codecs
import gzip
import io
import re
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from schemas.errors import UserError

CHUNK = 1 << 18
GZIP = b"\x1f\x8b"
LONGEST_LINE = 1 << 20
"""Characters; a longer line is no row of a table, and would be held in memory as a whole."""
STDIN = Path("-")

_CONTROL = bytes([*range(9), 11, 12, *range(14, 32), 127])
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before that of UTF-16, with which it begins
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    ("\ufeff".encode("gb18030"), "gb18030"),
)
_CSV_INSTEAD = "open it in a spreadsheet and save it as 'CSV UTF-8'"
_NO_TEXT = (
    (b"PK\x03\x04", f"is an Excel workbook (or another zip archive); {_CSV_INSTEAD}"),
    (b"\xd0\xcf\x11\xe0", f"is an Excel workbook of the old kind (.xls); {_CSV_INSTEAD}"),
    (b"%PDF", "is a PDF; ask its sender for the table as CSV"),
    (GZIP, "is compressed twice; unpack it first"),
    (b"SQLite format 3", "is a database; export the table as CSV"),
)
_MARKUP = re.compile(rb"\s*<(!doctype|html|table|\?xml|meta|head)", re.IGNORECASE)
_HIGH = re.compile(rb"[\x80-\xff]+")


class Source:
    """The lines of a table's file, each with its end, which is always LF.

    UTF-8 with or without a byte order mark, UTF-16, GB18030 (as Chinese spreadsheets save) or Windows-1252 (as Western
    ones do), found by the bytes; line ends of every system.

    Args:
        raw: the bytes.
        name: of the file, for errors.
        size: of the file, bytes; None: not known.
    """

    def __init__(self, raw: BinaryIO, name: str, size: int | None = None) -> None:
        self._raw = raw
        self.size = size
        self._name = name
        self._decoder: codecs.IncrementalDecoder | None = None
        self._newlines = io.IncrementalNewlineDecoder(None, translate=True)
        self._lines = 0
        self.encoding = "ascii"
        """As found so far: ASCII is all of them."""
        self.read = 0
        """How many bytes were read so far."""

    def __iter__(self) -> Iterator[str]:
        """Yield the lines.

        Raises:
            UserError: it is no text, or of two encodings, or has control characters or an endless line.
        """
        rest = ""
        while text := self._next():
            cut = text.rfind("\n") + 1
            if cut:
                whole = rest + text[:cut]
                yield from io.StringIO(whole, newline="\n")
                self._lines += whole.count("\n")
                rest = text[cut:]
            else:
                rest += text
            if len(rest) > LONGEST_LINE:
                raise self._wrong(f"is longer than {LONGEST_LINE} characters; expected a table with a row on each line")
        if rest:
            yield rest

    def _next(self) -> str:
        """Return the next piece of text; an empty one at the end."""
        while True:
            data = self._piece()
            first, self.read = self.read == 0, self.read + len(data)
            if first:
                data = self._begin(data)
            try:
                text = self._newlines.decode(self._decode(data, final=not data), final=not data)
            except UnicodeDecodeError as error:
                raise UserError(
                    f"{self._name}, after line {self._lines}: is not {self.encoding.upper()} any more "
                    f"({error.reason}); save it again as 'CSV UTF-8'"
                ) from None
            if text or not data:
                return text

    def _piece(self) -> bytes:
        try:
            return self._raw.read(CHUNK)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise UserError(f"{self._name}: is not a whole gzip file ({error}); fetch it again") from None
        except OSError as error:
            raise UserError(f"{self._name}: cannot be read ({error.strerror}); expected a CSV file.") from None

    def _begin(self, data: bytes) -> bytes:
        """Look at the beginning; return it without its byte order mark."""
        for mark, told in _NO_TEXT:
            if data.startswith(mark):
                raise UserError(f"{self._name}: {told}")
        for mark, encoding in _BOMS:
            if data.startswith(mark):
                self._use(encoding)
                return data[len(mark) :]
        half = len(data) // 2
        for encoding, zeros, others in (("utf-16-le", data[1::2], data[::2]), ("utf-16-be", data[::2], data[1::2])):
            if half and zeros.count(0) > 0.2 * half and others.count(0) == 0:
                self._use(encoding)
                return data
        if _MARKUP.match(data):
            raise UserError(f"{self._name}: is a web page, whatever its name says; {_CSV_INSTEAD}")
        return data

    def _use(self, encoding: str) -> None:
        self.encoding = encoding
        self._decoder = codecs.getincrementaldecoder(encoding)()

    def _decode(self, data: bytes, *, final: bool) -> str:
        wide = self.encoding.startswith(("utf-16", "utf-32"))
        if not wide:
            data = data.removesuffix(b"\x1a")  # the end of a file, in the days of DOS
            if len(data.translate(None, _CONTROL)) != len(data):
                self._refuse_control(data.decode("latin-1"))
        if self._decoder is None:
            if data.isascii():
                return data.decode("ascii")
            self._use(_encoding_of(data))
        assert self._decoder is not None
        text = self._decoder.decode(data, final)
        if wide and _CONTROLS.search(text):
            self._refuse_control(text)
        return text

    def _refuse_control(self, text: str) -> None:
        found = _CONTROLS.search(text)
        if found:
            self._lines += text.count("\n", 0, found.start())
            raise self._wrong(f"holds the control character \\x{ord(found[0]):02x}; expected text: take it out")

    def _wrong(self, told: str) -> UserError:
        return UserError(f"{self._name}, line {self._lines + 1}: {told}")


def _encoding_of(data: bytes) -> str:
    """Return the encoding of text that is not ASCII."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(data)
    except UnicodeDecodeError:
        pass
    else:
        return "utf-8"
    text = data.decode("utf-8", "replace")
    wrong = text.count("\ufffd")
    if sum(not one.isascii() for one in text) > 5 * wrong:
        return "utf-8"  # damaged; to read it as another encoding would only hide that
    # Nearly every Chinese character has two bytes above 127; a Western letter, a degree or a micro sign is one.
    runs = [len(run) % 2 for run in _HIGH.findall(data)]
    try:
        codecs.getincrementaldecoder("gb18030")().decode(data)
    except UnicodeDecodeError:
        return "cp1252"
    return "gb18030" if 2 * sum(runs) <= len(runs) else "cp1252"


@contextmanager
def opened(path: Path) -> Iterator[Source]:
    """Open a file, or standard input for "-"; one that gzip has packed is unpacked on the way.

    Raises:
        UserError: it cannot be read.
    """
    try:
        file = sys.stdin.buffer if path == STDIN else path.open("rb")
        size = None if path == STDIN else path.stat().st_size
        # A real standard input can look ahead; what stands in for it may not.
        packed = getattr(file, "peek", lambda _: b"")(2).startswith(GZIP)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); expected a CSV file.") from None
    try:
        if packed:
            with gzip.open(file) as unpacked:
                yield Source(cast("BinaryIO", unpacked), str(path))
        else:
            yield Source(file, str(path), size)
    finally:
        if path != STDIN:
            file.close()
