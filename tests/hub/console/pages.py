"""The console of a small city on a real socket, and browsers without JavaScript that visit it."""

import contextlib
import re
import time
from contextlib import closing
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urlencode

import httpx

from hub.access.sessions import Sessions
from hub.access.tables import PART as ACCESS
from hub.access.tokens import Access
from hub.config.files import load_config
from hub.console.router import Console
from hub.health.metrics import Metrics
from hub.http.problems import Rate
from hub.http.server import Server, make_app
from hub.storage.compliance_file import open_compliance
from hub.storage.database import transaction
from tests.hub.helpers import CITY, LIMITS, QUANTITIES
from tests.hub.http.test_http import Hub as Watched

FORM = "application/x-www-form-urlencoded"
VOID = {"br", "hr", "img", "input", "link", "meta"}
USERS = (
    ("inspector", "viewer", ()),
    ("officer-2", "officer", ()),
    ("officer-3", "officer", ()),
    ("officer-north", "officer", ("north",)),
    ("officer-south", "officer", ("south",)),
    ("root", "admin", ()),
)


class Form:
    """A form as it stands in a page."""

    def __init__(self, action, method):
        self.action, self.method, self.fields, self.buttons = action, method, {}, []


class Read(HTMLParser):
    """A page as a program reads it; what does not nest is found."""

    def __init__(self, text):
        super().__init__()
        self.forms, self.tags, self.links, self.open = [], [], [], []
        self.text, self._area, self._select = "", None, None
        self.feed(text)
        self.close()
        assert self.open == [], f"left open: {self.open}"

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.tags.append((tag, values))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "form":
            self.forms.append(Form(values["action"], values.get("method", "get")))
        elif tag == "input" and "name" in values:
            if values.get("type") not in {"checkbox", "radio"} or "checked" in values:
                self.forms[-1].fields[values["name"]] = values.get("value", "")
        elif tag == "select":
            self._select = values.get("name")
        elif tag == "option" and self._select and ("selected" in values or self._select not in self.forms[-1].fields):
            self.forms[-1].fields[self._select] = values["value"]
        elif tag == "button" and self.forms and "name" in values:
            self.forms[-1].buttons.append((values["name"], values.get("value", "")))
        elif tag == "textarea" and "name" in values:
            self._area = values["name"]
            self.forms[-1].fields[self._area] = ""
        elif tag == "a":
            self.links.append(values.get("href"))

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        if tag == "textarea":
            self._area = None
        elif tag == "select":
            self._select = None

    def handle_data(self, data):
        self.text += data
        if self._area:
            self.forms[-1].fields[self._area] += data

    def form(self, action):
        return next(form for form in self.forms if form.action == action)


class Browser:
    """Somebody who visits the console; keeps cookies, follows no redirection by itself."""

    def __init__(self, url, lang="en"):
        self.url = url
        self.http = httpx.Client(base_url=url, headers={"accept-language": lang}, timeout=20, trust_env=False)
        self.last = None

    def get(self, path, **headers):
        self.last = self.http.get(path, headers=headers)
        return self.last

    def read(self, path):
        """Return a page that must be there."""
        answer = self.get(path)
        assert answer.status_code == 200, (path, answer.status_code, answer.text[:500])
        return Read(answer.text)

    def post(self, path, fields, **headers):
        given = {"origin": self.url, "sec-fetch-site": "same-origin", "content-type": FORM} | headers
        given = {name: value for name, value in given.items() if value is not None}
        self.last = self.http.post(path, content=urlencode(fields), headers=given)
        return self.last

    def send(self, page, action, **fields):
        """Send a form of a page that was read, as it stands there but for `fields`."""
        return self.post(action, page.form(action).fields | fields)


@dataclass
class Site:
    """The console as it is served."""

    config: object
    url: str
    port: int
    browsers: list = field(default_factory=list)

    @contextlib.contextmanager
    def users(self):
        with closing(open_compliance(self.config.data / "compliance.db", ACCESS)) as db, transaction(db):
            yield Access(db), Sessions(db)

    def link(self, name):
        with self.users() as (_, sessions):
            return sessions.make_link(name, time.time(), "root")

    def browser(self, name=None, lang="en"):
        """Return a browser; with a name somebody is signed in, by a one-time link."""
        browser = Browser(self.url, lang)
        self.browsers.append(browser.http)
        if name:
            path = f"/console/enter/{self.link(name)}"
            page = browser.read(path)
            assert browser.send(page, path).status_code == 303
        return browser


@contextlib.contextmanager
def a_console(config_file, registry=CITY, clock=time.time, users=USERS, rate=None, port=0, limits=LIMITS, doubt=None):
    """Serve the console of the hub of a configuration, and let its users in: name, role, districts, enterprise."""
    config = load_config(config_file)
    console = Console(
        config, lambda: registry, limits, QUANTITIES, clock, rate or Rate(1e6, 1e6), doubt or (lambda: None)
    )
    server = Server(make_app(Watched(), Metrics(), [console.router]), "127.0.0.1", port)
    server.start()
    site = Site(config, f"http://127.0.0.1:{server.port}", server.port)
    try:
        with site.users() as (access, _):
            for name, role, districts, *company in users:
                access.add(name, role, time.time(), "root", districts, *company)
        yield site
    finally:
        for browser in site.browsers:
            browser.close()
        console.close()
        server.stop()


def secrets_in(cookies):
    return re.findall(r"fenceline-\d+(?:-browser)?=([^;]+)", cookies)
