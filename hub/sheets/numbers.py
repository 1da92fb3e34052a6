"""Numbers as people's files write them, and the many ways in which they write that there is none."""

import re
import unicodedata
from functools import lru_cache


class NoNumberError(ValueError):
    """A cell without a number: `cause` says why, in a word by which it is counted."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


MISSING = "no value there"
BELOW = "below what the instrument detects (<): a limit, no value"
ABOVE = "above what the instrument reaches (>): a limit, no value"
SENTINEL = "a number that stands for no value, such as -999 or 9999"
AMBIGUOUS = "a comma that may be a decimal sign or part thousands off"
NONE = "value is no number"

_WORDS = {
    *("", "-", "--", "---", "----", "/", "\\", "*", "**", "?", ".", "...", "_", "x"),
    *("na", "n/a", "n.a.", "#n/a", "nan", "-nan", "null", "none", "nil", "nodata", "missing", "invalid", "void", "bad"),
    *("#value!", "#div/0!", "#ref!", "#num!", "#name?", "#null!", "err", "error", "fault", "offline", "off", "down"),
    *("calibration", "maintenance", "span", "zero", "fail", "failed"),
    *(
        "无",
        "缺",
        "缺测",
        "缺失",
        "缺数",
        "无数据",
        "无效",
        "故障",
        "停机",
        "离线",
        "维护",
        "校准",
        "异常",
        "断线",
        "空",
    ),
}
_BELOW = {"nd", "n.d.", "bdl", "bql", "lod", "<lod", "<mdl", "<dl", "<loq", "未检出", "低于检出限", "l"}
_PLAIN = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?", re.ASCII)
_SENTINEL = re.compile(r"-9{2,}(?:\.[09]*)?|-?9{4,}(?:\.[09]*)?", re.ASCII)
_THOUSANDS = {
    ",": re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?"),
    ".": re.compile(r"[+-]?\d{1,3}(?:\.\d{3})+(?:,\d+)?"),
}
_MAY_BE_EITHER = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}", re.ASCII)
_DASHES = dict.fromkeys(map(ord, "‐‑‒–—―−─－"), "-") | {ord("’"): None, ord("＇"): None}
_UNSEEN = dict.fromkeys(map(ord, "\ufeff\u200b\u200c\u200d\u200e\u200f\u2060"))
"""What takes no room on a screen: web pages and files put together of several leave it behind."""


def bare(cell: str) -> str:
    """Return a cell's text without what spreadsheets and web pages put around it; wide letters become usual ones."""
    text = unicodedata.normalize("NFKC", cell.translate(_UNSEEN)).strip()
    if text.startswith('="') and text.endswith('"'):
        text = text[2:-1]  # how spreadsheets are made to leave a text alone
    return text.strip("'\" ")


def is_sentinel(text: str) -> bool:
    """Tell whether a number is one by which instruments and data bases write that there is no value."""
    return _SENTINEL.fullmatch(text.strip()) is not None


@lru_cache(4096)
def number(text: str, decimal: str = "") -> float:
    """Return the number in a cell.

    Args:
        text: the cell.
        decimal: the file's decimal sign, "." or ","; "": not known, each cell must tell it by itself.

    Raises:
        NoNumberError: there is none, or not for certain.
    """
    plain = bare(text).translate(_DASHES).casefold()
    if plain in _BELOW or plain.startswith("<"):
        raise NoNumberError(BELOW)
    if plain.startswith(">"):
        raise NoNumberError(ABOVE)
    if plain in _WORDS or not plain.strip("-"):
        raise NoNumberError(MISSING)
    plain = re.sub(r"(?<=\d) (?=\d{3}(?!\d))", "", plain)
    if "," in plain or decimal == ",":
        plain = _with_point(plain, decimal)
    if not _PLAIN.fullmatch(plain):
        raise NoNumberError(NONE)
    if is_sentinel(plain):
        raise NoNumberError(SENTINEL)
    value = float(plain)
    if value in (float("inf"), float("-inf")):
        raise NoNumberError(NONE)
    return value


def _with_point(plain: str, decimal: str) -> str:
    """Return a number with a point as its decimal sign and no thousands apart."""
    both = "," in plain and "." in plain
    if both:
        sign = "," if plain.rfind(",") > plain.rfind(".") else "."
    elif "," in plain:
        sign = "." if decimal == "." or plain.count(",") > 1 else ","
        if not decimal and _MAY_BE_EITHER.fullmatch(plain):
            raise NoNumberError(AMBIGUOUS)
    else:  # in a file with decimal commas
        sign = "," if _THOUSANDS["."].fullmatch(plain) else "."
        if sign == "," and plain.count(".") == 1:
            raise NoNumberError(AMBIGUOUS)
        return plain.replace(".", "") if sign == "," else plain
    other = "." if sign == "," else ","
    if other in plain:
        if not _THOUSANDS[other].fullmatch(plain):
            raise NoNumberError(NONE)
        plain = plain.replace(other, "")
    return plain.replace(sign, ".")
