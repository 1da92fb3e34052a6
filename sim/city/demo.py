"""Runs the simulated city: broker, hub and boards as processes of their own, the sensors in this one.

Stations of other makers, muck trucks and a collection round send beside the boards; they are in this process, too.

The order at the end is that of the flow: boards and stations stop measuring and send what they have, the hub finishes
what is in its log, and only then the records are counted.
"""

import asyncio
import contextlib
import math
import os
import signal
import socket
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from hub.access.sessions import Sessions
from hub.access.tables import PART as ACCESS
from hub.access.tokens import Access, Role
from hub.config.files import Http, load_config
from hub.orders import desk
from hub.orders.book import LONGEST, Order, OrderBook
from hub.orders.tables import PART as ORDERS
from hub.registry.live import load_registry
from hub.storage.compliance_file import COMPLIANCE, open_compliance
from hub.storage.database import transaction
from schemas.errors import UserError
from schemas.generate import board_package
from sim.city import enterprise
from sim.city.account import Made, made_count, read_only
from sim.city.city import CityBoard, board_config, boards, first_with, sensors_of, source_of, write_board, write_hub
from sim.city.city import city as simulated_city
from sim.city.city import position_of as site_position
from sim.city.fleet.round import CityRound
from sim.city.fleet.trucks import CityTrucks
from sim.city.replay import Recording
from sim.city.sensors import SerialLine
from sim.city.source import ClockFile, SimClock
from sim.city.stations import CityStation, stations
from sim.packs import casework
from sim.packs.street import KITCHEN, Where, know_street

ROOT = Path(__file__).resolve().parent.parent.parent
ZONE = ZoneInfo("Asia/Shanghai")
SEND_S = 150
"""How long boards may take at the end to send what they hold [s]: a board whose broker owes it an answer begins anew
after twice its keep-alive time, which takes 60 to 70 s, and then sends all of it."""
USERS: dict[Role, str] = {
    "viewer": "inspector-1",
    "technician": "technician-1",
    "admin": "admin-1",
    "company": "company-1",
    "collector": casework.PEOPLE["collector"],
    "officer": casework.PEOPLE["officer"],
    "dispatcher": casework.PEOPLE["dispatcher"],
    "handler": casework.PEOPLE["handler"],
    "supervisor": casework.PEOPLE["supervisor"],
}
"""Who may sign in to the demo's console."""
HEAP = "512k"  # of a MicroPython board; objects of a 64-bit build are twice as large as on the chip


@dataclass(frozen=True)
class Plan:
    """What the user asked for. `micropython`: None to run the boards on this Python."""

    folder: Path
    start: float
    """Simulated time at which the boards begin, Unix seconds UTC."""
    speed: float = 60
    """Simulated seconds in a real second."""
    recordings: Sequence[Recording] = ()
    micropython: Path | None = None
    port: int = 0
    console: int | None = None
    """The console's port; 0: any, None: the usual one, or any where that is taken."""


class Demo:
    """A city that runs; use it in `async with city(plan) as demo`."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.clock = SimClock(plan.start, math.inf, plan.speed)
        """The city's clock: it stands until the boards start."""
        self.sites = simulated_city()
        self.boards = boards(self.sites)
        self.stations: list[CityStation] = stations(self.sites)
        self.trucks = CityTrucks(self.sites, plan.start)
        self.round = CityRound(self.sites, plan.start)
        self.outlet = first_with(self.boards, enterprise.STACK)
        """What measures at the outlet of an enterprise; None: no board does."""
        self.shops = 0
        """Along the street of the city's first site."""
        self.casework: casework.Casework | None = None
        self.cases = 0
        """On record before the day begins."""
        self.data = plan.folder / "data"
        self._code = ROOT
        self.console = ""
        """Where people see the city in a browser."""
        self.links: dict[Role, str] = {}
        """By role, how one who has it signs in there once."""
        self._lines: list[SerialLine] = []
        self._agents: list[asyncio.subprocess.Process] = []
        self._hub: asyncio.subprocess.Process | None = None
        self._broker: asyncio.subprocess.Process | None = None

    def outbox(self, board: CityBoard) -> Path:
        """Return the folder of a board's outbox."""
        return self.plan.folder / board.id / "outbox"

    def senders(self) -> list[tuple[str, str]]:
        """Return boards and stations: the id of each, and that of its site."""
        stations = [(station.id, station.site.id) for station in self.stations]
        return [(board.id, board.site.id) for board in self.boards] + stations

    @property
    def series(self) -> Path:
        """The hub's series store."""
        return self.data / "series.db"

    async def start(self) -> None:
        """Start everything and return when the hub listens and the boards run.

        The city's time begins with the boards: how long the hub takes to load costs none of it.
        """
        plan = self.plan
        port = plan.port or free_port()
        self._broker = await self._python("broker", "-m", "sim.city.broker", str(port))
        await self._until(lambda: _answers(port), "broker")
        web = _console_port() if plan.console is None else plan.console or free_port()
        to_stations, known = free_port(), {one.id: (one.entry(), one.password) for one in self.stations}
        to_terminals = free_port()
        keys = write_hub(
            plan.folder,
            self.sites,
            port,
            speed=plan.speed,
            http_port=web,
            stations_port=to_stations,
            stations=known,
            terminals_port=to_terminals,
            terminals=self.trucks.entries() | self.round.entries(),
            nodes=self.round.nodes(),
        )
        casework.write_rules(plan.folder)
        config = plan.folder / "fenceline.toml"
        time_of_day = plan.folder / "clock.json"
        ClockFile.write(time_of_day, self.clock)
        self._hub = await self._python("hub", "-m", "sim.city.hub", str(config), str(time_of_day))
        await self._until(lambda: "connected to" in self._log("hub").read_text("utf-8") and self._consumes(), "hub")
        self.trucks.know(self.data, plan.start)
        self.round.know(self.data, plan.start)
        settings = load_config(config)
        registry = load_registry(settings)
        if self.outlet is not None:
            enterprise.know(settings, registry, self.outlet, plan.start, USERS["company"])
        site = self.sites[0]
        where = Where(site.district, *site_position(site, self.sites))
        kitchen = first_with(self.boards, KITCHEN)
        self.shops = know_street(self.data, where, ZONE, plan.start, kitchen.id if kitchen else None)
        self.casework = casework.Casework(settings, registry, plan.start)
        self.cases = self.casework.know()
        self._code = board_package(ROOT / "edge", plan.folder).parent
        self.clock = clock = SimClock(plan.start, time.time(), plan.speed)
        ClockFile.write(time_of_day, clock)
        interval, period = pace(clock.speed)
        for board in self.boards:
            lines = sensors_of(board, source_of(board, plan.recordings, clock), clock, period)
            for line in lines.values():
                await line.start()
                self._lines.append(line)
            write_board(
                plan.folder / board.id, board_config(board, lines, clock, port, interval, period), keys[board.id]
            )
            self._agents.append(await self._agent(board))
        for number, station in enumerate(self.stations, len(self.boards)):
            board = CityBoard(station.id, station.site, number)
            station.start(to_stations, source_of(board, plan.recordings, clock), clock)
        self.trucks.start(to_terminals, clock)
        self.round.start(to_terminals, clock)
        self.round.publish(port, clock)
        self.console = f"http://127.0.0.1:{web}/console"
        self.links = {role: f"{self.console}/enter/{secret}" for role, secret in self._let_in().items()}
        self._give_order()

    async def finish(self) -> None:
        """Let the boards stop measuring, and return when what they made has reached the series store."""
        for board in self.boards:
            self.outbox(board).mkdir(exist_ok=True)  # a board that has only just begun has none yet
            (self.outbox(board) / "stop").touch()
        with contextlib.suppress(TimeoutError):  # what a board could not send by then is counted as lost
            last = [agent.wait() for agent in self._agents], [one.finish() for one in self.stations]
            async with asyncio.timeout(SEND_S):
                await asyncio.gather(*last[0], *last[1], self.trucks.finish(), self.round.finish())
        deadline = time.monotonic() + 30
        while self.waiting() and time.monotonic() < deadline:
            await asyncio.sleep(0.2)

    async def stop(self) -> None:
        """End every process that `start` started, by its own handle."""
        for process in (*self._agents, self._hub, self._broker):
            if process is not None and process.returncode is None:
                process.terminate()
                try:
                    async with asyncio.timeout(10):
                        await process.wait()
                except TimeoutError:
                    process.kill()
                    await process.wait()
        for line in self._lines:
            await line.stop()
        for station in self.stations:
            await station.stop()
        await self.trucks.stop()
        await self.round.stop()

    def _let_in(self) -> dict[Role, str]:
        """Let in one user of each role; return the secrets of their links."""
        with contextlib.closing(open_compliance(self.data / COMPLIANCE, ACCESS)) as db, transaction(db):
            now, secrets = time.time(), {}
            for role, name in USERS.items():
                if role == "company" and self.outlet is None:
                    continue  # there is no enterprise
                Access(db).add(name, role, now, "demo", company=enterprise.ID if role == "company" else "")
                secrets[role] = Sessions(db).make_link(name, now, "demo")
        return secrets

    def _give_order(self) -> None:
        """Let a technician ask the first board to sample each of its sensors."""
        board, now = self.boards[0].id, self.clock.now()
        registry = load_registry(load_config(self.plan.folder / "fenceline.toml"))
        with contextlib.closing(open_compliance(self.data / COMPLIANCE, ORDERS)) as db:
            desk.give(OrderBook(db), registry, board, "selftest", {}, USERS["technician"], "demo", now, LONGEST)

    def orders(self) -> list[Order]:
        """Return the orders to boards, the newest first."""
        with read_only(self.data / COMPLIANCE) as db:
            return OrderBook(db).search()

    def made(self) -> int:
        """Return how many records boards and stations have made so far."""
        return sum(made_count(self.outbox(board)) for board in self.boards) + len(self.made_by_stations())

    def made_by_stations(self) -> list[Made]:
        """Return what the stations have made so far."""
        return [made for station in self.stations for made in station.made()]

    def waiting(self) -> int:
        """Return how many messages in the hub's log the series store has not taken yet."""
        with read_only(self.data / "log.db") as log, read_only(self.series) as series:
            end = log.execute("SELECT coalesce(max(offset), 0) FROM message").fetchone()[0]
            return int(end) - int(series.execute("SELECT offset FROM position").fetchone()[0])

    def _consumes(self) -> bool:
        """Tell whether what reads the hub's log has begun: its databases are there."""
        try:
            self.waiting()
            with read_only(self.data / "compliance.db") as compliance:
                compliance.execute("SELECT fired FROM alert LIMIT 1")
        except sqlite3.OperationalError:
            return False
        return True

    def check(self) -> None:
        """Raise UserError when one of the processes has ended by itself."""
        named = {"hub": self._hub, "broker": self._broker}
        named |= {board.id: agent for board, agent in zip(self.boards, self._agents, strict=False)}
        for name, process in named.items():
            if process is not None and process.returncode is not None:
                tail = " / ".join(self._log(name).read_text("utf-8", "replace").splitlines()[-3:])
                raise UserError(f"{name} ended by itself with code {process.returncode}; its last words: {tail}")

    async def _agent(self, board: CityBoard) -> asyncio.subprocess.Process:
        folder = self.plan.folder / board.id
        if self.plan.micropython is None:
            return await self._process(board.id, [sys.executable, "-m", "edge", "config.json"], folder, self._code)
        command = [str(self.plan.micropython), "-X", f"heapsize={HEAP}", "-m", "edge", "config.json"]
        return await self._process(board.id, command, folder, self._code)

    async def _python(self, name: str, *arguments: str) -> asyncio.subprocess.Process:
        return await self._process(name, [sys.executable, *arguments], self.plan.folder, ROOT)

    async def _process(self, name: str, command: list[str], cwd: Path, code: Path) -> asyncio.subprocess.Process:
        # A session of its own keeps the terminal's Ctrl-C away: this process says in which order all end.
        with self._log(name).open("wb") as output:
            return await asyncio.create_subprocess_exec(
                *command,
                cwd=cwd,
                env=os.environ | {"PYTHONPATH": str(code), "MICROPYPATH": f"{code}:.frozen", "PYTHONUNBUFFERED": "1"},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )

    def _log(self, name: str) -> Path:
        return self.plan.folder / f"{name}.log"

    async def _until(self, ready: Callable[[], bool], name: str) -> None:
        deadline = time.monotonic() + 30
        while not ready():
            self.check()
            if time.monotonic() > deadline:
                raise UserError(f"{name} did not start within 30 s; see {self._log(name)} (keep it with --keep DIR)")
            await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def city(plan: Plan) -> AsyncIterator[Demo]:
    """Start a city, and end its processes whatever happens."""
    demo = Demo(plan)
    try:
        await demo.start()
        yield demo
    finally:
        await demo.stop()


def pace(speed: float) -> tuple[int, float]:
    """Return the boards' interval and sampling period in simulated seconds.

    In real time a record takes at least half a second and a sample 20 ms, so that one laptop can run the whole city.
    """
    interval = next(dt for dt in (10, 15, 20, 30, 60) if dt >= speed / 2 or dt == 60)
    return interval, max(1.0, speed / 50)


def free_port() -> int:
    """Return a port of 127.0.0.1 that is free now."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def _console_port() -> int:
    """Return the port that a hub's console has; one that is free where another hub has taken it."""
    try:
        check_port(Http().port, "")
    except UserError:
        return free_port()
    return Http().port


def check_port(port: int, asked: str) -> None:
    """Raise UserError if the port, which the option `asked` names, cannot be bound."""
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
        except OSError as error:
            raise UserError(
                f"port {port} of 127.0.0.1 cannot be used ({error.strerror}); "
                f"name another with {asked}, or leave it out"
            ) from error


def interrupted() -> asyncio.Event:
    """Return an event that Ctrl-C, SIGTERM and a closed terminal set."""
    event = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, event.set)
    return event


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 0.5):
            return True
    except OSError:
        return False
