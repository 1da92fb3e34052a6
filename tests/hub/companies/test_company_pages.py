"""Enterprises in the console and the HTTP API: each sees and marks its own outlets alone, officers decide."""

import contextlib
import csv
import hashlib
import io
import json
import time
from contextlib import closing

import httpx
import msgspec
import pytest

from hub.access.caller import Gate
from hub.companies.routes import company_router
from hub.desk.permits import permit_cited
from hub.health.metrics import Metrics
from hub.http.problems import Rate
from hub.http.server import Server, make_app
from hub.process.clock import ticks
from hub.process.clock_trust import Anchor, boot_id
from hub.storage.database import transaction
from hub.things.marks.store import MarkStore
from hub.upkeep.checks.companies import check_companies
from schemas.language import Text
from tests.hub.alerting import run
from tests.hub.companies.company_console import HOUR, PDF, company_console
from tests.hub.companies.plant import PLANT
from tests.hub.console.pages import Read
from tests.hub.helpers import NOON, QUANTITIES, SHANGHAI, at
from tests.hub.http.test_http import Hub as Watched

VOID = ("invalid", "marked", "1")


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A city whose things no test changes."""
    with company_console(tmp_path_factory.mktemp("city"), hours=2) as opened:
        yield opened


@pytest.fixture
def city(tmp_path):
    with company_console(tmp_path, hours=2) as opened:
        yield opened


def outcomes(city):
    city.plant.judge()
    return city.plant.nox()


def test_a_mark_goes_from_the_enterprise_to_the_officer_and_changes_the_hour(city):
    assert outcomes(city)[1][0] == "exceeded"
    answer = city.log()
    assert answer.headers["location"] == "/console/marks/1?done=mark", Read(answer.text).text
    page = city.who("mill-1").read("/console/marks/1")
    assert "waits for its proof" in page.text
    assert outcomes(city)[1][0] == "exceeded", "not proven, it changes nothing"
    assert city.prove(1).status_code == 303
    assert outcomes(city)[1] == VOID
    kept = city.who("officer-2").get(f"/console/marks/1/proofs/{hashlib.sha256(PDF).hexdigest()}")
    assert kept.content == PDF
    assert kept.headers["content-disposition"].startswith("attachment")
    assert city.act(1, "reject", text="it was running").status_code == 303
    assert outcomes(city)[1][0] == "exceeded"
    assert "it was running" in city.who("mill-1").read("/console/marks/1").text
    assert city.act(1, "accept", "officer-3").status_code == 303
    assert outcomes(city)[1] == VOID
    hours = city.who("officer-2").read("/console/outlets/da-1?day=2026-03-02")
    assert "/console/marks/1" in hours.links
    assert city.act(1, "end", "mill-1", end="2026-03-02T13:05").status_code == 303
    assert outcomes(city)[1] == ("exceeded", "", "1"), "5 min take no hour out"
    assert city.act(1, "withdraw", "mill-1", text="it was the other stack").status_code == 303
    assert "withdrawn by the enterprise" in city.who("officer-2").read("/console/marks").text


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"begin": "2026-03-01T10:00", "end": "2026-03-01T12:00"}, "begins too long before it was logged"),
        ({"begin": "2026-02-27T10:00", "end": "2026-02-27T12:00"}, "begins too long before it was logged"),
        ({"kind": "calibration", "begin": "2026-03-02T12:00"}, "begins too long before it was logged"),
    ],
)
def test_a_mark_that_names_a_time_too_long_before_changes_nothing_and_is_seen(city, fields, said):
    before = outcomes(city)
    assert city.log(**fields).status_code == 303
    assert city.prove(1).status_code == 303
    assert outcomes(city) == before
    for name in ("mill-1", "officer-2"):
        assert said in city.who(name).read("/console/marks/1").text
    page = city.who("officer-2").read("/console/marks/1")
    assert "/console/marks/1/accept" not in {form.action for form in page.forms}
    fields = page.form("/console/marks/1/reject").fields | {"text": ""}
    assert city.who("officer-2").post("/console/marks/1/accept", fields).status_code == 409
    ranking = csv.DictReader(io.StringIO(city.who("officer-2").get("/console/companies.csv").text.lstrip("\ufeff")))
    assert next(row for row in ranking if row["id"] == "mill-co")["marks_without_effect"] == "1"


def test_a_mark_whose_proof_comes_after_the_deadline_changes_nothing_and_is_seen(city):
    before = outcomes(city)
    assert city.log().status_code == 303
    city.plant.hub.now = NOON + 40 * HOUR
    assert city.prove(1).status_code == 303
    assert outcomes(city) == before
    assert "after the deadline: changes nothing" in city.who("officer-2").read("/console/marks/1").text


def test_an_enterprise_sees_its_own_things_alone(shared):
    assert shared.log().status_code == 303
    number = 1
    own, other = shared.who("mill-1"), shared.who("other-1")
    digest = "0" * 64
    for path in (
        "/console/companies/mill-co",
        "/console/companies/mill-co/report",
        "/console/companies/mill-co/report.pdf",
        "/console/outlets/da-1",
        "/console/outlets/da-1/hours.csv",
        f"/console/marks/{number}",
        f"/console/marks/{number}/proofs/{digest}",
    ):
        assert other.get(path).status_code == 404, path
        assert shared.who("officer-north").get(path).status_code == 404, path
        assert "Mill" not in other.last.text
    assert own.read("/console/companies/mill-co").links.count("/console/outlets/da-1?pollutant=stack_nox") == 1
    assert "da-1" not in other.get("/console/marks.csv").text
    assert "Stack" not in Read(other.get("/console/marks").text).text.replace("Other stack", "")
    page = other.read("/console/add-mark")
    assert other.send(page, "/console/add-mark", outlet="da-1", kind="fault", reason="x").status_code == 404
    form = other.read("/console/add-mark").form("/console/add-mark").fields | {"text": "x", "end": "2026-03-02T13:10"}
    for act in ("end", "withdraw"):
        assert other.post(f"/console/marks/{number}/{act}", form).status_code == 404, act
    for act in ("accept", "reject"):
        assert other.post(f"/console/marks/{number}/{act}", form).status_code == 403, act
        assert own.post(f"/console/marks/{number}/{act}", form).status_code == 403, act
    assert shared.who("mill-1").get("/console/companies").headers["location"] == "/console/companies/mill-co"


def test_an_enterprise_gets_to_nothing_else_in_the_console(shared):
    browser = shared.who("mill-1")
    assert browser.get("/console/today").headers["location"] == "/console/companies/mill-co"
    for path in ("map", "verdicts", "verdicts.csv", "fleet", "cases", "evaluation", "maintenance", "told", "audit"):
        assert browser.get(f"/console/{path}").status_code == 403, path
    for path in ("users", "more", "design", "sites/mill", "sites.csv", "alerts.csv", "alerts/1", "waves", "add-user"):
        assert browser.get(f"/console/{path}").status_code in {403, 404}, path
    assert browser.get("/console/events").status_code == 204
    page = browser.read("/console/me")
    assert {link for link in page.links if link and link.startswith("/console/") and "static" not in link} <= {
        "/console/companies/mill-co",
        "/console/marks",
        "/console/me",
        "/console/today",
    }
    assert "enterprise: sees and marks" in page.text


def test_only_the_enterprise_marks_and_only_officers_decide(shared):
    for name in ("officer-2", "inspector"):
        assert shared.who(name).get("/console/add-mark").status_code == 403
    fields = shared.who("inspector").read("/console/marks").forms[0].fields
    assert shared.who("inspector").post("/console/marks/1/accept", fields | {"seen": "1"}).status_code == 403


def test_names_are_shown_as_they_are_and_a_file_for_spreadsheets_runs_nothing(city):
    name = '<img src=x onerror=alert(1)>"&'
    city.plant.add("enterprise", "evil-co", name, name, district="south")
    city.plant.add("outlet", "ev-1", name, name, district="south", number="=1+1", enterprise="evil-co")
    assert city.log(reason=f"=cmd() {name}").status_code == 303
    officer = city.who("officer-2")
    paths = (
        "companies",
        "companies/evil-co",
        "companies/evil-co/report",
        "outlets/ev-1",
        "marks",
        "marks/1",
        "permits",
    )
    for path in paths:
        page = officer.read(f"/console/{path}")
        assert [attributes for tag, attributes in page.tags if tag == "img" and attributes.get("src") == "x"] == []
    assert name in officer.read("/console/companies").text
    assert "'=cmd()" in officer.get("/console/marks.csv").text


def test_a_form_that_is_sent_twice_logs_once_and_two_officers_are_told_of_each_other(city):
    browser = city.who("mill-1")
    page = browser.read("/console/add-mark?outlet=da-1")
    fields = {"kind": "fault", "begin": "2026-03-02T13:00", "end": "2026-03-02T14:00", "reason": "lamp"}
    first, second = (browser.send(page, "/console/add-mark", **fields) for _ in range(2))
    assert first.headers["location"] == second.headers["location"] == "/console/marks/1?done=mark"
    assert city.prove(1).status_code == city.prove(1).status_code == 303
    assert city.who("officer-2").read("/console/marks/1").text.count("proof added") == 1
    one, other = (city.who(name).read("/console/marks/1") for name in ("officer-2", "officer-3"))
    accept = "/console/marks/1/accept"
    assert city.who("officer-2").send(one, accept).status_code == 303
    assert city.who("officer-2").send(one, accept).status_code == 303, "the same form again"
    refused = city.who("officer-3").send(other, "/console/marks/1/reject", text="no protocol")
    assert refused.status_code == 409
    assert "officer-2 did something meanwhile" in refused.text
    assert "no protocol" in refused.text, "what was written is kept"
    told = city.who("officer-2").read("/console/marks/1").text
    assert told.count("accepted") >= 1
    assert "rejected" not in told.partition("Record")[2]


def test_what_will_not_do_is_said_and_what_was_written_stays(shared, city):
    for fields, said in (
        ({"end": "2026-03-02T12:00"}, "ends before it begins"),
        ({"begin": "yesterday"}, "Expected a local date and time"),
        ({"kind": "holiday"}, "expected one of: calibration"),
        ({"end": "2026-04-30T12:00"}, "is longer than 120 h"),
        ({"q-laeq": "1"}, "cannot be marked"),
    ):
        answer = shared.log(**{"reason": "what was written", **fields})
        assert answer.status_code == 422, fields
        assert said in Read(answer.text).text
        assert "what was written" in answer.text
    assert shared.log(reason=" ").status_code == 422
    city.log()
    refused = city.prove(1, content=b"MZ is no document")
    assert "this is no JPEG" in Read(refused.text).text
    page = shared.who("other-1").read("/console/add-mark")
    foreign = shared.who("mill-1").post("/console/add-mark", page.form("/console/add-mark").fields)
    assert foreign.status_code == 403, "a form of somebody else's session"


def test_an_enterprise_reads_its_hours_its_month_and_its_report(shared):
    browser = shared.who("mill-1")
    page = browser.read("/console/outlets/da-1?day=2026-03-02&pollutant=stack_nox")
    for said in ("400.0 mg/m³", "3.5 %", "150 mg/m³", "91440600P", "in operation", "above"):
        assert said in page.text, said
    rows = list(csv.DictReader(io.StringIO(browser.get("/console/outlets/da-1/hours.csv").text.lstrip("\ufeff"))))
    assert [(row["raw"], row["limit"], row["state"]) for row in rows] == [("400.0", "150.0", "running")] * 2
    for lang, said in (
        ("en", ("Monthly report on emissions, 2026-03", "100.0 %", "2 / 2 h", "Nanhai")),
        ("zh", ("排放监管月报（2026-03）", "面粉厂", "超标小时数", "许可年排放量")),
    ):
        text = shared.who("mill-1", lang).read("/console/companies/mill-co/report?month=2026-03").text
        for one in said:
            assert one in text, one
    assert browser.read("/console/companies/mill-co/report?month=1999-99").text.count("2026-03") >= 1


def test_the_report_is_a_pdf_file_with_pages(shared):
    pytest.importorskip("weasyprint")
    made = shared.who("mill-1", "zh").http.get("/console/companies/mill-co/report.pdf", timeout=150)
    assert made.headers["content-type"] == "application/pdf"
    assert made.content.startswith(b"%PDF-")
    assert made.headers["content-disposition"] == 'inline; filename="report-mill-co-2026-03.pdf"'


def test_the_worst_enterprise_stands_first(shared):
    officer = shared.who("officer-2")
    rows = list(csv.DictReader(io.StringIO(officer.get("/console/companies.csv").text.lstrip("\ufeff"))))
    assert [(row["rank"], row["id"], row["above"]) for row in rows] == [("1", "mill-co", "2"), ("2", "other-co", "0")]
    assert "Other" in officer.read("/console/companies?sort=name").text
    assert "other-co" in shared.who("officer-north").get("/console/companies.csv").text
    assert "mill-co" not in shared.who("officer-north").get("/console/companies.csv").text


def test_what_is_kept_in_memory_is_of_the_last_commit(city):
    def worst():
        rows = csv.DictReader(io.StringIO(city.who("officer-2").get("/console/companies.csv").text.lstrip("\ufeff")))
        return next((row["above"], row["due"], row["marks"]) for row in rows if row["id"] == "mill-co")

    assert worst() == ("2", "2", "0")
    city.plant.run(1, first=NOON + 2 * HOUR)
    assert worst() == ("3", "3", "0"), "an hour more was judged"
    city.log()
    assert worst() == ("3", "3", "1")
    city.prove(1)
    city.plant.judge()
    assert worst() == ("2", "3", "1"), "an hour is marked"
    what = {"permit": "p-1", "outlet": "da-1", "pollutant": "stack_nox"}
    city.plant.add("permit_limit", "l-1", "NOx", "氮氧化物", value=500, reference_o2=3.5, **what)
    city.plant.judge()
    assert worst() == ("0", "3", "1"), "another edition of the permit's limit"


@pytest.fixture
def api(city):
    """The HTTP API of the city: what somebody asks of it."""
    gate = Gate(city.plant.path, Rate(1e6, 1e6))
    router = company_router(
        city.site.config, lambda: PLANT, QUANTITIES, lambda: city.plant.hub.now, gate, lambda: city.doubt
    )
    server = Server(make_app(Watched(), Metrics(), [router]), "127.0.0.1", 0)
    server.start()
    tokens = {}
    with city.site.users() as (access, _):
        for name in ("mill-1", "other-1", "officer-2", "inspector"):
            tokens[name] = access.renew(name, city.plant.hub.now, "root")

    def ask(name, method, path, as_file=False, **more):
        headers = {"authorization": f"Bearer {tokens[name]}"}
        if as_file:
            headers["content-type"] = "application/octet-stream"
        url = f"http://127.0.0.1:{server.port}/api/v1{path}"
        return httpx.request(method, url, headers=headers, timeout=20, trust_env=False, **more)

    yield ask
    server.stop()


def test_the_api_does_what_the_pages_do_within_the_same_bounds(city, api):
    wanted = {
        "outlet": "da-1",
        "kind": "fault",
        "begin": "2026-03-02T13:00:00+08:00",
        "end": "2026-03-02T14:00:00+08:00",
        "reason": "lamp",
    }
    assert api("officer-2", "POST", "/marks", json=wanted).status_code == 403
    assert api("other-1", "POST", "/marks", json=wanted).status_code == 404
    made = api("mill-1", "POST", "/marks", json=wanted)
    assert (made.status_code, made.json()["standing"]) == (201, "awaits_proof")
    proven = api("mill-1", "POST", "/marks/1/proofs?name=a.pdf", content=PDF, as_file=True)
    assert proven.status_code == 200, proven.text
    assert proven.json()["standing"] == "counts"
    assert outcomes(city)[1] == VOID
    assert api("other-1", "GET", "/marks/1").status_code == 404
    assert api("other-1", "GET", "/marks").json()["marks"] == []
    assert [one["id"] for one in api("inspector", "GET", "/marks?standing=counts").json()["marks"]] == [1]
    assert api("mill-1", "POST", "/marks/1/accept", json={}).status_code == 403
    decided = api("officer-2", "POST", "/marks/1/reject", json={"text": "no", "seen": proven.json()["last"]})
    assert decided.json()["decision"]["what"] == "reject"
    assert [one["what"] for one in decided.json()["events"]] == ["mark", "proof", "reject"]
    assert [one["id"] for one in api("mill-1", "GET", "/enterprises").json()["enterprises"]] == ["mill-co"]
    assert api("mill-1", "POST", "/marks/1/end", json={}).status_code == 422


AHEAD = Text("it says 2031; set it right (NTP)", "时钟显示2031年；请校准时钟（NTP）")


def test_nothing_is_logged_while_the_hub_s_time_is_in_doubt(city, api):
    """What is logged far ahead would make every later mark late: the database takes nothing before it any more."""
    city.log()
    city.doubt = AHEAD
    page = city.log(reason="the pump")
    assert page.status_code == 503
    assert "time is in doubt, and nothing is logged until it is clear: it says 2031" in Read(page.text).text
    assert "the pump" in page.text, "what was written stays in the form"
    assert city.prove(1).status_code == 503
    assert city.act(1, "withdraw", "mill-1", text="no").status_code == 503
    assert city.act(1, "reject", text="no").status_code == 503
    refused = api("mill-1", "POST", "/marks/1/withdraw", json={"text": "no"})
    assert (refused.status_code, refused.json()["title"]) == (503, "Service Unavailable")
    assert city.plant.stored_proofs() == 0
    city.doubt = None
    assert city.prove(1).status_code == 303
    assert "counts" in city.who("mill-1").read("/console/marks/1").text


def test_the_command_line_holds_the_clock_against_what_the_hub_knew(city):
    """The hub had the right time in this run of the machine; since then somebody set the clock five years back."""
    folder = city.site.config.data.parent
    period = ("--from", "2026-03-02T13:00", "--to", "2026-03-02T14:00", "--reason", "lamp")
    anchor = Anchor(boot_id(), time.time() + 5 * 365 * 86_400 - ticks())
    (city.site.config.data / "clock.json").write_bytes(msgspec.json.encode(anchor))
    refused = run(folder, "marks", "add", "da-1", "--kind", "fault", *period)
    assert (refused.code, refused.out) == (2, "")
    assert "hub's time is in doubt, and nothing is logged until it is clear" in " ".join(refused.err.split())
    assert "数据中心时间存疑" in run(folder, "marks", "add", "da-1", "--kind", "fault", *period, "--lang", "zh").err
    (city.site.config.data / "clock.json").unlink()
    assert run(folder, "marks", "add", "da-1", "--kind", "fault", *period).code == 0


def test_a_full_disk_is_told_and_nothing_is_half_kept(city, monkeypatch):
    city.log()
    monkeypatch.setattr("hub.companies.desk.transaction", full)
    page = city.log(reason="the pump")
    assert page.status_code == 507
    assert "there is no room (the disk is full); nothing was logged" in Read(page.text).text
    assert city.act(1, "withdraw", "mill-1", text="no").status_code == 507
    monkeypatch.undo()
    monkeypatch.setattr("hub.cases.attachments.store.transaction", full)
    assert city.prove(1).status_code == 507
    monkeypatch.undo()
    assert city.plant.stored_proofs() == 0
    told = city.who("mill-1").read("/console/marks").text
    assert "the pump" not in told
    with city.plant.db() as db:
        assert [event.what for event in MarkStore(db).events(1)] == ["mark"]
    assert city.prove(1).status_code == 303


def test_the_check_names_marks_without_their_proof_and_outlets_without_a_permit(city):
    city.log()
    city.prove(1)
    config = city.site.config

    def told():
        return {one.name: (str(one.state), one.text.en) for one in check_companies(config, city.plant.hub.now)}

    assert told()["mark proofs"] == ("ok", "1 marks, 1 proofs")
    assert told()["permits"] == ("warning", "1 of 2 outlets have no permit in force: db-1")
    (config.data / "attachments.db").unlink()
    assert told()["mark proofs"] == ("problem", "1 marks name proofs that are not kept: 1")
    later = at("2031-01-01 00:00")
    assert check_companies(config, later)[1].text.en == "2 of 2 outlets have no permit in force: da-1, db-1"


@contextlib.contextmanager
def full(db):
    """A transaction on a disk that is full: SQLite itself says so at the end, and takes it back."""
    pages = db.execute("PRAGMA page_count").fetchone()[0]
    db.execute(f"PRAGMA max_page_count = {pages}")
    with transaction(db):
        yield
        db.execute("CREATE TABLE more (content BLOB)")
        db.execute("INSERT INTO more VALUES (zeroblob(10000000))")


def test_the_command_does_it_at_the_hubs_machine(city):
    folder = city.site.config.data.parent
    proof = folder / "protocol.pdf"
    proof.write_bytes(PDF)
    lists = run(folder, "marks", "kinds", "--json")
    assert {"kind": "calibration", "of": "instrument"}.items() <= json.loads(lists.out.splitlines()[0]).items()
    period = ("--from", "2026-03-02T13:00", "--to", "2026-03-02T14:00", "--reason", "lamp", "--as", "mill")
    added = run(folder, "marks", "add", "da-1", "--kind", "fault", *period, "--proof", proof, "--json")
    assert json.loads(added.out)["standing"] == "back_dated", "the machine's clock is later than March 2026"
    shown = run(folder, "marks", "show", "1", "--lang", "zh")
    assert "所标时段早于登记时间过多" in shown.out
    refused = run(folder, "marks", "accept", "1")
    assert (refused.code, refused.out) == (2, "")
    assert "Traceback" not in refused.err
    assert run(folder, "marks", "show", "9").code == 2
    assert run(folder, "marks", "add", "nowhere", "--kind", "fault", *period).code == 2
    listed = run(folder, "marks", "list", "--json").out.splitlines()
    assert json.loads(listed[-1]) == {"summary": True, "marks": 1, "effective": 0}


def test_a_user_of_an_enterprise_is_let_in_by_an_admin_of_all_districts(city):
    folder = city.site.config.data.parent
    assert run(folder, "access", "add", "mill-9", "--role", "company").code == 2
    assert run(folder, "access", "add", "mill-9", "--role", "officer", "--company", "mill-co").code == 2
    assert run(folder, "access", "add", "mill-9", "--role", "company", "--company", "mill-co").code == 0
    admin = city.who("root")
    page = admin.read("/console/add-user")
    refused = admin.send(page, "/console/add-user", name="mill-2", role="company", company="nobody")
    assert refused.status_code == 422
    assert admin.send(page, "/console/add-user", name="mill-2", role="company", company="mill-co").status_code == 303
    assert "Mill" in admin.read("/console/users/mill-2").text
    assert city.site.browser("mill-2").read("/console/companies/mill-co")
    # To another role the enterprise is nothing, and districts are asked for again.
    page = admin.read("/console/users/mill-2")
    there = "/console/users/mill-2/change"
    assert admin.send(page, there, role="viewer", company="mill-co", reach="").status_code == 422
    assert admin.send(page, there, role="viewer", company="mill-co", reach="all").status_code == 303
    with city.site.users() as (access, _):
        assert access.named("mill-2").company == ""


def test_hours_that_are_marked_are_neither_valid_nor_transmitted_mass(city):
    """Of 2 h due both came, one is valid: 100 % x 50 % = 50 %."""
    city.log()
    city.prove(1)
    city.plant.judge()
    page = city.who("officer-2").read("/console/companies/mill-co")
    assert "50.0 %" in page.text
    assert "100.0 % × 50.0 %" in page.text
    with closing(city.who("officer-2").http.get("/console/outlets/da-1/hours.csv")) as answer:
        rows = list(csv.DictReader(io.StringIO(answer.text.lstrip("\ufeff"))))
    assert [(row["valid"], row["reason"], row["marks"]) for row in rows] == [
        ("yes", "", ""),
        ("no", "marked", "mark/1"),
    ]


def test_an_alert_by_a_permit_cites_the_permit_as_it_held_then(shared):
    page = shared.who("officer-2").read("/console/alerts/1")
    assert "91440600P" in page.text
    assert "Nitrogen oxides in stack gas (as NO2), outlet DA001" in page.text
    with shared.plant.db() as db:
        assert permit_cited(db, "91440600P l-1", at("2025-12-31 12:00"), QUANTITIES, SHANGHAI) is None
        _, limit = permit_cited(db, "91440600P l-1", NOON, QUANTITIES, SHANGHAI)
    assert (limit.value, limit.reference_o2) == (150, 3.5)
