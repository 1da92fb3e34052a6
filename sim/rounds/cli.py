"""`fenceline sim rounds`: a day of bins, rounds and workers with planted breaches, and how many of them are found."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

from hub.terminal.commands import option
from hub.terminal.json_lines import print_list
from schemas.language import Text
from sim.trucks.cli import ZONE, local_time, midnight

if TYPE_CHECKING:
    from hub.judge.records import RuleVerdict
    from sim.rounds.day import Day

EXAMPLES = (
    "fenceline sim rounds",
    "fenceline sim rounds --seed 7 --breaches 6 --look-alikes 4",
)
HELP = Text(
    """Run a day of simulated bins, rounds and workers with planted breaches, and tell how many of them were found.

    Look-alikes are in it, too. It is judged here, from the bytes that sensors, terminals and badges would send: each
    breach in a line, with whether it was found, each false find, and last recall and precision.""",
    """运行一天的模拟环卫作业（垃圾桶、收运线路、作业人员）：其中设有违规行为及易混淆的正常行为，并统计检出情况。

    在本机按传感器、终端和工牌将发送的字节判定：每项违规一行并注明是否检出，每项误报一行，最后为召回率和精确率。""",
)


def rounds(
    seed: Annotated[int, option(Text("The same seed makes the same day.", "相同的种子生成相同的一天。"), min=0)] = 1,
    breaches: Annotated[int, option(Text("Breaches that are planted.", "设置的违规数。"), min=0, max=1000)] = 30,
    look_alikes: Annotated[
        int,
        option(Text("Days that only look like a breach.", "易混淆的正常行为数。"), "--look-alikes", min=0, max=1000),
    ] = 10,
    day: Annotated[
        str,
        option(
            Text("The local day.", "日期（当地时间）。"),
            metavar="DAY",
            show_default=Text("the last whole one", "最近完整的一天"),
        ),
    ] = "",
) -> None:
    """Run a day of simulated rounds."""
    from schemas.domains import rules
    from sim.rounds.day import make_day
    from sim.rounds.judged import judge_day

    made = make_day(seed, midnight(day), breaches, look_alikes)
    tell(made, judge_day(made, rules(), ZONE))


def tell(day: "Day", finds: Iterable["RuleVerdict"]) -> None:
    """Print each planted breach with whether it was found, each false find, and the sums."""
    from sim.trucks.judged import score

    scored = score(finds, day.planted)
    what = {one.truck: one.what for one in (*day.planted, *day.innocent)}

    def rows() -> Iterable[dict[str, Any]]:
        for one in day.planted:
            if not one.brought:
                times = {"from": local_time(one.start), "until": local_time(one.end)}
                found = one not in scored.missed
                yield {"thing": one.truck, "rule": one.rule, "what": one.what, **times, "found": found}
        for false in scored.false:
            times = {"from": local_time(false.start), "until": local_time(false.end)}
            day_of = what.get(false.subject, "")
            yield {"thing": false.subject, "rule": false.rule, "what": day_of, **times, "false": True}

    print_list(
        rows(),
        "lines",
        messages=len(day.sent),
        planted=scored.planted,
        look_alikes=len(day.innocent),
        found=scored.found,
        right=scored.right,
        wrong=scored.wrong,
        recall=round(scored.recall, 4),
        precision=round(scored.precision, 4),
    )
