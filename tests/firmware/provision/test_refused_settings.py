"""What a board could not work by is refused at the laptop, before anything is written: field, value, remedy."""

import json
import re

import pytest

from hub.orders.desired.rules import wrong_sensors
from schemas.chinese import in_chinese
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


UART, I2C, I2S = "uart:1:9600:rx=16:tx=17", "i2c:0:sda=21:scl=22", "i2s:0:sck=14:ws=15:sd=32:rate=32000"
ECHO = {"name": "bin", "type": "hc_sr04", "port": "echo:trigger=5:echo=18"}
DUST = {"name": "dust", "type": "plantower", "port": UART}
BUS = {"name": "noise", "type": "modbus", "port": UART, "address": 1}
LEVEL = {"channel": "laf", "register": 0}
LOOPS = {"name": "tsp", "type": "ads1115", "port": I2C}
LOOP = {"channel": "tsp", "input": 0, "shunt": 150, "zero": 0, "span": 1000}
MIC = {"name": "noise", "type": "i2s_mic", "port": I2S}


@pytest.mark.parametrize(
    "sensors",
    [
        *([ECHO | wrong] for wrong in ({"air_celsius": 90}, {"port": UART}, {"empty_mm": 5000}, {"air": 5})),
        *([ECHO | {"empty_mm": 300, "full_mm": 400}], [ECHO, ECHO], [ECHO, ECHO | {"name": "two"}]),
        *([DUST | wrong] for wrong in ({"type": "radar"}, {"mode": "x"}, {"model": "x"}, {"model": 5}, {"port": None})),
        *([BUS], [BUS | {"address": 0, "registers": [LEVEL]}], [BUS | {"address": "17", "registers": [LEVEL]}]),
        *([BUS | {"registers": wrong}] for wrong in ([], [5], [LEVEL, LEVEL], [{"channel": "laf"}])),
        *(
            [BUS | {"registers": [LEVEL | wrong]}]
            for wrong in ({"kind": "u8"}, {"scale": 0}, {"range": [3]}, {"missing": 3}, {"x": 3}, {"channel": "nix"})
        ),
        *(
            [LOOPS | {"channels": [LOOP | wrong]}]
            for wrong in ({"input": 4}, {"shunt": 250}, {"zero": "a"}, {"span": 0})
        ),
        *([MIC | {"rate": 5}], [MIC | {"bits": 5}], ["dust"]),
    ],
    ids=str,
)
def test_what_a_driver_refuses_is_told_in_chinese_too(sensors):
    found = wrong_sensors(sensors)
    assert found, sensors
    told = in_chinese(found[1])
    assert re.search("[\u4e00-\u9fff]", told), found[1]
    assert not re.search("[a-z]{2,} [a-z]{2,} [a-z]{2,}", told), told


def test_a_line_that_is_none_is_refused_in_chinese_with_how_lines_are_written(tmp_path):
    told = refused(tmp_path, sensors=[ECHO | {"port": "echo:trigger=5"}]).removeprefix("fenceline: ")
    assert in_chinese(told).startswith("sensors[0].port：'echo:trigger=5'；应为 uart:编号:波特率")
