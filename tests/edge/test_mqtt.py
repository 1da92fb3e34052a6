"""The MQTT client's packets, and its behaviour towards a broker that hangs up."""

import asyncio
import os
from binascii import unhexlify

from edge import mqtt
from edge.mqtt import Client, connect_packet, packet, parse_publish, publish_packet
from edge.port import close
from tests.edge.helpers import raises


def test_connect_with_will_and_user():
    # MQTT 3.1.1, 3.1: clean session, will retained with QoS 1, user, password
    expected = "102500044d51545404ee001e000262310003612f6200027b7d000262310006"
    sent = connect_packet("b1", 30, ("a/b", b"{}"), "b1", "secret")
    assert sent[:1] == b"\x10"
    assert sent[2:] == unhexlify(expected[4:]) + b"secret"
    assert sent[1] == len(sent) - 2


def test_remaining_length_takes_up_to_four_bytes():
    assert packet(3, 0, bytes(127))[:2] == b"\x30\x7f"
    assert packet(3, 0, bytes(128))[:3] == b"\x30\x80\x01"
    assert packet(3, 0, bytes(16384))[:4] == b"\x30\x80\x80\x01"


def test_publish_and_its_reading_agree():
    sent = b"".join(publish_packet("a/b", [b"hel", b"lo"], 513, retain=True))
    assert sent[0] == 0x33
    assert parse_publish(sent[0] & 0x0F, sent[2:]) == ("a/b", b"hello", 513)
    assert parse_publish(0, b"\x00\x03a/bhello") == ("a/b", b"hello", None)


class Broker:
    """Reads packets; acknowledges a publication only if told to, else hangs up."""

    def __init__(self, acknowledges):
        self._acknowledges = acknowledges
        self.connections = 0

    async def serve(self, reader, writer):
        self.connections += 1
        try:
            while True:
                head = (await reader.readexactly(1))[0]
                body = await reader.readexactly((await reader.readexactly(1))[0])
                if head >> 4 == 1:
                    writer.write(b"\x20\x02\x00\x00")
                elif head >> 4 == 3 and self._acknowledges:
                    writer.write(b"\x40\x02" + body[2 + body[1] : 4 + body[1]])
                else:
                    break
                await writer.drain()
        except (EOFError, OSError):
            pass
        await close(writer)


async def listen(serve):
    """Return a server on a free port of loopback, and the port."""
    for port in range(42100, 42200):
        try:
            return await asyncio.start_server(serve, "127.0.0.1", port), port
        except OSError:
            pass  # taken
    raise OSError("no port is free")


def outcome_of_publishing(acknowledges):
    """Return what publish() did and how often the client connected, with a real server on loopback."""

    async def run():
        broker = Broker(acknowledges)
        server, port = await listen(broker.serve)
        greeted = asyncio.Event()

        async def greet():
            greeted.set()

        client = Client(
            lambda: asyncio.open_connection("127.0.0.1", port),
            "b1",
            30,
            ("w", b"{}"),
            greet,
            lambda topic, payload: None,
        )
        task = asyncio.create_task(client.run())
        await greeted.wait()
        try:
            await client.publish("a/b", [b"x"])
            outcome = "acknowledged"
        except OSError:
            outcome = "lost"
        while not acknowledges and broker.connections < 2:
            await asyncio.sleep(0.01)
        await client.disconnect()
        task.cancel()
        server.close()
        await asyncio.sleep(0.05)
        return outcome

    return asyncio.run(run())


def test_publish_returns_when_the_broker_has_it():
    assert outcome_of_publishing(acknowledges=True) == "acknowledged"


def test_publish_fails_when_the_connection_goes_first_and_the_client_comes_back():
    assert outcome_of_publishing(acknowledges=False) == "lost"


class Scripted:
    """A broker that answers packets as `answers(connection, kind, body)` says: with bytes, or None to hang up."""

    def __init__(self, answers):
        self._answers = answers
        self.connections = 0
        self.subscribed = []

    async def serve(self, reader, writer):
        self.connections += 1
        connection = self.connections
        try:
            while True:
                head = (await reader.readexactly(1))[0]
                body = await reader.readexactly((await reader.readexactly(1))[0])
                told = self._answers(connection, head >> 4, body)
                if told is None:
                    break
                if told:
                    writer.write(told)
                    await writer.drain()
        except (EOFError, OSError):
            pass
        await close(writer)


def usual(connection, kind, body):
    """Answer as brokers do."""
    if kind == 1:
        return b"\x20\x02\x00\x00"
    if kind == 8:
        return b"\x90\x03" + body[:2] + b"\x01"
    if kind == 3:
        end = 2 + (body[0] << 8 | body[1])
        return b"\x40\x02" + body[end : end + 2]
    return {12: b"\xd0\x00", 4: b""}.get(kind)


def greeted_at_last(answers, greet=None, keepalive=30, seconds=20):
    """Return how many connections a client needed until it had subscribed and published, and its last problem."""

    async def run():
        broker = Scripted(answers)
        server, port = await listen(broker.serve)
        done = asyncio.Event()

        async def usual_greeting():
            await client.subscribe("a/ack")
            await client.publish("a/status", [b"{}"])

        async def greeting():
            await (greet or usual_greeting)()
            await client.publish("a/status", [b"{}"])
            done.set()

        client = Client(
            lambda: asyncio.open_connection("127.0.0.1", port),
            "b1",
            keepalive,
            ("w", b"{}"),
            greeting,
            lambda topic, payload: None,
        )
        mqtt.PAUSE = mqtt.LONGEST_PAUSE = 0.02
        task = asyncio.create_task(client.run())
        try:
            await asyncio.wait_for(done.wait(), seconds)
            assert not task.done()
            await client.disconnect()
            return broker.connections, client.problem
        finally:
            mqtt.PAUSE, mqtt.LONGEST_PAUSE = 1, 60
            task.cancel()
            server.close()
            await asyncio.sleep(0.05)

    return asyncio.run(run())


def test_a_subscription_that_is_refused_ends_the_connection_and_a_new_one_is_made():
    def refuses_twice(connection, kind, body):
        if kind == 8 and connection < 3:
            return b"\x90\x03" + body[:2] + b"\x80"
        return usual(connection, kind, body)

    connections, problem = greeted_at_last(refuses_twice)
    assert connections == 3
    assert "subscription to a/ack refused" in problem


def test_a_greeting_that_fails_by_whatever_is_begun_anew():
    for error in (OSError("Wifi Not Connected"), ValueError("bug"), MemoryError(), KeyError("x")):
        failures = [error]

        async def greet():
            if failures:  # noqa: B023
                raise failures.pop()  # noqa: B023

        connections, problem = greeted_at_last(usual, greet)
        assert connections == 2
        assert error.__class__.__name__ in problem


def test_an_answer_that_never_comes_ends_the_connection():
    for silent in (8, 3):

        def forgets(connection, kind, body):
            return b"" if kind == silent and connection == 1 else usual(connection, kind, body)  # noqa: B023

        connections, problem = greeted_at_last(forgets, keepalive=1)
        assert connections == 2
        assert "no answer within 2 s" in problem


def test_answers_of_another_kind_or_to_nothing_acknowledge_nothing():
    def confused(connection, kind, body):
        if kind == 8 and connection == 1:
            return b"\x40\x02" + body[:2] + b"\x90\x03\xff\xff\x01"  # PUBACK for it, SUBACK for another
        return usual(connection, kind, body)

    connections, _ = greeted_at_last(confused, keepalive=1)
    assert connections == 2


def test_what_a_message_does_to_its_reader_does_not_end_the_connection():
    def gives_a_message(connection, kind, body):
        told = usual(connection, kind, body)
        return b"\x32\x07\x00\x01x\x00\x07{}" + told if kind == 8 else told

    async def run():
        broker = Scripted(gives_a_message)
        server, port = await listen(broker.serve)
        heard = []

        def hear(topic, payload):
            heard.append((topic, payload))
            raise KeyError("bug")

        async def greet():
            await client.subscribe("x")

        client = Client(lambda: asyncio.open_connection("127.0.0.1", port), "b1", 30, ("w", b""), greet, hear)
        task = asyncio.create_task(client.run())
        while not heard:
            await asyncio.sleep(0.01)
        await client.publish("a", [b"x"])
        await client.disconnect()
        task.cancel()
        server.close()
        await asyncio.sleep(0.05)
        return heard, broker.connections

    assert asyncio.run(run()) == ([("x", b"{}")], 1)


def test_what_is_no_publish_is_refused_and_never_read_beyond_its_end():
    for flags, body in (
        (0, b""),
        (0, b"\x00"),
        (0, b"\x00\x05ab"),
        (2, b"\x00\x01a"),
        (2, b"\x00\x01a\x00"),
        (6, b"\x00\x01a\x00\x01"),
    ):
        raises(ValueError, parse_publish, flags, body)


class Chance:
    """The same numbers on every interpreter: a linear congruence (Numerical Recipes)."""

    def __init__(self, seed):
        self._state = seed

    def below(self, n):
        self._state = (self._state * 1664525 + 1013904223) & 0xFFFFFFFF
        return (self._state >> 8) % n

    def bytes(self, n):
        return bytes([self.below(256) for _ in range(n)])


GOOD = (
    b"\x20\x02\x00\x00",
    b"\x90\x03\x00\x01\x01",
    b"\x40\x02\x00\x02",
    b"\xd0\x00",
    b"\x32\x09\x00\x03a/b\x00\x07{}",
    b"\x30\x07\x00\x03a/b{}",
)


def malformed(chance):
    """Return what a broken broker may send: packets cut, grown, twisted, of impossible lengths, or mere noise."""
    sent = b""
    for _ in range(1 + chance.below(4)):
        packet_ = GOOD[chance.below(len(GOOD))]
        what = chance.below(8)
        if what == 0:
            packet_ = packet_[: chance.below(len(packet_))]
        elif what == 1:
            at = chance.below(len(packet_))
            packet_ = packet_[:at] + bytes([chance.below(256)]) + packet_[at + 1 :]
        elif what == 2:
            packet_ = chance.bytes(1 + chance.below(30))
        elif what == 3:
            packet_ = packet_[:1] + b"\xff" * (1 + chance.below(6)) + chance.bytes(chance.below(9))
        elif what == 4:
            packet_ = bytes([chance.below(256), chance.below(6)]) + chance.bytes(chance.below(6))
        elif what == 5:
            packet_ = b"\x30\x06\x00\x04" + chance.bytes(4)  # a topic that is no UTF-8
        sent += packet_
    return sent


class Broken(Scripted):
    """Sends what no broker may to so many connections and hangs up, then answers as brokers do."""

    def __init__(self, connections, seed):
        super().__init__(usual)
        self.broken = connections
        self._chance = Chance(seed)

    async def serve(self, reader, writer):
        if self.connections >= self.broken:
            await super().serve(reader, writer)
            return
        self.connections += 1
        accepted = b"\x20\x02\x00\x00" if self._chance.below(4) else b""
        try:
            await reader.read(200)
            writer.write(accepted + malformed(self._chance))
            await writer.drain()
        except OSError:
            pass
        await close(writer)


def test_no_byte_that_a_broker_sends_ends_the_client():
    """For more: FENCELINE_FUZZ_CONNECTIONS=3000 FENCELINE_FUZZ_SEED=2."""

    async def run():
        broker = Broken(int(os.getenv("FENCELINE_FUZZ_CONNECTIONS") or 300), int(os.getenv("FENCELINE_FUZZ_SEED") or 1))
        server, port = await listen(broker.serve)
        done = asyncio.Event()

        async def greet():
            await client.subscribe("a/ack")
            if broker.connections > broker.broken:
                done.set()

        client = Client(
            lambda: asyncio.open_connection("127.0.0.1", port), "b1", 30, ("w", b""), greet, lambda topic, payload: None
        )
        mqtt.PAUSE = mqtt.LONGEST_PAUSE = 0.001
        task = asyncio.create_task(client.run())
        try:
            await asyncio.wait_for(done.wait(), 10 + broker.broken / 10)
            assert not task.done()
        finally:
            mqtt.PAUSE, mqtt.LONGEST_PAUSE = 1, 60
            task.cancel()
            server.close()
            await asyncio.sleep(0.05)

    asyncio.run(run())
