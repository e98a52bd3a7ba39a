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


def sentences() -> Iterator[tuple[str, str]]:
    """Every text in the program but for docstrings, with where it stands; what is filled in is X."""
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
                parts = [part.value if isinstance(part, ast.Constant) else "X" for part in node.values]
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


def test_there_are_commands_in_sentences() -> None:
    assert len(named()) > 60


def test_every_command_that_is_named_can_be_typed() -> None:
    assert [(where, line, problem(line)) for where, line in named() if problem(line)] == []


def test_the_check_itself_finds_what_is_wrong() -> None:
    assert problem("store gc --grace 0") == ""
    assert problem("snapshots recover X")
    assert problem("store gc --force")
    assert problem("--home DIR status") == ""
