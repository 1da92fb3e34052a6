"""The clock is set by what can be believed, and stays as it is by everything else a time server may say."""

import asyncio
import struct
import time

from edge import ntp
from edge.board_host import Board
from tests.edge.helpers import raises
from tests.edge.net import Udp, outcome

HOUR = 3600


def stamp(t):
    seconds = (int(t) + 2208988800) & 0xFFFFFFFF
    return struct.pack(">II", seconds, int((t - int(t)) * 65536) << 16)


def answer(question, t, leap=0, stratum=2, mode=4, origin=None, code=b"\x0a\x00\x00\x01"):
    head = bytes([leap << 6 | 4 << 3 | mode, stratum, 6, 0xEC]) + bytes(8) + code
    return head + stamp(t) + (question[40:48] if origin is None else origin) + stamp(t) + stamp(t)


def server_at(shift, **kinds):
    """Return how a server answers whose time is `shift` s ahead; None: not at all."""
    if shift is None:
        return lambda question: None
    return lambda question: answer(question, time.time() + shift, **kinds)


def found(*answers, own=0, hub=None):
    """Return by how many s the clock would be ahead of the real time, or why it stays as it is.

    `answers`: of servers with addresses of their own. `own`, `hub`: by how much the clock and the hub are ahead; None:
    no such.
    """

    async def run():
        board = Board({"folder": "/tmp"})
        real = int(time.time() * 1000) - board.ticks_ms()
        port = 0
        servers = []
        for place, each in enumerate(answers):
            servers.append(Udp(each, "127.0.0.%d" % (place + 1), port))
            port = servers[0].port
        specs = ["127.0.0.%d:%d" % (place + 1, port) for place in range(len(servers))]
        shifts = [None if shift is None else real + shift * 1000 for shift in (own, hub)]
        ntp.names.PATIENCE = 1
        told = await outcome(ntp.offset(board, specs, *shifts))
        for each in servers:
            each.close()
        return told if isinstance(told, str) else round((told - real) / 1000)

    return asyncio.run(run())


def test_the_time_between_two_instants_is_told_to_a_tenth_of_a_second():
    asked = ntp.question()
    assert abs(ntp.answer(answer(asked, 1794999990.25), asked) - 1794999990250) < 2
    assert ntp.answer(answer(asked, 2085978500), asked) == 2085978500000  # after the counter's end in 2036


def test_what_no_clock_may_be_set_by_is_refused():
    asked = ntp.question()
    t = 1794999990
    kiss = bytes([0xE4, 0, 6, 0xEC]) + bytes(8) + b"RATE" + bytes(32)
    for heard, why in (
        (kiss, "another question"),
        (kiss[:24] + asked[40:48] + bytes(16), "RATE"),
        (answer(asked, t, leap=3), "leap 3"),
        (answer(asked, t, stratum=16), "stratum 16"),
        (answer(asked, t, origin=bytes(8)), "another question"),
        (answer(asked, t, mode=3), "another question"),
        (answer(asked, t, mode=5), "another question"),
        (answer(asked, t)[:20], "20 bytes"),
        (answer(asked, t)[:47], "47 bytes"),
        (b"", "0 bytes"),
        (answer(asked, -2208988800), "expected"),
        (answer(asked, 946684800), "expected"),
        (answer(asked, 4102444800), "expected"),
        (asked, "another question"),
    ):
        error = raises((ValueError, OSError), ntp.answer, heard, asked)
        assert why in str(error), (heard, error)


def test_one_server_keeps_a_clock_and_sets_one_that_never_was():
    assert found(server_at(0)) == 0
    assert found(server_at(30)) == 30
    assert found(server_at(5 * HOUR), own=None) == 5 * HOUR


def test_a_clock_that_is_set_jumps_only_when_two_sources_agree():
    assert "no second source agrees" in found(server_at(3 * HOUR))
    assert "no second source agrees" in found(server_at(3 * HOUR), server_at(-HOUR))
    assert found(server_at(3 * HOUR), server_at(3 * HOUR)) == 3 * HOUR
    assert found(server_at(3 * HOUR), server_at(0)) == 0
    assert found(server_at(3 * HOUR), hub=3 * HOUR + 4) == 3 * HOUR
    assert "no second source agrees" in found(server_at(3 * HOUR), hub=0)


def test_two_that_disagree_do_not_set_a_clock_that_never_was_and_a_third_decides():
    assert "no second source agrees" in found(server_at(0), server_at(HOUR), own=None)
    assert found(server_at(HOUR), server_at(0), server_at(0), own=None) == 0


def test_a_server_that_refuses_is_passed_over():
    kiss = server_at(9, stratum=0, code=b"DENY")
    assert "DENY" in found(kiss)
    assert found(kiss, server_at(0)) == 0
    assert found(server_at(None), server_at(0)) == 0


def test_one_address_named_twice_is_one_server():
    async def run():
        server = Udp(server_at(3 * HOUR))
        board = Board({"folder": "/tmp"})
        spec = "127.0.0.1:%d" % server.port
        told = await outcome(ntp.offset(board, [spec, spec], board.now_ms() - board.ticks_ms(), None))
        server.close()
        return told, len(server.asked)

    told, asked = asyncio.run(run())
    assert "no second source" in told
    assert asked == 1


def test_a_forged_answer_costs_nothing_when_the_right_one_follows():
    def both(question):
        return [answer(question, time.time() + HOUR, origin=b"12345678"), answer(question, time.time())]

    assert found(both) == 0
