"""The hub's log as people and as log collectors read it."""

import datetime as dt
import json
import logging

import pytest

from hub.process import logs


@pytest.fixture(autouse=True)
def _as_it_was():
    root, uvicorn = logging.getLogger(), logging.getLogger("uvicorn")
    handlers, levels = root.handlers[:], (root.level, uvicorn.level)
    yield
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    uvicorn.setLevel(levels[1])


def test_people_read_lines(capsys):
    logs.configure("text")
    logging.getLogger("hub.link").warning("no broker answers at %s", "127.0.0.1:1883", extra={"device": "fence-1"})
    assert capsys.readouterr().err.endswith(" WARNING hub.link: no broker answers at 127.0.0.1:1883\n")


def test_collectors_read_one_object_a_line(capsys):
    logs.configure("json")
    logging.getLogger("hub.admission").warning("%s: 值不可信", "fence-1", extra={"device": "fence-1", "seq": 7})
    line = json.loads(capsys.readouterr().err)
    time = dt.datetime.fromisoformat(line.pop("time"))
    assert time.utcoffset() == dt.timedelta(0)
    assert abs(time - dt.datetime.now(dt.UTC)) < dt.timedelta(minutes=5)
    assert line == {
        "level": "WARNING",
        "logger": "hub.admission",
        "message": "fence-1: 值不可信",
        "device": "fence-1",
        "seq": 7,
    }


def test_an_exception_stays_in_its_line(capsys):
    logs.configure("json")
    try:
        1 / 0  # noqa: B018
    except ZeroDivisionError:
        logging.getLogger("hub").exception("failed")
    out = capsys.readouterr().err
    assert out.count("\n") == 1
    assert "ZeroDivisionError" in json.loads(out)["exc_info"]


def test_only_what_is_asked_for_is_told_and_the_web_server_keeps_quiet(capsys):
    logs.configure("json", logging.INFO)
    logging.getLogger("hub").debug("detail")
    logging.getLogger("uvicorn.error").info("Started server process")
    assert capsys.readouterr().err == ""
    logging.getLogger("uvicorn.error").error("broken")
    assert json.loads(capsys.readouterr().err)["logger"] == "uvicorn.error"


def test_configured_twice_a_message_is_told_once(capsys):
    logs.configure("text")
    logs.configure("json")
    logging.getLogger("hub").error("once")
    assert capsys.readouterr().err.count("once") == 1


def test_a_line_that_comes_again_and_again_is_counted_and_the_others_are_not_held_up(capsys):
    logs.configure("text")
    log, now = logging.getLogger("hub.link"), [100.0]
    (handler,) = logging.getLogger().handlers
    handler.filters[:] = [logs.Limiter(lambda: now[0])]
    for n in range(282_021 // 100):
        log.warning("connection to the broker lost: [Errno 32] Broken pipe, after %d ms", n)
    log.error("the disk is full")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == logs.FREELY + 1
    assert lines[-1].endswith("ERROR   hub.link: the disk is full")
    now[0] += logs.EVERY
    for n in range(10):
        log.warning("connection to the broker lost: [Errno 32] Broken pipe, after %d ms", n)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(f"after 0 ms (and {2820 - logs.FREELY} more like it in the last 60 s)")
    now[0] += 3 * logs.EVERY
    log.warning("connection to the broker lost: [Errno 32] Broken pipe, after 1 ms")
    now[0] += 3 * logs.EVERY
    for _ in range(3):
        log.warning("connection to the broker lost: [Errno 32] Broken pipe, after 1 ms")
    lines = capsys.readouterr().err.splitlines()
    assert "(and 9 more like it" in lines[0]
    assert len(lines) == 4
    assert not any("more like it" in line for line in lines[1:])


def test_what_is_counted_takes_little_memory(capsys):
    limiter = logs.Limiter()
    for n in range(3000):
        word = "".join(chr(97 + int(digit)) for digit in str(n))
        assert limiter.filter(logging.LogRecord("hub", logging.INFO, "", 0, word, (), None))
    assert len(limiter._seen) == logs.MOST_KINDS
