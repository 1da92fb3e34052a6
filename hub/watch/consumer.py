"""Watches the network: silent and flooding boards, faulty sensors, wrong clocks, lost records, a late hub, ...

A consumer of the log with a position of its own. What it remembers of a board is small and in memory; after a start it
counts silence from then on, and an alert ends only when something shows that its cause is over.
"""

import datetime as dt
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path

from hub.alerts.book import Book
from hub.alerts.escalation import Escalation
from hub.alerts.network import Network
from hub.alerts.tables import PART as ALERTS
from hub.alerts.text import told_place
from hub.config.alerts import Alerting
from hub.config.files import Broker
from hub.intake.certificate import remark
from hub.log.entry import Entry
from hub.log.log import FLOOD
from hub.log.reader import reading_log
from hub.process.clock import TOLERANCE, Held
from hub.registry.live import Registry
from hub.storage.compliance_file import COMPLIANCE, open_compliance
from hub.storage.database import transaction
from hub.watch import station_text
from hub.watch import text as tell
from hub.watch.memory import Heard
from hub.watch.stations import StationWatch
from hub.watch.tables import PART
from hub.watch.text import CERTIFICATE_BAD, CERTIFICATE_ENDS, DEAF, HUB_CLOCK, LAG, SENSOR, SOS
from hub.wire.channels import STATION
from schemas.language import Text

EVERY = 30.0
"""Between two looks [s]."""
STARTING = 600.0
"""A hub that starts for the first time hears for so long at most before it is watched [s]."""
CLEAR_AFTER = 1800.0
"""A trouble of clock, outbox, numbers or flood is over when no further sign of it came for so long [s]."""
_TRUSTED = Held(0.0)
_NO_TLS = Broker()
REPEATS = 3
"""So many messages sent again, and nothing forgotten meanwhile, are no chance."""
SEVERAL = 3
"""So many boards are not silent for reasons of their own all at once."""
QUIET = 180.0
"""When none of several boards was heard for so long, something common to them has failed [s]."""


class Watch:
    """Watches on behalf of the hub whose data are in `data`; `clock` gives Unix time in s.

    `progress` gives the offset up to which each of the log's consumers is done, by name.
    `registry`: of the boards that this hub owns. `levels`: the highest level of any recipient. `held`: what the hub
    holds to be the time. `broker`: with which certificate the hub goes to it. `stations`: looks at what stations say.
    """

    def __init__(
        self,
        data: Path,
        registry: Registry,
        clock: Callable[[], float],
        settings: Alerting,
        progress: Callable[[], Mapping[str, int]],
        levels: int = 0,
        held: Callable[[], Held] = lambda: _TRUSTED,
        broker: Broker = _NO_TLS,
        stations: StationWatch | None = None,
    ) -> None:
        self._stations = stations
        self._db = open_compliance(data / COMPLIANCE, ALERTS, PART)
        self._log = data / "log.db"
        self._registry = registry
        self._clock = clock
        self._settings = settings
        self._progress = progress
        self._serials: dict[tuple[str, str], str] = {}  # as they stand in the database
        if stations:
            rows = self._db.execute("SELECT device, code, serial FROM instrument").fetchall()
            self._serials = {(device, code): serial for device, code, serial in rows}
            stations.serials.update(self._serials)
        book = Book(self._db, clock)
        self._network = Network(book, registry)
        self._escalation = Escalation(book, settings, levels, "network")
        self._position = int(self._db.execute("SELECT offset FROM watched").fetchone()[0])
        if self._position < 0:
            # What was said before there was a watch is no news; but a hub hears before all of it has started.
            self._position = self._heard_before(clock() - STARTING)
        self._held = held
        self._broker = broker
        self._trusted = held()
        self._began = self._looked = clock()
        self._boards: dict[str, Heard] = {}
        self._refused = self._counted("future", "past")
        self._let_go = self._counted(FLOOD)
        self._repeats: dict[str, int] = {}
        self._ends: deque[tuple[float, int]] = deque()
        self._remember(self._network.lasting())

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    def use(self, registry: Registry) -> None:
        """Watch the boards of another registry from now on."""
        self._registry = registry
        self._network.use(registry)

    def position(self) -> int:
        """See `hub.log.consumer.Sink`."""
        return self._position

    def take(self, entries: list[Entry]) -> None:
        """See `hub.log.consumer.Sink`."""
        now = self._clock()
        for entry in entries:
            device = entry.place.device
            board = self._boards.get(device)
            if board is None:
                board = self._boards[device] = Heard(self._began)
            board.hear(entry, now, 60 * self._settings.unheard_minutes)
            if self._stations and entry.channel is STATION:
                self._stations.hear(entry, now)
        if entries:
            self._position = entries[-1].offset
        held = self._held()
        if held != self._trusted:
            self._notice_clock(held, now)
        if held.doubt.en:
            return
        if now < self._looked:
            self._set_back(now)
        if now - self._looked >= EVERY:
            self._looked = now
            self._look(now)

    def _heard_before(self, when: float) -> int:
        """Return the offset of the newest message that was received before a moment, Unix s."""
        with reading_log(self._log) as log:
            return min(log.end(), max(0, log.offset_at(when) - 1))

    def _notice_clock(self, held: Held, now: float) -> None:
        """Say that the hub's time is in doubt, or no more; where it is another one now, all that is remembered is."""
        shift = held.offset - self._trusted.offset
        if abs(shift) >= TOLERANCE:
            self._looked, self._began = now, self._began + shift
            self._ends.clear()
            for board in self._boards.values():
                board.last += shift
        if held.doubt != self._trusted.doubt:
            with transaction(self._db):
                self._db.execute("UPDATE watched SET offset = ?", (self._position,))
                if held.doubt.en:
                    self._network.trouble(tell.hub_clock(held.doubt, held.since))
                else:
                    self._network.over("", HUB_CLOCK, Text("the hub's time is sure again", "数据中心时间已恢复可信"))
            self._refused = self._counted("future", "past")  # for their times: that was the hub's doing
            for board in self._boards.values():
                board.wrong_clock = board.late = None
                board.told = board.unheard = None  # in doubt nothing is acknowledged
        self._trusted = held

    def _set_back(self, now: float) -> None:
        """Forget times that lie in the future since the hub's clock was set back."""
        self._looked, self._began = now - EVERY, min(self._began, now)
        self._ends.clear()
        for board in self._boards.values():
            board.last = min(board.last, now)

    def _look(self, now: float) -> None:
        """Raise and end alerts; what was heard is on record with it."""
        registry = self._registry
        today = dt.datetime.fromtimestamp(now, registry.zone).date()
        active = [one.id for one in registry.senders() if one.retired is None or today < one.retired]
        speaking = [device for device in active if device in registry.boards]
        for device in self._boards.keys() - {one.id for one in registry.senders()}:
            del self._boards[device]
        end = self._end()
        self._notice_refusals(now)
        self._notice_floods(now)
        self._notice_repeats()
        with transaction(self._db):
            self._db.execute("UPDATE watched SET offset = ?", (self._position,))
            self._remember(self._network.lasting())
            if self._position >= end:  # else what a board said may still be waiting in the log
                # What is on its way from one site to another is not missed.
                # A worker's badge is switched off after work.
                expected = [id_ for id_ in active if id_ not in registry.badges]
                standing = [id_ for id_ in expected if (one := registry.sender(id_)) and registry.site_at(one, now)]
                self._look_for_silence(standing, now)
            for device in active:
                board = self._boards.get(device)
                if board:
                    self._look_at_sensors(device, board)
                    self._look_at_clock(device, board, now)
                    self._look_at_outbox(device, board, now)
                    self._look_at_numbers(device, board, now)
                    self._look_at_flood(device, board, now)
                    self._look_at_acknowledgements(device, board)
                    self._look_at_station(device, now)
            self._keep_serials()
            self._look_at_calibrations(speaking, today)
            self._look_at_consumers(now, end)
            self._look_at_certificate(now)
            for device in {device for device, _ in self._wrong if device} - set(active):
                for of, rule in self._wrong.copy():
                    if of == device and rule != SOS:  # whoever calls for help is not helped by that
                        self._over(device, rule, Text("the board is not in service any more", "设备已停用"))
            self._escalation.pass_time(now)

    def _remember(self, lasting: list[tuple[str, str, str]]) -> None:
        """Note what is still wrong: only that needs to be looked for in the database."""
        self._wrong = {(device, rule) for _, device, rule in lasting}
        for board in self._boards.values():
            board.suspected = set()
        for device, rule in self._wrong:
            if rule.startswith(SENSOR):
                board = self._boards.setdefault(device, Heard(self._began))
                board.suspected.add(rule.removeprefix(SENSOR))

    def _over(self, device: str, rule: str, why: Text) -> None:
        if (device, rule) in self._wrong:
            self._wrong.discard((device, rule))
            self._network.over(device, rule, why)

    def _look_for_silence(self, active: list[str], now: float) -> None:
        """Look for silent boards; where none of several is heard, that is one trouble and not the boards'."""
        last = {device: self._boards[device].last if device in self._boards else self._began for device in active}
        nodes = self._registry.nodes
        others = [at for device, at in last.items() if device not in nodes]
        newest, patience = max(others, default=now), 60 * self._settings.silent_minutes
        if len(others) >= SEVERAL and now - newest >= min(QUIET, patience):
            if now - newest >= patience:
                self._network.trouble(tell.deaf(len(others), newest, now))
            return  # nobody is blamed until it is clear whether they are all gone
        if newest > self._began:
            self._over("", DEAF, Text("boards are heard again", "设备恢复上报"))
        asleep = 60 * self._settings.silent_node_minutes
        silent = {device for device, at in last.items() if now - at >= (asleep if device in nodes else patience)}
        for device in active:
            if device in silent:
                self._network.trouble(tell.silent(device, self._place(device), last[device], now))
            elif last[device] > self._began:
                self._over(device, "board silent", Text("the board is heard again", "设备恢复上报"))

    def _look_at_sensors(self, device: str, board: Heard) -> None:
        for quantities in board.causes(60 * self._settings.sensor_minutes):
            fault, place = board.faults[quantities[0]], self._place(device)
            self._network.trouble(tell.sensor(device, place, quantities, fault.flag, fault.since, fault.last))
        for quantity in board.suspected & board.well:
            self._over(device, SENSOR + quantity, Text("the sensor gives normal values again", "传感器恢复正常"))
        board.well.clear()

    def _look_at_clock(self, device: str, board: Heard, now: float) -> None:
        if board.wrong_clock is None:
            if board.last - self._began > CLEAR_AFTER:
                self._over(device, "clock wrong", Text("its times are plausible again", "时间恢复正常"))
            return
        noticed, how = board.wrong_clock
        if now - noticed >= CLEAR_AFTER and board.last > noticed:
            board.wrong_clock = None
            self._over(device, "clock wrong", Text("its times are plausible again", "时间恢复正常"))
            return
        if how == "steady" and board.late is not None:
            self._network.trouble(tell.clock_off(device, self._place(device), board.late.most, noticed))
        elif how != "steady":
            self._network.trouble(tell.clock(device, self._place(device), how, noticed))

    def _look_at_outbox(self, device: str, board: Heard, now: float) -> None:
        if board.dropped is None or now - board.dropped[0] >= CLEAR_AFTER:
            board.dropped = None
            if now - self._began >= CLEAR_AFTER:
                self._over(device, "outbox dropping", Text("no more records were given up", "未再丢弃记录"))
            return
        noticed, count, reason = board.dropped
        self._network.trouble(tell.outbox(device, self._place(device), count, reason, noticed))

    def _look_at_numbers(self, device: str, board: Heard, now: float) -> None:
        if board.other is None or now - board.other[0] >= CLEAR_AFTER:
            board.other = None
            if now - self._began >= CLEAR_AFTER:
                self._over(device, "numbers used twice", Text("no more such records have come", "未再出现重复编号"))
            return
        noticed, stream, first, last = board.other
        self._network.trouble(tell.numbers(device, self._place(device), stream, first, last, noticed))

    def _look_at_flood(self, device: str, board: Heard, now: float) -> None:
        if board.let_go is None or now - board.let_go[1] >= CLEAR_AFTER:
            board.let_go = None
            if now - self._began >= CLEAR_AFTER:
                self._over(device, "board floods", Text("it keeps to its share again", "发送量恢复正常"))
            return
        since, _, count = board.let_go
        self._network.trouble(tell.flood(device, self._place(device), count, since, now))

    def _look_at_acknowledgements(self, device: str, board: Heard) -> None:
        if board.unheard is None or board.repeats is None or self._repeats.get(device, 0) - board.repeats < REPEATS:
            if board.unheard is None and board.told and board.told[0] > self._began:
                self._over(device, "board unacknowledged", Text("it hears its acknowledgements", "设备已能收到确认"))
            return
        since, at, told, oldest = board.unheard
        self._network.trouble(tell.unheard(device, self._place(device), told, oldest, since, at))

    def _look_at_station(self, device: str, now: float) -> None:
        """Tell what was found of a station; it is over when no further sign of it came for so long."""
        for rule, since, last, found in list(self._stations.signs(device)) if self._stations else ():
            if now - last < CLEAR_AFTER:
                self._network.trouble(station_text.trouble(device, self._place(device), rule, since, found))
            elif self._stations:
                self._stations.forget(device, rule)
                self._over(device, rule, Text("no further sign of it has come", "未再出现"))

    def _keep_serials(self) -> None:
        """Write which instruments stations have now."""
        told = self._stations.serials if self._stations else {}
        new = {key: serial for key, serial in told.items() if self._serials.get(key) != serial}
        rows = [(*key, serial) for key, serial in new.items()]
        self._db.executemany("INSERT OR REPLACE INTO instrument VALUES (?, ?, ?)", rows)
        self._serials |= new

    def _look_at_calibrations(self, active: list[str], today: dt.date) -> None:
        said: dict[str, str] = dict(self._db.execute("SELECT device, due FROM calibration").fetchall())
        for device, board in self._boards.items():
            if board.cal_due is not None and said.get(device) != board.cal_due:
                said[device] = board.cal_due
                self._db.execute("INSERT OR REPLACE INTO calibration VALUES (?, ?)", (device, board.cal_due))
        for device in active:
            due = [day for day in (self._registry.boards[device].calibration_due, _day(said.get(device, ""))) if day]
            # Whoever calibrated it may have told the registry, the board, or both: the later day holds.
            if due and max(due) <= today:
                self._network.trouble(tell.calibration(device, self._place(device), max(due), self._registry.zone))
            else:
                self._over(device, "calibration overdue", Text("it has been calibrated", "已完成校准"))

    def _look_at_consumers(self, now: float, end: int) -> None:
        """Compare how far the consumers are with where the log ended a while ago."""
        before = now - 60 * self._settings.lag_minutes
        self._ends.append((now, end))
        while len(self._ends) > 1 and self._ends[1][0] <= before:
            self._ends.popleft()
        then, expected = self._ends[0]
        for name, position in self._progress().items():
            rule = LAG + name
            if then <= before and position < expected:
                self._network.trouble(tell.lag(name, self._settings.lag_minutes, then))
            elif position >= expected:
                self._over("", rule, Text("it has caught up", "已赶上"))

    def _look_at_certificate(self, now: float) -> None:
        good, said = remark(self._broker, dt.datetime.fromtimestamp(now, dt.UTC))
        renewed = Text("a certificate that is good is there", "已更换有效证书")
        if said.en:
            self._network.trouble(tell.certificate(said, now, good=good))
        if good:
            self._over("", CERTIFICATE_BAD, renewed)
        if not said.en:
            self._over("", CERTIFICATE_ENDS, renewed)
        elif not good:
            self._over(
                "", CERTIFICATE_ENDS, Text("it is not good any more: see the alert on that", "证书已失效，另有告警")
            )

    def _notice_refusals(self, now: float) -> None:
        """Take notice of what was refused for its time since the last look."""
        refused = self._counted("future", "past")
        for (device, reason), count in refused.items():
            if count > self._refused.get((device, reason), 0) and device in self._registry.boards:
                board = self._boards.setdefault(device, Heard(self._began))
                board.wrong_clock = (now, reason)
                board.last = now  # it does speak
        self._refused = refused

    def _notice_floods(self, now: float) -> None:
        """Take notice of what was let go of since the last look."""
        let_go = self._counted(FLOOD)
        for (device, reason), count in let_go.items():
            more = count - self._let_go.get((device, reason), 0)
            if more > 0 and device in self._registry.boards:
                board = self._boards.setdefault(device, Heard(self._began))
                since, _, before = board.let_go or (now - EVERY, now, 0)
                board.let_go = (since, now, before + more)
                board.last = now  # it does speak
        self._let_go = let_go

    def _notice_repeats(self) -> None:
        """Take notice of how often boards have sent again what the hub had."""
        with reading_log(self._log) as log:
            self._repeats = log.repeats()
        for device, board in self._boards.items():
            if board.told and board.repeats is None:
                board.repeats = self._repeats.get(device, 0)

    def _counted(self, *reasons: str) -> dict[tuple[str, str], int]:
        """Return how many messages were counted in the log for these reasons, by device and reason."""
        with reading_log(self._log) as log:
            return {(device, reason): n for (device, reason), n in log.counts().items() if reason in reasons}

    def _end(self) -> int:
        with reading_log(self._log) as log:
            return log.end()

    def _place(self, device: str) -> Text:
        return told_place(self._registry, self._registry.site_of(device), device)


def _day(text: str) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        return None
