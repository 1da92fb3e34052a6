"""A configuration by which no board can work is refused with the field, what stands there and what is expected."""

import json

from edge import config, files, main
from tests.edge.helpers import raises, tmp_dir

KEY = "ab" * 32


def good(**changes):
    made = {
        "district": "nanhai",
        "site": "pit",
        "device": "pit-1",
        "key_file": "key",
        "folder": "outbox",
        "interval": 10,
        "period": 1,
        "raw": False,
        "levels": True,
        "ntp": ["ntp.city.example", "192.0.2.1:1123"],
        "wifi": {"ssid": "fence {2}", "password_file": "wifi-password"},
        "led_pin": 2,
        "relay_pin": 4,
        "relay": {"quantity": "pm10", "on": 150, "off": 100},
        "outbox": {"max_bytes": 1300000},
        "broker": {
            "host": "mqtt.city.example",
            "port": 8883,
            "user": "pit-1",
            "password": "x",
            "tls": {"ca": "ca.crt", "certificate": "board.crt", "key": "board.key"},
        },
        "sensors": [
            {"name": "dust", "type": "plantower", "port": "uart:1:9600:rx=16:tx=17", "warmup": 30},
            {"name": "weather", "type": "sht3x", "port": "i2c:0:sda=21:scl=22"},
        ],
    }
    made.update(changes)
    return made


def broker(**changes):
    made = dict(good()["broker"])
    made.update(changes)
    return good(broker=made)


def sensor(**changes):
    made = dict(good()["sensors"][0])
    made.update(changes)
    return good(sensors=[made])


def without(key, content):
    return {name: content[name] for name in content if name != key}


NAN, INFINITE = float("nan"), float("inf")


def test_what_boards_work_by_is_taken():
    assert config.wrong(good()) is None
    assert config.wrong(good(), chip=True) is None
    for more in ("relay", "relay_pin", "led_pin", "ntp", "wifi", "outbox", "raw", "levels", "period", "interval"):
        assert config.wrong(without(more, good())) is None, more
    for port in (
        "tcp:127.0.0.1:4001",
        "uart:2:9600:rx=25:tx=26:de=27",
        "i2s:0:sck=14:ws=15:sd=32:rate=32000",
        "echo:trigger=5:echo=18",
    ):
        assert config.wrong(sensor(port=port)) is None, port
    simulated = {"start": 1795811584, "at": 1795811584.5, "speed": 720, "steps": [[0, None], [1795811684, -7200]]}
    assert config.wrong(good(clock=simulated)) is None


def test_each_mistake_is_named_with_its_field_and_a_remedy():
    wrong = [
        ("district", good(district="Nanhai")),
        ("site", good(site="")),
        ("device", good(device="pit 1")),
        ("device", good(device="x" * 33)),
        ("device", good(device=7)),
        ("key_file", good(key_file="")),
        ("folder", good(folder=None)),
        ("interval", good(interval=7)),
        ("interval", good(interval="10")),
        ("interval", good(interval=True)),
        ("interval", good(interval=10.0)),
        ("interval", good(interval=10**30)),
        ("period", good(period=0)),
        ("period", good(period=NAN)),
        ("period", good(period=INFINITE)),
        ("period", good(period="1")),
        ("period", good(period=True)),
        ("raw", good(raw=1)),
        ("levels", good(levels="no")),
        ("ntp", good(ntp="")),
        ("ntp", good(ntp=[])),
        ("ntp", good(ntp=["a b"])),
        ("ntp", good(ntp="ntp.city.example:0")),
        ("ntp", good(ntp=123)),
        ("wifi", good(wifi={"ssid": "x"})),
        ("wifi", good(wifi={"ssid": "", "password_file": "p"})),
        ("wifi", good(wifi="fence")),
        ("relay_pin", good(relay_pin=-1)),
        ("relay_pin", good(relay_pin="4")),
        ("led_pin", good(led_pin="2")),
        ("relay: off", good(relay={"quantity": "pm10", "on": 100, "off": 150})),
        ("relay: quantity", good(relay={"quantity": "phlogiston", "on": 2, "off": 1})),
        ("relay: on", good(relay={"quantity": "pm10", "on": NAN, "off": 1})),
        ("relay", good(relay=[])),
        ("outbox", good(outbox={"max_bytes": 0})),
        ("outbox", good(outbox={"max_bytes": NAN})),
        ("outbox", good(outbox={"most": 1})),
        ("outbox", good(outbox=512)),
        ("clock", good(clock={"start": 0, "at": 0, "speed": 0})),
        ("clock", good(clock={"start": 0, "at": 0, "speed": 1, "steps": [[0]]})),
        ("broker", good(broker="mqtt.city.example")),
        ("broker.host", broker(host="")),
        ("broker.host", broker(host="mqtt.city.example:8883")),
        ("broker.host", broker(host="mqtts://mqtt.city.example")),
        ("broker.host", broker(host="mqtt.\u57ce\u5e02")),
        ("broker.host", good(broker={"port": 8883})),
        ("folder", good(folder="a" + chr(0xD800))),
        ("broker.port", broker(port=0)),
        ("broker.port", broker(port=65536)),
        ("broker.port", broker(port="8883")),
        ("broker.port", broker(port=NAN)),
        ("broker.port", good(broker={"host": "mqtt.city.example"})),
        ("broker.user", broker(user=5)),
        ("broker.tls", broker(tls=True)),
        ("broker.tls.certificate", broker(tls={"ca": "ca.crt", "key": "board.key"})),
        ("broker.'hots'", broker(hots="x")),
        ("'intervall'", good(intervall=10)),
        ("sensors", good(sensors=[])),
        ("sensors[0].port", good(sensors=[{"name": "dust", "type": "plantower", "port": "uart:1:9600:rx=5:tx=5"}])),
        ("sensors[0].port", good(sensors=[{"name": "dust", "type": "sps30", "port": "i2c:0:sda=21:scl=021"}])),
        ("sensors", good(sensors={})),
        ("sensors", good(sensors=[good()["sensors"][0]] * 17)),
        ("sensors[0]", good(sensors=["plantower"])),
        ("sensors[0].name", sensor(name="")),
        ("sensors[0].name", sensor(name=3)),
        ("sensors[0].type", sensor(type="../os")),
        ("sensors[0].type", sensor(type=None)),
        ("sensors[0].port", sensor(port="COM3")),
        ("sensors[0].port", sensor(port="uart:1")),
        ("sensors[0].port", sensor(port="echo")),
        ("sensors[0].port", sensor(port="echo:trigger=5")),
        ("sensors[0].port", sensor(port="echo:trigger=5:echo=5")),
        ("sensors[0].port", sensor(port="echo:1:trigger=5:echo=18")),
        ("sensors[0].port", sensor(port="uart:1:9600:rx=16")),
        ("sensors[0].port", sensor(port="uart:1:9600:rx=16:tx=99999")),
        ("sensors[0].port", sensor(port="uart:1:fast:rx=16:tx=17")),
        ("sensors[0].port", sensor(port="uart:1:9600:rx=16:tx=17:rx=18")),
        ("sensors[0].port", sensor(port="uart:9:9600:rx=16:tx=17")),
        ("sensors[0].port", sensor(port="i2c:0:sda=21")),
        ("sensors[0].port", sensor(port="tcp:127.0.0.1")),
        ("sensors[0].port", sensor(port="tcp:127.0.0.1:99999")),
        ("sensors[1].name", good(sensors=[good()["sensors"][0]] * 2)),
        ("sensors[1].port", good(sensors=[good()["sensors"][0], {"name": "noise", "type": "modbus"}])),
        ("configuration", []),
        ("configuration", None),
    ]
    wrong += [(key, without(key, good())) for key in config.NEEDED]
    for field, content in wrong:
        told = config.wrong(content)
        assert told, (field, content)
        assert told.startswith(field), told
        assert "expected" in told or "off must be" in told or "is taken" in told or "not known" in told, told
        assert len(told) < 400, told
    assert config.wrong(without("wifi", good()), chip=True).startswith("wifi: missing")


def test_a_file_that_is_cut_torn_or_no_text_is_refused_at_every_length():
    folder = tmp_dir()
    path = folder + "/config.json"
    with open(folder + "/key", "w") as file:
        file.write(KEY)
    whole = json.dumps(good(key_file=folder + "/key", folder=folder + "/outbox")).encode()
    step = 7
    for content in [whole[:end] for end in range(0, len(whole), step)] + [
        b"\xff\xfe" + whole,
        whole.replace(b"nanhai", b"nanh\xe9i"),
        b"null",
        b"[]",
        b"{}",
        whole + b"}",
        b"{" * 200,
    ]:
        with open(path, "wb") as file:
            file.write(content)
        raises(ValueError, config.load, path)
    with open(path, "wb") as file:
        file.write(whole)
    assert config.load(path)[0]["wifi"]["ssid"] == "fence {2}"
    assert config._key(folder + "/key") == bytes([0xAB] * 32)
    for content in (b"", b"ab", b"zz" * 32, KEY.encode() * 2, b"\xff" * 64):
        with open(folder + "/key", "wb") as file:
            file.write(content)
        raises(ValueError, config._key, folder + "/key")
    raises(ValueError, config._key, folder + "/nowhere")
    raises(ValueError, config.load, folder + "/nowhere")


def test_sensors_that_cannot_be_made_are_named():
    folder = tmp_dir()
    with open(folder + "/key", "w") as file:
        file.write(KEY)
    port = "tcp:127.0.0.1:4001"
    dust = {"name": "dust", "type": "plantower", "port": port}
    for sensors, why in (
        ([{"name": "dust", "type": "nonesuch", "port": port}], "sensor 'dust': type 'nonesuch': expected the name"),
        ([{"name": "noise", "type": "modbus", "port": port}], "sensor 'noise'"),
        ([dust, {"name": "dust-2", "type": "plantower", "port": port}], ", too; leave one out"),
        ([{"name": "weather", "type": "sht3x", "port": "i2c:0:sda=21:scl=22"}], "no such bus"),
        ([{"name": "bin", "type": "hc_sr04", "port": "echo:trigger=5:echo=18"}], "no such bus"),
    ):
        content = good(
            key_file=folder + "/key", folder=folder + "/outbox", sensors=sensors, broker={"host": "h", "port": 1}
        )
        with open(folder + "/config.json", "w") as file:
            json.dump(content, file)
        error = raises(ValueError, main.make, folder + "/config.json")
        assert why in str(error), error
    content = good(key_file=folder + "/key", folder=folder + "/outbox", sensors=[dust])
    with open(folder + "/config.json", "w") as file:
        json.dump(content, file)
    assert "broker.tls" in str(raises(ValueError, main.make, folder + "/config.json"))


def test_ends_inside_of_strings_are_no_ends():
    for text in ('{"a": "}"}', '{"a": "\\"{"}', '{"a": [{"b": "]"}]}\n'):
        assert files.is_whole(text), text
    for text in ('{"a": "}"', '{"a": "\\"}', "", "[]", '{"a": {"b": 1}'):
        assert not files.is_whole(text), text
