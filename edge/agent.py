"""The agent: puts recorder, courier and connection together, says who the board is, and does as the hub orders.

Its tasks run beside each other: one for each sensor, one that closes intervals, one that sends, one that keeps the
connection. Between measuring and sending stands the outbox, so neither waits for the other.
"""

import asyncio
import gc
import sys

from edge import VERSION, drivers, message, secure
from edge.calibration import Calibration
from edge.courier import Courier
from edge.journal import log
from edge.mqtt import Client
from edge.notes import Notes
from edge.orders import Orders
from edge.outbox import Outbox
from edge.port import Port
from edge.recorder import Recorder
from edge.relay import Relay
from edge.timeline import Timeline

KEEPALIVE = 30  # s
LINGER = 30  # s to send what is left when asked to stop
STATUS_EVERY = 3600  # s


async def end(tasks):
    """End tasks for good: a wait_for of CPython 3.11 that is just over may swallow a cancellation."""
    for task in tasks:
        while not task.done():
            task.cancel()
            await asyncio.sleep(0)


def ticks():
    """Return monotonic time in s, as edge.update counts it."""
    from edge import update

    return update.monotonic()


def stream_of(folder, board):
    """Return the stream of what is recorded from now on; the module that knows is not kept in the heap."""
    import edge
    from edge import stream

    name = stream.resume(folder, board)
    sys.modules.pop("edge.stream", None)
    if hasattr(edge, "stream"):
        del edge.stream
    return name


def trial():
    """Return the trial of the version that runs, or None when there is nothing to try and nothing to tell."""
    if not [path for path in sys.path if path.startswith("slots/")]:
        return None
    from edge import boot

    state = boot.read(boot.FOLDER) or {}
    if not state.get("trial") and not state.get("why"):
        return None  # the usual case, which needs no 11 KB of heap for edge.update
    from edge import update

    return update.Trial(update.monotonic())


class Agent:
    """One board's agent.

    `config`: the board's configuration (README.md, "The board's configuration"); `key`: its secret as bytes; `board`: a
    Board of board_host or board_esp32. `sensors`: drivers by name; `outbox`, `recorder`, `calibration`, `client`: its
    parts, for field.py to look at.
    """

    def __init__(self, config, key, board):
        folder = config["folder"]
        self.board = board
        self._signer = message.Signer(key)
        self._topic = "fenceline/1/%s/%s/%s/" % (config["district"], config["site"], config["device"])
        ports = {}
        self.sensors = {}
        for settings in config["sensors"]:
            spec = settings["port"]
            if spec not in ports:
                ports[spec] = board.open_bus(spec) if spec.startswith("i2") else Port(board, spec)
            self.sensors[settings["name"]] = drivers.make(settings, ports[spec])
        self.outbox = Outbox(folder, stream=stream_of(folder, board), **config.get("outbox", {}))
        boxes = [self.outbox] + self.outbox.elders
        lasts = [message.made(box.last) for box in boxes if box.last]
        # The timeline that waits to be placed, if any, goes on: its name is the lowest.
        lasts.sort(key=lambda last: int(last[0]) if last[0][0] == "-" else 0)
        self._timeline = Timeline(board, folder, lasts[0] if lasts else None)
        self._couriers = [Courier(box, self._timeline, self._publish) for box in boxes]
        self._courier = self._couriers[0]
        self.calibration = Calibration(folder + "/calibration.json")
        self.recorder = Recorder(
            board,
            self._timeline,
            self.outbox,
            self.sensors,
            config.get("interval", 10),
            config.get("period", 1),
            self.calibration,
            self._made,
            config.get("raw", False),
        )
        self._notes = Notes(folder + "/events", self.now)
        pin = config.get("relay_pin")
        self._relay = Relay(lambda on: board.switch(pin, on), board.ticks_ms, self._switched)
        self._relay.rule = config.get("relay")
        self._given = None
        self._given_path = folder + "/orders"
        self._orders = Orders(
            board,
            self.recorder,
            self._relay,
            self.calibration,
            self._notes,
            self._say_status,
            folder + "/desired.json",
            self._rising,
        )
        self._trial = None
        self._first = self.outbox.next
        broker = self._broker = config["broker"]
        secured = {}
        if "tls" in broker:
            secured = {"ssl": secure.context(**broker["tls"]), "server_hostname": broker["host"]}
        self.client = Client(
            lambda: asyncio.open_connection(broker["host"], broker["port"], **secured),
            config["device"],
            KEEPALIVE,
            (self._topic + "status", self._signer.seal(self._status(False))),
            self._greet,
            self._hear,
            broker.get("user"),
            broker.get("password"),
        )

    async def run(self):
        """Work until the board is asked to stop; then send what is left for at most LINGER seconds.

        Raises what made one of its tasks end: a board that goes on without measuring or sending would be worse than one
        that starts again.
        """
        self._trial = trial()
        await self.board.start()
        over = asyncio.Event()
        trouble = []

        async def guarded(work):
            try:
                await work
            except Exception as error:
                trouble.append(error)
            over.set()

        def start(*works):
            return [asyncio.create_task(guarded(work)) for work in works]

        recorder = self.recorder
        sampling = start(recorder.record(), *[recorder.sample(name, driver) for name, driver in self.sensors.items()])
        sending = start(
            self.client.run(),
            *[courier.run() for courier in self._couriers],
            self._keep_status_fresh(),
            self._watch(),
            self.board.stop_asked(),
        )
        await over.wait()
        await end(sampling)
        if not trouble:
            await self._send_the_rest()
        await end(sending)
        self.outbox.close()
        if trouble:
            raise trouble[0]

    async def _send_the_rest(self):
        for _ in range(LINGER * 10):
            if not self._depth():
                break
            await asyncio.sleep(0.1)
        if self.client.connected:
            try:
                await self._publish("status", [self._status(False).encode()], retain=True)
            except OSError as error:
                log("goodbye: %s" % error)  # the last will says it
        await self.client.disconnect()

    async def _publish(self, kind, parts, retain=False):
        await self.client.publish(self._topic + kind, self._signer.seal_parts(parts), retain)

    async def _greet(self):
        for courier in self._couriers:
            courier.ready = False
        for kind in ("ack", "command", "config"):
            await self.client.subscribe(self._topic + kind)
        await self._say_status()
        for courier in self._couriers:
            courier.begin()
        await self._tell()

    def _hear(self, topic, payload):
        if not topic.startswith(self._topic):
            return  # not asked for: brokers have been seen to hand out others' retained messages
        try:
            heard = self._signer.unseal(payload)
        except ValueError as error:
            log("refused on %s: %s" % (topic, error))
            return
        kind = topic.split("/")[-1]
        if kind == "ack":
            ack = message.acknowledged(heard)
            if ack:
                for courier in self._couriers:
                    courier.acknowledged(*ack)
                if self._trial and ack[0] == self.outbox.stream and self._first <= ack[1] < self.outbox.next:
                    self._trial.confirm()  # connected, and a record of this run has arrived
        elif kind == "config":
            self._orders.configure(heard)
            self._tell_soon()
        elif kind == "command" and "id" in heard:
            asyncio.create_task(self._obey(heard))  # noqa: RUF006 (it ends with its reply)

    async def _obey(self, command):
        reply, done = await self._rising().once(command, self.now(), self._carry_out)
        if reply:
            await self._reply(command, *reply)
        self._tell_soon()
        if done and command.get("do") in ("reboot", "update"):
            self.board.reset()

    def _rising(self):
        if self._given is None:
            from edge.rising import Rising  # 4 KB of heap, needed when the hub orders something for the first time

            self._given = Rising(self._given_path)
        return self._given

    async def _carry_out(self, command):
        if command.get("do") == "update":
            return await self._update(command)
        if command.get("do") == "reboot":
            return "starting again"
        return await self._orders.obey(command)

    async def _update(self, command):
        from edge import update  # 7 KB of heap, needed once in a while

        async def open_connection(host, port, secured):
            tls = {}
            if secured:
                tls = {"ssl": secure.context(**self._broker["tls"]), "server_hostname": host}
            return await asyncio.open_connection(host, port, **tls)

        try:
            version = await update.install(command["url"], command["sha256"], open_connection)
        except (update.UpdateError, KeyError) as error:
            raise ValueError("update: %s" % error) from None
        if version is None:
            raise ValueError("update: this version runs already")
        self._notes.add("update", {"version": version})
        return "%s is fetched and starts now, on trial" % version

    async def _watch(self):
        """Feed the watchdog while records are made, and give up a version on trial that does not become healthy."""
        while True:
            await asyncio.sleep(2)
            patience = (3 * self.recorder.interval + 120) * 1000
            if self.board.ticks_ms() - self.recorder.last_made < patience:
                self.board.feed()
            if self._trial and self._trial.check(ticks()):
                self.board.reset()

    async def _reply(self, command, ok, detail):
        try:
            await self._publish("reply", [message.reply(command["id"], self.now(), ok, detail).encode()])
        except OSError as error:
            log("reply: %s" % error)  # whoever asked sees no answer and asks again

    def _made(self, seq, kept, values, flags):
        if seq is not None:
            self._courier.made(seq, kept)
        self._relay.judge(values, flags)

    def _switched(self, detail):
        self._notes.add("relay", detail)
        self._tell_soon()

    def _tell_soon(self):
        asyncio.create_task(self._tell())  # noqa: RUF006 (it ends when all is told)

    async def _tell(self):
        if self._trial and self._trial.why:
            self._notes.add("update", {"problem": self._trial.why})
            self._trial.reported()
        try:
            await self._notes.send(self._publish)
        except OSError as error:
            log("event: %s" % error)  # it waits for the next connection

    async def _say_status(self):
        await self._publish("status", [self._status(True).encode()], retain=True)

    async def _keep_status_fresh(self):
        while True:
            await self.board.sleep_ms(STATUS_EVERY * 1000)
            if self.client.connected:
                try:
                    await self._say_status()
                except OSError as error:
                    log("status: %s" % error)

    def _depth(self):
        """Return how many records wait, with those of older streams."""
        return sum([box.next - box.oldest for box in [self.outbox] + self.outbox.elders])

    def now(self):
        """Return Unix time in s, 0 while the clock is not set."""
        return 0 if self.board.clock_quality == "none" else self.board.now_ms() // 1000

    def _status(self, online):
        gc.collect()
        outbox = self.outbox
        more = {
            "agent": VERSION,
            "runtime": self.board.runtime(),
            "reset": self.board.reset_cause(),
            "stream": outbox.stream,
            "depth": self._depth(),
            "dropped": outbox.dropped + sum([elder.dropped for elder in outbox.elders]),
            "rejected": {name: driver.rejected for name, driver in self.sensors.items()},
            "sensors": self.recorder.state,
            "cal": self.calibration.id,
            "cal_due": self.calibration.due,
            "config": self._orders.revision,
        }
        rssi = self.board.rssi()
        if rssi is not None:
            more["rssi"] = rssi
        if hasattr(gc, "mem_free"):
            more["heap_free"] = gc.mem_free()
            more["heap_used"] = gc.mem_alloc()
        return message.status(online, self.now(), **more)
