"""`fenceline noise`: statistics of noise over any time, for people and programs."""

import math
import time
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

from hub.series.noise import FILE, GRAIN, NoSuchTimeError, Step, Weather, Window, noise
from hub.series.view_noise import plain, show
from hub.terminal.commands import alone, command, option
from hub.terminal.json_lines import print_list
from hub.terminal.options import FENCELINE, AsJson, Board, Config, HubOf, Site
from schemas.errors import UserError
from schemas.language import Text, tell

if TYPE_CHECKING:
    from hub.judge.windows import LocalTime

app = alone()

NOT_THERE = Text(
    "{path}: nothing was added up yet; 'fenceline run --config {config}' does it, or --config names another hub",
    "{path}：尚无汇总数据；请先运行fenceline run --config {config}，或用--config指定其他数据中心",
)


@command(
    app,
    "noise",
    Text(
        """Tell statistics of noise over any time: LAeq, Ld, Ln, Ldn, L5, L10, L50, L90, L95, standard deviation, in dB.

        They are made of how often each level was, as the boards count it: exact for any window of whole 10 minutes,
        but for levels rounded to 0.5 dB, so no level exceeded is wrong by more than 0.25 dB. What no board has counted
        is not available; it is never made of shorter intervals' L10. Only flag N counts, and what went beyond the
        instrument as what it was at least. By day is 06:00 to 22:00. Each 10 minutes with a mean wind of 5 m/s or more,
        rain or snow at any board of the site are left out, and the rest counts.

        The last 40 days can be asked for; the statistics of each 10 min, hour and day stay in the series store.""",
        """任意时段的噪声统计：LAeq、Ld、Ln、Ldn、L5、L10、L50、L90、L95和标准偏差，单位dB。

        由设备统计的声级分布计算：对任意整10分钟的时段都准确，仅声级按0.5 dB取整，累积百分声级误差不超过0.25 dB。
        设备未统计的时段无数据，绝不用较短时段的L10代替。只有标记N参与统计；超出仪器量程的声音按其下限计入。
        昼间为6:00至22:00。站点任一设备平均风速达到5 m/s或有雨雪的每10分钟均剔除，其余照常统计。

        可查询最近40天；每10分钟、每小时、每日的统计值长期保存在时序库中。""",
    ),
    "fenceline noise --site station-pit",
    "fenceline noise --board station-pit-1 --from 2026-11-22 --to 2026-11-29 --by day",
    "fenceline noise --site station-pit --from 2026-11-22T22:00 --to 2026-11-23T06:00 --by hour --json",
)
def noise_command(
    site: Site = "",
    board: Board = "",
    begin: Annotated[
        str | None,
        option(
            Text("Local date, or date and time.", "当地日期，或日期和时间。"),
            "--from",
            metavar="TIME",
            show_default=Text("24 h before the end", "结束前24小时"),
        ),
    ] = None,
    end: Annotated[
        str | None,
        option(Text("Its end.", "结束时间。"), "--to", metavar="TIME", show_default=Text("now", "当前时间")),
    ] = None,
    by: Annotated[
        Step,
        option(
            Text(
                "Windows: the whole time, each 10 min or hour, each day or night (part), each 24 h from 06:00 (day).",
                "时段：全部（all）、每10分钟（10m）、每小时（hour）、每个昼间或夜间（part）、自6:00起每24小时（day）。",
            ),
            "--by",
        ),
    ] = Step.all,
    weather: Annotated[
        Weather,
        option(
            Text(
                "What counts: without strong wind, rain and snow (valid), or in any weather (all).",
                "参与统计的时段：剔除大风、雨雪（valid），或不论天气（all）。",
            ),
            "--weather",
        ),
    ] = Weather.valid,
    as_json: AsJson = False,
    district: HubOf = "",
    config: Config = FENCELINE,
) -> None:
    """Show statistics of noise."""
    from hub.config.files import ConfigError, load_config
    from hub.judge.windows import LocalTime
    from hub.registry.commands import unknown
    from hub.registry.live import load_entries
    from hub.storage.compliance_file import compliance_of
    from hub.storage.database import DatabaseError

    try:
        settings = load_config(config)
        city = load_entries(settings)
        path = compliance_of(settings, district).parent / FILE
        if site and site not in city.sites:
            raise unknown("site", site, city.sites)
        if board and board not in city.boards:
            raise unknown("board", board, city.boards)
        if not path.exists():
            raise UserError(tell(NOT_THERE).format(path=path, config=config))
        local = LocalTime(city.zone)
        after = _moment("--to", end, local) if end else int(time.time()) // GRAIN * GRAIN
        first = _moment("--from", begin, local) if begin else after - 24 * 3600
        found = noise(path, local, (site, board), Window(first, after), by, weather)
    except NoSuchTimeError as error:
        option_ = {"begin": "--from", "end": "--to"}.get(error.field, f"--{error.field}")
        raise UserError(f"{option_}: {tell(error.text)}") from error
    except (ConfigError, DatabaseError) as error:
        raise UserError(str(error)) from error
    if as_json:
        print_list((plain(one, local) for one in found), "windows", error_db=0.25)
    else:
        show(found, local)


def _moment(name: str, text: str, local: "LocalTime") -> int:
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise UserError(f"{name} {text}: expected a local date such as 2026-11-22, or 2026-11-22T22:00") from None
    moment = (when if when.tzinfo else when.replace(tzinfo=local.zone)).timestamp()
    # Of what is no whole second is told with the rest that it is no multiple of 10 min.
    return math.floor(moment) if moment == math.floor(moment) else math.floor(moment) // 60 * 60 + 1
