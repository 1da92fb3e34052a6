"""`fenceline grafana districts`: outlines of the registry's districts, where the map's tiles have them."""

import json
import math

import pytest
from typer.testing import CliRunner

from dashboards.cli import app
from schemas.errors import UserError

NORTH = [[120.1, 30.2], [120.2, 30.2], [120.2, 30.3], [120.1, 30.3], [120.1, 30.2]]
SOUTH = [[lon, lat - 0.1] for lon, lat in NORTH]
REGISTRY = """
timezone = "Asia/Shanghai"
[[city]]
id = "town"
en = "Town"
zh = "小城"
"""


def district(id_, en, zh, more=""):
    return f'[[district]]\nid = "{id_}"\ncity = "town"\nen = "{en}"\nzh = "{zh}"\n{more}\n'


def feature(ring, **properties):
    return {"type": "Feature", "properties": properties, "geometry": {"type": "Polygon", "coordinates": [ring]}}


@pytest.fixture
def city(tmp_path):
    """A city whose two districts have their outlines in one file, as offices hand them on: by names and codes."""
    (tmp_path / "fenceline.toml").write_text(
        'registry = "registry.toml"\nkeys = "keys.toml"\ndata = "data"\n[broker]\nhost = "127.0.0.1"\n'
    )
    own = 'outline = "maps.geojson"'
    (tmp_path / "registry.toml").write_text(
        REGISTRY
        + district("north", "North Bank", "北岸区", own)
        + district("south", "South Bank", "南岸区", own)
        + district("west", "West", "西区")
    )
    write(tmp_path, feature(NORTH, name="北岸区", adcode=1), feature(SOUTH, name="南岸区", adcode=2))
    return tmp_path


def write(folder, *features):
    (folder / "maps.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))


def run(folder, *arguments):
    return CliRunner().invoke(app, ["districts", "-", "--config", str(folder / "fenceline.toml"), *arguments])


def found(folder, *arguments):
    result = run(folder, *arguments)
    assert result.exit_code == 0, result.output + str(result.exception)
    return json.loads(result.stdout)["features"]


def corner(one):
    """Return its most south-western position."""
    return min(one["geometry"]["coordinates"][0])


def test_districts_have_their_outlines_and_names(city):
    north, south = found(city)
    assert north["properties"] == {"id": "north", "name": "北岸区 North Bank"}
    assert (corner(north), corner(south)) == ([120.1, 30.2], [120.1, 30.1])


def test_outlines_lie_where_the_tiles_have_them(city):
    """GCJ-02 lies some hundred metres beside WGS-84; there and back is where it was."""
    (lon, lat), _ = (corner(one) for one in found(city, "--gcj02"))
    beside = math.hypot((lon - 120.1) * math.cos(math.radians(30)), lat - 30.2) * 111_000
    assert 300 < beside < 800
    both = [corner(one) for one in found(city, "--coordinates", "gcj02", "--gcj02")]
    assert both[0] == pytest.approx([120.1, 30.2], abs=2e-6)


def test_it_writes_a_file(city):
    file = city / "out.geojson"
    result = CliRunner().invoke(app, ["districts", str(file), "--config", str(city / "fenceline.toml")])
    assert result.exit_code == 0
    assert json.loads(file.read_text("utf-8"))["type"] == "FeatureCollection"


@pytest.mark.parametrize(
    ("features", "told"),
    [
        (
            [feature(NORTH, name="east"), feature(SOUTH, name="南岸区")],
            "0 of its 2 features have the district's id or name",
        ),
        ([feature(NORTH, id="north"), feature(SOUTH, id="north")], "2 of its 2 features"),
        ([feature([[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]], id="north")], "without crossing itself"),
        ([feature([[30, 120], [31, 120], [31, 121], [30, 120]], id="north")], "longitude first"),
        (
            [{"geometry": {"type": "Point", "coordinates": [120, 30]}, "properties": {"id": "north"}}],
            "expected a Polygon",
        ),
        ([{"geometry": {"type": "Polygon", "coordinates": "x"}, "properties": {"id": "north"}}], "expected a Polygon"),
        ([{"geometry": None, "properties": {"id": "north"}}], "expected a Polygon"),
    ],
)
def test_what_is_wrong_with_a_file_of_outlines_is_told(city, features, told):
    write(city, *features)
    error = run(city).exception
    assert isinstance(error, UserError)
    assert told in str(error)
    assert "north" in str(error)


def test_a_registry_without_outlines_is_told(city):
    (city / "registry.toml").write_text(REGISTRY + district("west", "West", "西区"))
    assert "no district of the registry has an outline" in str(run(city).exception)
    (city / "registry.toml").write_text(REGISTRY + district("west", "West", "西区", 'outline = "none.geojson"'))
    assert "cannot be read" in str(run(city).exception)
    (city / "none.geojson").write_text("{")
    assert "is no JSON" in str(run(city).exception)
