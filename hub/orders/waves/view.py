"""How a version on its way is shown, to people and programs."""

from typing import Any
from zoneinfo import ZoneInfo

from hub.orders.desk import moment
from hub.orders.waves.book import Rollout, RolloutBook, text_of
from schemas.language import Lang, Text


def shown(book: RolloutBook, rollout: Rollout, zone: ZoneInfo, lang: Lang) -> dict[str, Any]:
    """Return a rollout as programs read it; texts are in `lang`."""
    waves = book.waves(rollout.id)
    return {
        "id": rollout.id,
        "version": rollout.version,
        "state": rollout.state,
        "why": text_of(rollout.why).into(lang),
        "who": rollout.who,
        "reason": rollout.reason,
        "begun": moment(rollout.made, zone),
        "wave": rollout.wave + 1,
        "waves": [
            {"percent": percent, "boards": waves.get(wave, (0, 0))[0], "failed": waves.get(wave, (0, 0))[1]}
            for wave, percent in enumerate(rollout.percents)
        ],
        "tolerate": rollout.tolerate,
        "watch_minutes": rollout.watch / 60,
        "downgrade": bool(rollout.downgrade),
        "boards": book.counts(rollout.id),
    }


def shown_boards(book: RolloutBook, rollout: Rollout, zone: ZoneInfo, lang: Lang) -> list[dict[str, Any]]:
    """Return how far each board is, as programs read it."""
    return [
        {
            "device": board.device,
            "state": board.state,
            "failed": board.failed > 0,
            "wave": None if board.wave is None else board.wave + 1,
            "since": moment(board.since, zone),
            "order": board.board_order,
            "why": text_of(board.why).into(lang),
        }
        for board in book.boards(rollout.id)
    ]


def shown_steps(book: RolloutBook, rollout: Rollout, zone: ZoneInfo, lang: Lang) -> list[dict[str, str]]:
    """Return the audit trail, as programs read it."""
    return [
        {"time": moment(step.time, zone), "who": step.who, "what": step.what, "detail": text_of(step.detail).into(lang)}
        for step in book.steps(rollout.id)
    ]


STATES = {
    "running": Text("under way, wave {wave} of {last}", "进行中，第{wave}批，共{last}批"),
    "halted": Text("halted: {why}", "已中止：{why}"),
    "done": Text("done", "已完成"),
}
BOARD_STATES = {
    "waiting": Text("waiting", "待更新"),
    "ordered": Text("ordered", "已下达"),
    "watched": Text("watched", "观察中"),
    "asked": Text("asked", "复查中"),
    "healthy": Text("healthy", "正常"),
    "leaving": Text("is to go back", "待退回"),
    "returning": Text("going back", "退回中"),
    "returned": Text("back", "已退回"),
    "failed": Text("failed", "失败"),
    "stuck": Text("stuck", "无法退回"),
}
STEPS = {
    "begun": Text("begun", "开始"),
    "wave": Text("next wave", "下一批"),
    "halted": Text("halted", "中止"),
    "resumed": Text("resumed", "继续"),
    "done": Text("done", "完成"),
}
