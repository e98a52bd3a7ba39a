"""Addresses of remotes: each says one thing, and none holds a secret."""

import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nuvtui.errors import Exit, NuvError
from nuvtui.remote.url import Address, parse

WORD = st.text(string.ascii_letters + string.digits + "-_", min_size=1, max_size=12)
PATH = st.lists(WORD, min_size=1, max_size=4).map("/".join)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("/mnt/archive", Address("folder", "/mnt/archive")),
        ("/mnt/archive/", Address("folder", "/mnt/archive")),
        ("/mnt/a b:c", Address("folder", "/mnt/a b:c")),
        ("file:///mnt/a%20b", Address("folder", "/mnt/a b")),
        ("s3://lab-archive/penguins", Address("s3", "penguins", "lab-archive")),
        ("s3://lab-archive", Address("s3", "", "lab-archive")),
        ("s3://lab-archive/a/b/", Address("s3", "a/b", "lab-archive")),
        ("gs://lab-archive/x", Address("gs", "x", "lab-archive")),
        ("az://container/x", Address("az", "x", "container")),
        ("ssh://ada@server:2222/srv/store", Address("ssh", "/srv/store", "server", "ada", 2222)),
        ("ssh://server/~/store", Address("ssh", "store", "server")),
        ("ada@server:store", Address("ssh", "store", "server", "ada")),
        ("server:/srv/store", Address("ssh", "/srv/store", "server")),
        ("ssh://[::1]/srv", Address("ssh", "/srv", "::1")),
    ],
)
def test_what_an_address_says(url: str, address: Address) -> None:
    assert parse(url) == address
    assert parse(address.url) == address


@pytest.mark.parametrize(
    "url",
    [
        "",
        "archive",
        "./archive",
        "~/archive",
        "http://host/x",
        "s3:///x",
        "s3://a/../b",
        "s3://a//b",
        "s3://bucket/x?versionId=1",
        "s3://bucket/%00",
        "file://server/x",
        "ssh://server",
        "ssh://-oProxyCommand=x/y",
        "-oProxyCommand=x:y",
        "ssh://a@-b/y",
        "ssh://-a@b/y",
        "ssh://server:99999/x",
        "/mnt/\x1b[31m",
        "s3://bucket/\n",
    ],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(NuvError) as caught:
        parse(url)
    assert caught.value.exit_code == Exit.USAGE
    assert caught.value.hint
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["s3", "gs", "az", "ssh", "file"])
@pytest.mark.parametrize("rest", ["user:planted-secret@host/x", ":planted-secret@host/x"])
def test_a_password_is_refused_and_not_repeated(scheme: str, rest: str) -> None:
    with pytest.raises(NuvError, match="holds credentials") as caught:
        parse(f"{scheme}://{rest}")
    assert "planted-secret" not in f"{caught.value} {caught.value.hint}"


def test_a_key_as_user_is_refused_and_not_repeated() -> None:
    with pytest.raises(NuvError, match="holds credentials") as caught:
        parse("s3://planted-secret@bucket/x")
    assert "planted-secret" not in f"{caught.value} {caught.value.hint}"


@given(
    st.one_of(
        st.builds(lambda path: Address("folder", f"/{path}"), PATH),
        st.builds(
            lambda kind, path, host: Address(kind, path, f"b{host}"),
            st.sampled_from(["s3", "gs", "az"]),
            PATH,
            WORD,
        ),
        st.builds(
            lambda path, whole, host, user, port: Address(
                "ssh",
                f"/{path}" if whole else path,
                f"h{host}".replace("_", "-"),
                user and f"u{user}",
                port,
            ),
            PATH,
            st.booleans(),
            WORD,
            st.one_of(st.just(""), WORD),
            st.integers(0, 65535),
        ),
    )
)
def test_every_address_comes_back_from_its_url(address: Address) -> None:
    assert parse(address.url) == address


@given(st.text())
@example("A:0")
@example("Lab.Example:studies")
def test_any_text_is_an_address_or_refused(text: str) -> None:
    try:
        address = parse(text)
    except NuvError as error:
        found = error
    else:
        assert parse(address.url) == address
        assert not address.host.startswith("-")
        assert not address.user.startswith("-")
        return
    assert found.exit_code == Exit.USAGE
