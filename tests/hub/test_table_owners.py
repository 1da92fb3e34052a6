"""Each table has one owner: only its package writes it, and who else reads it is declared here, one by one and few."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]

OWNERS = {
    "access": {"access", "access_step", "identity", "known_browser", "session", "sign_in_link"}
    | {"half_sign_in", "recovery_code", "second_factor"},
    "alerts": {"alert", "alert_step", "alert_window", "maintenance"},
    "cases": {"attachment", "calendar_edition", "casefile", "casefile_alert", "casefile_event"}
    | {"plate", "visit", "visit_finding"},
    "compliance": {"cell", "kept", "latest", "mark", "origin", "pending", "position", "verdict"}
    | {"verdict_day"}
    | {"marked", "marked_position", "rule_position", "rule_sample", "rule_subject", "rule_verdict"}
    | {"emission_change", "emission_day", "emission_hour", "emission_position", "emission_record"},
    "field": {"entry"},
    "intake": {"badge_secret"},
    "log": {"count", "gap", "message", "position", "pruned_status", "quarantine", "stream"},
    "notify": {"channel_test", "notification", "notified", "refusal"} | {"told"},  # the last: while one is made anew
    "orders": {"board_key", "board_order", "desired", "desired_board", "desired_heard", "order_step"}
    | {"bundle", "bundle_file", "rollout", "rollout_board", "rollout_step"},
    "reports": {"board", "position"},
    "series": {"bucket", "changed", "gone", "levels", "place", "position", "reading", "record", "rollup", "source"},
    "storage": {"schema_part"},
    "things": {"mark_event", "thing_edition"},
    "uplink": {"due", "position", "total"},
    "watch": {"called", "calibration", "instrument", "watched"},
}
"""The tables that each package below hub/ writes. Several files have a table `position`: each consumer's own."""
READERS = {
    # whether a limit is kept; when the windows of an alert were judged, and by which samples
    "hub/alerts/proof.py": {"latest", "verdict", "rule_verdict", "rule_sample"},
    "hub/upkeep/checks/moves.py": {"verdict"},  # what was judged where a board was not
    "hub/desk/told.py": {"notification"},  # who was told of an alert
    "hub/intake/cli.py": {"count", "quarantine"},  # what `fenceline quarantine` shows
    "hub/intake/stations/asking.py": {"message"},  # which minutes, hours and days of a station the log has
    "hub/upkeep/archive.py": {"position"},  # a backup says how far each consumer is
}
"""The tables that a module reads though another package owns them."""
HISTORY = "hub/storage/compliance_history.py"
"""Brings files forward of the time when compliance.db as a whole had one owner; it is never changed again."""
BUILT_IN = {"json_each", "sqlite_schema"}

NAMED = re.compile(
    r"\b(FROM|JOIN|INTO|UPDATE|(?:CREATE|DROP|ALTER) TABLE)\s+(?!SELECT\b|SET\b|ON\b)([\w\0]+)"
    r"((?:\s+(?:AS\s+)?[a-z]\w*)?(?:\s*,\s*[a-z]\w*(?:\s+(?:AS\s+)?[a-z]\w*)?)*)"
)
SMALL = re.compile(r"\s*(select\s.*\sfrom|insert\s+into|update\s+\w+\s+set|delete\s+from)\s", re.DOTALL)
READ = {"FROM", "JOIN"}


def literals(source):
    """Yield the texts in a module's code, without its docstrings; what an f-string fills in is a NUL."""
    tree = ast.parse(source)
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    alone = [node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)]
    docs = {id(value) for value in alone if isinstance(value, ast.Constant)}
    for node in ast.walk(tree):
        if id(node) in parts | docs:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else "\0" for part in node.values)


def tables(source):
    """Yield (table, whether it is written) for each table that a statement in a module names; \0: not told."""
    for text in literals(source):
        statement = re.sub(r"--.*", "", text)
        if SMALL.match(statement):
            yield "SQL in small letters: " + statement, True
        for match in NAMED.finditer(statement):
            deletes = statement[: match.start()].rstrip().endswith("DELETE")
            yield match[2], match[1] not in READ or deletes
            for other in match[3].split(",")[1:]:
                yield other.split()[0], False
        if re.search(r"\b(FROM|JOIN|INTO|UPDATE)\s*$", statement):
            yield "\0", True


def violations(module, source):
    """Return what a module's statements do to tables that are not its package's and not declared."""
    own = OWNERS.get(module.split("/")[1], set())
    return [
        f"{module} {'writes' if writes else 'reads'} {table!r}"
        for table, writes in tables(source)
        if table not in own | BUILT_IN and (writes or table not in READERS.get(module, set()))
    ]


def modules():
    for path in sorted((ROOT / "hub").rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        if name != HISTORY:
            yield name, path.read_text("utf-8")


def test_each_table_is_used_by_its_owner_and_by_declared_readers():
    assert [found for name, source in modules() for found in violations(name, source)] == []


def test_what_is_declared_is_there():
    made = {package: set() for package in OWNERS}
    read = {}
    for name, source in modules():
        for text in literals(source):
            made.setdefault(name.split("/")[1], set()).update(re.findall(r"CREATE (?:TABLE|VIEW) (\w+)", text))
        read[name] = {table for table, _ in tables(source)}
    assert {package: found for package, found in made.items() if found} == OWNERS
    assert all(needed <= read[name] for name, needed in READERS.items()), "a reader that reads no more"


def test_a_statement_in_the_wrong_package_is_found():
    def found(code, module="hub/watch/consumer.py"):
        return violations(module, code)

    assert found('db.execute("UPDATE alert SET state = ?")') == ["hub/watch/consumer.py writes 'alert'"]
    assert found('db.execute("INSERT OR REPLACE INTO alert_step VALUES (?)")') == [
        "hub/watch/consumer.py writes 'alert_step'"
    ]
    assert found('db.execute("DELETE FROM verdict WHERE id = ?")') == ["hub/watch/consumer.py writes 'verdict'"]
    assert found("db.execute(f'SELECT {x} FROM alert a JOIN notification n ON a.id = n.alert')") == [
        "hub/watch/consumer.py reads 'alert'",
        "hub/watch/consumer.py reads 'notification'",
    ]
    assert found('db.execute("SELECT 1 FROM watched, alert_step s, access")') == [
        "hub/watch/consumer.py reads 'alert_step'",
        "hub/watch/consumer.py reads 'access'",
    ]
    assert found('f"""SELECT 1 FROM watched WHERE offset IN (SELECT {y} FROM message)"""') == [
        "hub/watch/consumer.py reads 'message'"
    ]
    assert found('db.execute("SELECT offset FROM watched")') == []
    assert found('"""Reads FROM alert, in words."""') == []


def test_a_declared_reader_may_not_write():
    module = "hub/desk/told.py"
    assert violations(module, 'db.execute("SELECT 1 FROM notification")') == []
    assert violations(module, 'db.execute("DELETE FROM notification")') == [f"{module} writes 'notification'"]


def test_a_statement_that_hides_its_table_is_found():
    assert violations("hub/watch/x.py", 'db.execute(f"SELECT 1 FROM {table}")')
    assert violations("hub/watch/x.py", 'db.execute("SELECT 1 FROM " + table)')
    assert violations("hub/watch/x.py", 'db.execute("select id from alert")')
