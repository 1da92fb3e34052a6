"""The MQTT client's packets, and its behaviour towards a broker that hangs up."""

import asyncio
from binascii import unhexlify

from edge.mqtt import Client, connect_packet, packet, parse_publish, publish_packet
from edge.port import close


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


def outcome_of_publishing(acknowledges):
    """Return what publish() did and how often the client connected, with a real server on loopback."""

    async def run():
        broker = Broker(acknowledges)
        server = None
        for port in range(42100, 42200):
            try:
                server = await asyncio.start_server(broker.serve, "127.0.0.1", port)
                break
            except OSError:
                pass  # taken
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
