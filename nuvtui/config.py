"""Settings: flags over environment over the YAML file over defaults; unknown keys are refused."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from nuvtui import atomic, paths
from nuvtui.errors import Exit, NuvError


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the user can set in `config.yaml`. Environment variables: `NUVTUI_` and the key in capitals."""

    home: str = ""
    """Store home; empty: `$NUVTUI_HOME` or the XDG data folder."""
    engine: Literal["auto", "docker", "oci"] = "auto"
    """Engine for exports."""
    engine_timeout: float = 2.0
    """Seconds that an engine has to answer before it counts as not reachable."""
    registry: str = "docker.io"
    """Registry (and path) that exports are named after: `host[:port][/path]`."""
    private_registries: list[str] = []
    """`host[:port][/path]` of registries that are not public; every other one counts as public."""
    ca_bundle: str = ""
    """CA bundle for package installs behind a campus proxy; used during the build, never kept in an image."""
    build_network: str = ""
    """Network mode for builds (`host` where the engine has no bridge); empty: the engine's default."""
    pip_index: str = ""
    """Package index for pip inside builds; empty: the default. Credentials in it stay out of the image."""
    apt_mirror: str = ""
    """Mirror for apt inside builds; empty: the base image's own."""
    theme: str = "nuvtui-dark"
    """Colour theme of the screens."""
    ascii: bool = False
    """Draw with ASCII only."""
    mouse: Literal["auto", "on", "off"] = "auto"
    """Mouse: `auto` is off over SSH."""
    notify: Literal["auto", "off", "bell", "osc9", "osc777"] = "auto"
    """How the screens call when a task ends while you look elsewhere: `auto` by the terminal, else the bell."""
    log_level: Literal["off", "error", "warning", "info", "debug"] = "info"
    """What the program's own log (`nuvtui.log` in the store home) keeps."""
    keys: dict[str, str] = {}
    """Other keys for commands: command id to a comma-separated list of keys."""
    task_days: int = 30
    """Ended tasks are forgotten after so many days."""
    reread_every: str = ""
    """Now and then a snapshot reads every file whatever its times say: so long (`12h`, `7d`, `4w`) after it was last
    done. Empty: only where `snapshots create --reread` asks for it."""
    limit_upload: str = ""
    """Bytes a second that pushes send at most, all together (`500K`, `10M`); empty: as many as go."""
    limit_download: str = ""
    """The same for what comes from remotes."""
    remote_patience: str = "15m"
    """A remote that does not answer is tried again for so long (`30s`, `15m`, `2h`) before a task fails."""


def load(
    flags: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
    file: Path | None = None,
) -> Settings:
    """The settings in force. Raises NuvError (exit code 2) that names file or variable, expected and found."""
    environ = os.environ if environ is None else environ
    file = paths.config_file() if file is None else file
    values = _from_file(file)
    for field in msgspec.structs.fields(Settings):
        variable = f"NUVTUI_{field.name.upper()}"
        if variable in environ:
            values[field.name] = _from_text(variable, environ[variable], field.type)
    values |= {key: value for key, value in (flags or {}).items() if value is not None}
    return _convert(values, str(file))


def for_task(settings: Settings) -> dict[str, Any]:
    """What of `settings` is written into a task's request: all but URLs that may carry credentials, and the home.

    The URLs the task reads again from where they are set, with the environment that it inherits; the home is where it
    lies itself.
    """
    values: dict[str, Any] = msgspec.to_builtins(settings)
    return {key: value for key, value in values.items() if key not in ("home", "pip_index", "apt_mirror")}


_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_BYTES = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9}


def _number(text: str, units: Mapping[str, int], example: str, written: str = "") -> float:
    """A whole number with its unit. Raises ValueError, which repeats what was `written`, where it is none."""
    number, unit = (text[:-1].strip(), text[-1:]) if text[-1:] in units else (text, "")
    if unit not in units or not (number.isascii() and number.isdigit()):
        names = ", ".join(unit for unit in units if unit)
        raise ValueError(
            f"expected a number and one of {names}, such as `{example}`; found {(written or text)!r}"
        )
    return float(int(number) * units[unit])


def seconds(text: str) -> float:
    """A length of time in seconds. Raises ValueError where it is none."""
    return _number(text.strip(), _SECONDS, "7d")


def bytes_a_second(text: str) -> float:
    """A rate; 0 where `text` is empty: none is set. Raises ValueError where it is none."""
    written = text.strip()
    return _number(written.upper().removesuffix("B"), _BYTES, "10M", written) if written else 0.0


def reread_seconds(settings: Settings) -> float | None:
    """`reread_every` in seconds; None: never. Raises ValueError where it is no length of time."""
    return seconds(settings.reread_every) if settings.reread_every.strip() else None


def home(settings: Settings) -> paths.Home:
    """The store home that `settings` lead to."""
    if settings.home:
        return paths.Home(Path(settings.home).expanduser().absolute())
    return paths.Home(paths.default_home())


def _from_file(file: Path) -> dict[str, Any]:
    try:
        text = atomic.read_file(file).decode("utf-8")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise NuvError(
            f"Settings file {file} cannot be read",
            error.strerror or str(error),
            "Move it away, or let it be a file that you may read.",
            Exit.USAGE,
        ) from error
    except UnicodeDecodeError as error:
        raise NuvError(
            f"Settings file {file} cannot be read", str(error), "Write it in UTF-8.", Exit.USAGE
        ) from error
    import yaml  # here: most runs have no settings file

    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise NuvError(f"Settings file {file} is not YAML", str(error), "", Exit.USAGE) from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise NuvError(
            f"Settings file {file} is not a mapping", f"found {type(values).__name__}", "", Exit.USAGE
        )
    _convert(values, str(file))
    return values


def _from_text(variable: str, text: str, kind: Any) -> Any:
    if kind == list[str]:
        return [part for part in text.split(",") if part]
    if kind == dict[str, str]:
        return dict(part.partition("=")[::2] for part in text.split(";") if part)
    try:
        return msgspec.convert(text, kind, strict=False)
    except msgspec.ValidationError as error:
        raise NuvError(f"Environment variable {variable}", str(error), "", Exit.USAGE) from error


def _convert(values: dict[str, Any], source: str) -> Settings:
    try:
        settings = msgspec.convert(values, Settings)
    except msgspec.ValidationError as error:
        known = ", ".join(field.name for field in msgspec.structs.fields(Settings))
        raise NuvError(f"Settings in {source}", str(error), f"Known keys: {known}.", Exit.USAGE) from error
    checks: dict[str, Callable[[str], object]] = {
        "reread_every": lambda text: text.strip() and seconds(text),
        "limit_upload": bytes_a_second,
        "limit_download": bytes_a_second,
        "remote_patience": seconds,
    }
    for name, check in checks.items():
        try:
            check(getattr(settings, name))
        except ValueError as error:
            raise NuvError(f"Settings in {source}: {name}", str(error), "", Exit.USAGE) from error
    return settings
