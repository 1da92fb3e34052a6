"""Everything that can be in the hub's way, looked at before it starts or while it runs: `fenceline check`."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from hub.config.districts import of_districts
from hub.config.files import ConfigError
from hub.registry.entries import Badge, Node, Station, Terminal
from hub.registry.live import load_registry
from hub.upkeep.checks.broker import check_broker
from hub.upkeep.checks.cases import check_cases
from hub.upkeep.checks.certificates import check_certificates
from hub.upkeep.checks.companies import check_companies
from hub.upkeep.checks.data import check_clock, check_data, check_messages, runs_here
from hub.upkeep.checks.files import check_catalogue, check_config, check_password, check_registry
from hub.upkeep.checks.finding import Finding, FindingState
from hub.upkeep.checks.instruments import check_collocations
from hub.upkeep.checks.lines.badges import check_badges
from hub.upkeep.checks.lines.lorawan import check_lorawan
from hub.upkeep.checks.lines.stations import check_stations
from hub.upkeep.checks.lines.terminals import check_terminals
from hub.upkeep.checks.lines.uplinks import check_uplinks
from hub.upkeep.checks.maps import check_maps
from hub.upkeep.checks.moves import check_moves
from hub.upkeep.checks.services import check_http, check_people
from hub.upkeep.checks.sign_on import check_sign_on
from hub.upkeep.checks.store import check_store

__all__ = ["Finding", "FindingState", "check"]


def check(path: Path, *, quick: bool = False) -> list[Finding]:
    """Check the configuration in the file `path`, and everything it names. Nothing is changed, nobody is disturbed.

    `quick`: of large databases only the end is read.
    """
    config, findings = check_config(path)
    findings += check_catalogue() + check_people(config.recipients if config else ())
    if config is None:
        return findings
    workers = of_districts(config)
    findings += check_registry(config)
    findings += check_data(config.data, quick=quick) + check_clock(config.data)
    stations: Mapping[str, Station] = {}
    terminals: Mapping[str, Terminal] = {}
    nodes: Mapping[str, Node] = {}
    badges: Mapping[str, Badge] = {}
    senders: set[str] = set()
    with suppress(ConfigError):  # check_registry says it
        registry = load_registry(config)
        stations, terminals, nodes = registry.stations, registry.terminals, registry.nodes
        badges = registry.badges
        senders = {one.id for one in registry.senders()}
        findings += check_messages(config.data, {id_: registry.keys_of(id_) for id_ in registry.boards})
        findings += check_collocations(config.data, registry)
        findings += check_moves(config.data, registry)
        findings += check_cases(config, registry.zone)
        findings += check_companies(config)
        findings += check_maps(config, registry)
    findings += check_certificates(config.broker)
    findings += check_password(config.broker)
    hub_runs = any(runs_here(worker.data) for worker in workers)
    findings += check_stations(config.hj212, stations, hub_runs=hub_runs)
    findings += check_terminals(config.jt808, terminals, hub_runs=hub_runs)
    findings += check_badges(config.badges, badges, hub_runs=hub_runs)
    findings += check_lorawan(config.lorawan, nodes)
    findings += check_uplinks(config.uplinks, senders)
    findings += check_broker(config.broker, hub_runs=hub_runs, districts=config.districts)
    findings += check_store(config)
    findings += check_sign_on(config)
    for worker in workers:
        of = f" {worker.districts[0]}" if config.districts else ""
        found = check_http(worker.http, hub_runs=runs_here(worker.data))
        findings += [replace(finding, name=f"{finding.name}{of}") for finding in found]
    return findings
