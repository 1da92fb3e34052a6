"""What a board could not work by is refused at the laptop, before anything is written: field, value, remedy."""

import json

import pytest

from tests.board_process import fenceline

GOOD = (
    *("--site", "station-pit", "--district", "nanhai", "--board", "station-pit-1"),
    *("--broker", "mqtt.city.example:1883", "--plain", "--port", "/dev/nonesuch"),
)


def refused(tmp_path, *more, sensors=None):
    told = sensors or [{"name": "dust", "type": "plantower", "port": "uart:1:9600:rx=16:tx=17"}]
    file = tmp_path / "sensors.json"
    file.write_text(json.dumps(told))
    done = fenceline("board", "provision", *GOOD, "--home", str(tmp_path), "--sensors-file", str(file), *more)
    assert done.returncode == 2, done
    assert "Traceback" not in done.stderr
    return " ".join(done.stderr.split())


@pytest.mark.parametrize(
    ("more", "field"),
    [
        (("--broker", "mqtt.city.example:99999"), "broker.port: 99999"),
        (("--broker", "mqtt.city.example:0"), "broker.port: 0"),
        (("--wifi", "x" * 33, "--wifi-password-file", __file__), "wifi"),
    ],
)
def test_what_no_board_works_by_is_refused_before_the_board_is_touched(tmp_path, more, field):
    assert field in refused(tmp_path, *more)


def test_a_line_that_is_none_is_refused_with_its_sensor(tmp_path):
    told = refused(tmp_path, sensors=[{"name": "dust", "type": "plantower", "port": "COM3"}])
    assert "sensors[0].port: 'COM3'; expected uart:" in told
