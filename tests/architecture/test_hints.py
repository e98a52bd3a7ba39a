"""What a sentence tells users to type is a command that there is, with options that it has."""

import ast
import functools
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click

import nuvtui
from nuvtui.cli.main import COMMANDS, root

COMMAND = re.compile(rf"\bnuvtui (?!store at )((?:--home \S+ )?(?:{'|'.join(COMMANDS)})\b[^`;()…]*)")

QUOTED = re.compile(r"`nuvtui\b([^`]*)`")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
FILLED = "X"
"""Stands for what a sentence has filled in."""


def sentences() -> Iterator[tuple[str, str]]:
    """Every text in the program but for docstrings, with where it stands; what is filled in is FILLED."""
    package = Path(nuvtui.__file__).parent
    for path in sorted(package.rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        documentation = {
            id(node.value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        }
        inside = {
            id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values
        }
        known = documentation | inside
        for node in ast.walk(tree):
            where = f"{path.relative_to(package)}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.JoinedStr):
                parts = [part.value if isinstance(part, ast.Constant) else FILLED for part in node.values]
                yield where, "".join(map(str, parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in known:
                yield where, node.value


@functools.cache
def named() -> list[tuple[str, str]]:
    """Every command that a sentence names."""
    return [
        (where, found[1].split(". ")[0].split(", ")[0].split(" says")[0].strip().rstrip(".,:"))
        for where, text in sentences()
        for found in COMMAND.finditer(text)
    ]


def problem(line: str) -> str:
    """What is wrong with a command; empty: nothing."""
    words = shlex.split(line)
    command: click.Command = root
    context = click.Context(root)
    options: list[str] = []
    while words:
        word = words.pop(0)
        if word.startswith("-") and word != "-":
            options.append(word.split("=")[0])
            known = {
                name
                for each in (*command.params, *root.params)
                for name in (*each.opts, *each.secondary_opts)
            }
            if options[-1] not in known | {"-h", "--help"}:
                return f"{command.name} has no {options[-1]}"
            if command is root and words:
                words.pop(0)  # its value
        elif isinstance(command, click.Group):
            found = command.get_command(context, word)
            if found is None:
                return f"{command.name} has no command {word}"
            command = found
    return ""


def hints() -> Iterator[tuple[str, str]]:
    """Every text in the hint of an error, with where it stands."""
    package = Path(nuvtui.__file__).parent
    for path in sorted(package.rglob("*.py")):
        for call in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not (isinstance(call, ast.Call) and ast.unparse(call.func).endswith("Error")):
                continue
            given = [*call.args[2:3], *(word.value for word in call.keywords if word.arg == "hint")]
            for text in (node for hint in given for node in ast.walk(hint)):
                if isinstance(text, ast.Constant) and isinstance(text.value, str):
                    yield f"{path.relative_to(package)}:{text.lineno}", text.value


def every_command(command: click.Command = root) -> Iterator[click.Command]:
    """`command`, and all within it."""
    yield command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            within = command.get_command(context, name)
            assert within is not None
            yield from every_command(within)


def refused(line: str) -> str:
    """What the command line itself refuses in the words after `nuvtui`; empty: nothing.

    Words in capitals stand for what is to be filled in. What they name is not looked up.
    """
    words = shlex.split(line)
    command: click.Command = root
    while True:
        context = click.Context(command, info_name=command.name)
        try:
            given, left, _ = command.make_parser(context).parse_args([*words])
        except click.UsageError as error:
            return f"{command.name}: {error.format_message()}"
        if given.get("help"):
            return ""
        if isinstance(command, click.Group):
            found = command.get_command(context, left[0]) if left else None
            if found is None:
                return f"{command.name} has no command {left}" if left else ""
            command, words = found, left[1:]
            continue
        if set(left) - {FILLED}:  # what is filled in may be an option with its value
            return f"{command.name} takes no {left}"
        for each in command.params:
            value = given.get(each.name or "")
            if each.required and not (isinstance(value, str) or (isinstance(value, tuple) and value)):
                return f"{command.name} lacks {each.name}"
            named = isinstance(value, str) and not value.isupper()
            if isinstance(each.type, click.Choice) and named and value not in each.type.choices:
                return f"{command.name} has no {each.name} {value}"
        return ""


def test_there_are_commands_in_sentences() -> None:
    assert len(named()) > 60


def test_every_command_that_is_named_can_be_typed() -> None:
    assert [(where, line, problem(line)) for where, line in named() if problem(line)] == []


def test_every_command_between_backticks_is_whole() -> None:
    found = [(where, line[1]) for where, text in sentences() for line in QUOTED.finditer(text)]
    assert len(found) > 70
    assert [(where, line, refused(line)) for where, line in found if refused(line)] == []


def test_every_option_in_a_hint_is_one_of_some_command() -> None:
    there = {
        name
        for command in every_command()
        for each in command.get_params(click.Context(command))
        for name in (*each.opts, *each.secondary_opts)
    }
    named = [(where, option) for where, text in hints() for option in OPTION.findall(text)]
    assert len(named) > 40
    assert [(where, option) for where, option in named if option not in there] == []


def test_the_check_itself_finds_what_is_wrong() -> None:
    assert problem("store gc --grace 0") == ""
    assert problem("snapshots recover X")
    assert problem("store gc --force")
    assert problem("--home DIR status") == ""
    assert refused("snapshots show SNAPSHOT") == refused("--help") == refused("") == ""
    assert refused("snapshots show")
    assert refused("snapshots show A B")
    assert refused("snapshots list -f xml")
    assert refused("store gc --grace")
    assert refused("recover")
