"""What a laptop tells the hub is split into what the hub reads, and goes nowhere but to the hub."""

import datetime as dt
import http.server
import json
import threading

import pytest

from firmware.notebook.boards import BoardRecord, Outgoing
from firmware.sync.hub_client import MOST_BYTES, HubClient, UnreachableError, portions
from firmware.terminal.speech import FieldError

RECORD = BoardRecord(
    "pit-1", "pit", "nanhai", [{"type": "modbus"}, {"type": "plantower"}], "127.0.0.1:1883", "Technician 7"
)
OUTGOING = Outgoing("pit-1", dt.datetime(2026, 11, 26, tzinfo=dt.UTC), "ab" * 32)


def test_entries_are_sent_in_portions_that_the_hub_reads():
    entries = [("calibrations", {"n": n, "text": "x" * 900}) for n in range(100)]
    split = portions(entries)
    assert [entry for portion in split for entry in portion] == entries
    assert len(split) > 3
    assert all(len(json.dumps([entry for _, entry in portion])) < MOST_BYTES + 1000 for portion in split)
    assert portions([]) == [[]]


@pytest.fixture
def answers():
    """A server that answers as it is told, and keeps what it was asked."""
    told, asked = {"status": 200, "headers": {}, "body": b"{}"}, []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_PUT(self):
            asked.append((self.path, dict(self.headers), self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(told["status"])
            for name, value in told["headers"].items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(told["body"])))
            self.end_headers()
            self.wfile.write(told["body"])

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield told, asked, HubClient(f"http://127.0.0.1:{server.server_port}", "li.secret")
        server.shutdown()
        thread.join()


def test_the_key_is_told_with_the_token_and_a_redirection_is_not_followed(answers):
    told, asked, hub = answers
    told["body"] = json.dumps({"registered": True, "calibrations": 0, "repairs": 0}).encode()
    assert hub.tell(RECORD, OUTGOING, [], []) == {"registered": True, "calibrations": 0, "repairs": 0}
    path, headers, body = asked.pop()
    assert path == "/api/v1/boards/pit-1"
    assert headers["Authorization"] == "Bearer li.secret"
    assert json.loads(body)["key"] == "ab" * 32
    told.update(status=307, headers={"Location": "http://127.0.0.1:1/elsewhere"}, body=b"")
    with pytest.raises(FieldError, match="no hub of this version"):
        hub.tell(RECORD, OUTGOING, [], [])
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("status", "body", "kind", "why"),
    [
        (503, b'{"detail": "the registry cannot be changed now"}', UnreachableError, "what waits is kept"),
        (429, b'{"detail": "later"}', UnreachableError, "what waits is kept"),
        (409, b'{"detail": "key: another key here"}', FieldError, "refuses it .409.: key: another key here"),
        (200, b"<html>hotel login</html>", FieldError, "no hub of this version"),
    ],
)
def test_what_the_hub_says_decides_whether_it_can_be_sent_later(answers, status, body, kind, why):
    told, _, hub = answers
    told.update(status=status, body=body)
    with pytest.raises(kind, match=why) as refused:
        hub.tell(RECORD, OUTGOING, [], [])
    assert type(refused.value) is kind
    assert "ab" * 32 not in str(refused.value)


@pytest.mark.parametrize("url", ["http://hub.city.example", "http://10.0.0.1:8433", "ftp://localhost", "hub"])
def test_keys_go_over_https_or_stay_on_this_machine(url):
    with pytest.raises(FieldError, match=r"keys are not sent over plain http|expected https"):
        HubClient(url, "li.secret")


def test_nobody_sees_a_key_or_token_by_accident():
    assert "secret" not in repr(HubClient("https://hub.city.example", "li.secret"))
    assert "abab" not in repr(OUTGOING)
