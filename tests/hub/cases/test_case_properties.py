"""Whatever people try with cases, in whatever order: nothing leaves the table, and a history adds up to its case."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from hub.cases.evaluating import Remembered, evaluate
from hub.cases.refusal import CaseError
from hub.cases.rules.machine import AGAINST, EVER, RULES, allowed, apply, positions, reckon, replay
from hub.cases.rules.records import OVER
from tests.hub.cases.case_city import ROLES, city_in

# Every act, and what it may say; the wrong words are tried, too.
GIVEN = {
    "verify": st.fixed_dictionaries({"found": st.sampled_from(["exists", "not_exists", "unable", "?"])}),
    "file": st.sampled_from([{}, {"standard": "exposed-refuse"}, {"amount": 2, "unit": "work_day"}]),
    "dispatch": st.sampled_from([{}, {"department": "roads"}, {"department": "?"}]),
    "ask_extension": st.fixed_dictionaries({"amount": st.integers(0, 3)}),
    "add_co_handler": st.sampled_from([{"department": "greens"}, {"department": "roads"}]),
    "remove_co_handler": st.just({"department": "greens"}),
    "inspect": st.fixed_dictionaries({"result": st.sampled_from(["pass", "fail", "unable"])}),
    "review": st.fixed_dictionaries({"stage": st.sampled_from(["pre_check", "department", "leader"])}),
    "refuse": st.sampled_from([{}, {"same_as": 1}]),
    "join_alert": st.fixed_dictionaries({"alert": st.integers(1, 5)}),
}
ACT = st.sampled_from(sorted(RULES)).flatmap(
    lambda what: st.tuples(
        st.just(what), GIVEN.get(what, st.just({})), st.sampled_from(sorted(ROLES)), st.sampled_from(["", "why"])
    )
)
WAY = ["ask_verification", "verify", "file", "dispatch", "receive", "feed_back", "send_check", "inspect", "close"]
SAYS = {"verify": {"found": "exists"}, "inspect": {"result": "pass"}}
WHOSE = {"officer": "off", "collector": "col", "dispatcher": "dis", "handler": "han"}


def take(city, id_, what, given_, name, text):
    """Try an act; return whether it was done."""
    before = city.desk("root").get(id_)
    try:
        case = city.desk(name).act(id_, what, text, **given_)
    except CaseError:
        assert city.desk("root").get(id_) == before  # a refusal changes nothing
        return False
    event = city.desk("root").book.events(id_)[-1]
    # The table allowed it, in this state and to this role, and nobody was on both sides.
    assert allowed(before, what)
    assert (event.before, event.after, event.what) == (before.state, case.state, what)
    joined = city.joined
    assert event.position in (*positions(what, joined=joined), "admin")
    assert ROLES[name] in (event.position, "admin")
    assert case == apply(before, event)
    assert not set(case.judges) & set(case.handlers)
    assert joined or not set(case.judges) & set(case.commanders)
    if case.deadline is not None and case.stopped is None and what in {"file", "dispatch", "resume", "rework"}:
        assert case.deadline == reckon(case, city.rules.calendar)
    return True


def evaluate_again(city, remembered, begun):
    """Look again at a period that goes on, and at one that is over when the next act is: what is kept is what is."""
    for end in (begun + 10_000_000, begun + 50_000):
        found = evaluate(city.desk("root"), begun, end, "person", remembered=remembered)
        assert found == evaluate(city.desk("root"), begun, end, "person")


@settings(max_examples=25)
@given(
    st.sampled_from(["citizen", "department"]),
    st.integers(0, len(WAY)),
    st.lists(st.tuples(ACT, st.integers(0, 100_000)), max_size=25),
    st.booleans(),
)
def test_random_acts_never_leave_the_table(source, so_far, acts, joined):
    with tempfile.TemporaryDirectory() as folder, city_in(Path(folder), joined=joined) as city:
        id_ = city.report(source=source, code="0102").id
        remembered, begun = Remembered(), city.now
        evaluate_again(city, remembered, begun)
        for what in WAY[:so_far]:  # some way, so that random acts are tried in every state
            name = WHOSE[RULES[what].positions[0]]
            assert take(city, id_, what, SAYS.get(what, {}), name, "done")
            evaluate_again(city, remembered, begun)
        for (what, given_, name, text), pause in acts:
            city.now += pause
            take(city, id_, what, given_, name, text)
            evaluate_again(city, remembered, begun)
        case = city.desk("root").get(id_)
        assert city.replayed(id_) == case
        assert (case.closed is not None) == (
            case.state == "closed"
            or (case.state == "archived" and case.refused is None)
            or (case.state == "appealed" and case.before == "closed")
        )
        if source == "citizen" and case.filed is not None:
            assert case.verified == "exists"
        book = city.desk("root").book
        for end in {event.time + 1e-6 for event in book.events(id_)}:  # as it was at any moment before
            (counted,) = (one for one in book.concerned(0, end) if one.id == id_)
            before = replay([event for event in book.events(id_) if event.time < end])
            assert getattr(counted, "counted", counted) == before.counted


def test_the_table_is_whole():
    reachable, todo = set(), ["reported"]
    while todo:
        state = todo.pop()
        if state in reachable:
            continue
        reachable.add(state)
        todo += [rule.after for rule in RULES.values() if rule.after and state in rule.before]
    assert reachable == set(EVER)
    # Whoever is not done can go on, and who dispatches is nobody who judges.
    for state in reachable - OVER:
        assert any(rule.after not in {None, state} for rule in RULES.values() if state in rule.before) or state in {
            "suspended",
            "appealed",
        }
    sides = {side: {one for r in RULES.values() if r.side == side for one in r.positions} for side in AGAINST}
    assert not sides["judges"] & (sides["commanders"] | sides["handlers"])
