"""Who is told of alerts, of which, when and where."""

import os
import stat
from collections.abc import Mapping
from datetime import datetime

import apprise

from hub.alerts.records import Alert, AlertEvent
from hub.alerts.states import What
from hub.config.alerts import SEVERITIES, Recipient, Told
from hub.config.files import Config, ConfigError
from hub.registry.live import Registry

EVERYBODY = "APPRISE_URLS"
"""The environment variable whose addresses are told when any alert fires, in both languages: apprise's own name."""

GROUPS: dict[What, Told] = {
    "early": "early",
    "withdrawn": "early",
    "firing": "firing",
    "released": "firing",
    "raised": "firing",
    "escalated": "escalated",
    "amended": "amended",
    "resolved": "resolved",
}
"""Under what a recipient asks for a step of an alert; steps that are not here are told nobody."""
FOLLOWS: set[What] = {"withdrawn", "amended", "resolved"}
"""Steps that mean something only to those who have been told of the alert before."""


def recipients(config: Config, environment: Mapping[str, str] | None = None) -> list[Recipient]:
    """Return the configured recipients, and one for each address in APPRISE_URLS (separated by blanks).

    An address is a recipient of its own: when one fails, the others are not told again.
    """
    count = len(_environment(environment).get(EVERYBODY, "").split())
    everybody = [
        Recipient(name=f"{EVERYBODY}-{i}", url_env=EVERYBODY, tell=("firing", "escalated")) for i in range(1, count + 1)
    ]
    return [*config.recipients, *everybody]


def address(recipient: Recipient, environment: Mapping[str, str] | None = None) -> str:
    """Return a recipient's address. It is a secret: no error tells it.

    Raises:
        ConfigError: it is not there, not one address that apprise knows, or others can read its file.
    """
    who = f"recipient {recipient.name!r}"
    if recipient.url_file:
        source = f"{who}: url_file = {recipient.url_file}"
        try:
            if recipient.url_file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise ConfigError(f"{source}: other users can read it; run: chmod 600 {recipient.url_file}")
            found = recipient.url_file.read_text("utf-8").split()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{source}: cannot be read ({error}); put the address there") from error
    else:
        source = f"{who}: the environment variable {recipient.url_env}"
        found = _environment(environment).get(recipient.url_env or "", "").split()
    if recipient.url_env == EVERYBODY and recipient.name.startswith(f"{EVERYBODY}-"):
        at = int(recipient.name.rpartition("-")[2]) - 1
        found = found[at : at + 1]
    if len(found) != 1:
        raise ConfigError(f"{source} holds {len(found)} addresses; expected one (each address is a recipient)")
    services = apprise.Apprise()
    if not services.add(found[0]) or len(services) != 1:
        scheme = found[0].partition("://")[0] if "://" in found[0] else "?"
        raise ConfigError(
            f"{source}: '{scheme}://...' is not one address that apprise knows; see its wiki for the form"
        )
    return found[0]


def wants(recipient: Recipient, alert: Alert, event: AlertEvent, registry: Registry) -> bool:
    """Tell whether a recipient asks for an event, whatever the hour. The hub's own troubles have no place."""
    if GROUPS.get(event.what) not in recipient.tell:
        return False
    if SEVERITIES.index(event.severity) < SEVERITIES.index(recipient.least):
        return False
    if not alert.site:
        return True
    site = registry.sites.get(alert.site)
    in_district = not recipient.districts or alert.district in recipient.districts
    return in_district and (not recipient.kinds or (site is not None and site.kind in recipient.kinds))


def is_awake(recipient: Recipient, local: datetime) -> bool:
    """Tell whether it is one of a recipient's hours; ``22:00-06:00`` runs over midnight."""
    if recipient.hours is None:
        return True
    begin, end = recipient.hours.split("-")
    now = f"{local:%H:%M}"
    return begin <= now < end if begin < end else (now >= begin or now < end)


def _environment(given: Mapping[str, str] | None) -> Mapping[str, str]:
    return os.environ if given is None else given
