"""The agent: puts recorder, courier and connection together, says who the board is, and does as the hub orders.

Its tasks run beside each other: one for each sensor, one that closes intervals, one that sends, one that keeps the
connection. Between measuring and sending stands the outbox, so neither waits for the other.
"""

import asyncio
import gc

from edge import VERSION, drivers, message, secure
from edge.calibration import Calibration
from edge.courier import Courier
from edge.mqtt import Client
from edge.outbox import Outbox
from edge.port import Port
from edge.recorder import Recorder
from edge.timeline import Timeline

KEEPALIVE = 30  # s
LINGER = 30  # s to send what is left when asked to stop


class Agent:
    """One board's agent.

    `config`: the board's configuration (README.md, "The board's configuration"); `key`: its secret as bytes; `board`: a
    Board of board_host or board_esp32.
    """

    def __init__(self, config, key, board):
        folder = config["folder"]
        self._board = board
        self._signer = message.Signer(key)
        self._topic = "fenceline/1/%s/%s/%s/" % (config["district"], config["site"], config["device"])
        ports = {}
        self._sensors = {}
        for settings in config["sensors"]:
            spec = settings["port"]
            if spec not in ports:
                ports[spec] = board.open_bus(spec) if spec.startswith("i2") else Port(board, spec)
            self._sensors[settings["name"]] = drivers.make(settings, ports[spec])
        self._outbox = Outbox(folder, **config.get("outbox", {}))
        last = self._outbox.last
        self._timeline = Timeline(board, folder, message.made(last) if last else None)
        self._courier = Courier(self._outbox, self._timeline, self._publish)
        self._calibration = Calibration(folder + "/calibration.json")
        self._recorder = Recorder(
            board,
            self._timeline,
            self._outbox,
            self._sensors,
            config.get("interval", 10),
            config.get("period", 1),
            self._calibration,
            self._courier.made,
        )
        broker = config["broker"]
        secured = {}
        if "tls" in broker:
            secured = {"ssl": secure.context(**broker["tls"]), "server_hostname": broker["host"]}
        self._client = Client(
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
        await self._board.start()
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

        recorder = self._recorder
        sampling = start(recorder.record(), *[recorder.sample(name, driver) for name, driver in self._sensors.items()])
        sending = start(self._client.run(), self._courier.run(), self._board.stop_asked())
        await over.wait()
        for task in sampling:
            task.cancel()
        if not trouble:
            await self._send_the_rest()
        for task in sending:
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
            await self._publish("status", self._status(False), retain=True)
        await self._client.disconnect()

    async def _publish(self, kind, text, retain=False):
        await self._client.publish(self._topic + kind, self._signer.seal(text), retain)

    async def _greet(self):
        self._courier.ready = False
        for kind in ("ack", "command"):
            await self._client.subscribe(self._topic + kind)
        await self._publish("status", self._status(True), retain=True)
        self._courier.begin()

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
                self._courier.acknowledged(*ack)
        elif kind == "command" and "id" in heard:
            asyncio.create_task(self._obey(heard))  # noqa: RUF006 (it ends with its reply)

    async def _obey(self, command):
        known = command.get("do") == "ping"
        detail = "pong" if known else "unknown command"
        try:
            await self._publish("reply", message.reply(command["id"], self._now(), known, detail))
            if known:
                await self._publish("status", self._status(True), retain=True)
        except OSError as error:
            print("reply:", error)  # whoever asked sees no answer and asks again

    def _now(self):
        return 0 if self._board.clock_quality == "none" else self._board.now_ms() // 1000

    def _status(self, online):
        gc.collect()
        outbox = self._outbox
        return message.status(
            online,
            self._now(),
            VERSION,
            self._board.runtime(),
            outbox.stream,
            outbox.next - outbox.oldest,
            outbox.dropped,
            {name: driver.rejected for name, driver in self._sensors.items()},
        )
