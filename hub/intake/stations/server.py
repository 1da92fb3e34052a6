"""Listens for stations. A station hears that its data have come (9014) when they are committed, never before."""

from collections.abc import Mapping
from typing import NamedTuple

from hub.config.files import Hj212
from hub.intake.frames.server import FrameServer, Waiting
from hub.intake.stations.connection import Connection
from hub.intake.stations.judging import Came, Judged, Judging
from hub.intake.stations.speech import answer
from hub.registry.live import Station

MOST_TOLD = 1000  # factor codes without a meaning, told once each

Frame = Waiting[Connection, Came]


class Talker:
    """What is said to stations beside acknowledgements; see `hub.intake.stations.asking`. Here: nothing."""

    def began(self, connection: Connection, station: Station) -> None:
        """Take notice of a station that has said for the first time on a connection who it is."""

    def heard(self, connection: Connection, came: Came) -> None:
        """Take what belongs to the conversation."""

    def close(self) -> None:
        """End."""

    def look(self, connections: dict[str, list[Connection]]) -> None:
        """Look whether something is to be asked for; all stations' connections by id, every few seconds."""


class StationServer(FrameServer[Connection, Came, Judged]):
    """See `FrameServer`."""

    def __init__(self, settings: Hj212, talker: Talker | None = None) -> None:
        super().__init__("hj212", "stations", settings)
        self._talker = talker or Talker()
        self._told: set[tuple[str, str]] = set()  # station and factor code

    def connection(self) -> Connection:
        """See `FrameServer`."""
        return Connection(self)

    def answer(self, judged: list[tuple[Frame, Judged]], *, sure: bool) -> None:
        """See `FrameServer`."""
        said: dict[Connection, list[bytes]] = {}
        for (connection, came), verdict in judged:
            answers = said.setdefault(connection, [])
            connection.flying -= 1
            if came.plain is not None and verdict.station is not None:
                self._tell_unknown(verdict.station, verdict.unknown)
                packet, manner = came.plain.packet, connection.manner_of(came.plain)
                if not connection.ids and self.know(connection, verdict.station.id):
                    self._talker.began(connection, verdict.station)
                if not verdict.outcomes:
                    self._talker.heard(connection, came)
                elif verdict.safe and sure and manner.waits:
                    answers.append(answer(packet, manner))
            else:
                self.refuse(connection)
        for connection, answers in said.items():
            connection.done(b"".join(answers))

    def _tell_unknown(self, station: Station, unknown: Mapping[str, str]) -> None:
        for code, why in unknown.items():
            key = station.id, code
            if key not in self._told and len(self._told) < MOST_TOLD:
                self._told.add(key)
                self.log.warning("station %s sends %r, which is left out: %s", *key, why)

    def looked(self) -> None:
        """See `FrameServer`."""
        self._talker.look(self._by_id)

    def ended(self) -> None:
        """See `FrameServer`."""
        self._talker.close()


class Stations(NamedTuple):
    """What takes the frames of stations: the server, and the judge of what came."""

    server: StationServer
    judging: Judging
