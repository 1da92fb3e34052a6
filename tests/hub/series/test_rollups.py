"""Rollups: their arithmetic, and that each record counts once, whatever is killed and however late it comes."""

import datetime as dt
import math
import sqlite3
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hub.log.entry import Entry
from hub.series import SqliteStore, StoreError
from hub.series.periods import DAY, Calendar, Sums
from hub.series.rollups import Rollups
from tests.hub.helpers import NOON, QUANTITIES, SHANGHAI, Hub, Speaker, at, query, record

ZONES = ["Asia/Shanghai", "Europe/Berlin", "Asia/Kathmandu", "America/Havana", "Australia/Lord_Howe", "UTC"]


class Weak(SqliteStore):
    """A store that fails as a test wants: before or after it has written."""

    before = after = None

    def write_rollups(self, rollups):
        if self.before:
            raise self.before
        super().write_rollups(rollups)
        if self.after:
            raise self.after


class Keeper:
    """The rollups of a hub, driven step by step; `now` is its clock."""

    def __init__(self, folder, zone=SHANGHAI):
        self.folder, self.zone, self.now = Path(folder), zone, 0.0
        self.store = Weak(self.folder / "series.db")
        self.open()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.rollups.close()
        self.store.close()

    def open(self):
        self.rollups = Rollups(self.folder / "rollups.db", self.store, QUANTITIES, self.zone, lambda: self.now)

    def kill(self):
        """End it without a chance to save anything, and start it again."""
        self.rollups.close()
        self.open()

    def take(self, entries):
        """Give the entries that come next, as its consumer does."""
        self.rollups.take([entry for entry in entries if entry.offset > self.rollups.position()])

    def settle(self, entries):
        """Give everything that is not done yet, and let a minute pass."""
        self.now += 60
        self.take(entries)

    def rows(self):
        rows = query(self.folder / "series.db", "SELECT * FROM rollup")
        return {
            (row["device"], row["quantity"], row["period"], row["start"]): (
                row["value"],
                row["capture"],
                row["highest"],
                row["lowest"],
            )
            for row in rows
        }

    def value(self, quantity, period, start, device="fence-1"):
        return self.rows()[device, quantity, period, start][0]

    def state(self):
        return query(self.folder / "rollups.db", "SELECT * FROM bucket")


@pytest.fixture
def keeper(tmp_path):
    with Keeper(tmp_path) as keeper:
        yield keeper


class Journal:
    """A log's entries, made of what boards say."""

    def __init__(self):
        self.entries = []
        self.boards = {}

    def add(self, *records, device="fence-1", topic=None):
        """Add one message with these records; return its entry."""
        board = self.boards.setdefault(device, Speaker(device))
        first = board.next
        said, payload = board.telemetry(*records)
        offset = len(self.entries) + 1
        span = [(first, first + len(records))]
        self.entries.append(Entry(offset, float(NOON), topic or said, payload, span, [], settled=True))
        return self.entries[-1]


@pytest.fixture
def journal():
    return Journal()


def series(start, count, step=10, **values):
    """Return records one after the other, all with the same values."""
    return [record(start + step * n, step, **values) for n in range(count)]


def energy_mean(levels):
    return 10 * math.log10(math.fsum(10 ** (level / 10) for level in levels) / len(levels))


def test_levels_are_averaged_by_energy_and_everything_else_as_the_catalogue_says(keeper, journal):
    start = at("2026-03-02 09:00")
    journal.add(
        record(start, laeq=60.0, lafmax=71.0, lafmin=50.0, pm10=10, wind_dir=350, supply=12.5),
        record(start + 10, laeq=80.0, lafmax=92.0, lafmin=55.5, pm10=30, wind_dir=10, supply=12.25),
    )
    keeper.settle(journal.entries)
    rows = {quantity: row for (_, quantity, period, _), row in keeper.rows().items() if period == 600}
    assert rows["laeq"] == (pytest.approx(77.0329, abs=1e-4), 20 / 600, 80.0, 60.0)
    assert rows["lafmax"] == (92.0, 20 / 600, None, None)
    assert rows["lafmin"] == (50.0, 20 / 600, None, None)
    assert rows["pm10"] == (20.0, 20 / 600, 30.0, 10.0)
    assert math.cos(math.radians(rows["wind_dir"][0])) == pytest.approx(1)
    assert rows["supply"] == (12.25, 20 / 600, 12.5, 12.25)


def test_a_long_interval_weighs_as_much_as_it_lasts(keeper, journal):
    journal.add(record(NOON, 50, pm10=100), record(NOON + 50, 10, pm10=40))
    keeper.settle(journal.entries)
    assert keeper.value("pm10", 600, NOON) == pytest.approx(90)


def test_every_reading_is_in_its_ten_minutes_its_hour_and_its_local_day(keeper, journal):
    for moment in ("2026-03-02 00:00", "2026-03-02 09:09:50", "2026-03-02 09:10", "2026-03-02 23:59:50"):
        journal.add(record(at(moment), pm10=50))
    keeper.settle(journal.entries)
    starts = {
        600: ["00:00", "09:00", "09:10", "23:50"],
        3600: ["00:00", "09:00", "23:00"],
        86_400: ["00:00"],
    }
    assert set(keeper.rows()) == {
        ("fence-1", "pm10", period, at(f"2026-03-02 {start}")) for period, texts in starts.items() for start in texts
    }


def test_data_capture_is_the_share_that_was_measured_and_only_flag_n_counts(keeper, journal):
    start = at("2026-03-02 09:00")
    journal.add(*series(start, 5, step=60, laeq=60.0, pm10=80))
    flagged = [record(start + 300 + 60 * n, 60, laeq=120.0, pm10=80, flags={"laeq": "D"}) for n in range(5)]
    journal.add(*flagged)
    keeper.settle(journal.entries)
    rows = keeper.rows()
    assert rows["fence-1", "laeq", 600, start] == (pytest.approx(60.0), 0.5, 60.0, 60.0)
    assert rows["fence-1", "pm10", 600, start][:2] == (80.0, 1.0)
    assert rows["fence-1", "laeq", 3600, start][1] == pytest.approx(300 / 3600)
    assert rows["fence-1", "laeq", 86_400, at("2026-03-02 00:00")][1] == pytest.approx(300 / 86_400)


def test_a_clock_that_was_set_back_captures_no_more_than_all(keeper, journal):
    for _ in range(2):
        journal.add(*series(NOON, 10, step=60, pm10=80))
    keeper.settle(journal.entries)
    assert keeper.rows()["fence-1", "pm10", 600, NOON][1] == 1.0


def test_levels_exceeded_some_of_the_time_are_not_rolled_up(keeper, journal):
    journal.add(record(NOON, l10=70.0, l50=60.0, l90=50.0, laeq=65.0))
    keeper.settle(journal.entries)
    assert {quantity for _, quantity, _, _ in keeper.rows()} == {"laeq"}


def test_wind_from_all_sides_has_no_direction(keeper, journal):
    journal.add(*(record(NOON + 10 * n, wind_dir=90 * n) for n in range(4)))
    keeper.settle(journal.entries)
    assert keeper.rows()["fence-1", "wind_dir", 600, NOON] == (None, 40 / 600, None, None)


def test_the_last_value_is_the_latest_measured_and_not_the_latest_heard(keeper, journal):
    journal.add(record(NOON + 60, supply=12.5))
    journal.add(record(NOON, supply=11.0))
    keeper.settle(journal.entries)
    journal.add(record(NOON + 30, supply=10.0))
    keeper.settle(journal.entries)
    assert keeper.value("supply", 600, NOON) == 12.5


def test_a_board_that_moved_has_rollups_at_both_sites(keeper, journal):
    journal.add(record(NOON, pm10=50))
    journal.add(record(NOON + 10, pm10=70), topic="fenceline/1/south/mill/fence-1/telemetry")
    keeper.settle(journal.entries)
    rows = query(keeper.folder / "series.db", "SELECT district, site, value FROM rollup WHERE period = 600")
    assert sorted(tuple(row.values()) for row in rows) == [("north", "tower", 50.0), ("south", "mill", 70.0)]


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-06-01", 24)])
def test_a_whole_day_is_captured_whole_though_clocks_change(tmp_path, journal, day, hours):
    zone = ZoneInfo("Europe/Berlin")
    midnight = int(dt.datetime.fromisoformat(day).replace(tzinfo=zone).timestamp())
    with Keeper(tmp_path, zone) as keeper:
        for hour in range(hours):
            journal.add(*series(midnight + 3600 * hour, 60, step=60, pm10=80))
        journal.add(record(midnight + 3600 * hours, 60, pm10=80), record(midnight - 60, 60, pm10=80))
        keeper.settle(journal.entries)
        rows = keeper.rows()
        assert rows["fence-1", "pm10", 86_400, midnight][1] == 1.0
        assert rows["fence-1", "pm10", 86_400, midnight + 3600 * hours][1] < 0.001
        assert len([key for key in rows if key[2] == 3600]) == hours + 2


@given(zone=st.sampled_from(ZONES), t=st.integers(at("2020-01-01 00:00"), at("2030-01-01 00:00")))
@settings(max_examples=300, deadline=None)
@example(zone="America/Havana", t=1772946000)  # 2026-03-08: its midnight is left out
def test_local_days_follow_each_other_without_gap_or_overlap(zone, t):
    calendar = Calendar(ZoneInfo(zone))
    start = calendar.start(t, DAY)
    length = calendar.length(start, DAY)
    assert start <= t < start + length
    assert calendar.start(start, DAY) == start
    assert calendar.start(start + length, DAY) == start + length
    assert calendar.start(start + length - 1, DAY) == start
    assert length in {DAY, DAY - 3600, DAY + 3600, DAY - 1800, DAY + 1800}
    local = dt.datetime.fromtimestamp(start, ZoneInfo(zone))
    assert (local.hour, local.minute) == (0, 0) or calendar.start(start - 1, DAY) < start
    base = calendar.start(t, 600)
    assert base <= t < base + 600
    assert calendar.start(base, 3600) == calendar.start(t, 3600)
    assert calendar.start(base, DAY) == start


levels = st.lists(st.floats(20, 140), min_size=1, max_size=60)


@given(levels)
def test_the_energy_mean_of_parts_is_the_energy_mean_of_the_whole(values):
    sums = Sums()
    for n, value in enumerate(values):
        sums.add("energy_mean", value, n, 10)
    assert sums.value("energy_mean") == pytest.approx(energy_mean(values), abs=1e-6)
    assert min(values) - 1e-6 <= sums.value("energy_mean") <= max(values) + 1e-6


def tenths(low, high):
    return st.integers(low * 10, high * 10).map(lambda n: n / 10)


minutes = st.builds(
    lambda minute, part, length, laeq, lafmax, pm10, wind, supply, device: (
        (at("2026-03-01 22:00") + 60 * minute + 10 * part, length),
        {"laeq": laeq, "lafmax": lafmax, "pm10": pm10, "wind_dir": wind, "supply": supply},
        device,
    ),
    st.integers(0, 4 * 60),
    st.integers(0, 5),
    st.just(10),
    tenths(20, 140),
    tenths(20, 140),
    st.integers(0, 1000),
    st.integers(0, 359),
    tenths(9, 15),
    st.sampled_from(["fence-1", "fence-2"]),
)
day = st.lists(minutes, min_size=1, max_size=40, unique_by=lambda one: (one[0][0], one[2]))


def journal_of(said):
    journal = Journal()
    for (t, length), values, device in said:
        journal.add(record(t, length, **values), device=device)
    return journal


def outcome(journal, *, cuts=(), kills=(), pauses=()):
    """Return the rollups when the entries come in these parts, with kills and minutes that pass between them."""
    with TemporaryDirectory() as folder, Keeper(folder) as keeper:
        for n, cut in enumerate(sorted(cuts)):
            if n in pauses:
                keeper.now += 60
            keeper.take(journal.entries[:cut])
            if n in kills:
                keeper.kill()
        keeper.settle(journal.entries)
        return keeper.rows()


def alike(a, b):
    """Tell whether two sets of rollups differ by no more than the order of additions may do."""
    assert a.keys() == b.keys()
    for key, ((value, *rest), (other, *others)) in ((key, (a[key], b[key])) for key in a):
        assert rest == pytest.approx(others), key
        if key[1] == "wind_dir" and None not in (value, other):
            turned = math.radians(value - other)
            assert math.cos(turned) == pytest.approx(1), key
        elif key[1] != "wind_dir":  # a direction is none when all cancel out, up to the last digit
            assert value == pytest.approx(other, rel=1e-9), key
    return True


@given(said=day, data=st.data())
@settings(max_examples=25, deadline=None)
def test_neither_order_nor_batches_nor_kills_change_a_rollup(said, data):
    expected = outcome(journal_of(said))
    shuffled = journal_of(data.draw(st.permutations(said)))
    few = st.lists(st.integers(0, len(said)), max_size=6)
    cuts = data.draw(few)
    kills, pauses = (data.draw(st.sets(st.integers(0, 5))) for _ in range(2))
    assert alike(expected, outcome(shuffled, cuts=cuts, kills=kills, pauses=pauses))


@given(said=day)
@settings(max_examples=25, deadline=None)
def test_the_rollups_of_a_day_are_what_its_readings_say(said):
    rows = outcome(journal_of(said))
    for (device, quantity, period, start), (value, capture, highest, lowest) in rows.items():
        end = start + period
        own = [(t, v[quantity]) for (t, _), v, who in said if who == device and start <= t < end]
        values = [value for _, value in own]
        assert capture == pytest.approx(10 * len(own) / period)
        if quantity == "laeq":
            assert value == pytest.approx(energy_mean(values))
        elif quantity == "lafmax":
            assert value == max(values)
        elif quantity == "pm10":
            assert value == pytest.approx(math.fsum(values) / len(values))
        elif quantity == "supply":
            assert value == max(own)[1]
        if quantity in ("laeq", "pm10", "supply"):
            assert (highest, lowest) == (max(values), min(values))
    assert {key[2] for key in rows} == {600, 3600, 86_400}


@given(said=day)
@settings(max_examples=15, deadline=None)
def test_an_interval_cut_in_parts_gives_the_same(said):
    whole, parts = [], []
    for (t, _), values, device in {(one[0][0] // 60, one[2]): one for one in said}.values():
        start = t - t % 60
        whole.append(((start, 60), values, device))
        parts += [((start + step, length), values, device) for step, length in ((0, 10), (10, 20), (30, 30))]
    assert alike(outcome(journal_of(whole)), outcome(journal_of(parts)))


def test_a_replay_of_everything_gives_the_same(keeper, journal):
    for n in range(200):
        journal.add(record(NOON + 60 * n, 60, laeq=50 + n % 30, pm10=n))
    for n in (50, 120, 200):
        keeper.settle(journal.entries[:n])
    before = keeper.rows()
    keeper.rollups.close()
    (keeper.folder / "rollups.db").unlink()
    keeper.open()
    assert keeper.rollups.position() == 0
    keeper.settle(journal.entries)
    assert alike(keeper.rows(), before)


def test_it_writes_about_once_a_minute_and_the_log_keeps_what_is_in_memory(keeper, journal):
    journal.add(record(NOON, pm10=50))
    keeper.now = 59
    keeper.rollups.take(journal.entries)
    keeper.rollups.take([])
    assert keeper.rows() == {}
    assert keeper.rollups.position() == 0
    keeper.now = 60
    keeper.rollups.take([])
    assert keeper.value("pm10", 600, NOON) == 50
    assert keeper.rollups.position() == 1


def test_entries_given_again_count_once(keeper, journal):
    journal.add(record(NOON, pm10=50))
    journal.add(record(NOON + 10, pm10=70))
    for now in (0, 30, 60, 120):
        keeper.now = now
        keeper.rollups.take(journal.entries)
    assert keeper.rows()["fence-1", "pm10", 600, NOON] == (60.0, 20 / 600, 70.0, 50.0)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_kill_beside_the_write_to_the_store_changes_nothing(keeper, journal, moment):
    journal.add(record(NOON, pm10=50))
    setattr(keeper.store, moment, SystemExit())
    with pytest.raises(SystemExit):
        keeper.settle(journal.entries)
    setattr(keeper.store, moment, None)
    keeper.kill()
    keeper.rollups.take([])
    assert keeper.rows()["fence-1", "pm10", 600, NOON] == (50.0, 10 / 600, 50.0, 50.0)
    assert query(keeper.folder / "rollups.db", "SELECT * FROM changed") == []
    assert keeper.rollups.position() == 1


def test_a_store_that_is_away_gets_everything_when_it_is_back(keeper, journal):
    journal.add(record(NOON, pm10=50))
    keeper.store.before = StoreError("away")
    for _ in range(3):
        with pytest.raises(StoreError):
            keeper.settle(journal.entries)
    journal.add(record(NOON + 10, pm10=70))
    with pytest.raises(StoreError):
        keeper.settle(journal.entries)
    keeper.store.before = None
    keeper.rollups.take([])
    assert keeper.rows()["fence-1", "pm10", 600, NOON] == (60.0, 20 / 600, 70.0, 50.0)


def test_late_data_amends_its_own_time_for_five_weeks(keeper, journal):
    long_ago, too_long_ago = NOON - 34 * DAY, NOON - 36 * DAY
    for start in (too_long_ago, long_ago, NOON):
        journal.add(*series(start, 10, pm10=50))
        keeper.settle(journal.entries)
    journal.add(record(long_ago + 100, pm10=160), record(too_long_ago + 100, pm10=160))
    keeper.settle(journal.entries)
    assert keeper.rows()["fence-1", "pm10", 600, long_ago] == (60.0, 110 / 600, 160.0, 50.0)
    assert keeper.rows()["fence-1", "pm10", 600, too_long_ago] == (50.0, 100 / 600, 50.0, 50.0)


def test_data_that_comes_too_late_is_told_and_leaves_old_rollups_as_they_are(keeper, journal, caplog):
    old = NOON - 60 * DAY
    journal.add(*series(old, 10, pm10=50))
    keeper.settle(journal.entries)
    before = keeper.rows()
    journal.add(record(NOON, pm10=20))
    journal.add(*series(old + 100, 7, pm10=999))
    keeper.settle(journal.entries)
    assert before.items() <= keeper.rows().items()
    assert "7 records lie more than 35 days behind the newest one" in caplog.text
    assert keeper.rollups.position() == 3


def test_the_state_forgets_what_no_record_may_change_any_more(keeper, journal):
    for n in range(100):
        journal.add(record(NOON + n * DAY, pm10=50))
        keeper.settle(journal.entries)
    starts = {row["start"] for row in keeper.state()}
    assert min(starts) > NOON + 99 * DAY - 42 * DAY
    assert len(keeper.rows()) == 300  # the store keeps all


def test_more_boards_than_fit_into_memory_are_written_early(keeper, journal, monkeypatch):
    monkeypatch.setattr("hub.series.rollups.MOST_PENDING", 6)
    monkeypatch.setattr("hub.series.rollups.MOST_WRITTEN", 4)
    for n in range(10):
        journal.add(record(NOON + 600 * n, pm10=n))
    keeper.rollups.take(journal.entries)
    assert keeper.rollups.position() == 9
    keeper.settle(journal.entries)
    assert [keeper.value("pm10", 600, NOON + 600 * n) for n in range(10)] == list(range(10))


def test_a_rollup_file_that_cannot_be_written_loses_nothing(keeper, journal):
    journal.add(record(NOON, pm10=50))
    keeper.rollups._db.execute(
        "CREATE TEMP TRIGGER full BEFORE INSERT ON bucket BEGIN SELECT RAISE(ABORT, 'disk full'); END"
    )
    with pytest.raises(sqlite3.IntegrityError, match="disk full"):
        keeper.settle(journal.entries)
    assert keeper.rollups.position() == 0
    keeper.rollups._db.execute("DROP TRIGGER full")
    keeper.settle(journal.entries)
    assert keeper.rows()["fence-1", "pm10", 600, NOON] == (50.0, 10 / 600, 50.0, 50.0)


@pytest.mark.parametrize("quantity", ["pm10", "laeq"])
@pytest.mark.parametrize("every", [1, 7, 1000])
def test_what_a_dead_sensor_gave_is_taken_back_as_if_it_had_been_flagged_from_the_start(tmp_path, quantity, every):
    """Whenever it was saved in between, and with a kill behind it."""
    still, hours = (0.0, 7) if quantity == "pm10" else (63.0, 2)
    begin, died = NOON - 3600, NOON + 420

    def value(t):
        return still if t >= died else 40.0 + t // 60 % 7

    for name in ("found", "wanted"):
        (tmp_path / name).mkdir()
    with Hub(tmp_path) as hub, Keeper(tmp_path / "found") as keeper, Keeper(tmp_path / "wanted") as other:
        board, flagging = Speaker(), Journal()
        for n, first in enumerate(range(begin, died + hours * 3600, 600)):
            times = range(first, first + 600, 60)
            hub.now = first + 600
            hub.hear(
                board.telemetry(
                    *[record(t, 60, **{quantity: value(t), "temperature": 9.0 + t // 60 % 3}) for t in times]
                )
            )
            flagging.add(
                *[
                    record(
                        t,
                        60,
                        {quantity: "D"} if t >= died else {},
                        **{quantity: value(t), "temperature": 9.0 + t // 60 % 3},
                    )
                    for t in times
                ]
            )
            keeper.now += 61 * (n % every == 0)
            keeper.take(hub.entries())
        entries = hub.entries()
        assert sum(bool(i.void) for entry in entries for i in entry.intervals) == 1
        keeper.kill()
        keeper.settle(entries)
        keeper.kill()
        keeper.settle(entries)
        other.settle(flagging.entries)
        assert [[*key, *map(pytest.approx, row[:2])] for key, row in sorted(other.rows().items())] == [
            [*key, *row[:2]] for key, row in sorted(keeper.rows().items())
        ]
        extremes = [row[2:] for key, row in keeper.rows().items() if key[1] == quantity]
        assert all(one == (None, None) or one[1] > 0 for one in extremes)
        assert query(tmp_path / "found" / "rollups.db", "SELECT * FROM gone") == []


def test_readings_that_are_taken_back_are_flagged_in_the_embedded_store(tmp_path):
    with Hub(tmp_path) as hub:
        board = Speaker()
        store = SqliteStore(tmp_path / "series.db")
        for first in range(NOON, NOON + 7 * 3600, 600):
            hub.now = first + 600
            hub.hear(
                board.telemetry(
                    *[record(t, 60, pm10=0.0, temperature=9.0 + t // 60 % 3) for t in range(first, first + 600, 60)]
                )
            )
        entries = hub.entries()
        for entry in entries:
            store.write(entry.intervals, entry.offset)
        store.close()
        rows = query(
            tmp_path / "series.db", "SELECT quantity, flag, count(*) AS n, max(value) AS v FROM reading GROUP BY 1, 2"
        )
    assert [tuple(row.values()) for row in rows] == [("pm10", "D", 420, 0.0), ("temperature", "N", 420, 11.0)]
