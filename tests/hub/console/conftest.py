"""A city whose alerts a test may raise and whose officers visit the console."""

import time

import pytest

from tests.hub.alerting import AlertCity, write_files
from tests.hub.console.browsing import a_chromium
from tests.hub.console.pages import a_console


@pytest.fixture
def city(tmp_path):
    """The console with an empty book of alerts: `city.alerts` judges, `city.browser(name)` visits."""
    config = write_files(tmp_path)
    with AlertCity(tmp_path / "data", now=time.time()) as alerts, a_console(config) as site:
        site.alerts = alerts
        yield site


@pytest.fixture
def alert(city):
    """The number of an alert that fires: 74 dB(A) at the tower, of the district north."""
    city.alerts.judge(74.0, start=int(city.alerts.now) - 1300)
    return 1


@pytest.fixture(scope="module")
def chromium():
    with a_chromium() as browser:
        yield browser
