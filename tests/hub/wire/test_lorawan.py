"""Uplinks of LoRaWAN: both network servers' messages, the makers' own vectors, and what cannot be read.

Payloads with their values are those that the makers publish: Milesight-IoT/SensorDecoders (EM400, EM310-UDL, AT101,
WS101; GPL-3.0, values alone are used here), and Decentlab's DL-MBX decoder in the repository of The Things Network.
"""

import base64
import contextlib
import datetime as dt
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.wire.lorawan.logged import Head, decode, identity, meaning, pack, unpack
from hub.wire.lorawan.payloads import CODECS, Fix, decentlab, milesight
from hub.wire.lorawan.uplink import Uplink, read_uplink
from hub.wire.said import Measured, Moment, Observed, Record

EUI = "24e124136b502217"
T = 1_772_424_000
WHEN = dt.datetime.fromtimestamp(T, dt.UTC)


def chirpstack(data="", counter=4, t=T, eui=EUI, address="00189440", more=""):
    """Return what ChirpStack v4 publishes of an uplink (integration.proto, as JSON)."""
    said = {
        "deduplicationId": "3ac7e3c4-4401-4b8d-9386-a5c902f9202d",
        "time": f"{dt.datetime.fromtimestamp(t, dt.UTC):%Y-%m-%dT%H:%M:%S}.775023242+00:00",
        "deviceInfo": {"tenantName": "city", "applicationName": "bins", "deviceName": "bin 17", "devEui": eui},
        "devAddr": address,
        "adr": True,
        "dr": 1,
        "fPort": 85,
        "confirmed": False,
        "data": base64.b64encode(bytes.fromhex(data)).decode(),
        "rxInfo": [{"gatewayId": "0016c001f153a14c", "uplinkId": 4217106255, "rssi": -36, "snr": 10.5, "metadata": {}}],
        "txInfo": {"frequency": 470300000, "modulation": {"lora": {"bandwidth": 125000, "spreadingFactor": 11}}},
    }
    if more:
        said["rxInfo"].append({"gatewayId": more, "rssi": -99})
    return json.dumps(said | ({"fCnt": counter} if counter else {})).encode()


def things_stack(data="", counter=4, t=T, eui=EUI, key="AXA50lHUHw=="):
    """Return what The Things Stack v3 publishes of an uplink (Data Formats)."""
    told = {
        "session_key_id": key,
        "f_port": 85,
        "frm_payload": base64.b64encode(bytes.fromhex(data)).decode(),
        "rx_metadata": [{"gateway_ids": {"gateway_id": "gtw1", "eui": "9C5C8E00001A05C4"}, "rssi": -35, "snr": 5}],
        "settings": {"data_rate": {"lora": {"bandwidth": 125000, "spreading_factor": 7}}},
        "received_at": f"{dt.datetime.fromtimestamp(t, dt.UTC):%Y-%m-%dT%H:%M:%S}.130922104Z",
    }
    ids = {"device_id": "bin-17", "application_ids": {"application_id": "bins"}, "dev_eui": eui.upper()}
    return json.dumps(
        {
            "end_device_ids": ids | {"join_eui": "800000000000000C", "dev_addr": "00BCB929"},
            "correlation_ids": ["as:up:01E0WZGT6Y7657CPFPE5WEYDSQ"],
            "received_at": f"{dt.datetime.fromtimestamp(t + 1, dt.UTC):%Y-%m-%dT%H:%M:%S}.274Z",
            "uplink_message": told | ({"f_cnt": counter} if counter else {}),
        }
    ).encode()


@pytest.mark.parametrize(
    ("data", "distance", "tilted", "figures"),
    [
        ("01755C0367010104824408050001", 2116.0, True, {"battery_percent": 92, "temperature_c": 25.7}),
        ("01755C0367010104824408050000", 2116.0, False, {"battery_percent": 92, "temperature_c": 25.7}),
        ("8367E800018482410601", 1601.0, None, {"temperature_c": 23.2}),
        ("01755C03824408040001", 2116.0, True, {"battery_percent": 92}),
        ("01756403670b0104823b01050001", 315.0, True, {"battery_percent": 100, "temperature_c": 26.7}),
        ("0367F6FF", None, None, {"temperature_c": -1.0}),
        ("0482FFFF050000", None, False, {}),
        ("FF0BFFFF0101FF166757D4919C150006FF090310FF0A0101FF0F00", None, None, {}),
    ],
    ids=["em400", "upright", "alarms", "em310", "em400-nb", "frost", "no-echo", "joined"],
)
def test_level_sensors_of_milesight(data, distance, tilted, figures):
    said = milesight(bytes.fromhex(data))
    assert (said.distance, said.tilted, said.figures) == (distance, tilted, figures)
    assert not said.observes


@pytest.mark.parametrize(
    ("data", "distance", "figures"),
    [("02012f000304d200010bb1", 1234.0, {"battery_v": 2.993}), ("02012f00020bb1", None, {"battery_v": 2.993})],
)
def test_level_sensors_of_decentlab(data, distance, figures):
    said = decentlab(bytes.fromhex(data))
    assert (said.distance, said.tilted, said.figures) == (distance, None, figures)


def test_a_button_and_a_tracker():
    button = milesight(bytes.fromhex("017510FF2E01"))
    assert (button.states, button.figures) == ({"button": "short"}, {"battery_percent": 16})
    tracker = milesight(bytes.fromhex("01756403671B01050000048836BF7701F000090722"))
    assert tracker.fixes == [Fix(24.62495, 118.030576)]
    assert tracker.states == {"motion": "moving", "fence": None}
    assert tracker.figures == {"battery_percent": 100, "temperature_c": 28.3}
    lost = milesight(bytes.fromhex("0488FFFFFFFFFFFFFFFF33"))
    assert (lost.fixes, lost.states) == ([], {"motion": "stop", "fence": None})
    earlier = milesight(bytes.fromhex("20CE") + (T - 60).to_bytes(4, "little") + bytes.fromhex("F000090736BF7701"))
    assert earlier.fixes == [Fix(24.62495, 118.030576, T - 60)]


@pytest.mark.parametrize(
    ("codec", "data", "told"),
    [
        ("milesight", "0175", "byte 2: channel 01 has 0 bytes; expected 1"),
        ("milesight", "01755C03", "byte 3: expected a channel and its type"),
        ("milesight", "09AA01", "byte 0: channel 09, type aa: none that is known"),
        ("milesight", "0488FFFFFF7FFFFFFF7F00", "is not on Earth"),
        ("decentlab", "02012f000304d20001", "flags 0003 with 2 words"),
        ("decentlab", "02012f000404d2", "flags 0004"),
        ("decentlab", "01012f00020bb1", "expected version 2"),
        ("decentlab", "", "0 bytes"),
    ],
)
def test_what_cannot_be_read_is_told(codec, data, told):
    with pytest.raises(ValueError, match=told):
        CODECS[codec](bytes.fromhex(data))


@given(st.sampled_from(sorted(CODECS)), st.binary(max_size=60))
def test_whatever_a_device_sends_is_read_or_refused(codec, data):
    try:
        said = CODECS[codec](data)
    except ValueError:
        return
    assert said.distance is None or 0 < said.distance < 0xFFFF


@pytest.mark.parametrize(
    ("payload", "session"), [(chirpstack("0175"), "00189440"), (things_stack("0175"), "AXA50lHUHw==")]
)
def test_both_servers_tell_the_same(payload, session):
    uplink = read_uplink(payload)
    assert uplink._replace(time=0) == Uplink(EUI, session, 4, 85, 0, b"\x01\x75")
    assert int(uplink.time) == T, "when the network server had it, not when it was handed on"


@pytest.mark.parametrize("make", [chirpstack, things_stack])
def test_what_is_zero_is_left_out_by_both(make):
    assert read_uplink(make("", counter=0))[2:4] == (0, 85)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b"[" * 10_000,
        chirpstack().replace(EUI.encode(), b"24e1"),
        chirpstack().replace(b"+00:00", b""),
        chirpstack().replace(b'"time"', b'"tame"'),
        chirpstack().replace(b'"fCnt": 4', b'"fCnt": "4"'),
        things_stack().replace(b"received_at", b"returned_at"),
        b'{"end_device_ids": {"device_id": "dev1"}, "uplink_message": {}}',
        b'{"end_device_ids": {"dev_eui": "0004A30B001C0530"}, "join_accept": {}}',
    ],
)
def test_what_is_no_uplink_is_refused(payload):
    with pytest.raises((ValueError, msgspec.DecodeError, UnicodeDecodeError, RecursionError)):
        read_uplink(payload)


@given(st.sampled_from([chirpstack("04824408"), things_stack("04824408")]), st.data())
def test_whatever_a_broker_hands_over_is_read_or_refused(whole, data):
    at = data.draw(st.integers(0, len(whole) - 1))
    payload = whole[:at] + data.draw(st.binary(max_size=3)) + whole[at + data.draw(st.integers(0, 9)) :]
    with contextlib.suppress(ValueError, msgspec.DecodeError, UnicodeDecodeError):
        uplink = read_uplink(payload)
        assert len(bytes.fromhex(uplink.eui)) == 8
        decode(pack(BIN, payload))


BIN = Head("milesight", 2500.0, 300.0)


@pytest.mark.parametrize(
    ("head", "data", "record"),
    [
        (BIN, "048244080500" + "00", Record(T, 1, {"distance": 2116.0, "fill": 17.5}, {}, {})),
        (BIN, "0482" + (2600).to_bytes(2, "little").hex(), Record(T, 1, {"distance": 2600.0, "fill": 0.0}, {}, {})),
        (BIN, "0482" + (250).to_bytes(2, "little").hex(), Record(T, 1, {"distance": 250.0, "fill": 100.0}, {}, {})),
        (
            BIN,
            "048244080500" + "01",
            Record(T, 1, {"distance": 2116.0, "fill": 17.5}, {"distance": "D", "fill": "D"}, {}),
        ),
        (Head("milesight"), "04824408", Record(T, 1, {"distance": 2116.0}, {}, {})),
        (BIN, "01755C", Record(T, 1, {}, {}, {"battery_percent": 92})),
    ],
    ids=["fill", "emptier", "fuller", "tilted", "no-calibration", "battery"],
)
def test_a_distance_becomes_the_fill_of_its_bin(head, data, record):
    assert meaning(head, read_uplink(chirpstack(data))) == Measured("uplink", T, [record])


def test_a_tracker_is_seen_where_it_is_and_a_button_is_pressed():
    said = meaning(Head("milesight"), read_uplink(things_stack("048836BF7701F000090722")))
    states = {"motion": "moving", "fence": None}
    assert said == Observed([Moment(T, 24.62495, 118.030576, 15.0, None, states)])
    pressed = meaning(Head("milesight"), read_uplink(things_stack("FF2E03")))
    assert pressed == Observed([Moment(T, states={"button": "double"})])


def test_the_log_keeps_the_bytes_and_how_they_were_understood():
    payload = chirpstack("04824408")
    logged = pack(BIN, payload)
    assert unpack(logged) == (BIN, payload)
    assert decode(logged).records[0].v == {"distance": 2116.0, "fill": 17.5}
    with pytest.raises(ValueError, match="no line before the uplink"):
        unpack(payload)


def test_an_uplink_is_known_by_device_session_counter_and_time():
    first = chirpstack("04824408")
    more = chirpstack("04824408", more="0016c001f153a14d")
    assert identity(pack(BIN, first)) == identity(pack(Head("milesight"), more)), "heard by one gateway more"
    about, says = identity(pack(BIN, first))
    others = [
        chirpstack("04824408", counter=5),
        chirpstack("04824408", t=T + 86_400),
        chirpstack("04824408", address="00189441"),
        chirpstack("04824408", eui="24e124136b502218"),
    ]
    assert all(identity(pack(BIN, one))[0] != about for one in others), "a counter begins anew now and then"
    assert identity(pack(BIN, chirpstack("04824508"))) == (about, identity(pack(BIN, chirpstack("04824508")))[1])
    assert identity(pack(BIN, chirpstack("04824508")))[1] != says
