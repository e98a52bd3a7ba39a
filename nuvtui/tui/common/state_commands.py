"""Commands of the Timeline, of Contents and its sections, and of the screens about spaces and members."""

from typing import Any

from nuvtui.tui.toolkit.commands import Command, Scope, register

WHERE = "-s {space} -i {instance}"


def _current(node: Any) -> bool:
    """Only in the Current State: snapshots do not change."""
    return bool(node.is_current)


def _on_snapshot(node: Any) -> bool | None:
    """Only with the cursor on a snapshot; dimmed where the role does not allow it."""
    return (node.record is not None) and (True if node.may_modify else None)


def _may_modify(node: Any) -> bool | None:
    """Dimmed where the role does not allow to change the Current State and its snapshots."""
    return True if node.may_modify else None


def _through_differences(scope: str, short: str) -> tuple[Command, ...]:
    """The commands of a view that shows what differs in one thing."""
    return (
        Command(
            id=f"{scope}.next-change",
            title="Next change",
            keys="n",
            short=short,
            enabled=lambda node: node.has_diff,
            palette=False,
            help="Goes to the next lines that differ.",
        ),
        Command(
            id=f"{scope}.previous-change",
            title="Change before",
            keys="N",
            footer=False,
            enabled=lambda node: node.has_diff,
            palette=False,
            help="Goes to the lines before that differ.",
        ),
        Command(
            id=f"{scope}.beside",
            title="Side by side, or under each other",
            keys="b",
            short="beside",
            enabled=lambda node: node.has_diff,
            help="Puts old and new beside each other where there is room, or one under the other.",
        ),
    )


register(
    Scope("timeline", "Timeline", contains=("list", "scroll")),
    Scope(
        "contents",
        "Contents",
        contains=(
            "list",
            "tree",
            "table",
            "text",
            "scroll",
            "overview",
            "files",
            "tables",
            "rows",
            "applications",
            "changes",
        ),
    ),
    Scope("overview", "Overview", contains=("scroll",)),
    Scope("files", "Files of a state", contains=("list", "tree", "table", "text", "scroll")),
    Scope("tables", "Tables of a state", contains=("list", "table", "scroll", "rows")),
    Scope("rows", "Rows", contains=("list", "table")),
    Scope("applications", "Applications of a state", contains=("list", "scroll")),
    Scope("changes", "Changes between two states", contains=("list", "scroll")),
    Scope("versions", "History of a file or table", contains=("list", "scroll")),
    Scope("welcome", "Welcome", contains=("list",)),
    Scope("spaces", "Spaces and instances", contains=("list",)),
    Scope("members", "Members", contains=("list",)),
    Scope("program-log", "Log of the program", contains=("text",)),
    Scope("space", "Overview of the space", contains=("list",)),
)

register(
    Command(
        id="space.spaces",
        title="All spaces and instances",
        keys="s,o",
        short="all spaces",
        help="Opens, makes and deletes spaces and instances.",
        as_command="nuvtui spaces list",
    ),
    Command(
        id="space.members",
        title="Members",
        keys="m",
        short="members",
        help="Who may do what in this space.",
        as_command="nuvtui members list -s {space}",
    ),
    Command(
        id="space.reread",
        title="Read again",
        keys="f5",
        footer=False,
        help="Reads the space again and adds up the store.",
        as_command="nuvtui spaces show {space}",
    ),
)

register(
    Scope("workbench", "Places", contains=("timeline", "contents", "stage", "exports", "tasks")),
    Command(
        id="workbench.overview",
        title="Overview of the space",
        keys="o",
        short="overview",
        footer=False,
        help="Instances, newest snapshots, what finished, messages, exports, storage; s in it: all spaces.",
        as_command="nuvtui spaces show {space}",
    ),
    Command(
        id="workbench.spaces",
        title="Open another space or instance",
        keys="ctrl+o",
        short="spaces",
        footer=False,
        help="Shows all spaces and their instances; opens, creates and deletes them.",
        as_command="nuvtui spaces list",
    ),
    Command(
        id="workbench.undo",
        title="Undo the last restore or distribution",
        keys="u",
        short="undo",
        footer=False,
        help="Right after a restore or a distribution: restores the automatic snapshot that was taken first.",
        as_command="nuvtui snapshots restore {backup}",
        destructive=True,
    ),
    Command(
        id="workbench.messages",
        title="Messages",
        keys="",
        footer=False,
        help="Shows the messages of distributions that you have not read.",
    ),
    Command(
        id="workbench.members",
        title="Members",
        keys="",
        footer=False,
        help="Shows who may do what in this space; administrators change it.",
        as_command="nuvtui members list",
    ),
)

register(
    Command(
        id="timeline.quick",
        title="Quick snapshot",
        keys="s",
        short="snapshot",
        enabled=_may_modify,
        help="Takes a snapshot of files, tables and applications at once, without questions.",
        as_command=f"nuvtui snapshots create {WHERE}",
    ),
    Command(
        id="timeline.snapshot",
        title="Snapshot with a name",
        keys="S",
        short="named",
        enabled=_may_modify,
        help="Takes a snapshot with a name, a description and the next phase of work.",
        as_command=f"nuvtui snapshots create -n NAME -d TEXT --next TEXT {WHERE}",
    ),
    Command(
        id="timeline.restore",
        title="Restore",
        keys="r",
        short="restore",
        destructive=True,
        enabled=_on_snapshot,
        help="Replaces a Current State (of this instance or another one) by the snapshot under the cursor; "
        "an automatic snapshot is taken first.",
        as_command=f"nuvtui snapshots restore {{snapshot}} {WHERE}",
    ),
    Command(
        id="timeline.compare",
        title="Compare",
        keys="c",
        short="compare",
        enabled=lambda node: node.ref is not None or bool(node.states.marked),
        help="Compares the two marked states, the marked one with the one under the cursor, or that with one that "
        "you choose; always from the older to the newer.",
        as_command=f"nuvtui snapshots diff {{old}} {{new}} {WHERE}",
    ),
    Command(
        id="timeline.stage",
        title="Stage the whole state",
        keys="a",
        short="stage",
        enabled=lambda node: node.ref is not None,
        help="Adds all files, tables and applications of the state under the cursor to the stage.",
        as_command=f"nuvtui stage add --all -p {{state}} {WHERE}",
    ),
    Command(
        id="timeline.rename",
        title="Rename",
        keys="e",
        short="rename",
        enabled=_on_snapshot,
        footer=False,
        help="Gives the snapshot under the cursor another name.",
        as_command=f"nuvtui snapshots rename {{snapshot}} NAME {WHERE}",
    ),
    Command(
        id="timeline.delete",
        title="Delete",
        keys="d,delete",
        short="delete",
        destructive=True,
        enabled=lambda node: bool(node.chosen) and (True if node.may_modify else None),
        footer=False,
        help="Deletes the marked snapshots, or the one under the cursor (of a closed group: all), after listing them "
        "and telling what comes free.",
        as_command=f"nuvtui snapshots delete {{snapshots}} --yes {WHERE}",
    ),
    Command(
        id="timeline.fold",
        title="Open or close automatic snapshots",
        keys="z",
        short="fold",
        footer=False,
        enabled=lambda node: node.group is not None,
        help="Automatic snapshots that follow each other are one line: shows them, or hides them again.",
    ),
    Command(
        id="timeline.fold-all",
        title="Open or close all automatic snapshots",
        keys="Z",
        short="fold all",
        footer=False,
        enabled=lambda node: node.lines is not None and bool(node.lines.groups),
        help="Shows all automatic snapshots, or hides those that follow each other.",
    ),
    Command(
        id="timeline.detail-down",
        title="Scroll the details down",
        keys="ctrl+d,shift+down",
        footer=False,
        palette=False,
        help="Scrolls what is beneath the list by half of it.",
    ),
    Command(
        id="timeline.detail-up",
        title="Scroll the details up",
        keys="ctrl+u,shift+up",
        footer=False,
        palette=False,
        help="Scrolls what is beneath the list by half of it.",
    ),
    Command(
        id="timeline.filter",
        title="Filter snapshots",
        footer=False,
        help="/ takes words, all of which must be found, and terms: name:paper author:ada kind:restored before:2026-03 "
        "after:7d on:yesterday. Quotes hold words together.",
        as_command=f"nuvtui snapshots list --filter {{filter}} {WHERE}",
    ),
    Command(
        id="timeline.look",
        title="Look again what changed",
        keys="f5",
        footer=False,
        help="Compares the Current State with the newest snapshot again.",
        as_command=f"nuvtui status {WHERE}",
    ),
)

register(
    Command(
        id="contents.next",
        title="Next view",
        keys="right_square_bracket",
        short="next view",
        help="Overview, Files, Tables, Applications, Changes in turn.",
    ),
    Command(
        id="contents.previous",
        title="View before",
        keys="left_square_bracket",
        footer=False,
        help="Overview, Files, Tables, Applications, Changes backwards.",
    ),
    *(
        Command(
            id=f"contents.{verb}",
            title=f"Show {name}",
            keys=key,
            call=f"section({verb!r})",
            footer=False,
            help=text,
            as_command=command,
        )
        for verb, key, name, text, command in (
            (
                "overview",
                "O",
                "Overview",
                "README and what the snapshot says of itself.",
                f"nuvtui snapshots show {{snapshot}} {WHERE}",
            ),
            (
                "files",
                "F",
                "Files",
                "The files of the state, as a tree.",
                f"nuvtui snapshots files {{snapshot}} {WHERE}",
            ),
            (
                "tables",
                "T",
                "Tables",
                "The tables of the state.",
                f"nuvtui tables list -p {{snapshot}} {WHERE}",
            ),
            (
                "applications",
                "A",
                "Applications",
                "The applications of the state.",
                f"nuvtui apps list -p {{snapshot}} {WHERE}",
            ),
            (
                "changes",
                "C",
                "Changes",
                "What differs from another state.",
                f"nuvtui snapshots diff {{base}} {{snapshot}} {WHERE}",
            ),
        )
    ),
    Command(
        id="contents.alone",
        title="Contents alone, or beside the others",
        keys="Z",
        footer=False,
        help="In a wide terminal: gives Contents the whole width, until pressed again or another place is gone to.",
    ),
    Command(
        id="contents.state",
        title="Show another state",
        keys="p",
        short="state",
        help="Chooses the state to look at: the Current State or a snapshot.",
        as_command=f"nuvtui snapshots list {WHERE}",
    ),
)

register(
    *(
        Command(
            id=f"{scope}.stage",
            title=title,
            keys="a",
            short="stage",
            help=text,
            as_command=f"nuvtui stage add {option} -p {{snapshot}} {WHERE}",
            enabled=lambda node: bool(node.can_stage),
        )
        for scope, title, option, text in (
            ("overview", "Stage the whole state", "--all", "Adds all of the state to the stage."),
            (
                "files",
                "Stage files",
                "--files {path}",
                "Adds the marked files and folders to the stage, or the one under the cursor.",
            ),
            (
                "tables",
                "Stage tables",
                "--tables {table}",
                "Adds the marked tables to the stage, or the one under the cursor.",
            ),
            (
                "applications",
                "Stage applications",
                "--apps {application}",
                "Adds the marked applications to the stage, or the one under the cursor.",
            ),
        )
    ),
    Command(id="overview.reread", title="Read again", keys="f5", footer=False, help="Reads the state again."),
    Command(
        id="files.raw",
        title="As text, or rendered",
        keys="r",
        short="raw",
        footer=False,
        enabled=lambda node: node.has_raw,
        help="Shows the file's own text, or its bytes, in place of the table, notebook or page; again: rendered.",
        as_command=f"nuvtui snapshots cat {{snapshot}} {{path}} {WHERE}",
    ),
    Command(
        id="files.history",
        title="History of the file",
        keys="H",
        short="history",
        enabled=lambda node: node.path is not None,
        help="Shows in which snapshots the file or folder is, and where it changed.",
        as_command=f"nuvtui snapshots history {{path}} {WHERE}",
    ),
    Command(id="files.reread", title="Read again", keys="f5", footer=False, help="Reads the folders again."),
    Command(
        id="tables.query",
        title="SQL query",
        keys="s",
        short="SQL",
        help="Asks for one statement that reads, and shows its rows.",
        as_command=f"nuvtui tables query SQL -p {{snapshot}} {WHERE}",
    ),
    Command(
        id="tables.columns",
        title="Columns",
        keys="c",
        short="columns",
        enabled=lambda node: node.table is not None,
        help="Shows the columns of the table: type, missing and distinct values, how they are spread, the range.",
        as_command=f"nuvtui tables columns {{table}} --distribution -p {{snapshot}} {WHERE}",
    ),
    Command(
        id="tables.history",
        title="History of the table",
        keys="H",
        short="history",
        enabled=lambda node: node.table is not None,
        help="Shows in which snapshots the table is, and where it changed.",
        as_command=f"nuvtui snapshots history --table {{table}} {WHERE}",
    ),
    Command(
        id="tables.import",
        title="Import a file",
        keys="i",
        short="import",
        call="import_file",
        enabled=_current,
        help="Reads a CSV, TSV, Parquet or JSON file into a table.",
        as_command=f"nuvtui tables import FILE -n NAME {WHERE}",
    ),
    Command(
        id="tables.export",
        title="Write to a file",
        keys="x",
        short="write",
        footer=False,
        enabled=lambda node: node.table is not None,
        help="Writes the table to a CSV, TSV or Parquet file.",
        as_command=f"nuvtui tables export {{table}} FILE -p {{snapshot}} {WHERE}",
    ),
    Command(
        id="tables.rename",
        title="Rename the table",
        keys="e",
        footer=False,
        enabled=lambda node: node.is_current and node.table is not None,
        help="Gives the table another name.",
        as_command=f"nuvtui tables rename {{table}} NAME {WHERE}",
    ),
    Command(
        id="tables.delete",
        title="Delete the table",
        keys="d,delete",
        footer=False,
        destructive=True,
        enabled=lambda node: node.is_current and node.table is not None,
        help="Deletes the table from the Current State; snapshots keep theirs.",
        as_command=f"nuvtui tables delete {{table}} --yes {WHERE}",
    ),
    Command(id="tables.reread", title="Read again", keys="f5", footer=False, help="Reads the tables again."),
    Command(
        id="applications.new",
        title="New application",
        keys="plus",
        short="new",
        enabled=_current,
        help="Writes an application file from a template, to be edited.",
        as_command=f"nuvtui apps new SLUG --template KIND {WHERE}",
    ),
    Command(
        id="applications.edit",
        title="Edit",
        keys="e",
        short="edit",
        enabled=lambda node: node.is_current and node.slug is not None,
        help="Opens the application file in your editor ($VISUAL, $EDITOR).",
    ),
    Command(
        id="applications.check",
        title="Check",
        keys="c",
        short="check",
        enabled=lambda node: node.is_current and node.slug is not None,
        help="Looks for what is wrong or worth knowing about the application.",
        as_command=f"nuvtui apps check {{application}} {WHERE}",
    ),
    Command(
        id="applications.delete",
        title="Delete the application",
        keys="d,delete",
        footer=False,
        destructive=True,
        enabled=lambda node: node.is_current and node.slug is not None,
        help="Deletes the application's file from the Current State; snapshots keep theirs.",
        as_command=f"nuvtui apps delete {{application}} --yes {WHERE}",
    ),
    Command(
        id="applications.reread", title="Read again", keys="f5", footer=False, help="Reads the files again."
    ),
    Command(
        id="changes.text",
        title="Lines that differ",
        palette=False,
        help="What differs within the file that is open.",
        as_command=f"nuvtui snapshots diff {{base}} {{snapshot}} --text {{path}} {WHERE}",
        enabled=lambda node: node.path is not None,
    ),
    Command(
        id="changes.base",
        title="Compare with another state",
        keys="c",
        short="with",
        help="Chooses the state that this one is compared with.",
        as_command=f"nuvtui snapshots diff {{base}} {{snapshot}} {WHERE}",
    ),
    *_through_differences("changes", "next"),
    Command(id="changes.reread", title="Compare again", keys="f5", short="again", help="Compares again."),
)

register(
    Command(
        id="versions.show",
        title="History as a command",
        palette=False,
        help="The versions, on the command line.",
        as_command=f"nuvtui snapshots history {{thing}} {WHERE}",
    ),
    *_through_differences("versions", "next change"),
)

register(
    Command(
        id="welcome.begin",
        title="Open this folder as a space",
        keys="n",
        short="new space",
        help="Makes the current folder the workspace of a new space.",
        as_command="nuvtui init",
    ),
    Command(
        id="welcome.demo",
        title="Look at the demo",
        keys="d",
        short="demo",
        help="Lays out a small study in a new folder, after asking, and opens it.",
        as_command="nuvtui demo",
    ),
    Command(
        id="spaces.new-space",
        title="New space",
        keys="n",
        short="new space",
        help="Makes a folder the workspace of a new space.",
        as_command="nuvtui init PATH --space NAME",
    ),
    Command(
        id="spaces.new-instance",
        title="New instance",
        keys="plus",
        short="new instance",
        enabled=lambda node: node.space_id is not None,
        help="Adds an instance to the space under the cursor.",
        as_command="nuvtui instances create NAME --path DIR -s {space}",
    ),
    Command(
        id="spaces.members",
        title="Members of the space",
        keys="m",
        short="members",
        enabled=lambda node: node.space_id is not None,
        help="Shows who may do what in the space under the cursor.",
        as_command="nuvtui members list -s {space}",
    ),
    Command(
        id="spaces.delete",
        title="Delete",
        keys="d,delete",
        short="delete",
        destructive=True,
        enabled=lambda node: node.space_id is not None,
        help="Deletes the instance (or the whole space) under the cursor from the store; folders stay on disk.",
        as_command="nuvtui {group} delete {key} --yes",
    ),
    Command(
        id="members.add",
        title="Add a member",
        keys="plus",
        short="add",
        help="Gives a user of this machine a role.",
        as_command="nuvtui members set USER ROLE -s {space}",
    ),
    Command(
        id="members.change",
        title="Change the role",
        keys="e",
        short="role",
        enabled=lambda node: node.member is not None,
        help="Gives the member under the cursor another role.",
        as_command="nuvtui members set {user} ROLE -s {space}",
    ),
    Command(
        id="members.remove",
        title="Take the role away",
        keys="d,delete",
        short="remove",
        destructive=True,
        enabled=lambda node: node.member is not None,
        help="Takes away the role under the cursor.",
        as_command="nuvtui members remove {user} -s {space}",
    ),
)
