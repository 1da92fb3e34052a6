"""Receives and acknowledges messages and does nothing else: what an MQTT client alone costs.

``python bare.py CLIENT PORT COUNT`` prints time.monotonic() once COUNT messages are acknowledged. It imports nothing of
Fenceline, so it runs in any environment that has the client.
"""

import asyncio
import sys
import time

NAME = "bare"
TOPICS = [f"fenceline/1/+/+/+/{kind}" for kind in ("telemetry", "status", "event", "reply")]
CLIENTS = {"paho": "paho-mqtt", "awscrt": "awscrt", "gmqtt": "gmqtt", "zmqtt": "zmqtt"}
"""Maintained clients that leave the moment of the acknowledgement to their user, and the packages they come in."""


def paho(port, counter):
    """paho-mqtt, pure Python, with manual acknowledgement."""
    import paho.mqtt.client as mqtt
    from paho.mqtt.enums import CallbackAPIVersion

    def on_message(client, _data, message):
        client.ack(message.mid, message.qos)
        counter.one()

    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=NAME, clean_session=False, manual_ack=True)
    client.on_connect = lambda client, *_: client.subscribe([(topic, 1) for topic in TOPICS])
    client.on_message = on_message
    client.connect("127.0.0.1", port, keepalive=30)
    client.loop_forever()


def awscrt(port, counter):
    """The AWS Common Runtime's client, in C with its own threads; MQTT 5."""
    from awscrt import io, mqtt5

    def on_publish(received):
        client.invoke_publish_acknowledgement(received.acquire_publish_acknowledgement_control())
        counter.one()

    def on_connected(_data):
        wanted = [mqtt5.Subscription(topic, mqtt5.QoS.AT_LEAST_ONCE) for topic in TOPICS]
        client.subscribe(mqtt5.SubscribePacket(wanted))

    client = mqtt5.Client(
        mqtt5.ClientOptions(
            host_name="127.0.0.1",
            port=port,
            bootstrap=io.ClientBootstrap.get_or_create_static_default(),
            connect_options=mqtt5.ConnectPacket(
                keep_alive_interval_sec=30, client_id=NAME, session_expiry_interval_sec=3600
            ),
            on_publish_callback_fn=on_publish,
            on_lifecycle_event_connection_success_fn=on_connected,
        )
    )
    client.start()
    time.sleep(3600)


def gmqtt(port, counter):
    """gmqtt, pure Python on asyncio; with MQTT 5 it acknowledges when the callback's coroutine has ended."""
    from gmqtt import Client, Subscription

    async def on_message(*_arguments):
        counter.one()
        return 0

    async def run():
        client = Client(NAME, clean_session=False, optimistic_acknowledgement=False, session_expiry_interval=3600)
        client.on_message = on_message
        client.on_connect = lambda client, *_: client.subscribe([Subscription(topic, qos=1) for topic in TOPICS])
        await client.connect("127.0.0.1", port, keepalive=30)
        await asyncio.sleep(3600)

    asyncio.run(run())


def zmqtt(port, counter):
    """zmqtt, pure Python on asyncio, with manual acknowledgement."""
    from zmqtt import QoS, create_client

    async def run():
        async with (
            create_client("127.0.0.1", port, client_id=NAME, clean_session=False, keepalive=30) as client,
            client.subscribe(*TOPICS, qos=QoS.AT_LEAST_ONCE, auto_ack=False) as messages,
        ):
            async for message in messages:
                await message.ack()
                counter.one()

    asyncio.run(run())


class Counter:
    """Tells when all messages are there."""

    def __init__(self, count):
        self._left = count

    def one(self):
        """Count one message."""
        self._left -= 1
        if not self._left:
            print(time.monotonic(), flush=True)


if __name__ == "__main__":
    globals()[sys.argv[1]](int(sys.argv[2]), Counter(int(sys.argv[3])))
