"""Files of cases: attached, and saved again."""

from pathlib import Path
from typing import Annotated

from hub.cases.cli.group import Key, Number, Remark, Seen, app
from hub.cases.cli.shown import report
from hub.cases.rules.records import Shows
from hub.terminal.actor import actor
from hub.terminal.commands import argument, command, option
from hub.terminal.json_lines import print_object
from hub.terminal.options import FENCELINE, Actor, AsJson, Config, HubOf
from hub.terminal.tables import say
from schemas.errors import UserError
from schemas.language import Text, tell

SAVED = Text("{name}: {media}, {size} bytes, as {target}", "{name}：{media}，{size}字节，已保存为{target}")


@command(
    app,
    "attach",
    Text(
        "Attach a photograph or document to a case: JPEG, PNG, WebP or PDF, told by its content.",
        "为案件添加照片或文件：JPEG、PNG、WebP或PDF，按内容识别。",
    ),
    "fenceline cases attach 3 gate.jpg --shows before --as li",
    "fenceline cases attach 3 permit.pdf --shows document --text 'The permit as shown'",
)
def attach(
    id_: Number,
    file: Annotated[Path, argument(Text("The file.", "文件。"), "FILE")],
    shows: Annotated[
        Shows,
        option(Text("The place before handling, after it, or neither.", "处置前、处置后，或其他文件。"), "--shows"),
    ],
    text: Remark = "",
    seen: Seen = None,
    key: Key = "",
    who: Actor = "",
    as_json: AsJson = False,
    district: HubOf = "",
    config: Config = FENCELINE,
) -> None:
    """Attach a file."""
    from msgspec.structs import replace

    from hub.cases.attachments import store
    from hub.cases.opening import opened
    from hub.config.files import load_config

    with opened(config, district, actor(who)) as (desk, _, compliance):
        settings = replace(load_config(config), data=compliance.parent)
        try:
            with file.open("rb") as source:  # a byte more than is taken says that it is too large
                content = source.read(int(settings.cases.attachment_mb * 1e6) + 1)
        except OSError as error:
            raise UserError(f"{file}: cannot be read ({error.strerror}); name a JPEG, PNG, WebP or PDF file") from error
        store.attach(desk, settings, id_, file.name, content, shows, seen=seen, key=key, text=text)
        report(desk, id_, as_json=as_json)


@command(
    app,
    "attachment",
    Text("Save a file of a case as it was sent.", "将案件附件按原样保存。"),
    "fenceline cases attachment 3 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 gate.jpg",
)
def attachment(
    id_: Number,
    sha256: Annotated[str, argument(Text("Its SHA-256, as the case tells.", "其SHA-256，见案件。"), "SHA256")],
    target: Annotated[Path, argument(Text("The new file.", "新文件。"), "TARGET")],
    as_json: AsJson = False,
    district: HubOf = "",
    config: Config = FENCELINE,
) -> None:
    """Save a file."""
    from hub.cases.attachments import store
    from hub.cases.opening import opened

    with opened(config, district, actor()) as (desk, _, compliance):
        told, kept = store.of_case(desk, compliance.parent, id_, sha256.lower())
    try:
        with target.open("xb") as out:
            out.write(kept.content)
    except OSError as error:
        raise UserError(f"{target}: cannot be written ({error.strerror}); name a new file") from error
    saved = {"name": told.name, "media": told.media, "size": told.size, "sha256": told.sha256, "target": str(target)}
    if as_json:
        print_object(saved)
        return
    say(tell(SAVED).format(**saved))
