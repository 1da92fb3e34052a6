"""Builds commands whose help is in English and Chinese: each text stands as a pair beside what it explains.

    app = group(Text("The city's boards.", "全市的设备。"))

    @command(app, "list", Text("List the boards.", "列出设备。"), "fenceline registry list --json")
    def list_(as_json: AsJson = False) -> None: ...

typer makes the command when it is called, and then takes each text in the language of the command line. Every command
has --lang, without asking for it: `schemas.language.spoken` says what was chosen.
"""

from collections.abc import Callable
from enum import Enum
from functools import cache
from inspect import cleandoc
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

import typer
from typer._click.core import Context
from typer._click.formatting import HelpFormatter
from typer._coercion import RuntimeParam, build_runtime_param
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption
from typer.main import _get_param
from typer.models import ArgumentInfo, CommandInfo, OptionInfo, TyperInfo
from typer.utils import get_params_from_function

from schemas.language import Lang, Text, speak, spoken

Function = TypeVar("Function", bound=Callable[..., Any])

HELP = Text("Show this help and exit.", "显示本帮助并退出。")
LANG = Text("Language of what is printed.", "输出语言。")
LANG_DEFAULT = Text("the system's", "系统语言")
EXAMPLES = Text("Examples:", "示例：")
USAGE = Text("Usage: ", "用法：")
WORDS = {
    "ARGUMENTS_PANEL_TITLE": Text("Arguments", "参数"),
    "OPTIONS_PANEL_TITLE": Text("Options", "选项"),
    "COMMANDS_PANEL_TITLE": Text("Commands", "命令"),
    "DEFAULT_STRING": Text("[default: {}]", "[默认：{}]"),
    "ENVVAR_STRING": Text("[env var: {}]", "[环境变量：{}]"),
    "REQUIRED_LONG_STRING": Text("[required]", "[必填]"),
}
"""What typer itself says in a help, by its name in typer.rich_utils."""


class _Spoken:
    """An attribute that holds a text in both languages, or anything else, and gives it in the one that is spoken."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, thing: object, owner: type | None = None) -> Any:
        value = vars(thing)[self._name]
        return value.into(spoken()) if isinstance(value, Text) else value

    def __set__(self, thing: object, value: object) -> None:
        vars(thing)[self._name] = value


class _Option(OptionInfo):
    help: Any = _Spoken()
    show_default: Any = _Spoken()
    metavar: Any = _Spoken()
    rich_help_panel: Any = _Spoken()


class _Argument(ArgumentInfo):
    help: Any = _Spoken()
    show_default: Any = _Spoken()
    metavar: Any = _Spoken()


class _Command(CommandInfo):
    help: Any = _Spoken()
    epilog: Any = _Spoken()


class _Group(TyperInfo):
    help: Any = _Spoken()
    epilog: Any = _Spoken()


def flowing(text: Text) -> Text:
    """Return a text whose paragraphs are a line each: the terminal folds them. What is indented or listed stays."""
    return Text(*("\n\n".join(map(_joined, cleandoc(one).split("\n\n"))) for one in text))


def _joined(paragraph: str) -> str:
    lines = paragraph.split("\n")
    if any(line[:1] in {" ", "-", "|"} for line in lines):
        return paragraph
    text = lines[0]
    for line in lines[1:]:
        # Chinese has no blanks between words.
        text += f" {line}" if text[-1:].isascii() and line[:1].isascii() else line
    return text


def group(help_: Text, *examples: str) -> typer.Typer:
    """Return a command that has commands below it; called without one, it shows its help."""
    app = alone()
    app.info = _Group(cls=Group, no_args_is_help=True, help=flowing(help_), epilog=_epilog(examples))  # type: ignore[arg-type]
    app.callback()(_nothing)  # so that it stays a group though it has one command only
    return app


def alone() -> typer.Typer:
    """Return what one command, which has none below it, is added to."""
    return typer.Typer(add_completion=False)


def command(
    app: typer.Typer, name: str, help_: Text, *examples: str, hidden: bool = False, lang: bool = True
) -> Callable[[Function], Function]:
    """Return a decorator that adds a function to `app` as the command `name`.

    `examples` are whole command lines. Without `lang` the function has an option --lang of its own.
    """

    def add(function: Function) -> Function:
        app.registered_commands.append(
            _Command(
                name=name,
                cls=Command if lang else OwnLang,
                callback=function,
                help=flowing(help_),  # type: ignore[arg-type]
                epilog=_epilog(examples),  # type: ignore[arg-type]
                hidden=hidden,
            )
        )
        return function

    return add


def option(text: Text, *names: str, show_default: Text | bool = True, panel: Text | None = None, **more: Any) -> Any:
    """Return what `typer.Option` returns, with texts in both languages."""
    return _Option(
        param_decls=names or None,
        default=...,
        help=text,  # type: ignore[arg-type]
        show_default=show_default,  # type: ignore[arg-type]
        rich_help_panel=panel,  # type: ignore[arg-type]
        **more,
    )


def argument(text: Text, name: str, *, show_default: Text | bool = False, **more: Any) -> Any:
    """Return what `typer.Argument` returns, with texts in both languages; `name` is what the help calls it."""
    return _Argument(default=..., metavar=name, help=text, show_default=show_default, **more)  # type: ignore[arg-type]


def _epilog(examples: tuple[str, ...]) -> Text | None:
    if not examples:
        return None
    lines = "".join(f"\n  {example}" for example in examples)
    return Text(f"{EXAMPLES.en}\n{lines}", f"{EXAMPLES.zh}\n{lines}")


def _nothing() -> None:
    pass


class _Light(RuntimeParam):
    """Takes text, paths, choices and defaults as they are: typer would load Pydantic for them, half a command's start.

    The rest, and every refusal, is typer's.
    """

    def _coerce_value(self, value: Any, param: Any, ctx: Context) -> Any:
        wanted = self.annotation
        kind: Any = get_origin(wanted)
        if kind is Literal and value in get_args(wanted):
            return value
        if isinstance(wanted, type):
            if type(value) is wanted or (wanted is Path and isinstance(value, Path)):
                return value
            if wanted is Path and isinstance(value, str) and not self.parameter_info.exists:
                return Path(value)
            if issubclass(wanted, Enum) and value in [one.value for one in wanted]:
                return wanted(value)
        return build_runtime_param(param.type_descriptor).coerce(value, param, ctx)


def _lighten(param: Any) -> None:
    descriptor = param.type_descriptor
    param._runtime_param = _Light(descriptor.parameter_info, descriptor.annotation)  # noqa: SLF001


def _choose(ctx: typer.Context, lang: Lang | None) -> None:
    if lang or ctx.parent is None:
        speak(lang)


def _language(
    lang: Annotated[
        Lang | None,
        option(LANG, "--lang", show_default=LANG_DEFAULT, callback=_choose, is_eager=True, expose_value=False),
    ] = None,
) -> None:
    """Have the option that every command has."""


@cache
def _language_option(_built_in: Lang) -> TyperOption:
    (param,) = params_of(_language)
    assert isinstance(param, TyperOption)
    return param


def params_of(function: Callable[..., Any]) -> list[TyperArgument | TyperOption]:
    """Return the options and arguments of a function, in the language that is spoken."""
    return [_get_param(param) for param in get_params_from_function(function).values()]


@cache
def _help_printer() -> Any:
    """Return typer's printer of helps, mended: Chinese has few blanks to break a line at, and would be cut off."""
    from typer import rich_utils

    explain: Any = rich_utils._get_parameter_help  # noqa: SLF001

    def foldable(**given: Any) -> Any:
        texts = explain(**given)
        for text in texts.renderables:
            text.overflow = "fold"
        return texts

    rich_utils._get_parameter_help = foldable  # noqa: SLF001
    return rich_utils


class _Bilingual:
    """What commands and groups have in common: --lang, and typer's own words in the language of the command line."""

    params: list[Any]
    options_metavar: str | None
    has_lang = True

    def begin(self) -> None:
        """Finish what typer has made."""
        # The language may be chosen anew while the command line is read: a help is in the one it was made in.
        self._lang = spoken()
        self.options_metavar = Text("[OPTIONS]", "[选项]").into(self._lang)
        if self.has_lang:
            self.params.append(_language_option(self._lang))
        for param in self.params:
            _lighten(param)

    def get_help_option(self, ctx: Context) -> Any:
        """Return the option --help, which says in this language what it does."""
        found = super().get_help_option(ctx)  # type: ignore[misc]
        if found is not None:
            found.help = HELP.into(self._lang)
            _lighten(found)
        return found

    def format_usage(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Write the line that tells how the command is called."""
        pieces = " ".join(self.collect_usage_pieces(ctx))  # type: ignore[attr-defined]
        formatter.write_usage(ctx.command_path, pieces, USAGE.into(self._lang))

    def format_help(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Print the help."""
        rich_utils = _help_printer()
        for name, word in WORDS.items():
            setattr(rich_utils, name, word.into(self._lang))
        super().format_help(ctx, formatter)  # type: ignore[misc]


class Command(_Bilingual, TyperCommand):
    """A command that speaks English and Chinese."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.begin()


class OwnLang(Command):
    """A command whose option --lang is its own."""

    has_lang = False


class Group(_Bilingual, TyperGroup):
    """A command with commands below it that speaks English and Chinese."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.begin()
        self.subcommand_metavar = Text("COMMAND [ARGS]...", "命令 [参数]...").into(self._lang)

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        """Take a command line that has nothing but a language for an empty one, which shows the help."""
        alone = (args[:1] == ["--lang"] and len(args) == 2) or (len(args) == 1 and args[0].startswith("--lang="))
        return super().parse_args(ctx, [] if alone else args)
