"""The program's registry of commands: keys, footer, palette, help and "as command" come from here.

The commands of the widgets are in it from the beginning.
"""

from textual.binding import BindingType

from nuvtui.tui.toolkit.command import Command, Registry, Scope

REGISTRY = Registry()
"""The program's registry. Modules of screens add to it when they are imported."""


def bindings(scope: str) -> list[BindingType]:
    """What a widget class of `scope` puts into BINDINGS."""
    return REGISTRY.bindings(scope)


def register(*items: Scope | Command) -> None:
    """Add to the program's registry (see `Registry.register`)."""
    REGISTRY.register(*items)


# fmt: off
register(
    Scope("list", "Lists"),
    Scope("tree", "Folders", contains=("list",)),
    Scope("table", "Rows of a table", contains=("list",)),
    Scope("scroll", "Text"),
    Scope("text", "Logs and files", contains=("scroll",)),
    Scope("dialog", "Dialog", modal=True),
    Command("list.down", "j,down", "", "Down", "One line down.", footer=False, palette=False),
    Command("list.up", "k,up", "", "Up", "One line up.", footer=False, palette=False),
    Command("list.first", "g,home", "", "First", "To the first line.", footer=False, palette=False),
    Command("list.last", "G,end", "", "Last", "To the last line.", footer=False, palette=False),
    Command("list.page-down", "pagedown,ctrl+f", "", "Page down", "A page down.", footer=False, palette=False),
    Command("list.page-up", "pageup,ctrl+b", "", "Page up", "A page up.", footer=False, palette=False),
    Command("list.open", "enter", "open", "Open",
        "Opens the line under the cursor.", palette=False, enabled=lambda node: bool(node.openable and node.count)),
    Command("list.mark", "space", "mark", "Mark",
        "Marks or unmarks the line under the cursor and goes on.", late=True,
        enabled=lambda node: bool(node.markable and node.count)),
    Command("list.range", "v", "", "Mark a range",
        "Begins a range at the cursor; move, then Space marks all of it, Esc gives up.", footer=False,
        enabled=lambda node: bool(node.markable and node.count)),
    Command("list.mark-all", "asterisk", "", "Mark all, or none",
        "Marks every line of the list as it is filtered; again: none.", footer=False,
        enabled=lambda node: bool(node.markable and node.count)),
    Command("list.filter", "/", "filter", "Filter",
        "Shows only the lines that hold all words typed. Esc shows all again.", late=True,
        enabled=lambda node: node.filterable),
    Command("tree.expand", "l,right", "", "Open the folder", "Opens the folder.", footer=False, palette=False),
    Command("tree.collapse", "h,left", "", "Close the folder",
        "Closes the folder, or goes to the one that holds this.", footer=False, palette=False),
    Command("table.right", "l,right", "", "Columns to the right",
        "Shows the columns further right.", footer=False, palette=False),
    Command("table.left", "h,left", "", "Columns to the left",
        "Shows the columns further left.", footer=False, palette=False),
    Command("scroll.down", "j,down", "", "Down", "One line down.", footer=False, palette=False),
    Command("scroll.up", "k,up", "", "Up", "One line up; a log stops following.", footer=False, palette=False),
    Command("scroll.page-down", "pagedown,ctrl+f", "", "Page down", "A page down.", footer=False, palette=False),
    Command("scroll.page-up", "pageup,ctrl+b", "", "Page up", "A page up.", footer=False, palette=False),
    Command("scroll.first", "g,home", "", "First line", "To the first line.", footer=False, palette=False),
    Command("scroll.last", "G,end", "", "Last line",
        "To the last line; a growing log is followed again.", footer=False, palette=False),
    Command("text.left", "h,left", "", "To the left", "Shows what is further left.", footer=False, palette=False),
    Command("text.right", "l,right", "", "To the right",
        "Shows what is further right.", footer=False, palette=False),
    Command("text.search", "/", "search", "Search",
        "Searches; words between slashes (/a.*b/) are a regular expression."),
    Command("text.next-match", "n", "", "Next match",
        "To the next match.", footer=False, enabled=lambda node: node.searching),
    Command("text.previous-match", "N", "", "Match before",
        "To the match before.", footer=False, enabled=lambda node: node.searching),
    Command("text.only-matches", "&", "only matches", "Only matching lines",
        "Shows only the lines that match the search; again: all.", enabled=lambda node: node.searching),
    Command("text.follow", "f", "follow", "Follow",
        "Follows the end of a growing log, or stops following.", enabled=lambda node: node.growing),
    Command("text.wrap", "w", "wrap", "Wrap", "Wraps long lines, or cuts them."),
    Command("text.times", "t", "times", "Timestamps",
        "Shows when each line was written.", enabled=lambda node: node.timed),
    Command("dialog.cancel", "escape", "cancel", "Cancel", "Leaves all as it is.", palette=False),
    Command("dialog.help", "f1,?", "help", "Help",
        "What this is and its keys; in a field `?` is a character.", palette=False),
    Command("dialog.scroll-down", "down", "", "Down", "Scrolls the text.", footer=False, palette=False),
    Command("dialog.scroll-up", "up", "", "Up", "Scrolls the text.", footer=False, palette=False),
    Command("dialog.page-down", "pagedown", "", "Page down",
        "Scrolls the text by a page.", footer=False, palette=False),
    Command("dialog.page-up", "pageup", "", "Page up", "Scrolls the text by a page.", footer=False, palette=False),
    Scope("form", "Form", contains=("list",)),
    Command("form.next-value", "right,l", "change", "Next value",
        "Changes the field under the cursor to its next value.", palette=False,
        enabled=lambda node: node.changeable),
    Command("form.previous-value", "left,h", "", "Value before",
        "Changes the field under the cursor to the value before.", footer=False, palette=False,
        enabled=lambda node: node.changeable),
)
