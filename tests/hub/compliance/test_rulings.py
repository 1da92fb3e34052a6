"""From logged messages to verdicts and alerts about rules of a pack, also when the process is killed in between."""

import itertools
import json
import os
import random
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from hub.alerts.book import Book
from hub.compliance.present import not_judged, present_ruling
from hub.compliance.rule_table import RuleTable
from hub.compliance.rulings import EVERY, GRACE, NEWS, PRUNE_EVERY, Rulings
from hub.judge.kinds import KINDS
from hub.judge.kinds.docket import KEEP
from hub.log.log import Log
from hub.log.outcomes import Admitted
from hub.registry.live import Board, Registry, Site
from hub.storage.compliance_file import open_compliance
from hub.things.entries import Thing
from hub.things.store import ThingStore
from hub.things.tables import PART as THINGS
from hub.wire import channels
from hub.wire.channels import Channel, Observed
from schemas import domains
from schemas.domains.folders import HERE
from schemas.domains.pack import Pack
from schemas.language import Lang
from sim.packs.cases import Case
from tests.hub.helpers import SHANGHAI, at, open_all, query

HARBOUR = Path(__file__).resolve().parents[2] / "data" / "domains" / "harbour"
FIXES = Channel("fixes", "fixes/", {"fixes": msgspec.json.Decoder(Observed).decode}, "password")
TEN = at("2026-03-03 10:00")
PORT = Registry(
    sites={"quay": Site(id="quay", district="nansha", kind="berth", en="Quay", zh="码头")},
    boards={"t-1": Board(id="t-1", site="quay")},
    keys={"t-1": b"1" * 32},
    zone=SHANGHAI,
)
SAID = ("rule", "subject", "start", "end", "outcome", "grade", "reason", "evidence", "open", "revision", "amends")


@pytest.fixture(autouse=True)
def channel(monkeypatch):
    monkeypatch.setitem(channels.CHANNELS, FIXES.prefix, FIXES)


class Port:
    """The log of a port and what judges by the pack's rules; `now` is its clock."""

    def __init__(self, folder, rules=None):
        self.folder, self.now = folder, TEN
        self.rules = Pack(HARBOUR).rules if rules is None else rules
        self.log = Log(folder / "log.db")
        self.rulings = None
        self.open()

    def open(self):
        path = self.folder / "compliance.db"
        self.rulings = Rulings(path, PORT, self.rules, lambda: self.now, steady=lambda: self.now)

    def close(self):
        self.log.close()
        self.rulings.close()

    def restart(self):
        self.rulings.close()
        self.open()

    def know(self, **thing):
        with closing(open_compliance(self.folder / "compliance.db", THINGS)) as db:
            fields = {"en": thing["id"], "zh": thing["id"]} | thing
            ThingStore(db).add(msgspec.convert(fields, Thing), self.now, "tester", "test")

    def say(self, *moments, source="t-1"):
        payload = json.dumps({"moments": moments}).encode()
        topic = f"fixes/nansha/quay/{source}/fixes"
        message = FIXES.decoders["fixes"](payload)
        self.log.commit([Admitted(topic, payload, "nansha", "quay", source, "fixes", message)], self.now)

    def judge(self, most=1000):
        self.rulings.take(self.log.read(self.rulings.position(), most))

    def pass_time(self, now):
        """Let time pass in steps in which the hub never pauses."""
        while self.now < now:
            self.now = min(self.now + EVERY, now)
            self.rulings.take([])

    def rows(self, table="rule_verdict", rule=""):
        found = query(self.folder / "compliance.db", f"SELECT * FROM {table} ORDER BY 1")
        return [row for row in found if rule in row.get("rule", "")]

    def said(self, rule=""):
        return [tuple(row[name] for name in SAID) for row in self.rows(rule=rule)]


@pytest.fixture
def port(tmp_path):
    port = Port(tmp_path)
    yield port
    port.close()


def full(minute, **more):
    return {"t": TEN + 60 * minute, "states": {"load": "full", "cover": "open"} | more}


def tell(port, minutes, **more):
    for minute in minutes:
        port.now = max(port.now, TEN + 60 * minute)
        port.say(full(minute, **more))
        port.judge()


def test_a_breach_makes_one_alert_which_ends_when_it_is_over(port):
    port.know(kind="truck", id="truck-1", properties={"source": "t-1"})
    tell(port, range(10))
    (verdict,) = port.rows(rule="covered")
    assert (verdict["outcome"], verdict["open"], verdict["start"]) == ("exceeded", 1, TEN)
    assert (verdict["subject_kind"], verdict["subject"], verdict["site"]) == ("truck", "truck-1", "quay")
    assert verdict["proof"] == "password"
    (alert,) = port.rows("alert")
    assert (alert["kind"], alert["state"], alert["severity"], alert["device"], alert["rule"]) == (
        ("rule", "firing", "violation", "truck-1", "covered")
    )
    assert "Loads are covered" in alert["text"]
    assert "装载须覆盖" in alert["text"]
    tell(port, range(10, 20), cover="shut")
    last = port.rows(rule="covered")[-1]
    assert (last["open"], last["end"], last["revision"], last["amends"]) == (0, TEN + 540 + 1, 2, TEN)
    assert [row["state"] for row in port.rows("alert")] == ["resolved"]


def test_late_data_amend_a_verdict_and_its_alert(port):
    port.know(kind="truck", id="truck-1", properties={"source": "t-1"})
    tell(port, range(4))
    tell(port, range(4, 15), cover="shut")
    assert port.rows(rule="covered")[-1]["outcome"] == "exceeded"
    # The cover was shut at each half minute: none of the open moments lasted.
    port.say(*({"t": TEN + 60 * minute + 30, "states": {"load": "full", "cover": "shut"}} for minute in range(4)))
    port.judge()
    last = port.rows(rule="covered")[-1]
    assert last["revision"] > 1
    assert last["outcome"] != "exceeded" or last["reason"] == "withdrawn"
    assert "amended" in [row["what"] for row in port.rows("alert_step")]


def moment(second, **more):
    return {"t": TEN + second, "states": {"load": "full", "cover": "open"} | more}


def drive(port, seconds, **more):
    for second in seconds:
        port.now = TEN + second
        port.say(moment(second, **more))
        port.judge()


def test_a_breach_of_whom_is_heard_without_a_hole_is_told_with_the_moment_that_makes_it_one(port):
    port.know(kind="truck", id="truck-1", properties={"source": "t-1"})
    drive(port, range(0, 600, 10), cover="shut")
    drive(port, range(600, 660, 10))
    assert port.rows("alert") == []
    drive(port, [660])  # the rule asks for a minute
    (alert,) = port.rows("alert")
    assert (alert["opened"], alert["first"]) == (TEN + 660, TEN + 600)
    port.restart()
    before = port.said()
    port.rulings.take([])
    assert port.said() == before, "what was judged before it would have to be does not go back"
    drive(port, [670], cover="shut")
    assert port.rows(rule="covered")[-1]["open"] == 0
    assert port.rows("alert")[0]["state"] == "resolved"


def test_what_comes_behind_a_hole_waits_for_what_may_fill_it(port):
    port.know(kind="truck", id="truck-1", properties={"source": "t-1"})
    drive(port, range(0, 600, 10), cover="shut")
    drive(port, range(800, 900, 10))
    assert port.rows("alert") == []
    drive(port, range(900, 790 + GRACE + 20, 10))  # nothing has filled it, and nothing is waited for any more
    (alert,) = port.rows("alert")
    assert alert["opened"] == TEN + 800 + GRACE


def test_an_alert_that_late_data_take_back_says_so(port):
    port.know(kind="truck", id="truck-1", properties={"source": "t-1"})
    drive(port, range(0, 600, 10), cover="shut")
    drive(port, (600, 630, 660))
    (alert,) = port.rows("alert")
    assert alert["state"] == "firing"
    port.say(*(moment(second, cover="shut") for second in (615, 645)))  # were lost on the way, and come now
    port.judge()
    (alert,) = port.rows("alert")
    steps = {row["what"]: row["detail"] for row in port.rows("alert_step")}
    assert alert["state"] == "resolved"
    assert "what came late shows that it was not so" in steps["amended"]


def test_silence_is_told_when_it_may_be_and_not_before(port):
    """10 min of silence break the rule; what was said meanwhile may come for as long as ever."""
    port.know(kind="truck", id="truck-1", properties={"source": "t-1"})
    drive(port, range(0, 610, 10), cover="shut")
    port.pass_time(TEN + 1200 + GRACE)
    assert port.said("heard") == []
    port.pass_time(TEN + 1200 + GRACE + 2 * EVERY)
    assert [row[4:6] for row in port.said("heard")] == [("exceeded", "suspicion")]


def whatever_the_offsets(one):
    """Leave out what tells of the log's order, and of one that goes on how far it had gone when it was told."""
    told = {"end": 0, "value": None, "samples": 0} if one.open else {}
    return msgspec.structs.replace(one, evidence=(), **told)


@pytest.mark.parametrize("seed", range(3))
def test_in_whatever_order_and_how_late_it_comes_the_same_holds_in_the_end(tmp_path, seed):
    """An hour of a truck, sent in order, and with outages whose batches come later, lost ones, repeats."""
    draw = random.Random(seed)
    second, made = 0, []
    cover, load = "shut", "full"
    while second < 3600:
        second += draw.choice((10, 10, 30, 60, 200))
        cover = draw.choice(("open", "shut")) if draw.random() < 0.2 else cover
        load = draw.choice(("full", "empty")) if draw.random() < 0.05 else load
        made.append(moment(second, cover=cover, load=load))
    late, until = [], 0.0
    for one in made:
        if one["t"] >= until and draw.random() < 0.05:
            until = one["t"] + draw.randrange(1200)  # nothing gets through before
        late.append((max(one["t"], until) + (draw.random() < 0.1) * draw.randrange(1800), one))
    plain, other = Port(tmp_path / "plain"), Port(tmp_path / "late")
    for port, order in ((plain, [(one["t"], one) for one in made]), (other, sorted(late, key=lambda one: one[0]))):
        port.know(kind="truck", id="truck-1", properties={"source": "t-1"})
        for number, (when, one) in enumerate(order):
            port.now = max(port.now, when + number / 1000)
            port.say(one)
            port.judge()
            if port is other and draw.random() < 0.1:
                port.restart()
        port.pass_time(TEN + 3600 + 3600)
    found = [
        {key: [whatever_the_offsets(one) for one in held] for key, held in holding(port).items()}
        for port in (plain, other)
    ]
    assert found[0] == found[1]
    assert sum(map(len, found[0].values())) > 10
    assert len(other.rows()) > len(plain.rows()), "something was told too early, and amended"
    plain.close()
    other.close()


def test_what_is_long_past_is_judged_and_alarms_nobody(port):
    port.know(kind="truck", id="truck-1", properties={"source": "t-1"})
    port.now = TEN + NEWS + 3600
    port.say(*map(full, range(4)), full(5, cover="shut"))
    port.judge()
    assert [row["outcome"] for row in port.rows(rule="covered")] == ["exceeded"]
    assert port.rows("alert", rule="covered") == []


def test_the_edition_in_force_is_cited_and_a_correction_judges_again(port):
    port.know(kind="truck", id="truck-1", properties={"source": "t-1"})
    ring = [[113.60, 22.60], [113.61, 22.60], [113.61, 22.61], [113.60, 22.61], [113.60, 22.60]]
    port.know(kind="yard", id="main", geometry={"type": "Polygon", "coordinates": [ring]})
    for minute in range(12):
        port.now = TEN + 60 * minute
        port.say({"t": port.now, "lat": 22.65, "lon": 113.605})
        port.judge()
    (first,) = port.rows(rule="stays-in-port")
    assert json.loads(first["editions"]) == [["yard", "main", 1]]
    ring = [[113.60, 22.60], [113.61, 22.60], [113.61, 22.66], [113.60, 22.66], [113.60, 22.60]]
    port.know(kind="yard", id="main", geometry={"type": "Polygon", "coordinates": [ring]})
    port.rulings.take([])
    last = port.rows(rule="stays-in-port")[-1]
    assert (last["outcome"], last["amends"], last["revision"]) == ("compliant", TEN, 2)


def test_of_whom_nothing_is_heard_nothing_is_guessed(port):
    port.know(kind="truck", id="truck-1", properties={"hydrants": ["h"]})
    port.pass_time(TEN + 2 * GRACE)
    assert [row["heard"] for row in port.rows("rule_subject")] == [None]
    assert {row["outcome"] for row in port.rows()} <= {"invalid"}


def test_a_rule_whose_params_are_wrong_is_not_judged_and_the_others_are(tmp_path, caplog):
    rules = dict(Pack(HARBOUR).rules)
    rules["covered"] = msgspec.structs.replace(rules["covered"], params={"nonsense": 1})
    port = Port(tmp_path, rules)
    port.know(kind="truck", id="truck-1", properties={"source": "t-1"})
    tell(port, range(10))
    assert "'covered'" in caplog.text
    assert "it is not judged" in caplog.text
    assert port.said("covered") == []
    port.say({"t": port.now, "states": {"washed": "fail", "plate": "pass"}})
    port.judge()
    port.pass_time(port.now + 2 * GRACE)
    assert [row["outcome"] for row in port.rows(rule="gate-check")] == ["exceeded"]
    port.close()


def test_verdicts_are_shown_in_both_languages_with_their_alert_and_who_was_never_heard(port, monkeypatch):
    monkeypatch.setenv(domains.VARIABLE, str(HARBOUR))
    port.know(kind="truck", id="truck-1", properties={"source": "t-1"})
    port.know(kind="sump", id="sump-9")
    tell(port, range(10))
    with closing(open_all(port.folder / "compliance.db")) as db:
        book = Book(db, lambda: port.now)
        (kept,) = RuleTable(db).search(tests=[("rule = ?", "covered"), ("site = ?", "quay")])
        english, chinese = (present_ruling(kept, book, PORT, lang) for lang in Lang)
        assert {english.rule_name, chinese.rule_name} == {"Loads are covered", "装载须覆盖"}
        assert (english.alert, english.open, english.start.timestamp()) == (1, True, TEN)
        assert english.evidence[0] == "t-1/1/0"
        (silent,) = not_judged(db, Lang.zh)
        assert (silent.subject_kind, silent.subject) == ("sump", "sump-9")
        assert "从未收到" in silent.why


def messages():
    """Yield when it comes, and what: an ordinary morning, with a backlog, a repeat and what comes very late."""
    for minute in range(12):
        yield minute, [full(minute)]
    yield 12, [full(12, cover="shut")]
    yield 14, [{"t": TEN + 13 * 60, "states": {"washed": "fail", "plate": "pass"}}]
    yield 20, [full(minute) for minute in (18, 16, 17)]
    yield 21, [full(5, cover="shut")]
    yield 22, [full(22, load="empty")]
    yield 29, [full(28, load="empty")]


def play(port, *, after=lambda _: None, before=lambda _: None):
    for number, (minute, moments) in enumerate(messages()):
        port.now = TEN + 60 * minute
        port.say(*moments)
        before(number)
        port.judge()
        after(number)
    port.pass_time(TEN + 60 * 29 + 3 * GRACE)


def test_restarted_after_every_message_it_says_the_same(tmp_path):
    plain = Port(tmp_path / "plain")
    broken = Port(tmp_path / "broken")
    for port in (plain, broken):
        port.know(kind="truck", id="truck-1", properties={"source": "t-1"})
    play(plain)
    play(broken, after=lambda _: broken.restart())
    assert len(plain.said()) > 4
    assert broken.said() == plain.said()
    steps = [[(row["what"], row["detail"]) for row in port.rows("alert_step")] for port in (plain, broken)]
    assert steps[0] == steps[1]
    broken.restart()
    before = broken.said()
    broken.rulings.take([])
    assert broken.said() == before, "nothing is judged twice"
    plain.close()
    broken.close()


def test_a_transaction_that_fails_leaves_nothing_behind(tmp_path, monkeypatch):
    plain, broken = Port(tmp_path / "plain"), Port(tmp_path / "broken")
    for port in (plain, broken):
        port.know(kind="truck", id="truck-1", properties={"source": "t-1"})
    play(plain)

    def fail(_):
        with monkeypatch.context() as patch:
            patch.setattr(broken.rulings._alerts, "pass_time", lambda _: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                broken.judge()

    play(broken, before=fail)
    assert broken.said() == plain.said()
    plain.close()
    broken.close()


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from hub.compliance.rule_table import RuleTable
from hub.wire import channels
from tests.hub.compliance import test_rulings as story
channels.CHANNELS[story.FIXES.prefix] = story.FIXES
port = story.Port(Path(sys.argv[1]))
port.now = story.TEN + 60 * 29
left = int(sys.argv[3])
def soon(frame, event, arg):
    global left
    if event == "c_call" and getattr(arg, "__name__", "") == "execute":
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
sys.setprofile(soon)
while port.rulings.position() < port.log.end():
    port.judge(3)
"""


def test_killed_at_any_statement_it_judges_all_and_nothing_twice(tmp_path):
    plain = Port(tmp_path / "plain")
    killed = Port(tmp_path / "killed")
    for port in (plain, killed):
        port.know(kind="truck", id="truck-1", properties={"source": "t-1"})
        for minute, moments in messages():
            port.now = TEN + 60 * minute
            port.say(*moments)
    killed.close()
    root = str(Path(__file__).resolve().parents[3])
    ends = []
    for statements in itertools.chain((25, 45, 70, 110), itertools.repeat(100_000)):
        command = [sys.executable, "-c", KILLED, str(killed.folder), root, str(statements)]
        ends.append(subprocess.run(command, env=os.environ, cwd=root, check=False).returncode)
        if ends[-1] != -signal.SIGKILL:
            break
    assert ends[-1] == 0
    assert len(ends) > 2, "it was killed in the middle"
    while plain.rulings.position() < plain.log.end():
        plain.judge(3)
    killed = Port(tmp_path / "killed")
    for port in (plain, killed):
        port.now = TEN + 60 * 29
        port.pass_time(TEN + 60 * 29 + 3 * GRACE)
    held = [{(one.start, one.end, one.outcome) for one in docket.holding} for docket in dockets(plain)]
    assert held == [{(one.start, one.end, one.outcome) for one in docket.holding} for docket in dockets(killed)]
    assert any(held)
    revisions = [row[:3] + row[-2:-1] for row in killed.said()]
    assert len(set(revisions)) == len(revisions)
    plain.close()
    killed.close()


def dockets(port):
    return [docket for _, docket in sorted(port.rulings._dockets.items())]


def test_what_is_old_is_let_go_of_and_nothing_is_said_anew(port):
    port.know(kind="truck", id="truck-1", properties={"source": "t-1"})
    tell(port, range(10))
    tell(port, range(10, 25), load="empty")
    before = port.said()
    port.now += KEEP + 3 * PRUNE_EVERY
    port.say({"t": int(port.now), "states": {"load": "empty"}})
    for _ in range(3):
        port.now += PRUNE_EVERY + EVERY
        port.judge()
    covered = [row for row in port.said("covered") if row[2] < TEN + 3600]
    assert covered == [row for row in before if row[0] == "covered"]
    assert len(port.rows("rule_sample")) == 1
    port.restart()
    after = port.said()
    port.rulings.take([])
    assert port.said() == after


MUCK, SANITATION, MERCHANTS = HERE / "muck", HERE / "sanitation", HERE / "merchants"
OF_SANITATION = ("round-order", "round-empty", "weighing-load", "heat-plan")
"""Of kinds of which the others have no case."""
CASES = {path.stem: path for folder in (HARBOUR, MUCK, MERCHANTS) for path in sorted((folder / "cases").glob("*.toml"))}
CASES |= {name: SANITATION / "cases" / f"{name}.toml" for name in OF_SANITATION}
RULES = {id_: rule for folder in (HARBOUR, MUCK, SANITATION, MERCHANTS) for id_, rule in Pack(folder).rules.items()}


def test_there_is_a_worked_case_of_each_kind():
    kinds = {RULES[msgspec.toml.decode(path.read_bytes(), type=Case).rule].kind for path in CASES.values()}
    assert kinds == set(KINDS)


@pytest.mark.parametrize("name", CASES)
def test_each_kind_is_judged_from_the_log_as_its_case_says(tmp_path, name):
    case = msgspec.toml.decode(CASES[name].read_bytes(), type=Case)
    port = Port(tmp_path, {case.rule: RULES[case.rule]})

    def unix(when):
        return int(when.replace(tzinfo=SHANGHAI).timestamp())

    rule = port.rules[case.rule]
    known = [{"kind": one.kind, "id": one.id, "properties": one.properties} for one in case.thing]
    for one, thing in zip(case.thing, known, strict=True):
        ends = {name: unix(t) for name, t in (("from", one.from_), ("until", one.until)) if t is not None}
        port.know(**thing, **ends, geometry=one.geometry)
    if not any(one.kind == rule.of and one.id == case.subject for one in case.thing):
        port.know(kind=rule.of, id=case.subject)
    port.now = unix(case.sample[0].t)
    port.rulings.take([])
    for one in case.sample:
        port.now = unix(one.t)
        told = {"lat": one.lat, "lon": one.lon, "radius": one.radius, "speed": one.speed, "states": one.states}
        port.say({"t": int(port.now)} | told, source=case.subject)
        port.judge()
    port.pass_time(unix(case.until))
    held = port.rulings._table.said(next(key for key in port.rulings._dockets if key[0] == case.rule))[0]
    found = sorted((one.start, one.end, one.outcome, one.grade) for one in held)
    wanted = sorted((unix(one.from_), unix(one.to), one.outcome, one.grade) for one in case.expected)
    assert [one for one in found if one[2] != "invalid" or one in wanted] == wanted
    told = [case.rule] if any(one.outcome == "exceeded" for one in case.expected) else []
    assert [row["rule"] for row in port.rows("alert") if row["rule"] == case.rule] == told
    if case.rule == "muck-sealed":
        text = port.rows("alert")[0]["text"]
        assert ": rule broken, " in text
        assert "MOC order 139 (2005); local rules: sealed the whole way, article 14; verified" in text
        assert "（建设部令第139号，2005）；地方规定：全程密闭，第14条；核实程度" in text
        assert "：违规，" in text
        assert "超标" not in text
        assert "Responsible: haul-co (haul-co)." in text
        assert "责任单位：haul-co（haul-co）。" in text
    if rule.kind == "expiry":
        assert port.rows("alert")[0]["severity"] == "warning"
    port.close()


@pytest.mark.parametrize("seed", range(3))
def test_what_is_in_memory_changes_no_verdict(tmp_path, monkeypatch, seed):
    """Samples up to two days late, corrections of things, restarts: a minute in memory says what all of them say."""
    plain, lean = Port(tmp_path / "plain"), Port(tmp_path / "lean")
    for port in (plain, lean):
        for number in (1, 2):
            port.know(kind="truck", id=f"truck-{number}", properties={"source": f"t-{number}"})
    draw = random.Random(seed)
    made = [draw.randrange(0, 48 * 60) for _ in range(90)]
    arrivals = sorted(range(len(made)), key=lambda n: made[n] + (draw.random() < 0.2) * draw.randrange(0, 48 * 60))
    for number, index in enumerate(arrivals):
        now = TEN + 60 * max(made[one] for one in arrivals[: number + 1]) + number / 1000  # no two at one moment
        cover, source = draw.choice(["open", "open", "shut"]), draw.choice(["t-1", "t-2"])
        restarted = draw.random() < 0.05
        for port, held in ((plain, 1 << 40), (lean, 30)):
            monkeypatch.setattr("hub.compliance.rulings.HELD", held)
            port.now = now
            port.say(full(made[index], cover=cover), full(made[index] + 1, cover=cover), source=source)
            port.judge()
            if number == 50:
                port.know(kind="truck", id="truck-2", properties={"source": "t-1"}, **{"from": at("2026-03-04 00:00")})
                port.judge()
            if restarted and port is lean:
                port.restart()
    for port, held in ((plain, 1 << 40), (lean, 30)):
        monkeypatch.setattr("hub.compliance.rulings.HELD", held)
        port.pass_time(port.now + 3 * GRACE)
    assert len(plain.said()) > 20
    assert holding(lean) == holding(plain)
    assert max(docket.oldest for docket in lean.rulings._dockets.values()) > lean.now - 4 * GRACE
    plain.close()
    lean.close()


def holding(port):
    """Return what holds in the end, by rule and subject, but for how often and when it was said."""
    keys = {(row["rule"], row["subject_kind"], row["subject"]) for row in port.rows()}
    plain = {"revision": 0, "amends": None, "judged": 0.0}
    return {
        key: sorted(
            (msgspec.structs.replace(one, **plain) for one in port.rulings._table.said(key)[0]),
            key=lambda one: one.start,
        )
        for key in keys
    }


def test_subjects_are_taken_from_the_database_a_few_at_a_time(tmp_path, monkeypatch):
    port = Port(tmp_path)
    for number in range(1, 6):
        port.know(kind="truck", id=f"truck-{number}", properties={"source": f"t-{number}"})
        port.say(*map(full, range(10)), source=f"t-{number}")
    port.judge()
    port.pass_time(TEN + 600 + 3 * GRACE)
    before = port.said()
    assert len({row[1] for row in before if row[0] == "covered"}) == 5
    monkeypatch.setattr("hub.compliance.rulings.WARM", 0.0)
    port.restart()
    port.say(*(full(minute, cover="shut") for minute in range(10, 15)), source="t-5")
    cold = []
    while not cold or cold[-1]:
        port.now += 1
        port.judge()
        cold.append(len(port.rulings._cold))
    assert cold == sorted(cold, reverse=True)
    assert len(cold) > 4
    assert port.said()[: len(before)] == before
    assert {row[1] for row in port.said()[len(before) :] if row[0] == "covered"} <= {"truck-5"}
    port.close()
