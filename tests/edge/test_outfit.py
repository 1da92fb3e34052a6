"""A board starts with the sensors that the hub wants, and with its own where those cannot be made or were changed."""

import json

from edge import drivers, files, main, outfit
from tests.edge.helpers import tmp_dir

DUST = {"name": "dust", "type": "plantower", "port": "tcp:127.0.0.1:1"}
NOISE = {
    "name": "noise",
    "type": "modbus",
    "port": "tcp:127.0.0.1:2",
    "address": 1,
    "registers": [{"channel": "laf", "register": 0, "scale": 0.1}],
}


def started(desired=None, own=None, sensors=(DUST,)):
    """Return the agent of a board whose own file names `sensors`; `own`: what stood there when it was configured."""
    folder = tmp_dir()
    with open(folder + "/key", "w") as file:
        file.write("00" * 32)
    config = {
        "district": "nanhai",
        "site": "pit",
        "device": "pit-1",
        "folder": folder,
        "key_file": folder + "/key",
        "broker": {"host": "127.0.0.1", "port": 1},
        "sensors": list(sensors),
    }
    files.replace(folder + "/config.json", json.dumps(config))
    if desired:
        files.replace(folder + "/desired.json", json.dumps(dict(desired, revision=7)))
        files.replace(folder + "/desired.json.own", json.dumps(own or {}))
    agent = main.make(folder + "/config.json")
    agent.outbox.close()
    return agent


def told(agent):
    """Return what it has to tell of its configuration."""
    return [note["detail"] for note in [json.loads(text) for text in texts(agent)] if note["event"] == "config"]


def texts(agent):
    """Return the events that wait, as JSON."""
    import asyncio

    heard = []

    async def publish(kind, parts):
        heard.append(b"".join(parts).decode())

    asyncio.run(agent._notes.send(publish))
    return heard


def test_a_mark_does_not_depend_on_the_order_of_keys():
    turned = {key: NOISE[key] for key in sorted(NOISE, reverse=True)}
    assert outfit.mark([DUST, NOISE]) == outfit.mark([dict(DUST), turned])
    assert outfit.mark([DUST, NOISE]) != outfit.mark([NOISE, DUST])
    assert outfit.mark([NOISE]) != outfit.mark([dict(NOISE, address=2)])


def test_it_starts_with_the_sensors_that_the_hub_wants():
    assert list(started().sensors) == ["dust"]
    agent = started({"sensors": [NOISE]}, {"sensors": outfit.mark([DUST])})
    assert list(agent.sensors) == ["noise"]
    assert told(agent) == []


def test_sensors_changed_at_the_fence_since_are_used_and_told():
    agent = started({"sensors": [NOISE]}, {"sensors": outfit.mark([DUST, NOISE])})
    assert list(agent.sensors) == ["dust"]
    assert told(agent) == [{"revision": 7, "own": {"sensors": [DUST]}}]


def test_sensors_that_cannot_be_made_any_more_leave_the_board_its_own_and_the_hub_hears_why():
    make = drivers.make

    def broken(settings, port):
        if settings["name"] == "noise":
            raise ValueError("sensor 'noise': its driver is gone")
        return make(settings, port)

    drivers.make = broken
    try:
        agent = started({"sensors": [NOISE]}, {"sensors": outfit.mark([DUST])})
    finally:
        drivers.make = make
    assert list(agent.sensors) == ["dust"]
    (only,) = told(agent)
    assert only["revision"] == 7
    assert only["problem"].startswith("sensor 'noise': its driver is gone")
