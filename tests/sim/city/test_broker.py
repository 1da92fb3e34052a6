"""The demo's own broker: who comes while another one subscribes is served."""

import asyncio
import subprocess
import sys

from sim.city.broker import Subscriptions
from sim.city.demo import ROOT, free_port

SLOW = """
import asyncio, sys
from amqtt.broker import Broker
from sim.city.broker import serve

async def publish(self, subscription, session):
    await asyncio.sleep(0.3)

Broker._publish_retained_messages_for_subscription = publish
asyncio.run(serve(int(sys.argv[1])))
"""
"""The broker on a machine that is busy: it takes long to send what is retained for each subscription that is there."""


def text(value):
    return len(value).to_bytes(2, "big") + value


def packet(kind, body):
    return bytes([kind, len(body)]) + body


async def connected(port, name):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(packet(0x10, text(b"MQTT") + b"\x04\x02\x00\x3c" + text(name)))
    await reader.readexactly(4)
    return reader, writer


async def subscribed(reader, writer, name):
    """Subscribe; return whether it was answered."""
    writer.write(packet(0x82, b"\x00\x01" + text(b"fenceline/" + name + b"/ack") + b"\x01"))
    try:
        async with asyncio.timeout(10):
            return (await reader.readexactly(5))[0] == 0x90
    except (TimeoutError, asyncio.IncompleteReadError):
        return False


async def come_while_another_one_subscribes(port):
    while True:
        try:
            first = await connected(port, b"first")
            break
        except OSError:
            await asyncio.sleep(0.05)
    assert await subscribed(*first, b"first")
    second = await connected(port, b"second")
    await asyncio.sleep(1)  # it has been served by then
    third = await connected(port, b"third")
    assert await subscribed(*second, b"second"), "while the broker still sends to the third"
    answered = await subscribed(*third, b"third")
    for _, writer in (first, second, third):
        writer.close()
        await writer.wait_closed()
    return answered


def test_a_board_that_comes_while_another_one_subscribes_is_answered():
    port = free_port()
    broker = subprocess.Popen([sys.executable, "-c", SLOW, str(port)], cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        assert asyncio.run(come_while_another_one_subscribes(port))
    finally:
        broker.terminate()
        broker.wait(20)


def test_subscriptions_may_change_while_somebody_goes_through_them():
    known = Subscriptions(a=[], b=[])
    for topic in known:
        known[topic + topic] = []
    for topic, _ in known.items():  # noqa: PERF102 - it is what the broker does
        known.pop(topic)
    assert not known
