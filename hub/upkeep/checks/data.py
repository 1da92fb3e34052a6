"""Checks the data folder: can it be written, is there room, do the databases fit this hub, is the clock behind them."""

import fcntl
import os
import shutil
import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from hub.log.reader import reading_log
from hub.process.clock_trust import kernel_synchronised
from hub.storage.damage import damage
from hub.storage.data_folder import LOG, databases
from hub.storage.database import read_only
from hub.storage.trouble import explain, way_back
from hub.upkeep.checks.finding import Finding, ok, problem, warning
from hub.upkeep.versions import KNOWN, versions_of
from hub.wire.seal import authentic_by
from hub.wire.topics import parse
from schemas.language import Text

ENOUGH, LITTLE = 2 << 30, 200 << 20
"""Free bytes below which to warn, and below which the hub would soon stop acknowledging."""
BEGAN = 1_767_225_600
"""2026-01-01 as Unix time: a clock before it was never set."""


def runs_here(data: Path) -> bool:
    """Tell whether a hub works in a data folder now."""
    try:
        with (data / "lock").open() as file:
            # Shared and for a moment: two checks do not take each other for a hub.
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False


def check_data(data: Path, *, quick: bool = False) -> list[Finding]:
    """Check the data folder and its databases; every page of them, or, where it is to be `quick`, as at the start."""
    folder = next(one for one in (data, *data.parents) if one.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        text = Text(f"data = {data}: cannot be written", f"data = {data}：无法写入")
        return [
            problem(
                "data folder",
                text,
                Text(
                    f"Give {folder} to the hub's user, or name another folder.",
                    f"请将 {folder} 的权限交给数据中心的用户，或另指定文件夹。",
                ),
            )
        ]
    return [
        ok("data folder", f"{data} can be written", f"{data} 可写入"),
        _room(folder),
        *(_database(path, path.relative_to(data).as_posix(), quick=quick) for path in databases(data)),
    ]


def _room(folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free
    text = Text(f"{free / (1 << 30):.1f} GiB free", f"剩余空间 {free / (1 << 30):.1f} GiB")
    more = Text(
        "Make room; a full disk stops the hub from acknowledging.", "请腾出空间；磁盘写满后数据中心将停止确认。"
    )
    if free < LITTLE:
        return problem("disk", text, more)
    return warning("disk", text, more) if free < ENOUGH else ok("disk", *text)


def _database(path: Path, name: str, *, quick: bool) -> Finding:
    name = f"database {name}"
    try:
        if found := damage(path, whole=not quick):
            text = Text(f"{path}: is damaged ({found})", f"{path}：已损坏（{found}）")
            return problem(name, text, way_back(path))
        with closing(read_only(path)) as db:
            found_versions = versions_of(db)
    except sqlite3.Error as error:
        what, remedy = explain(error, path)
        return problem(name, Text(f"{path}: {what.en}", f"{path}：{what.zh}"), remedy)
    known = KNOWN.get(path.name, found_versions)
    later = found_versions.later(known)
    if later:
        more = Text("Use the hub that made it, or a later one.", "请使用创建它的版本或更新的版本。")
        return problem(name, later, more)
    if found_versions != known:
        return ok(
            name,
            f"schema version {found_versions.shown()}; the next start makes it {known.shown()}",
            f"结构版本 {found_versions.shown()}；下次启动时升级到 {known.shown()}",
        )
    return ok(name, f"schema version {found_versions.shown()}", f"结构版本 {found_versions.shown()}")


MESSAGES = 20_000
"""So many of a log's newest messages are held against their MACs: SQLite has no checksum of what is in its pages."""


def check_messages(data: Path, keys: Mapping[str, tuple[bytes, ...]]) -> list[Finding]:
    """Hold the newest messages of each log against their MACs; `keys`: of the boards, by id, each with those before."""
    findings = []
    for path in databases(data):
        if path.name != LOG:
            continue
        name = f"messages {path.relative_to(data).as_posix()}"
        seen, wrong = 0, []
        try:
            with reading_log(path) as log:
                for offset, topic, payload in log.newest(MESSAGES):
                    place = parse(topic)
                    if place and place.device in keys:
                        seen += 1
                        wrong += [] if authentic_by(payload, keys[place.device]) else [offset]
        except sqlite3.Error:
            continue  # another check says so
        if not wrong:
            findings.append(ok(name, f"the newest {seen} have the right MAC", f"最新的 {seen} 条消息签名正确"))
            continue
        first = min(wrong)
        text = Text(
            f"{len(wrong)} of the newest {seen} messages have a wrong MAC, the first at offset {first}: bytes in them "
            "have changed, or their boards have other keys now",
            f"最新的 {seen} 条消息中有 {len(wrong)} 条签名错误，最早一条位于 {first}：内容已改变，或设备已更换密钥",
        )
        remedy = Text(
            "If no board got another key, the disk changes what it holds: look at it, and put a backup back with "
            "'fenceline restore --salvage'.",
            "如未更换设备密钥，则磁盘在改变内容：请检查磁盘，并用 fenceline restore --salvage 恢复备份。",
        )
        findings.append(warning(name, text, remedy))
    return findings


def check_clock(data: Path) -> list[Finding]:
    """Check that the clock has been set, and is not behind what the log has already received."""
    now = time.time()
    shown = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now))
    newest = max((_newest(path) for path in databases(data) if path.name == LOG), default=0.0)
    if now < BEGAN or newest > now + 60:
        behind = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(max(newest, BEGAN)))
        text = Text(f"the clock says {shown}, and it is after {behind}", f"系统时钟为 {shown}，而实际已晚于 {behind}")
        return [
            problem(
                "clock",
                text,
                Text("Set it, by NTP (timedatectl set-ntp true).", "请用 NTP 校时（timedatectl set-ntp true）。"),
            )
        ]
    if kernel_synchronised() is False:
        text = Text(f"{shown}; no time server keeps it", f"{shown}；未与时间服务器同步")
        remedy = Text(
            "Let NTP keep it (timedatectl set-ntp true): every verdict rests on it.",
            "请启用 NTP（timedatectl set-ntp true）：所有判定都依赖系统时钟。",
        )
        return [warning("clock", text, remedy)]
    return [ok("clock", shown, shown)]


def _newest(path: Path) -> float:
    try:
        with reading_log(path) as log:
            return log.received_last() or 0.0
    except sqlite3.Error:
        return 0.0  # another check says so
