"""The technician's whole way on real parts: from a bare board to one that publishes, over TLS, into the real hub."""

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest

from firmware.notebook.calibrations import Ledger
from hub.config.files import load_config
from hub.registry.live import load_registry
from tests.system.chain import until
from tests.system.field import FieldCity, alike, transcript

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "technician.md"


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


def typed(city, arguments):
    """Return what a transcript types, for this city: its addresses and files, and less time to wait."""
    certs = city.certificates
    places = {
        "mqtt.city.example": f"127.0.0.1:{city.broker.port}",
        "https://hub.city.example": f"http://127.0.0.1:{city.http}",
        "token": str(city.token),
        "wifi-password": str(city.folder / "wifi-password"),
        "2027-03-31": "2099-03-31",
        **{name: str(certs / name) for name in ("ca.crt", "station-pit-1.crt", "station-pit-1.key")},
    }
    quick = {"provision": ["--interval", "1"], "calibrate": ["--settle", "3"]}.get(arguments[2], [])
    return [places.get(part, part) for part in arguments[2:]] + quick


def test_the_page_s_transcript_from_a_bare_board_to_one_whose_records_are_in_the_hub(city):
    (city.folder / "wifi-password").write_text("correct horse")
    city.start_hub()
    assert city.run("install").returncode == 0
    city.hold(laf=94.6)
    shown = [entry for entry in transcript(PAGE) if entry[0][2] in ("provision", "calibrate", "sync", "check")]
    assert [arguments[2] for arguments, _ in shown] == ["provision", "calibrate", "sync", "check"]
    said = ""
    for arguments, lines in shown:
        done = city.run(*typed(city, arguments), stdin="\ny\n", port=arguments[2] != "sync")
        assert done.returncode == 0, done
        said += done.stdout + done.stderr
        for line in lines:
            assert alike(line.removesuffix(" y")) in alike(done.stdout + " " + done.stderr)
        if arguments[2] == "calibrate":
            (entry,) = Ledger(city.laptop).entries()

    assert (entry.after, entry.id, entry.who) == ({"offset": -0.6}, 1, "Technician 7")
    registry = load_registry(load_config(city.folder / "fenceline.toml"))
    assert registry.boards["station-pit-1"].sensors == ("modbus", "plantower")
    assert registry.boards["station-pit-1"].calibration_due == entry.due
    key = registry.keys["station-pit-1"].hex()
    assert not list((city.laptop / "outgoing").glob("*"))  # the laptop keeps no key that the hub has

    page = Words()
    (report,) = (city.laptop / "reports").glob("*.html")
    page.feed(report.read_text("utf-8"))
    for part in (
        "station-pit-1",
        "Station pit",
        "23.02880, 113.14270",
        "35021",
        "94.6 → 94.0",
        "Technician 7",
        "PASSED",
    ):
        assert part in " ".join(page.text.split())
    for secret in (key, "correct horse"):
        assert secret not in said + page.text

    # Nobody is at the board any more: its own agent goes on, and the calibrator still gives 94.6 dB.
    until(lambda: any(r["v"].get("laeq") == 94.0 and "f" not in r for r in city.records().values()), "records", 40)
    flagged = [record for record in city.records().values() if record.get("f", {}).get("laeq") == "C"]
    assert flagged, "what was measured during the calibration is at the hub, with flag C"
    # The board told of its calibration before the hub knew the board: that waited in quarantine until it did.
    until(lambda: any(message["event"] == "calibration" for message in city.in_log("event")), "the event", 10)
    (event,) = [message["detail"] for message in city.in_log("event") if message["event"] == "calibration"]
    assert (event["who"], event["before"]) == ("Technician 7", {"id": 0, "channels": {}})
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
