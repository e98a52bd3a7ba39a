"""Which files are texts, by their names and first bytes, and up to which size detectors read them."""

TEXT_LIMIT, CODE_LIMIT = 1 << 18, 4 << 20
"""Bytes of a text, and of one that is named like code or settings, up to which the detectors read it."""
_CODE = frozenset(
    "yaml yml ini cfg conf config cnf properties toml env envrc tfvars sh bash zsh fish bat ps1 service"  # noqa: SIM905
    " py pyi r rmd qmd rnw jl m do ado js mjs cjs ts jsx tsx json jsonl xml html htm ipynb java scala c cc cpp h hpp"
    " rs go rb pl php lua sql md rst txt tex log dockerfile mk cmake gradle lock svg ps".split()
)


def suffix(name: str) -> str:
    """The ending of a file's name in lower case; for one without a dot the name itself."""
    return name.rpartition("/")[2].rpartition(".")[2].lower()


def text_limit(name: str) -> int:
    """Bytes up to which a text of this name is read by the detectors."""
    return CODE_LIMIT if suffix(name) in _CODE else TEXT_LIMIT


def is_text(data: bytes) -> bool:
    """True where the detectors can read `data`: no NUL in it, or UTF-16 that says so."""
    return data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" not in data


def as_utf8(data: bytes) -> bytes:
    """`data`, in UTF-8 where it says that it is UTF-16."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace").encode("utf-8", "replace")
    return data
