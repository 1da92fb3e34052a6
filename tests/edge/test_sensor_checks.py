"""Settings that a driver can do nothing with are refused with sensor, field, value and what was expected."""

import sys

from edge.drivers import make
from tests.edge.helpers import raises

REGISTER = {"channel": "laf", "register": 0}
LOOP = {"channel": "tsp", "input": 0, "shunt": 150, "zero": 0, "span": 1000}


def told(**settings):
    """Return why a sensor is refused."""
    whole = {"name": "one", "type": "modbus", "port": "uart:1", "address": 1, "registers": [REGISTER]}
    whole.update(settings)
    whole = {key: value for key, value in whole.items() if value is not None}
    return str(raises(ValueError, make, whole, None))


def registers(**change):
    return told(registers=[dict(REGISTER, **change)])


def test_what_every_sensor_has():
    assert told(type=None) == "sensor 'one': type is missing: expected text"
    assert told(port=None) == "sensor 'one': port is missing: expected text"
    assert told(name=7) == "sensor '7': name 7: expected text"
    for name in ("nobody", "frames", "../main", "__init__", ""):
        assert "type" in told(type=name), name
    assert "expected an object" in str(raises(ValueError, make, ["modbus"], None))


def test_registers_of_a_modbus_device():
    assert registers(kind="f64") == "sensor 'one': channel 'laf': kind 'f64': expected one of f32, s16, s32, u16, u32"
    assert registers(channel="noise").startswith(
        "sensor 'one': channel 'noise': expected one of co, distance, fill, fume, hood_fan, humidity, la"
    )
    for change, field in (
        ({"channel": None}, "channel is missing"),
        ({"channel": ["laf"]}, "channel ['laf']"),
        ({"kind": 16}, "kind 16"),
        ({"register": "0x10"}, "register '0x10': expected a whole number from 0 to 65535, without quotes: 16"),
        ({"register": -1}, "register -1"),
        ({"register": 65536}, "register 65536"),
        ({"register": 65535, "kind": "u32"}, "register 65535"),
        ({"register": 1.5}, "register 1.5"),
        ({"register": True}, "register True"),
        ({"register": None}, "register is missing"),
        ({"scale": 0}, "scale 0"),
        ({"scale": "0.1"}, "scale '0.1'"),
        ({"scale": float("nan")}, "scale nan"),
        ({"range": [130, 30]}, "range [130, 30]"),
        ({"range": 130}, "range 130"),
        ({"missing": 9999}, "missing 9999"),
        ({"sclae": 0.1}, "'sclae'"),
    ):
        assert field in registers(**change), change
    assert "registers is missing" in told(registers=None)
    assert "registers []" in told(registers=[])
    assert "each channel once" in told(registers=[REGISTER, dict(REGISTER, register=1)])
    assert "expected an object" in told(registers=["laf"])


def test_addresses():
    for wrong in (0, 248, "1", None, 1.5, True):
        assert "address" in told(address=wrong), wrong
    for type_ in ("sht3x", "ads1115"):
        error = told(type=type_, port="i2c:0", address="0x48", channels=[LOOP], registers=None)
        assert "address '0x48': expected a whole number from 8 to 119, without quotes: 72" in error


def test_loops_of_a_converter():
    for change, field in (
        ({"input": 4}, "input 4: expected a whole number from 0 to 3"),
        ({"shunt": 250}, "shunt 250"),
        ({"shunt": None}, "shunt is missing"),
        ({"zero": "0"}, "zero '0'"),
        ({"span": 0}, "span 0"),
        ({"channel": "dust"}, "channel 'dust'"),
    ):
        assert field in told(
            type="ads1115", port="i2c:0", address=72, channels=[dict(LOOP, **change)], registers=None
        ), change


def test_warm_up_mode_model_and_switches():
    for type_ in ("plantower", "sds011", "sps30", "winsen"):
        for wrong in (-1, "30", True, 1e9, float("inf")):
            assert "warmup" in told(type=type_, warmup=wrong), (type_, wrong)
    for type_ in ("plantower", "sds011", "winsen"):
        assert "mode 'query': expected active or passive" in told(type=type_, mode="query")
    assert "model 'PMS1'" in told(type="plantower", model="PMS1")
    assert "model ['PMS3003']" in told(type="plantower", model=["PMS3003"])
    assert "cf1 1: expected true or false" in told(type="plantower", cf1=1)
    assert "sensitivity" in told(type="i2s_mic", port="i2s:0", sensitivity="120")


def test_a_line_of_the_kind_that_the_driver_talks_on():
    assert told(type="sht3x", registers=None, address=None) == (
        "sensor 'one': port 'uart:1': expected a line such as i2c:0:sda=21:scl=22"
    )
    assert "port 'i2c:0'" in told(port="i2c:0")
    assert "port 'i2c:0'" in told(type="plantower", port="i2c:0")


def test_what_checks_does_not_stay_in_the_heap():
    make({"name": "dust", "type": "plantower", "port": "uart:1"}, None)
    assert "edge.sensor_checks" not in sys.modules
