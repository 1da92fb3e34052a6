"""Cases through the HTTP API: roles and districts, forms that come again, two at once; what each answer holds."""

import hashlib
import threading
import time
from contextlib import closing
from typing import get_args

import httpx
import pytest

from hub.access.caller import Gate
from hub.access.tokens import ROLES, Access
from hub.cases.routes import case_router
from hub.cases.rules.records import What
from hub.config.files import load_config
from hub.health.metrics import Metrics
from hub.http.problems import Rate
from hub.http.server import Server, make_app
from tests.hub.alerting import AlertCity, write_files
from tests.hub.cases.case_city import CITY_FILE
from tests.hub.cases.pictures import SECRET, picture
from tests.hub.helpers import CITY, open_all
from tests.hub.http.test_http import Hub as Watched

REPORT = {"source": "department", "district": "north", "code": "0302", "text": "dust", "place": "Lake Road 7"}


@pytest.fixture
def folder(tmp_path):
    write_files(tmp_path, '[cases]\nfolder = "rules"\n')
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "city.toml").write_text(CITY_FILE.replace("han", "handler"), "utf-8")
    (tmp_path / "data").mkdir()
    return tmp_path


@pytest.fixture
def ask(folder):
    """A function that asks the API as a user of a role."""
    config = load_config(folder / "fenceline.toml")
    with AlertCity(config.data) as city:
        city.judge(74.0)
        city.judge(74.0, device="stack-1")
    with closing(open_all(config.data / "compliance.db")) as db:
        of = {"company": "acme"}
        tokens = {role: Access(db).add(role, role, time.time(), "root", company=of.get(role, "")) for role in ROLES}
        tokens["foreign"] = Access(db).add("foreign", "officer", time.time(), "root", ["south"])
    gate = Gate(config.data / "compliance.db", Rate(1e6, 1e6))
    router = case_router(config, lambda: CITY, time.time, gate)
    server = Server(make_app(Watched(), Metrics(), [router]), "127.0.0.1", 0)
    server.start()
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}/api/v1", timeout=60, trust_env=False) as client:

        def asked(method, path, body=None, role="officer", content=None, **headers):
            headers = {name.replace("_", "-"): value for name, value in headers.items()}
            headers["authorization"] = f"Bearer {tokens[role]}"
            return client.request(method, path, json=body, content=content, headers=headers)

        yield asked
    server.stop()


def opened(ask, **more):
    answer = ask("POST", "cases", REPORT | more)
    assert answer.status_code == 201, answer.text
    return answer.json()


def act(ask, case, what, role, **more):
    return ask("POST", f"cases/{case['id']}/acts", {"what": what, "seen": case["seq"], **more}, role)


def test_a_case_goes_its_way_by_people_of_five_roles(ask):
    case = opened(ask)
    assert (case["state"], case["full_code"], case["code_name"]) == ("reported", "4406050302", "Dust from a site")
    assert case["may"] == ["ask_verification", "file", "refuse", "comment", "join_alert", "attach"]
    way = [
        ("officer", "file", {}),
        ("dispatcher", "dispatch", {}),
        ("handler", "receive", {}),
        ("handler", "feed_back", {"text": "water was sprayed"}),
        ("officer", "send_check", {}),
        ("collector", "inspect", {"result": "pass"}),
        ("supervisor", "supervise", {"text": "the mayor asks"}),
        ("officer", "close", {}),
    ]
    for role, what, more in way:
        answer = act(ask, case, what, role, **more)
        assert answer.status_code == 200, answer.text
        case = answer.json()
    assert (case["state"], case["on_time"], case["department"]) == ("closed", True, "greens")
    assert [event["position"] for event in case["events"]] == ["officer", *(role for role, _, _ in way)]
    assert case["left"] is None
    shown = ask("GET", f"cases/{case['id']}", role="viewer", accept_language="zh").json()
    assert (shown["state_name"], shown["code_name"], shown["department_name"]) == ("已结案", "工地扬尘", "园林局")
    listed = ask("GET", "cases?state=closed&department=greens", role="viewer").json()
    assert [one["id"] for one in listed["cases"]] == [case["id"]]
    assert (listed["cursor"], listed["joined"]) == (None, False)


def test_who_has_no_part_in_reports_takes_none(ask):
    for role in ("viewer", "technician", "dispatcher", "handler"):
        refused = ask("POST", "cases", REPORT, role)
        assert refused.status_code == 403
        assert f"{role} is {role}; report needs the role collector, officer, supervisor" in refused.json()["detail"]
    assert "需要采集员、受理员、值班长" in ask("POST", "cases", REPORT, "viewer", accept_language="zh").json()["detail"]


def test_what_belongs_to_other_districts_is_not_there(ask):
    case = opened(ask)
    for answer in (
        ask("GET", f"cases/{case['id']}", role="foreign"),
        act(ask, case, "file", "foreign"),
        ask("GET", "cases/99", role="foreign"),
        ask("POST", "cases", {"source": "alert", "alert": 1}, "foreign"),
    ):
        assert answer.status_code == 404, answer.text
    assert ask("POST", "cases", REPORT, "foreign").json()["field"] == "district"
    assert ask("GET", "cases", role="foreign").json()["cases"] == []
    period = "from=2020-01-01T00:00:00Z&to=2021-01-01T00:00:00Z"
    now = f"from={time.strftime('%Y-%m-%d', time.gmtime(time.time() - 86_400))}T00:00:00Z"
    assert ask("GET", f"cases/rates?{now}", role="officer").json()["groups"][0]["accepted"] == 1
    for place in ("", "&district=north", "&district=south"):
        assert ask("GET", f"cases/rates?{now}{place}", role="foreign").json()["groups"] == []
    assert ask("GET", f"cases/rates?{period}").json()["groups"] == []


def test_a_form_that_comes_again_takes_effect_once(ask):
    first = ask("POST", "cases", REPORT, Idempotency_Key="form-1").json()
    again = ask("POST", "cases", REPORT, Idempotency_Key="form-1")
    assert (again.status_code, again.json()) == (201, first)
    other = ask("POST", "cases", REPORT | {"text": "other"}, Idempotency_Key="form-1")
    assert (other.status_code, other.json()["field"]) == (409, "key")
    assert act(ask, first, "file", "officer").json()["seq"] == 2
    assert act(ask, first, "file", "officer").json()["seq"] == 2  # by what had been read


def test_two_people_at_once_one_acts_and_the_other_is_told_who(ask):
    case = opened(ask)
    gate, answers = threading.Barrier(2), {}

    def acts(role, what, **more):
        gate.wait(60)
        answers[role] = act(ask, case, what, role, **more)

    threads = [
        threading.Thread(target=acts, args=("officer", "refuse"), kwargs={"text": "not here"}),
        threading.Thread(target=acts, args=("admin", "file")),
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join(60)
    assert sorted(answer.status_code for answer in answers.values()) == [200, 409]
    ((winner, _),) = [pair for pair in answers.items() if pair[1].status_code == 200]
    ((_, told),) = [pair for pair in answers.items() if pair[1].status_code == 409]
    assert f"{winner} did something meanwhile" in told.json()["detail"]
    assert told.json()["field"] == "seen"
    assert ask("GET", f"cases/{case['id']}").json()["seq"] == 2


def test_an_alert_has_one_case_and_says_so(ask, folder):
    first = ask("POST", "cases", {"source": "alert", "alert": 1})
    assert first.status_code == 201, first.text
    case = first.json()
    assert (case["code"], case["site"], case["district"], case["alerts"]) == ("0301", "tower", "north", [1])
    assert ask("POST", "cases", {"source": "alert", "alert": 1}, "supervisor").json()["id"] == case["id"]
    # The factory's alert: no line of the rulebook gives it a code.
    assert ask("POST", "cases", {"source": "alert", "alert": 2}).json()["field"] == "code"
    other = ask("POST", "cases", {"source": "alert", "alert": 2, "code": "0508"}).json()
    assert act(ask, case, "join_alert", "officer", alert=2).status_code == 409
    assert act(ask, case, "join_alert", "officer", alert=3).status_code == 404
    assert other["district"] == "south"
    with AlertCity(folder / "data") as city:
        said = [step["detail"] for step in city.steps(1) if step["what"] == "comment"]
        assert said == [f"case {case['number']} is about this"]
        # Neither closes the other.
        city.desk.close(1, "officer", "over", admin=True)
    assert ask("GET", f"cases/{case['id']}").json()["state"] == "reported"


WRONG = [
    (REPORT | {"alert": 1}, "alert"),
    ({"source": "alert"}, "alert"),
    ({"source": "alert", "alert": 1, "district": "north"}, "district"),
    (REPORT | {"lat": 1e300, "lon": 0}, "lat"),
    (REPORT | {"colour": "red"}, "colour"),
    (REPORT | {"source": "rumour"}, "source"),
    (REPORT | {"text": "x" * 5000}, "text"),
]


def test_a_report_that_is_wrong_names_the_field(ask):
    for body, field in WRONG:
        answer = ask("POST", "cases", body)
        assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert ask("GET", "cases").json()["cases"] == []


def test_rates_name_the_cases_behind_each_number(ask):
    case = opened(ask)
    act(ask, case, "file", "officer")
    day = time.strftime("%Y-%m-%d", time.gmtime(time.time() - 86_400))
    found = ask("GET", f"cases/rates?from={day}T00:00:00Z&by=area&cases=true", role="viewer").json()
    (north,) = found["groups"]
    assert (north["group"], north["rates"]["filing"], north["cases"]["filed"]) == ("north", 1.0, [case["id"]])
    assert north["rates"]["rework"] is None
    wrong = ask("GET", "cases/rates?from=2026-01-01T00:00:00Z&to=2028-01-01T00:00:00Z")
    assert (wrong.status_code, wrong.json()["field"]) == (422, "to")


def test_a_calendar_that_changes_is_followed_while_the_hub_runs(ask, folder):
    case = act(ask, opened(ask, code="0103"), "file", "officer").json()
    text = 'title = "x"\nedition = "x"\nsource = "x"\nverified = "U"\n[calendar]\nsource = "x"\nverified = "U"\n'
    off = (
        time.strftime("%Y-%m-%d", time.localtime(time.time()))
        + ".."
        + time.strftime("%Y-%m-%d", time.localtime(time.time() + 90 * 86_400))
    )
    (folder / "rules" / "z.toml").write_text(
        f'{text}known_to = 2026-12-31\nhours = ["08:30-12:00"]\noff = ["{off}"]\n', "utf-8"
    )
    moved = ask("GET", f"cases/{case['id']}", role="viewer").json()
    assert moved["deadline"] > case["deadline"]
    assert (moved["events"][-1]["what"], moved["events"][-1]["who"]) == ("move_deadline", "hub")
    (folder / "rules" / "z.toml").write_text("nonsense", "utf-8")
    assert ask("GET", f"cases/{case['id']}").json()["deadline"] == moved["deadline"]


def test_a_file_is_attached_and_given_back_as_it_was_sent(ask):
    id_ = opened(ask)["id"]
    content, there = picture(), f"cases/{id_}/attachments"
    query = f"{there}?shows=before&seen=1&name=gate.jpg"
    for _ in range(2):
        answer = ask("POST", query, content=content, Idempotency_Key="once")
        assert answer.status_code == 201, answer.text
    told = answer.json()["events"][-1]
    digest = hashlib.sha256(content).hexdigest()
    assert (told["what"], told["data"]["sha256"], told["seq"]) == ("attach", digest, 2)
    assert ask("GET", f"{there}/{digest}", role="viewer").content == content
    shown = ask("GET", f"{there}/{digest}?shown=true", role="viewer")
    assert (shown.headers["content-type"], SECRET.encode() in shown.content) == ("image/jpeg", False)
    assert ask("GET", f"{there}/{digest}", role="foreign").status_code == 404
    assert ask("GET", f"{there}/{'0' * 64}").status_code == 404
    assert ask("POST", query, content=b"no picture").status_code == 422
    assert ask("POST", query.replace("seen=1", "seen=2"), content=content, role="viewer").status_code == 403
    assert ask("POST", query, content=content, role="foreign").status_code == 404
    assert ask("POST", f"cases/{id_}/acts", {"what": "attach", "seen": 2}).status_code == 422


def test_what_the_api_offers_is_what_may_be_done(ask):
    """Every act that a role is offered is taken, or asks for a part of it; what is not offered is refused."""
    case = opened(ask)
    for role in ROLES:
        offered = ask("GET", f"cases/{case['id']}", role=role).json().get("may", [])  # an enterprise sees no case
        for what in get_args(What):
            answer = ask("POST", f"cases/{case['id']}/acts", {"what": what, "seen": case["seq"]}, role=role)
            if what not in offered:
                assert answer.status_code in {403, 404, 409}, (role, what, answer.text)
            elif answer.status_code == 201 or answer.status_code == 200:
                case = opened(ask, place=f"{role} {what}", text="again")
            else:
                assert answer.status_code == 422, (role, what, answer.text)
