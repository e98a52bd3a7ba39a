"""Commands of Contents, of its sections and of the history of a thing."""

from typing import Any

from nuvtui.tui.toolkit.command import Command, Scope

WHERE = "-s {space} -i {instance}"
THE_MARKED = "Adds the marked {} to the stage, or the one under the cursor."


def _current(node: Any) -> bool:
    """Only in the Current State: snapshots do not change."""
    return bool(node.is_current)


# fmt: off


def _through_differences(scope: str, short: str) -> tuple[Command, ...]:
    """The commands of a view that shows what differs in one thing."""
    return (
        Command(f"{scope}.next-change", "n", short, "Next change",
            "Goes to the next lines that differ.", enabled=lambda node: node.has_diff, palette=False),
        Command(f"{scope}.previous-change", "N", "", "Change before",
            "Goes to the lines before that differ.", footer=False, enabled=lambda node: node.has_diff,
            palette=False),
        Command(f"{scope}.beside", "b", "beside", "Side by side, or under each other",
            "Puts old and new beside each other where there is room, or one under the other.",
            enabled=lambda node: node.has_diff),
    )


COMMANDS: tuple[Scope | Command, ...] = (
    Scope("contents", "Contents",
        contains=("list", "tree", "table", "text", "scroll", "overview", "files", "tables", "rows", "applications",
            "changes")),
    Scope("overview", "Overview", contains=("scroll",)),
    Scope("files", "Files of a state", contains=("list", "tree", "table", "text", "scroll")),
    Scope("tables", "Tables of a state", contains=("list", "table", "scroll", "rows")),
    Scope("rows", "Rows", contains=("list", "table")),
    Scope("applications", "Applications of a state", contains=("list", "scroll")),
    Scope("changes", "Changes between two states", contains=("list", "scroll")),
    Scope("versions", "History of a file or table", contains=("list", "scroll")),
    Command("contents.next", "right_square_bracket", "next view", "Next view",
        "Overview, Files, Tables, Applications, Changes in turn."),
    Command("contents.previous", "left_square_bracket", "", "View before",
        "Overview, Files, Tables, Applications, Changes backwards.", footer=False),
    *(
        Command(f"contents.{verb}", key, "", f"Show {name}", text, f"nuvtui {command} {WHERE}",
            call=f"section({verb!r})", footer=False)
        for verb, key, name, text, command in (
            ("overview", "O", "Overview", "README and what the snapshot says of itself.", "snapshots show {snapshot}"),
            ("files", "F", "Files", "The files of the state, as a tree.", "snapshots files {snapshot}"),
            ("tables", "T", "Tables", "The tables of the state.", "tables list -p {snapshot}"),
            ("applications", "A", "Applications", "The applications of the state.", "apps list -p {snapshot}"),
            ("changes", "C", "Changes", "What differs from another state.", "snapshots diff {base} {snapshot}"),
        )
    ),
    Command("contents.alone", "Z", "", "Contents alone, or beside the others",
        "In a wide terminal: gives Contents the whole width, until pressed again or another place is gone to.",
        footer=False),
    Command("contents.state", "p", "state", "Show another state",
        "Chooses the state to look at: the Current State or a snapshot.", f"nuvtui snapshots list {WHERE}"),
    *(
        Command(f"{scope}.stage", "a", "stage", title,
            text, f"nuvtui stage add {option} -p {{snapshot}} {WHERE}", enabled=lambda node: bool(node.can_stage))
        for scope, title, option, text in (
            ("overview", "Stage the whole state", "--all", "Adds all of the state to the stage."),
            ("files", "Stage files", "--files {path}", THE_MARKED.format("files and folders")),
            ("tables", "Stage tables", "--tables {table}", THE_MARKED.format("tables")),
            ("applications", "Stage applications", "--apps {application}", THE_MARKED.format("applications")),
        )
    ),
    Command("overview.reread", "f5", "", "Read again", "Reads the state again.", footer=False),
    Command("files.raw", "r", "raw", "As text, or rendered",
        "Shows the file's own text, or its bytes, in place of the table, notebook or page; again: rendered.",
        f"nuvtui snapshots cat {{snapshot}} {{path}} {WHERE}", footer=False, enabled=lambda node: node.has_raw),
    Command("files.history", "H", "history", "History of the file",
        "Shows in which snapshots the file or folder is, and where it changed.",
        f"nuvtui snapshots history {{path}} {WHERE}", enabled=lambda node: node.path is not None),
    Command("files.reread", "f5", "", "Read again", "Reads the folders again.", footer=False),
    Command("tables.query", "s", "SQL", "SQL query",
        "Asks for one statement that reads, and shows its rows.",
        f"nuvtui tables query SQL -p {{snapshot}} {WHERE}"),
    Command("tables.columns", "c", "columns", "Columns",
        "Shows the columns of the table: type, missing and distinct values, how they are spread, the range.",
        f"nuvtui tables columns {{table}} --distribution -p {{snapshot}} {WHERE}",
        enabled=lambda node: node.table is not None),
    Command("tables.history", "H", "history", "History of the table",
        "Shows in which snapshots the table is, and where it changed.",
        f"nuvtui snapshots history --table {{table}} {WHERE}", enabled=lambda node: node.table is not None),
    Command("tables.import", "i", "import", "Import a file",
        "Reads a CSV, TSV, Parquet or JSON file into a table.", f"nuvtui tables import FILE -n NAME {WHERE}",
        call="import_file", enabled=_current),
    Command("tables.export", "x", "write", "Write to a file",
        "Writes the table to a CSV, TSV or Parquet file.",
        f"nuvtui tables export {{table}} FILE -p {{snapshot}} {WHERE}", footer=False,
        enabled=lambda node: node.table is not None),
    Command("tables.rename", "e", "", "Rename the table",
        "Gives the table another name.", f"nuvtui tables rename {{table}} NAME {WHERE}", footer=False,
        enabled=lambda node: node.is_current and node.table is not None),
    Command("tables.delete", "d,delete", "", "Delete the table",
        "Deletes the table from the Current State; snapshots keep theirs.",
        f"nuvtui tables delete {{table}} --yes {WHERE}", footer=False, destructive=True,
        enabled=lambda node: node.is_current and node.table is not None),
    Command("tables.reread", "f5", "", "Read again", "Reads the tables again.", footer=False),
    Command("applications.new", "plus", "new", "New application",
        "Writes an application file from a template, to be edited.",
        f"nuvtui apps new SLUG --template KIND {WHERE}", enabled=_current),
    Command("applications.edit", "e", "edit", "Edit",
        "Opens the application file in your editor ($VISUAL, $EDITOR).",
        enabled=lambda node: node.is_current and node.slug is not None),
    Command("applications.check", "c", "check", "Check",
        "Looks for what is wrong or worth knowing about the application.",
        f"nuvtui apps check {{application}} {WHERE}",
        enabled=lambda node: node.is_current and node.slug is not None),
    Command("applications.delete", "d,delete", "", "Delete the application",
        "Deletes the application's file from the Current State; snapshots keep theirs.",
        f"nuvtui apps delete {{application}} --yes {WHERE}", footer=False, destructive=True,
        enabled=lambda node: node.is_current and node.slug is not None),
    Command("applications.reread", "f5", "", "Read again", "Reads the files again.", footer=False),
    Command("changes.text", "", "", "Lines that differ",
        "What differs within the file that is open.",
        f"nuvtui snapshots diff {{base}} {{snapshot}} --text {{path}} {WHERE}", palette=False,
        enabled=lambda node: node.path is not None),
    Command("changes.base", "c", "with", "Compare with another state",
        "Chooses the state that this one is compared with.", "snapshots diff {base} {snapshot}"),
    *_through_differences("changes", "next"),
    Command("changes.reread", "f5", "again", "Compare again", "Compares again."),
    Command("versions.show", "", "", "History as a command",
        "The versions, on the command line.", f"nuvtui snapshots history {{thing}} {WHERE}", palette=False),
    *_through_differences("versions", "next change"),
)
