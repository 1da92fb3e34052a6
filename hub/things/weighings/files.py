"""Weighings as weighbridges' programs write them: CSV with headings in English or Chinese, weights in kg or t."""

import re
from collections.abc import Sequence
from pathlib import Path

from hub.config.files import ConfigError
from hub.registry.exchange import Progress, unseen
from hub.sheets.cells import restored
from hub.sheets.grid import Grid, heading
from hub.sheets.headings import plain
from hub.sheets.numbers import NoNumberError, number
from hub.sheets.text import opened
from hub.things.weighings.book import Row
from schemas.errors import UserError

NAMES = {
    "weighbridge": ("weighbridge", "bridge", "磅站", "地磅", "地磅编号", "磅房"),
    "time": ("time", "weighed", "时间", "过磅时间", "称重时间", "日期时间"),
    "truck": ("truck", "vehicle", "plate", "车牌", "车牌号", "车号", "车辆", "车辆编号"),
    "waste": ("waste", "kind", "垃圾类别", "垃圾种类", "货物", "类别", "品种"),
    "gross": ("gross", "gross_kg", "gross_t", "毛重"),
    "tare": ("tare", "tare_kg", "tare_t", "皮重"),
    "net": ("net", "net_kg", "net_t", "净重"),
    "ticket": ("ticket", "磅单号", "单号", "流水号", "序号"),
    "district": ("district", "区", "区县"),
}
"""What columns are called; others are left out."""
WEIGHTS = ("gross", "tare", "net")
NEEDED = ("weighbridge", "time", "truck", "waste")
UNITS = {"kg": 1.0, "千克": 1.0, "公斤": 1.0, "t": 1000.0, "吨": 1000.0}
"""In kg."""
MOST = 100_000
"""Rows of a file."""
_KINDS = {word: name for name, words in NAMES.items() for word in words}
_UNIT = re.compile(r"(?:[(\[{【]\s*|[_/]\s*)(kg|千克|公斤|t|吨)\s*[)\]}】]?$")


def read_rows(path: Path, progress: Progress = unseen) -> tuple[list[Row], list[tuple[int, str]]]:
    """Return the weighings of a CSV file, and of rows that cannot be read the line and why.

    Raises:
        ConfigError: it is no such file, or its headings do not say what is needed.
    """
    try:
        with opened(path) as source, progress(source) as step:
            grid = Grid(source, str(path), lambda cells: "time" in _columns(cells), most=MOST, progress=step)
            return _rows(path, grid)
    except UserError as error:
        raise ConfigError(str(error)) from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); name a CSV file") from error


def _columns(cells: Sequence[str]) -> list[str]:
    return [_KINDS.get(heading(cell).removesuffix("/kg").removesuffix("/t"), "") for cell in cells]


def _rows(path: Path, grid: Grid) -> tuple[list[Row], list[tuple[int, str]]]:
    columns = _columns(grid.header)
    twice = next((name for name in columns if name and columns.count(name) > 1), None)
    if twice is not None:
        raise ConfigError(f"{path}: two columns say {twice}; expected one, take the other out")
    missing = next((name for name in NEEDED if name not in columns), None)
    if missing is not None:
        names = ", ".join(NAMES[missing])
        raise ConfigError(f"{path}: has no column for the {missing}; expected a heading such as {names}")
    factors = {}
    for name, cell in zip(columns, grid.header, strict=True):
        if name in WEIGHTS:
            unit = _UNIT.search(plain(cell))
            if unit is None:
                raise ConfigError(f"{path}: column {cell!r} says no unit; expected one such as {cell}(kg) or {cell}(t)")
            factors[name] = UNITS[unit[1]]
    if "net" not in factors and not {"gross", "tare"} <= factors.keys():
        raise ConfigError(f"{path}: has no column for the net weight; expected net(kg), or gross(kg) and tare(kg)")
    found, wrong = [], []
    for line, cells in grid.rows():
        said = {name: restored(cell).strip() for name, cell in zip(columns, cells, strict=False) if name}
        try:
            weights = {name: _weight(name, said.get(name, ""), factor) for name, factor in factors.items()}
        except ValueError as error:
            wrong.append((line, str(error)))
            continue
        kinds = tuple(one for one in re.split(r"[;；、,+]", said["waste"]) if one.strip())
        texts = (said["weighbridge"], said["time"], said["truck"], kinds)
        figures = (weights.get("net"), weights.get("gross"), weights.get("tare"))
        found.append(Row(*texts, *figures, said.get("ticket", ""), said.get("district", ""), line))
    return found, wrong


def _weight(name: str, text: str, factor: float) -> float | None:
    if not text:
        return None
    try:
        return round(float(number(text)) * factor, 3)
    except NoNumberError:
        pass
    try:
        return round(float(text) * factor, 3)  # 9999 is no value of a sensor's, but a weight
    except ValueError:
        raise ValueError(f"{name} = {text!r}: expected a number such as 12340") from None
