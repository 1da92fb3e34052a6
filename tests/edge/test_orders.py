"""What the hub may order, carried out on the board's real parts; only its clock is turned by hand."""

import asyncio
import json
import os
import sys

from edge import journal
from edge.calibration import Calibration
from edge.drivers import Silent
from edge.notes import Notes
from edge.orders import MOST_DETAIL, Orders
from edge.outfit import mark
from edge.recorder import Recorder
from edge.relay import Relay
from edge.rising import CENTURY, STEP, Rising
from tests.edge.helpers import tmp_dir

MINUTE = 60000  # ms
RULE = {"quantity": "pm10", "on": 150, "off": 100}
SECOND = {"id": 4, "channels": {"pm10": {"gain": 1.5}}}


class Clock:
    """A board's clock that stands still until `go`, and its light."""

    clock_quality = "hub"
    ahead = 0
    lit = 0
    dark = True

    def __init__(self):
        self.ms = 0
        self._sleepers = []

    def now_ms(self):
        return self.ms + self.ahead

    def runtime(self):
        return "a board of the tests"

    def reset_cause(self):
        return "power"

    def light(self, on):
        self.lit += on
        self.dark = not on

    def ticks_ms(self):
        return self.ms

    async def sleep_ms(self, ms):
        over = asyncio.Event()
        self._sleepers.append((self.ms + ms, over))
        await over.wait()

    async def go(self, ms):
        """Let so much time pass; whoever sleeps wakes when it is time."""
        end = self.ms + ms
        while True:
            for _ in range(5):
                await asyncio.sleep(0)
            due = [sleeper for sleeper in self._sleepers if sleeper[0] <= end]
            if not due:
                break
            due.sort(key=lambda sleeper: sleeper[0])
            self._sleepers.remove(due[0])
            self.ms = max(self.ms, due[0][0])
            due[0][1].set()
        self.ms = end


class Dust:
    """A driver that gives a sample, or fails as it is told."""

    PACED = False
    channels = ("pm10",)
    rejected = 0
    failure = None

    async def sample(self):
        if self.failure:
            raise self.failure
        return {"pm10": 80}


class Box:
    """What of an outbox a configuration governs."""

    max_bytes = 524288


class Parts:
    """A board's parts around its Orders, on a folder; made again on the same folder they are the board restarted."""

    def __init__(self, folder=None, interval=10, period=1, rule=None, sensors=None, broker="own.example:8883"):
        self.folder = folder or tmp_dir()
        self.clock = Clock()
        self.driver = Dust()
        self.calibration = Calibration(self.folder + "/calibration.json")
        self.recorder = Recorder(
            self.clock, None, None, {"dust": self.driver}, interval, period, self.calibration, lambda *_: None
        )
        self.relay = Relay(lambda on: None, self.clock.ticks_ms, lambda detail: None)
        self.relay.rule = rule
        self.statuses = 0
        self.notes = Notes(self.folder + "/events", lambda: 0)
        rising = Rising(self.folder + "/orders")
        self.orders = Orders(
            self.clock,
            self.recorder,
            self.relay,
            self.calibration,
            self.notes,
            self._status,
            self.folder + "/desired.json",
            lambda: rising,
            Box(),
            [broker],
            sensors and mark(sensors),
            sensors and mark(sensors),
            sensors,
        )

    async def _status(self):
        self.statuses += 1

    def state(self):
        """Return what a desired configuration governs."""
        return self.recorder.interval, self.recorder.period_ms, self.relay.rule

    def events(self):
        """Return the events told since the last call, as `[(event, detail), ...]`."""
        heard = []

        async def publish(kind, parts):
            heard.append(json.loads(b"".join(parts).decode()))

        asyncio.run(self.notes.send(publish))
        return [(event["event"], event["detail"]) for event in heard]

    def obey(self, command, ms=0):
        """Give a command and let so much time pass; return what the reply says."""
        return self.play(ms, (0, command))[0]

    def play(self, ms, *moments):
        """Do each `(ms, command or function)` in turn and let `ms` pass in all; return what the replies say."""
        replies = []

        async def run():
            tasks = [asyncio.create_task(self.recorder.sample("dust", self.driver))]
            for moment, what in moments:
                await self.clock.go(moment - self.clock.ms)
                if callable(what):
                    what()
                else:
                    replies.append("no reply")
                    tasks.append(asyncio.create_task(self._obey(what, replies, len(replies) - 1)))
            await self.clock.go(ms - self.clock.ms)
            for task in tasks:
                task.cancel()
            for _ in range(5):
                await asyncio.sleep(0)  # MicroPython ends without them otherwise

        self.clock.ms = 0
        asyncio.run(run())
        return replies

    async def _obey(self, command, replies, i):
        try:
            replies[i] = await self.orders.obey(command)
        except (ValueError, TypeError, AttributeError, OSError) as error:  # those that the agent replies with
            replies[i] = "refused: %s" % error
        except Exception as error:  # noqa: BLE001 - told below
            replies[i] = "%s: %s" % (error.__class__.__name__, error)


def not_refused(parts, commands):
    """Return those of the commands that are not refused with a reason which names what is wrong."""
    wrong = []
    for named, command in commands:
        reply = parts.obey(command)
        if not reply.startswith("refused: %s: " % named):
            wrong.append((command, reply))
    return wrong


def test_ping_is_answered_with_a_status():
    parts = Parts()
    assert parts.obey({"id": "a", "do": "ping"}) == "pong"
    assert parts.statuses == 1


def test_an_unknown_command_is_refused_by_name():
    for what in ("dance", None, 5, ["ping"]):
        assert Parts().obey({"id": "a", "do": what}) == "refused: do: %s is not known here" % what
    assert "refused: do: " in Parts().obey({"id": "a"})


def test_selftest_says_of_each_sensor_how_its_sample_was():
    parts = Parts()
    assert parts.obey({"do": "selftest"}, 10000) == "dust N"
    parts.driver.failure = Silent("nothing")
    assert parts.obey({"do": "selftest"}, 10000) == "dust B"


def test_identify_blinks_and_ends_dark():
    parts = Parts()
    assert parts.obey({"do": "identify"}, 59000) == "no reply"
    assert parts.obey({"do": "identify", "minutes": 2}, 2 * MINUTE) == "blinked for 2 minutes"
    assert (parts.clock.lit, parts.clock.dark) == (60 + 120, True)


def test_identify_that_is_cut_short_leaves_no_light_on():
    parts = Parts()
    assert parts.obey({"do": "identify"}, 1200) == "no reply"
    assert (parts.clock.lit, parts.clock.dark) == (2, True)


def test_time_is_taken_from_the_hub_and_what_came_of_it_is_told():
    parts = Parts()

    def answered():
        parts.clock.ahead -= 3500

    assert parts.play(6000, (0, {"do": "time"}), (1000, answered)) == ["clock hub, moved by -3500 ms"]
    assert parts.statuses == 1, "whose nonce the hub's answer bears"


def test_a_diagnosis_says_how_the_board_is_and_is_json_however_many_sensors_there_are():
    parts = Parts()
    for number in (0, 5, 90):
        for more in range(number):
            parts.recorder.sensors["another sensor %d" % more] = parts.driver
        told = json.loads(parts.obey({"do": "diagnose"}))
        assert (told["clock"], told["reset"], told["runtime"]) == ("hub", "power", "a board of the tests")
        assert (told["storage"]["problem"], told["outbox"]["damaged"]) == ("", 0)
        assert told.get("rejected", {}).get("dust", 0) == 0
        assert ("rejected" in told) == (number < 90)
        assert len(json.dumps(told)) <= 1000
    assert "selfcheck" not in os.listdir(parts.folder)


def test_errands_are_not_kept_in_the_heap():
    parts = Parts()
    names = ("edge.errands", "edge.selfcheck", "edge.field")
    for name in names:
        sys.modules.pop(name, None)  # of tests before
    parts.obey({"do": "diagnose"})
    for name in names:
        assert name not in sys.modules, name


def test_selftest_waits_for_a_sensor_that_is_asked_seldom():
    parts = Parts(period=30)
    assert parts.play(3 * MINUTE, (15000, {"do": "selftest"})) == ["dust N"]


def test_live_gives_records_of_a_second_for_some_minutes_and_then_the_usual_ones():
    parts = Parts()
    seen = []
    live = {"do": "live", "minutes": 3}
    look = lambda: seen.append(parts.recorder.interval)  # noqa: E731
    replies = parts.play(4 * MINUTE, (0, live), (1, look), (3 * MINUTE - 1, look), (3 * MINUTE + 1, look))
    assert seen == [1, 1, 10]
    assert "3 minutes" in replies[0]


def test_live_lasts_five_minutes_if_nothing_is_said():
    parts = Parts()
    seen = []
    look = lambda: seen.append(parts.recorder.interval)  # noqa: E731
    parts.play(6 * MINUTE, (0, {"do": "live"}), (5 * MINUTE - 1, look), (5 * MINUTE + 1, look))
    assert seen == [1, 10]


def test_a_configuration_during_live_counts_when_live_is_over():
    parts = Parts()
    seen = []
    look = lambda: seen.append(parts.recorder.interval)  # noqa: E731
    configure = lambda: parts.orders.configure({"revision": 1, "interval": 20})  # noqa: E731
    live = {"do": "live", "minutes": 5}
    parts.play(6 * MINUTE, (0, live), (MINUTE, configure), (5 * MINUTE + 1, look))
    assert seen == [20]
    seen.clear()
    parts.orders.configure({"revision": 2, "interval": 10})
    configure = lambda: parts.orders.configure({"revision": 3, "interval": 20})  # noqa: E731
    parts.play(6 * MINUTE, (0, live), (MINUTE, configure), (MINUTE + 1, look), (5 * MINUTE + 1, look))
    assert seen == [1, 20]  # whoever watches live goes on seeing it


def test_two_live_orders_that_overlap_last_until_the_later_one_ends():
    for second, end in ((3, 8), (1, 6), (8, 13)):
        parts = Parts()
        seen = []
        look = lambda: seen.append(parts.recorder.interval)  # noqa: B023, E731
        live = {"do": "live", "minutes": 5}
        moments = [(0, live), (second * MINUTE, live), (end * MINUTE - 1, look), (end * MINUTE + 1, look)]
        parts.play(14 * MINUTE, *moments)
        assert seen == [1, 10], second


def test_live_with_wrong_minutes_is_refused_and_changes_nothing():
    parts = Parts()
    wrong = [("minutes", {"do": "live", "minutes": minutes}) for minutes in ("5", -1, 0, None, [5], 10**9)]
    assert not_refused(parts, wrong) == []
    assert parts.recorder.interval == 10


def test_relay_is_switched_by_order():
    parts = Parts()
    assert parts.obey({"do": "relay", "on": True, "minutes": 2}) == "relay on"
    assert parts.relay.on
    parts.clock.ms = 2 * MINUTE - 1
    parts.relay.judge({}, {})
    assert parts.relay.on
    parts.clock.ms = 2 * MINUTE
    parts.relay.judge({}, {})
    assert not parts.relay.on
    assert parts.obey({"do": "relay", "on": True}) == "relay on"
    assert parts.obey({"do": "relay", "on": False}) == "relay off"


def test_relay_without_a_clear_order_is_refused():
    parts = Parts()
    assert not_refused(parts, [("on", {"do": "relay", "on": on}) for on in (None, 1, "on")]) == []
    minutes = [("minutes", {"do": "relay", "on": True, "minutes": m}) for m in ("5", -1, 0, None, [5], 10**9)]
    assert not_refused(parts, minutes) == []
    assert not parts.relay.on


def test_log_gives_the_last_lines():
    for i in range(30):
        journal.log("line %d" % i)
    assert Parts().obey({"do": "log", "lines": 2}) == "line 28\nline 29"
    assert Parts().obey({"do": "log"}).split("\n") == ["line %d" % i for i in range(10, 30)]


def test_log_fits_into_a_reply():
    for _ in range(60):
        journal.log("x" * 90)
    assert len(Parts().obey({"do": "log", "lines": journal.MOST})) == 1000


def test_log_of_a_wrong_number_of_lines_is_refused():
    wrong = [("lines", {"do": "log", "lines": lines}) for lines in (0, -5, "5", None, 1.5, [1])]
    assert not_refused(Parts(), wrong) == []


def calibrate(**changes):
    command = {"do": "calibrate", "calibration": SECOND, "who": "Technician 4", "reference": "BAM 1020 no. 7"}
    command.update(changes)
    return command


def test_calibrate_puts_it_in_force_and_tells_who_against_what_and_what_was_before():
    parts = Parts()
    assert parts.obey(calibrate()) == "calibration 4 in force"
    assert parts.calibration.correct({"pm10": 80}, {}) == {"pm10": 120}
    after = {"id": 5, "channels": {}}
    parts.obey(calibrate(calibration=after, who="Li Gong"))
    told = {"who": "Technician 4", "reference": "BAM 1020 no. 7", "before": {"id": 0, "channels": {}}, "after": SECOND}
    again = {"who": "Li Gong", "reference": "BAM 1020 no. 7", "before": SECOND, "after": after}
    assert parts.events() == [("calibration", told), ("calibration", again)]
    assert Parts(parts.folder).calibration.id == 5


def test_a_calibration_is_told_in_an_event_that_the_broker_takes_or_is_refused():
    parts = Parts()

    def with_points(id_, n):
        return {"id": id_, "channels": {"pm10": {"points": [[10.5 * i, 10.0 * i] for i in range(1, n + 1)]}}}

    parts.obey(calibrate(calibration=with_points(5, 120)))
    parts.obey(calibrate(calibration=with_points(6, 120)))
    assert not_refused(parts, [("calibration", calibrate(calibration=with_points(7, 400)))]) == []
    assert parts.calibration.id == 6
    told = [detail for _, detail in parts.events()]
    assert [detail["before"]["id"] for detail in told] == [0, 5]
    assert told[1]["before"] == {"id": 5}  # the whole of it is in the event before
    assert told[1]["after"] == with_points(6, 120)
    assert max([len(json.dumps(detail)) for detail in told]) <= MOST_DETAIL


def test_calibrate_without_who_or_reference_or_calibration_is_refused():
    parts = Parts()
    commands = [
        (key, calibrate(**{key: nothing})) for key in ("who", "reference", "calibration") for nothing in ("", None)
    ]
    for key in ("who", "reference", "calibration"):
        command = calibrate()
        del command[key]
        commands.append((key, command))
    assert not_refused(parts, commands) == []
    assert parts.calibration.id == 0
    assert parts.events() == []


def test_a_wrong_calibration_is_refused_with_why_and_no_event():
    parts = Parts()
    wrong = [
        ("id", calibrate(calibration={"id": "x", "channels": {}})),
        ("pm10", calibrate(calibration={"id": 4, "channels": {"pm10": {"points": [[]]}}})),
        ("pm10", calibrate(calibration={"id": 4, "channels": {"pm10": {"gian": 1}}})),
    ]
    assert not_refused(parts, wrong) == []
    assert parts.calibration.id == 0
    assert parts.events() == []


def test_an_id_in_force_cannot_come_to_mean_something_else():
    # Records say by the id alone how they were corrected.
    parts = Parts()
    parts.obey(calibrate())
    other = {"id": 4, "channels": {"pm10": {"gain": 2}}}
    assert not_refused(parts, [("id", calibrate(calibration=other))]) == []
    assert parts.calibration.channels == SECOND["channels"]


def test_an_older_calibration_does_not_come_back_and_one_numbered_by_mistake_locks_nobody_out():
    parts = Parts()
    parts.obey(calibrate())
    wrong = [3, 4, 0, 2**53 - 1, CENTURY + 1]
    commands = [("id", calibrate(calibration={"id": id_, "channels": {}})) for id_ in wrong]
    assert not_refused(parts, commands) == []
    assert Parts(parts.folder).calibration.id == 4
    for id_ in (5, 20261201, CENTURY, CENTURY + STEP):
        assert parts.obey(calibrate(calibration={"id": id_, "channels": {}})) == "calibration %d in force" % id_


def test_a_calibration_that_flash_cannot_take_is_answered_and_not_in_force():
    parts = Parts()
    parts.calibration._path = parts.folder + "/no such folder/calibration.json"
    assert parts.obey(calibrate()).startswith("refused: ")
    assert parts.calibration.id == 0


def test_a_configuration_is_applied_whole_and_told():
    parts = Parts()
    parts.orders.configure({"revision": 7, "interval": 30, "period": 0.5, "relay": RULE})
    assert parts.state() == (30, 500, RULE)
    assert parts.orders.revision == 7
    assert parts.events() == [("config", {"revision": 7})]


def test_a_configuration_in_force_is_not_applied_again():
    parts = Parts()
    desired = {"revision": 7, "interval": 30}
    parts.orders.configure(desired)
    parts.orders.configure(desired)
    assert Parts(parts.folder).orders.revision == 7
    again = Parts(parts.folder)
    again.orders.configure(desired)
    assert len(again.events()) == 1


def test_a_configuration_is_kept_across_a_restart():
    parts = Parts()
    parts.orders.configure({"revision": 7, "interval": 30, "period": 0.5, "relay": RULE})
    again = Parts(parts.folder)
    assert again.state() == (30, 500, RULE)
    assert again.orders.revision == 7


def test_what_a_configuration_does_not_name_is_as_the_board_s_own():
    # Else a board would behave differently before and after a restart.
    own = Parts(interval=15, period=2, rule=RULE)
    own.orders.configure(
        {"revision": 1, "interval": 30, "period": 0.5, "relay": {"quantity": "tsp", "on": 2, "off": 1}}
    )
    own.orders.configure({"revision": 2})
    again = Parts(own.folder, interval=15, period=2, rule=RULE)
    assert own.state() == again.state() == (15, 2000, RULE)


WRONG = (
    {"interval": 7},
    {"interval": 0},
    {"interval": "10"},
    {"interval": None},
    {"interval": [10]},
    {"period": 0},
    {"period": 61},
    {"period": "1"},
    {"period": None},
    {"period": float("nan")},
    {"relay": None},
    {"relay": []},
    {"relay": "on"},
    {"relay": {}},
    {"relay": {"quantity": "pm10", "on": 100, "off": 150}},
    {"relay": {"quantity": "pm10", "on": 150, "off": 100, "least": "x"}},
    {"relay": {"quantity": "pm10", "on": 150, "off": 100, "most": None}},
    {"colour": "red"},
    {"raw": 1},
    {"outbox": {}},
    {"outbox": {"max_bytes": 1023}},
    {"outbox": {"max_bytes": 65536, "keep": True}},
    {"brokers": []},
    {"brokers": "mqtt.city.example"},
    {"brokers": ["mqtt.city.example:0"]},
    {"brokers": ["a.example", "b.example", "c.example", "d.example", "e.example"]},
    {"sensors": []},
    {"sensors": {}},
    {"sensors": ["plantower"]},
    {"sensors": [{"name": "dust", "type": "plantower"}]},
    {"sensors": [{"name": "dust", "type": "nobody", "port": "tcp:127.0.0.1:1"}]},
    {"sensors": [{"name": "dust", "type": "modbus", "port": "tcp:127.0.0.1:1"}]},
    {"revision": 0},
    {"revision": -1},
    {"revision": "8"},
    {"revision": None},
    {"revision": 2**53},
)


def test_a_wrong_configuration_is_refused_whole_and_told_with_why():
    wrong = []
    for change in WRONG:
        parts = Parts()
        desired = {"revision": 8, "interval": 20, "period": 0.5}
        desired.update(change)
        try:
            parts.orders.configure(desired)
        except Exception as error:  # noqa: BLE001 - it would end the agent, at each start again
            wrong.append((change, error.__class__.__name__))
            continue
        told = parts.events()
        key = list(change)[0]  # noqa: RUF015 (MicroPython)
        problem = told[0][1].get("problem", "") if len(told) == 1 else ""
        if problem[: len(key)] != key or problem[len(key)] not in ":[":
            wrong.append((change, told))
        elif (
            parts.orders.restart
            or parts.state() != (10, 1000, None)
            or parts.orders.revision
            or Parts(parts.folder).orders.revision
        ):
            wrong.append((change, parts.state(), parts.orders.revision))
    assert wrong == []


DUST = {"name": "dust", "type": "plantower", "port": "tcp:127.0.0.1:1"}
NOISE = {
    "name": "noise",
    "type": "modbus",
    "port": "tcp:127.0.0.1:2",
    "address": 1,
    "registers": [{"channel": "laf", "register": 0, "scale": 0.1}],
}


def test_raw_values_the_outbox_and_the_brokers_are_as_the_hub_says_and_the_board_s_own_broker_stays_the_last():
    parts = Parts()
    desired = {"revision": 7, "raw": True, "outbox": {"max_bytes": 65536}, "brokers": ["a.example", "b.example:1883"]}
    parts.orders.configure(desired)
    for seen in (parts, Parts(parts.folder)):
        orders = seen.orders
        assert (seen.recorder.raw, orders._outbox.max_bytes) == (True, 65536)
        assert orders._brokers == ["a.example", "b.example:1883", "own.example:8883"]
        assert not orders.restart
    parts.orders.configure({"revision": 8})
    assert (parts.recorder.raw, parts.orders._outbox.max_bytes) == (False, 524288)
    assert parts.orders._brokers == ["own.example:8883"]


def test_other_sensors_are_tried_before_they_count_and_then_the_board_starts_again_once():
    parts = Parts()
    parts.orders.configure({"revision": 7, "sensors": [DUST, NOISE]})
    assert parts.orders.restart
    assert parts.events() == [("config", {"revision": 7})]
    again = Parts(parts.folder, sensors=[dict(DUST), dict(NOISE)])
    again.orders.configure({"revision": 8, "interval": 20, "sensors": [DUST, NOISE]})
    assert not again.orders.restart
    # Two that measure the same, and settings that a driver refuses: what was in force stays.
    for sensors, why in (
        ([DUST, dict(DUST, name="twin")], "comes from"),
        ([dict(NOISE, registers=[{"channel": "loudness", "register": 0}])], "loudness"),
    ):
        again.orders.configure({"revision": 9, "sensors": sensors})
        assert not again.orders.restart
        problem = [detail["problem"] for _, detail in again.events() if "problem" in detail][0]  # noqa: RUF015
        assert problem.startswith("sensors: ")
        assert why in problem
        again.orders._refused = None


def test_sensors_that_somebody_changes_in_the_board_s_own_file_are_told_to_the_hub():
    parts = Parts(sensors=[DUST])
    parts.orders.configure({"revision": 7, "interval": 20, "sensors": [NOISE]})
    Parts(parts.folder, sensors=[DUST])  # the start after it: what the own file says is known from then on
    again = Parts(parts.folder, sensors=[NOISE, DUST])
    assert ("config", {"revision": 7, "own": {"sensors": [NOISE, DUST]}}) in again.events()
    with open(parts.folder + "/desired.json") as file:
        assert json.load(file) == {"revision": 7, "interval": 20}


def test_a_configuration_without_a_revision_is_refused():
    parts = Parts()
    parts.orders.configure({"interval": 20})
    assert "revision" in parts.events()[0][1]["problem"]
    assert parts.state() == (10, 1000, None)


def test_a_refused_configuration_is_told_once_though_it_comes_with_every_connection():
    parts = Parts()
    for _ in range(3):
        parts.orders.configure({"revision": 8, "interval": 7})
    assert len(parts.events()) == 1


def test_a_refused_configuration_leaves_the_one_in_force():
    parts = Parts()
    parts.orders.configure({"revision": 7, "interval": 30})
    parts.orders.configure({"revision": 8, "interval": 7, "period": 0.5})
    assert parts.state() == (30, 1000, None)
    assert Parts(parts.folder).state() == (30, 1000, None)


def test_flash_that_takes_no_configuration_does_not_end_the_connection():
    parts = Parts()
    parts.orders._path = parts.folder + "/no such folder/desired.json"
    parts.orders.configure({"revision": 7, "interval": 30})
    assert [event for event, _ in parts.events()] == ["config"]


def test_a_torn_file_is_mended_by_the_hub_s_retained_configuration():
    desired = {"revision": 12, "interval": 20, "period": 0.25, "relay": RULE}
    parts = Parts()
    parts.orders.configure(desired)
    with open(parts.folder + "/desired.json", "rb") as file:
        content = file.read()
    wrong = []
    for damaged in [content[:cut] for cut in range(len(content))] + [b"[]", b"7", bytes(60), b"\xff" * 60]:
        folder = tmp_dir()
        with open(folder + "/desired.json", "wb") as file:
            file.write(damaged)
        try:
            again = Parts(folder)
            before = again.state()
            again.orders.configure(desired)
            if before not in ((10, 1000, None), (20, 250, RULE)) or again.state() != (20, 250, RULE):
                wrong.append((damaged, before, again.state()))
        except Exception as error:  # noqa: BLE001 - told below
            wrong.append((damaged, error.__class__.__name__))
    assert wrong == []


def test_an_older_configuration_is_not_applied_though_the_file_is_torn_or_was_put_back():
    newest = {"revision": 12, "interval": 20}
    older = {"revision": 11, "interval": 5}
    wrong = []
    for content in (b"", b'{"revision": 1', b"[]", json.dumps({"revision": 3, "interval": 30}).encode(), None):
        parts = Parts()
        parts.orders.configure(newest)
        if content is None:
            os.remove(parts.folder + "/desired.json")
        else:
            with open(parts.folder + "/desired.json", "wb") as file:
                file.write(content)
        again = Parts(parts.folder)
        before = again.state()
        again.orders.configure(older)
        if again.state() != before:
            wrong.append((content, "an older one was applied"))
        again.orders.configure(newest)
        if again.state() != (20, 1000, None) or Parts(parts.folder).orders.revision != 12:
            wrong.append((content, "the newest one was not"))
    assert wrong == []


def test_a_revision_holds_though_the_file_of_numbers_is_damaged():
    parts = Parts()
    parts.orders.configure({"revision": 12, "interval": 20})
    with open(parts.folder + "/orders", "wb") as file:
        file.write(b"0")
    again = Parts(parts.folder)
    again.orders.configure({"revision": 11, "interval": 5})
    assert again.state() == (20, 1000, None)


def test_a_revision_too_high_by_mistake_is_refused_and_told_and_the_next_one_is_applied():
    parts = Parts()
    parts.orders.configure({"revision": 2**53 - 1, "interval": 20})
    assert parts.events()[0][1]["problem"].startswith("revision: 9007199254740991; expected at most ")
    for revision in (1, 20261201, 1795276800000, CENTURY, CENTURY + STEP):
        parts.orders.configure({"revision": revision, "interval": 20})
        assert parts.orders.revision == revision
    parts.orders.configure({"revision": parts.orders.revision + STEP + 1, "interval": 30})
    assert Parts(parts.folder).state() == (20, 1000, None)


def test_a_rule_with_a_number_that_is_none_is_refused():
    parts = Parts()
    for number in (float("inf"), float("nan"), True):
        parts.orders.configure({"revision": 8, "relay": {"quantity": "pm10", "on": number, "off": 1}})
        assert parts.orders.revision == 0


def test_flag_marks_what_a_sensor_gives_while_somebody_works_on_it():
    parts = Parts()
    told = parts.obey({"do": "flag", "flag": "C", "sensor": "dust", "minutes": 2})
    assert told == "dust: flag C for 2 minutes"
    now = parts.clock.ms
    for begin, work in ((now, {"pm10": "C"}), (now + 2 * MINUTE, {"pm10": "C"}), (now + 2 * MINUTE + 1, {})):
        assert parts.recorder._work_since(begin) == work


def test_flag_n_ends_the_work_with_the_interval_under_way():
    parts = Parts()
    parts.obey({"do": "flag", "flag": "M", "minutes": 60})
    parts.clock.ms += 5000
    parts.obey({"do": "flag", "flag": "N"})
    assert parts.recorder._work_since(parts.clock.ms - 5000) == {"pm10": "M"}
    assert parts.recorder._work_since(parts.clock.ms + 1) == {}


def test_flag_of_an_unknown_letter_or_sensor_is_refused():
    parts = Parts()
    wrong = [("flag", {"do": "flag", "flag": flag}) for flag in ("D", "", None)]
    wrong.append(("sensor", {"do": "flag", "flag": "M", "sensor": "nose"}))
    assert not_refused(parts, wrong) == []


def own_told(parts):
    return [detail for _, detail in parts.events() if "own" in detail]


def test_what_is_changed_at_the_fence_holds_and_the_hub_is_told_once():
    parts = Parts()
    parts.orders.configure({"revision": 5, "interval": 30, "period": 2, "relay": RULE})
    parts = Parts(parts.folder)  # a restart alone changes nothing
    assert (parts.state(), own_told(parts)) == ((30, 2000, RULE), [])
    other = dict(RULE)
    other["on"] = 200
    parts = Parts(parts.folder, interval=5, rule=other)  # the technician has written another file
    assert parts.state() == (5, 2000, other)
    assert own_told(parts) == [{"revision": 5, "own": {"interval": 5, "relay": other}}]
    parts.orders.configure({"revision": 5, "interval": 30, "period": 2, "relay": RULE})  # the broker has it still
    assert parts.state() == (5, 2000, other)
    parts = Parts(parts.folder, interval=5, rule=other)
    assert (parts.state(), own_told(parts)) == (
        (5, 2000, other),
        [{"revision": 5, "own": {"interval": 5, "relay": other}}],  # until the hub has it
    )
    # What the hub says then holds.
    parts.orders.configure({"revision": 6, "interval": 5, "period": 2, "relay": other})
    parts = Parts(parts.folder, interval=5, rule=other)
    assert (parts.state(), parts.orders.revision) == ((5, 2000, other), 6)
    parts.orders.configure({"revision": 7, "interval": 60})
    assert parts.state() == (60, 1000, other)


def test_a_setting_that_the_hub_does_not_name_is_the_boards_own_and_no_news():
    parts = Parts()
    parts.orders.configure({"revision": 5, "period": 2})
    parts = Parts(parts.folder, interval=5)
    assert (parts.state(), own_told(parts)) == ((5, 2000, None), [])


def test_a_board_that_has_not_kept_what_its_own_file_said_takes_nothing_for_changed():
    parts = Parts()
    parts.orders.configure({"revision": 5, "interval": 30})
    for damage in ("", "{", "[]"):
        with open(parts.folder + "/desired.json.own", "w") as file:
            file.write(damage)
        parts = Parts(parts.folder, interval=5)
        assert (parts.state(), own_told(parts)) == ((30, 1000, None), [])
        os.remove(parts.folder + "/desired.json.own")
        parts = Parts(parts.folder, interval=10)
        assert (parts.state(), own_told(parts)) == ((30, 1000, None), [])
