"""MQTT packets as nobody's library writes them, and a client that sends them: what a stolen certificate can do."""

import contextlib
import socket
import ssl
import struct

GRACE = 60  # s
CONNECT, CONNACK, PUBLISH, SUBSCRIBE, SUBACK, UNSUBSCRIBE = 0x10, 0x20, 0x30, 0x82, 0x90, 0xA2
USER_PROPERTY = b"\x26\0\1a\0\1a"
"""Of MQTT 5. Of all that a message may carry, this takes the most memory for its bytes: three pieces for seven."""


def varint(n):
    out = bytearray()
    while True:
        n, digit = n >> 7, n & 0x7F
        out.append(digit | (0x80 if n else 0))
        if not n:
            return bytes(out)


def text(value):
    data = value.encode()
    return struct.pack(">H", len(data)) + data


def packet(first, body):
    return bytes([first]) + varint(len(body)) + body


def publish(topic, mid=1, payload=b"", properties=None, *, qos=1, retain=False):
    """Return a PUBLISH; `properties` are those of MQTT 5, and None stands for an older version."""
    body = text(topic) + (struct.pack(">H", mid) if qos else b"")
    if properties is not None:
        body += varint(len(properties)) + properties
    return packet(PUBLISH | qos << 1 | retain, body + payload)


def heaviest(topic, most, mid=1, *, retain=False):
    """Return the PUBLISH of at most `most` bytes that takes the most memory in the broker."""
    room = most - len(publish(topic, mid, properties=bytes(200)))
    return publish(topic, mid, properties=USER_PROPERTY * ((room + 200) // len(USER_PROPERTY)), retain=retain)


class Attacker:
    """One connection with one certificate; while `deaf` it sends without ever reading what comes back."""

    deaf = False

    def __init__(self, broker, name, version=5, *, clean=True, will=None):
        self._socket = handshake(broker, name)
        self._socket.settimeout(GRACE)
        flags = (2 if clean else 0) | (0x2C if will else 0)
        body = text("MQTT") + bytes([version, flags]) + struct.pack(">H", 60)
        # A session that never ends; older versions say that by not being clean.
        body += (b"\5\x11" + b"\xff" * 4) if version == 5 else b""
        body += text(name) + ((b"\0" if version == 5 else b"") + text(will[0]) + text(will[1]) if will else b"")
        self.send(packet(CONNECT, body))
        assert self._socket.recv(4096)[0] == CONNACK

    def send(self, data, times=1):
        """Send; return whether the broker has kept the connection so far."""
        try:
            for _ in range(times):
                self._socket.sendall(data)
                if not self.deaf:
                    self._forget_what_came()
        except OSError:
            return False
        return True

    def receive(self):
        return self._socket.recv(65536)

    def _forget_what_came(self):
        self._socket.settimeout(0)
        with contextlib.suppress(ssl.SSLWantReadError):
            while self._socket.recv(65536):
                pass
        self._socket.settimeout(GRACE)

    def is_thrown_out(self):
        """Tell whether the broker ends the connection."""
        try:
            while self._socket.recv(65536):
                pass
        except TimeoutError:
            return False
        except OSError:
            pass
        return True

    def close(self):
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


def handshake(broker, name):
    """Return a TLS connection that has not said a word of MQTT yet."""
    plain = socket.create_connection(("127.0.0.1", broker.port), GRACE)
    return broker.tls(name).wrap_socket(plain, server_hostname="127.0.0.1")
