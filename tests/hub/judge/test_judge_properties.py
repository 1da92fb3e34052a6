"""What holds for any readings: order, cutting and restarts change no verdict; the backtest says what the hub says."""

import csv
import datetime as dt
import io
import json
import math
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fenceline
from hub.compliance.consumer import GRACE
from hub.judge.averaging import rounded
from hub.registry.live import City, District
from schemas import load_limits
from tests.hub.helpers import CITY, LIMITS, Hub, Speaker, at, record
from tests.hub.judging import DAY, HOUR, MINUTE, Bench

ROOT = Path(__file__).parents[3]
STANDARDS = ("GB 12523-2025", "GB 3095-2026", "DB31/964-2016")
LEVELS = st.integers(400, 900).map(lambda tenths: tenths / 10)
DUST = st.integers(0, 3000)
CHUNKS = st.lists(
    st.tuples(
        st.sampled_from(["laeq", "lafmax", "tsp", "pm25", "wind_speed"]),
        st.integers(0, 4 * 6 - 1),  # of an evening and a night, in pieces of 10 min from 20:00 on
        st.one_of(st.none(), LEVELS),
    ),
    max_size=60,
    unique_by=lambda chunk: chunk[:2],
)


def site():
    return Bench(*STANDARDS, where="CN-SH", zone="2")


def give(bench, chunk):
    quantity, piece, value = chunk
    if value is not None and quantity in ("tsp", "pm25"):
        value = round(value * 30)
    if value is not None and quantity == "wind_speed":
        value /= 15
    bench.add(quantity, 20 * HOUR + piece * 600, MINUTE, *[value] * 10)


def final(judgements, found=None):
    """Return what holds in the end of each window of each limit."""
    found = {} if found is None else found
    for one in judgements:
        value = None if one.value is None else rounded(one.value, one.rule.decimals)
        found[one.rule.id, one.start] = (one.outcome, value, round(one.capture, 9), one.reason, one.permitted)
    return found


@settings(max_examples=60, deadline=None)
@given(CHUNKS, st.randoms(use_true_random=False), st.lists(st.integers(0, 60), max_size=4))
def test_in_whatever_order_readings_come_and_whenever_it_is_judged_the_verdicts_are_the_same_in_the_end(
    chunks, random, judged_after
):
    in_order, mixed = site(), site()
    for chunk in sorted(chunks, key=lambda chunk: (chunk[1], chunk[0])):
        give(in_order, chunk)
    end = in_order.midnight + 2 * DAY
    shuffled = random.sample(chunks, len(chunks))
    live = {}
    for number, chunk in enumerate(shuffled):
        give(mixed, chunk)
        if number in judged_after:
            final(mixed.judge(until=mixed.midnight + random.randrange(2 * DAY), devices=("a",)), live)
    final(mixed.judge(until=end), live)
    assert live == final(in_order.judge(until=end))


@given(
    LEVELS,
    st.integers(0, 3 * HOUR),
    st.integers(1, 2 * HOUR),
    st.lists(st.floats(0.001, 0.999), max_size=8).map(sorted),
)
def test_cutting_an_interval_changes_no_energy_mean(level, start, length, cuts):
    whole = Bench("GB 12523-2025").add("laeq", start, length, level).add("laeq", 6 * HOUR, 1200, 55.0)
    cut = Bench("GB 12523-2025").add("laeq", 6 * HOUR, 1200, 55.0)
    edges = [0, *(round(share * length) for share in cuts), length]
    for begin, end in pairwise(edges):
        if end > begin:
            cut.add("laeq", start + begin, end - begin, level)
    assert final(cut.judge()) == final(whole.judge())


@given(st.lists(st.tuples(LEVELS, st.sampled_from([1, 10, 60])), min_size=1, max_size=30))
def test_an_energy_mean_lies_between_the_arithmetic_mean_and_the_maximum(readings):
    bench, t = Bench("GB 12523-2025"), 9 * HOUR
    for level, length in readings:
        bench.add("laeq", t, length, level)
        t += length
    (first, *_) = bench.judge()
    inside = [(level, length) for level, length in readings] if t <= 9 * HOUR + 1200 else None
    if inside:
        arithmetic = sum(level * length for level, length in inside) / sum(length for _, length in inside)
        assert arithmetic - 1e-9 <= first.value <= max(level for level, _ in inside) + 1e-9


@given(st.lists(LEVELS, min_size=20, max_size=20), st.randoms(use_true_random=False))
def test_windows_that_are_merged_in_any_order_give_the_same_level(levels, random):
    """LAeq of 20 min from LAeq of 1 min, whatever the order: 10 lg of the mean of 10^(L/10)."""
    expected = 10 * math.log10(sum(10 ** (level / 10) for level in levels) / 20)
    minutes = list(enumerate(levels))
    random.shuffle(minutes)
    bench = Bench("GB 12523-2025")
    for minute, level in minutes:
        bench.add("laeq", 9 * HOUR + minute * MINUTE, MINUTE, level)
    (only,) = bench.judge()
    assert only.value == pytest.approx(expected, abs=1e-9)


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.hub.helpers import Hub
from tests.hub.judge.test_judge_properties import EVERYTHING, NIGHT

with Hub(Path(sys.argv[1]), EVERYTHING) as hub:
    writes = 0

    def count(sql):  # dies in the middle of a transaction, or between two
        global writes
        writes += sql.lstrip().upper().startswith(("INSERT", "DELETE", "UPDATE", "COMMIT"))
        if writes == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)

    hub.compliance._db.set_trace_callback(count)
    while hub.compliance.position() < 12:
        hub.now = NIGHT + 600 * (hub.compliance.position() + 1)
        hub.judge(1)
"""


def test_kill_9_at_any_moment_changes_no_verdict(tmp_path):
    def told(folder):
        folder.mkdir()
        with Hub(folder, EVERYTHING) as hub:
            board = Speaker("fence-1")
            for n in range(12):
                hub.now = NIGHT + 600 * (n + 1)
                hub.hear(board.telemetry(*a_night()[10 * n : 10 * n + 10]))
            assert len(hub.entries()) == 12
        return folder

    def finish(folder):
        with Hub(folder, EVERYTHING) as hub:
            while hub.compliance.position() < 12:
                hub.now = NIGHT + 600 * (hub.compliance.position() + 1)
                hub.judge(1)
            hub.now = NIGHT + 2 * DAY
            hub.judge()
            return hub.verdicts(), [(alert["rule"], alert["first"], alert["state"]) for alert in hub.alerts()]

    verdicts, alerts = finish(told(tmp_path / "whole"))
    assert {verdict["outcome"] for verdict in verdicts} == {"compliant", "exceeded", "invalid"}
    assert alerts
    folder = told(tmp_path / "killed")
    for after in (1, 7, 25, 40, 40):
        ended = subprocess.run([sys.executable, "-c", KILLED, folder, str(after)], cwd=ROOT, check=False)
        assert ended.returncode == -signal.SIGKILL
    again, alerts_again = finish(folder)
    assert [one | {"judged": 0} for one in again] == [one | {"judged": 0} for one in verdicts]
    assert alerts_again == alerts


NIGHT = at("2026-03-02 21:00")
EVERYTHING = [(s, n) for s, n in load_limits() if s.id in ("GB 12523-2025", "GB 3095-2026")]


def a_night():
    """Return records of 10 min each: two hours around 22:00 with noise and dust, some of it flagged."""
    values = [(58.0 + number % 7 * 3, 66.0 + number % 5 * 2, 40 + number * 7) for number in range(120)]
    return [
        record(NIGHT + 60 * n, 60, {"laeq": "M"} if n % 17 == 0 else None, laeq=laeq, lafmax=lafmax, pm25=pm25)
        for n, (laeq, lafmax, pm25) in enumerate(values)
    ]


def in_the_end(hub):
    """Return what holds of each window: outcome, value, capture of its latest verdict."""
    return {
        (v["device"], v["rule"], v["start"]): (
            v["outcome"],
            v["value"] and round(v["value"], 6),
            round(v["valid_share"], 6),
        )
        for v in hub.verdicts()
    }


@pytest.mark.parametrize("order", [lambda n: n, lambda n: -n, lambda n: (n * 7) % 12])
def test_a_log_that_is_judged_again_from_its_beginning_gives_the_verdicts_it_gave_live(tmp_path, order):
    messages = [a_night()[10 * n : 10 * n + 10] for n in range(12)]
    with Hub(tmp_path, EVERYTHING) as hub:
        board = Speaker("fence-1")
        for number in sorted(range(12), key=order):
            hub.now = max(hub.now, NIGHT + 600 * (number + 1))
            hub.hear(board.telemetry(*messages[number], seq=1 + 10 * number))
            hub.judge()
        hub.now = NIGHT + 2 * DAY
        hub.judge()
        live = in_the_end(hub)
        hub.close()
        (tmp_path / "compliance.db").unlink()
        hub.open()
        hub.judge()
        hub.now += GRACE  # nothing more comes: the last windows are over, too
        hub.judge()
        assert in_the_end(hub) == live
        assert any(outcome == "exceeded" for outcome, *_ in live.values())
        assert hub.alerts() == []  # it is two days later: no news


def local_time(t):
    return dt.datetime.fromtimestamp(t, CITY.zone).isoformat()


def in_shanghai():
    """Return the city with everything that a verdict may depend on: zone class, province, two boards at one site."""
    tower = msgspec.structs.replace(CITY.sites["tower"], zone_class="2")
    return msgspec.structs.replace(
        CITY,
        sites=CITY.sites | {"tower": tower},
        cities={"c": City(id="c", en="Shanghai", zh="上海", jurisdiction="CN-SH")},
        named_districts={"north": District(id="north", city="c", en="North", zh="北区")},
    )


def two_boards(dice):
    """Return (device, first record's number, records) of what two boards at one site measure in six hours."""
    begin, said = NIGHT - 2 * HOUR, []
    for device in ("fence-1", "fence-2"):
        for piece in range(36):
            records = []
            for minute in range(10):
                t = begin + 600 * piece + 60 * minute
                values = {
                    "tsp": dice.randrange(800, 2600),
                    "laeq": dice.uniform(50, 75),
                    "lafmax": dice.uniform(60, 90),
                }
                if device == "fence-2":
                    values["wind_speed"] = dice.uniform(2, 7)
                kept = {key: value for key, value in values.items() if dice.random() < 0.97}
                records.append(record(t, 60, **(kept or {"tsp": 900})))
            said.append((device, 1 + 10 * piece, records))
    return said


@pytest.mark.parametrize("seed", range(6))
def test_boards_that_come_back_hours_late_and_a_hub_that_is_restarted_change_no_verdict_in_the_end(tmp_path, seed):
    dice = Random(seed)
    said = two_boards(dice)
    limits = [(s, n) for s, n in load_limits() if s.id in (*STANDARDS, "GB 3096-2008")]

    def told(folder, messages, *, restarts):
        folder.mkdir()
        boards = {device: Speaker(device) for device in ("fence-1", "fence-2")}
        with Hub(folder, limits, in_shanghai()) as hub:
            hub.now = NIGHT + 6 * HOUR
            for device, seq, records in messages:
                hub.hear(boards[device].telemetry(*records, seq=seq))
                if restarts:
                    hub.now += dice.randrange(900)
                    hub.judge()
                if restarts and dice.random() < 0.2:
                    hub.restart()
            hub.judge()
            hub.now += 2 * DAY
            hub.judge()
            return in_the_end(hub)

    mixed = dice.sample(said, len(said))
    late = told(tmp_path / "late", mixed, restarts=True)
    assert late == told(tmp_path / "at-once", said, restarts=False)
    assert {outcome for outcome, *_ in late.values()} == {"compliant", "exceeded", "invalid"}


def test_what_comes_more_than_8_days_late_is_told_in_the_hubs_log_and_judged_no_more(tmp_path, caplog):
    with Hub(tmp_path, LIMITS) as hub:
        board = Speaker("fence-1")
        hub.now = NIGHT + 10 * DAY
        for day in (0, 9):  # records of both days wait at the board; those in between are still to come
            records = [record(NIGHT + day * DAY + 60 * n, 60, laeq=60.0) for n in range(20)]
            hub.hear(board.telemetry(*records, seq=1 + 1000 * day))
        hub.judge()
        hub.now += DAY
        hub.judge()
        before = hub.verdicts()
        hub.hear(board.telemetry(*[record(NIGHT + 1200 + 60 * n, 60, laeq=90.0) for n in range(20)], seq=21))
        hub.judge()
        hub.now += DAY
        hub.judge()
        assert hub.verdicts() == before
        assert [verdict["outcome"] for verdict in before] == ["compliant", "compliant"]
    assert "20 readings came more than 8 days after their windows had been judged" in caplog.text


def test_the_backtest_says_of_recorded_data_what_the_hub_said_of_them_live(tmp_path, monkeypatch, capsys):
    with Hub(tmp_path, LIMITS) as hub:
        board = Speaker("fence-1")
        for n in range(12):
            hub.now = NIGHT + 600 * (n + 1)
            hub.hear(board.telemetry(*a_night()[10 * n : 10 * n + 10]))
            hub.judge()
        hub.now = NIGHT + DAY
        hub.judge()
        live = in_the_end(hub)
    rows = io.StringIO()
    table = csv.writer(rows)
    table.writerow(["time", "dt", "quantity", "value", "flag"])
    for text in a_night():
        told = json.loads(text)
        time = local_time(told["t"])
        for quantity, value in told["v"].items():
            table.writerow([time, told["dt"], quantity, value, told.get("f", {}).get(quantity, "N")])
    path = tmp_path / "night.csv"
    path.write_text(rows.getvalue(), "utf-8")
    monkeypatch.setattr(
        sys,
        "argv",
        ["fenceline", "backtest", str(path), "--standards", "GB 12523-2025", "--background", "20", "--json"],
    )
    with pytest.raises(SystemExit) as ended:
        fenceline.main()
    assert ended.value.code == 0
    *lines, _ = map(json.loads, capsys.readouterr().out.splitlines())
    assert {
        (f"{one['standard']} {one['limit']}", one["start"]): (
            one["outcome"],
            one["value"],
        )
        for one in lines
        if one["valid"]
    } == {
        (rule, local_time(start)): (outcome, round(value, 1))
        for (_, rule, start), (outcome, value, _) in live.items()
        if outcome != "invalid"
    }
