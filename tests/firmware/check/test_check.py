"""The check of a board and its report: each failure is named with what to do, on a real virtual board and as values."""

import ast
import base64
import datetime as dt
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from edge import outbox
from firmware.check import network as reach
from firmware.check import results as checkup
from firmware.check.letterhead import Letterhead
from firmware.check.report import Commissioned, render
from firmware.check.results import Result, ResultState, same
from firmware.link.link import Link
from firmware.link.session import Seen, SensorSeen
from firmware.notebook.boards import BoardRecord
from schemas.chinese import in_chinese
from schemas.language import Lang, Text
from tests.firmware.benchtop import Bench
from tests.firmware.check.test_report import SECRET, chunk, png

ROOT = Path(__file__).resolve().parents[3]
RECORD = b'1 ntp {"t":1794999990,"dt":1,"v":{"laeq":60.0}}'  # as the agent writes it into its outbox


def states(told):
    return {check["check"]: check["state"] for check in told["checks"]}


def test_a_sound_board_passes_without_a_network_and_the_report_says_what_was_left_out(shared):
    shared.hold()
    photo = shared.home.parent / "mast.png"
    photo.write_bytes(png(chunk(b"tEXt", SECRET)))
    (shared.home / "report.toml").write_text('zh = "某市生态环境局"\nconsole = "https://f.example"\n', "utf-8")
    done = shared.run(
        "check",
        "--offline",
        "--photo",
        photo,
        "--who",
        "Technician 7",
        "--remark",
        "<b>mast</b> 3 m",
        "--serial",
        "dust=PMS-3107",
        "--json",
        lang="zh",
    )
    assert done.code == 0, done
    told = json.loads(done.out)
    assert told["report_sha256"] == hashlib.sha256(Path(told["report"]).read_bytes()).hexdigest()
    assert told["passed"]
    for name in ("Software", "Clock", "Storage", "Outbox", "Sensor dust", "Sensor noise", "Sensor stack"):
        assert states(told)[name] == "ok"
    for name in ("Network", "Broker", "Hub and back", "Supply voltage"):
        assert states(told)[name] == "skipped"
    page = Path(told["report"]).read_text("utf-8")
    for shown in ("设备调试验收报告", "合格（未检查网络）", "Technician 7", "pit-1", "&lt;b&gt;mast&lt;/b&gt; 3 m"):
        assert shown in page
    assert "PMS-3107" in page
    assert base64.b64encode(png()).decode() in page, "the photo, without its remark"
    assert "某市生态环境局" in page
    assert "https://f.example/console/sites/pit" in page
    assert len(re.findall("<polyline ", page)) == 3, "a curve for each sensor"
    (shared.home / "report.toml").unlink()
    assert "虚拟设备" in page
    again = shared.run("check", "--offline", "--report", Path(told["report"]).with_name("again.html"))
    assert "PMS-3107" in Path(told["report"]).with_name("again.html").read_text("utf-8"), "it is kept"
    assert "measures on" in again.err
    assert "its SHA-256" in again.err


def test_a_serial_number_of_a_sensor_that_is_not_there_is_refused(shared):
    done = shared.run("check", "--offline", "--serial", "radar=1")
    assert done.code == 2
    assert "--serial radar=1: expected SENSOR=NUMBER with SENSOR one of " in done.err


def test_a_picture_that_is_none_is_refused_before_the_board_is_stopped(shared, tmp_path):
    (tmp_path / "photo.heic").write_bytes(b"heic")
    done = shared.run("check", "--port", "/dev/none", "--photo", tmp_path / "photo.heic")
    assert (done.code, "photo.heic: is not a JPEG or PNG file" in done.err) == (2, True)
    done = shared.run("check", "--port", "/dev/none", *["--photo", tmp_path / "photo.heic"] * 5)
    assert (done.code, "--photo: is given 5 times; expected 4 at most" in done.err) == (2, True)


def test_each_failure_is_named_with_what_to_do_and_the_exit_code_is_1(tmp_path, installed_flash):
    bench = Bench(tmp_path, installed_flash)
    bench.plug("--fault", "full-disk@8192")
    bench.provision("pit-1", "--sensor", "stack")
    with Link.open(bench.board.port) as link:
        link.write("/outbox/00000000-0000000001.seg", outbox.line(1, RECORD) + b"2 ffffffff damaged\n")
        link.write("/key", b"0" * 63)
    bench.hold(laf=None, stack_o2=-5, pm10=20)
    done = bench.run("check", "--patience", "4", "--json")
    assert done.code == 1
    found = states(json.loads(done.out))
    assert (found["Identity and key"], found["Outbox"], found["Storage"]) == ("problem", "problem", "warning")
    assert "Sensor dust" not in found  # without a key the agent does not start

    bench.plug()
    with Link.open(bench.board.port) as link:
        link.write("/key", b"0" * 64)
    bench.hold(laf=None)
    done = bench.run("check", "--patience", "5", "--report", tmp_path / "report.html")
    bench.board.stop()
    assert done.code == 1
    for shown in ("NOT passed", "ECONNREFUSED", "nobody listens there", "nothing for 0.5 s", "RX and TX", "1 damaged"):
        assert shown in re.sub(r"\s+", " ", done.out)
    assert "NOT PASSED" in (tmp_path / "report.html").read_text("utf-8")


def test_a_board_without_software_or_identity_says_what_comes_first(tmp_path, micropython, installed_flash):
    bare = Bench(tmp_path / "bare")
    bare.plug()
    for command in ("check", "console"):
        done = bare.run(command)
        assert (done.code, done.err) == (
            2,
            "fenceline: there is no Fenceline software on this board; put it there: fenceline board install\n",
        )
    bare.board.stop()
    new = Bench(tmp_path / "new", installed_flash)
    new.plug()
    done = new.run("check", lang="zh")
    new.board.stop()
    assert (done.code, done.err) == (2, "fenceline: 该设备尚未配置：请见 fenceline board provision --help\n")


def seen(**changes):
    values = {"t": 1794999990, "clock": "ntp", "interval": 10, "stream": "9f3a12c4", "first": 41, "oldest": 43}
    values |= {"next": 43, "connected": True, "problem": "", "rssi": -61, "cal": 3, "sensors": {}, "raw": {}}
    return Seen(**(values | {"values": {}} | changes))


@pytest.mark.parametrize(
    ("shown", "expected", "why"),
    [
        (seen(), "ok ok ok", ""),
        (seen(oldest=41), "ok ok problem", "does the hub run, and know this board"),
        (seen(rssi=-85), "warning ok ok", "antenna"),
        (seen(rssi=-95), "problem ok ok", "antenna"),
        (seen(rssi=None, connected=False, problem="OSError 118"), "problem problem skipped", "2.4 GHz"),
        (seen(connected=False, problem="OSError [Errno 111] ECONNREFUSED"), "ok problem skipped", "nobody listens"),
        (seen(connected=False, problem="OSError refused: not authorised"), "ok problem skipped", "refuses this board"),
        (seen(connected=False, problem="OSError (-0x2700, 'MBEDTLS_ERR_X509')"), "ok problem skipped", "certificates"),
        (seen(connected=False, problem="OSError -2"), "ok problem skipped", "name is not found"),
        (seen(connected=False, problem="OSError ETIMEDOUT"), "ok problem skipped", "firewall"),
    ],
)
def test_how_far_a_board_gets_is_told_step_by_step(shown, expected, why):
    results = reach.network(shown, "esp32", offline=False)
    assert " ".join(result.state for result in results) == expected
    assert why in "".join(result.remedy.en for result in results)
    assert all(result.remedy.zh for result in results if result.state is ResultState.problem)


def of_dust(corrections, damp=True):
    channels = ["pm25", "pm10", *(["temperature", "humidity"] if damp else [])]
    (found,) = checkup.humidity(["sds011", "sht3x"], {"id": 3, "channels": corrections}, channels)
    return found


def test_only_optical_dust_needs_a_humidity_correction():
    assert checkup.humidity(["modbus", "sht3x"], None, ["pm10", "humidity"]) == []
    assert checkup.humidity(["i2s_mic"], None, ["laeq"]) == []
    assert [one.state for one in checkup.humidity(["plantower"], None, ["pm1", "pm25", "pm10"])] == ["warning"]


@pytest.mark.parametrize(
    ("result", "state", "why"),
    [
        (checkup.clock(0, 1e9), "problem", "never set"),
        (checkup.clock(10**9 - 40, 1e9), "problem", "-40 s"),
        (checkup.clock(10**9 - 2, 1e9), "ok", "-2 s"),
        (checkup.storage({"problem": "ENOSPC", "free": 0, "size": 1}), "problem", "ENOSPC"),
        (checkup.storage({"problem": "", "free": 99 * 1024, "size": 1}), "warning", "99 KB free"),
        (checkup.outbox({"records": 9, "damaged": 2}), "problem", "2 damaged"),
        (checkup.buses({"i2c:0": {"problem": "", "found": []}})[0], "problem", "nobody answers"),
        (checkup.buses({"i2c:0": {"problem": "", "found": [68]}})[0], "ok", "0x44"),
        (checkup.sensor("dust", SensorSeen(9, "M", "", 0, ["pm10"]), {}), "warning", "M"),
        (checkup.sensor("dust", SensorSeen(9, "N", "", 0, ["pm10"]), {"pm10": 20000}), "problem", "not plausible"),
        (checkup.sensor("dust", SensorSeen(9, "N", "", 5, ["pm10"]), {"pm10": 20}), "warning", "5 damaged frames"),
        (checkup.supply({"supply": 12.4}), "ok", "12.40 V"),
        (checkup.reset("brownout"), "warning", "brownout"),
        (checkup.calibration({"id": 3, "due": "2026-11-26"}, dt.date(2026, 11, 26)), "problem", "due 2026-11-26"),
        (checkup.calibration(None, dt.date(2026, 11, 26)), "warning", "never calibrated"),
        (checkup.software("1.0", whole=False), "problem", "damaged"),
        (of_dust({}), "warning", "no kappa is stated for pm25, pm10: water counts as dust"),
        (of_dust({"pm10": {"kappa": 0.3}}), "warning", "no kappa is stated for pm25: "),
        (of_dust({"pm25": {"kappa": 0.3}, "pm10": {"kappa": 0}}), "ok", "pm25 0.3, pm10 0"),
        (
            of_dust({"pm25": {"kappa": 0.3}, "pm10": {"kappa": 0.3}}, damp=False),
            "problem",
            "no sensor gives a humidity",
        ),
        (of_dust({"pm25": {"kappa": 0}, "pm10": {"kappa": 0}}, damp=False), "ok", "pm25 0, pm10 0"),
    ],
)
def test_a_finding_is_judged(result, state, why):
    assert result.state == state
    assert why in result.found.en


class Tags(HTMLParser):
    """What a page is made of, and its text."""

    def __init__(self):
        super().__init__()
        self.tags, self.text = [], ""

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize("lang", Lang)
def test_the_report_escapes_everything_and_loads_nothing_from_elsewhere(lang):
    evil = '<script src="http://x/">"&\''
    record = BoardRecord(evil, evil, evil, [], evil, evil, place=evil, site_name=evil, mac=evil)
    results = [Result(Text(evil, evil), ResultState.problem, same(evil), Text(evil, evil))]
    at = dt.datetime(2026, 11, 26, tzinfo=dt.UTC)
    page = Tags()
    head = Letterhead(Text(evil, evil), console=evil)
    page.feed(
        render(Commissioned(record, evil, evil, results, {}, [], 0, evil, at, remark=evil, letterhead=head), lang)
    )
    names = {tag for tag, _ in page.tags}
    assert not names & {"script", "link", "iframe", "object", "svg", "a"}
    assert not any(key in ("href", "onload", "style") for _, attributes in page.tags for key in attributes)
    pictures = [attributes["src"] for _, attributes in page.tags if "src" in attributes]
    assert pictures
    assert all(one.startswith("data:image/") for one in pictures)
    assert page.text.count(evil) >= 13


def reasons():
    """Yield why a sensor gives no sample, as the board says it, with 7 for what is filled in, nothing at its end."""
    for path in [*(ROOT / "edge" / "drivers").glob("*.py"), *(ROOT / "edge").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case ast.Call(func=ast.Name(id="Silent" | "Faulty" | "OverRange" | "Warming"), args=[said, *_]):
                    said = said.left if isinstance(said, ast.BinOp) else said
                    if isinstance(said, ast.Constant):
                        yield re.sub("%[.0-9]*[a-z]", "7", said.value.removesuffix("%s") or said.value)


def test_why_a_sensor_gives_nothing_is_told_in_chinese_too():
    said = {*reasons(), "no frame in 64 bytes, one begins 424D001C", "samples at full scale", "bad CRC"}
    assert len(said) > 30
    for english in said:
        chinese = in_chinese(english)
        assert re.search("[\u4e00-\u9fff]", chinese), english
        assert not re.search("[a-z]{2,} [a-z]{2,}", chinese), chinese
    told = checkup.sensor("bin", SensorSeen(3, "B", "nothing for 3 s", 0, ["distance"]), {})
    assert (told.found.en, told.found.zh) == ("B: nothing for 3 s", "B: 3 秒内没有数据")


def test_a_sensor_of_pulses_in_a_lid_is_provisioned_measures_and_tells_what_is_wrong(tmp_path, installed_flash):
    bench = Bench(tmp_path, installed_flash)
    bench.board.start("--sensors", "echo")
    bench.hold(distance=750)
    place = ("--board", "lid-1", "--site", "depot", "--district", "nanhai", "--broker", "127.0.0.1:1", "--plain")
    bench.ok("provision", *place, "--interval", "1", "--sensor", "bin-echo,empty_mm=1180,full_mm=320")

    def told(lang="en"):
        return re.sub(r"\s+", " ", bench.run("check", "--offline", "--patience", "2", lang=lang).out)

    assert "750 mm" in told()
    bench.hold(distance=4100)
    assert "no echo within 4000 mm" in told()
    bench.hold(distance=None)
    assert "检查供电、触发线和回波线" in told(lang="zh")
    bench.board.stop()
