"""Chinese map coordinates: published points, and the way back for any position."""

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.things.coordinates import bd09_of_gcj02, gcj02_of_wgs84, to_wgs84

LINES = (Path(__file__).parent / "gcj02_points.csv").read_text("utf-8").splitlines()
POINTS = list(csv.DictReader(line for line in LINES if not line.startswith("#")))
INSIDE = st.tuples(st.floats(73.5, 134.5), st.floats(18, 53.5))


@pytest.mark.parametrize("row", POINTS, ids=lambda row: f"{row['name']} {row['ellipsoid_radius_m']}")
def test_published_points_come_out_and_go_back(row):
    wgs = float(row["wgs_lng"]), float(row["wgs_lat"])
    gcj = float(row["gcj_lng"]), float(row["gcj_lat"])
    # The two radii in use differ by 1e-7 degrees, and one published longitude has a slip of that size: 2 cm at most.
    assert gcj02_of_wgs84(wgs) == pytest.approx(gcj, abs=2e-7)
    assert to_wgs84(gcj, "gcj02") == pytest.approx(wgs, abs=2e-7)


@given(INSIDE)
def test_what_is_converted_back_is_where_it_was_within_a_millimetre(wgs):
    gcj = gcj02_of_wgs84(wgs)
    assert to_wgs84(gcj, "gcj02") == pytest.approx(wgs, abs=1e-8)
    assert to_wgs84(bd09_of_gcj02(gcj), "bd09") == pytest.approx(wgs, abs=1e-8)
    assert to_wgs84(wgs, "wgs84") == wgs


@given(INSIDE)
def test_a_chinese_map_is_off_by_metres_to_hundreds_of_metres(wgs):
    east, north = (abs(a - b) * 111_000 for a, b in zip(gcj02_of_wgs84(wgs), wgs, strict=True))
    assert east < 1200
    assert north < 1200
    assert bd09_of_gcj02(wgs) != wgs


def test_outside_china_nothing_moves():
    assert to_wgs84((2.35, 48.86), "gcj02") == (2.35, 48.86)
