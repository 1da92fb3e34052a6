"""The agent: samples sensors, makes a record of each interval, keeps it, sends it until the hub has it.

Four kinds of task run beside each other: one for each sensor, one that closes intervals, one that sends, one that keeps
the connection. Sampling never waits for the network: between them stands the outbox.
"""

import asyncio
from time import time

from edge import VERSION, drivers, message, secure
from edge.aggregate import Aggregator
from edge.mqtt import Client
from edge.outbox import Outbox
from edge.port import Port

MOST_RECORDS = 30  # in one message
MOST_BYTES = 3000  # of records in one message
WINDOW = 120  # records that may be on their way without the hub's acknowledgement
ACK_TIMEOUT = 15  # s without progress before all that is unacknowledged is sent again
KEEPALIVE = 30  # s
LINGER = 30  # s to send what is left when asked to stop


class Agent:
    """One board's agent.

    `config`: the board's configuration (README.md, "The board's configuration"); `key`: its secret as bytes; `board`: a
    Board of board_host or board_esp32.
    """

    def __init__(self, config, key, board):
        self._board = board
        self._interval = config.get("interval", 10)
        self._period = config.get("period", 1)
        self._calibration = config.get("calibration", 0)
        self._signer = message.Signer(key)
        self._topic = "fenceline/1/%s/%s/%s/" % (config["district"], config["site"], config["device"])
        ports = {}
        self._sensors = {}
        for settings in config["sensors"]:
            port = ports.setdefault(settings["port"], Port(board, settings["port"]))
            self._sensors[settings["name"]] = drivers.make(settings, port)
        channels = [channel for driver in self._sensors.values() for channel in driver.channels]
        self._aggregator = Aggregator(channels)
        self._outbox = Outbox(config["folder"], **config.get("outbox", {}))
        self._losses = []
        self._wake = asyncio.Event()
        self._ready = False  # connected, and listening for acknowledgements
        self._progress = 0
        broker = config["broker"]
        secured = {}
        if "tls" in broker:
            secured = {"ssl": secure.context(**broker["tls"]), "server_hostname": broker["host"]}
        self._client = Client(
            lambda: asyncio.open_connection(broker["host"], broker["port"], **secured),
            config["device"],
            KEEPALIVE,
            (self._topic + "status", self._status(False)),
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
        await self._board.start()
        over = asyncio.Event()
        trouble = []

        async def guarded(work):
            try:
                await work
            except Exception as error:
                trouble.append(error)
            over.set()

        sampling = [asyncio.create_task(guarded(self._sample(name, driver))) for name, driver in self._sensors.items()]
        sampling.append(asyncio.create_task(guarded(self._record())))
        sending = [asyncio.create_task(guarded(self._client.run())), asyncio.create_task(guarded(self._send()))]
        waiting = asyncio.create_task(guarded(self._board.stop_asked()))
        await over.wait()
        for task in sampling:
            task.cancel()
        if not trouble:
            await self._send_the_rest()
        for task in sending + [waiting]:
            task.cancel()
        self._outbox.close()
        if trouble:
            raise trouble[0]

    async def _send_the_rest(self):
        for _ in range(LINGER * 10):
            if self._outbox.oldest == self._outbox.next:
                break
            await asyncio.sleep(0.1)
        if self._client.connected:
            await self._client.publish(self._topic + "status", self._status(False), retain=True)
        await self._client.disconnect()

    async def _sample(self, name, driver):
        due = self._board.now()
        while True:
            try:
                for channel, value in (await driver.sample()).items():
                    self._aggregator.add(channel, value)
            except drivers.NoSample as reason:
                self._miss(driver, reason.flag)
            except Exception as error:
                # One sensor's trouble, whatever it is, must not stop the others.
                print("sensor %s: %s %s" % (name, error.__class__.__name__, error))
                self._miss(driver, "D")
                await self._board.sleep_until(self._board.now() + 1)
            if not driver.PACED:
                due = max(due + self._period, self._board.now())
                await self._board.sleep_until(due)

    def _miss(self, driver, flag):
        for channel in driver.channels:
            self._aggregator.miss(channel, flag)

    async def _record(self):
        # What was sampled before the first whole interval belongs to none.
        start = self._next_boundary()
        await self._board.sleep_until(start)
        self._aggregator.close()
        while True:
            await self._board.sleep_until(start + self._interval)
            values, flags = self._aggregator.close()
            self._outbox.append(message.record(start, self._interval, values, flags).encode())
            self._wake.set()
            # An interval that passed while the board could not run is missing, not made up.
            start = max(start + self._interval, self._next_boundary() - self._interval)

    def _next_boundary(self):
        return (int(self._board.now()) // self._interval + 1) * self._interval

    async def _send(self):
        while True:
            try:
                await asyncio.wait_for(self._wake.wait(), 1)
            except asyncio.TimeoutError:
                pass
            self._wake.clear()
            try:
                await self._send_what_is_due()
            except OSError as error:
                print("send:", error)  # after the next connection all begins again with the oldest

    async def _send_what_is_due(self):
        outbox = self._outbox
        if outbox.cursor > outbox.oldest and time() - self._progress > ACK_TIMEOUT:
            outbox.rewind()
        while self._ready and self._client.connected and outbox.cursor - outbox.oldest < WINDOW:
            if outbox.cursor == outbox.oldest:
                self._progress = time()
            seq, records = outbox.read(MOST_RECORDS, MOST_BYTES)
            await self._tell_losses()
            if not records:
                break
            text = message.telemetry(
                outbox.stream, seq, outbox.oldest, self._calibration, self._board.clock_quality, records
            )
            await self._client.publish(self._topic + "telemetry", self._signer.seal(text))

    async def _tell_losses(self):
        self._losses += self._outbox.losses()
        while self._losses:
            first, last, reason = self._losses[0]
            text = message.dropped(int(self._board.now()), self._outbox.stream, first, last, reason)
            await self._client.publish(self._topic + "event", self._signer.seal(text))
            self._losses.pop(0)

    async def _greet(self):
        self._ready = False
        for kind in ("ack", "command"):
            await self._client.subscribe(self._topic + kind)
        await self._client.publish(self._topic + "status", self._status(True), retain=True)
        self._outbox.rewind()
        self._ready = True
        self._wake.set()

    def _hear(self, topic, payload):
        if not topic.startswith(self._topic):
            return  # not asked for: brokers have been seen to hand out others' retained messages
        try:
            heard = self._signer.unseal(payload)
        except ValueError as error:
            print("refused on %s: %s" % (topic, error))
            return
        kind = topic.split("/")[-1]
        if kind == "ack":
            ack = message.acknowledged(heard)
            if ack:
                self._outbox.acknowledge(*ack)
                self._progress = time()
                self._wake.set()
        elif kind == "command" and "id" in heard:
            asyncio.create_task(self._obey(heard))  # noqa: RUF006 (it ends with its reply)

    async def _obey(self, command):
        known = command.get("do") == "ping"
        detail = "pong" if known else "unknown command"
        reply = message.reply(command["id"], int(self._board.now()), known, detail)
        try:
            await self._client.publish(self._topic + "reply", self._signer.seal(reply))
            if known:
                await self._client.publish(self._topic + "status", self._status(True), retain=True)
        except OSError as error:
            print("reply:", error)  # whoever asked sees no answer and asks again

    def _status(self, online):
        outbox = self._outbox
        rejected = {name: driver.rejected for name, driver in self._sensors.items()}
        return self._signer.seal(
            message.status(
                online,
                int(self._board.now()),
                VERSION,
                self._board.runtime(),
                outbox.stream,
                outbox.next - outbox.oldest,
                outbox.dropped,
                rejected,
            )
        )
