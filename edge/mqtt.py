"""MQTT 3.1.1 client for asyncio: publishes with QoS 1, hears with QoS 0, last will, reconnection with back-off, jitter.

What it promises: `publish` returns only when the broker has acknowledged, and raises OSError when the connection went
before that; it keeps nothing of its own and sends nothing again by itself, since the outbox does. What it hears may be
missing: nothing waits for a board that is away (clean session), acknowledgements and orders are said again by whoever
says them, and configurations are retained. So QoS 1 would add nothing there, and cost a cluster most of its work. The
caller's `on_message` runs in the reading task, so it must be quick.
"""

import asyncio
import struct
from os import urandom

from edge.journal import log
from edge.monotonic import ticks_diff, ticks_ms
from edge.port import close

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK, PINGREQ, DISCONNECT = 1, 2, 3, 4, 8, 9, 12, 14
MOST_BYTES = 8192  # of one incoming packet: more would not fit the board's memory
REFUSALS = {1: "protocol version", 2: "client id", 3: "broker unavailable", 4: "user or password", 5: "not authorised"}


def text(value):
    """Return a UTF-8 string or bytes with its length before it."""
    data = value.encode() if isinstance(value, str) else value
    return struct.pack(">H", len(data)) + data


def header(kind, flags, length):
    """Return a control packet's fixed header for `length` bytes behind it."""
    head = bytes([kind << 4 | flags])
    while True:
        digit = length & 0x7F
        length >>= 7
        head += bytes([digit | 0x80 if length else digit])
        if not length:
            return head


def packet(kind, flags, body):
    """Return a control packet: fixed header, remaining length, body."""
    return header(kind, flags, len(body)) + body


def connect_packet(client_id, keepalive, will=None, user=None, password=None):
    """Return CONNECT with a clean session; `will` is `(topic, payload)`, sent retained with QoS 1."""
    flags = 0x02
    body = text(client_id)
    if will:
        flags |= 0x04 | 1 << 3 | 0x20
        body += text(will[0]) + text(will[1])
    if user is not None:
        flags |= 0x80
        body += text(user)
    if password is not None:
        flags |= 0x40
        body += text(password)
    return packet(CONNECT, 0, text("MQTT") + bytes([4, flags]) + struct.pack(">H", keepalive) + body)


def publish_packet(topic, parts, mid, retain=False):
    """Return PUBLISH with QoS 1 as parts, `parts` being the payload's."""
    head = text(topic) + struct.pack(">H", mid)
    length = len(head) + sum([len(part) for part in parts])
    return [header(PUBLISH, 0x02 | (1 if retain else 0), length) + head] + parts


def parse_publish(flags, body):
    """Return `(topic, payload, mid)` of a PUBLISH; `mid` is None with QoS 0."""
    end = 2 + struct.unpack(">H", body[:2])[0]
    topic = body[2:end].decode()
    if flags & 0x06:
        return topic, body[end + 2 :], struct.unpack(">H", body[end : end + 2])[0]
    return topic, body[end:], None


class Client:
    """A connection that `run` keeps up for ever.

    `connect` is an async function giving `(reader, writer)`. `on_connect()` is awaited after each connection, beside
    the reading of messages, so it may publish and subscribe; `on_message(topic, payload)` is called for each message.
    """

    def __init__(self, connect, client_id, keepalive, will, on_connect, on_message, user=None, password=None):
        self._connect = connect
        self._hello = connect_packet(client_id, keepalive, will, user, password)
        self._keepalive = keepalive
        self._on_connect = on_connect
        self._on_message = on_message
        self._writer = None
        self._lock = asyncio.Lock()
        self._mid = 0
        self._waiting = {}  # packet identifier -> [Event, whether it was acknowledged]
        self.connected = False
        self.problem = ""  # why the last connection failed or ended

    async def run(self):
        """Connect, serve, and connect again; waits 1 to 60 s between attempts, longer each time."""
        pause = 1
        while True:
            began = ticks_ms()
            try:
                await self._serve()
            except (OSError, EOFError, asyncio.TimeoutError, ValueError) as error:
                self.problem = "%s %s" % (error.__class__.__name__, error)
                log("mqtt: " + self.problem)
            finally:
                await self._hang_up()
            pause = 1 if ticks_diff(ticks_ms(), began) > 10000 else min(pause * 2, 60)
            await asyncio.sleep(pause * (1 + urandom(1)[0] / 255) / 2)

    async def publish(self, topic, parts, retain=False):
        """Publish the joined bytes in `parts` with QoS 1.

        Returns when the broker has taken it, raises OSError when the connection went first.
        """
        mid = self._next_mid()
        await self._exchange(mid, publish_packet(topic, parts, mid, retain))

    async def subscribe(self, topic):
        """Subscribe with QoS 0; return when the broker has taken it."""
        mid = self._next_mid()
        await self._exchange(mid, [packet(SUBSCRIBE, 0x02, struct.pack(">H", mid) + text(topic) + b"\x00")])

    async def disconnect(self):
        """Say goodbye, so that the broker doesn't publish the last will."""
        if self.connected:
            try:
                await self._send(packet(DISCONNECT, 0, b""))
            except OSError:
                pass
            await self._hang_up()

    async def _serve(self):
        reader, self._writer = await asyncio.wait_for(self._connect(), self._keepalive)
        await self._send(self._hello)
        kind, _, body = await asyncio.wait_for(self._packet(reader), self._keepalive)
        if kind != CONNACK or len(body) != 2:
            raise ValueError("no CONNACK")
        if body[1]:
            raise OSError("refused: %s" % REFUSALS.get(body[1], body[1]))
        self.connected = True
        beside = [asyncio.create_task(self._ping()), asyncio.create_task(self._welcome())]
        try:
            while True:
                # Pings go out every third of this time, so silence means that the connection is dead.
                kind, flags, body = await asyncio.wait_for(self._packet(reader), self._keepalive)
                if kind == PUBLISH:
                    topic, payload, mid = parse_publish(flags, body)
                    self._on_message(topic, payload)
                    if mid is not None:
                        await self._send(packet(PUBACK, 0, struct.pack(">H", mid)))
                elif kind in (PUBACK, SUBACK):
                    exchange = self._waiting.pop(struct.unpack(">H", body[:2])[0], None)
                    if exchange:
                        exchange[1] = True
                        exchange[0].set()
        finally:
            for task in beside:
                task.cancel()

    async def _packet(self, reader):
        head = (await reader.readexactly(1))[0]
        length = shift = 0
        while True:
            digit = (await reader.readexactly(1))[0]
            length |= (digit & 0x7F) << shift
            shift += 7
            if not digit & 0x80:
                break
        if length > MOST_BYTES:
            raise ValueError("packet of %d bytes" % length)
        return head >> 4, head & 0x0F, await reader.readexactly(length) if length else b""

    async def _ping(self):
        try:
            while True:
                await asyncio.sleep(self._keepalive / 3)
                await self._send(packet(PINGREQ, 0, b""))
        except OSError:
            pass  # the reading task sees the same end

    async def _welcome(self):
        try:
            await self._on_connect()
        except OSError as error:
            log("mqtt: greeting: %s" % error)

    def _next_mid(self):
        self._mid = self._mid % 65535 + 1
        return self._mid

    async def _exchange(self, mid, parts):
        if not self.connected:
            raise OSError("not connected")
        exchange = self._waiting[mid] = [asyncio.Event(), False]
        await self._send(*parts)
        await exchange[0].wait()
        if not exchange[1]:
            raise OSError("connection lost")

    async def _send(self, *parts):
        async with self._lock:
            writer = self._writer
            for part in parts:
                if writer is None or writer is not self._writer:
                    raise OSError("not connected")
                writer.write(part)
                await writer.drain()

    async def _hang_up(self):
        self.connected = False
        writer, self._writer = self._writer, None
        waiting, self._waiting = self._waiting, {}
        for exchange in waiting.values():
            exchange[0].set()
        if writer:
            await close(writer)
