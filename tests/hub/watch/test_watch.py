"""Alerts about the network itself: boards, their sensors and clocks, and the hub; boards speak the agent's own code."""

import datetime as dt
import re
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

import deploy.certificates
import hub.run.consumers
from deploy.certificates import CLIENT, Authority, Pair
from edge import message
from hub.config.alerts import Alerting
from hub.config.files import Broker
from hub.desk.desk import Desk
from hub.process.clock import NONE, Held
from hub.registry.live import Station, Terminal
from hub.watch.consumer import CLEAR_AFTER, EVERY, Watch
from hub.watch.text import CONSUMERS, lag, outbox
from hub.wire.jt808 import Header, Position, build
from hub.wire.jt808.position import digits_of
from hub.wire.terminal import Head, pack
from schemas.language import Text
from tests.hub.helpers import CITY, NOON, SHANGHAI, Hub, Speaker, query, record

BOARDS = ("fence-1", "fence-2", "stack-1")


class WatchedCity:
    """The hub's log and its watch; `hub.now` is the clock of both."""

    def __init__(self, hub, settings=None, levels=0):
        self.hub, self.settings, self.levels = hub, settings or Alerting(), levels
        self.progress, self.districts = {}, ()
        self.held = Held(0.0)
        self.broker = Broker()
        self.speakers = {board: Speaker(board) for board in BOARDS}
        self.open()

    def open(self):
        registry = self.hub.registry.owned(self.districts)
        clock, settings = lambda: self.hub.now, self.settings
        held, progress = lambda: self.held, lambda: self.progress
        self.watch = Watch(self.hub.folder, registry, clock, settings, progress, self.levels, held, self.broker)

    def restart(self):
        self.watch.close()
        self.open()

    def look(self):
        while entries := self.hub.log.read(self.watch.position(), 1000):
            self.watch.take(entries)
        self.watch.take([])

    def hear(self, *messages):
        self.hub.hear(*messages)
        self.look()

    def speak(self, *boards, minutes=1, flags=None, value=None):
        """Let time pass in which these boards measure, minute by minute: `value`, or now more and now less."""
        for _ in range(minutes):
            self.hub.now += 60
            minute = int(self.hub.now) // 60
            for board in boards:
                said = record(60 * minute - 60, 60, flags, laeq=value or 60.0 + minute % 2)
                self.hub.hear(self.speakers[board].telemetry(said))
            self.look()

    def alerts(self, state=None):
        rows = query(self.hub.folder / "compliance.db", "SELECT * FROM alert ORDER BY id")
        return [row for row in rows if state is None or row["state"] == state]

    def rules(self, state="firing"):
        return [(row["device"], row["rule"]) for row in self.alerts(state)]

    def steps(self, alert=1):
        sql = f"SELECT what FROM alert_step WHERE alert = {alert} ORDER BY id"
        return [row["what"] for row in query(self.hub.folder / "compliance.db", sql)]


@contextmanager
def watched(folder, settings=None, registry=CITY, levels=0):
    with Hub(folder, registry=registry) as hub:
        city = WatchedCity(hub, settings, levels)
        yield city
        city.watch.close()


@pytest.fixture
def city(tmp_path):
    with watched(tmp_path) as city:
        yield city


def test_a_dust_sensor_that_is_dead_at_zero_is_told(city):
    for _ in range(6 * 60 + 40):
        city.hub.now += 60
        begin = 60 * (int(city.hub.now) // 60) - 60
        said = {board: record(begin, 60, laeq=60.0 + begin // 60 % 2, pm10=0) for board in BOARDS[:1]}
        city.hub.hear(*[city.speakers[board].telemetry(text) for board, text in said.items()])
    city.look()
    assert ("fence-1", "sensor faulty: pm10") in city.rules()


def test_a_silent_board_is_told_once_and_ends_when_it_is_heard(city):
    city.speak(*BOARDS)
    city.speak("fence-2", "stack-1", minutes=14)
    assert city.alerts() == []
    city.speak("fence-2", "stack-1", minutes=5)
    (alert,) = city.alerts()
    assert (alert["kind"], alert["device"], alert["site"], alert["district"]) == ("silent", "fence-1", "tower", "north")
    assert (alert["state"], alert["severity"], alert["first"]) == ("firing", "warning", NOON + 60)
    assert "nothing was heard for 15 min" in alert["text"]
    assert "已15分钟无数据" in alert["text"]
    city.speak(*BOARDS)
    assert (city.rules("resolved"), city.steps()) == ([("fence-1", "board silent")], ["firing", "resolved"])


def test_silent_stations_and_terminals_are_told_as_silent_boards_are(tmp_path):
    registry = msgspec.structs.replace(
        CITY,
        stations={"online-1": Station(id="online-1", site="mill", mn="88888")},
        terminals={
            "cab-1": Terminal(id="cab-1", site="mill", phone="013800000000"),
            "cab-2": Terminal(id="cab-2", site="mill", phone="013800000001", retired=dt.date(2026, 1, 1)),
        },
    )
    with watched(tmp_path, registry=registry) as city:
        city.speak(*BOARDS, minutes=16)
        assert sorted(city.rules()) == [("cab-1", "board silent"), ("online-1", "board silent")]
        texts = {row["device"]: row["text"] for row in city.alerts()}
        assert "station online-1" in texts["online-1"]
        assert "终端cab-1" in texts["cab-1"]


def test_a_board_that_was_never_heard_is_silent_from_the_hubs_start(city):
    city.speak("fence-2", "stack-1", minutes=16)
    assert city.rules() == [("fence-1", "board silent")]


def test_where_no_board_is_heard_one_alert_tells_it_and_none_of_the_boards(city):
    city.speak(*BOARDS)
    city.speak("stack-1")  # they fell silent one after the other, as boards do whose broker dies
    for _ in range(40):
        city.hub.now += EVERY
        city.look()
    (alert,) = city.alerts()
    assert (alert["device"], alert["rule"], alert["severity"]) == ("", "no board heard", "critical")
    assert "none of 3 boards was heard for 15 min" in alert["text"]
    city.restart()
    city.hub.now += EVERY
    city.look()
    assert city.rules() == [("", "no board heard")]
    city.speak("fence-1", "fence-2")
    assert city.rules("resolved") == [("", "no board heard")]
    city.speak("fence-1", "fence-2", minutes=16)
    assert city.rules() == [("stack-1", "board silent")]


def test_a_restart_forgets_no_alert_and_tells_none_again(city):
    city.speak(*BOARDS)
    city.speak("fence-2", "stack-1", minutes=16)
    city.restart()
    city.speak("fence-2", "stack-1", minutes=16)
    assert city.rules() == [("fence-1", "board silent")]
    assert city.steps() == ["firing"]


def test_what_waits_in_the_log_is_not_taken_for_silence(city):
    city.speak(*BOARDS)
    for _ in range(20):
        city.hub.now += 60
        for board in BOARDS:
            city.hub.hear(city.speakers[board].telemetry(record(int(city.hub.now) - 60, 60, laeq=60.0)))
    first = city.hub.log.read(city.watch.position(), 1)
    city.watch.take(first)
    assert city.alerts() == []


def test_a_retired_board_is_not_missed_and_its_alert_ends(tmp_path):
    boards = CITY.boards | {"fence-1": msgspec.structs.replace(CITY.boards["fence-1"], retired=dt.date(2026, 3, 3))}
    registry = msgspec.structs.replace(CITY, boards=boards)
    with watched(tmp_path, registry=registry) as city:
        city.speak("fence-2", "stack-1", minutes=20)
        assert city.rules() == [("fence-1", "board silent")]
        city.speak("fence-2", "stack-1", minutes=12 * 60)
        assert city.rules("resolved") == [("fence-1", "board silent")]


def test_the_last_will_and_a_retained_status_are_no_sign_of_life(city):
    city.speak(*BOARDS)
    said = city.speakers["fence-1"]
    old = said.say("status", f'{{"online":true,"t":{NOON - 86_400}}}')
    for n in range(20):
        city.speak("fence-2", "stack-1")
        city.hear(old if n % 2 else said.say("status", '{"online":false,"t":0}'))
    assert city.rules() == [("fence-1", "board silent")]


@pytest.mark.parametrize(("flag", "word"), [("D", "stuck"), ("B", "no communication"), ("T", "over range")])
def test_a_sensor_that_gives_only_flagged_values_is_faulty_until_it_gives_good_ones(city, flag, word):
    city.speak(*BOARDS)
    city.speak(*BOARDS, minutes=29, flags={"laeq": flag})
    assert city.alerts() == []
    city.speak(*BOARDS, minutes=2, flags={"laeq": flag})
    told = [alert for alert in city.alerts() if alert["kind"] == "sensor"]
    assert [(alert["device"], alert["rule"]) for alert in told] == [(board, "sensor faulty: laeq") for board in BOARDS]
    assert word in told[0]["text"]
    city.speak(*BOARDS, minutes=4)
    assert ("fence-1", "sensor faulty: laeq") in city.rules()
    city.speak(*BOARDS, minutes=3)
    assert ("fence-1", "sensor faulty: laeq") in city.rules("resolved")


def sensors_of(city):
    return [one for one in city.alerts("firing") if (one["kind"], one["device"]) == ("sensor", "stack-1")]


def test_a_silent_bus_is_one_alert_and_a_second_sensor_that_fails_later_another(city):
    bus = {"laeq": "B", "stack_nox": "B", "stack_o2": "B"}
    city.speak(*BOARDS)
    city.speak("stack-1", minutes=10, flags=bus)
    city.speak("stack-1", minutes=21, flags=bus | {"pm10": "B"})
    (told,) = sensors_of(city)
    assert told["rule"] == "sensor faulty: laeq"
    assert "LAeq, NOx, O2 have been flagged B" in told["text"]
    assert "LAeq、NOx、O2" in told["text"]
    city.restart()
    city.speak("stack-1", minutes=31, flags=bus | {"pm10": "B"})
    assert len(sensors_of(city)) == 1, "after a start all of them seem to begin at once"


def test_what_is_still_silent_when_its_cause_seemed_mended_is_told_by_itself(city):
    city.speak(*BOARDS)
    city.speak("stack-1", minutes=31, flags={"laeq": "B", "stack_nox": "B"})
    assert [one["rule"] for one in sensors_of(city)] == ["sensor faulty: laeq"]
    city.speak("stack-1", minutes=6, flags={"stack_nox": "B"})
    assert ("stack-1", "sensor faulty: laeq") in city.rules("resolved")
    assert [one["rule"] for one in sensors_of(city)] == ["sensor faulty: stack_nox"]


def test_a_sensor_stuck_at_one_value_is_found_though_the_board_flags_nothing(tmp_path):
    with watched(tmp_path, Alerting(sensor_minutes=20)) as city:
        for _ in range(90):
            city.speak("fence-1", value=81.3)
            city.hub.now -= 60
            city.speak("fence-2", "stack-1")
        assert city.rules() == [("fence-1", "sensor faulty: laeq")]
        assert "flagged D (faulty, or stuck at one value)" in city.alerts()[0]["text"]


def test_flags_of_work_on_a_sensor_are_no_fault(city):
    for flag in "MCS":
        city.speak(*BOARDS, minutes=20, flags={"laeq": flag})
    assert city.alerts() == []


def test_a_clock_ahead_is_told_and_ends_when_times_are_plausible_again(city):
    city.speak(*BOARDS)
    ahead = city.speakers["fence-1"].telemetry(record(NOON + 7200, 60, laeq=60.0))
    city.hub.now += 60
    city.hear(ahead)
    (alert,) = city.alerts()
    assert (alert["rule"], alert["device"], "times in the future" in alert["text"]) == ("clock wrong", "fence-1", True)
    city.speak(*BOARDS, minutes=int(CLEAR_AFTER / 60) - 1)
    assert city.rules() == [("fence-1", "clock wrong")]
    city.speak(*BOARDS, minutes=3)
    assert city.rules("resolved") == [("fence-1", "clock wrong")]


def test_a_clock_that_was_never_set_is_told(city):
    speaker = city.speakers["fence-1"]
    texts = [record(NOON + 60, 60, laeq=60.0).encode()]
    city.hub.now += 120
    unset = b"".join(message.telemetry(speaker.stream, 1, 1, 3, "none", texts)).decode()
    city.hear(speaker.say("telemetry", unset))
    assert "has never had its clock set" in city.alerts()[0]["text"]


CAB = msgspec.structs.replace(CITY, terminals={"cab-1": Terminal(id="cab-1", site="mill", phone="013800000000")})


def drive(city, minutes, behind, every=30):
    """Let a terminal say each 30 s where it is, its clock so many s behind; or `behind` says how late it is."""
    for _ in range(minutes * 60 // every):
        city.hub.now += every
        lag = behind(city.hub.now) if callable(behind) else behind
        time = digits_of(dt.datetime.fromtimestamp(city.hub.now - lag, SHANGHAI))
        body = Position(0, 3, 23_000_000, 113_000_000, 0, 300, 0, time).encode()
        frame = build(Header(0x0200, "013800000000", int(city.hub.now) & 0xFFFF), body)
        city.hear(("jt808/1/south/mill/cab-1/fix", pack(Head(), frame)))


def test_a_terminal_whose_clock_is_behind_is_told_and_ends_when_it_is_right(tmp_path):
    with watched(tmp_path, registry=CAB) as city:
        drive(city, 9, 900)
        assert ("cab-1", "clock wrong") not in city.rules()
        drive(city, 5, lambda now: 900 + now % 20)  # networks are not always as fast
        (alert,) = [one for one in city.alerts("firing") if one["device"] == "cab-1"]
        assert (alert["kind"], alert["rule"], alert["severity"]) == ("clock", "clock wrong", "warning")
        assert "comes 15 min late" in alert["text"]
        assert "固定滞后15分钟" in alert["text"]
        drive(city, 40, 2)
        assert ("cab-1", "clock wrong") in city.rules("resolved")


def test_what_waited_in_a_blind_area_is_not_the_clock_s_fault(tmp_path):
    with watched(tmp_path, registry=CAB) as city:
        start = city.hub.now
        drive(city, 30, lambda now: max(0, 1800 - 1.5 * (now - start)))  # kept for 30 min, sent 2.5 times as fast
        drive(city, 20, 110)
        drive(city, 9, 900)
        drive(city, 1, 3)  # what it says now is right: the rest was late
        drive(city, 9, 900)
        assert "clock wrong" not in {rule for _, rule in city.rules()}


def test_records_that_a_board_gave_up_are_told_with_their_number(city):
    city.speak(*BOARDS)
    city.hub.now += 60
    city.hear(city.speakers["fence-1"].dropped(5, 104, "full"))
    (alert,) = city.alerts()
    assert (alert["kind"], "gave up 100 records (full)" in alert["text"]) == ("outbox", True)
    city.speak(*BOARDS, minutes=int(CLEAR_AFTER / 60) + 1)
    assert city.rules("resolved") == [("fence-1", "outbox dropping")]


def test_other_content_under_numbers_that_the_hub_had_is_told_until_it_ends(city):
    city.speak(*BOARDS, minutes=20)
    restored = Speaker("fence-1")
    restored.next = 11
    for _ in range(5):
        city.hub.now += 60
        city.hear(restored.telemetry(record(int(city.hub.now) - 60, 60, laeq=85.0)))
    (alert,) = city.alerts()
    assert (alert["kind"], alert["rule"], alert["device"]) == ("numbers", "numbers used twice", "fence-1")
    assert "under numbers 11 to 11 of stream 9f3a12c4" in alert["text"]
    assert "restored from a backup, or is a copy" in alert["text"]
    assert "由备份恢复或被复制" in alert["text"]
    restored.next = 500
    for _ in range(int(CLEAR_AFTER / 60) + 2):
        city.hub.now += 60
        minute = int(city.hub.now)
        city.hub.hear(restored.telemetry(record(minute - 60, 60, laeq=60.0 + minute % 2, pm10=minute % 50)))
        city.speak("fence-2", "stack-1")
        city.hub.now -= 60
    assert city.rules("resolved") == [("fence-1", "numbers used twice")]


def test_a_board_that_repeats_itself_is_no_copy(city):
    speaker = city.speakers["fence-1"]
    said = [speaker.telemetry(record(NOON + 60 * n, 60, laeq=60.0 + n % 2)) for n in range(10)]
    city.hub.now += 600
    city.hear(*said)
    for _ in range(4):
        city.hub.now += 200
        city.hear(*said)
    assert city.alerts() == []


def sends_again_and_again(city, minutes, oldest):
    """Let a board measure, and send with each record all that it still holds, from number `oldest()` on."""
    speaker = city.speakers["fence-1"]
    said = []
    for _ in range(minutes):
        city.hub.now += 60
        minute = int(city.hub.now) // 60
        said.append((speaker.next, record(60 * minute - 60, 60, laeq=60.0 + minute % 2)))
        held = [(number, text) for number, text in said if number >= oldest()]
        city.hub.hear(*[speaker.telemetry(text, seq=number, oldest=oldest()) for number, text in held])
        for board in ("fence-2", "stack-1"):
            city.hub.hear(city.speakers[board].telemetry(record(60 * minute - 60, 60, laeq=60.0 + minute % 2)))
        city.look()


def test_a_board_that_hears_no_acknowledgement_and_sends_again_and_again_is_told(city):
    first = city.speakers["fence-1"].next
    sends_again_and_again(city, 4, lambda: first)
    assert city.alerts() == []
    sends_again_and_again(city, 6, lambda: first)
    (alert,) = city.alerts()
    assert (alert["kind"], alert["device"], alert["severity"]) == ("unheard", "fence-1", "warning")
    assert "does not hear its acknowledgements" in alert["text"]
    assert "收不到确认" in alert["text"]
    # All is stored, and nothing twice.
    assert len([entry for entry in city.hub.entries() if entry.place.device == "fence-1"]) == 10
    city.restart()
    sends_again_and_again(city, 10, lambda: city.speakers["fence-1"].next)
    assert city.rules("resolved") == [("fence-1", "board unacknowledged")]


def test_a_board_that_forgets_what_it_was_told_is_not_called_deaf_however_often_it_sends(city):
    speaker = city.speakers["fence-1"]
    sends_again_and_again(city, 30, lambda: max(1, speaker.next - 3))
    assert city.alerts() == []


def test_a_board_that_says_again_and_again_that_it_has_no_time_is_told(city):
    for n in range(9):
        city.hub.now += 20
        city.hear(city.speakers["fence-1"].say("status", f'{{"online":true,"t":0,"nonce":"{n:016x}"}}'))
    city.hub.now += EVERY
    city.speak("fence-2", "stack-1")
    assert city.rules() == [("fence-1", "clock wrong")]
    assert "has no time" in city.alerts()[0]["text"]


def test_a_board_that_starts_without_a_time_and_gets_it_is_no_trouble(city):
    city.hear(city.speakers["fence-1"].say("status", '{"online":true,"t":0}'))
    city.speak(*BOARDS, minutes=3)
    city.hear(city.speakers["fence-1"].say("status", '{"online":true,"t":0}'))
    city.speak(*BOARDS, minutes=3)
    assert city.alerts() == []


def test_a_flooding_board_is_told_with_what_was_let_go_of_and_ends_when_it_is_over(city):
    city.speak(*BOARDS)
    city.hub.log.count("flood", {"fence-1": 400, "": 70}, city.hub.now)
    city.hub.now += EVERY
    city.look()
    (alert,) = city.alerts()
    assert (alert["kind"], alert["device"], alert["severity"]) == ("flood", "fence-1", "warning")
    assert "the board floods: 400 messages were let go of within 1 min" in alert["text"]
    assert "1分钟内有400条消息未被接收" in alert["text"]
    city.restart()
    city.speak(*BOARDS, minutes=20)
    city.hub.log.count("flood", {"fence-1": 3}, city.hub.now)
    city.speak(*BOARDS, minutes=20)
    assert city.rules() == [("fence-1", "board floods")]
    city.speak(*BOARDS, minutes=int(CLEAR_AFTER / 60))
    assert (city.rules("resolved"), city.steps()) == ([("fence-1", "board floods")], ["firing", "resolved"])


def test_a_calibration_is_overdue_by_the_registry_or_by_the_board_whichever_is_later(tmp_path):
    due = {"fence-1": dt.date(2026, 3, 2), "fence-2": dt.date(2026, 3, 3)}
    boards = {id_: msgspec.structs.replace(board, calibration_due=due.get(id_)) for id_, board in CITY.boards.items()}
    with watched(tmp_path, registry=msgspec.structs.replace(CITY, boards=boards)) as city:
        city.speak(*BOARDS)
        assert city.rules() == [("fence-1", "calibration overdue")]
        assert "calibration was due on 2026-03-02" in city.alerts()[0]["text"]
        told = city.speakers["fence-1"].say(
            "status", f'{{"online":true,"t":{int(city.hub.now)},"cal_due":"2027-03-02"}}'
        )
        city.hub.now += 60
        city.hear(told)
        assert city.rules("resolved") == [("fence-1", "calibration overdue")]
        city.restart()
        city.speak(*BOARDS)
        assert city.rules() == []


def test_a_consumer_that_is_behind_is_told_and_escalated_though_nothing_is_judged(tmp_path):
    with watched(tmp_path, Alerting(escalate_minutes={"critical": 10}), levels=1) as city:
        city.speak(*BOARDS)
        city.progress = {"compliance": city.hub.log.end(), "store": 1_000_000}
        city.speak(*BOARDS, minutes=5)
        assert city.alerts() == []
        city.speak(*BOARDS, minutes=1)
        (alert,) = city.alerts()
        assert (alert["kind"], alert["device"], alert["severity"]) == ("lag", "", "critical")
        assert "the hub's judging of limits is more than 5 min behind the log" in alert["text"]
        city.speak(*BOARDS, minutes=11)
        assert city.steps() == ["firing", "escalated"]
        city.progress = {"compliance": city.hub.log.end() + 100, "store": 1_000_000}
        city.speak(*BOARDS)
        assert city.rules("resolved") == [("", "hub lagging: compliance")]


def test_an_alert_closed_while_its_cause_lasts_stays_closed_until_the_cause_was_over(city):
    city.speak(*BOARDS)
    city.speak("fence-2", "stack-1", minutes=16)
    Desk(city.watch._db, lambda: city.hub.now).close(1, "root", "the site has no power this week", admin=True)
    city.speak("fence-2", "stack-1", minutes=30)
    assert [alert["state"] for alert in city.alerts()] == ["closed"]
    city.speak(*BOARDS, minutes=2)
    city.speak("fence-2", "stack-1", minutes=17)
    assert [alert["state"] for alert in city.alerts()] == ["closed", "firing"]


def test_during_maintenance_a_silent_board_is_on_record_and_told_when_it_is_over(city):
    desk = Desk(city.watch._db, lambda: city.hub.now)
    desk.maintenance.add("tower", "fence-1", city.hub.now, city.hub.now + 1800, "new battery", "root")
    city.speak(*BOARDS)
    city.speak("fence-2", "stack-1", minutes=20)
    steps = query(city.hub.folder / "compliance.db", "SELECT what, quiet FROM alert_step ORDER BY id")
    assert [(step["what"], step["quiet"]) for step in steps] == [("firing", 1), ("suppressed", 1)]
    city.speak("fence-2", "stack-1", minutes=12)
    assert city.steps() == ["firing", "suppressed", "released"]


def test_a_board_that_left_the_registry_leaves_no_alert_behind(city):
    city.speak(*BOARDS)
    city.speak("fence-2", "stack-1", minutes=16)
    boards = {id_: board for id_, board in CITY.boards.items() if id_ != "fence-1"}
    city.watch.use(msgspec.structs.replace(CITY, boards=boards))
    city.hub.now += EVERY
    city.look()
    assert city.rules("resolved") == [("fence-1", "board silent")]


def test_boards_of_districts_that_another_hub_owns_are_not_missed(city):
    city.districts = ("north",)
    city.restart()
    city.speak("fence-1", minutes=20)
    assert city.rules() == [("fence-2", "board silent")]


def test_a_hub_whose_clock_is_set_back_goes_on_watching(city):
    city.speak(*BOARDS)
    city.hub.now += 7200
    city.look()
    city.hub.now -= 7200
    city.look()
    city.speak("fence-2", "stack-1", minutes=16)
    assert ("fence-1", "board silent") in city.rules()


def test_times_are_the_local_ones_of_the_registry(city):
    city.speak("fence-2", "stack-1", minutes=16)
    first = dt.datetime.fromtimestamp(city.alerts()[0]["first"], SHANGHAI)
    assert f"{first:%H:%M}" == "12:00"


def test_while_the_hubs_own_time_is_in_doubt_only_that_is_told(city):
    city.speak(*BOARDS, minutes=2)
    doubt = Text("the system's clock jumped by +1.0 d", "系统时钟跳变+1.0 d")
    city.held = Held(0.0, doubt, city.hub.now)
    ahead = record(int(city.hub.now) + 3600, laeq=60.0)
    city.hear(*(city.speakers[board].telemetry(ahead) for board in BOARDS))
    city.hub.now += 3600
    city.look()
    assert city.rules() == [("", "hub clock in doubt")]
    (alert,) = city.alerts()
    assert "+1.0 d" in alert["text"].splitlines()[0]
    assert "doubtful" in alert["text"].splitlines()[0]
    assert "存疑" in alert["text"].splitlines()[1]

    city.held = Held(0.0, NONE)
    city.speak(*BOARDS, minutes=5)
    assert city.rules() == []
    assert city.rules("resolved") == [("", "hub clock in doubt")]


def test_when_the_hubs_time_is_found_to_be_another_no_board_is_called_silent(city):
    city.speak(*BOARDS, minutes=2)
    city.held = Held(0.0, Text("wrong", "错误"), city.hub.now)
    city.look()
    city.hub.now += 86_400
    city.held = Held(86_400.0, NONE)
    city.look()
    city.speak(*BOARDS, minutes=2)
    assert city.rules() == []


def test_the_hubs_own_certificate_is_told_of_before_it_ends_and_when_it_has(city, tmp_path, monkeypatch):
    files = tmp_path / "certs"
    pair = Pair(files / "hub.crt", files / "hub.key")
    city.broker = Broker(ca=files / "ca.crt", certificate=pair.certificate, key=pair.key)
    made = dt.datetime.now(dt.UTC).timestamp()  # it is issued within the next half day

    def renew():
        monkeypatch.setattr(deploy.certificates, "DAYS", 400)
        authority = Authority(files)
        authority.make()
        authority.issue(pair, "hub", CLIENT)

    def on_day(day):
        city.hub.now = made + 86_400 * day
        city.look()
        return [(row["rule"], row["severity"]) for row in city.alerts("firing") if row["kind"] == "certificate"]

    renew()
    city.hub.now = made
    city.restart()
    assert on_day(369) == []
    assert on_day(371.5) == [("hub certificate ends soon", "warning")]
    (alert,) = [row for row in city.alerts() if row["kind"] == "certificate"]
    assert "hub.crt ends on" in alert["text"]
    assert "到期（还有 28 天）" in alert["text"]
    city.restart()
    assert on_day(372) == [("hub certificate ends soon", "warning")]
    assert on_day(401) == [("hub certificate not good", "critical")]
    pair.certificate.unlink()
    assert on_day(402) == [("hub certificate not good", "critical")]
    city.broker = Broker()
    city.restart()
    assert on_day(403) == []
    assert len([row for row in city.alerts() if row["kind"] == "certificate"]) == 2


def test_everything_that_may_lag_and_every_reason_has_its_words():
    run = (Path(hub.run.consumers.__file__)).read_text(encoding="utf-8")
    named = set(re.findall(r'Consumer\(\s*"(\w+)"', run)) - {"watch"}
    assert named == set(CONSUMERS)
    for consumer in named:
        told = lag(consumer, 5, NOON).text
        assert CONSUMERS[consumer].en in told.en
        assert CONSUMERS[consumer].zh in told.zh
    told = outbox("fence-1", Text("Clock Tower", "钟楼"), 7, "overflow", NOON).text
    assert ("(the outbox was full)" in told.en, "（发件箱已满）" in told.zh) == (True, True)
