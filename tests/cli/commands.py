"""Every command of the command line, with arguments that it takes."""

from collections.abc import Iterator

import click

from nuvtui.cli.main import COMMANDS, root

GIVEN: dict[str, list[str]] = {
    "path": ["."], "kind": ["--template", "script"], "targets": ["--targets", "all"], "role": ["editor"],
}  # fmt: skip
"""What a parameter is given; any other one gets the word `thing`."""


def commands() -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Words and command of each."""
    for name in COMMANDS:
        command = root.get_command(click.Context(root), name)
        assert command is not None
        yield from _below((name,), command)


def _below(words: tuple[str, ...], command: click.Command) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    if not isinstance(command, click.Group):
        yield words, command
        return
    for name, each in command.commands.items():
        yield from _below((*words, name), each)


def every_command() -> Iterator[tuple[tuple[str, ...], list[str]]]:
    """Words of each command, and arguments with which it can be called."""
    for words, command in commands():
        arguments: list[str] = []
        for parameter in command.params:
            name = parameter.name or ""
            if isinstance(parameter, click.Argument):
                arguments += GIVEN.get(name, ["thing"]) if parameter.required or name == "path" else []
            elif parameter.required:
                given = GIVEN.get(name, ["thing"])
                arguments += given if given[0].startswith("-") else [parameter.opts[-1], *given]
        if words == ("snapshots", "delete"):
            arguments = ["thing"]
        if words == ("stage", "add"):
            arguments = ["--all"]
        yield words, arguments
