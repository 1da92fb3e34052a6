"""A board that is moved: each record counts where it was when it was made, once, under whichever topic it comes."""

import datetime as dt
import json
import random

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deploy.access import Place, access
from hub.intake.admission import Admission
from hub.registry.entries import Earlier, Site
from hub.upkeep.checks.moves import check_moves
from tests.hub.helpers import CITY, NOON, QUANTITIES, QUIET, SHANGHAI, Hub, Speaker, record

LEFT, CAME = NOON, NOON + 3600
"""The board leaves the tower at noon and stands at the pit in another district an hour later."""


def time(t):
    return dt.datetime.fromtimestamp(t, SHANGHAI)


PIT = Site(id="pit", district="west", kind="construction", en="Pit", zh="基坑", background=QUIET)


def moved(registry=CITY, left=LEFT, came=CAME, to="pit"):
    """Return the registry in which fence-1 has been moved."""
    board = registry.boards["fence-1"]
    told = msgspec.structs.replace(
        board, site=to, since=time(came), earlier=(*board.earlier, Earlier(site=board.site, until=time(left)))
    )
    return msgspec.structs.replace(
        registry, sites={**registry.sites, "pit": PIT}, boards={**registry.boards, "fence-1": told}
    )


def at_pit(message):
    """Return a message under the topic of the board's new site."""
    topic, payload = message
    return topic.replace("/north/tower/", "/west/pit/"), payload


@pytest.fixture
def hub(tmp_path):
    with Hub(tmp_path, registry=moved()) as hub:
        hub.now = CAME + 7200
        yield hub


def minutes(begin, count, level=60.0):
    """Return a record for each minute."""
    return [record(begin + 60 * n, 60, laeq=level) for n in range(count)]


def counted(hub):
    """Return where each record counts, by number: the log's word, as every consumer takes it."""
    return {(i.stream, i.seq): (i.district, i.site) for entry in hub.entries() for i in entry.intervals}


TOWER, AT_PIT = ("north", "tower"), ("west", "pit")


@pytest.mark.parametrize("new_topic", [False, True])
def test_a_full_outbox_counts_where_it_was_filled(hub, new_topic):
    board = Speaker()
    message = board.telemetry(*minutes(LEFT - 120, 2), *minutes(CAME, 2))
    told = hub.hear(at_pit(message) if new_topic else message)
    assert told == {("fence-1", "9f3a12c4"): 4}, "the board may forget all of it"
    assert counted(hub) == {
        ("9f3a12c4", 1): TOWER,
        ("9f3a12c4", 2): TOWER,
        ("9f3a12c4", 3): AT_PIT,
        ("9f3a12c4", 4): AT_PIT,
    }
    assert hub.quarantine() == []


def test_the_same_bytes_under_both_topics_count_once(hub):
    board = Speaker()
    messages = [board.telemetry(*minutes(LEFT - 120, 2)), board.event(7, t=LEFT - 60), board.event(0, t=LEFT - 50)]
    messages += [board.say("status", f'{{"online":true,"t":{LEFT - 40}}}')]
    hub.hear(*messages)
    before = len(hub.entries())
    hub.hear(*map(at_pit, messages))
    hub.hear(*messages, *map(at_pit, messages))
    assert len(hub.entries()) == before == 4
    assert hub.quarantine() == []


def test_what_was_made_on_the_way_is_kept_and_counts_nowhere(hub):
    board = Speaker()
    mixed = board.telemetry(*minutes(LEFT - 60, 1), *minutes(LEFT + 600, 2), *minutes(CAME, 1))
    alone = board.telemetry(*minutes(LEFT + 1200, 1))
    assert hub.hear(mixed, at_pit(alone)) == {("fence-1", "9f3a12c4"): 5}
    hub.restart()
    hub.hear(mixed, at_pit(mixed), alone)  # it comes again: nothing more counts
    assert counted(hub) == {("9f3a12c4", 1): TOWER, ("9f3a12c4", 4): AT_PIT}
    kept = hub.quarantine()
    assert {one["reason"] for one in kept if one["fresh"]} == {"nowhere"}
    assert sorted(one["fresh"] for one in kept if one["fresh"]) == ["[[2,4]]", "[[5,6]]"]
    assert "2 of 4 were not made at a site of this hub's" in kept[0]["detail"]
    assert (
        "north/tower from ever to 2026-03-02T12:00+08:00, west/pit from 2026-03-02T13:00+08:00 to now"
        in kept[0]["detail"]
    )


def test_a_move_whose_time_is_mended_brings_them_back(hub):
    board = Speaker()
    hub.hear(board.telemetry(*minutes(LEFT - 60, 1), *minutes(LEFT + 600, 2), *minutes(LEFT + 1800, 1)))
    hub.admission.use(moved(came=LEFT + 1200))
    hub.log.ask(reason="nowhere")
    hub.log.replay(hub.admission.judge, hub.now)
    assert counted(hub) == {("9f3a12c4", 1): TOWER, ("9f3a12c4", 4): AT_PIT}
    hub.admission.use(moved(left=LEFT + 1200, came=LEFT + 1200))
    hub.log.ask(reason="nowhere")
    hub.log.replay(hub.admission.judge, hub.now)
    assert counted(hub) == {("9f3a12c4", n): AT_PIT if n == 4 else TOWER for n in (1, 2, 3, 4)}
    assert [one for one in hub.quarantine() if one["fresh"]] == []


def test_a_hub_of_the_new_district_keeps_what_was_made_in_the_old_one_and_does_not_count_it(hub):
    hub.admission = Admission(moved(), QUANTITIES, lambda: hub.now, ("west",))
    board = Speaker()
    messages = [board.telemetry(*minutes(LEFT - 120, 2)), board.telemetry(*minutes(LEFT - 60, 1), *minutes(CAME, 1))]
    messages += [board.event(9, t=LEFT - 60)]
    assert hub.hear(*map(at_pit, messages)) == {("fence-1", "9f3a12c4"): 4}
    assert counted(hub) == {("9f3a12c4", 4): AT_PIT}
    assert [(one["reason"], one["fresh"]) for one in hub.quarantine()] == [
        ("other_district", "[[1,3]]"),
        ("other_district", "[[3,4]]"),
        ("other_district", None),
    ]


def test_what_came_under_the_new_topic_before_the_registry_was_told_is_judged_when_it_is(tmp_path):
    board = Speaker()
    with Hub(tmp_path) as hub:
        hub.now = CAME + 7200
        hub.hear(at_pit(board.telemetry(*minutes(LEFT - 60, 1), *minutes(CAME, 1))))
        assert [one["reason"] for one in hub.quarantine()] == ["wrong_topic"]
        hub.admission.use(moved())
        hub.log.ask_for("wrong_topic", lambda _: True)
        hub.log.replay(hub.admission.judge, hub.now)
        assert counted(hub) == {("9f3a12c4", 1): TOWER, ("9f3a12c4", 2): AT_PIT}
        assert hub.quarantine() == []


def test_an_event_from_the_van_is_heard_at_no_site(hub):
    hub.hear(Speaker().event(7, t=LEFT + 60))
    (entry,) = hub.entries()
    assert (entry.place.district, entry.place.site, entry.place.device) == ("", "", "fence-1")


def test_windows_of_two_sites_hold_nothing_of_each_other(tmp_path):
    """The hour of the move: 75 dB(A) at the tower until 12:10, at the pit from 12:20 on no more than 50 dB(A)."""
    board = Speaker()
    with Hub(tmp_path, registry=moved(left=NOON + 600, came=NOON + 1200)) as hub:
        hub.now = NOON + 3600
        late = board.telemetry(*minutes(NOON - 1800, 40, 75.0))
        hub.hear(at_pit(board.telemetry(*minutes(NOON + 1200, 40, 50.0))))
        hub.judge()
        hub.now = NOON + 8000
        hub.judge()
        hub.hear(at_pit(late))
        hub.judge()
        hub.now += 1000
        hub.judge()
        newest = {(v["site"], v["start"]): v for v in hub.verdicts() if v["rule"].endswith("laeq-day")}
        assert {site: v["outcome"] for (site, _), v in newest.items() if v["outcome"] != "invalid"} == {
            "tower": "exceeded",
            "pit": "compliant",
        }
        assert {v["device"] for v in newest.values()} == {"fence-1"}
        assert all(v["value"] == pytest.approx(75.0) for (site, _), v in newest.items() if site == "tower")
        assert all(v["value"] == pytest.approx(50.0) for (site, _), v in newest.items() if site == "pit")


def test_a_move_that_is_told_late_is_named_with_what_was_judged_at_the_wrong_site(tmp_path):
    board = Speaker()
    with Hub(tmp_path) as hub:
        hub.now = NOON + 3700
        hub.hear(board.telemetry(*minutes(NOON - 1200, 80, 75.0)))
        hub.judge()
        at_tower = [v for v in hub.verdicts() if v["site"] == "tower"]
        assert check_moves(tmp_path, hub.registry) == []
        (found,) = check_moves(tmp_path, moved(left=NOON, came=NOON))
    wrong = [v for v in at_tower if v["start"] >= NOON]
    assert 0 < len(wrong) < len(at_tower)
    assert found.state == "warning"
    assert found.text.en.startswith(f"{len(wrong)} verdicts on fence-1 were given at tower, 2026-03-02 12:00 to ")


def test_the_broker_lets_a_board_that_has_moved_speak_from_both_places():
    said = access({"fence-1": Place("west", "pit")}, {}, {"fence-1": [Place("north", "tower"), Place("west", "pit")]})
    topics = [rule["topic"] for role in json.loads(said)["roles"] for rule in role["acls"]]
    for place in ("north/tower", "west/pit"):
        assert topics.count(f"fenceline/1/{place}/fence-1/telemetry") == 1
        assert f"fenceline/1/{place}/fence-1/ack" in topics


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_each_record_counts_once_and_where_it_was_made_in_whatever_order(tmp_path_factory, data):
    """Topics, order, repetition, splitting and kills are drawn; the answer is the registry's alone."""
    drawn = data.draw(st.randoms(use_true_random=False))
    times = sorted(drawn.sample(range(LEFT - 5400, CAME + 5400, 60), 24))
    want = {n + 1: TOWER if t < LEFT else AT_PIT if t >= CAME else None for n, t in enumerate(times)}
    board, messages, at = Speaker(), [], 0
    while at < len(times):
        some = times[at : at + drawn.randint(1, 6)]
        messages.append(board.telemetry(*(record(t, 60, laeq=60.0) for t in some), seq=at + 1))
        at += len(some)
    sent = [drawn.choice([one, at_pit(one)]) for one in messages * 2]
    drawn.shuffle(sent)
    with Hub(tmp_path_factory.mktemp("moves"), registry=moved()) as hub:
        hub.now = CAME + 7200
        while sent:
            few = drawn.randint(1, 4)
            hub.hear(*sent[:few])
            sent = sent[few:]
            if random.Random(len(sent)).random() < 0.2:
                hub.restart()
        intervals = [i for entry in hub.entries() for i in entry.intervals]
        assert sorted(i.seq for i in intervals) == [n for n, place in want.items() if place]
        assert {i.seq: (i.district, i.site) for i in intervals} == {n: place for n, place in want.items() if place}
        spans = [msgspec.json.decode(one["fresh"]) for one in hub.quarantine() if one["fresh"]]
        kept = sorted(n for ranges in spans for first, after in ranges for n in range(first, after))
        assert kept == [n for n, place in want.items() if place is None]
