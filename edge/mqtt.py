"""MQTT 3.1.1 client for asyncio: publishes with QoS 1, hears with QoS 0, last will, reconnection with back-off, jitter.

What it promises: `publish` returns only when the broker has acknowledged, and raises OSError when the connection went
before that; it keeps nothing of its own and sends nothing again by itself, since the outbox does. What it hears may be
missing: nothing waits for a board that is away (clean session), acknowledgements and orders are said again by whoever
says them, and configurations are retained. So QoS 1 would add nothing there, and cost a cluster most of its work. The
caller's `on_message` runs in the reading task, so it must be quick. A connection is whole or none: what
fails in greeting, a subscription that is refused, a packet that MQTT does not allow or an answer that does not come
ends it, and a new one is made. No byte that a broker sends ends `run`.
"""

import asyncio
import struct
from os import urandom

from edge.journal import log
from edge.monotonic import ticks_diff, ticks_ms
from edge.port import close

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK, PINGREQ, PINGRESP, DISCONNECT = 1, 2, 3, 4, 8, 9, 12, 13, 14
MOST_BYTES = 8192  # of one incoming packet: more would not fit the board's memory
PAUSE, LONGEST_PAUSE = 1, 60  # s between two attempts to connect
PATIENCE = 2  # keep-alive times until an answer is overdue
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
    """Return `(topic, payload, mid)` of a PUBLISH; `mid` is None with QoS 0. Raises ValueError where it is none."""
    end = 2 + _number(body, 0)
    if end > len(body) or flags & 0x06 == 0x06:
        raise ValueError("PUBLISH of %d bytes, flags %d" % (len(body), flags))
    topic = body[2:end].decode()
    if flags & 0x06:
        return topic, body[end + 2 :], _number(body, end)
    return topic, body[end:], None


def _number(body, at):
    """Return the two bytes of a packet at a place as a number; raises ValueError where it is shorter."""
    if len(body) < at + 2:
        raise ValueError("packet of %d bytes, expected %d or more" % (len(body), at + 2))
    return body[at] << 8 | body[at + 1]


class Client:
    """A connection that `run` keeps up for ever.

    `connect` is an async function giving `(reader, writer)`. `will`: `(topic, payload)`, or what gives it when asked.
    `on_connect()` is awaited after each connection, beside the reading of messages, so it may publish and subscribe;
    what it raises ends the connection. `on_message(topic, payload)` is called for each message.
    """

    def __init__(self, connect, client_id, keepalive, will, on_connect, on_message, user=None, password=None):
        self._connect = connect
        self._hello = client_id, keepalive, will, user, password
        self._keepalive = keepalive
        self._on_connect = on_connect
        self._on_message = on_message
        self._writer = None
        self._lock = asyncio.Lock()
        self._mid = 0
        self._waiting = {}  # packet identifier -> [Event, kind of the answer, when it was asked, what was answered]
        self._greeted = None  # when the greeting was done
        self.connected = False
        self.problem = ""  # why the last connection failed or ended

    async def run(self):
        """Connect, serve, and connect again; waits between attempts, longer each time."""
        pause = PAUSE
        while True:
            self._greeted = None
            try:
                await self._serve()
            except Exception as error:
                self.problem = "%s %s" % (error.__class__.__name__, error)
                log("mqtt: " + self.problem)
            finally:
                await self._hang_up()
            greeted = self._greeted
            lasted = greeted is not None and ticks_diff(ticks_ms(), greeted) > 10000
            pause = PAUSE if lasted else min(pause * 2, LONGEST_PAUSE)
            await asyncio.sleep(pause * (1 + urandom(1)[0] / 255) / 2)

    async def publish(self, topic, parts, retain=False):
        """Publish the joined bytes in `parts` with QoS 1.

        Returns when the broker has taken it, raises OSError when the connection went first.
        """
        mid = self._next_mid()
        await self._exchange(mid, PUBACK, publish_packet(topic, parts, mid, retain))

    async def subscribe(self, topic):
        """Subscribe with QoS 0; return when the broker has taken it, raise OSError when it refuses."""
        mid = self._next_mid()
        asked = packet(SUBSCRIBE, 0x02, struct.pack(">H", mid) + text(topic) + b"\x00")
        answer = await self._exchange(mid, SUBACK, [asked])
        if len(answer) != 3 or answer[2] > 2:
            raise OSError("subscription to %s refused: the broker's rights or limits do not allow it" % topic)

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
        client_id, keepalive, will, user, password = self._hello
        hello = connect_packet(client_id, keepalive, will() if callable(will) else will, user, password)
        await asyncio.wait_for(self._send(hello), keepalive)
        del hello, will
        kind, _, body = await asyncio.wait_for(self._packet(reader), self._keepalive)
        if kind != CONNACK or len(body) != 2:
            raise ValueError("no CONNACK")
        if body[1]:
            raise OSError("refused: %s" % REFUSALS.get(body[1], body[1]))
        self.connected = True
        over = asyncio.Event()
        trouble = []

        async def guarded(work):
            try:
                await work
            except Exception as error:
                trouble.append(error)
                over.set()

        tasks = [asyncio.create_task(guarded(work)) for work in (self._read(reader), self._ping(), self._welcome())]
        try:
            await over.wait()
        finally:
            for task in tasks:
                task.cancel()
        raise trouble[0]

    async def _read(self, reader):
        while True:
            # Pings go out every third of this time, so silence means that the connection is dead.
            kind, flags, body = await asyncio.wait_for(self._packet(reader), self._keepalive)
            if kind == PUBLISH:
                topic, payload, mid = parse_publish(flags, body)
                try:
                    self._on_message(topic, payload)
                except Exception as error:
                    # What one message does must not end a connection that would bring it again.
                    log("mqtt: message on %s: %s %s" % (topic, error.__class__.__name__, error))
                if mid is not None:
                    await self._send(packet(PUBACK, 0, struct.pack(">H", mid)))
            elif kind in (PUBACK, SUBACK):
                exchange = self._waiting.get(_number(body, 0))
                if exchange and exchange[1] == kind:
                    exchange[3] = body
                    exchange[0].set()
            elif kind != PINGRESP:
                raise ValueError("packet of kind %d" % kind)

    async def _packet(self, reader):
        head = (await reader.readexactly(1))[0]
        length = shift = 0
        while True:
            digit = (await reader.readexactly(1))[0]
            length |= (digit & 0x7F) << shift
            shift += 7
            if not digit & 0x80:
                break
            if shift > 21:
                raise ValueError("packet whose length has more than 4 bytes")
        if length > MOST_BYTES:
            raise ValueError("packet of %d bytes" % length)
        return head >> 4, head & 0x0F, await reader.readexactly(length) if length else b""

    async def _ping(self):
        """Send pings, and raise when an answer is overdue: a connection on which nothing is answered is none."""
        while True:
            await asyncio.sleep(self._keepalive / 3)
            now = ticks_ms()
            for exchange in self._waiting.values():
                if ticks_diff(now, exchange[2]) > PATIENCE * self._keepalive * 1000:
                    raise OSError("no answer within %d s" % (PATIENCE * self._keepalive))
            await self._send(packet(PINGREQ, 0, b""))

    async def _welcome(self):
        await self._on_connect()
        self._greeted = ticks_ms()

    def _next_mid(self):
        self._mid = self._mid % 65535 + 1
        return self._mid

    async def _exchange(self, mid, kind, parts):
        """Send a packet and return the answer of this kind; raise OSError when the connection went before it."""
        if not self.connected:
            raise OSError("not connected")
        waiting = self._waiting
        exchange = waiting[mid] = [asyncio.Event(), kind, ticks_ms(), None]
        try:
            await self._send(*parts)
            await exchange[0].wait()
        finally:
            waiting.pop(mid, None)
        if exchange[3] is None:
            raise OSError("connection lost")
        return exchange[3]

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
