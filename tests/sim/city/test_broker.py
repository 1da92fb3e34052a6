"""The demo's own broker: many boards that come at once are all served."""

import asyncio
import os
import signal

from sim.city.broker import Subscriptions, serve
from sim.city.demo import free_port

CLIENTS = 40


def text(value):
    return len(value).to_bytes(2, "big") + value


def packet(kind, body):
    assert len(body) < 128
    return bytes([kind, len(body)]) + body


async def come(port, number):
    """Connect, subscribe, and return whether the subscription was answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        name = f"board-{number}".encode()
        writer.write(packet(0x10, text(b"MQTT") + b"\x04\x02\x00\x3c" + text(name)))
        await reader.readexactly(4)
        writer.write(packet(0x82, b"\x00\x01" + text(b"fenceline/" + name + b"/ack") + b"\x01"))
        return (await asyncio.wait_for(reader.readexactly(5), 10))[0] == 0x90
    except TimeoutError:
        return False
    finally:
        writer.close()


def test_boards_that_come_at_once_are_all_answered():
    async def run():
        port = free_port()
        broker = asyncio.create_task(serve(port))
        for _ in range(100):
            try:
                assert await come(port, CLIENTS)
                break
            except OSError:
                await asyncio.sleep(0.05)
        answered = await asyncio.gather(*[come(port, number) for number in range(CLIENTS)])
        os.kill(os.getpid(), signal.SIGTERM)
        await broker
        return answered

    assert all(asyncio.run(run()))


def test_subscriptions_may_change_while_somebody_goes_through_them():
    known = Subscriptions(a=[], b=[])
    for topic in known:
        known[topic + topic] = []
    for topic, _ in known.items():  # noqa: PERF102 - it is what the broker does
        known.pop(topic)
    assert not known
