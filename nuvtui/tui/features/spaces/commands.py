"""Commands of the screens about spaces, instances and members."""

from nuvtui.tui.toolkit.command import Command, Scope

# fmt: off
COMMANDS: tuple[Scope | Command, ...] = (
    Scope("welcome", "Welcome", contains=("list",)),
    Scope("spaces", "Spaces and instances", contains=("list",)),
    Scope("members", "Members", contains=("list",)),
    Scope("space", "Overview of the space", contains=("list",)),
    Command("space.spaces", "s,o", "all spaces", "All spaces and instances",
        "Opens, makes and deletes spaces and instances.", "nuvtui spaces list"),
    Command("space.members", "m", "members", "Members",
        "Who may do what in this space.", "nuvtui members list -s {space}"),
    Command("space.reread", "f5", "", "Read again",
        "Reads the space again and adds up the store.", "nuvtui spaces show {space}", footer=False),
    Command("welcome.begin", "n", "new space", "Open this folder as a space",
        "Makes the current folder the workspace of a new space.", "nuvtui init"),
    Command("welcome.demo", "d", "demo", "Look at the demo",
        "Lays out a small study in a new folder, after asking, and opens it.", "nuvtui demo"),
    Command("welcome.clone", "c", "clone", "Clone from a remote",
        "Makes a space of this machine from a remote: all its snapshots, and in a new folder files, tables and "
        "applications.", "nuvtui clone URL PATH"),
    Command("spaces.new-space", "n", "new space", "New space",
        "Makes a folder the workspace of a new space.", "nuvtui init PATH --space NAME"),
    Command("spaces.new-instance", "plus", "new instance", "New instance",
        "Adds an instance to the space under the cursor.", "nuvtui instances create NAME --path DIR -s {space}",
        enabled=lambda node: node.space_id is not None),
    Command("spaces.members", "m", "members", "Members of the space",
        "Shows who may do what in the space under the cursor.", "nuvtui members list -s {space}",
        enabled=lambda node: node.space_id is not None),
    Command("spaces.delete", "d,delete", "delete", "Delete",
        "Deletes the instance (or the whole space) under the cursor from the store; folders stay on disk.",
        "nuvtui {group} delete {key} --yes", destructive=True, enabled=lambda node: node.space_id is not None),
    Command("members.add", "plus", "add", "Add a member",
        "Gives a user of this machine a role.", "nuvtui members set USER ROLE -s {space}"),
    Command("members.change", "e", "role", "Change the role",
        "Gives the member under the cursor another role.", "nuvtui members set {user} ROLE -s {space}",
        enabled=lambda node: node.member is not None),
    Command("members.remove", "d,delete", "remove", "Take the role away",
        "Takes away the role under the cursor.", "nuvtui members remove {user} -s {space}", destructive=True,
        enabled=lambda node: node.member is not None),
)
