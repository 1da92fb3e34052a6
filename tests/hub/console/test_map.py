"""The map: districts by their outlines, and somebody else's tiles under the sites, right where they lie."""

import contextlib
import csv
import json
import math
import struct
import threading
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest

from hub.registry.live import District
from tests.hub.alerting import AlertCity, run, write_files
from tests.hub.console.pages import Read, a_console
from tests.hub.helpers import CITY

HERE = "/console/map"
LINES = (Path(__file__).parents[1] / "things" / "gcj02_points.csv").read_text("utf-8").splitlines()
SHIFTED = [row for row in csv.DictReader(one for one in LINES if not one.startswith("#")) if row["source"]]
TOWER, MILL = (31.20, 121.40), (31.30, 121.50)
SQUARE = [[121.36, 31.17], [121.36, 31.24], [121.44, 31.24], [121.44, 31.17], [121.36, 31.17]]
HOLE = [[121.37, 31.18], [121.38, 31.18], [121.38, 31.19], [121.37, 31.18]]


def png():
    """Return a picture of 256 by 256 grey pixels."""
    rows = b"".join(b"\0" + b"\xb0" * 256 for _ in range(256))

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", 256, 256, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@contextlib.contextmanager
def a_tile_server():
    """A server of tiles on loopback: its address, and what was asked of it."""
    asked, picture = [], png()

    class Tiles(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append((self.path, self.headers.get("referer"), self.headers.get("cookie")))
            self.send_response(200)
            self.send_header("Content-Type", "image/png")
            self.send_header("Content-Length", str(len(picture)))
            self.end_headers()
            self.wfile.write(picture)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Tiles)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        # By another name than the console's: browsers send cookies to every port of a host.
        yield f"http://localhost:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()


@contextlib.contextmanager
def a_city(folder, settings="", tower=TOWER, mill=MILL, outline=None):
    sites = {
        id_: msgspec.structs.replace(CITY.sites[id_], position=position)
        for id_, position in (("tower", tower), ("mill", mill))
    }
    named = {
        "north": District(id="north", city="city", en="North", zh="城北", outline=outline),
        "south": District(id="south", city="city", en="South", zh="城南"),
    }
    registry = msgspec.structs.replace(CITY, sites=sites, named_districts=named)
    config = write_files(folder, f"[console]\n{settings}" if settings else "")
    with AlertCity(folder / "data", now=1_800_000_000.0), a_console(config, registry) as city:
        yield city


def drawn(page):
    """Return where each site and each tile lies in the picture: a site's x, y; a tile's z, x, y, and its box."""
    numbers = {}
    href = ""
    for tag, values in page.tags:
        if tag == "a" and "class" in values and (values.get("href") or "").startswith("/console/sites/"):
            href = values["href"].rpartition("/")[2]
        elif tag == "use" and href:
            numbers[href], href = (float(values["x"]), float(values["y"])), ""
    tiles = [
        (
            *map(int, urlsplit(v["href"]).path.removesuffix(".png").split("/")[-3:]),
            *(float(v[name]) for name in ("x", "y", "width")),
        )
        for tag, v in page.tags
        if tag == "image"
    ]
    return numbers, tiles


def on_a_tile(position, zoom):
    """Return where a position lies on the tiles of a zoom, by the formula of the OpenStreetMap wiki."""
    lat, lon = math.radians(position[0]), position[1]
    y = (1 - math.log(math.tan(lat) + 1 / math.cos(lat)) / math.pi) / 2
    return (lon + 180) / 360 * 2**zoom, y * 2**zoom


def assert_on_tiles(page, positions):
    sites, tiles = drawn(page)
    for id_, position in positions.items():
        x, y = on_a_tile(position, tiles[0][0])
        (at,) = [one for one in tiles if one[1:3] == (math.floor(x), math.floor(y))]
        _, _, _, left, top, size = at
        assert abs(left + (x % 1) * size - sites[id_][0]) < 1, id_
        assert abs(top + (y % 1) * size - sites[id_][1]) < 1, id_


def test_without_tiles_no_other_server_is_asked_and_none_may_be(tmp_path):
    with a_city(tmp_path) as city:
        browser = city.browser("inspector")
        assert not drawn(browser.read(HERE))[1]
        assert "img-src 'self';" in browser.last.headers["content-security-policy"]


def test_sites_lie_where_the_tiles_have_them_and_only_the_map_may_load_from_there(tmp_path):
    settings = 'tiles = "https://tiles.example:8443/m/{z}/{x}/{y}.png"\ntiles_credit = "审图号：GS(2026)1号"\n'
    with a_city(tmp_path, settings) as city:
        browser = city.browser("inspector")
        page = browser.read(HERE)
        assert_on_tiles(page, {"tower": TOWER, "mill": MILL})
        policy = browser.last.headers["content-security-policy"]
        assert "img-src 'self' https://tiles.example:8443;" in policy
        assert "script-src 'self';" in policy
        assert "审图号：GS(2026)1号" in page.text
        assert len(drawn(page)[1]) <= 30, "a page is no atlas"
        browser.read("/console/today")
        assert "tiles.example" not in browser.last.headers["content-security-policy"]


@pytest.mark.parametrize("point", SHIFTED[:3], ids=lambda point: point["name"])
def test_on_a_shifted_map_sites_lie_where_chinese_maps_show_them(tmp_path, point):
    wgs, gcj = ((float(point[f"{datum}_lat"]), float(point[f"{datum}_lng"])) for datum in ("wgs", "gcj"))
    settings = 'tiles = "https://tiles.example/{z}/{x}/{y}.png"\ntiles_datum = "gcj02"\n'
    with a_city(tmp_path, settings, wgs, (wgs[0] + 0.01, wgs[1])) as city:
        assert_on_tiles(city.browser("inspector").read(HERE), {"tower": gcj})


def test_one_site_alone_and_sites_at_one_place_are_shown_on_few_tiles(tmp_path):
    settings = 'tiles = "https://tiles.example/{z}/{x}/{y}.png"\n'
    with a_city(tmp_path, settings, TOWER, TOWER) as city:
        page = city.browser("officer-north").read(HERE)
        assert_on_tiles(page, {"tower": TOWER})
        assert 1 <= len(drawn(page)[1]) <= 30


def test_a_district_is_drawn_by_its_outline_with_its_holes(tmp_path):
    shape = {"type": "Polygon", "coordinates": [SQUARE, HOLE]}
    feature = {"type": "Feature", "properties": {"name": "<b>"}, "geometry": shape}
    (tmp_path / "north.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    with a_city(tmp_path, outline="north.geojson") as city:
        page = city.browser("inspector", "zh").read(HERE)
        paths = [values["d"] for tag, values in page.tags if tag == "path" and values.get("class") == "district"]
        assert [path.count("M") for path in paths] == [2, 1], "the square with its hole; round the mill what lies near"
        assert paths[0].count("L") == 3 + 2
        assert "城北" in page.text
        assert paths[0] not in city.browser("officer-south").get(HERE).text, "another district's is not shown"


WRONG = {
    "there is no such file": None,
    "no JSON": "{",
    "no area": '{"type": "Point", "coordinates": [121, 31]}',
    "metres": '{"type": "Polygon", "coordinates": [[[500000, 0], [500001, 0], [500000, 1], [500000, 0]]]}',
    "latitude first": '{"type": "Polygon", "coordinates": [[[31, 121], [32, 121], [31, 122], [31, 121]]]}',
    "no corners": '{"type": "Polygon", "coordinates": []}',
    "text for numbers": '{"type": "Polygon", "coordinates": [[["a", "b"]]]}',
}


def test_an_outline_that_cannot_be_used_keeps_nobody_from_the_map_and_check_names_it(tmp_path):
    file = tmp_path / "north.geojson"
    with a_city(tmp_path, outline="north.geojson") as city:
        registry = city.config.registry
        named = '[[city]]\nid = "city"\nen = "City"\nzh = "市"\n'
        named += '[[district]]\nid = "south"\ncity = "city"\nen = "South"\nzh = "城南"\n'
        named += '[[district]]\nid = "north"\ncity = "city"\nen = "North"\nzh = "城北"\noutline = "north.geojson"\n'
        registry.write_text(f"{registry.read_text('utf-8')}{named}", "utf-8")
        for why, text in WRONG.items():
            if text is not None:
                file.write_text(text)
            told = run(tmp_path, "check")
            assert told.code == 1, why
            assert "north.geojson" in told.out, why
        assert len(drawn(city.browser("inspector").read(HERE))[0]) == 2
        bow = [[121.3, 31.1], [121.5, 31.3], [121.5, 31.1], [121.3, 31.3], [121.3, 31.1]]
        file.write_text(json.dumps({"type": "Polygon", "coordinates": [bow]}))
        assert "north.geojson" not in run(tmp_path, "check").out, "a border that crosses itself is mended"


@pytest.mark.parametrize(
    "tiles",
    [
        "https://tiles.example/{z}/{x}.png",
        "https://tiles.example/{z}/{x}/{y}/{s}.png",
        "https://tiles.example/{z}/{x}/{-y}.png",
        "https://tiles.example/{z}/{x}/{y.__class__}.png",
        "https://tiles.example; script-src *//{z}/{x}/{y}",
        "https://user@tiles.example/{z}/{x}/{y}",
        "https://{x}.example/{z}/{y}/",
        "javascript:alert(1)//{z}/{x}/{y}",
        "https://tiles.example/{z}/{x}/{y}' onload='x",
    ],
)
def test_an_address_of_tiles_that_cannot_work_or_would_open_the_page_is_refused(tmp_path, tiles):
    write_files(tmp_path, f'[console]\ntiles = "{tiles}"\n')
    refused = run(tmp_path, "access", "list")
    assert refused.code == 2
    assert "tiles" in refused.err


@pytest.mark.parametrize("scripts", [True, False])
def test_a_browser_draws_the_tiles_and_tells_their_server_nothing(tmp_path, chromium, scripts):
    with a_tile_server() as (address, asked), a_city(tmp_path, f'tiles = "{address}/{{z}}/{{x}}/{{y}}.png"\n') as city:
        context, complaints = chromium.new_context(java_script_enabled=scripts), []
        try:
            page = context.new_page()
            page.set_default_timeout(60_000)
            page.on("console", lambda said: complaints.append(said.text))
            page.goto(f"{city.url}/console/enter/{city.link('inspector')}")
            page.click("main button")
            page.goto(city.url + HERE, wait_until="load")
            shown = page.locator("svg image").count()
            if scripts:
                page.evaluate("Promise.all([...document.querySelectorAll('svg image')].map((one) => one.decode()))")
            assert shown > 1
            expected = (
                {urlsplit(one).path for one in page.locator("svg image").evaluate_all(HREFS)} if scripts else None
            )
            assert {path for path, _, _ in asked} == (expected or {path for path, _, _ in asked})
            assert len({path for path, _, _ in asked}) == shown, "each of them is loaded"
            assert {(referrer, cookie) for _, referrer, cookie in asked} == {(None, None)}
            assert complaints == []
        finally:
            context.close()


HREFS = "(all) => all.map((one) => one.href.baseVal)"


def test_a_page_whose_tile_server_is_away_shows_the_sites_all_the_same(tmp_path, chromium):
    with a_tile_server() as (gone, _):
        pass
    with a_city(tmp_path, f'tiles = "{gone}/{{z}}/{{x}}/{{y}}.png"\n') as city:
        context = chromium.new_context()
        try:
            page = context.new_page()
            page.set_default_timeout(60_000)
            page.goto(f"{city.url}/console/enter/{city.link('inspector')}")
            page.click("main button")
            page.goto(city.url + HERE)
            page.click("svg a[href='/console/sites/tower'] use")
            page.wait_for_url("**/console/sites/tower")
            assert "Clock Tower" in page.inner_text("h1")
        finally:
            context.close()


def test_the_page_stays_small_with_a_border_of_many_corners(tmp_path):
    ring = [[121.4 + 0.05 * math.cos(n / 8000), 31.2 + 0.05 * math.sin(n / 8000)] for n in range(50_265)]
    (tmp_path / "north.geojson").write_text(json.dumps({"type": "Polygon", "coordinates": [[*ring, ring[0]]]}))
    with a_city(tmp_path, outline="north.geojson") as city:
        page = Read(city.browser("inspector").get(HERE).text)
        (path, _) = [values["d"] for tag, values in page.tags if tag == "path" and values.get("class") == "district"]
        assert len(path) < 2000
