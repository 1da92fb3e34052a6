"""The hub's connection to the broker, by paho-mqtt: persistent session, manual acknowledgement.

A message is acknowledged to the broker only when `done` is called for it, after the log's commit. While the inbox is
full the reading of the socket waits, so the broker keeps what the hub cannot take yet.
"""

import logging
import queue
import ssl
from dataclasses import dataclass
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from hub.admission import PREFIX
from hub.config import Broker, ConfigError
from hub.messages import KINDS

log = logging.getLogger("hub.link")


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message as it came; `session` counts connections, since packet identifiers belong to one."""

    topic: str
    payload: bytes
    retained: bool
    mid: int
    qos: int
    session: int


class Link:
    """Receives every kind of message that boards publish into `inbox`."""

    def __init__(self, broker: Broker, inbox: "queue.Queue[Incoming]") -> None:
        self._broker = broker
        self._inbox = inbox
        self._session = 0
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=broker.client_id, clean_session=False, manual_ack=True
        )
        self._client.reconnect_delay_set(1, 30)
        self._client.on_connect = self._connected
        self._client.on_connect_fail = self._unreachable
        self._client.on_disconnect = self._disconnected
        self._client.on_message = self._received
        if broker.user is not None:
            self._client.username_pw_set(broker.user, _password(broker))
        if broker.ca is not None:
            try:
                self._client.tls_set(
                    str(broker.ca),
                    str(broker.certificate) if broker.certificate else None,
                    str(broker.key) if broker.key else None,
                    tls_version=ssl.PROTOCOL_TLS_CLIENT,
                )
            except OSError as error:
                raise ConfigError(f"broker: ca, certificate or key cannot be used: {error}") from error

    def start(self) -> None:
        """Connect in the background, and again whenever the connection is lost."""
        self._client.connect_async(self._broker.host, self._broker.port, keepalive=30)
        self._client.loop_start()

    def stop(self) -> None:
        """Disconnect; the broker keeps for the next session what was not acknowledged."""
        self._client.disconnect()
        self._client.loop_stop()

    def done(self, message: Incoming) -> None:
        """Acknowledge a message to the broker, unless its connection has ended: then it comes again."""
        if message.session == self._session:
            self._client.ack(message.mid, message.qos)

    def publish(self, topic: str, payload: bytes) -> None:
        """Publish with QoS 0: acknowledgements are cumulative, and a lost one is asked for again."""
        self._client.publish(topic, payload)

    def _connected(self, client: paho.Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        where = f"{self._broker.host}:{self._broker.port}"
        if reason.is_failure:
            log.error("the broker at %s refuses the hub: %s", where, reason)
            return
        self._session += 1
        client.subscribe([(f"{PREFIX}+/+/+/{kind}", 1) for kind in KINDS])
        log.info("connected to the broker at %s", where)

    def _unreachable(self, _client: Any, _data: Any) -> None:
        log.warning("no broker answers at %s:%d; trying again", self._broker.host, self._broker.port)

    def _disconnected(self, _client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self._session += 1
        if reason.is_failure:
            log.warning("connection to the broker lost: %s", reason)

    def _received(self, _client: Any, _data: Any, m: paho.MQTTMessage) -> None:
        try:
            topic = m.topic
        except UnicodeDecodeError:
            topic = "(not UTF-8)"
        self._inbox.put(Incoming(topic, bytes(m.payload), m.retain, m.mid, m.qos, self._session))


def _password(broker: Broker) -> str | None:
    if broker.password_file is None:
        return None
    try:
        return broker.password_file.read_text("utf-8").strip()
    except OSError as error:
        raise ConfigError(f"broker: password_file {broker.password_file} cannot be read: {error.strerror}") from error
