"""Single cells as people write them: times, numbers, headings, encodings."""

import io
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from hub.sheets.headings import Names, UnitError, split_unit
from hub.sheets.moments import AmbiguousDateError, NoTimeError, instants, is_hour_24, read_time, unfolded, zone_named
from hub.sheets.numbers import NoNumberError, number
from hub.sheets.text import CHUNK, Source
from schemas import jurisdictions_of, load_quantities

NAMES = Names(load_quantities())


@pytest.mark.parametrize(
    "text",
    [
        *("2026-03-02 14:05", "2026/3/2 14:05", "2026.03.02 14:05:00", "2026-03-02T14:05:00.000", "20260302 1405"),
        *("202603021405", "20260302140500", "20260302140500000", "2026年3月2日 14时05分", "2026年3月2日14:05"),
        *("2026/3/2 2:05 PM", "2026/3/2 下午 2:05", "2026/3/2 下午2:05:00", "02.03.2026 14:05", "2-Mar-2026 14:05"),
        *(
            "Mar 2, 2026 2:05 pm",
            "2 March 2026 14:05",
            "２０２６/３/２ １４：０５",
            "'2026-03-02 14:05'",
            "20260302 14:05",
        ),
    ],
)
def test_one_time_in_many_writings(text):
    assert read_time(text) == datetime.fromisoformat("2026-03-02T14:05:00")


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("2026-03-02T08:00:00Z", "2026-03-02T08:00:00+00:00"),
        ("2026-03-02 08:00 UTC+8", "2026-03-02T08:00:00+08:00"),
        ("2026-03-02 08:00+0530", "2026-03-02T08:00:00+05:30"),
        ("2026-03-02 08:00 -3", "2026-03-02T08:00:00-03:00"),
        ("2026-12-31 24:00", "2027-01-01T00:00:00"),
        ("2026123124", "2027-01-01T00:00:00"),
        ("2026年2月28日24时", "2026-03-01T00:00:00"),
        ("46083.5", "2026-03-02T12:00:00"),
        ("1772409600", "2026-03-02T00:00:00+00:00"),
        ("1772409600000", "2026-03-02T00:00:00+00:00"),
        ("13/02/2026 8:00", "2026-02-13T08:00:00"),
        ("02/13/2026 8:00", "2026-02-13T08:00:00"),
        ("2026-03-02", "2026-03-02T00:00:00"),
        ("2026/3/2 12:00 AM", "2026-03-02T00:00:00"),
    ],
)
def test_times_that_say_more(text, iso):
    assert read_time(text) == datetime.fromisoformat(iso)


@pytest.mark.parametrize(
    "text",
    ["", "2026", "2026-13-01", "2026-02-29 08:00", "2026-03-02 25:00", "2026-03-02 24:01", "9:60", "Average", "60.3",
     "2026-03-02 13:00 PM", "2026-03-02 08:00 +99", "Foo 2, 2026", "99999999"],
)  # fmt: skip
def test_what_is_no_time_is_refused(text):
    with pytest.raises(NoTimeError):
        read_time(text)


def test_a_date_that_may_be_two_days_is_not_guessed():
    with pytest.raises(AmbiguousDateError):
        read_time("03/02/2026 08:00")
    assert read_time("03/02/2026", "day").month == 2
    assert read_time("03/02/2026", "month").month == 3
    assert is_hour_24("2026-03-02T24:00:00+08:00")
    assert is_hour_24("2026年3月2日24时")
    assert not any(is_hour_24(text) for text in ("2026-03-24", "2026-03-02 08:24", "2024-03-02 00:00:24"))


def test_hours_that_stand_twice_and_hours_that_are_not():
    berlin = ZoneInfo("Europe/Berlin")
    early, late = instants(datetime.fromisoformat("2025-10-26T02:30:00"), berlin)
    assert late - early == 3600
    assert instants(datetime.fromisoformat("2025-03-30T02:30:00"), berlin) == ()
    assert len(instants(datetime.fromisoformat("2025-03-30T03:00:00"), berlin)) == 1
    assert [unfolded((early, late), before) for before in (0, early - 1, early, late, late + 1)] == [
        *(early, early, late, early, late),
    ]


@pytest.mark.parametrize(
    ("heading", "hours"),
    [("Time (UTC)", 0), ("time_utc+8", 8), ("时间（北京时间）", 8), ("Datum GMT+1", 1), ("time", None), ("时间", None)],
)
def test_a_heading_may_name_the_zone(heading, hours):
    zone = zone_named(heading)
    offset = None if zone is None else datetime.now(UTC).astimezone(zone).utcoffset()
    assert (None if offset is None else offset.total_seconds() / 3600) == hours


@pytest.mark.parametrize(
    ("text", "decimal", "value"),
    [
        *(("58.3", "", 58.3), ("58,3", "", 58.3), (" 58.3 ", "", 58.3), ("５８．３", "", 58.3), ("−5", "", -5)),
        *(("1.234,5", "", 1234.5), ("1,234.5", "", 1234.5), ("1,234", ",", 1.234), ("1,234", ".", 1234)),
        *(("1 234,5", "", 1234.5), ("1\u00a0234.5", "", 1234.5), ("1,234,567", "", 1234567), ("0,123", "", 0.123)),
        *(('="58.3"', "", 58.3), ("1e3", "", 1000), ("'5", "", 5), (".5", "", 0.5), ("999", "", 999)),
    ],
)
def test_one_number_in_many_writings(text, decimal, value):
    assert number(text, decimal) == value


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        *((text, "no value there") for text in ("", "—", "--", "NA", "#N/A", "NaN", "缺测", "Invalid", "/", "null")),
        *((text, "below what") for text in ("<0.5", "< LOD", "<LOD", "ND", "未检出", "＜5")),
        *((text, "a number that stands") for text in ("-999", "-9999.0", "9999", "99999.99", "-99.99", "-999,0")),
        *(
            (text, "value is no number")
            for text in ("loud", "1_000", "1e999", "5 dB", "1.2.3", "inf", "12:30", "1,23,4")
        ),
        (">500", "above what"),
        ("1,234", "a comma that may be"),
    ],
)
def test_what_is_no_number_has_a_cause(text, cause):
    with pytest.raises(NoNumberError, match=cause):
        number(text)


@pytest.mark.parametrize(
    ("heading", "found"),
    [
        *(
            ("PM2.5", ("pm25", "")),
            ("PM 2.5 (μg/m³)", ("pm25", "ugm3")),
            ("pm2_5", ("pm25", "")),
            ("PM₁₀", ("pm10", "")),
        ),
        *(("细颗粒物(PM2.5)", ("pm25", "")), ("可吸入颗粒物浓度(毫克/立方米)", ("pm10", "毫克立方米"))),
        *(("LAeq,T [dB(A)]", ("laeq", "dba")), ("Leq(A)", ("laeq", "")), ("LAeq_1h", ("laeq", "")), ("噪声dB", None)),
        *(("a34004-Avg", ("pm25", "")), ("温度(℃)", ("temperature", "°c")), ("Temp °F", ("temperature", "°f"))),
        *(("风速 m/s", ("wind_speed", "ms")), ("LAeq dB(C)", ("laeq", "dbc")), ("PM10(1号站)", ("pm10", ""))),
        *(("PM2.5_24h", None), ("AQI", None), ("O3_8h", None), ("wd", None)),
    ],
)
def test_headings_name_quantities_as_people_do(heading, found):
    assert NAMES.heading(heading) == found


def test_units_become_the_catalogue_s_or_are_asked_for():
    assert NAMES.scale("temperature", "°f").of(212) == 100
    assert NAMES.scale("pressure", "kpa").of(101.3) == 1013
    assert NAMES.scale("wind_speed", "kmh").of(36) == 10
    assert NAMES.scale("co", "ugm3").of(1300) == 1.3
    for key, unit in (("so2", "ppb"), ("laeq", "dbc"), ("pm10", "lbft3"), ("stack_pm", "mgnm3")):
        with pytest.raises(UnitError, match="convert it, and write"):
            NAMES.scale(key, unit)
    assert split_unit("value (mg/m3)") == ("value", "mgm3")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "gb18030"])
def test_a_long_text_in_any_encoding_is_whole(encoding):
    """Characters of several bytes lie across the pieces in which it is read."""
    lines = [f"{n},工地\r\n" for n in range(3 * CHUNK // 10)]
    text = "time,备注\r\n" + "".join(lines)
    data = ("\ufeff" + text).encode(encoding) if encoding[-2:] in ("le", "be") else text.encode(encoding)
    assert "".join(Source(io.BytesIO(data), "x")) == text.replace("\r\n", "\n")


def test_a_first_chinese_remark_far_down_is_still_read():
    data = b"1,ok\n" * CHUNK + "2,正常\n".encode("gbk")
    assert list(Source(io.BytesIO(data), "x"))[-1] == "2,正常\n"


@pytest.mark.parametrize("name", ["Zhongshan", "中山市", "zhongshan city", "广东", "Guangdong Province", "CN-GD"])
def test_a_city_lies_in_its_province(name):
    assert jurisdictions_of(name) == ("CN-GD", "CN", "WHO")


@pytest.mark.parametrize("name", ["Foshan", "佛山市", "foshan city", "Nanhai"])
def test_a_city_with_limits_of_its_own_is_a_jurisdiction(name):
    assert jurisdictions_of(name) == ("CN-GD-4406", "CN-GD", "CN", "WHO")


@pytest.mark.parametrize(
    ("name", "expected"),
    [("Suzhou", "'宿州' (CN-AH) or '苏州' (CN-JS)"), ("Shangai", "'CN-SH' (shanghai)"), ("Paris", "a code such as CN")],
)
def test_a_place_that_is_not_certain_is_asked_for(name, expected):
    with pytest.raises(LookupError) as refused:
        jurisdictions_of(name)
    assert expected in str(refused.value)
