"""Checks the files of the configuration: fenceline.toml, registry, keys, and the catalogues that come with the hub."""

import datetime as dt
import stat
from itertools import islice
from pathlib import Path
from typing import Any

from hub.config.files import Broker, Config, ConfigError, load_config, mistakes, read_document, read_toml
from hub.registry.check import Entries, EntryError, check
from hub.registry.entries import Board, Station
from hub.registry.instruments import DECISIONS
from hub.registry.live import key_of, located
from hub.upkeep.checks.finding import Finding, FindingState, ok, problem
from schemas import CatalogueError, load_limits, load_quantities
from schemas.chinese import in_chinese
from schemas.language import Text

MOST = 20
"""Boards named in one finding, and mistakes of one file that are told at once."""
MEND_CONFIG = Text(
    "Correct it; docs/reference/settings.md explains every setting.",
    "请改正；docs/reference/settings.md 说明了每一项设置。",
)

MEND_PASSWORD = Text(
    "Write the password into it, or name the right file under [broker].",
    "请在其中写入密码，或在 [broker] 中指定正确的文件。",
)


def check_config(path: Path) -> tuple[Config | None, list[Finding]]:
    """Read ``fenceline.toml``; if it is wrong, say every mistake in it."""
    try:
        config = load_config(path)
    except ConfigError as error:
        mistakes = _mistakes(path) or [str(error)]
        return None, [problem("config", Text(text, in_chinese(text)), MEND_CONFIG) for text in mistakes]
    return config, [ok("config", f"{path} is valid", f"{path} 正确")]


def _mistakes(path: Path) -> list[str]:
    """Return the first mistakes in the values; none if it cannot be read, or they do not fit other files."""
    try:
        return list(islice(mistakes(path, read_document(path), Config), MOST))
    except ConfigError:
        return []


def check_registry(config: Config) -> list[Finding]:
    """Read the registry and the boards' keys."""
    mend = Text("Correct the file that it names.", "请改正其中所指的文件。")
    try:
        entries = check(read_toml(config.registry, dict[str, Any]))
    except (ConfigError, EntryError) as error:
        told = str(located(config.registry, error) if isinstance(error, EntryError) else error)
        return [problem("registry", Text(told, in_chinese(told)), mend)]
    sites, boards, zone = len(entries.sites), len(entries.boards), entries.zone.key
    local = dt.datetime.now(entries.zone).strftime("%Y-%m-%d %H:%M")
    findings = [
        ok("registry", f"{sites} sites, {boards} boards", f"{sites} 个站点，{boards} 台设备"),
        ok("time zone", f"{zone}: it is {local} there", f"{zone}：当地时间 {local}"),
    ]
    findings += _check_instruments(entries)
    known = {site.district for site in entries.sites.values()}
    findings += [
        problem(
            "districts",
            Text(f"districts: no site of the registry is in {name!r}", f"districts：登记册中没有站点属于 {name!r}"),
            Text(
                f"Mend the name; there are: {', '.join(sorted(known))}.",
                f"请改正名称；现有：{'、'.join(sorted(known))}。",
            ),
        )
        for name in config.districts
        if name not in known
    ]
    return findings + (_check_keys(config.keys, list(entries.boards)) if boards else [])


def _check_instruments(entries: Entries) -> list[Finding]:
    """Say how good the instruments are as stated, and by which rule each city decides."""
    senders: list[Board | Station] = [*entries.boards.values(), *entries.stations.values()]
    unsaid = [one.id for one in senders if not one.instruments]
    indicative = [one.id for one in senders if any(part.class_ == "indicative" for part in one.instruments)]
    en = [f"{len(senders) - len(unsaid)} of {len(senders)} boards and stations state how good their instruments are"]
    zh = [f"{len(senders)} 台设备和监测站中有 {len(senders) - len(unsaid)} 台注明了仪器等级"]
    for ids, what in (
        (unsaid, Text("class not stated", "等级未注明")),
        (indicative, Text("indicative, suspicions only", "指示性，仅能认定为疑似")),
    ):
        if ids:
            names = ", ".join(ids[:MOST]) + (", ..." if len(ids) > MOST else "")
            en.append(f"{what.en}: {names}")
            zh.append(f"{what.zh}：{names}")
    for city in entries.cities.values():
        if city.decision != "simple":
            en.append(f"{city.id} decides by {DECISIONS[city.decision].en}")
            zh.append(f"{city.zh}的判定规则：{DECISIONS[city.decision].zh}")
    return [ok("instruments", "; ".join(en), "；".join(zh))] if senders else []


def _check_keys(path: Path, boards: list[str]) -> list[Finding]:
    findings = check_secret("keys", path, Text("the boards' keys", "设备密钥"), FindingState.problem)
    try:
        texts = read_toml(path, dict[str, Any])
    except ConfigError as error:
        mend = Text("Put the boards' keys there.", "请在其中写入设备密钥。")
        return [*findings, problem("keys", Text(str(error), in_chinese(str(error))), mend)]
    wrong = [board for board in boards if key_of(str(texts.get(board, ""))) is None]
    if wrong:
        names = ", ".join(wrong[:MOST]) + (", ..." if len(wrong) > MOST else "")
        text = Text(
            f"{path}: {len(wrong)} boards have no key of 64 hexadecimal digits: {names}",
            f"{path}：{len(wrong)} 台设备没有 64 位十六进制密钥：{names}",
        )
        add = Text("Add BOARD = '<64 hexadecimal digits>' for each.", "请为每台设备添加 设备 = '<64 位十六进制>'。")
        findings.append(problem("keys", text, add))
    return findings or [ok("keys", "each board has its key", "每台设备均有密钥")]


def check_password(broker: Broker) -> list[Finding]:
    """Read the password for the broker; whether it is the right one, the broker says when it is there."""
    path = broker.password_file
    if path is None:
        return []
    try:
        password = path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        en, zh = (error.strerror,) * 2 if isinstance(error, OSError) else ("it is not text", "不是文本")
        text = Text(f"password_file {path}: cannot be read ({en})", f"password_file {path}：无法读取（{zh}）")
        return [problem("broker password", text, MEND_PASSWORD)]
    if not password:
        text = Text(f"password_file {path}: is empty", f"password_file {path}：为空")
        return [problem("broker password", text, MEND_PASSWORD)]
    if broker.user is None:
        text = Text(
            "[broker] password_file is set without user: it is not used",
            "[broker] 设置了 password_file 而没有 user：不会使用",
        )
        return [problem("broker password", text, Text("Name the user, too.", "请同时设置 user。"))]
    return check_secret("broker password", path, Text("the password", "密码"))


def check_catalogue() -> list[Finding]:
    """Read the catalogues of quantities and of limits."""
    try:
        quantities = load_quantities()
        limits = load_limits(quantities=quantities)
    except CatalogueError as error:
        again = Text("Install Fenceline again, or correct the file.", "请重新安装 Fenceline，或改正该文件。")
        return [problem("catalogue", Text(str(error), in_chinese(str(error))), again)]
    n, m = len(quantities), len(limits)
    return [ok("catalogue", f"{n} quantities, {m} limits", f"{n} 个监测量，{m} 条限值")]


def check_secret(name: str, path: Path, what: Text, state: FindingState = FindingState.warning) -> list[Finding]:
    """Find whether others than its owner can read a file; what cannot be read at all, another check says."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return []
    if not mode & (stat.S_IRWXG | stat.S_IRWXO):
        return []
    text = Text(f"{path}: other users can read {what.en}", f"{path}：其他用户可以读取{what.zh}")
    return [Finding(name, state, text, Text(f"Run: chmod 600 {path}", f"请执行：chmod 600 {path}"))]
