"""The group of commands `fenceline cases`, and the options that several of them share."""

from typing import Annotated

from hub.terminal.commands import argument, group, option
from schemas.language import Text

app = group(
    Text(
        """Cases: what the city does about what was seen, in seven steps: report, file, dispatch, handle, feed back,
        check and close, evaluate. Whoever may write the hub's data folder may do it all, but not both judge and
        dispatch the same case.""",
        """案件：七步流程：信息收集、立案、派遣、处置、反馈、核查结案、评价。凡可写数据目录者均可执行，
        但同一人不得在同一案件中既评判又派遣。""",
    ),
    "fenceline cases from-alert 17",
    "fenceline cases act 3 file --standard construction-noise --as li",
    "fenceline cases act 3 dispatch --department greens --as wang",
    "fenceline cases list --state open",
    "fenceline cases show 3",
    "fenceline cases rates --from 2026-12-01 --to 2027-01-01 --by department",
)

MOST = 2**63 - 1
Number = Annotated[int, argument(Text("The case's number.", "案件编号。"), "CASE", min=1, max=MOST)]
Remark = Annotated[
    str,
    option(
        Text("Why, or what was done; it stands in the history.", "原因或处理情况，记入案件历史。"),
        "--text",
        show_default=Text("nothing", "无"),
    ),
]
Key = Annotated[
    str,
    option(
        Text(
            "A name of your own for this act: given again with it, it takes effect once.",
            "自定的操作标识：以同一标识重复提交，只生效一次。",
        ),
        "--key",
        show_default=Text("none", "无"),
    ),
]
NOTHING = Text("nothing", "无")
Seen = Annotated[
    int | None,
    option(
        Text(
            "The step of the history you have read: what somebody else did since is told in place of acting.",
            "已阅读到的历史步骤：此后他人有新的处理时不执行，先予提示。",
        ),
        min=1,
        max=MOST,
        show_default=Text("the newest", "最新"),
    ),
]
