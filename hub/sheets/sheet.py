"""A table of readings in a file: rows of time, length, quantity, value and flag, however the file arranges them."""

import csv
import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, tzinfo

from hub.sheets.columns import Columns, Found, columns_of, find, separator_said
from hub.sheets.headings import ALL_UNITS, Names, Scale, UnitError, split_unit, unit_of
from hub.sheets.moments import (
    DayFirst,
    NoTimeError,
    are_spans,
    day_or_month_first,
    read_time,
    span_start,
    zone_named,
)
from hub.sheets.numbers import MISSING, NoNumberError, number
from schemas import Quantity
from schemas.errors import UserError

SAMPLE = 2000
"""Lines that are looked at before the first row is given: what separates cells, what is a decimal sign, ..."""
ROW = ("time", "dt", "quantity", "value")
FOOTER = "a line of a summary or remark, left out"
_FOOTER = re.compile(
    r"\s*(?:平均|均值|合计|总计|小计|最大|最小|最高|最低|标准差|备注|注[:：]|说明|制表|审核|打印|共\d|有效|统计|数据来源|超标"
    r"|average|avg|mean|total|sum\b|max|min\b|minimum|std|stdev|count|median|note|remark|end of|eof|\(?\d* rows|source"
    r"|generated"
    r"|mittelwert|summe|anzahl|percentile|data capture|#|--+\s|\*)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a user says of a file that the file does not say by itself."""

    ending: bool | None = None
    """Whether a time is the end of its interval; None: the user does not say."""
    column: str = ""
    """Of a table with a column for each station or instrument, or several: the heading of the one that is meant."""
    quantity: str = ""
    """What the values are, where neither a column nor a heading says it."""
    seconds: float | None = None
    """Length of each interval, where there is no column dt."""
    people: bool = True
    """Whether a person reads what is told: then also what nothing in the file points to is told."""
    local: bool = False
    """Whether times without an offset are local ones because the user says so, by naming their zone."""


NOTHING_ASKED = Asked()


def is_footer(row: list[str]) -> bool:
    """Tell whether a row is below the table: a mean, a sum, a remark."""
    first = next((cell for cell in row if cell.strip()), "")
    return _FOOTER.match(first) is not None


def shown(names: list[str]) -> str:
    """Return headings as a sentence shows them: on one line, and not too many."""
    return ", ".join(" ".join(name.split()) for name in names)[:300]


def is_blank(row: list[str]) -> bool:
    """Tell whether a row has empty cells only, as spreadsheets write them."""
    return not any(cell.strip() for cell in row)


class Sheet:
    """A file's table. After it is made, `rows` gives the readings.

    Args:
        lines: of the file.
        name: of the file, for errors.
        quantities: the catalogue of quantities.
        asked: what the user says of it.

    Raises:
        UserError: there is no table, a column is missing, or something must be asked.
    """

    def __init__(
        self, lines: Iterable[str], name: str, quantities: Mapping[str, Quantity], asked: Asked = NOTHING_ASKED
    ) -> None:
        self.name = name
        self._asked = asked
        self.names = Names(quantities)
        self._quantities = quantities
        self.told: list[str] = []
        """What was taken for what, where the file could have meant something else: sentences for people."""
        rest = iter(lines)
        sample = list(itertools.islice(rest, SAMPLE))
        said = separator_said(sample[0]) if sample else ""
        found = find(sample[1:] if said else sample, self.names, said)
        if found is None:
            raise self._no_table(sample)
        if said:
            found.line += 1
        self._columns, self.separator, self.line = found.columns, found.separator, found.line
        self.width = len(found.columns.names)
        self._reader = csv.reader(itertools.chain(sample[found.line :], rest), delimiter=found.separator)
        body = list(_sampled(sample[found.line :], found))
        self._units_row = self._find_units(body)
        self.decimal = _decimal_of(body, self._columns, found.separator)
        self._roles = dict(self._columns.roles)
        self._choose_time(body)
        self._spans = False
        times = [self._time(row) for row in body if len(row) == self.width and not is_footer(row)]
        self._spans = bool(times) and are_spans(times[:500])
        self.day_first: DayFirst = day_or_month_first(self._time(row) for row in body if len(row) == self.width)
        self._value_unit = ""
        self._values = self._choose_values()
        self.wide = "quantity" not in self._roles
        """Whether a row has several readings, so that it is usual that some are not there."""
        self.ending = asked.ending
        """Whether times are ends; None: nobody has said it."""
        if self._spans:
            self.ending = False
        elif asked.ending is None and "end" in self._roles:
            self.ending = "start" not in self._roles
        elif asked.ending is None and "start" in self._roles:
            self.ending = False
        time_column = next((self._roles[r] for r in ("time", "start", "end", "date", "hour") if r in self._roles), 0)
        self.zone: tzinfo | None = zone_named(self._columns.names[time_column])
        """Of times without an offset, where the heading says it."""
        self._seconds = self._length(body)
        self.ignored: Counter[str] = Counter()
        """Cells that hold no reading, by cause."""

    @property
    def line_now(self) -> int:
        """The line in which the row given last ends."""
        return self.line + int(self._reader.line_num)

    def rows(self) -> tuple[Iterator[list[str]], tuple[int, ...] | None, bool]:
        """Return the rows, where time, dt, quantity, value and flag stand (None: in that order), and whether flags do.

        Rows are as they are in the file when it has these columns and writes numbers with a point: so a long file is
        read as fast as the csv module reads it. Otherwise each is made anew, in that order.
        """
        roles = self._roles
        simple = (
            all(role in roles for role in ROW)
            and "unit" not in roles
            and not self._value_unit
            and self.decimal != ","
            and not {"start", "end", "year", "hour", "date"} & roles.keys()
            and not self._spans
            and len(self._values) == 1
            and self._values[0][0] == roles["value"]
            and self._values[0][2].same
            and self._units_row is None
            and self._columns.length_unit == 1
        )
        if simple:
            flag = roles.get("flag", -1)
            where = *(roles[role] for role in ROW), flag if flag >= 0 else self.width
            return self._reader, where, flag >= 0
        return self._made(), None, True

    def _made(self) -> Iterator[list[str]]:
        roles = self._roles
        flag, quantity, unit = (roles.get(role, -1) for role in ("flag", "quantity", "unit"))
        values = [(index, key, _Texts(scale, self.decimal)) for index, key, scale in self._values]
        scales: dict[tuple[str, str], _Texts] = {}
        skip = self._units_row is not None
        for row in self._reader:
            if skip and self._reader.line_num == self._units_row:
                continue
            if is_blank(row):
                continue
            if len(row) != self.width:
                if len(row) > self.width and is_blank(row[self.width :]):
                    del row[self.width :]
                else:
                    yield row if len(row) != 5 else [*row, ""]  # which the reader counts, or refuses, for its width
                    continue
            time, letter = self._time(row), row[flag] if flag >= 0 else "N"
            length = self._length_of(row, time)
            for index, named, texts in values:
                text = row[index]
                key = named or row[quantity]
                if not named and (unit >= 0 or self._value_unit):
                    stated = row[unit] if unit >= 0 else self._value_unit
                    texts = self._scaled(scales, key, stated, texts)  # noqa: PLW2901
                if self.wide and not text.strip():
                    self.ignored[MISSING] += 1
                    continue
                yield [time, length, key, texts[text], letter]

    def _scaled(self, scales: dict[tuple[str, str], "_Texts"], key: str, unit: str, otherwise: "_Texts") -> "_Texts":
        known = self.names.key(key)
        if known is None:
            return otherwise
        if (known, unit) not in scales:
            try:
                scales[known, unit] = _Texts(self.names.scale(known, unit_of(unit)), self.decimal)
            except UnitError as error:
                raise UserError(f"{self.name}, line {self.line_now}: {error}.") from None
        return scales[known, unit]

    def _no_table(self, sample: list[str]) -> UserError:
        first = next(csv.reader(sample[:1]), []) if sample else []
        seen = f"; found: {shown(first)}" if first else ""
        column = "dt" if columns_of(first, self.names).has_time else "time"
        return self._missing(column, 1, seen)

    def _missing(self, column: str, line: int, seen: str = "") -> UserError:
        return UserError(
            f"{self.name}, line {line}: the column {column!r} is missing; expected a header with "
            f"time,dt,quantity,value and, if you have flags, flag; or a time and a column for each quantity{seen}."
        )

    def _find_units(self, body: list[list[str]]) -> int | None:
        """Take the units that stand in a row of their own below the headings; return its number in the reader."""
        if not body or len(body[0]) != self.width or not self._columns.quantities:
            return None
        row = body[0]
        units = {index: unit_of(row[index]) for index, _, unit in self._columns.quantities if not unit}
        if not any(unit in ALL_UNITS for unit in units.values()):
            return None
        self._columns.quantities = [
            (index, key, unit or units.get(index, "")) for index, key, unit in self._columns.quantities
        ]
        return 1

    def _choose_time(self, body: list[list[str]]) -> None:
        """Settle which columns make the time: "time" may be the time of day beside a date, or all of it."""
        roles = self._roles
        if "time" in roles and "date" in roles:
            cell = next(
                (row[roles["time"]] for row in body if len(row) == self.width and row[roles["time"]].strip()), ""
            )
            try:
                read_time(cell)
            except NoTimeError:
                roles["clock"] = roles.pop("time")
            else:
                if not re.fullmatch(r"\d{5}(\.\d+)?", cell.strip()):
                    del roles["date"]
        elif "time" in roles:
            for extra in ("year", "month", "day", "hour", "minute"):
                roles.pop(extra, None)
        if "time" in roles:
            for extra in ("start", "end"):
                roles.pop(extra, None)

    def _time(self, row: list[str]) -> str:
        """Return a row's time as one text."""
        roles = self._roles
        for role in ("time", "start", "end"):
            if role in roles:
                return span_start(row[roles[role]]) if self._spans else row[roles[role]]
        if "year" in roles and "month" in roles:
            day = row[roles["day"]] if "day" in roles else "1"
            date = "-".join(part.strip() for part in (row[roles["year"]], row[roles["month"]], day))
        else:
            date = row[roles["date"]].strip()
        if "clock" in roles:
            return f"{_day_of(date)} {_clock_of(row[roles['clock']])}"
        if "hour" in roles:
            minute = row[roles["minute"]].strip() if "minute" in roles else "0"
            hour = row[roles["hour"]].strip()
            hour = hour if ":" in hour or "时" in hour else f"{hour.removesuffix('.0')}:{minute.zfill(2)}"
            return f"{_day_of(date)} {hour}"
        return date

    def _choose_values(self) -> list[tuple[int, str, Scale]]:
        """Return the columns of values: where, which quantity ("": the row says it), and how to scale."""
        roles, columns = self._roles, self._columns
        key = self._asked_quantity()
        if columns.quantities and not {"quantity", "value"} <= roles.keys():
            roles.pop("quantity", None)  # a column of another sense: a type of station
            roles.pop("unit", None)
        if self._asked.column:
            return [self._asked_column(key)]
        if "quantity" in roles:
            return [(self._long_column(), "", Scale())]
        if columns.quantities:
            return self._wide_columns(key)
        if key and "value" in roles:
            return [self._stated_column(roles["value"], key)]
        others = self._others()
        if key and len(others) == 1:
            return [self._stated_column(others[0], key)]
        if key and others:
            raise self._which(others)
        missing = next((role for role in ROW if role not in roles), "quantity")
        raise self._missing(missing, self.line, f"; found: {shown(columns.names)}")

    def _asked_column(self, key: str) -> tuple[int, str, Scale]:
        index = self._column(self._asked.column)
        if "quantity" in self._roles:
            return index, "", Scale()
        named = next((one for one in self._columns.quantities if one[0] == index), None)
        if named and key in ("", named[1]):
            return self._scaled_column(*named)
        if key:
            return self._stated_column(index, key)
        raise UserError(f"{self.name}: what are the values of {self._asked.column!r}? Say it by --quantity KEY.")

    def _long_column(self) -> int:
        """Return the column of the values of a table whose rows say the quantity."""
        roles = self._roles
        if "value" in roles:
            self._value_unit = split_unit(self._columns.names[roles["value"]])[1]
            return roles["value"]
        others = self._others()
        if "dt" in roles or not others:
            raise self._missing("value", self.line)
        if len(others) > 1:
            raise self._which(others)
        return others[0]

    def _stated_column(self, index: int, key: str) -> tuple[int, str, Scale]:
        """Return a column whose quantity the user says; its heading may still say the unit."""
        return self._scaled_column(index, key, split_unit(self._columns.names[index])[1])

    def _wide_columns(self, key: str) -> list[tuple[int, str, Scale]]:
        found = [one for one in self._columns.quantities if not key or one[1] == key]
        counted = Counter(one[1] for one in found)
        twice = next((one for one, count in counted.items() if count > 1), None)
        if twice:
            both = [self._columns.names[index] for index, one, _ in found if one == twice]
            raise UserError(
                f"{self.name}, line {self.line}: several columns are {twice}: {shown(both)}; "
                "name the one that is meant by --column."
            )
        others = self._others()
        if not found and len(others) == 1:
            return [self._stated_column(others[0], key)]
        if not found and others:
            raise self._which(others)
        if not found:
            raise UserError(f"{self.name}, line {self.line}: no column is {key}; name it by --column.")
        return [self._scaled_column(*one) for one in found]

    def _scaled_column(self, index: int, key: str, unit: str) -> tuple[int, str, Scale]:
        try:
            scale = self.names.scale(key, unit)
        except UnitError as error:
            raise UserError(f"{self.name}, line {self.line}: {error}.") from None
        heading, label = self._columns.names[index], self._quantities[key].label
        if not unit and "unit" not in self._roles:
            self.told.append(f"{heading!r} is taken for {key} in {label}; the file names no unit")
        elif not scale.same:
            self.told.append(f"{heading!r} is turned into {label}")
        return index, key, scale

    def _asked_quantity(self) -> str:
        asked = self._asked.quantity
        if not asked:
            return ""
        key = self.names.key(asked)
        if key is None:
            raise UserError(
                f"--quantity {asked!r} is not in the catalogue; expected one of: {', '.join(self._quantities)}."
            )
        return key

    def _column(self, wanted: str) -> int:
        names = [name.casefold() for name in self._columns.names]
        if wanted.strip().casefold() not in names:
            raise UserError(
                f"{self.name}, line {self.line}: there is no column {wanted!r}; found: {shown(self._columns.names)}."
            )
        return names.index(wanted.strip().casefold())

    def _others(self) -> list[int]:
        """Return the columns that are nothing that is known."""
        taken = {*self._roles.values(), *(index for index, _, _ in self._columns.quantities)}
        return [n for n, name in enumerate(self._columns.names) if n not in taken and name]

    def _which(self, others: list[int]) -> UserError:
        names = shown([self._columns.names[n] for n in others])
        return UserError(f"{self.name}, line {self.line}: which column is meant? Name it by --column; found: {names}.")

    def _length(self, body: list[list[str]]) -> str:
        """Return the length of the intervals, s, where no column tells it: as asked, or the usual distance of times."""
        if "dt" in self._roles or {"start", "end"} <= self._roles.keys():
            return ""
        if self._asked.seconds is not None:
            return f"{self._asked.seconds:.10g}"
        steps: Counter[float] = Counter()
        times = 0
        before: dict[str, float] = {}
        column = self._roles.get("quantity", -1)
        for row in body:
            if len(row) != self.width:
                continue
            try:
                time = read_time(self._time(row), self.day_first)
            except NoTimeError:
                continue
            t = time.replace(tzinfo=time.tzinfo or UTC).timestamp()
            times += 1
            key = row[column] if column >= 0 else ""
            if key in before and t != before[key]:
                steps[abs(t - before[key])] += 1
            before[key] = t
        if not times:
            return "0"  # each row is refused for its time
        if not steps:
            raise self._missing("dt", self.line, "; without it, say by --dt how long each interval is, s")
        seconds = f"{steps.most_common(1)[0][0]:.10g}"
        self.told.append(f"each interval is taken to last {seconds} s, the usual distance of times")
        return seconds

    def _length_of(self, row: list[str], time: str) -> str:
        roles = self._roles
        if "dt" in roles:
            text, unit = row[roles["dt"]], self._columns.length_unit
            if unit != 1 or self.decimal == ",":
                try:
                    return f"{number(text, self.decimal) * unit:.10g}"
                except NoNumberError:
                    return text
            return text
        if self._seconds:
            return self._seconds
        try:
            length = read_time(row[roles["end"]], self.day_first) - read_time(time, self.day_first)
        except (NoTimeError, TypeError):
            return row[roles["end"]]
        return f"{length.total_seconds():.10g}"


class _Texts(dict[str, str]):
    """What the texts of a column's values become: numbers with a point in the catalogue's unit, or the text itself."""

    def __init__(self, scale: Scale, decimal: str) -> None:
        super().__init__()
        self._scale, self._decimal = scale, decimal

    def __missing__(self, text: str) -> str:
        if len(self) > 50_000:
            self.clear()
        try:
            made = repr(self._scale.of(number(text, self._decimal)))
        except NoNumberError:
            made = text
        self[text] = made
        return made


def _clock_of(text: str) -> str:
    """Return the time of day of a cell, which may be a share of the day, as spreadsheets keep it."""
    if not re.fullmatch(r"\s*(?:0|0?\.\d+)\s*", text):
        return text.strip()
    seconds = round(float(text) * 86_400)
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def _day_of(date: str) -> str:
    """Return the date of a cell that may have a midnight behind it, or be a spreadsheet's number of a day."""
    if re.fullmatch(r"\s*[2-7]\d{4}(?:\.0*)?\s*", date):
        return read_time(date).date().isoformat()
    return re.sub(r"[ T]0?0:00(:00)?(\.0+)?$", "", date)


def _sampled(lines: Iterable[str], found: Found) -> Iterator[list[str]]:
    """Yield the rows of the sample's lines that are rows."""
    try:
        for row in csv.reader(lines, delimiter=found.separator):
            if not is_blank(row):
                yield row
    except csv.Error:
        return


def _decimal_of(body: list[list[str]], columns: Columns, separator: str) -> str:
    """Return the decimal sign of a file, by its cells that hold no time."""
    times = {columns.roles[role] for role in ("time", "date", "start", "end") if role in columns.roles}
    return decimal_of((cell for row in body[:500] for n, cell in enumerate(row) if n not in times), separator)


def decimal_of(cells: Iterable[str], separator: str) -> str:
    """Return the decimal sign of cells: "," where they show it, "." where they show that, else ""."""
    commas = points = 0
    sure = separator in ";|"
    for cell in cells:
        commas += re.fullmatch(r"\s*[+-]?\d+,\d+\s*", cell) is not None
        points += re.fullmatch(r"\s*[+-]?\d+\.\d+\s*", cell) is not None
        sure = sure or _SURE_COMMA.fullmatch(cell) is not None
    if commas and (separator != "," or not points) and commas >= points:
        return "," if sure else ""
    return "." if points else ""


_SURE_COMMA = re.compile(r"\s*[+-]?(?:0,\d+|\d+,\d{1,2}|\d+,\d{4,})\s*")
"""A comma that cannot part thousands off."""
