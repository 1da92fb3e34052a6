"""Puts the hub together: receiver -> admission -> log -> acknowledgement, and the log's consumers behind it."""

import logging
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing, suppress
from importlib.metadata import version
from pathlib import Path

from hub.access.caller import Gate
from hub.alerts.book import Book
from hub.cases.bridge import reconcile
from hub.cases.routes import case_router
from hub.companies.routes import company_router
from hub.compliance.emissions.routes import emission_router
from hub.compliance.routes import verdict_router
from hub.config.files import Config
from hub.console.router import Console
from hub.desk.routes import alert_router
from hub.field.routes import board_router
from hub.health.metrics import HEARD_WITHIN, Metrics, Observation, Progress
from hub.http.server import Condition, Server, make_app
from hub.intake.acknowledgements import Acknowledgements
from hub.intake.admission import Admission
from hub.intake.badges.judging import Judging as BadgeJudging
from hub.intake.badges.secret import secret_of
from hub.intake.badges.server import BadgeServer
from hub.intake.certificate import remark
from hub.intake.doorkeeper import Doorkeeper
from hub.intake.ingest import Ingest, Line
from hub.intake.lorawan.judging import Judging as LorawanJudging
from hub.intake.lorawan.subscription import Subscription
from hub.intake.passing import GROUP
from hub.intake.receiver import Receiver
from hub.intake.stations.asking import Asker
from hub.intake.stations.judging import Judging
from hub.intake.stations.profiles import Profiles
from hub.intake.stations.server import Stations, StationServer
from hub.intake.terminals import judging as terminal_judging
from hub.intake.terminals.profiles import Profiles as TerminalProfiles
from hub.intake.terminals.server import Terminals, TerminalServer
from hub.log.log import Log
from hub.log.reader import reading_log
from hub.notify.queue import count_waiting
from hub.orders.opening import publish_keys
from hub.orders.routes import order_router
from hub.orders.sender import OrderSender
from hub.process import logs
from hub.process.clock_trust import HubClock
from hub.registry.live import LiveRegistry
from hub.reports.routes import noise_router
from hub.run.calling import Calling
from hub.run.consumers import Job
from hub.run.downstream import Downstream
from hub.series.opening import check_store
from hub.storage.claims import claim
from hub.storage.compliance_file import COMPLIANCE
from hub.storage.damage import refuse_damaged
from hub.storage.data_folder import LOG
from hub.storage.database import read_only
from hub.things.routes import thing_router
from hub.things.shifts import Shifts
from hub.things.weighings.routes import weighing_router
from hub.uplink.sender import refuse_unusable
from hub.wire.badge.kinds import PREFIX as BADGES
from hub.wire.lorawan.kinds import PREFIX as LORAWAN
from hub.wire.station_kinds import PREFIX as STATIONS
from hub.wire.terminal_kinds import PREFIX as TERMINALS
from schemas import Quantity, load_limits, load_quantities

log = logging.getLogger("hub")

NAMED = 8
"""So many districts are named at the start; of more their number is told."""


class Hub:
    """One hub.

    Args:
        config: its configuration.
        clock: gives Unix time in s; only a simulation gives another than the system's.
        log_format: how its processes write their logs.
        rate: how many seconds of `clock` go by in one; other than 1 only in a simulation.
    """

    def __init__(
        self,
        config: Config,
        clock: Callable[[], float] = time.time,
        log_format: logs.Format = "text",
        rate: float = 1.0,
    ) -> None:
        self._config = config
        self._registry = LiveRegistry(config)
        quantities = load_quantities()
        limits = load_limits(quantities=quantities)  # a wrong catalogue stops the hub here, where somebody looks
        refuse_unusable(config.uplinks, quantities)
        check_store(config)
        self._claim = claim(config.data)
        try:
            refuse_damaged(config.data)
            self._log = Log(config.data / LOG, rate)
        except BaseException:
            self._claim.close()
            raise
        self._time = HubClock(
            clock, rate, folder=config.data if rate == 1.0 else None, newest=self._log.received_last()
        )
        publish_keys(config.data, 0.0)  # a restore may have brought back others; none is taken for over yet
        self._registry.refresh(at_once=True)
        self._downstream = Downstream(Job(config, clock, log_format, rate), self._time)
        self._receiver = Receiver(config.broker, config.districts, log_format, self._registry.current.boards)
        self._metrics = Metrics()
        self._orders = OrderSender(
            config.data / COMPLIANCE,
            config.data / LOG,
            lambda: self._registry.current,
            self._time.now,
            lambda: self._time.doubt is not None,
            config.fleet.address,
        )
        registry = self._registry.current
        admission = Admission(registry, quantities, self._time.now, config.districts)
        self._stations = self._make_stations(quantities, admission) if config.hj212.port else None
        self._terminals = self._make_terminals(admission) if config.jt808.port else None
        self._lorawan = [Subscription(one) for one in config.lorawan]
        lines = [Line(STATIONS, *self._stations)] if self._stations else []
        lines += [Line(TERMINALS, *self._terminals)] if self._terminals else []
        judging = LorawanJudging(admission, registry, self._log.latest, self._time.now, config.districts)
        lines += [Line(LORAWAN, one, judging) for one in self._lorawan]
        self._badges = BadgeServer(config.badges) if config.badges.port else None
        if self._badges:
            shifts = Shifts(config.data / COMPLIANCE)
            secret = secret_of(config.data)
            of_badges = BadgeJudging(admission, registry, shifts.holds, self._time.now, secret)
            lines.append(Line(BADGES, self._badges, of_badges))
        self._calling = Calling(config, self._registry, self._time) if self._badges else None
        self._ingest = Ingest(
            self._receiver,
            self._registry,
            admission,
            self._log,
            config.data,
            config.keep,
            Acknowledgements(self._receiver, registry, config.acknowledge_every),
            self._metrics,
            self._time,
            self._wake,
            self._done,
            self._downstream.judged,
            self._orders.outgoing,
            lines,
            Doorkeeper(self._receiver.publish) if config.broker.control else None,
        )
        self._metrics.watch(self)
        http = config.http
        gate = Gate(config.data / COMPLIANCE)
        reconcile(config, registry, self._time.now)
        routers = [
            alert_router(config, lambda: self._registry.current, limits, quantities, self._time.now, gate),
            verdict_router(config, lambda: self._registry.current, self._time.now, gate),
            emission_router(config, lambda: self._registry.current, limits, quantities, self._time.now, gate),
            board_router(config, self._time.now, gate),
            noise_router(config, lambda: self._registry.current, gate),
            order_router(config, lambda: self._registry.current, self._time.now, gate),
            case_router(config, lambda: self._registry.current, self._time.now, gate),
            company_router(
                config, lambda: self._registry.current, quantities, self._time.now, gate, lambda: self._time.doubt
            ),
            thing_router(config, lambda: self._registry.current, self._time.now, gate),
            weighing_router(config, lambda: self._registry.current, self._time.now, gate),
        ]
        self._console = Console(
            config, lambda: self._registry.current, limits, quantities, self._time.now, doubt=lambda: self._time.doubt
        )
        routers.append(self._console.router)
        self._server = Server(make_app(self, self._metrics, routers), http.host, http.port) if http.port else None

    def start(self) -> None:
        """Start every part; returns at once."""
        log.info("%s", self._introduction())
        self._downstream.start()
        if self._calling:
            self._calling.start()
        self._receiver.start()
        self._ingest.start()
        self._orders.start()
        for listener in self._listeners():
            listener.start()
        if self._server:
            self._server.start()

    def _listeners(self) -> list[StationServer | TerminalServer | Subscription | BadgeServer]:
        """Return what takes messages beside the boards', each in a thread of its own."""
        servers = [one.server for one in (self._stations, self._terminals) if one]
        return [*servers, *self._lorawan, *([self._badges] if self._badges else [])]

    def _introduction(self) -> str:
        """Return what runs here, for the first line of the log."""
        config, registry = self._config, self._registry.current
        senders = len(list(registry.senders()))
        districts = registry.districts
        where = ", ".join(districts) if len(districts) <= NAMED else f"{len(districts)} districts"
        http = f"HTTP at {config.http.host}:{config.http.port}" if config.http.port else "no HTTP"
        return (
            f"Fenceline {version('fenceline')} starts: {senders} senders in {where or 'no district'}, "
            f"data in {config.data}, broker {config.broker.host}:{config.broker.port}, {http}"
        )

    def stop(self) -> None:
        """Stop in the order of the flow; what is not committed yet, the broker and the boards still have."""
        if self._server:
            self._console.close()
            self._server.stop()
        self._orders.stop()
        self._orders.join()
        self._ingest.stop()
        self._ingest.join()
        for listener in self._listeners():
            listener.stop()
        self._downstream.stop()
        if self._calling:
            self._calling.stop()
        with suppress(sqlite3.Error):  # it only makes the next start quicker
            self._log.checkpoint()
        self._log.close()
        self._claim.close()

    def dead(self) -> list[str]:
        """See `hub.http.server.Watched`."""
        alive = {
            "receiver": self._receiver.is_alive(),
            "ingest": self._ingest.is_alive(),
            "orders": self._orders.is_alive(),
            "downstream": self._downstream.is_alive(),
        }
        alive |= {one.name: one.is_alive() for one in self._listeners()}
        if self._calling:
            alive["calls"] = self._calling.is_alive()
        return [name for name, lives in alive.items() if not lives]

    def conditions(self) -> list[Condition]:
        """See `hub.http.server.Watched`."""
        broker, connected = self._config.broker, self._receiver.connected
        where = f"{broker.host}:{broker.port}"
        said = f"connected to {where}" if connected else f"not connected to {where}{self._receiver.problem.lasting}"
        problem = self._ingest.problem
        consumers = [
            Condition(name, not state.problem, state.problem or f"done up to offset {state.position}")
            for name, state in self._downstream.states.items()
        ]
        return [
            Condition("broker", connected, said),
            *self._certificate_condition(),
            *self._station_condition(),
            *self._terminal_condition(),
            *(Condition(one.name, one.connected, one.state) for one in self._lorawan),
            *([Condition("calls", *self._calling.state)] if self._calling else []),
            Condition("log", not problem, problem or "can be written"),
            self._clock_condition(),
            Condition("registry", not self._registry.problem, self._registry.problem or "in order"),
            *(consumers or [Condition("consumers", ok=False, text="are starting")]),
        ]

    def observe(self) -> Observation:
        """See `hub.health.metrics.Observed`."""
        data = self._config.data
        with reading_log(data / LOG) as log:
            end, quarantine = log.end(), log.quarantined()
            consumers = {
                name: Progress(state.position, log.received(state.position), state.problem)
                for name, state in self._downstream.states.items()
            }
        firing, notifications = count_alerts(data / COMPLIANCE)
        return Observation(
            now=self._time.now(),
            data=data,
            inbox=self._ingest.waiting,
            inbox_capacity=GROUP,
            log_end=end,
            connected=self._receiver.connected,
            sessions=self._receiver.sessions,
            boards_heard=self._log.heard(self._time.now() - HEARD_WITHIN),
            clock_in_doubt=self._time.doubt is not None,
            alerts_firing=firing,
            notifications=notifications,
            consumers=consumers,
            quarantine=quarantine,
        )

    def _certificate_condition(self) -> list[Condition]:
        good, said = remark(self._config.broker)
        return [Condition("certificate", good, said.en)] if said.en else []

    def _make_stations(self, quantities: dict[str, Quantity], admission: Admission) -> Stations:
        settings = self._config.hj212
        profiles = Profiles(quantities, settings.profiles)
        judging = Judging(admission, self._registry.current, profiles, self._log.latest)
        asker = Asker(self._config.data / LOG, self._registry, profiles, self._time) if settings.ask else None
        return Stations(StationServer(settings, asker), judging)

    def _station_condition(self) -> list[Condition]:
        if self._stations is None:
            return []
        server = self._stations.server
        text = f"port {server.port}: {server.known} of {len(self._registry.current.stations)} stations are connected"
        return [Condition("stations", server.is_alive(), text)]

    def _make_terminals(self, admission: Admission) -> Terminals:
        settings = self._config.jt808
        profiles = TerminalProfiles(settings.profiles)
        registry = self._registry.current
        judging = terminal_judging.Judging(admission, registry, profiles, self._log.latest, self._time.now)
        return Terminals(TerminalServer(settings), judging)

    def _terminal_condition(self) -> list[Condition]:
        if self._terminals is None:
            return []
        server = self._terminals.server
        text = f"port {server.port}: {server.known} of {len(self._registry.current.terminals)} terminals are connected"
        return [Condition("terminals", server.is_alive(), text)]

    def _clock_condition(self) -> Condition:
        if self._time.doubt:
            return Condition("clock", ok=False, text=self._time.doubt.en)
        agree, heard = self._time.confirmed
        return Condition("clock", ok=True, text=f"confirmed by {agree} of {heard} boards heard lately")

    def _done(self) -> int | None:
        """Return the offset up to which every consumer is done, as far as that is known."""
        done = min((state.position for state in self._downstream.states.values()), default=None)
        return done if done is None or self._calling is None else min(done, self._calling.position)

    def _wake(self) -> None:
        """Say that the log has grown."""
        if self._calling:
            self._calling.wake()
        self._downstream.wake()


def count_alerts(compliance: Path) -> tuple[int, dict[str, int]]:
    """Count the alerts that fire, and the messages about alerts as `count_waiting` does."""
    try:
        with closing(read_only(compliance)) as db:
            return Book(db, time.time).count_firing(), count_waiting(db)
    except sqlite3.OperationalError:
        return 0, {"waiting": 0, "failing": 0, "refused": 0}  # the consumers have not made it yet
