"""Checks the way to the MQTT broker: the address, TLS, whether the broker lets the hub in, and what it may hear.

A hub that works at this moment must not notice. Some brokers give a client its user's name as its client id, whatever
it asks for (the configuration in deploy/mosquitto does): there the check and the hub are the same client to the broker.
Therefore no check logs in while a hub runs here, and where none runs, the check treats the session it is given as if it
were the hub's: it acknowledges no message, and removes the session only if it was made by the check itself.
"""

import dataclasses
import queue
import socket
import ssl
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import msgspec
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from hub.config.files import Broker, Id
from hub.upkeep.checks.finding import Finding, ok, problem, skipped
from hub.wire.messages import KINDS
from hub.wire.topics import PREFIX, of_all
from schemas.language import Text

PATIENCE = 5
"""How long an answer may take [s]."""
PENDING = 65_535
"""How many messages NATS lets one session of MQTT leave unacknowledged, all its filters together."""
ALERT = 0.5
"""How long after the handshake a broker may take to say that it does not like the hub's certificate (TLS 1.3) [s]."""

ADDRESS = Text(
    "Start the broker, or mend host and port under [broker]; a firewall may be in the way, too.",
    "请启动代理，或改正 [broker] 中的 host 与 port；也可能被防火墙拦截。",
)
ACCESS = Text(
    "Mend user and password_file, or certificate and key, under [broker]; the broker's own log says more.",
    "请改正 [broker] 中的 user 与 password_file，或 certificate 与 key；代理自己的日志有更详细的说明。",
)


def check_broker(broker: Broker, *, hub_runs: bool, districts: Sequence[Id] = ()) -> list[Finding]:
    """Go as far towards the broker as possible; the first obstacle is the last finding.

    `districts`: those that the hub owns, if not all; a broker may let it hear no others.
    """
    where = f"{broker.host}:{broker.port}"
    try:
        connection = socket.create_connection((broker.host, broker.port), timeout=PATIENCE)
    except OSError as error:
        why = error.strerror or "no answer"
        return [problem("broker", Text(f"{where}: {why}", f"{where}：{why}"), ADDRESS)]
    findings = [ok("broker", f"{where} answers", f"{where} 有应答")]
    with connection:
        if broker.ca is not None:
            findings.append(_check_tls(broker, connection))
    if findings[-1].remedy:
        return findings
    if hub_runs:
        name = "broker login"
        return [*findings, skipped(name, "the hub that runs here is logged in itself", "正在运行的数据中心自己已登录")]
    if not districts:
        return findings + _Visit(broker, "+").findings()
    for district in districts:  # one at a time, as the hub does: each of its districts has a session of its own
        told = _Visit(msgspec.structs.replace(broker, client_id=f"{broker.client_id}-{district}"), district).findings()
        findings += [dataclasses.replace(finding, name=f"{finding.name} {district}") for finding in told]
    return findings


def _check_tls(broker: Broker, connection: socket.socket) -> Finding:
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(broker.ca)
        if broker.certificate:
            context.load_cert_chain(broker.certificate, broker.key, password="")
        with context.wrap_socket(connection, server_hostname=broker.host) as tls:
            tls.settimeout(ALERT)
            with suppress(TimeoutError):
                tls.recv(1)
            how = tls.version()
    except ssl.SSLCertVerificationError as error:
        why = error.verify_message
        return problem(
            "broker TLS",
            Text(f"the broker's certificate is not accepted: {why}", f"不接受代理的证书：{why}"),
            Text(
                "Name as ca the authority that made it; host must be a name that stands in it.",
                "ca 应为签发该证书的机构；host 必须是证书中的名称。",
            ),
        )
    except OSError as error:
        why = str(getattr(error, "reason", None) or error.strerror or error).replace("_", " ").lower()
        return problem(
            "broker TLS",
            Text(f"no TLS connection: {why}", f"无法建立 TLS 连接：{why}"),
            Text(
                "If it speaks of a certificate, the broker wants another one from the hub; if of a wrong version, the "
                "port is one without TLS.",
                "若涉及 certificate，说明代理要求另一张证书；若涉及 wrong version，说明该端口不使用 TLS。",
            ),
        )
    return ok("broker TLS", f"{how}, and both certificates are accepted", f"{how}，双方证书均被接受")


class _Visit:
    """One visit to the broker under the client id `<client_id>-check`."""

    def __init__(self, broker: Broker, district: Id) -> None:
        self._broker = broker
        self._topics = {of_all(kind, district): kind for kind in KINDS}
        self._answers: queue.Queue[Any] = queue.Queue()
        self._retained: set[str] = set()

    def findings(self) -> list[Finding]:
        """Log in, subscribe as the hub does, leave, and take back a session that the visit made."""
        try:
            client = self._client(clean=False)
        except (OSError, UnicodeDecodeError) as error:
            text = Text(f"password_file or certificates: {error}", f"password_file 或证书：{error}")
            return [problem("broker login", text, ACCESS)]
        try:
            client.connect(self._broker.host, self._broker.port)
            client.loop_start()
            flags, reason = self._answer()
            if reason.is_failure:
                text = Text(f"the broker refuses the hub: {reason}", f"代理拒绝登录：{reason}")
                return [problem("broker login", text, ACCESS)]
            findings = [ok("broker login", "the broker lets the hub in", "代理允许登录"), self._subscribe(client)]
        except (OSError, queue.Empty):
            return [problem("broker login", self._silence(), ACCESS)]
        finally:
            client.disconnect()
            client.loop_stop()
        if not flags.session_present:
            self._remove_session()
        return findings

    def _client(self, *, clean: bool) -> paho.Client:
        broker = self._broker
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"{broker.client_id}-check",
            clean_session=clean,
            manual_ack=True,
            reconnect_on_failure=False,
        )
        answers = self._answers = queue.Queue()
        client.connect_timeout = PATIENCE
        client.on_connect = lambda _client, _data, flags, reason, _properties: answers.put((flags, reason))
        client.on_disconnect = lambda *_: answers.put(None)
        client.on_subscribe = lambda _client, _data, _mid, codes, _properties: answers.put(codes)
        client.on_unsubscribe = lambda *_: answers.put("unsubscribed")
        client.on_message = self._received
        if broker.user is not None:
            password = broker.password_file.read_text("utf-8").strip() if broker.password_file else None
            client.username_pw_set(broker.user, password)
        if broker.ca is not None:
            certificate, key = (str(path) if path else None for path in (broker.certificate, broker.key))
            client.tls_set(str(broker.ca), certificate, key, tls_version=ssl.PROTOCOL_TLS_CLIENT, keyfile_password="")
        return client

    def _received(self, _client: Any, _data: Any, message: paho.MQTTMessage) -> None:
        if message.retain:
            with suppress(UnicodeDecodeError):
                self._retained.add(message.topic)

    def _subscribe(self, client: paho.Client) -> Finding:
        refused = self._refused(client, list(self._topics), qos=1)
        if refused:
            forbidden = self._refused(client, refused, qos=0)
            if not forbidden:
                return self._limited(refused)
            kinds = ", ".join(self._topics[topic] for topic in forbidden)
            return problem(
                "broker subscription",
                Text(f"the broker does not let the hub hear: {kinds}", f"代理不允许接收：{kinds}"),
                Text(
                    f"Let the hub read {PREFIX}+/+/+/... in the broker's ACL (with deploy/: fenceline deploy access).",
                    f"请在代理的 ACL 中允许读取 {PREFIX}+/+/+/...（使用 deploy/ 时：fenceline deploy access）。",
                ),
            )
        client.unsubscribe(f"{PREFIX}check")  # the answer to this comes after the retained messages
        self._answer()
        if self._retained:
            n = len(self._retained)
            return ok(
                "broker subscription", f"granted; {n} boards have left their status", f"已订阅；{n} 台设备留有状态"
            )
        # With an ACL file Mosquitto grants every subscription and holds back what the file forbids to read.
        return ok(
            "broker subscription",
            "granted; no board has left its status yet, so the broker's ACL shows only when one speaks",
            "已订阅；尚无设备留存状态，代理的 ACL 要到有设备发送消息时才能验证",
        )

    def _refused(self, client: paho.Client, topics: list[str], *, qos: int) -> list[str]:
        """Subscribe; return the topics that the broker refuses."""
        client.subscribe([(topic, qos) for topic in topics])
        return [topic for topic, code in zip(topics, self._answer(), strict=True) if code.is_failure]

    def _limited(self, topics: list[str]) -> Finding:
        """Return what stands against subscriptions that the broker grants at QoS 0 only.

        An ACL knows no QoS. NATS makes a consumer for each subscription at QoS 1, and those are limited.
        """
        kinds = ", ".join(self._topics[topic] for topic in topics)
        return problem(
            "broker subscription",
            Text(
                f"a limit of the broker, not its ACL, is in the way of the hub's subscriptions at QoS 1: {kinds}",
                f"数据中心的 QoS 1 订阅受代理的数量限制（并非 ACL）：{kinds}",
            ),
            Text(
                "Raise it. NATS: max_consumers of the account; and max_ack_pending, of which one session has 65,535 "
                f"for all its {len(KINDS)} filters, at most {PENDING // len(KINDS):,} (deploy/SIZING.md).",
                "请提高该限制。NATS：账户的 max_consumers；以及 max_ack_pending，每个会话的全部 "
                f"{len(KINDS)} 个订阅共用 65,535，最多设为 {PENDING // len(KINDS):,}（见 deploy/SIZING.md）。",
            ),
        )

    def _remove_session(self) -> None:
        """Make the broker forget the session, or it would keep every message for a check that never comes back."""
        client = self._client(clean=True)
        with suppress(OSError, queue.Empty):
            client.connect(self._broker.host, self._broker.port)
            client.loop_start()
            self._answer()
        client.disconnect()
        client.loop_stop()

    def _answer(self) -> Any:
        """Return the broker's next answer; each callback puts one there.

        Raises:
            ConnectionError: it ended the connection instead.
            queue.Empty: it says nothing.
        """
        answer = self._answers.get(timeout=PATIENCE)
        if answer is None:
            raise ConnectionError
        return answer

    def _silence(self) -> Text:
        if self._broker.ca is None:
            return Text(
                "the broker ends the connection without a word; perhaps it expects TLS (ca under [broker])",
                "代理直接断开连接；可能要求 TLS（[broker] 中的 ca）",
            )
        return Text("the broker ends the connection without a word", "代理直接断开连接")
