"""What an address can make `ssh` and the shell on the other side do: nothing but serve the path that it names."""

import shlex
import subprocess
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from nuvtui.errors import NuvError
from nuvtui.model.remote import RemoteSettings
from nuvtui.remote.ssh import command
from nuvtui.remote.url import parse

NASTY = st.text(st.sampled_from("ab-$`;&|<>(){}*?~'\"\\ @:/.é\t"), max_size=30)


@given(st.sampled_from(["ssh://", "ssh://host/", "host:", "user@host:", ""]), NASTY)
@example("", "-oProxyCommand=x:/path")
@example("", "-oProxyCommand=x@host:/path")
@example("ssh://", "-oProxyCommand=x/path")
@example("host:", "-rf;$(reboot)")
def test_no_address_is_an_option_or_a_command(start: str, rest: str) -> None:
    try:
        address = parse(start + rest)
    except NuvError:
        return
    if address.kind != "ssh":
        return
    line = command(address, RemoteSettings(), create=True)
    assert line[-3] == "--"
    assert not line[-2].startswith("-")
    assert not address.user.startswith("-")
    path = address.path if address.path.startswith("/") else f"./{address.path}"
    assert shlex.split(line[-1]) == ["nuvtui", "store", "serve", "--create", path]


def test_a_shell_gets_the_path_as_it_is(tmp_path: Path) -> None:
    program = tmp_path / "nuvtui"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    program.chmod(0o755)
    for path in ("/a b/$HOME;touch x", "-x", "it's `id`", "*"):
        there = command(parse(f"host:{path}"), RemoteSettings(command=str(program)), create=False)[-1]
        done = subprocess.run(["sh", "-c", there], cwd=tmp_path, capture_output=True, text=True, check=True)
        expected = path if path.startswith("/") else f"./{path}"
        assert done.stdout.splitlines() == ["store", "serve", expected]
    assert [each.name for each in tmp_path.iterdir()] == ["nuvtui"]
