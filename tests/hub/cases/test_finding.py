"""Lists of cases: what is looked for once is found again, whatever the order and however deep."""

import pytest

from hub.cases import finding
from hub.cases.finding import CaseFinder, Wanted
from tests.hub.cases.case_city import city_in


@pytest.fixture
def city(tmp_path):
    with city_in(tmp_path) as city:
        for n in range(30):
            city.report(place=f"Mill Lane {n % 10}", source=("citizen", "department")[n % 2])
        city.handled(place="Mill Lane 3")
        yield city


@pytest.mark.parametrize("most", [2, 2000])
@pytest.mark.parametrize(
    "wanted",
    [
        Wanted(),
        Wanted(text="Lane 3"),
        Wanted(text="Lane 3", source="citizen"),
        Wanted(text="Mill", districts=("south",)),
        Wanted(text="nowhere"),
        Wanted(text="31"),
        Wanted(text="Lane", ids=[3, 4]),
    ],
)
def test_cases_that_a_text_leads_to_are_found_in_the_same_order(city, monkeypatch, most, wanted):
    monkeypatch.setattr(finding, "MOST_NARROWED", most)
    finder = CaseFinder(city.db, city.now)
    narrowed = finder.narrow(wanted)
    assert (narrowed is wanted) == (not wanted.text or wanted.ids is not None or finder.count(wanted) > most)
    assert finder.count(narrowed) == finder.count(wanted)
    for by in ("id", "deadline", "state"):
        for down in (True, False):
            whole = finder.page(wanted, by, down=down, skip=0, limit=100)
            assert len(whole) == finder.count(wanted)
            deep = [finder.page(narrowed, by, down=down, skip=skip, limit=4) for skip in range(0, 32, 4)]
            assert [case.id for page in deep for case in page] == [case.id for case in whole]


def test_a_deep_page_of_all_cases_reads_none_of_those_before_it(city):
    asked = []
    city.db.set_trace_callback(asked.append)
    CaseFinder(city.db, city.now).page(Wanted(sites=[]), "id", down=True, skip=20, limit=5)
    city.db.set_trace_callback(None)
    (plan,) = (city.db.execute(f"EXPLAIN QUERY PLAN {sql}").fetchall() for sql in asked)
    assert any("COVERING INDEX casefile_by_id" in step[3] for step in plan), plan
