"""The agent: puts recorder, courier and connection together, says who the board is, and does as the hub orders.

Its tasks run beside each other: one for each sensor, one that closes intervals, one that sends, one that keeps the
connection. Between measuring and sending stands the outbox, so neither waits for the other.
"""

import asyncio
import gc
import os
import sys
from binascii import hexlify

from edge import VERSION, drivers, message, tasks
from edge.borrow import borrow
from edge.calibration import Calibration
from edge.courier import Courier
from edge.journal import log
from edge.mqtt import Client
from edge.notes import Notes
from edge.outbox import Outbox
from edge.port import Port
from edge.recorder import Recorder
from edge.timeline import Timeline

KEEPALIVE = 30  # s
LINGER = 30  # s to send what is left when asked to stop
STATUS_EVERY = 3600  # s
ASK_EVERY = 20  # s between two statuses that ask the hub for the time, while the clock is not set
MOST_DELAY = 10000  # ms until the hub's answer: half of it is how wrong the time in it may be
TRY_S = 120  # until the broker has let the board in with a new certificate; then the one before is in force again
MOST_ENDS = 3  # of a task soon after its start; then the board starts again


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


def sensor(settings, port):
    """Return a sensor's driver; raise ValueError with the sensor and what is wrong."""
    try:
        return drivers.make(settings, port)
    except Exception as error:
        why = str(error)
        if not why.startswith("sensor "):  # of the bus
            why = "sensor '%s': %s" % (settings["name"], why)
        raise ValueError(why + " (edge/drivers/README.md)") from None


class Agent:
    """One board's agent.

    `config`: the board's configuration (docs/technician.md, "The board's configuration"); `key`: its secret as bytes;
    `board`: a Board of board_host or board_esp32. `sensors`: drivers by name; `outbox`, `recorder`, `calibration`,
    `client`: its parts, for field.py to look at.
    """

    def __init__(self, config, key, board):
        folder = config["folder"]
        self.board = board
        broker = self._broker = config["broker"]
        self._brokers = ["%s:%d" % (broker["host"], broker["port"])]  # in the order in which they are tried
        self.tried = 0
        self._key_file = config.get("key_file", "key")
        self._signer = message.Signer(key)
        self.renewed = config["folder"] + "/renewed"
        # Files and form of connections (None: to be made of the files), and the Signer before, until the hub is heard.
        self.tls, self.secured, self._before = borrow("credentials").read(broker, self.renewed, self._key_file)
        self.let_in = False
        self._topic = "fenceline/1/%s/%s/%s/" % (config["district"], config["site"], config["device"])
        ports = {}
        self.sensors = {}
        for settings in config["sensors"]:
            spec = settings["port"]
            if spec not in ports:
                ports[spec] = Port(board, spec) if spec.split(":")[0] in ("uart", "tcp") else board.open_bus(spec)
            self.sensors[settings["name"]] = sensor(settings, ports[spec])
        self.outbox = Outbox(folder, stream=borrow("stream").resume(folder, board), **config.get("outbox", {}))
        boxes = [self.outbox] + self.outbox.elders
        lasts = [message.made(box.last) for box in boxes if box.last]
        # The timeline that waits to be placed, if any, goes on: its name is the lowest.
        lasts.sort(key=lambda last: int(last[0]) if last[0][0] == "-" else 0)
        self._timeline = Timeline(board, folder, lasts[0] if lasts else None)
        self._notes = Notes(folder + "/events", self.now, self.outbox.stream)
        self._couriers = [Courier(box, self._timeline, self._publish, self._lost) for box in boxes]
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
            config.get("levels", True),
        )
        pin = config.get("relay_pin")
        self._pin, self._rule = pin, config.get("relay")
        self._relay = None
        if pin is not None or self._rule:
            self._switching()
        else:
            board.switch(pin, False)  # a restart of the interpreter alone leaves it as it was
        self._given = None
        self._given_path = folder + "/orders"
        self._orders = None
        self._desired = folder + "/desired.json"
        if "desired.json" in os.listdir(folder):
            borrow("outfit").begin(self.ordered, config)
        self._nonce = ""  # of the last status, and the ticks when it was said
        self._asked = 0
        self._trial = None
        self._first = self.outbox.next
        self.client = Client(
            self._connect,
            config["device"],
            KEEPALIVE,
            lambda: (self._topic + "status", self._signer.seal(self._status(False))),
            self._greet,
            self._hear,
            broker.get("user"),
            broker.get("password"),
        )

    async def run(self):
        """Work until the board is asked to stop; then send what is left for at most LINGER seconds.

        A task that ends is started again. One that does so again and again makes `run` raise what ended it: a board
        that goes on without measuring or sending would be worse than one that starts again.
        """
        self._trial = trial()
        await self.board.start()
        over = asyncio.Event()
        trouble = []

        def give_up(error):
            trouble.append(error)
            over.set()

        def kept(name, work):
            return asyncio.create_task(tasks.keep(name, work, MOST_ENDS, give_up))

        async def asked_to_stop():
            try:
                await self.board.stop_asked()
            except Exception as error:
                trouble.append(error)
            over.set()

        recorder = self.recorder
        sampling = [kept("recorder", recorder.record)]
        for name, driver in self.sensors.items():
            sampling.append(kept("sensor " + name, lambda name=name, driver=driver: recorder.sample(name, driver)))
        sending = [kept("mqtt", self.client.run), kept("status", self._keep_status_fresh), kept("watch", self._watch)]
        sending += [kept("courier", courier.run) for courier in self._couriers]
        sending.append(asyncio.create_task(asked_to_stop()))
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
        self._notes.begin()
        self.let_in = True
        self.tried = 0  # another one is tried only while none lets the board in
        await self.tell()

    async def _connect(self):
        host, _, port = self._brokers[self.tried % len(self._brokers)].partition(":")
        self.tried += 1
        if self.secured is None:
            gc.collect()  # the context before has gone with its connection: the heap has room for one
            self.secured = borrow("credentials").secured(self.tls, host)
        if self.secured:
            self.secured["server_hostname"] = host
        at = int(port or self._broker["port"])
        return await borrow("names").connect(self.board.known, host, at, **self.secured)

    def _unseal(self, payload):
        """Return a message, and the Signer whose it is; raises ValueError where it is nobody's."""
        try:
            heard = self._signer.unseal(payload)
        except ValueError:
            if self._before is None:
                raise
            return self._before.unseal(payload), self._before
        if self._before:  # the hub has the new key in force
            self._before = None
            borrow("rekey").forget(self._key_file + ".old")
        return heard, self._signer

    def _hear(self, topic, payload):
        if not topic.startswith(self._topic):
            return  # not asked for: brokers have been seen to hand out others' retained messages
        try:
            heard, signer = self._unseal(payload)
        except ValueError as error:
            log("refused on %s: %s" % (topic, error))
            return
        kind = topic.split("/")[-1]
        if kind == "ack":
            self._hear_ack(heard)
        elif kind == "config":
            if self.ordered().configure(heard):
                self._beside("change", borrow("outfit").change(self))
            else:
                self._tell_soon()
        elif kind == "command" and "id" in heard:
            self._beside("order", self._obey(heard, signer))

    def _hear_ack(self, heard):
        """Take what the hub says that it has, or what time it is; nothing else counts (see message.acknowledged)."""
        if len(heard) == 1 and isinstance(heard.get("events"), int):
            self._notes.acknowledged(heard["events"])
        elif len(heard) == 2 and isinstance(heard.get("time"), int):
            self._hear_time(heard.get("nonce"), heard["time"])
        ack = message.acknowledged(heard)
        if ack:
            for courier in self._couriers:
                courier.acknowledged(*ack)
            if self._trial and ack[0] == self.outbox.stream and self._first <= ack[1] < self.outbox.next:
                self._trial.confirm()  # connected, and a record of this run has arrived

    def _hear_time(self, nonce, t):
        """Take the hub's answer to the last status: Unix time in ms."""
        passed = self.board.ticks_ms() - self._asked
        if self._nonce and nonce == self._nonce and passed <= MOST_DELAY:
            self._nonce = ""
            self.board.hear_hub(t - self._asked - passed // 2)

    def _beside(self, name, work):
        asyncio.create_task(tasks.once(name, work))  # noqa: RUF006 (it ends by itself)

    async def _obey(self, command, signer):
        reply, done = await self._rising().once(command, self.now(), lambda order: self._carry_out(order, signer))
        if reply:
            await self._reply(command, *reply)
        self._tell_soon()
        if done and command.get("do") in ("reboot", "update"):
            self.board.reset()
        if done and command.get("do") == "key":
            await self.client.disconnect()  # the last will that the broker has is under the key before

    def _switching(self):
        """Return the relay's rule and switch, 1 KB of heap: most boards have none."""
        if self._relay is None:
            from edge.relay import Relay

            self._relay = Relay(lambda on: self.board.switch(self._pin, on), self.board.ticks_ms, self._switched)
            self._relay.rule = self._rule
        return self._relay

    def ordered(self, *sensors):
        """Return what carries out orders: 3 KB of heap, needed when the hub has ordered something."""
        if self._orders is None:
            from edge.orders import Orders

            self._orders = Orders(
                self.board,
                self.recorder,
                self._switching(),
                self.calibration,
                self._notes,
                self._say_status,
                self._desired,
                self._rising,
                self.outbox,
                self._brokers,
                *sensors,
            )
        return self._orders

    def _rising(self):
        if self._given is None:
            from edge.rising import Rising  # 4 KB of heap, needed when the hub orders something for the first time

            self._given = Rising(self._given_path)
        return self._given

    async def _carry_out(self, command, signer):
        what = command.get("do")
        if what == "update":
            from edge import update  # 7 KB of heap, needed once in a while

            return await update.obey(command, self.board.known, self._broker.get("tls"), self._notes)
        if what == "reboot":
            return "starting again"
        if what == "key":
            key = borrow("rekey").take(self._key_file, command.get("sealed"), signer)
            self._before, self._signer = signer, message.Signer(key)
            return "new key in force"
        if what == "certificate":
            return await borrow("rekey").certificate(self, self._broker.get("tls"), command, signer, TRY_S)
        return await self.ordered().obey(command)

    async def _watch(self):
        """Feed the watchdog while records are made, and give up a version on trial that does not become healthy."""
        while True:
            await asyncio.sleep(2)
            patience = (3 * self.recorder.interval + 120) * 1000
            if self.board.ticks_ms() - self.recorder.last_made < patience:
                self.board.feed()
            if self._trial and self._trial.check(ticks()):
                self.board.reset()
            if self.client.connected:
                self._tell_soon()  # what the hub has not answered for a while

    async def _reply(self, command, ok, detail):
        try:
            await self._publish("reply", [message.reply(command["id"], self.now(), ok, detail).encode()])
        except OSError as error:
            log("reply: %s" % error)  # whoever asked sees no answer and asks again

    def _made(self, seq, kept, values, flags):
        if seq is not None:
            self._courier.made(seq, kept)
        if self._relay:
            self._relay.judge(values, flags)

    def _lost(self, stream, first, last, reason):
        kept = self._notes.lose(stream, first, last, reason)
        self._tell_soon()
        return kept

    def _switched(self, detail):
        self._notes.add("relay", detail)
        self._tell_soon()

    def _tell_soon(self):
        self._beside("event", self.tell())

    async def tell(self):
        """Tell the events that wait; without a connection they go on waiting."""
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
            if self.board.clock_quality == "none":
                await asyncio.sleep(ASK_EVERY)
            else:
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
            "config": self._orders.revision if self._orders else 0,
        }
        if online:
            self._nonce, self._asked = hexlify(os.urandom(8)).decode(), self.board.ticks_ms()
            more["nonce"] = self._nonce
        if tasks.ends:
            more["tasks"] = {name: {"ends": ends, "cause": cause} for name, (ends, cause) in tasks.ends.items()}
        rssi = self.board.rssi()
        if rssi is not None:
            more["rssi"] = rssi
        if hasattr(gc, "mem_free"):
            more["heap_free"] = gc.mem_free()
            more["heap_used"] = gc.mem_alloc()
        return message.status(online, self.now(), **more)
