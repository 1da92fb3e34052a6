"""The hub's connection to the broker, by paho-mqtt: persistent session, manual acknowledgement.

One thread does all: it reads what has come, and acknowledges what is safe. While it does not read, the broker keeps
what the hub cannot take yet.

Messages and their acknowledgements, two kinds of packets of all, are read and written here, because paho takes five
times as long for them: a receiver that is no faster than one board's flood cannot find the other boards behind it.
"""

import logging
import random
import re
import select
import socket
import ssl
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Protocol, cast

import msgspec
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from hub.config.files import Broker, ConfigError, Id
from hub.intake.certificate import remark
from hub.wire.messages import KINDS
from hub.wire.topics import of_all

KEEPALIVE = 30  # s
PAUSES = (1.0, 30.0)  # s between two attempts to connect, the first and the longest
ANSWERED_SOON = 60.0
"""A broker that has not answered for so long is told with for how long [s]."""
MOST_READ = 4_000_000  # bytes in one `receive`, about
MOST_UNSENT = 4_000_000
"""Bytes that wait for a broker which does not read; beyond, nothing more is published."""

log = logging.getLogger("hub.link")


class Incoming(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A message as it came; `session` counts connections, since packet identifiers belong to one."""

    topic: str
    payload: bytes
    retained: bool
    mid: int
    qos: int
    session: int


class Problem(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Why there is no connection, as far as it is known, and since when (Unix s)."""

    text: str = ""
    since: float = 0.0

    @property
    def lasting(self) -> str:
        """Say for how long, and why."""
        return f" for {_span(time.time() - self.since)}: {self.text}" if self.text else ""


class Waitable(Protocol):
    """Something that `select` can wait for."""

    def fileno(self) -> int:
        """Return its descriptor."""


class Link:
    """Receives every kind of message that the boards of `districts` publish, of all districts if none is named.

    `topics`: what is received instead, from a broker to which no boards speak.
    """

    def __init__(self, broker: Broker, districts: Iterable[Id] = (), topics: Iterable[str] = ()) -> None:
        self._broker = broker
        boards = [of_all(kind, district) for district in districts or "+" for kind in KINDS]
        self._topics = list(topics) or boards
        self._arrived: list[Incoming] = []
        self._refused: list[str] = []  # topics that this connection asks for once more, at QoS 0
        self._pause = PAUSES[0]
        self._next_attempt = 0.0
        self.session = 0
        """How often a connection has begun or ended."""
        self.sessions = 0
        """How often the broker has let the hub in."""
        self.connected = False
        self.problem = Problem()
        client = self._client = _Client(
            CallbackAPIVersion.VERSION2, client_id=broker.client_id, clean_session=False, manual_ack=True
        )
        client.on_connect = self._connected
        client.on_subscribe = self._subscribed
        client.on_disconnect = self._disconnected
        client.on_message = self._received
        if broker.user is not None:
            client.username_pw_set(broker.user, _password(broker))
        if broker.ca is not None:
            try:
                client.tls_set(
                    str(broker.ca),
                    str(broker.certificate) if broker.certificate else None,
                    str(broker.key) if broker.key else None,
                    tls_version=ssl.PROTOCOL_TLS_CLIENT,
                )
            except OSError as error:
                files = ", ".join(str(file) for file in (broker.ca, broker.certificate, broker.key) if file)
                problem = f"broker: ca, certificate or key cannot be used: {_why(error)}; look at {files}"
                raise ConfigError(problem) from error
        client.connect_async(broker.host, broker.port, KEEPALIVE)

    def receive(self, most: int, timeout: float, other: "Waitable | None" = None) -> list[Incoming]:
        """Wait up to `timeout` s for messages, no longer than until `other` can be read; return those that have come.

        They are about `most` at most, and `MOST_READ` bytes.
        """
        client, stream = self._client, self._client.stream
        if client.socket() is None or stream is None:
            self._connect_when_due(timeout, other)
            return []
        try:
            ready = stream.wait(timeout, other)
            enough = stream.read + MOST_READ
            while ready and len(self._arrived) < most and stream.read < enough:
                if client.reading or stream.publishes(self._arrived, self.session, most):
                    stream.drained = False
                    failed = client.loop_read() != paho.MQTT_ERR_SUCCESS
                    ready = not (failed or stream.drained)
                elif len(self._arrived) < most:
                    ready = stream.more()
            client.loop_misc()
            if client.want_write():
                client.loop_write()  # what paho's callbacks ask for, such as the subscription, waits for this
            stream.flush()
        except OSError as error:
            why = f"{stream.last_words() or error}{self._perhaps()}"
            log.warning("connection to the broker lost: %s", why)
            self._has_problem(why)
            stream.fail()  # paho notices at its next read
        arrived, self._arrived = self._arrived, []
        return arrived

    def done(self, messages: Iterable[Incoming]) -> None:
        """Acknowledge messages to the broker, except those whose connection has ended: they come again."""
        stream, session = self._client.stream, self.session
        if stream is not None:
            mids = [message.mid for message in messages if message.session == session and message.qos]
            stream.send(b"".join([b"@\x02" + mid.to_bytes(2, "big") for mid in mids]))  # PUBACK (MQTT 3.1.1, 3.4)
        self._flush()

    def publish(self, topic: str, payload: bytes, *, retained: bool = False) -> None:
        """Publish with QoS 0: acknowledgements are cumulative, and a lost one is asked for again."""
        stream = self._client.stream
        if stream is None or stream.unsent() < MOST_UNSENT:
            self._client.publish(topic, payload, retain=retained)

    def close(self) -> None:
        """Disconnect; the broker keeps for the next session what was not acknowledged."""
        self._client.disconnect()

    def _flush(self) -> None:
        if self._client.stream is not None:
            with suppress(OSError):  # the next read says it
                self._client.stream.flush()

    def _connect_when_due(self, timeout: float, other: "Waitable | None") -> None:
        wait = self._next_attempt - time.monotonic()
        if wait > 0:
            select.select([other] if other else [], [], [], min(wait, timeout))
            return
        self._next_attempt = time.monotonic() + self._pause * random.uniform(0.5, 1)  # noqa: S311
        self._pause = min(PAUSES[1], self._pause * 2)
        try:
            self._client.reconnect()
        except (OSError, ValueError) as error:
            where = f"{self._broker.host}:{self._broker.port}"
            self._has_problem(f"{error}{self._perhaps()}")
            lasts = time.time() - self.problem.since
            again = f"for {_span(lasts)} now" if lasts >= ANSWERED_SOON else "trying again"
            log.warning("no broker answers at %s (%s)%s; %s", where, error, self._perhaps(), again)

    def _has_problem(self, text: str) -> None:
        """Note why there is no connection; since when is that of the first reason."""
        self.problem = Problem(text, self.problem.since or time.time())

    def _perhaps(self) -> str:
        """Return what is wrong with the hub's own certificate, to be told with what the broker did."""
        good, said = remark(self._broker)
        return "" if good else f"; {said.en}"

    def _connected(self, client: paho.Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        where = f"{self._broker.host}:{self._broker.port}"
        if reason.is_failure:
            log.error("the broker at %s refuses the hub: %s", where, reason)
            self._has_problem(f"it refuses the hub: {reason}")
            return
        self.session += 1
        self._refused = []
        client.subscribe([(topic, 1) for topic in self._topics])

    def _subscribed(self, client: paho.Client, _data: Any, _mid: int, granted: Any, _properties: Any) -> None:
        """Only now does the broker keep what boards publish for the hub."""
        where = f"{self._broker.host}:{self._broker.port}"
        asked = self._refused or self._topics
        refused = [topic for topic, code in zip(asked, granted, strict=False) if code.is_failure]
        if refused and not self._refused:
            # An ACL knows no QoS: what is granted without acknowledgements was refused by a limit, such as NATS's.
            self._refused = refused
            client.subscribe([(topic, 0) for topic in refused])
            return
        if self._refused:
            told, self._refused = ", ".join(refused or self._refused), []
            limit = "a limit of it is in the way, not its ACL; raise it (deploy/SIZING.md)"
            remedy = "mend its ACL" if refused else limit
            log.error("the broker at %s does not let the hub subscribe to %s: %s", where, told, remedy)
            self._has_problem(f"it does not let the hub subscribe to {told}: {remedy}")
            client.disconnect()
            return
        self.sessions += 1
        self.connected, self.problem = True, Problem()
        self._pause = PAUSES[0]
        log.info("connected to the broker at %s", where)
        if soon := remark(self._broker)[1].en:
            log.warning("%s", soon)

    def _disconnected(self, _client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self.session += 1
        self.connected = False
        if reason.is_failure:
            log.warning("connection to the broker lost: %s%s", reason, self._perhaps())
            self._has_problem(self.problem.text or f"{reason}{self._perhaps()}")

    def _received(self, _client: Any, _data: Any, m: paho.MQTTMessage) -> None:
        try:
            topic = m.topic
        except UnicodeDecodeError:
            topic = "(not UTF-8)"
        self._arrived.append(Incoming(topic, bytes(m.payload), m.retain, m.mid, m.qos, self.session))


class _Client(paho.Client):
    """paho's client on a `_Stream`: as it is, it asks the kernel four times for each message and once for each ack."""

    stream: "_Stream | None" = None

    @property
    def reading(self) -> bool:
        """Whether paho is in the middle of a packet."""
        return bool(self._in_packet["command"])

    def _handle_on_message(self, message: paho.MQTTMessage) -> None:
        # The hub has one callback for all topics: the search for others takes as long as reading the message.
        self.on_message(self, None, message)  # type: ignore[misc]

    def _create_socket(self) -> Any:
        self.stream = _Stream(cast("socket.socket | ssl.SSLSocket", super()._create_socket()))
        return self.stream


class _Stream:
    """A socket (plain or TLS) that reads much at once and writes when told to.

    `drained`: the kernel had nothing more to read. `read`: bytes read from it so far.
    """

    PIECE = 256 * 1024

    def __init__(self, sock: "socket.socket | ssl.SSLSocket") -> None:
        self._socket = sock
        self._in = b""
        self._at = 0
        self._out = bytearray()
        self._starved = False  # what is unread is no whole packet
        self._ended = False
        self.drained = False
        self.read = 0

    def wait(self, timeout: float, other: Waitable | None = None) -> bool:
        """Wait for something to read here or from `other`; meanwhile write what waits to be written."""
        self.flush()
        if self.pending():
            return True
        sources = [self._socket, other] if other else [self._socket]
        readable, _, _ = select.select(sources, [self._socket] if self._out else [], [], timeout)
        return self._socket in readable

    def publishes(self, arrived: list[Incoming], session: int, most: int) -> bool:
        """Add the messages that are here in full to `arrived`, until it has `most`.

        Returns:
            Whether the next packet is one for paho; else there is none yet, or enough has arrived.
        """
        data, at, end = self._in, self._at, len(self._in)
        for_paho = self._ended
        while not for_paho and len(arrived) < most:
            # PUBLISH (MQTT 3.1.1, section 3.3): kind and flags, length, topic, identifier, payload.
            size, begin, shift = 0, at + 1, 0
            more = begin < end
            while more and begin < end and shift < 28:
                size |= (data[begin] & 127) << shift
                more = data[begin] > 127
                begin, shift = begin + 1, shift + 7
            if at < end and (data[at] >> 4 != 3 or size > self.PIECE or (more and shift == 28)):
                for_paho = True
                break
            after = begin + size
            if at >= end or more or begin == at + 1 or after > end:
                self._starved = True
                break
            head = data[at]
            body = begin + 2 + (data[begin] << 8 | data[begin + 1]) if size >= 2 else after + 1
            mid, qos = 0, head >> 1 & 3
            if qos and body + 2 <= after:
                mid, body = data[body] << 8 | data[body + 1], body + 2
            elif qos or body > after:
                for_paho = True  # it says what is wrong with it
                break
            try:
                topic = data[begin + 2 : body - 2 if qos else body].decode()
            except UnicodeDecodeError:
                topic = "(not UTF-8)"
            arrived.append(Incoming(topic, data[body:after], bool(head & 1), mid, qos, session))
            at = after
        self._at = at
        return for_paho

    def more(self) -> bool:
        """Read more of what the kernel has; tell whether there was anything, or the end."""
        try:
            came = self._socket.recv(self.PIECE)
        except (BlockingIOError, ssl.SSLWantReadError):
            return False
        self._in, self._at = self._in[self._at :] + came, 0
        self._starved, self._ended = False, not came
        self.read += len(came)
        return True

    def recv(self, most: int) -> bytes:
        """Return 1 to `most` bytes; raise BlockingIOError when there are none."""
        at = self._at
        if at == len(self._in):
            try:
                self._in = self._socket.recv(self.PIECE)
            except (BlockingIOError, ssl.SSLWantReadError):
                self._in, self._at = b"", 0
                self.drained = True
                raise BlockingIOError from None
            self.read += len(self._in)
            self._starved = False
            at = 0
        piece = self._in[at : at + most]
        self._at = at + len(piece)
        return piece

    def pending(self) -> int:
        """Return how many bytes can be read without the kernel."""
        decrypted = self._socket.pending() if isinstance(self._socket, ssl.SSLSocket) else 0
        return decrypted if self._starved else len(self._in) - self._at + decrypted

    def unsent(self) -> int:
        """Return how many bytes wait to be written."""
        return len(self._out)

    def send(self, data: bytes) -> int:
        """Keep bytes for the next `flush`."""
        self._out += data
        return len(data)

    def flush(self) -> None:
        """Write what is kept, as far as the kernel takes it now."""
        while self._out:
            try:
                sent = self._socket.send(self._out)
            except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
                return
            del self._out[:sent]

    def last_words(self) -> str:
        """Return why the other side has ended a TLS connection, where it said so and nobody has read it yet."""
        try:
            while self._socket.recv(self.PIECE):
                pass
        except OSError as error:
            quiet = isinstance(error, ssl.SSLWantReadError) or not isinstance(error, ssl.SSLError)
            return "" if quiet else str(error)
        return ""

    def fail(self) -> None:
        """Let the next read find the end of the stream."""
        self._in, self._at = b"", 0
        self._out.clear()  # what can never be written would be tried again before that read
        self._starved = False
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Write what is kept, and close."""
        with suppress(OSError):
            self._socket.settimeout(1)
            self.flush()
        self._socket.close()

    def setblocking(self, on: bool) -> None:
        """See socket.setblocking."""
        self._socket.setblocking(on)

    def fileno(self) -> int:
        """See socket.fileno."""
        return self._socket.fileno()


def _why(error: OSError) -> str:
    """Say what is wrong with a file of TLS; OpenSSL names its own source line instead."""
    said = error.strerror or str(error)
    if "KEY_VALUES_MISMATCH" in said:
        return "the key is not that of the certificate"
    if "PEM lib" in said or "NO_START_LINE" in said:
        return "one of them is no PEM file"
    return re.sub(r" \(_ssl\.c:\d+\)$", "", said)


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _password(broker: Broker) -> str | None:
    if broker.password_file is None:
        return None
    try:
        return broker.password_file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ConfigError(f"broker: password_file {broker.password_file} cannot be read: {why}") from error
