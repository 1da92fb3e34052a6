"""Tells people of alerts through apprise: DingTalk, WeCom, Feishu, e-mail, web hooks and 100 more.

Whom to tell is in APPRISE_URLS (apprise's own name; separated by blanks), since such addresses hold secrets. Each alert
is told at least once: after a crash in the very moment, twice.
"""

import logging
import os
import threading
from pathlib import Path

import apprise

from hub.compliance import STEPS
from hub.database import open_database

RETRY = 10  # s

log = logging.getLogger("hub.notify")


class Notifier(threading.Thread):
    """Tells the alerts of the compliance database that nobody has been told of yet."""

    def __init__(self, path: Path) -> None:
        super().__init__(name="notify", daemon=True)
        self._db = open_database(path, STEPS)
        self._stop_asked = threading.Event()
        self._people = apprise.Apprise()
        for url in os.environ.get("APPRISE_URLS", "").split():
            if not self._people.add(url):
                # The address holds secrets: only its scheme is shown.
                log.error("APPRISE_URLS: '%s://...' is not an address that apprise knows", url.split("://")[0])

    def stop(self) -> None:
        """Ask it to end."""
        self._stop_asked.set()

    def run(self) -> None:
        """Work until stopped."""
        if not len(self._people):
            log.warning("APPRISE_URLS is not set: alerts are kept and shown, nobody is sent one")
        while not self._stop_asked.wait(1):
            for id_, text in self._db.execute("SELECT id, text FROM alert WHERE told = 0 ORDER BY id").fetchall():
                log.warning("alert %d: %s", id_, text.splitlines()[0])
                if len(self._people) and not self._people.notify(title="Fenceline 超标告警 / exceedance", body=text):
                    log.error("alert %d could not be sent; trying again in %d s", id_, RETRY)
                    self._stop_asked.wait(RETRY)
                    break
                self._db.execute("UPDATE alert SET told = 1 WHERE id = ?", (id_,))
        self._db.close()
