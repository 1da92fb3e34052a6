"""A channel is a codec and a server: what one hands over is kept, judged and shown, with how well its origin is proven.

The channel of these tests speaks lines such as ``t=1772424000 dt=60 laeq=71.5``; its server says what it has proven.
"""

import datetime as dt

import msgspec
import pytest

from hub.alerts.book import Book
from hub.desk.evidence import Source, messages
from hub.intake.admission import Admission
from hub.log.outcomes import Refused
from hub.registry.live import Registry, Station, Terminal
from hub.wire.channels import CHANNELS, Channel, Measured, Record, channel
from hub.wire.proof import PROOFS, weakest
from tests.hub.helpers import CITY, QUANTITIES, Hub, Speaker, at, open_all, record

NINE = at("2026-03-02 09:00")
TOPIC = "lines/1/north/tower/meter-1/data"


def decode(payload):
    """The codec."""
    fields = dict(part.split("=") for part in payload.decode().split())
    t, length = int(fields.pop("t")), int(fields.pop("dt"))
    values = {key: float(value) for key, value in fields.items() if not key.endswith(".flag")}
    flags = {key.removesuffix(".flag"): flag for key, flag in fields.items() if key.endswith(".flag")}
    return Measured("", 0, [Record(t, length, values, flags)])


LINES = Channel("hj212", "lines/1/", {"data": decode}, "none")
REGISTRY = msgspec.structs.replace(
    CITY, stations={"meter-1": Station(id="meter-1", site="tower", mn="A1", retired=dt.date(2026, 5, 1))}
)


@pytest.fixture(autouse=True)
def lines(monkeypatch):
    monkeypatch.setitem(CHANNELS, LINES.prefix, LINES)


@pytest.fixture
def hub(tmp_path):
    with Hub(tmp_path, registry=REGISTRY) as made:
        made.now = NINE + 3600
        yield made


def serve(hub, payload, proof=None, topic=TOPIC):
    """The server: hand over a line, and how well its origin was proven."""
    outcome = hub.admission.judge_proven(topic, payload.encode(), proof)
    hub.log.commit([outcome], hub.now)
    return outcome


def minutes(hub, level, proof, first=NINE, count=20):
    for n in range(count):
        serve(hub, f"t={first + 60 * n} dt=60 laeq={level}", proof)


def test_the_log_says_channel_source_and_proof(hub):
    serve(hub, f"t={NINE} dt=60 laeq=71.5 pm10=80 pm10.flag=D", "password")
    serve(hub, f"t={NINE + 60} dt=60 laeq=72.5")
    hub.hear(Speaker().telemetry(record(NINE, laeq=60.0)))
    named = [(entry.channel.name, entry.place.device, entry.proof) for entry in hub.entries()]
    assert named == [("hj212", "meter-1", "password"), ("hj212", "meter-1", "none"), ("board", "fence-1", "mac")]
    first = hub.entries()[0]
    assert first.payload == f"t={NINE} dt=60 laeq=71.5 pm10=80 pm10.flag=D".encode(), "verbatim"
    (interval,) = first.intervals
    assert (interval.device, interval.t, interval.dt) == ("meter-1", NINE, 60)
    assert (interval.values, interval.flagged) == ({"laeq": 71.5}, {"pm10": ("D", 80.0)})


def test_what_comes_again_is_taken_once_also_after_a_restart(hub):
    line = f"t={NINE} dt=60 laeq=71.5"
    for _ in range(2):
        serve(hub, line, "password")
        serve(hub, line, "password")
        hub.restart()
    both = [hub.admission.judge_proven(TOPIC, f"t={NINE + 60} dt=60 laeq=70".encode(), "password")] * 2
    hub.log.commit(both, hub.now)
    assert [entry.payload.decode() for entry in hub.entries()] == [line, f"t={NINE + 60} dt=60 laeq=70"]
    counts = {reason: n for (_, reason), n in hub.log.counts().items()}
    assert counts == {"accepted": 2, "duplicate": 4}


def test_a_verdict_is_proven_no_better_than_what_it_rests_on(hub):
    minutes(hub, 75.0, "certificate")
    hub.judge()
    hub.hear(Speaker().telemetry(*[record(NINE + 60 * n, 60, laeq=60.0) for n in range(20)]))
    hub.now += 3600
    hub.judge()
    assert {(v["device"], v["outcome"], v["proof"]) for v in hub.verdicts("laeq-day")} == {
        ("meter-1", "exceeded", "certificate"),
        ("fence-1", "compliant", "mac"),
    }


def test_one_line_of_unproven_origin_weakens_the_days_verdicts_and_a_restart_forgets_nothing(hub):
    minutes(hub, 75.0, "certificate", count=19)
    hub.judge()
    hub.restart()
    minutes(hub, 75.0, "none", first=NINE + 60 * 19, count=1)
    hub.judge()
    hub.restart()
    hub.now += 3600
    hub.judge()
    (verdict,) = hub.verdicts("laeq-day")
    assert (verdict["outcome"], verdict["proof"]) == ("exceeded", "none")


def test_the_evidence_of_an_alert_has_the_lines_and_how_they_were_proven(hub):
    minutes(hub, 75.0, "password")
    hub.now = NINE + 1200 + 301
    hub.judge()
    (alert,) = hub.alerts()
    assert (alert["device"], alert["state"]) == ("meter-1", "firing")
    db = open_all(hub.folder / "compliance.db")
    told = Book(db, lambda: hub.now).find_alerts({alert["id"]})[alert["id"]]
    sources = {"meter-1": Source(None, [(told.district, told.site)])}
    found, _ = messages(hub.folder / "log.db", told, [], sources, 0, 100)
    db.close()
    assert len(found) == 20
    assert {(one.entry.proof, one.authentic) for one in found} == {("password", None)}


@pytest.mark.parametrize(
    ("topic", "payload", "reason", "told"),
    [
        (
            "lines/1/north/tower/nobody/data",
            "t=1 dt=60 laeq=1",
            "unknown_board",
            "no hj212 'nobody' is in",
        ),
        ("lines/1/north/tower/fence-1/data", "t=1 dt=60 laeq=1", "unknown_board", "no hj212 'fence-1'"),
        ("lines/1/south/mill/meter-1/data", "t=1 dt=60 laeq=1", "wrong_topic", "belongs to north/tower"),
        ("lines/1/north/tower/meter-1/news", "t=1 dt=60 laeq=1", "topic", "lines/1/DISTRICT/SITE/SOURCE/KIND"),
        (TOPIC, "no line at all", "schema", ""),
        (TOPIC, f"t={NINE} dt=0 laeq=60", "interval", "at least 1 s"),
        (TOPIC, f"t={NINE} dt=60 phlogiston=1", "unknown_quantity", "'phlogiston'"),
        (TOPIC, f"t={NINE + 90_000} dt=60 laeq=60", "future", "ahead of the hub's clock"),
        (TOPIC, f"t={NINE - 500 * 86_400} dt=60 laeq=60", "past", "behind the hub's clock"),
    ],
)
def test_what_cannot_be_accepted_is_in_quarantine_with_its_reason_and_proof(hub, topic, payload, reason, told):
    outcome = serve(hub, payload, "password", topic)
    assert isinstance(outcome, Refused)
    (row,) = hub.quarantine()
    assert (row["reason"], row["proof"], row["payload"]) == (reason, "password", payload.encode())
    assert told in row["detail"]
    assert hub.entries() == []


def test_a_retired_station_is_refused(hub):
    hub.now = at("2026-05-01 00:01")
    assert serve(hub, f"t={int(hub.now) - 60} dt=60 laeq=60").reason == "retired_board"


def test_what_is_replayed_is_proven_as_it_was_when_it_came(hub):
    late = NINE + 90_000
    serve(hub, f"t={late} dt=60 laeq=60", "certificate")
    hub.now = late + 60
    hub.log.ask()
    assert hub.log.replay(hub.admission.judge, hub.now).messages["replayed"] == 1
    (entry,) = hub.entries()
    assert (entry.channel.name, entry.proof) == ("hj212", "certificate")


def test_a_value_out_of_range_is_flagged_as_a_boards_is(hub):
    serve(hub, f"t={NINE} dt=60 laeq=500 pm10=-50")
    (interval,) = hub.entries()[0].intervals
    assert interval.flagged == {"laeq": ("T", 500.0), "pm10": ("D", -50.0)}


def test_a_topic_of_no_channel_is_no_entry():
    with pytest.raises(ValueError, match="belongs to no channel"):
        channel("smoke/1/north/tower/fence-1/signal")


def test_proofs_are_ordered_and_known_by_every_channel():
    assert weakest("mac", "password") == weakest("password", "certificate") == "password"
    assert weakest("none", "none") == "none"
    assert all(one.proof in PROOFS for one in CHANNELS.values())


def test_a_terminal_is_found_like_a_station():
    terminal = Terminal(id="truck-1", site="mill", phone="13800000000")
    registry = Registry(CITY.sites, {}, {}, CITY.zone, terminals={"truck-1": terminal})
    assert registry.site_of("truck-1").id == "mill"
    admission = Admission(registry, QUANTITIES, lambda: NINE)
    assert isinstance(admission.judge_proven("lines/1/south/mill/truck-1/data", b"t=1 dt=1", None), Refused)
