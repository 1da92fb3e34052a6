"""An MQTT broker in pure Python (amqtt) as a process of its own: enough for a demo on one laptop, not for a city."""

import asyncio
import logging
import signal
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from amqtt.broker import Broker
from amqtt.session import Session

if TYPE_CHECKING:
    from _collections_abc import dict_items


class Subscriptions(dict[str, list[tuple[Session, int]]]):
    """The broker's subscriptions, which may change while somebody goes through them.

    amqtt (0.12.1) sends in the middle of going through them. When another client subscribes meanwhile, the task of the
    one that has just connected ends, its connection stays open, and nothing that it sends is ever answered.
    """

    def __iter__(self) -> Iterator[str]:
        """Go through those that are there now."""
        return iter(list(super().__iter__()))

    def items(self) -> "dict_items[str, list[tuple[Session, int]]]":
        """Return those that are there now, with their topics."""
        return dict(super().items()).items()


async def serve(port: int) -> None:
    """Serve MQTT on 127.0.0.1 until SIGTERM."""
    config = {
        "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}", "max_connections": 500}},
        "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
    }
    broker = Broker(config)
    broker._subscriptions = Subscriptions()  # noqa: SLF001 - there is no other way in
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await broker.start()
    await stop.wait()
    await broker.shutdown()


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    asyncio.run(serve(int(sys.argv[1])))
