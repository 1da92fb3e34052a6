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
