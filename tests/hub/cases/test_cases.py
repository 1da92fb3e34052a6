"""A case from report to archive: each step by the one whose it is, its deadline, and what stands in its way."""

import datetime as dt
import sqlite3
from contextlib import closing

import pytest

from hub.cases.refusal import CaseError, CaseNewsError
from hub.cases.rules.rulebook import LiveRulebook, Rulebook
from hub.cases.tables import STEPS
from hub.config.files import ConfigError
from hub.storage.database import open_database
from tests.hub.cases.case_city import CITY_FILE, MONDAY, city_in
from tests.hub.helpers import SHANGHAI, at

HOUR = 3600


@pytest.fixture
def city(tmp_path):
    with city_in(tmp_path) as opened:
        yield opened


def refused(function, *arguments, **named):
    with pytest.raises(CaseError) as caught:
        function(*arguments, **named)
    return caught.value


def test_a_citizens_report_goes_all_seven_steps(city):
    case = city.report(source="citizen", code="0102", text="refuse beside the bins")
    assert (case.state, case.number) == ("reported", "20261102000001")
    assert "verified on site" in str(refused(city.act, case.id, "off", "file"))
    city.act(case.id, "off", "ask_verification")
    city.act(case.id, "col", "verify", "two heaps", found="exists")
    city.now += HOUR
    filed = city.act(case.id, "off", "file")
    assert (filed.standard, filed.amount, filed.unit) == ("exposed-refuse", 4, "work_hour")
    city.now += HOUR
    sent = city.act(case.id, "dis", "dispatch")
    # 11:00 on Monday: one hour until lunch, three after it.
    assert (sent.department, sent.deadline) == ("roads", at("2026-11-02 17:00"))
    city.act(case.id, "han", "receive")
    city.now = at("2026-11-02 16:00")
    city.act(case.id, "han", "feed_back", "carried away")
    city.now = at("2026-11-03 10:00")
    city.act(case.id, "off", "send_check")
    city.act(case.id, "col", "inspect", "clean", result="pass")
    closed = city.act(case.id, "off", "close")
    assert (closed.state, closed.is_on_time, closed.rework) == ("closed", True, 0)
    city.act(case.id, "off", "archive")
    assert city.history(case.id) == [
        *("report", "ask_verification", "verify", "file", "dispatch", "receive"),
        *("feed_back", "send_check", "inspect", "close", "archive"),
    ]
    assert city.replayed(case.id) == city.desk("root").get(case.id)


@pytest.mark.parametrize("found", ["not_exists", "unable"])
def test_what_was_not_found_on_site_is_not_filed(city, found):
    case = city.report(source="citizen", code="0102")
    city.act(case.id, "off", "ask_verification")
    city.act(case.id, "col", "verify", found=found)
    assert "verified on site" in str(refused(city.act, case.id, "off", "file"))
    assert city.act(case.id, "off", "refuse", "nothing is there").state == "refused"


def test_nobody_passes_off_a_citizens_report_as_a_patrol(city):
    assert refused(city.report, source="patrol").field == "source"
    assert refused(city.report, "col", source="citizen").field == "source"
    assert city.report("col", source="patrol").state == "reported"


def test_who_judges_may_not_dispatch_and_the_reverse(city):
    case = city.filed()
    assert refused(city.act, case.id, "off", "dispatch").status == 403
    # An admin may do either, but not both in one case.
    other = city.report("root", code="0303")
    city.act(other.id, "root", "file")
    assert "has judged in it" in str(refused(city.act, other.id, "root", "dispatch"))
    city.act(other.id, "dis", "dispatch")
    city.act(case.id, "root", "dispatch")
    city.act(case.id, "han", "receive")
    city.act(case.id, "han", "feed_back", "done")
    assert "has dispatched in it" in str(refused(city.act, case.id, "root", "send_check"))
    assert "dispatch" in city.desk("root").may(city.filed(code="0104"))
    assert "send_check" not in city.desk("root").may(city.desk("root").get(case.id))


def test_where_both_are_one_centre_that_is_set_and_stands_in_the_history(tmp_path):
    with city_in(tmp_path, joined=True) as city:
        case = city.filed()
        assert city.act(case.id, "off", "dispatch").dispatched_as == "officer"
        city.act(case.id, "han", "receive")
        city.act(case.id, "han", "feed_back", "done")
        city.act(case.id, "dis", "send_check")
        assert all(event.joined for event in city.desk("off").book.events(case.id))
        # Who handles is judged by others even there.
        city.act(case.id, "root", "comment", "seen")
        handled = city.filed(code="0303")
        city.act(handled.id, "off", "dispatch")
        city.act(handled.id, "root", "receive")
        city.act(handled.id, "root", "feed_back", "done")
        assert "has handled in it" in str(refused(city.act, handled.id, "root", "send_check"))


def test_a_department_gives_back_with_a_reason_and_another_one_gets_it(city):
    case = city.filed()
    city.act(case.id, "dis", "dispatch")
    assert refused(city.act, case.id, "han", "return").field == "text"
    city.act(case.id, "han", "return", "not our road")
    city.now += HOUR
    again = city.act(case.id, "dis", "dispatch", department="roads")
    assert (again.dispatches, again.returned, again.department) == (2, 1, "roads")
    assert again.deadline == at("2026-11-02 16:00")
    assert refused(city.desk("stranger", role="handler").act, case.id, "receive").status == 403
    assert city.act(case.id, "han", "receive").state == "handling"


def test_an_extension_is_asked_before_the_deadline_and_granted_by_command(city):
    case = city.handled()
    assert case.deadline == at("2026-11-02 15:00")
    city.act(case.id, "han", "ask_extension", "the truck broke down", amount=2)
    assert "asked for already" in str(refused(city.act, case.id, "han", "ask_extension", "more", amount=1))
    assert refused(city.act, case.id, "han", "grant_extension").status == 403
    longer = city.act(case.id, "dis", "grant_extension")
    assert (longer.deadline, longer.extra, longer.asked_extra) == (at("2026-11-02 17:00"), 2, 0)
    assert "nobody asks" in str(refused(city.act, case.id, "dis", "deny_extension", "no"))
    city.now = at("2026-11-02 17:01")
    assert "has passed" in str(refused(city.act, case.id, "han", "ask_extension", "more", amount=1))


def test_time_stands_still_while_a_case_is_suspended_and_while_others_check_it(city):
    case = city.handled()
    city.now = at("2026-11-02 10:00")  # one hour of four is used
    assert city.act(case.id, "dis", "suspend", "waits for the gas company").deadline is None
    city.now = at("2026-11-04 08:30")
    assert city.act(case.id, "dis", "resume").deadline == at("2026-11-04 11:30")
    city.now = at("2026-11-04 09:30")
    city.act(case.id, "han", "feed_back", "done")
    city.now = at("2026-11-05 08:30")
    city.act(case.id, "off", "send_check")
    city.act(case.id, "col", "inspect", result="fail")
    assert "result pass" in str(refused(city.act, case.id, "off", "close"))
    again = city.act(case.id, "off", "rework", "half is left")
    # Two hours were left when it was fed back.
    assert (again.rework, again.state, again.deadline) == (1, "handling", at("2026-11-05 10:30"))


def test_a_supervisor_watches_closes_by_force_and_decides_on_appeals(city):
    case = city.handled()
    city.act(case.id, "sup", "supervise", "the mayor asks")
    assert refused(city.act, case.id, "off", "force_close", "x").status == 403
    city.now = at("2026-11-02 15:30")  # half an hour late
    closed = city.act(case.id, "sup", "force_close", "the building is gone")
    assert (closed.forced, closed.is_on_time, closed.supervised) == (True, False, MONDAY)
    city.act(case.id, "han", "appeal", "it was not ours")
    assert refused(city.act, case.id, "off", "review", "?", stage="leader").field == "stage"
    for stage in ("pre_check", "department", "leader"):
        city.act(case.id, "off", "review", "looked at", stage=stage)
    city.now = at("2026-11-03 15:00")
    opened = city.act(case.id, "sup", "uphold", "to be looked at again")
    assert (opened.state, opened.closed, opened.rework) == ("handling", None, 1)
    other = city.report(code="0104")
    city.act(other.id, "off", "refuse", "private ground")
    city.act(other.id, "off", "appeal", "the caller insists")
    assert city.act(other.id, "sup", "reject_appeal", "it is private").state == "refused"
    city.act(other.id, "off", "appeal", "again")
    assert city.act(other.id, "sup", "uphold", "it is public").state == "reported"


def test_a_suspended_case_that_is_closed_by_force_is_due_all_the_same(city):
    case = city.handled()
    city.act(case.id, "dis", "suspend", "waits")
    city.now = at("2026-11-09 15:00")
    closed = city.act(case.id, "sup", "force_close", "over")
    assert (closed.deadline, closed.finished, closed.is_on_time) == (case.deadline, MONDAY, True)


def test_co_handlers_may_act_and_are_taken_out_again(city):
    case = city.filed()
    city.act(case.id, "dis", "dispatch", department="roads")
    far = city.desk("li", role="handler")
    assert refused(far.act, case.id, "receive").status == 403
    city.act(case.id, "dis", "add_co_handler", department="greens")  # which names nobody: any handler
    assert refused(city.act, case.id, "dis", "add_co_handler", department="greens").field == "department"
    assert far.act(case.id, "receive").state == "handling"
    assert city.act(case.id, "dis", "remove_co_handler", department="greens").co_handlers == ()


def test_similar_cases_are_of_one_class_near_and_lately(city):
    first = city.report(lat=23.0, lon=113.1)
    near = city.report(lat=23.0005, lon=113.1)  # 56 m
    far = city.report(lat=23.002, lon=113.1)  # 222 m
    other = city.report(code="0301", lat=23.0, lon=113.1)
    city.now += 31 * 86_400
    late = city.report(lat=23.0, lon=113.1)
    root = city.desk("root")
    assert [(one.id, round(metres)) for one, metres in root.similar(near)] == [(first.id, 56)]
    assert root.similar(far) == root.similar(other) == root.similar(late) == []
    assert refused(city.act, near.id, "off", "file").field == "text"
    same = city.act(near.id, "off", "refuse", "reported twice", same_as=first.id)
    assert same.state == "refused"
    assert city.act(first.id, "off", "file").state == "filed"
    at_site = city.report(code="0303", site="tower", place="")
    assert [one.id for one, _ in root.similar(city.report(code="0303", site="tower", place=""))] == [at_site.id]


def test_the_limit_is_the_standards_or_is_given_with_a_reason(city):
    illegal = city.report(code="0101")
    told = refused(city.act, illegal.id, "off", "file")
    assert (told.field, "building-stop, building-penalty, building-demolition" in str(told)) == ("standard", True)
    assert refused(city.act, illegal.id, "off", "file", standard="exposed-refuse").field == "standard"
    assert city.act(illegal.id, "off", "file", standard="building-penalty").deadline == at("2026-11-11 17:30")
    without = city.report(code="0205")
    assert "has 0 case standards" in str(refused(city.act, without.id, "off", "file"))
    assert refused(city.act, without.id, "off", "file", amount=3, unit="work_day").field == "amount"
    assert refused(city.act, without.id, "off", "file", "why", amount=1.5, unit="work_day").field == "amount"
    own = city.act(without.id, "off", "file", "it hangs over the pavement", amount=3, unit="urgent_hour")
    assert own.deadline == MONDAY + 3 * HOUR


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"district": "east"}, "district"),
        ({"site": "mill"}, "site"),
        ({"code": "9999"}, "code"),
        ({"place": " "}, "place"),
        ({"lat": 23.0}, "lat"),
        ({"lat": 123.0, "lon": 113.0}, "lat"),
        ({"text": " "}, "text"),
        ({"text": "x" * 5000}, "text"),
        ({"key": "x" * 101}, "key"),
    ],
)
def test_a_report_that_cannot_be_taken_names_the_field(city, given, field):
    assert refused(city.report, **given).field == field
    assert city.desk("root").book.search() == []


def test_a_part_of_another_act_is_refused_by_name(city):
    case = city.filed()
    told = refused(city.act, case.id, "dis", "dispatch", result="pass")
    assert (told.field, told.status, "expected: text, department" in str(told)) == ("result", 422, True)
    assert refused(city.act, case.id, "dis", "dispatch", department="nobody").field == "department"


def test_what_belongs_to_other_districts_is_not_there(city):
    case = city.report()
    south = city.desk("off", districts=["south"])
    for told in (
        refused(south.get, case.id),
        refused(south.act, case.id, "file"),
        refused(south.act, case.id + 1, "file"),
    ):
        assert told.status == 404
    assert refused(south.report, "citizen", "north", "0302", "x", place="y").field == "district"
    own = city.report(district="south")
    assert refused(south.act, own.id, "refuse", "same", same_as=case.id).status == 404


def test_two_people_at_once_one_acts_and_the_other_is_told(city):
    case = city.handled()
    seen = case.seq
    city.act(case.id, "dis", "suspend", "waits", seen=seen)
    with pytest.raises(CaseNewsError) as caught:
        city.act(case.id, "sup", "force_close", "over", seen=seen)
    assert (caught.value.status, [event.who for event in caught.value.news]) == (409, ["dis"])
    assert "is suspended (suspend by dis)" in str(refused(city.act, case.id, "han", "feed_back", "done"))
    assert city.act(case.id, "sup", "force_close", "over", seen=seen + 1).state == "closed"


def test_an_act_that_comes_again_takes_effect_once(city):
    first = city.report(key="form-1")
    assert city.report(key="form-1") == first
    assert city.report("sup", key="form-1").id != first.id  # somebody else's key
    assert refused(city.report, key="form-1", text="another").field == "key"
    filed = city.act(first.id, "off", "file", "another place", key="form-2")
    assert city.act(first.id, "off", "file", "another place", key="form-2") == filed
    assert refused(city.act, first.id, "off", "comment", "?", key="form-2").field == "key"
    # Without a key: by what had been read.
    city.act(first.id, "dis", "dispatch", seen=filed.seq)
    assert city.act(first.id, "dis", "dispatch", seen=filed.seq).dispatches == 1
    city.act(first.id, "sup", "comment", "hurry", seen=3)
    city.act(first.id, "sup", "comment", "hurry", seen=3)
    assert city.history(first.id) == ["report", "file", "dispatch", "comment"]


def test_deadlines_follow_a_calendar_that_is_changed_while_cases_run(city):
    runs, done, urgent = city.handled(code="0103"), city.closed(), city.handled(code="0301")
    assert runs.deadline == at("2026-11-04 17:30")
    before = [city.desk("root").get(one.id) for one in (done, urgent)]
    days_off = CALENDAR.format(off='"2026-11-03..2026-11-05"')
    city.write(days_off, "storm.toml")
    assert city.desk("vie").follow_calendar() == 1
    assert city.desk("vie").follow_calendar() == 0
    moved = city.desk("root").get(runs.id)
    assert (moved.deadline, moved.calendar) == (at("2026-11-09 17:30"), city.rules.calendar.edition)
    assert [city.desk("root").get(one.id) for one in before] == before
    event = city.desk("root").book.events(runs.id)[-1]
    assert (event.who, event.what, event.data["was"]) == ("hub", "move_deadline", runs.deadline)
    # Back again when Wednesday's deadline of before is over: nobody becomes late by a change of the calendar.
    city.now = at("2026-11-05 09:00")
    city.write(CALENDAR.format(off=""), "storm.toml")
    assert city.desk("vie").follow_calendar() == 0
    assert city.desk("root").get(runs.id).deadline == at("2026-11-09 17:30")
    assert city.replayed(runs.id) == city.desk("root").get(runs.id)
    assert refused(city.act, runs.id, "root", "move_deadline").status == 403


CALENDAR = """title = "Storm"
edition = "storm"
source = "the city's notice"
verified = "U"
[calendar]
source = "the city's notice"
verified = "U"
known_to = 2026-12-31
hours = ["08:30-12:00", "14:00-17:30"]
off = [{off}]
"""


REPEATED = (
    "INSERT INTO casefile_event SELECT NULL, {id}, {seq}, {time}, who, position, what, {before}, after, text, data, "
    "joined, key, asked FROM casefile_event WHERE id = 2"
)


def test_the_database_keeps_the_history_as_it_is(city):
    case = city.filed()
    for statement in (
        "UPDATE casefile_event SET text = 'other' WHERE id = 1",
        "DELETE FROM casefile_event",
        "DELETE FROM casefile",
        "UPDATE casefile SET body = json_set(body, '$.state', 'closed')",
        "UPDATE casefile SET body = json_set(body, '$.seq', 7)",
        "UPDATE casefile SET id = 9",
        "INSERT OR REPLACE INTO casefile (id, body) SELECT id, body FROM casefile",
        "INSERT OR REPLACE INTO casefile_event SELECT * FROM casefile_event WHERE id = 1",
        # out of turn, out of state, back in time
        REPEATED.format(id=case.id, seq=4, time="time", before="'filed'"),
        REPEATED.format(id=case.id, seq=3, time="time", before="'closed'"),
        REPEATED.format(id=case.id, seq=3, time="time - 1", before="'filed'"),
        "UPDATE calendar_edition SET edition = 'x'",
        "DELETE FROM calendar_edition",
        "INSERT OR REPLACE INTO calendar_edition SELECT * FROM calendar_edition",
    ):
        with pytest.raises(sqlite3.DatabaseError):
            city.db.execute(statement)
    assert city.replayed(case.id) == city.desk("root").get(case.id)


def test_an_act_that_fails_leaves_nothing(city, monkeypatch):
    case = city.filed()
    desk = city.desk("dis")
    monkeypatch.setattr("hub.cases.book._encode", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        desk.act(case.id, "dispatch")
    monkeypatch.undo()
    assert city.history(case.id) == ["report", "file"]
    assert city.act(case.id, "dis", "dispatch").state == "dispatched"


def test_codes_hold_by_district_and_edition(city):
    assert city.rules.code("2101", "north").kind == "component"
    assert city.rules.full_code("0302", "north") == "4406050302"
    assert city.rules.full_code("0302", "south") is None
    assert city.rules.code("0304", "north").zh == "施工占道"
    city.write(CITY_FILE.replace("440605", "110105"))
    there = city.rules.code("0304", "north")
    assert (there.zh, there.verified, there.districts) == ("道路遗撒", "U", ("110105",))
    assert city.rules.code("0304", "south").zh == "施工占道"
    assert city.rules.code("0501", "north").verified == "S"
    assert {one.code for one in city.rules.codes_in("north")} > {one.code for one in city.rules.codes_in("south")}
    city.write(CITY_FILE.replace("440605", "419001"))
    (jiyuan,) = city.rules.standards_for("0102", "north", CALENDAR_DAY)
    (general,) = city.rules.standards_for("0102", "south", CALENDAR_DAY)
    assert (jiyuan.unit, jiyuan.amount, general.unit, general.amount) == ("work_day", 1, "work_hour", 4)
    assert jiyuan.source


CALENDAR_DAY = dt.date(2026, 11, 2)


def test_every_fact_that_comes_along_has_source_and_letter():
    rules = Rulebook(None, SHANGHAI)
    facts = [*rules.codes.values(), *rules.standards.values()]
    assert len(facts) > 70
    assert all(one.source and one.verified in {"P", "S", "U"} and one.edition for one in facts)
    (noise,) = [one for one in rules.standards.values() if one.id == "construction-noise"]
    assert noise.origin.en == "no city's table: a proposal of Fenceline's; put your own in, as of 2026"
    assert rules.code_of_alert("noise", "GB 12523-2025 laeq-day", "construction") == "0301"
    assert rules.code_of_alert("noise", "GB 12348-2008 day", "factory") is None


STANDARD = (
    'standard = [{{id = "x", code = "{}", condition_zh = "x", condition_en = "x", amount = {}, unit = "work_day"}}]'
)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            STANDARD.format("9876", 1),
            "9876",
        ),
        ('responsible = [{department = "nobody"}]', "nobody"),
        ('from_alert = [{code = "9876"}]', "9876"),
        (
            STANDARD.format("0102", 1.5),
            "whole days",
        ),
        ('calender = "x"', "calender"),
    ],
)
def test_a_rulebook_that_cannot_be_used_names_what_is_wrong(city, text, told):
    (city.rules_folder / "more.toml").write_text(CITY_FILE.split("\n\n")[0] + "\n" + text, "utf-8")
    with pytest.raises(ConfigError, match=told):
        Rulebook(city.rules_folder, SHANGHAI)


def test_a_running_hub_goes_on_by_the_last_good_rulebook(city, caplog):
    live = LiveRulebook(city.rules_folder, SHANGHAI)
    first = live.current()
    assert live.current() is first
    (city.rules_folder / "more.toml").write_text("nonsense", "utf-8")
    assert live.current() is first
    assert live.current() is first
    assert len(caplog.records) == 1
    assert "more.toml" in live.problem
    (city.rules_folder / "more.toml").write_text(CALENDAR.format(off='"2026-11-03"'), "utf-8")
    assert live.current().calendar.edition != first.calendar.edition
    assert live.problem is None


def test_a_database_of_the_version_before_knows_what_its_cases_wait_for(tmp_path):
    with city_in(tmp_path) as city:
        for made in (city.report, city.filed, city.handled, city.fed_back, city.closed):
            made(place=made.__name__)
        asked = city.handled(place="asked").id
        city.act(asked, "han", "ask_extension", "rain", amount=2)
        checking = city.fed_back(place="checking").id
        city.act(checking, "off", "send_check")
        told = city.db.execute("SELECT id, waits, source, site, place FROM casefile ORDER BY id").fetchall()
        bodies = city.db.execute("SELECT * FROM casefile_event").fetchall()
    assert [row[1] for row in told] == [
        *("officer", "dispatcher", "handler", "officer", ""),
        *("handler dispatcher", "collector"),
    ]
    old = tmp_path / "old.db"
    with closing(sqlite3.connect(old)) as db:
        db.executescript(STEPS[0])
        db.execute("ATTACH ? AS new", (str(tmp_path / "cases.db"),))
        names = ", ".join(row[1] for row in db.execute("PRAGMA main.table_info(casefile)"))
        db.execute("DROP TRIGGER casefile_begins")
        db.execute(f"INSERT INTO main.casefile ({names}) SELECT {names} FROM new.casefile")
        db.execute("INSERT INTO main.casefile_event SELECT * FROM new.casefile_event")
        db.execute("CREATE TRIGGER casefile_begins BEFORE INSERT ON casefile BEGIN SELECT 1; END")
        db.execute("PRAGMA user_version = 1")
        db.commit()
    with closing(open_database(old, STEPS)) as db:
        assert db.execute("SELECT id, waits, source, site, place FROM casefile ORDER BY id").fetchall() == told
        assert db.execute("SELECT * FROM casefile_event").fetchall() == bodies
        with pytest.raises(sqlite3.IntegrityError, match="what its history says"):
            db.execute("UPDATE casefile SET state = 'closed', seq = seq + 1")


def reminded(city, *moments):
    """Return at which of these local moments reminders were given, and how many."""
    found = {}
    for moment in moments:
        city.now = at(moment)
        if count := city.desk("root").remind():
            found[moment] = count
    return found


def test_who_has_a_case_in_hand_is_reminded_once_when_its_deadline_is_near_and_in_working_hours(city):
    case = city.handled()
    assert case.deadline == at("2026-11-02 15:00")
    moments = ("2026-11-02 11:59", "2026-11-02 12:30", "2026-11-02 14:01", "2026-11-02 14:30")
    assert reminded(city, *moments) == {"2026-11-02 14:01": 1}
    event = city.desk("root").book.events(case.id)[-1]
    assert (event.who, event.what, event.before, event.after) == ("hub", "remind", "handling", "handling")
    now = city.desk("root").get(case.id)
    assert (now, now.deadline, now.reminded) == (city.replayed(case.id), case.deadline, case.deadline)
    # It takes nobody's act away, and a deadline that is another is another reminder.
    city.act(case.id, "han", "ask_extension", "the truck broke down", amount=2, seen=case.seq)
    city.act(case.id, "dis", "grant_extension")
    moments = ("2026-11-02 14:50", "2026-11-02 15:20", "2026-11-02 15:31", "2026-11-02 16:00")
    assert reminded(city, *moments) == {"2026-11-02 15:31": 1}
    assert refused(city.act, case.id, "root", "remind").status == 403


def test_what_stands_still_is_over_or_late_reminds_nobody(city):
    still, done, late = city.handled(), city.closed(), city.handled()
    city.act(still.id, "dis", "suspend", "waits for the owner")
    assert reminded(city, "2026-11-02 14:30") == {"2026-11-02 14:30": 1}
    assert city.history(late.id)[-1] == "remind"
    assert "remind" not in city.history(still.id) + city.history(done.id)
    other = city.handled()  # until the next morning
    assert reminded(city, "2026-11-03 15:00") == {}
    assert "remind" not in city.history(other.id)


def test_reminders_keep_the_city_s_hours_but_not_those_of_urgent_cases(city):
    days = city.report(code="2101")
    city.act(days.id, "off", "file")
    assert city.desk("root").get(days.id).deadline == at("2026-11-04 17:30")
    moments = ("2026-11-03 17:00", "2026-11-04 00:10", "2026-11-04 08:29", "2026-11-04 08:31", "2026-11-04 17:00")
    assert reminded(city, *moments) == {"2026-11-04 08:31": 1}
    city.now = at("2026-11-04 22:00")
    night = city.handled(code="0301")
    assert night.deadline == at("2026-11-05 00:00")
    assert reminded(city, "2026-11-04 23:20", "2026-11-04 23:40") == {"2026-11-04 23:40": 1}


def test_of_a_limit_that_ends_on_days_off_people_are_reminded_on_the_last_day_that_is_worked(city):
    city.write(
        'title = "x"\nedition = "x"\nsource = "x"\nverified = "U"\n[[standard]]\nid = "site-dust"\ncode = "0302"\n'
        'condition_zh = "x"\ncondition_en = "x"\namount = 5\nunit = "natural_day"\n',
        "days.toml",
    )
    city.now = at("2026-11-02 09:00")  # a Monday
    case = city.handled()
    assert case.deadline == at("2026-11-08 00:00"), "Saturday, 24:00"
    moments = ("2026-11-05 10:00", "2026-11-06 07:00", "2026-11-06 08:40", "2026-11-07 10:00")
    assert reminded(city, *moments) == {"2026-11-06 08:40": 1}
