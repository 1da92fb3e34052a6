import asyncio
import json
import math
import pickle
import struct
import time
from pathlib import Path

import pytest

from schemas.domains import sensor_templates
from sim.city.sensors import (
    EchoPulse,
    ModbusBus,
    ModbusDevice,
    Plantower,
    Register,
    Ultrasonic,
    crc16_modbus,
    modbus_device,
    noise_transmitter,
    particle_counts,
    plantower_frame,
    pulse_width,
    ultrasonic_frame,
)
from sim.city.source import ClockFile, FillingBin, SimClock

DATA = Path(__file__).parent.parent.parent / "data"
FRAMES = [json.loads(line) for line in (DATA / "sensor_frames.jsonl").read_text().splitlines()]
CAPTURED = [frame for frame in FRAMES if frame["protocol"] == "plantower_pmsx003"]
COMMANDS = {
    frame["decoded"]["command"]: bytes.fromhex(frame["hex"])
    for frame in FRAMES
    if frame["protocol"] == "plantower_command"
}
READ_NOISE = bytes.fromhex("010300000001840a")
NOISE_64_1 = bytes.fromhex("01030202817944")
MASS = {"pm1": 5.0, "pm25": 20.0, "pm10": 50.0}
SILENCE_S = 0.15
"""Longer than any answer takes here, and than the gap that ends a frame."""


class Fixed:
    """A place where nothing changes but by hand."""

    def __init__(self, **values):
        self.values = values

    def value(self, channel, t):
        return self.values[channel]


def clock(speed=1.0):
    return SimClock(1_770_000_000.0, time.time(), speed)


def talk(line, conversation):
    """Run ``conversation(reader, writer)`` with the started ``line`` and return its result."""

    async def run():
        await line.start()
        reader, writer = await asyncio.open_connection("127.0.0.1", line.port)
        try:
            return await asyncio.wait_for(conversation(reader, writer), 10)
        finally:
            writer.close()
            await writer.wait_closed()
            await line.stop()

    return asyncio.run(run())


async def heard(reader):
    """Return the next bytes, or nothing after a silence."""
    try:
        return await asyncio.wait_for(reader.read(256), SILENCE_S)
    except TimeoutError:
        return b""


def ask(bus, *requests):
    """Return what the bus answers to each request."""

    async def conversation(reader, writer):
        answers = []
        for request in requests:
            writer.write(request)
            answers.append(await heard(reader))
        return answers

    return talk(bus, conversation)


def read_request(address, function, first, count):
    body = struct.pack(">BBHH", address, function, first, count)
    return body + crc16_modbus(body).to_bytes(2, "little")


@pytest.mark.parametrize("captured", CAPTURED, ids=lambda frame: frame["hex"][32:40])
def test_a_plantower_frame_is_the_captured_one(captured):
    words = [*captured["decoded"].values(), Plantower.VERSION]
    assert plantower_frame(words).hex() == captured["hex"]


@pytest.mark.parametrize("captured", CAPTURED, ids=lambda frame: frame["hex"][32:40])
def test_particle_counts_are_like_those_of_a_real_sensor(captured):
    decoded = captured["decoded"]
    counts = particle_counts(decoded["pm25_atm"], decoded["pm10_atm"])
    real = [decoded[key] for key in ("n0_3", "n0_5", "n1_0", "n2_5", "n5_0", "n10")]
    assert counts == pytest.approx(real, rel=0.2)
    assert sorted(particle_counts(20, 90), reverse=True) == particle_counts(20, 90)


def test_a_plantower_reports_by_itself_in_both_conventions():
    async def conversation(reader, writer):
        return [await reader.readexactly(32) for _ in range(3)]

    for frame in talk(Plantower(Fixed(**MASS), clock(speed=100)), conversation):
        assert frame[:4] == b"BM\x00\x1c"
        assert struct.unpack(">6H", frame[4:16]) == (5, 20, 50, 5, 20, 50)
        assert sum(frame[:-2]) == int.from_bytes(frame[-2:], "big")


def test_a_plantower_cuts_masses_off_at_the_ends_of_its_words():
    assert plantower_frame([-3.0, 70_000.0, 12.6, *[0.0] * 10])[4:10] == struct.pack(">3H", 0, 65535, 13)


def test_a_plantower_is_silent_while_a_recorded_mass_is_missing():
    source = Fixed(**MASS)

    async def conversation(reader, writer):
        await reader.readexactly(32)
        source.values["pm25"] = None
        await heard(reader)
        silent = await heard(reader)
        source.values["pm25"] = 21.0
        return silent, await reader.readexactly(32)

    silent, frame = talk(Plantower(source, clock(speed=100)), conversation)
    assert silent == b""
    assert struct.unpack(">H", frame[12:14]) == (21,)


def test_a_plantower_never_passes_off_something_else_as_pm1():
    async def conversation(reader, writer):
        return await reader.readexactly(32)

    frame = talk(Plantower(Fixed(pm1=None, pm25=20.0, pm10=50.0), clock(speed=100)), conversation)
    assert struct.unpack(">3H", frame[10:16]) == (0xFFFF, 20, 50)


def test_a_passive_plantower_answers_when_asked_and_reports_again_when_made_active():
    async def conversation(reader, writer):
        writer.write(COMMANDS["passive read"][:3] + COMMANDS["set passive"])
        acknowledged = (await reader.readuntil(bytes.fromhex("424d0004e1000174")))[-8:]
        silent = await heard(reader)
        writer.write(COMMANDS["passive read"])
        frame = await heard(reader)
        writer.write(COMMANDS["set active"])
        return acknowledged, silent, frame, await reader.readexactly(64)

    acknowledged, silent, frame, reports = talk(Plantower(Fixed(**MASS), clock(speed=100)), conversation)
    assert acknowledged.hex() == "424d0004e1000174"
    assert silent == b""
    assert frame == reports[:32] == reports[32:]


def test_a_sleeping_plantower_wakes_on_command():
    async def conversation(reader, writer):
        writer.write(COMMANDS["sleep"])
        await reader.readuntil(bytes.fromhex("424d0004e4000177"))
        writer.write(COMMANDS["passive read"])
        silent = await heard(reader)
        writer.write(COMMANDS["wake"])
        return silent, await reader.readexactly(32)

    silent, frame = talk(Plantower(Fixed(**MASS), clock(speed=100)), conversation)
    assert silent == b""
    assert frame[:4] == b"BM\x00\x1c"


def test_every_listener_hears_the_plantower_and_one_going_away_disturbs_no_other(caplog):
    async def run():
        sensor = Plantower(Fixed(**MASS), clock(speed=100))
        await sensor.start()
        _, gone = await asyncio.open_connection("127.0.0.1", sensor.port)
        reader, writer = await asyncio.open_connection("127.0.0.1", sensor.port)
        await reader.readexactly(32)
        gone.transport.abort()
        frames = await asyncio.wait_for(reader.readexactly(32 * 20), 10)
        await sensor.stop()
        await asyncio.wait_for(reader.read(), 10)
        writer.close()
        await writer.wait_closed()
        return frames

    frames = asyncio.run(run())
    assert frames == frames[:32] * 20
    assert not caplog.records


def test_a_stopped_sensor_comes_back_on_the_same_port():
    async def run():
        bus = ModbusBus(Fixed(laf=64.1), clock(), [noise_transmitter()])
        await bus.start()
        port = bus.port
        await bus.stop()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
        await bus.start()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(READ_NOISE)
        answer = await asyncio.wait_for(reader.readexactly(7), 10)
        writer.close()
        await writer.wait_closed()
        await bus.stop()
        return answer

    assert asyncio.run(run()) == NOISE_64_1


def test_the_noise_transmitter_answers_as_documented():
    assert ask(ModbusBus(Fixed(laf=64.1), clock(), [noise_transmitter()]), READ_NOISE) == [NOISE_64_1]
    assert ask(ModbusBus(Fixed(laf=84.6), clock(), [noise_transmitter()]), READ_NOISE)[0].hex() == "010302034e3880"


def test_any_register_map_can_be_given_and_gives_the_bytes_of_the_real_device():
    wind = ModbusDevice(1, (Register(0, "wind_speed", 0.01), Register(1, "wind_dir", 0.01)))
    bus = ModbusBus(Fixed(wind_speed=1.93, wind_dir=247.5), clock(), [wind])
    assert ask(bus, bytes.fromhex("010300000002c40b"))[0].hex() == "01030400c160ae0273"


def test_signed_and_double_registers():
    device = ModbusDevice(7, (Register(0x10, "temperature", 0.1, "s16"), Register(0x11, "tsp", 1, "u32")))
    bus = ModbusBus(Fixed(temperature=-12.3, tsp=70_000.0), clock(), [device])
    answer = ask(bus, read_request(7, 4, 0x10, 3))[0]
    assert struct.unpack(">hI", answer[3:-2]) == (-123, 70_000)


def test_the_stack_analyser_shares_the_bus():
    source = Fixed(laf=50.0, stack_nox=67.5, stack_co=1.57, stack_o2=14.8)
    bus = ModbusBus(source, clock(), [noise_transmitter(1), modbus_device(sensor_templates()["stack"])])
    noise, stack = ask(bus, READ_NOISE, read_request(2, 3, 0, 3))
    assert struct.unpack(">H", noise[3:-2]) == (500,)
    assert struct.unpack(">3H", stack[3:-2]) == (675, 157, 1480)


def test_the_bus_refuses_what_a_device_does_not_have():
    bus = ModbusBus(Fixed(laf=64.1), clock(), [noise_transmitter()])
    address, function, count = ask(bus, read_request(1, 3, 0, 2), read_request(1, 6, 0, 1), read_request(1, 3, 0, 126))
    assert address.hex() == "018302c0f1"
    assert function[:3].hex() == "018601"
    assert count[:3].hex() == "018303"


def test_the_bus_is_silent_to_a_wrong_crc_a_foreign_address_and_a_missing_value():
    bus = ModbusBus(Fixed(laf=None), clock(), [noise_transmitter()])
    assert ask(bus, READ_NOISE[:-1] + b"\x00", read_request(9, 3, 0, 1), READ_NOISE) == [b"", b"", b""]


def test_the_bus_finds_a_request_behind_noise_and_forgets_one_cut_short_by_silence():
    bus = ModbusBus(Fixed(laf=64.1), clock(), [noise_transmitter()])
    assert ask(bus, b"\x01\xff\x03" + READ_NOISE) == [NOISE_64_1]
    assert ask(bus, READ_NOISE[:4], READ_NOISE[4:], READ_NOISE) == [b"", b"", NOISE_64_1]


def test_two_requests_in_one_segment_get_two_answers():
    async def conversation(reader, writer):
        writer.write(READ_NOISE * 2)
        return await reader.readexactly(14)

    assert talk(ModbusBus(Fixed(laf=64.1), clock(), [noise_transmitter()]), conversation) == NOISE_64_1 * 2


def test_a_disturbed_line_can_be_switched_on_and_off():
    bus = ModbusBus(Fixed(laf=64.1), clock(), [noise_transmitter()])
    bus.garbage, bus.corrupt = b"\x00\xff", 1.0
    (disturbed,) = ask(bus, READ_NOISE)
    assert disturbed[:2] == b"\x00\xff"
    assert sum(a != b for a, b in zip(disturbed[2:], NOISE_64_1, strict=True)) == 1
    bus.garbage, bus.corrupt = b"", 0.0
    assert ask(bus, READ_NOISE) == [NOISE_64_1]


def test_the_simulated_clock_runs_faster_and_survives_json():
    fast = SimClock(start=1000.0, at=time.time() - 10, speed=60.0)
    assert fast.now() == pytest.approx(1600, abs=60)
    assert SimClock(**json.loads(json.dumps(fast.to_json()))) == fast


def test_a_clock_stands_until_its_file_tells_when_it_started(tmp_path):
    path = tmp_path / "clock.json"
    ClockFile.write(path, SimClock(1000.0, math.inf, 60.0))
    clock = pickle.loads(pickle.dumps(ClockFile(path)))  # the hub hands it on to its processes
    assert (clock.now(), clock.speed) == (1000.0, 60.0)
    ClockFile.write(path, SimClock(1000.0, time.time() - 10, 60.0))
    assert clock.now() == pytest.approx(1600, abs=60)


def test_a_bin_fills_is_emptied_and_its_sensor_reports_by_itself():
    assert ultrasonic_frame(1953).hex() == "ff07a1a7"  # the maker's page, SEN0311
    bin_ = FillingBin(start=0)
    assert [bin_.value("distance", 3600 * hour) for hour in (0, 4, 8, 12)] == [1180, 750, 1180, 750]
    assert bin_.value("laf", 0) is None
    source = Fixed(distance=640.4)

    async def conversation(reader, writer):
        frames = [await reader.readexactly(4) for _ in range(2)]
        source.values["distance"] = None
        await heard(reader)
        return *frames, await heard(reader)

    frame = ultrasonic_frame(640)
    assert talk(Ultrasonic(source, clock(speed=100)), conversation) == (frame, frame, b"")


def test_a_sensor_of_pulses_answers_a_trigger_as_fast_as_sound_is_in_its_air():
    assert pulse_width(1000, 0) == 6037  # 2 m at 331.3 m/s
    assert pulse_width(1000, 20) == 5824  # at 343.42 m/s
    assert pulse_width(4001, 20) == -1
    assert pulse_width(None, 20) == -2
    source = Fixed(distance=1000, temperature=None)

    async def conversation(reader, writer):
        nothing = await heard(reader)
        answers = []
        for changes in ({}, {"temperature": 20}, {"distance": 5000}, {"distance": None}):
            source.values |= changes
            writer.write(b"!")
            answers.append(await reader.readline())
        return nothing, *answers

    assert talk(EchoPulse(source, clock()), conversation) == (b"", b"5876\n", b"5824\n", b"-1\n", b"-2\n")
