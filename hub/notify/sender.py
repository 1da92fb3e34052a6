"""Tells people of alerts through apprise: DingTalk, WeCom, Feishu, e-mail, SMS gateways, web hooks and 100 more."""

import contextlib
import logging
import re
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple
from urllib.parse import unquote

import apprise

from hub.alerts.tables import PART as ALERTS
from hub.config.alerts import Recipient
from hub.config.files import Config, ConfigError
from hub.notify.answers import Why, heard_answers, refusal
from hub.notify.news import NewsSource
from hub.notify.pieces import Room, room_of, scheme_of
from hub.notify.queue import Queue, Told
from hub.notify.recipients import address, recipients
from hub.notify.tables import PART
from hub.notify.text import Composer, Message
from hub.registry.live import Registry
from hub.storage.compliance_file import COMPLIANCE, open_compliance
from hub.storage.database import DatabaseError
from hub.storage.trouble import explain

POLL = 0.1
"""How often it looks whether another thread or process has written to the database [s]."""
LOOK_EVERY = 10
"""So many looks later it asks the queue whatever happened: what waits for its time is not written by anybody."""
AT_ONCE = 8
"""Messages on their way at once; to one recipient, one. And as many calls for help, which wait for no other message."""
RETRY = 5.0

log = logging.getLogger("hub.notify")


# What apprise says may hold the address: it goes nowhere but into what `send` makes of it, which needs all of it.
_said_by_apprise = logging.getLogger(apprise.LOGGER_NAME)
_said_by_apprise.addHandler(logging.NullHandler())
_said_by_apprise.propagate = False
_said_by_apprise.setLevel(logging.DEBUG)

_LOST = re.compile(r"timed out|aborted|reset by peer|closed connection|disconnected|incomplete", re.IGNORECASE)
_NEVER_LEFT = re.compile(r"connect ?timeout|NewConnectionError|refused", re.IGNORECASE)


class Outcome(NamedTuple):
    """What has become of a message."""

    error: str = ""
    """Why it was not taken, without a secret; empty: it was taken."""
    perhaps: bool = False
    """It left, and the answer was lost, or a part of it was taken: it may have been taken nevertheless."""
    why: Why = "again"
    """What the service means by its no."""
    wait: float = 0.0
    """For so long the service wants to be left alone [s]."""


def open_service(where: str) -> apprise.NotifyBase | None:
    """Return apprise's plugin for an address; None: there is none."""
    service = apprise.Apprise.instantiate(where, suppress_exceptions=True)
    return service if isinstance(service, apprise.NotifyBase) else None


def send(where: str, message: Message) -> Outcome:
    """Send a message to an address, in as many pieces as the service asks for."""
    service = open_service(where)
    if service is None:
        return Outcome("apprise does not know this address", why="wrong")
    room = room_of(service)
    mode = service.overflow_mode if "overflow" in where else apprise.OverflowMode.SPLIT
    pieces = [(message.title, message.body)]
    if mode != apprise.OverflowMode.UPSTREAM:
        split = room.split if mode == apprise.OverflowMode.SPLIT else room.cut
        pieces = split(message.title, message.body)
        service.overflow_mode = apprise.OverflowMode.UPSTREAM  # it would count characters, and split them once more
    people = apprise.Apprise()
    people.add(service)
    for n, (title, body) in enumerate(pieces):
        outcome = _send_piece(people, scheme_of(service), title, body, message.type)
        if outcome.error:
            piece = f"piece {n + 1} of {len(pieces)}: " if len(pieces) > 1 else ""
            return outcome._replace(
                error=without_secrets(piece + outcome.error, where), perhaps=outcome.perhaps or n > 0
            )
    return Outcome()


def _send_piece(people: apprise.Apprise, scheme: str, title: str, body: str, type_: apprise.NotifyType) -> Outcome:
    said: list[str] = []
    heard: list[str] = []

    def note(entry: apprise.NotifyLogEntry, _: object) -> None:
        heard.append(entry.message)
        if logging.getLevelName(entry.level) >= logging.WARNING:
            said.append(entry.message)

    with heard_answers() as answers:
        taken = bool(
            people.notify(
                title=title,
                body=body,
                notify_type=type_,
                body_format=apprise.NotifyFormat.TEXT,
                log_callback=note,
                log_level=logging.DEBUG,
            )
        )
    no = refusal(scheme, answers, taken=taken)
    if no:
        return Outcome(f"the service refused it: {no.words}", why=no.why, wait=no.wait)
    if taken:
        return Outcome()
    perhaps = any(_LOST.search(text) and not _NEVER_LEFT.search(text) for text in heard)
    return Outcome(" ".join(said) or "the service did not take it", perhaps)


def without_secrets(text: str, where: str) -> str:
    """Return a text without the parts of an address: any of them may be a key. The host may stay."""
    host = re.match(r"[^:]+://(?:[^@/]*@)?([^:/?]*)", where)
    parts = {part for part in re.split(r"[/?&=@:]+", where.partition("://")[2]) if len(part) > 3}
    for part in sorted(parts | {unquote(part) for part in parts}, key=len, reverse=True):
        if not (host and part == host[1] and "." in part):
            text = text.replace(part, "***")
    return text


class Notifier(threading.Thread):
    """Sends what the queue holds until it is stopped. `clock` gives Unix time in s, `source` the steps of cases.

    `calls`: calls for help alone (True), all else (False), or all (None).
    """

    def __init__(
        self,
        config: Config,
        registry: Callable[[], Registry],
        clock: Callable[[], float],
        source: NewsSource | None = None,
        *,
        calls: bool | None = None,
    ) -> None:
        super().__init__(name="calling" if calls else "notify", daemon=True)
        self._ways = (True, False) if calls is None else (calls,)
        self._file = config.data / COMPLIANCE
        self._db = open_compliance(self._file, ALERTS, PART)
        self._settings = config.alerting
        self._registry = registry
        self._recipients = recipients(config)
        self._queue = Queue(self._db, self._recipients, clock, config.alerts.digest_above, source, calls=calls)
        self._trouble = ""
        self._under_way: dict[tuple[str, bool], tuple[Told, Future[Outcome]]] = {}
        """What is on its way, by recipient and whether it is a call for help."""
        self._stop_asked = threading.Event()

    def stop(self) -> None:
        """Ask it to end after what it is sending now."""
        self._stop_asked.set()

    def run(self) -> None:
        """Work until stopped."""
        if False in self._ways:
            self._explain()
        else:
            self._warm_up()
        seen, looks = -1, 0
        with ThreadPoolExecutor(AT_ONCE, "calls") as calls, ThreadPoolExecutor(AT_ONCE, "notify") as pool:
            recovered = False
            while not self._stop_asked.wait(POLL):
                try:
                    if not recovered:
                        self._queue.recover()
                        recovered = True
                    version = self._db.execute("PRAGMA data_version").fetchone()[0]
                    looks += 1
                    finished = self._finish()
                    if finished or version != seen or looks >= LOOK_EVERY:
                        seen, looks = version, 0
                        if self._queue.choose(self._registry()):
                            looks = LOOK_EVERY
                        self._choose_news()
                        self._begin(pool, calls)
                except sqlite3.Error as error:
                    what = explain(error, self._file)
                    log.error("notifications wait: %s %s; trying again in %.0f s", COMPLIANCE, what, RETRY)  # noqa: TRY400
                    self._stop_asked.wait(RETRY)
                except Exception:
                    log.exception("notifications wait; trying again in %.0f s", RETRY)
                    self._stop_asked.wait(RETRY)
        with contextlib.suppress(sqlite3.Error):  # then the next start finds them as it would after a kill
            self._finish()
        self._db.close()

    def _choose_news(self) -> None:
        """Choose who is told of cases; while their database does not answer, people are told of alerts all the same."""
        try:
            self._queue.choose_news(self._registry())
            self._trouble = ""
        except (sqlite3.Error, DatabaseError) as error:
            if str(error) != self._trouble:
                self._trouble = str(error)
                log.error("what there is to tell of cases waits: %s", error)  # noqa: TRY400

    def _warm_up(self) -> None:
        """Load the services of all recipients now: when somebody calls, there is no time for it."""
        for recipient in self._recipients:
            room_at(recipient)

    def _explain(self) -> None:
        if not self._recipients:
            log.warning("no [[recipient]] and no APPRISE_URLS: alerts are kept and shown, nobody is sent one")
        for recipient in self._recipients:
            try:
                address(recipient)
            except ConfigError as error:
                log.error("%s; its messages wait", error)  # noqa: TRY400

    def _begin(self, pool: ThreadPoolExecutor, calls: ThreadPoolExecutor) -> None:
        registry = self._registry()
        composer = Composer(self._settings, registry)
        for recipient, call in [(one, call) for call in self._ways for one in self._recipients]:
            if (recipient.name, call) in self._under_way:
                continue
            try:
                told = self._queue.take_call(recipient) if call else self._queue.take(recipient, registry)
            except DatabaseError as error:  # of cases: nothing was marked
                log.error("a message to %s waits: %s", recipient.name, error)  # noqa: TRY400
                continue
            if not told:
                continue
            try:
                message = composer.message(recipient, told, room_at(recipient))
            except Exception as error:
                log.exception("a message to %s could not be written", recipient.name)
                self._queue.failed(told, f"it could not be written: {error!r}")
                continue
            self._under_way[recipient.name, call] = told, (calls if call else pool).submit(deliver, recipient, message)

    def _finish(self) -> bool:
        """Note what has become of the messages on their way; tell whether there was anything."""
        finished = [(*key, told, done) for key, (told, done) in self._under_way.items() if done.done()]
        for name, call, told, done in finished:
            error, perhaps, why, wait = done.result()
            what = f"{told[0].notification.subject} {told[0].notification.alert}"
            if error:
                pause = self._queue.failed(told, error, perhaps=perhaps, why=why, wait=wait)
                if pause is None:
                    log.error("%s was not told of %s: %s; given up", name, what, error)
                else:
                    log.error("%s was not told of %s: %s; again in %.0f s", name, what, error, pause)
            else:
                self._queue.sent(told)
            del self._under_way[name, call]
        return bool(finished)


def deliver(recipient: Recipient, message: Message) -> Outcome:
    """Send a message to a recipient."""
    try:
        return send(address(recipient), message)
    except ConfigError as error:
        return Outcome(str(error))
    except Exception as error:  # noqa: BLE001 - a plugin's fault; its text and traceback may hold the address
        return Outcome(f"the sending failed with {type(error).__name__}", perhaps=True)


def room_at(recipient: Recipient) -> Room | None:
    """Return how much a recipient's service takes in one message; None: its address cannot be used now."""
    try:
        service = open_service(address(recipient))
    except ConfigError:
        return None
    return room_of(service) if service else None
