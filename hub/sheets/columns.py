"""Finds the table in a file: what separates its cells, the row of headings, and what each column is."""

import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from hub.sheets.headings import Names, plain, split_unit, squeezed

SEPARATORS = ",;\t|，；"
MOST_HEAD = 60
"""Lines above the headings at most: loggers write their settings there."""

_ROLES = {
    "time": (
        *("time", "datetime", "timestamp", "dateandtime", "datetimelocal", "localtime", "timelocal", "timeutc"),
        *(
            "utctime",
            "datetimeutc",
            "epoch",
            "unixtime",
            "samplingtime",
            "zeit",
            "zeitpunkt",
            "zeitstempel",
            "datumzeit",
        ),
        *(
            "datumuhrzeit",
            "时间",
            "日期时间",
            "监测时间",
            "数据时间",
            "采样时间",
            "观测时间",
            "记录时间",
            "上报时间",
            "时刻",
        ),
    ),
    "date": ("date", "day", "日期", "监测日期", "datum", "年月日"),
    "start": ("start", "starttime", "timestart", "begin", "begintime", "from", "开始时间", "起始时间", "开始"),
    "end": ("end", "endtime", "timeend", "to", "until", "结束时间", "截止时间", "终止时间", "结束"),
    "year": ("year", "年"),
    "month": ("month", "月"),
    "hour": ("hour", "hr", "小时", "时"),
    "minute": ("minute", "分", "分钟"),
    "dt": ("dt", "duration", "interval", "时长", "间隔", "周期"),
    "quantity": (
        *("quantity", "parameter", "pollutant", "variable", "type", "监测项", "监测因子", "监测项目", "污染物", "因子"),
        *("项目", "指标", "参数", "类型", "监测指标", "污染物名称"),
    ),
    "value": ("value", "reading", "result", "数值", "值", "监测值", "浓度", "结果", "wert", "messwert", "数据"),
    "flag": ("flag", "标记", "数据标记", "标识", "数据标识"),
    "unit": ("unit", "units", "uom", "单位", "计量单位", "einheit"),
}
_ROLE_OF = {word: role for role, words in _ROLES.items() for word in words}
_TIMES = ("time", "date", "start", "end")


@dataclass(slots=True)
class Columns:
    """What stands where; -1 and empty where there is none of it."""

    names: list[str]
    roles: dict[str, int] = field(default_factory=dict)
    """Column by role."""
    quantities: list[tuple[int, str, str]] = field(default_factory=list)
    """Columns of values with the quantity and unit that their headings name."""
    length_unit: float = 1.0
    """Of dt [s]."""

    @property
    def has_time(self) -> bool:
        """Tell whether there is a time, in one column or in several."""
        return any(role in self.roles for role in _TIMES) or {"year", "month"} <= self.roles.keys()


@dataclass(slots=True)
class Found:
    """Where a table begins in a file and how it is written."""

    columns: Columns
    separator: str
    line: int
    """Of the headings, the last of them, from 1."""


def columns_of(cells: Sequence[str], names: Names) -> Columns:
    """Return what the columns with these headings are."""
    found = Columns([cell.strip() for cell in cells])
    for index, cell in enumerate(cells):
        name = _without_remark(cell)
        role = _ROLE_OF.get(squeezed(cell)) or _ROLE_OF.get(squeezed(name))
        if role is None and (split := split_unit(cell))[1] in ("s", "sec", "min", "h", "ms"):
            role = _ROLE_OF.get(squeezed(split[0]))
        if role == "date" and {"year", "month"} & found.roles.keys():
            role = "day"
        if role == "dt":
            found.length_unit = _length_unit(cell)
        if role:
            found.roles.setdefault(role, index)
        elif quantity := names.heading(cell):
            found.quantities.append((index, *quantity))
    return found


def _without_remark(cell: str) -> str:
    return re.sub(r"\s*[(\[（【].*$", "", plain(cell))


def _length_unit(cell: str) -> float:
    words = re.findall(r"[a-z]+|[\u4e00-\u9fff]+", plain(cell))
    seconds = {"min": 60, "mins": 60, "minutes": 60, "分钟": 60, "分": 60, "h": 3600, "hours": 3600, "小时": 3600}
    return next((float(seconds[word]) for word in words if word in seconds), 1.0)


def find(lines: Sequence[str], names: Names, separator: str = "") -> Found | None:
    """Return where the headings are; None: no line is a row of headings with a time.

    Args:
        lines: the first ones of the file.
        names: of quantities.
        separator: where the file says it, "" where it must be found.
    """
    best: Found | None = None
    most = (0, 0)
    for one in separator or SEPARATORS:
        for line, row in rows_of(lines[:MOST_HEAD], one):
            columns = columns_of(row, names)
            known = len(columns.roles) + len(columns.quantities)
            if not columns.has_time or (len(row) < 2 and not separator):
                continue
            if (known, len(row)) > most:
                best, most = Found(columns, one, line), (known, len(row))
    return best


def rows_of(lines: Iterable[str], separator: str) -> Iterable[tuple[int, list[str]]]:
    """Yield the rows with the line in which each ends (headings may have several), up to where it is no CSV."""
    reader = csv.reader(lines, delimiter=separator)
    try:
        for row in reader:
            yield reader.line_num, row
    except csv.Error:
        return


def separator_said(line: str) -> str:
    """Return the separator that a first line such as sep=; names; "" if it is no such line."""
    found = re.fullmatch(r'\ufeff?"?sep=(.)"?\s*', line, re.IGNORECASE)
    return found[1] if found else ""
