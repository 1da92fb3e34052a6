"""The rates, by the cities' own reports and by hand: what divides what, and whose number it is."""

from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.cases.rules.machine import RULES, after
from hub.cases.rules.rates import RATES, Measure, Numbers, measures, rates
from hub.cases.rules.records import Case, Event
from hub.storage.database import transaction
from tests.hub.cases.case_city import city_in
from tests.hub.helpers import at

DAY = 86_400
DECEMBER, JANUARY = at("2016-12-01 00:00"), at("2017-01-01 00:00")
WHO = {"collector": "col", "officer": "off", "dispatcher": "dis", "handler": "han", "supervisor": "sup"}


class Month:
    """Puts many cases into the database, each event of each history, in one transaction."""

    def __init__(self, city):
        self.city, self.book = city, city.desk("root").book

    def case(self, start, *steps, **about):
        """Add a case that is reported at `start`, and a step each second or at the time it gives."""
        id_, case, now = self.book.next_id(), None, start
        given_ = {"number": f"{id_}", "source": "patrol", "district": "north", "code": "0102"} | about
        for step in ("report", *steps):
            what, data, then = (*step, None)[:3] if isinstance(step, tuple) else (step, {}, None)
            now = then if then is not None else now + 1
            position = RULES[what].positions[0]
            event = Event(
                casefile=id_,
                seq=case.seq + 1 if case else 1,
                time=now,
                who=WHO[position],
                position=position,
                what=what,
                before=case.state if case else None,
                after=after(case, what),
                text="x",
                data=given_ if what == "report" else data,
                joined=False,
                key="",
                asked="",
            )
            assert case is None or case.state in RULES[what].before
            case = self.book.add(case, event)
        return case


def filed(deadline):
    """Return the step by which a case is filed, due at a moment."""
    return ("file", {"standard": "x", "amount": 1, "unit": "work_day", "deadline": deadline, "calendar": "x"})


DISPATCH = ("dispatch", {"department": "roads"})
PASS = ("inspect", {"result": "pass"})


def closing(done):
    """Return the steps by which a case is closed whose department was done at a moment."""
    return ("receive", ("feed_back", {}, done), "send_check", PASS, "close")


def numbers(city, begin, end, by="all", districts=()):
    book = city.desk("root").book
    return rates(book.concerned(begin, end, districts), begin, end, by)


def shown(found, rate):
    return f"{100 * found.rate(rate):.2f} %"


def test_tianmen_december_2016(tmp_path):
    # Accepted 1054, filed 996, due 972, closed 911, on time 737; events 902 of 956, components 9 of 16.
    with city_in(tmp_path) as city:
        month = Month(city)
        with transaction(city.db):
            for n in range(1054):
                start = DECEMBER + n
                kind = {"kind": "component"} if n < 16 else {}
                if n >= 996:
                    month.case(start, "refuse", **kind)
                elif n >= 972:  # filed, and due in January
                    month.case(start, filed(JANUARY + DAY), DISPATCH, **kind)
                elif n in OPEN:
                    month.case(start, filed(start + DAY), DISPATCH, "receive", **kind)
                else:
                    late = n in LATE
                    month.case(
                        start, filed(start + DAY), DISPATCH, *closing(start + (2 * DAY if late else 3600)), **kind
                    )
        found = numbers(city, DECEMBER, JANUARY)[""]
        counts = {name: found.count(name) for name in ("accepted", "filed", "due", "closed", "on_time")}
        assert counts == {"accepted": 1054, "filed": 996, "due": 972, "closed": 911, "on_time": 737}
        assert (shown(found, "closing"), shown(found, "on_time")) == ("93.72 %", "75.82 %")
        kinds = numbers(city, DECEMBER, JANUARY, "kind")
        assert {name: (one.count("closed"), one.count("due")) for name, one in kinds.items()} == {
            "component": (9, 16),
            "event": (902, 956),
        }
        assert {name: shown(one, "closing") for name, one in kinds.items()} == {
            "component": "56.25 %",
            "event": "94.35 %",
        }
        # Who divides by what was filed gets another number.
        assert round(100 * found.count("closed") / found.count("filed"), 2) == 91.47
        assert len(set(found.behind("due"))) == 972


OPEN = {*range(7), *range(16, 16 + 54)}
"""Of the cases that were due: seven components and 54 events were not closed."""
LATE = set(range(100, 100 + 911 - 737))


def test_xuancheng_a_week(tmp_path):
    # Received 1369, filed 1084, of these closed 539.
    begin = at("2026-11-02 00:00")
    end = begin + 7 * DAY
    with city_in(tmp_path) as city:
        month = Month(city)
        with transaction(city.db):
            for n in range(1369):
                start = begin + n
                if n >= 1084:
                    month.case(start, "refuse")
                elif n >= 539:
                    month.case(start, filed(end + DAY))
                else:
                    month.case(start, filed(end + DAY), DISPATCH, *closing(start + 3600))
        found = numbers(city, begin, end)[""]
        assert f"{100 * found.rate('filing'):.1f} %" == "79.2 %"
        assert f"{100 * found.rate('closed_of_filed'):.1f} %" == "49.7 %"
        assert (found.count("due"), found.rate("closing")) == (0, None)  # not 0 %: nothing was due


def test_each_number_goes_to_who_answers_for_it(tmp_path):
    begin = at("2026-11-02 09:00")
    with city_in(tmp_path) as city:
        city.closed()
        city.now += 60
        late = city.handled(code="0104")
        city.act(late.id, "han", "return", "not ours")
        city.act(late.id, "dis", "dispatch", department="greens")
        redone = city.fed_back(code="0303", district="south")
        city.act(redone.id, "off", "rework", "half is left")
        end = begin + 30 * DAY
        people = numbers(city, begin, end, "person")
        assert {name: one.count("accepted") for name, one in people.items()} == {"dis": 0, "han": 0, "off": 3}
        assert (people["dis"].count("dispatched"), people["dis"].rate("accurate_dispatch")) == (3, 2 / 3)
        assert (people["han"].count("fed_back"), people["han"].rate("rework")) == (2, 1 / 2)
        assert people["han"].behind("due") == [1, late.id, redone.id]
        assert set(numbers(city, begin, end, "position")) == {"dispatcher", "handler", "officer"}
        areas = numbers(city, begin, end, "area")
        assert {name: one.count("accepted") for name, one in areas.items()} == {"north": 2, "south": 1}
        departments = numbers(city, begin, end, "department")
        assert {name: one.count("due") for name, one in departments.items()} == {"greens": 2, "roads": 1}
        assert list(numbers(city, begin, end, "area", ["south"])) == ["south"]
        assert numbers(city, begin - 2 * DAY, begin) == {}


def test_a_period_that_is_over_keeps_its_numbers(tmp_path):
    with city_in(tmp_path) as city:
        begin = city.now
        case = city.handled()
        end = begin + DAY
        before = numbers(city, begin, end)[""].cases
        assert before["due"] == [case.id]
        assert "closed" not in before
        city.now = end + DAY
        city.act(case.id, "han", "feed_back", "at last")
        city.act(case.id, "off", "send_check")
        city.act(case.id, "col", "inspect", result="pass")
        city.act(case.id, "off", "close")
        assert numbers(city, begin, end)[""].cases == before
        assert numbers(city, begin, city.now + 1)[""].behind("closed") == [case.id]
        assert numbers(city, begin, city.now + 1)[""].count("on_time") == 0


TIMES = st.integers(0, 60).map(float)
CASES = st.builds(
    lambda id_, reported, filed_, deadline, finished, closed: Case(
        id=id_,
        number="",
        source="patrol",
        district="north",
        code="0102",
        reported=reported,
        reported_by="a",
        reported_as="collector",
        updated=60.0,
        filed=filed_,
        deadline=deadline if filed_ is not None else None,
        finished=finished,
        closed=closed if filed_ is not None and finished is not None else None,
        dispatched=filed_,
        dispatches=1,
        fed_back=finished,
    ),
    *(st.integers(1, 1000), TIMES, st.none() | TIMES, TIMES, st.none() | TIMES, st.none() | TIMES),
)


@settings(max_examples=60)
@given(st.lists(CASES, max_size=30), st.integers(1, 59))
def test_months_add_up_and_no_rate_is_above_one(cases, middle):
    def counts(begin, end):
        found = rates(cases, begin, end).get("", Numbers({}))
        for rate in RATES:
            assert found.rate(rate) is None or 0 <= found.rate(rate) <= 1
        return {name: found.count(name) for name in get_args(Measure)}

    first, second, whole = counts(0, middle), counts(middle, 61), counts(0, 61)
    assert {name: first[name] + second[name] for name in whole} == whole
    assert all(list(measures(one, 100, 200)) == [] for one in cases)


@pytest.mark.parametrize("by", ["area", "department", "position", "person", "kind", "code", "source"])
def test_groups_add_up_to_all(tmp_path, by):
    with city_in(tmp_path) as city:
        city.closed()
        city.handled(code="0104", district="south")
        city.report(code="0303")
        begin, end = city.now - 1, city.now + 30 * DAY
        whole = numbers(city, begin, end)[""]
        groups = numbers(city, begin, end, by).values()
        together = {name: sorted(id_ for one in groups for id_ in one.behind(name)) for name in whole.cases}
        assert together == whole.cases


def test_cases_from_before_their_numbers_had_a_column_count_the_same(tmp_path):
    with city_in(tmp_path) as city:
        city.closed()
        city.fed_back()
        end = city.now + DAY
        told = numbers(city, 0, end)
        assert told[""].count("accepted") == 2
        city.db.execute("DROP TRIGGER casefile_follows")  # it lets nobody change a row but with its history
        city.db.execute("UPDATE casefile SET counted = ''")
        assert numbers(city, 0, end) == told
