"""Dialogs about remotes: adding one, what a prune would free, removing one, the recovery sheet."""

from collections.abc import Collection, Mapping
from pathlib import Path

from nuvtui.errors import NuvError
from nuvtui.model.names import is_slug
from nuvtui.model.remote import RemotePrune
from nuvtui.services.remotes import addresses
from nuvtui.tui.common import describe
from nuvtui.tui.features.remotes.details import Known
from nuvtui.tui.toolkit.amounts import size
from nuvtui.tui.toolkit.detail import block_lines
from nuvtui.tui.toolkit.dialogs.confirm import ConfirmDialog, MessageDialog
from nuvtui.tui.toolkit.dialogs.text import TextDialog, TextField
from nuvtui.tui.toolkit.lines import Line, line

YES, NO = ("y", "yes"), ("n", "no")


def add_dialog(taken: Collection[str], start: Path, before: Mapping[str, str]) -> TextDialog:
    """Asks for name, address and encryption. `taken`: names; `start`: where paths begin; `before`: as last typed."""

    def refuse(texts: Mapping[str, str]) -> str | None:
        name = texts["name"]
        if not is_slug(name):
            return "A name has small letters, digits and -, such as lab."
        if name in taken:
            return f"There is a remote {name} already."
        try:
            addresses.typed(texts["address"], start)
        except NuvError as error:
            return f"{error}. {error.hint}"
        if texts["encrypt"].lower() not in (*YES, *NO, ""):
            return "Encrypt: yes or no; empty is yes in object stores, else no."
        return None

    def advise(texts: Mapping[str, str]) -> str | None:
        try:
            address = addresses.typed(texts["address"], start)
        except NuvError:
            return None
        if encrypted(texts, start):
            return "Sealed for your key. Lost keys are lost data: s on the remote shows a sheet to print."
        if address.in_bucket:
            return "Whoever can read the object store will be able to read everything that is pushed there."
        return "Not encrypted: whoever can read the place can read all that is pushed there."

    return TextDialog(
        "Add a remote",
        [
            TextField("name", "Name", before.get("name", ""), "lab"),
            TextField(
                "address",
                "Address: a folder, s3://bucket/prefix, gs://, az://, ssh://host/path",
                before.get("address", ""),
                "/mnt/archive/penguins",
            ),
            TextField(
                "encrypt",
                "Encrypt: yes or no (empty: yes in object stores, else no)",
                before.get("encrypt", ""),
            ),
        ],
        "Add it",
        advise=advise,
        refuse=refuse,
    )


def encrypted(texts: Mapping[str, str], start: Path) -> bool:
    """Whether what was typed asks for encryption."""
    answer = texts["encrypt"].lower()
    return answer in YES or (not answer and addresses.typed(texts["address"], start).in_bucket)


def prune_dialog(name: str, found: RemotePrune) -> ConfirmDialog:
    """Says what a prune would free, and asks."""
    text: list[Line | str] = [
        line(
            ("Frees now  ", "muted"),
            (size(found.freed), "strong"),
            f" in {describe.plural(found.packs, 'pack')}",
        ),
        line(
            ("Later      ", "muted"),
            (size(found.condemned), "strong"),
            " that nothing needs: a prune after a day frees it",
        ),
    ]
    if found.waiting:
        text.append(
            line(
                (
                    f"{describe.plural(len(found.waiting), 'push')} under way: what it may need stays.",
                    "warn",
                )
            )
        )
    return ConfirmDialog(
        f"Prune {name}",
        text,
        "Prune it",
        backup="Every snapshot on the remote stays whole; what no snapshot needs cannot be brought back.",
        destructive=True,
    )


def remove_dialog(known: Known) -> ConfirmDialog:
    """Says what becomes of a remote that is removed, and asks."""
    status = known.status
    text: list[Line | str] = [
        line("This store forgets the remote ", (status.name, "strong"), "."),
        line("What lies at ", (status.url, "strong"), " stays as it is."),
    ]
    if known.seen:
        text.append(
            f"{describe.plural(known.seen, 'snapshot')}, as last seen: the Timeline no longer says that they are there."
        )
    return ConfirmDialog(
        "Remove a remote",
        text,
        "Remove it",
        backup="Nothing is deleted; it can be added again with its address and its keys.",
        destructive=True,
    )


def sheet_dialog(name: str, text: str) -> MessageDialog:
    """The recovery sheet of a remote."""
    return MessageDialog(
        f"Recovery sheet of {name}",
        [
            *block_lines(text),
            "",
            line(("To a file, for printing: ", "muted"), f"nuvtui remotes recovery {name} FILE"),
        ],
    )
