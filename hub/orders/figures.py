"""What dashboards show of each board: orders that are open, its configuration, the version on its way, its key."""

import sqlite3

import msgspec

STATES = ("pending", "refused")


class Figures(msgspec.Struct):
    """Of one board. `config`: in_force, pending, refused, or nothing; `why`: it refused; `update`: as in a rollout."""

    orders_open: int = 0
    config: str = ""
    why: str = ""
    update: str = ""

    @property
    def wants_a_look(self) -> bool:
        """Tell whether something is not as it is to be."""
        return bool(self.orders_open or self.config in STATES or self.update not in {"", "healthy", "returned"})


def figures(db: sqlite3.Connection) -> dict[str, Figures]:
    """Return the figures by board; nothing of a board about which nothing was ever ordered."""
    found: dict[str, Figures] = {}

    def of(device: str) -> Figures:
        return found.setdefault(device, Figures())

    try:
        for device, n in db.execute(
            "SELECT device, count(*) FROM board_order WHERE state IN ('waiting', 'sent') GROUP BY device"
        ):
            of(device).orders_open = n
        for device, state, problem in db.execute("SELECT device, state, problem FROM desired_board"):
            of(device).config, of(device).why = state, problem
        for device, state in db.execute(
            "SELECT device, state FROM rollout_board WHERE rollout = (SELECT max(id) FROM rollout)"
        ):
            of(device).update = state
    except sqlite3.OperationalError as error:
        if "no such table" not in str(error):
            raise  # else the hub has just been brought forward, and makes them soon
    return found
