"""Files that nobody thought of when the reader was written: what can be told for certain counts, the rest is named."""

import io
from zoneinfo import ZoneInfo

import pytest

from hub.backtest.table import Table
from hub.sheets.sheet import Asked
from hub.sheets.text import Source
from schemas import load_quantities
from schemas.errors import UserError

QUANTITIES = load_quantities()
MIDNIGHT = 1_772_294_400
"""2026-03-01 00:00 in Shanghai."""


def read(data, **asked):
    """Return the value of each hour of PM10, by the hour of the first of March, and the notes."""
    table = Table(
        "a.csv",
        QUANTITIES,
        ZoneInfo("Asia/Shanghai"),
        lenient=True,
        grain=3600,
        asked=Asked(False, local=True, **asked),
    )
    data = data if isinstance(data, bytes) else data.encode()
    sums = [one for one in table.sums(Source(io.BytesIO(data), "a.csv")) if one[0] == "pm10"]
    return {(one[1] - MIDNIGHT) / 3600: one[4] / one[3] for one in sums if one[3]}, table.notes


HOURS = "time,pm10\n2026-03-01 00:00,50\n2026-03-01 01:00,51\n"


@pytest.mark.parametrize("encoding", ["utf-16-be", "utf-16-le", "utf-32", "utf-32-be", "gb18030", "utf-8-sig"])
def test_every_encoding_is_found(encoding):
    mark = "\ufeff" if encoding == "utf-32-be" else ""
    assert read((mark + HOURS.replace("time", "监测时间")).encode(encoding))[0] == {0: 50, 1: 51}


@pytest.mark.parametrize(
    "text",
    [
        "时间,PM10\n2026-03-01 00:00-01:00,50\n2026-03-01 01:00-02:00,51\n",
        "时间,PM10\n2026-03-01 00:00~2026-03-01 01:00,50\n2026-03-01 01:00~2026-03-01 02:00,51\n",
        "时段,时间,PM10\nx,2026年3月1日00:00至01:00,50\nx,2026年3月1日01:00至02:00,51\n",
        "日期,时间,PM10\n46082,0,50\n46082,0.0416666667,51\n",
        "日期,时间,PM10\n2026-03-01,0,50\n2026-03-01,.0416666667,51\n",
        'time,pm10\n="2026-03-01 00:00",="50"\n="2026-03-01 01:00",="51"\n',
        "time,pm10\n\ufeff2026-03-01 00:00,50\n2026-03-01\u202f01:00,\u200b51\u00a0\n",
        "时间，PM10\n2026-03-01 00:00，50\n2026-03-01 01:00，51\n",
        "时间；PM10\n2026-03-01 00:00；５０\n2026-03-01 01:00；５１\n",
        "time,pm10\r\n2026-03-01 00:00,50\r2026-03-01 01:00,51\r\n\x1a",
        "Date,Time,PM10\n3/1/2026,12:00 AM,50\n3/1/2026,1:00 AM,51\n3/13/2026,2:00 PM,-999\n",
        "监测时间,颗粒物,颗粒物\n时间,PM10,PM2.5\n,μg/m³,mg/m³\n2026-03-01 00:00,50,0.02\n2026-03-01 01:00,51,0.02\n",
        "time,pm10\n2026-03-01 00:00,50\n2026-03-01 01:00,51\n合计,101\n\nPrinted 2026-03-02\n",
    ],
)
def test_what_is_certain_counts(text):
    assert read(text)[0] == {0: 50, 1: 51}


def test_an_offset_behind_each_time_is_no_span():
    assert read("time,pm10\n2026-03-01T00:00+08:00,50\n2026-03-01T01:00+08:00,51\n")[0] == {0: 50, 1: 51}
    assert read("time,pm10\n2026-02-28T15:00-01:00,50\n2026-02-28T16:00-01:00,51\n")[0] == {0: 50, 1: 51}


def test_what_is_no_number_costs_itself_and_is_counted():
    cells = ["<0.01", "ND", "—", "50*", "50(H)", "inf", "1e400", "nan", "(5)", "٥٠"]
    rows = "".join(f"2026-03-01 0{n}:00,{cell}\n" for n, cell in enumerate(cells))
    found, notes = read(f"time,pm10\n{rows}2026-03-01 10:00,5.0E+01\n2026-03-01 11:00,'51\n")
    assert found == {10: 50, 11: 51}
    assert sum(notes.values()) == len(cells)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (HOURS.replace("51", "5\0" + "1"), "line 3: holds the control character"),
        ("time,pm10,pm10\n2026-03-01 00:00,50,50\n", "several columns are pm10"),
        (HOURS.replace("2026-03-01", "01/02/26"), "none of 2 rows could be used"),
        ("time,pm10\n01/02/2026 00:00,50\n01/02/2026 01:00,51\n", "none of 2 rows could be used"),
        ('{"time":"2026-03-01T00:00","pm10":50}\n', "the column"),
    ],
)
def test_what_is_not_certain_is_refused_by_its_cause(data, told):
    with pytest.raises(UserError, match=told.replace("\\", "")):
        read(data)
