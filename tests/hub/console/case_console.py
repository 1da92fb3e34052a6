"""A city's cases in the console: people of five roles, a rulebook, a clock that the test sets."""

import contextlib

from tests.hub.alerting import AlertCity, write_files
from tests.hub.cases.case_city import CITY_FILE, MONDAY, ROLES, CaseCity
from tests.hub.console.pages import a_console

PEOPLE = (
    *((name, role, ()) for name, role in ROLES.items()),
    ("other", "handler", ()),
    ("stranger", "handler", ()),
    ("off-2", "officer", ()),
    ("off-south", "officer", ("south",)),
    ("dis-south", "dispatcher", ("south",)),
)


class Cases:
    """The console (`site`), the cases behind it (`book`), and the alerts (`alerts`)."""

    def __init__(self, site, book, alerts):
        self.site, self.book, self.alerts = site, book, alerts
        self._browsers = {}

    @property
    def now(self):
        return self.book.now

    @now.setter
    def now(self, moment):
        self.book.now = self.alerts.now = float(moment)

    def who(self, name, lang="en"):
        """Return the browser of somebody, signed in."""
        if (name, lang) not in self._browsers:
            self._browsers[name, lang] = self.site.browser(name, lang)
        return self._browsers[name, lang]

    def act(self, name, id_, what, **fields):
        """Do something with a case on its page, as it stands now; return the answer."""
        there = f"/console/cases/{id_}"
        browser = self.who(name)
        return browser.send(browser.read(there), f"{there}/{what}", **fields)

    def offered(self, name, id_):
        """Return what the page of a case offers somebody to do, beside attaching files."""
        there = f"/console/cases/{id_}/"
        page = self.who(name).read(f"/console/cases/{id_}")
        found = {form.action.removeprefix(there) for form in page.forms if form.action.startswith(there)}
        return found - {"attachments"}

    def alert(self, device="fence-1"):
        """Let an alert fire at the tower, of the district north; return its number."""
        self.alerts.judge(74.0, device=device, start=int(self.now) - 1300)
        return self.alerts.rows()[-1]["id"]


@contextlib.contextmanager
def case_console(folder, more="", joined=False):
    """Serve the console of a city with cases."""
    (folder / "rules").mkdir()
    (folder / "rules" / "city.toml").write_text(CITY_FILE, "utf-8")
    config = write_files(folder, f'[cases]\nfolder = "rules"\njoined = {str(joined).lower()}\n{more}')
    with (
        AlertCity(folder / "data", now=MONDAY) as alerts,
        contextlib.closing(CaseCity(folder / "data", joined, folder / "rules")) as book,
        a_console(config, clock=lambda: book.now, users=PEOPLE) as site,
    ):
        yield Cases(site, book, alerts)
