"""Hosts are found and connected to while everything else goes on, whatever name servers do."""

import asyncio
import time

from edge import names
from edge.port import close
from tests.edge.helpers import raises
from tests.edge.net import Udp, outcome


def on_loopback():
    return ["127.0.0.1"]


names.here.name_servers = on_loopback
A = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04"
ALIAS = b"\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x3c\x00\x06\x03mq1\xc0\x11"


def reply(question, *records, code=0, id_=None):
    head = (id_ or question[:2]) + b"\x81" + bytes([0x80 | code]) + b"\x00\x01\x00" + bytes([len(records)]) + bytes(4)
    return head + question[12:] + b"".join(records)


def looked_up(answer, name="mqtt.city.example", known=None):
    """Return what `addresses` gives with a name server that answers so, and how often it was asked."""

    async def run():
        server = Udp(answer)
        names.PORT = server.port
        try:
            return await outcome(names.addresses({} if known is None else known, name)), len(server.asked)
        finally:
            server.close()
            names.PORT = 53

    return asyncio.run(run())


def test_a_name_is_found_with_all_its_addresses_also_behind_an_alias():
    answer = lambda question: reply(question, ALIAS, A + b"\x0a\x00\x00\x05", A + b"\x0a\x00\x00\x06")  # noqa: E731
    assert looked_up(answer) == (["10.0.0.5", "10.0.0.6"], 1)


def test_an_address_is_asked_of_nobody_and_what_only_the_system_finds_is_left_to_it():
    for name in ("192.0.2.7", "broker", "hub.local"):
        assert looked_up(lambda question: None, name) == ([name], 0)
    names.here.name_servers = list
    try:
        assert asyncio.run(names.addresses({}, "mqtt.city.example")) == ["mqtt.city.example"]
    finally:
        names.here.name_servers = on_loopback


def test_what_answers_another_question_is_not_taken_and_the_right_answer_behind_it_is():
    wrong = A + b"\x06\x06\x06\x06"
    for forged in (
        lambda question: reply(question, wrong, id_=b"\x00\x00" if question[:2] != b"\x00\x00" else b"\x01\x01"),
        lambda question: reply(question.replace(b"city", b"evil"), wrong),
        lambda question: question,  # no answer at all
        lambda question: b"",
        lambda question: reply(question, wrong)[:11],
    ):
        answer = lambda question: [forged(question), reply(question, A + b"\x0a\x00\x00\x05")]  # noqa: B023, E731
        assert looked_up(answer) == (["10.0.0.5"], 1)


def test_cut_and_twisted_answers_end_in_an_error_never_in_an_address_or_a_hang():
    whole = lambda question: reply(question, ALIAS, A + b"\x0a\x00\x00\x05")  # noqa: E731
    asked = names.dns_question("mqtt.city.example")
    good = whole(asked)
    for length in range(len(good)):
        error = raises((ValueError, OSError), names.dns_answer, good[:length], asked)
        assert error.args
    for at in range(len(good)):
        for value in (0, 0x3F, 0xC0, 0xFF):
            twisted = good[:at] + bytes([value]) + good[at + 1 :]
            try:
                found = names.dns_answer(twisted, asked)
            except (ValueError, OSError):
                continue
            assert len(found) == 1, at


def test_a_name_server_that_refuses_is_believed_at_once_and_its_last_answer_is_used():
    known = {}
    told, _ = looked_up(lambda question: reply(question, code=3), known=known)
    assert "mqtt.city.example" in told
    assert "code 3" in told
    assert looked_up(lambda question: reply(question, A + b"\x0a\x00\x00\x05"), known=known)[0] == ["10.0.0.5"]
    assert looked_up(lambda question: reply(question, code=2), known=known)[0] == ["10.0.0.5"]


def test_while_a_name_server_is_silent_everything_else_goes_on():
    async def run():
        names.PATIENCE = 1
        server = Udp(lambda question: None)
        names.PORT = server.port
        longest = [0]

        async def measure():
            last = time.time()
            while True:
                await asyncio.sleep(0.01)
                now = time.time()
                longest[0] = max(longest[0], now - last)
                last = now

        task = asyncio.create_task(measure())
        told = await outcome(names.connect({}, "mqtt.city.example", 8883))
        task.cancel()
        server.close()
        names.PORT, names.PATIENCE = 53, 2
        return told, longest[0], len(server.asked)

    told, longest, asked = asyncio.run(run())
    assert "no answer within 1 s" in told
    assert longest < 0.7
    assert asked == names.TRIES


def test_it_connects_to_the_first_address_that_takes_it_and_a_refusal_is_an_error():
    async def run():
        async def echo(reader, writer):
            writer.write(await reader.readexactly(5))
            await writer.drain()
            await close(writer)

        for port in range(42400, 42500):
            try:
                listening = await asyncio.start_server(echo, "127.0.0.1", port)
                break
            except OSError:
                pass  # taken
        server = Udp(lambda question: reply(question, A + b"\x7f\x00\x00\x02", A + b"\x7f\x00\x00\x01"))
        names.PORT = server.port
        reader, writer = await names.connect({}, "mqtt.city.example", port)
        try:
            writer.write(b"hello")
            await writer.drain()
        except OSError:
            pass  # MicroPython sees a refused connection when it writes
        told = await reader.read(5)
        await close(writer)
        listening.close()
        server.close()
        names.PORT = 53
        return told

    import sys

    if sys.implementation.name == "cpython":
        assert asyncio.run(run()) == b"hello"


def test_what_is_no_name_is_refused():
    for name in ("a..b", "x" * 64 + ".example"):
        raises(ValueError, names.dns_question, name)
