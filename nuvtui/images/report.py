"""The export's report as JSON and as Markdown."""

import msgspec

from nuvtui.model.export import Report


def to_json(report: Report) -> bytes:
    """The report as indented JSON, keys in the order of `model.export.Report`."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"


def from_json(data: bytes) -> Report:
    """The report that `to_json` wrote. Raises msgspec.DecodeError."""
    return msgspec.json.decode(data, type=Report)


def public(report: Report) -> Report:
    """The copy that goes into the image: without what says where and by which export it was made.

    So two exports of one snapshot carry the same report, and no path or host name of anybody's machine
    leaves it.
    """
    provenance = msgspec.structs.replace(report.provenance, workspace="", host="", user="")
    lock = report.lock
    if lock is not None:
        # Where a package lies on this machine is nobody's business.
        packages = [
            msgspec.structs.replace(p, location="") if p.source == "local" else p for p in lock.packages
        ]
        lock = msgspec.structs.replace(lock, packages=packages)
    return msgspec.structs.replace(
        report,
        export="",
        image="",
        run_command="",
        engine="",
        image_id="",
        digest="",
        size=0,
        provenance=provenance,
        lock=lock,
    )


def to_markdown(report: Report) -> str:
    """The report for people."""
    out: list[str] = [f"# {_text(report.application)}: export report", ""]
    if report.description:
        out += [_text(report.description), ""]
    rows = [
        ("Image", report.image),
        ("Digest", report.digest),
        ("Image id", report.image_id),
        ("Size", f"{report.size:,} bytes" if report.size else ""),
        ("Engine", report.engine),
        ("Base image", report.base + (f" ({report.base_digest})" if report.base_digest else "")),
        ("Space / instance", f"{report.space.name} / {report.instance.name}"),
        ("Snapshot", f"{report.snapshot.name or 'unnamed'} ({report.snapshot.id})"),
        ("Taken", f"{report.created} by {report.author}"),
        ("Code revision", _revision(report)),
        ("Scope", _scope(report)),
        ("Command", " ".join(report.command)),
        ("Working folder", report.workdir),
        ("Ports", ", ".join(map(str, report.ports))),
    ]
    out += ["| | |", "|---|---|"]
    out += [f"| {name} | {_text(value)} |" for name, value in rows if value]
    out.append("")
    if report.run_command:
        out += ["## How to run it", "", "```", report.run_command.replace("```", "` ` `"), "```", ""]
    if report.secrets or report.license_variables or report.license_files:
        out += ["## What it needs at start", ""]
        out += [f"- secret `{_text(name)}`: `docker run -e {_text(name)} …`" for name in report.secrets]
        out += [
            f"- licence variable `{_text(n)}`: `docker run -e {_text(n)}=… …`"
            for n in report.license_variables
        ]
        out += [
            f"- licence file `{_text(f)}`: mount it there, `-v /your/file:{_text(f)}:ro`"
            for f in report.license_files
        ]
        out.append("")
    out += ["## What is in it", ""]
    for manager, names in report.packages.items():
        if names:
            out.append(f"- {manager}: {_text(', '.join(names))}")
    if report.variables:
        out.append(f"- variables: {_text(', '.join(report.variables))}")
    out += [
        f"- workspace files: {report.files:,} ({report.bytes:,} bytes)"
        if report.with_files
        else "- no workspace files",
    ]
    if report.tables:
        out.append(f"- tables, as files under /files/tables: {_text(', '.join(report.tables))}")
    if report.installed:
        out.append(f"- installed by pip: {_text(', '.join(f'{n} {v}' for n, v in report.installed))}")
    out.append("")
    if report.layers:
        out += ["| layer | digest | bytes |", "|---|---|---|"]
        out += [f"| {_text(x.what)} | {x.diff_id} | {x.size:,} |" for x in report.layers]
        out.append("")
    out += ["## What was left out", ""]
    out += [f"- {_text(item.what)}: {_text(item.reason)}" for item in report.excluded] or ["- nothing"]
    out.append("")
    if report.findings:
        out += ["## What the content guard found (the image is not pushed)", ""]
        out += [f"- {_text(f.subject)}: {_text(f.text)}" for f in report.findings]
        out.append("")
    if report.accepted:
        out += ["## What was found and let pass", ""]
        out += [f"- {_text(a.subject)}: {_text(a.text)}. Reason: {_text(a.reason)}" for a in report.accepted]
        out.append("")
    if report.verification is not None:
        out += [f"## Verified {_text(report.verification.at)}", ""]
        out += [f"- {c.status}: {_text(c.name)}: {_text(c.text)}" for c in report.verification.checks]
        out.append("")
    if report.warnings:
        out += ["## Warnings", "", *(f"- {_text(warning)}" for warning in report.warnings), ""]
    if report.lock is not None:
        out += [
            f"## Packages of the environment ({_text(report.lock.interpreter)})",
            "",
            "| package | version | source |",
            "|---|---|---|",
        ]
        out += [
            f"| {_text(p.name)} | {_text(p.version)} | {_text(p.location or p.source)} |"
            for p in report.lock.packages
        ]
        out.append("")
    return "\n".join(out)


def _revision(report: Report) -> str:
    code = report.provenance.code
    return f"{code.commit}{' with uncommitted changes' if code.dirty else ''}" if code else ""


def _scope(report: Report) -> str:
    return "application with workspace files" if report.with_files else "application only"


def _text(value: str) -> str:
    """`value` on one line, so that it cannot become a table, a heading or HTML."""
    flat = " ".join(value.split())
    for sign in "\\`|<>[]":
        flat = (
            flat.replace(sign, f"\\{sign}")
            if sign not in "<>"
            else flat.replace(sign, "&lt;" if sign == "<" else "&gt;")
        )
    return flat
