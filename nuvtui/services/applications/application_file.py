"""The application file: YAML to `Application` and back, strictly.

Every refusal names file, line and key, what was expected and what was found. The text is not trusted: its size
and depth are limited, and anchors and aliases (a few lines of which can stand for gigabytes) are refused, as are
keys that appear twice, where YAML would silently take the last one.
"""

import difflib
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

from nuvtui.errors import Exit, NuvError
from nuvtui.model.application import HOST_IMAGE, Application, ApplicationKind, License, Packages
from nuvtui.model.export import Finding
from nuvtui.model.names import path_to_text
from nuvtui.paths import Workspace

if TYPE_CHECKING:
    from yaml._yaml import Mark as CMark
    from yaml.error import Mark as PythonMark
    from yaml.nodes import MappingNode, Node

    Mark = CMark | PythonMark

MAX_BYTES = 256 << 10
MAX_DEPTH = 8

_T = TypeVar("_T")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_IMAGE = re.compile(
    r"(?:(?=[^/]*[.:]|localhost/)[A-Za-z0-9.\-]+(?::\d{1,5})?/|\[[0-9a-fA-F:]+\](?::\d{1,5})?/)?"
    r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.\-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)
_APT = re.compile(r"[a-z0-9][a-z0-9+.\-]*(?::[a-z0-9\-]+)?(?:=[A-Za-z0-9.+:~\-]+)?")
_PIP = re.compile(r"[A-Za-z0-9](?:[^\n\r\x00]*[^\s\x00])?")
_CONDA = re.compile(r"(?:[A-Za-z0-9_.\-/]+::)?[A-Za-z0-9_][A-Za-z0-9_.\-]*(?: ?[=<>!~][^\s;'\"`$]*)*")
_CRAN = re.compile(r"[A-Za-z][A-Za-z0-9.]*(?:(?:==|@)[0-9][0-9.\-]*)?")
_OPTION = re.compile(r"\s-")
_PACKAGES = {
    "apt": (_APT, "the name of a Debian package, as `libgsl-dev` or `curl=8.5.0-2`"),
    "pip": (_PIP, "a pip requirement, as `pandas==2.2.3`, without options"),
    "conda": (_CONDA, "a conda package, as `numpy=2.1` or `conda-forge::r-base`"),
    "cran": (_CRAN, "the name of an R package, as `dplyr` or `dplyr@1.1.4`"),
}
_SCRIPT = re.compile(r"[^\s$*?]+\.(?:py|R|r|Rmd|qmd|sh|do|m|ipynb|jl)")
_SECRET = re.compile(
    r"(?:^|_)(?:TOKEN|SECRET|PASSWORD|PASSWD|APIKEY|API_KEY|ACCESS_KEY|PRIVATE_KEY|CREDENTIALS)(?:$|_)"
)
_KEYS = {
    "": tuple(Application.__struct_fields__),
    "packages": tuple(Packages.__struct_fields__),
    "license": tuple(License.__struct_fields__),
}
_HEAD = """\
# An application of this workspace: what it runs in, what it needs, how it starts.
# Made to be edited and committed. Check it with `nuvtui apps check SLUG`.
"""


def parse(text: str, source: str) -> Application:
    """The application that `text`, the content of file `source`, describes.

    Raises NuvError (exit code 2) naming file, line, key, what was expected and what was found.
    """
    return _Reader(source).application(text)


class _Reader:
    """Walks the YAML nodes, which know their lines."""

    def __init__(self, source: str) -> None:
        self.source = source

    def fail(self, node: "Node | None", key: str, expected: str, found: str, hint: str = "") -> NoReturn:
        line = f", line {node.start_mark.line + 1}" if node is not None else ""
        what = f": {key}" if key else ""
        raise NuvError(f"{self.source}{line}{what}", f"expected {expected}; found {found}", hint, Exit.USAGE)

    def application(self, text: str) -> Application:
        fields = self.mapping(self.document(text), "")
        if "name" not in fields:
            self.fail(None, "name", "a name for the application", "no such key")
        values = {key: getattr(self, f"key_{key}")(node, key) for key, (_key, node) in fields.items()}
        application = Application(**values)
        for name in application.secrets:
            if name in application.variables:
                node = fields["secrets"][1]
                self.fail(
                    node,
                    "secrets",
                    "names that are not among the variables",
                    f"{name!r} in both",
                    "A secret has no value here: it is handed in when the image runs.",
                )
        return application

    def document(self, text: str) -> "Node":
        import yaml

        size = len(text.encode("utf-8", "surrogatepass"))
        if size > MAX_BYTES:
            self.fail(None, "", f"at most {MAX_BYTES} bytes", f"{size}")
        try:
            depth = 0
            documents = 0
            for event in yaml.parse(text, Loader=yaml.SafeLoader):
                if isinstance(event, yaml.events.DocumentStartEvent):
                    documents += 1
                if isinstance(event, yaml.events.AliasEvent) or getattr(event, "anchor", None):
                    self.fail_at(event.start_mark, "plain values", "an anchor or alias (`&`, `*`)")
                if isinstance(event, yaml.events.CollectionStartEvent):
                    depth += 1
                elif isinstance(event, yaml.events.CollectionEndEvent):
                    depth -= 1
                if depth > MAX_DEPTH:
                    self.fail_at(event.start_mark, f"at most {MAX_DEPTH} levels", "more")
                if documents > 1:
                    self.fail_at(event.start_mark, "one application a file", "a second one (`---`)")
            node = yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            problem = error.problem or error.context or "not YAML"
            self.fail_at(mark, "YAML", problem)
        except yaml.YAMLError as error:
            self.fail(None, "", "YAML", str(error).splitlines()[0])
        except RecursionError:
            self.fail(None, "", f"at most {MAX_DEPTH} levels", "more")
        if node is None:
            self.fail(None, "", "a mapping with at least the key `name`", "nothing")
        return node

    def fail_at(self, mark: "Mark | None", expected: str, found: str) -> NoReturn:
        line = f", line {mark.line + 1}" if mark is not None else ""
        raise NuvError(f"{self.source}{line}", f"expected {expected}; found {found}", "", Exit.USAGE)

    # -- shapes

    def mapping(self, node: "Node", key: str) -> "dict[str, tuple[Node, Node]]":
        """A mapping with known keys; keys without a value (`setup:`) count as left out."""
        known = _KEYS[key]
        fields = {}
        for name, (key_node, value) in self.pairs(node, key).items():
            if name not in known:
                near = difflib.get_close_matches(name, known, 1)
                self.fail(
                    key_node,
                    f"{key}.{name}" if key else name,
                    f"one of {', '.join(known)}",
                    f"the unknown key {name!r}",
                    f"Did you mean {near[0]!r}?" if near else "",
                )
            if value.tag != "tag:yaml.org,2002:null":
                fields[name] = (key_node, value)
        return fields

    def pairs(self, node: "Node", key: str) -> "dict[str, tuple[Node, Node]]":
        import yaml

        if not isinstance(node, yaml.MappingNode):
            self.fail(node, key, "a mapping (`key: value` lines)", _found(node))
        mapping: MappingNode = node
        pairs: dict[str, tuple[Node, Node]] = {}
        for key_node, value in mapping.value:
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag not in (
                "tag:yaml.org,2002:str",
                "tag:yaml.org,2002:value",
            ):
                self.fail(key_node, key, "a name as key", _found(key_node))
            name = str(key_node.value)
            if name in pairs:
                first = pairs[name][0].start_mark.line + 1
                self.fail(
                    key_node,
                    f"{key}.{name}" if key else name,
                    "each key once",
                    f"{name!r} a second time (first in line {first})",
                )
            pairs[name] = (key_node, value)
        return pairs

    def text(self, node: "Node", key: str, what: str = "text", *, lines: bool = False) -> str:
        import yaml

        if not isinstance(node, yaml.ScalarNode) or node.tag != "tag:yaml.org,2002:str":
            quoted = isinstance(node, yaml.ScalarNode) and node.tag != "tag:yaml.org,2002:null"
            hint = f'Put it in quotes: "{node.value}".' if quoted else ""
            self.fail(node, key, what, _found(node), hint)
        value = str(node.value)
        if "\0" in value or (not lines and ("\n" in value or "\r" in value)):
            self.fail(node, key, f"{what} in one line", "a line break or NUL in it")
        return value

    def filled(self, node: "Node", key: str, what: str) -> str:
        value = self.text(node, key, what)
        if not value.strip():
            self.fail(node, key, what, "nothing")
        return value

    def listed(self, node: "Node", key: str, one: "Callable[[Node, str], _T]", what: str) -> list[_T]:
        import yaml

        if not isinstance(node, yaml.SequenceNode):
            self.fail(node, key, f"a list of {what} (`[a, b]`)", _found(node))
        return [one(item, f"{key}[{position}]") for position, item in enumerate(node.value)]

    # -- keys

    def key_name(self, node: "Node", key: str) -> str:
        return self.filled(node, key, "a name for the application")

    def key_kind(self, node: "Node", key: str) -> ApplicationKind:
        value = self.text(node, key)
        kinds = [kind.value for kind in ApplicationKind]
        if value not in kinds:
            near = difflib.get_close_matches(value, kinds, 1)
            hint = f"Did you mean {near[0]!r}?" if near else ""
            self.fail(node, key, f"one of {', '.join(kinds)}", repr(value), hint)
        return ApplicationKind(value)

    def key_image(self, node: "Node", key: str) -> str:
        value = self.filled(node, key, "an image reference or `host`")
        kind, colon, path = value.partition(":")
        archive = bool(colon and path) and kind in ("docker-archive", "oci-archive")
        if not archive and value != HOST_IMAGE and not (len(value) <= 512 and _IMAGE.fullmatch(value)):
            self.fail(
                node,
                key,
                "an image reference, as `docker.io/library/python:3.12-slim`, `docker-archive:FILE`, "
                "`oci-archive:FILE` or `host`",
                repr(value),
            )
        return value

    def key_environment(self, node: "Node", key: str) -> str:
        return self.filled(node, key, "a folder")

    def key_packages(self, node: "Node", key: str) -> Packages:
        lists = {}
        for name, (_key, value) in self.mapping(node, key).items():
            pattern, what = _PACKAGES[name]

            def one(item: "Node", path: str, pattern: re.Pattern[str] = pattern, what: str = what) -> str:
                package = self.text(item, path, what)
                if not pattern.fullmatch(package) or _OPTION.search(package):
                    self.fail(item, path, what, repr(package))
                return package

            lists[name] = self.listed(value, f"{key}.{name}", one, "packages")
        return Packages(**lists)

    def key_variables(self, node: "Node", key: str) -> dict[str, str]:
        variables = {}
        for name, (key_node, value) in self.pairs(node, key).items():
            self.variable(key_node, key)
            variables[name] = self.text(value, f"{key}.{name}", "text", lines=True)
        return variables

    def variable(self, node: "Node", key: str) -> str:
        value = self.text(node, key, "the name of a variable")
        if not _VARIABLE.fullmatch(value):
            self.fail(node, key, "the name of a variable (letters, digits, `_`)", repr(value))
        return value

    def key_secrets(self, node: "Node", key: str) -> list[str]:
        return self.listed(node, key, self.variable, "names of variables")

    def key_license(self, node: "Node", key: str) -> License:
        fields = self.mapping(node, key)
        values: dict[str, bool | list[str]] = {}
        if "required" in fields:
            values["required"] = self.boolean(fields["required"][1], f"{key}.required")
        if "variables" in fields:
            values["variables"] = self.listed(
                fields["variables"][1], f"{key}.variables", self.variable, "names of variables"
            )
        if "files" in fields:
            values["files"] = self.listed(
                fields["files"][1],
                f"{key}.files",
                lambda item, path: self.filled(item, path, "a file"),
                "files",
            )
        return License(**values)  # type: ignore[arg-type]

    def boolean(self, node: "Node", key: str) -> bool:
        if node.tag != "tag:yaml.org,2002:bool":
            self.fail(node, key, "true or false", _found(node))
        return str(node.value).lower() in ("true", "yes", "on")

    def key_setup(self, node: "Node", key: str) -> list[str]:
        def command(item: "Node", path: str) -> str:
            value = self.text(item, path, "a shell command", lines=True)
            if not value.strip():
                self.fail(item, path, "a shell command", "nothing")
            return value

        return self.listed(node, key, command, "shell commands")

    def key_command(self, node: "Node", key: str) -> list[str]:
        return self.program(node, key)

    def key_healthcheck(self, node: "Node", key: str) -> list[str]:
        return self.program(node, key)

    def program(self, node: "Node", key: str) -> list[str]:
        words = self.listed(
            node, key, lambda item, path: self.text(item, path, "a word", lines=True), "words"
        )
        if words and not words[0].strip():
            self.fail(node, key, "a program as first word", "nothing")
        return words

    def key_ports(self, node: "Node", key: str) -> list[int]:
        def port(item: "Node", path: str) -> int:
            value = str(item.value) if item.tag == "tag:yaml.org,2002:int" else ""
            if not re.fullmatch(r"[1-9][0-9]{0,4}", value) or int(value) > 65535:
                self.fail(item, path, "a port from 1 to 65535", _found(item))
            return int(value)

        return self.listed(node, key, port, "ports")

    def key_workdir(self, node: "Node", key: str) -> str:
        value = self.text(node, key, "an absolute path")
        if not value.startswith("/") or ".." in value.split("/"):
            self.fail(node, key, "an absolute path without `..`, as `/files`", repr(value))
        return value

    def key_exclude(self, node: "Node", key: str) -> list[str]:
        return self.listed(
            node, key, lambda item, path: self.filled(item, path, "a pattern"), "patterns in gitignore syntax"
        )


def _found(node: "Node") -> str:
    """What `node` is, in words."""
    import yaml

    if isinstance(node, yaml.MappingNode):
        return "a mapping"
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    value = str(node.value)
    shown = repr(value if len(value) <= 60 else value[:60] + "…")
    kind = node.tag.rpartition(":")[2]
    names = {
        "null": "nothing",
        "bool": f"the truth value {value}",
        "int": f"the number {value}",
        "float": f"the number {value}",
        "timestamp": f"the date {value}",
        "str": shown,
    }
    return names.get(kind, f"{shown} with the tag {node.tag!r}")


def render(application: Application) -> str:
    """The file of `application`, with comments; `parse` reads the same application from it."""
    packages = ", ".join(
        f"{name}: {flow(getattr(application.packages, name))}" for name in Packages.__struct_fields__
    )
    terms = application.license
    rows = [
        ("name", _plain(application.name), ""),
        ("kind", application.kind.value, "template it came from"),
        ("image", _plain(application.image), "base image, or `host` for this machine's own interpreter"),
        (
            "environment",
            "" if application.environment is None else _plain(application.environment),
            "optional: folder of a venv, conda prefix or R library whose packages are recorded",
        ),
        ("packages", f"{{{packages}}}", "installed into an export"),
        ("variables", flow(application.variables), "in the image for all to read: no secrets here"),
        ("secrets", flow(application.secrets), "names only; handed in at run time, never in an image"),
        (
            "license",
            f"{{required: {flow(terms.required)}, variables: {flow(terms.variables)}, "
            f"files: {flow(terms.files)}}}",
            "never in an image",
        ),
        ("setup", flow(application.setup), "shell commands at build time, after the packages"),
        ("command", flow(application.command), "what the image starts"),
        ("ports", flow(application.ports), ""),
        ("healthcheck", flow(application.healthcheck), "exits with 0 while the application works"),
        ("workdir", _plain(application.workdir), "where workspace files are and the command starts"),
        ("exclude", flow(application.exclude), "gitignore syntax, left out of exports with files"),
    ]
    lines = []
    for key, value, comment in rows:
        line = f"{key}: {value}".rstrip()
        if not comment:
            lines.append(line)
        elif len(line) <= 50:
            lines.append(f"{line:<50}  # {comment}")
        else:
            lines += [f"# {comment}", line]
    return _HEAD + "\n".join(lines) + "\n"


def _plain(value: str) -> str:
    """`value` after its key, in quotes only where it needs them."""
    return _dump({"k": value}).removeprefix("k: ")


def flow(value: object) -> str:
    """`value` as YAML in one line, as it stands within brackets."""
    return _dump([value])[1:-1]


def _dump(value: object) -> str:
    import yaml

    def dump(readable: bool) -> str:
        # The first level in its own style: a list in brackets, a mapping as lines.
        return str(
            yaml.dump(
                value,
                Dumper=yaml.SafeDumper,
                default_flow_style=isinstance(value, list),
                width=1 << 30,
                allow_unicode=readable,
                sort_keys=False,
            )
        ).rstrip("\n")

    text = dump(True)
    # Exotic line breaks and the like do not survive as they are: everything but ASCII is escaped then.
    return text if text.isprintable() else dump(False)


def check(application: Application, workspace: Workspace, source: str) -> list[Finding]:
    """What is wrong (`stop`) or worth knowing about an application in its workspace.

    A path that leads nowhere is a `stop`: environment and licence files have to be there.
    """
    findings = []
    if application.environment is not None:
        folder = located(workspace, application.environment)
        if not folder.is_dir():
            findings.append(
                Finding(
                    "stop",
                    "environment",
                    f"{source}: expected a folder; found nothing at {path_to_text(str(folder))}",
                    "Make the environment, or correct or remove the key `environment`.",
                )
            )
        elif recognised(folder) is None:
            findings.append(
                Finding(
                    "warning",
                    "environment",
                    f"{source}: {path_to_text(str(folder))} is no venv, conda prefix or R library",
                    "Its packages cannot be recorded.",
                )
            )
    for name in application.license.files:
        path = located(workspace, name)
        if not path.is_file():
            findings.append(
                Finding(
                    "stop",
                    "license.files",
                    f"{source}: expected a file; found nothing at {path_to_text(str(path))}",
                    "Correct or remove it from `license.files`.",
                )
            )
    for word in application.command:
        if _SCRIPT.fullmatch(word) and not word.startswith("/") and not (workspace.root / word).exists():
            findings.append(
                Finding(
                    "warning",
                    "command",
                    f"{source}: the workspace has no {word!r}, which the command names",
                    "Make the file, or correct the command.",
                )
            )
    if not application.command:
        findings.append(
            Finding(
                "warning", "command", f"{source}: no command", "The image starts what its base image starts."
            )
        )
    for name in application.variables:
        if name in application.license.variables:
            findings.append(
                Finding(
                    "note", "variables", f"{source}: {name} belongs to the licence and stays out of images"
                )
            )
        elif _SECRET.search(name.upper()):
            findings.append(
                Finding(
                    "warning",
                    "variables",
                    f"{source}: {name} looks like a secret, and variables are in the image for all to read",
                    "Move its name to `secrets` and hand the value in when the image runs.",
                )
            )
    if application.needs_license:
        findings.append(
            Finding(
                "note",
                "license",
                f"{source}: licensed, so not eligible for an export as it is",
                "An export without the licence: `nuvtui exports create APP --without-license`.",
            )
        )
    return findings


def located(workspace: Workspace, path: str) -> Path:
    """Where a path of the file leads: absolute, in the user's home (`~`), or relative to the workspace."""
    expanded = Path(path).expanduser() if path.startswith("~/") else Path(path)
    return workspace.root / expanded


def recognised(folder: Path) -> str | None:
    """`venv`, `conda` or `R`: what kind of environment `folder` is; None: none of them."""
    if (folder / "conda-meta").is_dir():
        return "conda"
    if (folder / "pyvenv.cfg").is_file():
        return "venv"
    try:
        with os.scandir(folder) as entries:
            if any((Path(entry.path) / "DESCRIPTION").is_file() for entry in entries):
                return "R"
    except OSError:
        return None
    return None
