"""Messages are read from the broker's bytes as they are, however they are cut into pieces."""

import socket
import struct
import time
from contextlib import closing
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.config.files import Broker
from hub.intake.broker import Incoming, Link, _Stream
from tests.nats import Nats

PINGRESP = b"\xd0\x00"


def packet(topic, payload, qos, mid, retain=False):
    """Return a PUBLISH packet (MQTT 3.1.1, section 3.3)."""
    rest = struct.pack(">H", len(topic)) + topic + (struct.pack(">H", mid) if qos else b"") + payload
    size, length = len(rest), bytearray()
    while True:
        size, digit = divmod(size, 128)
        length.append(digit | (0x80 if size else 0))
        if not size:
            return bytes((0x30 | qos << 1 | retain,)) + bytes(length) + rest


def read(pieces, most=10**6):
    """Return what is read of bytes that come in pieces: the messages, and what is left for paho."""
    ours, theirs = socket.socketpair()
    arrived = []
    with closing(ours), closing(theirs):
        ours.setblocking(False)
        theirs.setblocking(False)
        stream, waiting = _Stream(ours), list(pieces)
        while waiting:
            waiting[0] = waiting[0][theirs.send(waiting[0]) :]
            waiting = waiting if waiting[0] else waiting[1:]
            while stream.more():
                if stream.publishes(arrived, 7, most):
                    return arrived, stream.recv(10**6) + b"".join(waiting)
        return arrived, None


@given(
    sent=st.lists(
        st.tuples(
            st.sampled_from(["fenceline/1/a/b/c/telemetry", "t", "施工/1"]),
            st.sampled_from([0, 1, 100, 127, 128, 16_383, 16_384, 70_000]),
            st.sampled_from([0, 1]),
            st.booleans(),
        ),
        max_size=6,
    ),
    cuts=st.lists(st.integers(0, 100_000), max_size=8),
)
def test_every_message_is_read_once_in_order_whatever_the_pieces(sent, cuts):
    expected = [
        Incoming(topic, b"x" * size, retain, mid if qos else 0, qos, 7)
        for mid, (topic, size, qos, retain) in enumerate(sent, 300)
    ]
    data = b"".join(packet(m.topic.encode(), m.payload, m.qos, m.mid, m.retained) for m in expected) + PINGRESP
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    pieces = [data[begin:end] for begin, end in pairwise(places)]
    assert read(pieces) == (expected, PINGRESP)


def test_a_topic_that_is_no_text_is_read_all_the_same():
    arrived, _ = read([packet(b"\xff", b"1", 1, 5) + PINGRESP])
    assert arrived == [Incoming("(not UTF-8)", b"1", False, 5, 1, 7)]


def test_what_is_no_message_or_too_large_for_one_is_left_to_paho():
    broken = b"\x32\x02\x00\x09"  # its topic would be longer than the packet
    assert read([broken]) == ([], broken)
    assert read([b"\x32\xff\xff\xff\x7f"]) == ([], b"\x32\xff\xff\xff\x7f")
    assert read([PINGRESP + packet(b"t", b"", 1, 1)])[0] == []


@pytest.mark.parametrize(
    ("user", "remedy"), [("small", "a limit of it is in the way, not its ACL"), ("deaf", "mend its ACL")]
)
def test_a_refused_subscription_is_told_by_its_cause_and_tried_again(tmp_path, caplog, user, remedy):
    (tmp_path / "password").write_text("right")
    server = Nats(
        tmp_path,
        """accounts {
          CITY { jetstream: enabled, users: [{ user: deaf, password: right, permissions: {
            subscribe: ["fenceline.1.*.*.*.telemetry", "fenceline.1.*.*.*.event", "$MQTT.sub.>"] } }] }
          SMALL { jetstream: { max_consumers: 3 }, users: [{ user: small, password: right }] } }""",
    )
    link = Link(Broker(port=server.port, user=user, password_file=tmp_path / "password"))
    told = "does not let the hub subscribe"
    try:
        deadline = time.monotonic() + 30
        while caplog.text.count(told) < 2 and time.monotonic() < deadline:
            link.receive(10, 0.1)
            assert not link.connected
    finally:
        link.close()
        server.stop()
    assert caplog.text.count(told) >= 2, "it goes on trying"
    assert remedy in caplog.text
    assert "/reply" in caplog.text
