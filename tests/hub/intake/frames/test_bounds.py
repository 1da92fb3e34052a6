"""What every server of frames bounds: silence, halves, strangers, answers that nobody reads, connections of one."""

import socket
import time
from types import SimpleNamespace

import pytest

import hub.intake.frames.server
from hub.config.files import Hj212, Jt808
from hub.intake.frames.connection import GONE
from hub.intake.stations.server import StationServer
from hub.intake.terminals.server import TerminalServer
from tests.hub.intake.frame_hub import until

SPEAKERS = {
    "stations": (StationServer, Hj212, b"##0008QN=1;CN=2E3D4\r\n", b"##0500half"),
    "terminals": (TerminalServer, Jt808, b"\x7e\x00\x02\x00\x00\x01\x38\x00\x00\x00\x01\x00\x01\x3b\x7e", b"\x7ehalf"),
}
SOON = 0.3
NEVER = 1e6


@pytest.fixture(params=SPEAKERS)
def world(request, monkeypatch):
    """Give what starts a server whose bounds are as named, and how its speakers speak."""
    make, settings, whole, half = SPEAKERS[request.param]
    started = []
    module = hub.intake.frames.server

    def serve(connections=100, idle_s=NEVER, name_within=NEVER, finish_within=NEVER):
        monkeypatch.setattr(module, "LOOK_EVERY", 0.05)
        monkeypatch.setattr(module, "NAME_WITHIN", name_within)
        monkeypatch.setattr(module, "FINISH_WITHIN", finish_within)
        server = make(settings(connections=connections, idle_minutes=idle_s / 60))
        server.start()
        started.append(server)
        return server

    yield SimpleNamespace(serve=serve, whole=whole, half=half)
    for server in started:
        server.stop()


def connect(server):
    one = socket.create_connection(("127.0.0.1", server.port), 60)
    one.settimeout(60)
    return one


def connections_of(server, how_many):
    return until(lambda: len(server._all()) == how_many and server._all(), f"{how_many} connections", 60)


def is_closed(one):
    try:
        return one.recv(10) == b""
    except ConnectionResetError:
        return True


def known(server, connection, id_):
    """Let somebody have proven themselves, as the judge would say."""
    server._loop.call_soon_threadsafe(server.know, connection, id_)


def test_who_does_not_say_who_it_is_is_sent_away_and_who_has_is_not(world):
    server = world.serve(name_within=SOON)
    with connect(server) as one:
        known(server, *connections_of(server, 1), "a")
        until(lambda: server.known == 1, "it is known", 60)
        with connect(server) as silent:
            assert is_closed(silent)
        one.settimeout(3 * SOON)
        with pytest.raises(TimeoutError):
            one.recv(10)


def test_a_connection_on_which_nothing_comes_is_closed(world):
    server = world.serve(idle_s=SOON)
    with connect(server) as one:
        known(server, *connections_of(server, 1), "a")
        assert is_closed(one)
    until(lambda: (server.known, server.connected) == (0, 0), "nobody is there", 60)


def test_half_a_frame_is_taken_as_it_is_when_its_end_does_not_come(world):
    server = world.serve(finish_within=SOON)
    with connect(server) as one:
        one.sendall(world.half)
        (waiting,) = until(lambda: server.take(10), "a piece", 60)
        assert waiting.came.raw.endswith(b"half")
        one.sendall(world.whole)
        assert until(lambda: server.take(10), "the next frame is heard", 60)


def test_of_one_only_the_newest_connections_stay(world):
    server = world.serve()
    lines = []
    seen = set()
    for _ in range(hub.intake.frames.server.OF_ONE + 1):
        lines.append(connect(server))
        (new,) = until(lambda: set(server._strangers) - seen, "it is there", 60)
        seen.add(new)
        known(server, new, "a")
        until(lambda new=new: new.ids, "it is known", 60)
    assert is_closed(lines[0])
    for line in lines:
        line.close()


def test_a_silent_crowd_makes_room_and_those_that_are_known_do_not(world):
    server = world.serve(connections=2)
    with connect(server) as first, connect(server) as second:
        for number, connection in enumerate(connections_of(server, 2)):
            known(server, connection, f"id-{number}")
        until(lambda: server.known == 2, "both are known", 60)
        with connect(server) as third:
            assert is_closed(third)
        first.close()
        until(lambda: server.connected == 1, "one has gone", 60)
        with connect(server) as silent:
            connections_of(server, 2)
            with connect(server) as another:
                assert is_closed(silent)
                another.sendall(world.whole)
                assert until(lambda: server.take(10), "who comes is heard", 60)
        assert second.fileno() > 0


def test_more_frames_than_may_be_under_way_are_not_read(world):
    server = world.serve()
    with connect(server) as one:
        (connection,) = connections_of(server, 1)
        one.setblocking(False)
        sent = one.send(world.whole * 200_000)  # so much as the kernel takes
        until(lambda: not connection.transport.is_reading(), "it is not read any more", 60)
        most = 1 + hub.intake.frames.connection.READ // len(world.whole) + connection.most_flying
        assert connection.most_flying <= connection.flying <= most
        assert sent > most * len(world.whole)


def test_who_does_not_read_its_answers_is_given_up(world):
    server = world.serve()
    with connect(server) as one:
        (connection,) = connections_of(server, 1)
        deadline = time.monotonic() + 60
        while connection.transport is not None and time.monotonic() < deadline:
            server._loop.call_soon_threadsafe(connection.say, b"x" * GONE)
            time.sleep(0.01)
        assert connection.transport is None
        assert server.connected == 0
        one.close()
