"""The demo's own broker: many boards that come at once are all served."""

import asyncio
import subprocess
import sys

from sim.city.broker import Subscriptions
from sim.city.demo import ROOT, free_port

CLIENTS = 40


def text(value):
    return len(value).to_bytes(2, "big") + value


def packet(kind, body):
    assert len(body) < 128
    return bytes([kind, len(body)]) + body


async def come(port, number):
    """Connect, leave a status, subscribe; return the connection, and whether the subscription was answered.

    What is retained makes the broker send while it goes through the subscriptions of those that were there before.
    """
    await asyncio.sleep(number * 0.003)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    name = f"board-{number}".encode()
    topic = text(b"fenceline/" + name + b"/status")
    writer.write(packet(0x10, text(b"MQTT") + b"\x04\x02\x00\x3c" + text(name)))
    await reader.readexactly(4)
    writer.write(packet(0x31, topic + b"here"))
    writer.write(packet(0x82, b"\x00\x01" + topic + b"\x01"))
    try:
        async with asyncio.timeout(15):
            kind = 0
            while kind != 0x90:
                kind, length = await reader.readexactly(2)
                await reader.readexactly(length)
    except (TimeoutError, asyncio.IncompleteReadError):
        return writer, False
    return writer, True


def test_boards_that_come_at_once_are_all_answered():
    async def run(port):
        while not await answers(port):
            await asyncio.sleep(0.05)
        came = await asyncio.gather(*[come(port, number) for number in range(CLIENTS)])
        for writer, _ in came:
            writer.close()
            await writer.wait_closed()
        return [answered for _, answered in came]

    port = free_port()
    broker = subprocess.Popen([sys.executable, "-m", "sim.city.broker", str(port)], cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        assert all(asyncio.run(run(port)))
    finally:
        broker.terminate()
        broker.wait(20)


async def answers(port):
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


def test_subscriptions_may_change_while_somebody_goes_through_them():
    known = Subscriptions(a=[], b=[])
    for topic in known:
        known[topic + topic] = []
    for topic, _ in known.items():  # noqa: PERF102 - it is what the broker does
        known.pop(topic)
    assert not known
