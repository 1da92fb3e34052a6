"""The technician's whole way on real parts: from a bare board to one that publishes, over TLS, into the real hub."""

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest

from hub.config import load_config
from hub.registry import load_registry
from tests.system.chain import until
from tests.system.field import REFERENCE, FieldCity


@pytest.fixture
def city(tmp_path, free_port, micropython, monkeypatch):
    monkeypatch.setenv("FENCELINE_HOME", str(tmp_path / "laptop"))
    with FieldCity(tmp_path, free_port()) as city:
        yield city


class Words(HTMLParser):
    """The text of an HTML page."""

    def __init__(self):
        super().__init__()
        self.text = ""

    def handle_data(self, data):
        self.text += data + " "


def test_from_a_bare_board_to_one_whose_records_are_in_the_hub(city):
    city.start_hub()
    installed = city.run("install")
    assert installed.returncode == 0, installed.stderr

    provisioned = city.provision(*city.hub, "--position", "23.0288,113.1427", "--site-name", "Station pit", "--json")
    assert provisioned.returncode == 0, provisioned.stderr
    assert json.loads(provisioned.stdout)["registered"] is True
    registry = load_registry(load_config(city.folder / "fenceline.toml"))
    assert registry.boards["station-pit-1"].sensors == ("modbus", "plantower")
    key = registry.keys["station-pit-1"].hex()
    assert key not in provisioned.stdout + provisioned.stderr
    assert not list((city.laptop / "outgoing").glob("*"))  # the laptop keeps no key that the hub has

    city.hold(laf=94.6)
    calibrated = city.run("calibrate", "noise", *REFERENCE, "--who", "Li Wei", "--settle", "3", "--yes", "--json")
    assert calibrated.returncode == 0, calibrated.stderr
    entry = json.loads(calibrated.stdout)
    assert (entry["after"], entry["id"], entry["who"]) == ({"offset": -0.6}, 1, "Li Wei")

    checked = city.run("check", "--json", "--who", "Li Wei")
    told = json.loads(checked.stdout)
    assert checked.returncode == 0, told
    assert told["passed"]
    states = {check["check"]: check["state"] for check in told["checks"]}
    assert states["Hub and back"] == states["Sensor dust"] == states["Storage"] == states["Calibration"] == "ok"

    page = Words()
    page.feed(Path(told["report"]).read_text("utf-8"))
    for shown in ("station-pit-1", "Station pit", "23.02880, 113.14270", "35021", "94.6 → 94.0", "Li Wei", "PASSED"):
        assert shown in page.text
    assert key not in page.text

    sent = city.run("sync", *city.hub, port=False)
    assert sent.returncode == 0, sent.stdout
    assert "new calibrations and repairs: 1 + 0" in sent.stdout
    due = load_registry(load_config(city.folder / "fenceline.toml")).boards["station-pit-1"].calibration_due
    assert due.isoformat() == entry["due"]

    # Nobody is at the board any more: its own agent goes on, and the calibrator still gives 94.6 dB.
    until(lambda: any(r["v"].get("laeq") == 94.0 and "f" not in r for r in city.records().values()), "records", 40)
    flagged = [record for record in city.records().values() if record.get("f", {}).get("laeq") == "C"]
    assert flagged, "what was measured during the calibration is at the hub, with flag C"
    (event,) = [message["detail"] for message in city.in_log("event") if message["event"] == "calibration"]
    assert (event["who"], event["before"]) == ("Li Wei", {"id": 0, "channels": {}})
    assert "35021" in event["reference"]


def test_without_a_network_everything_waits_and_a_dying_board_s_records_are_rescued(city):
    """Nothing listens while the board is set up; later its records come to the hub from its backup alone."""
    city.run("install")
    provisioned = city.provision(*city.hub)
    assert provisioned.returncode == 0, provisioned.stderr
    assert "what waits is kept" in provisioned.stderr
    city.board.folder.joinpath("held.json").write_text('{"laf": 61.5}')
    city.run("console", "--for", "4")
    saved = city.run("backup", "--json")
    assert saved.returncode == 0, saved.stderr
    path = json.loads(saved.stdout)["path"]
    city.board.stop()  # it has died

    city.start_hub()
    sent = city.run("sync", *city.hub, "--json", port=False)
    assert sent.returncode == 0, sent.stdout
    assert json.loads(sent.stdout)["told"]["station-pit-1"]["registered"] is True
    again = city.run("sync", *city.hub, port=False)
    assert "Nothing waits" in again.stdout

    rescued = city.run("rescue", path, "--json", port=False)
    told = json.loads(rescued.stdout)
    assert rescued.returncode == 0, rescued.stderr
    assert told["records"] == told["acknowledged"] > 2
    assert (told["damaged"], told["problem"]) == (0, "")
    assert len(city.records()) == told["records"]
    assert city.run("rescue", path, port=False).returncode == 0  # the hub drops what it has
    assert len(city.records()) == told["records"]
