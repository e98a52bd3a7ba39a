"""The content guard after the build: layers, configuration, history, labels, log and report."""

import io
import json
import tarfile
from pathlib import Path

import pytest

from nuvtui.errors import Cancelled
from nuvtui.images.facts import ImageFacts, Step
from nuvtui.images.guard import scans
from nuvtui.images.redact import Redactor
from nuvtui.model.export import Finding
from nuvtui.reporter import Silent
from tests.images.guard.planted import KNOWN, tarred, told
from tests.images.project import Recorder

URL = b"https://ada:hunter22@git.example/x"


def layer(files: dict[str, bytes], *, thorough: bool = True) -> list[Finding]:
    stream = io.BytesIO(tarred(files))
    return scans.scan_layer(stream, "layer 4", [KNOWN], Silent(), thorough=thorough)


def test_known_values_in_any_layer() -> None:
    files = {
        "etc/a.conf": b"\n\nx=" + KNOWN.encode(),
        "usr/bin/b": bytes(300_000) + KNOWN.encode(),
        "c": b"fine",
    }
    for thorough in (True, False):
        found = layer(files, thorough=thorough)
        assert told(found) == [("push", "layer 4, etc/a.conf:3"), ("push", "layer 4, usr/bin/b:1")]
        assert [finding.path for finding in found] == ["", ""]


@pytest.mark.parametrize(
    "name",
    [
        "root/.netrc",
        "etc/pip.conf",
        "root/.config/pip/pip.conf",
        "root/.npmrc",
        "root/.pypirc",
        "root/.git-credentials",
        "root/.ssh/id_ed25519",
        "root/.ssh/known_hosts",
        "root/.aws/credentials",
        "root/.bash_history",
        "root/.Rhistory",
        "root/.Renviron",
        "root/.docker/config.json",
    ],
)
def test_names_of_credential_files_in_layers_that_were_made(name: str) -> None:
    assert told(layer({name: b"x"})) == [("push", f"layer 4, {name}")]
    assert layer({name: b"x"}, thorough=False) == []
    assert layer({name: b""}) == []


def test_what_packages_ship_is_no_finding() -> None:
    site = "usr/local/lib/python3.12/site-packages/"
    assert not layer(
        {
            site + "certifi/cacert.pem": b"-----BEGIN CERTIFICATE-----",
            site + "tornado/test/test.key": b"-----BEGIN " + b"PRIVATE KEY-----",
            site + "x/tests/.netrc": b"machine",
            site + "y.py": b'password = "Tr0ub4dor&3"',
            site + "y-1.dist-info/direct_url.json": b'{"url": "https://git.example/x"}',
            "etc/ssl/private/ssl-cert-snakeoil.key": b"-----BEGIN " + b"PRIVATE KEY-----",
            "root/.ssh/.wh.id_rsa": b"",
        }
    )


@pytest.mark.parametrize(
    "name",
    [
        "usr/lib/python3/site-packages/y-1.dist-info/direct_url.json",
        "etc/apt/sources.list.d/own.list",
        "app/settings.toml",
    ],
)
def test_credentials_in_urls_of_settings(name: str) -> None:
    found = layer({name: b"\n" + URL})
    assert told(found) == [("push", f"layer 4, {name}:2")]
    assert "hunter22" not in str(found)
    assert layer({name: URL}, thorough=False) == []


def test_value_in_a_name_and_in_a_link_is_not_shown() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        info = tarfile.TarInfo("a")
        info.type, info.linkname = tarfile.SYMTYPE, f"/x/{KNOWN}"
        archive.addfile(info)
        archive.addfile(tarfile.TarInfo(f"b/{KNOWN}/c"))
    out.seek(0)
    found = scans.scan_layer(out, "layer 1", [KNOWN], Silent(), thorough=False)
    assert len(found) == 2
    assert all("kn0wn" not in str(finding) for finding in found)


def test_damaged_layers_and_cancel() -> None:
    whole = tarred({"a": bytes(100_000)})
    found = scans.scan_layer(io.BytesIO(whole[:50_000]), "layer 1", [KNOWN], Silent(), thorough=True)
    assert [finding.level for finding in found] == ["push"]
    recorder = Recorder()
    recorder.cancelled = True
    with pytest.raises(Cancelled):
        scans.scan_layer(io.BytesIO(whole), "layer 1", [KNOWN], recorder, thorough=True)


def test_short_reads_change_nothing() -> None:
    class Slow(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(min(size or 0, 97))

    stream = Slow(tarred({"long/" * 30 + "a": b"x" * 5000 + KNOWN.encode(), "b": b"fine"}))
    assert len(scans.scan_layer(stream, "layer 1", [KNOWN], Silent(), thorough=True)) == 1


def test_configuration_history_and_labels() -> None:
    facts = ImageFacts(
        "sha256:1",
        1,
        labels={"a": KNOWN, KNOWN: "b"},
        env={"TOKEN": KNOWN, "GPG_KEY": "0D96DF4D4110E5C43FBFB17F2D347EA6AA65421D", "PROXY": URL.decode()},
        command=["run", "--token", KNOWN],
        history=[Step("base", False), Step(f"RUN |1 T={KNOWN} /bin/sh", False)],
    )
    found = scans.scan_facts(facts, {"x/report.json": json.dumps({"a": KNOWN}).encode()}, [KNOWN])
    assert sorted(finding.subject for finding in found) == [
        "image, command",
        "image, history:2",
        "image, label ***",
        "image, label a",
        "image, variable PROXY",
        "image, variable TOKEN",
        "image, x/report.json:1",
    ]
    assert all("kn0wn" not in str(finding) and "hunter22" not in str(finding) for finding in found)


def test_log_and_report(tmp_path: Path) -> None:
    log = tmp_path / "build.log"
    log.write_bytes(b"step\n" * 100_000 + b"fetching " + URL + b"\n" + KNOWN.encode())
    expected = [("push", "build.log:100001"), ("push", "build.log:100002")]
    assert told(scans.scan_text("build.log", log, [KNOWN])) == expected
    pieces = [log.read_bytes()[at : at + 1000] for at in range(0, log.stat().st_size, 1000)]
    assert told(scans.scan_text("build.log", pieces, [KNOWN])) == expected


def test_a_redacted_log_passes() -> None:
    import base64

    several = "first line of it\nsecond line of it\n"
    data = b"a\n".join(
        [
            base64.b64encode(b"x:" + KNOWN.encode()),
            KNOWN.encode().hex().encode(),
            json.dumps(KNOWN).encode(),
            KNOWN.encode("utf-16-le"),
            several.encode(),
        ]
    )
    out: list[bytes] = []
    redactor = Redactor(out.append, [KNOWN, several])
    for at in range(len(data)):
        redactor.write(data[at : at + 1])
    redactor.flush()
    assert scans.scan_text("log", out, [KNOWN, several]) == []
    assert b"second line" not in b"".join(out)


def test_a_token_in_somebodys_own_file_is_found_and_a_packages_sample_is_not() -> None:
    token = b"ghp_" + b"a1" * 18
    found = layer(
        {"opt/env/etc/app.conf": b"x\n" + token, "opt/env/lib/python3.12/site-packages/x/t.py": token}
    )
    assert told(found) == [("push", "layer 4, opt/env/etc/app.conf:2")]
