"""Simulated stations: whatever happens to their connection, they send on over another."""

import asyncio
import contextlib

from hub.wire.hj212 import Packet, Splitter, build, read_packet
from sim.stations import station
from sim.stations.station import SimStation

CUTS = 50
BEGIN = 1_767_225_600


def test_a_connection_that_ends_while_it_measures_is_followed_by_another(monkeypatch):
    monkeypatch.setattr(station, "AGAIN", 0.001)
    came = 0

    async def acknowledge_once_and_hang_up(reader, writer):
        nonlocal came
        splitter = Splitter()
        while data := await reader.read(65_536):
            for piece in splitter.feed(data):
                said = read_packet(piece.raw).packet
                writer.write(build(Packet.make("", QN=said.field("QN"), ST="91", CN="9014", MN="M", Flag="4")))
                writer.close()
                came += 1
                return

    async def drive():
        server = await asyncio.start_server(acknowledge_once_and_hang_up, "127.0.0.1", 0)
        one = SimStation(server.sockets[0].getsockname()[1], "M", clock=lambda: BEGIN)
        # A minute in every turn of the loop: one is measured at the very moment at which the connection ends.
        tasks = [asyncio.create_task(one.run()), asyncio.create_task(one.measure_for_ever(0))]
        try:
            async with asyncio.timeout(20):
                while came < CUTS:
                    await asyncio.sleep(0.001)
        finally:
            for task in tasks:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
            server.close()
            await asyncio.sleep(0.1)  # the last ends of connections are closed

    asyncio.run(drive())
