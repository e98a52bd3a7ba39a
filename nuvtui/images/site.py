"""What builds need on this site and images must not keep: CA bundle, package index, package mirror.

The engine's classic builder can mount nothing into a build step, a copied file stays in a layer and a build
argument in the history; but the predefined proxy arguments are kept out of image and history by every
builder. The settings travel in two of them that no package manager here needs (`FTP_PROXY`, `ftp_proxy`),
and each step that installs something unpacks them into the memory file system that every container has at
`/dev/shm`, which is in no layer.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from nuvtui.config import Settings
from nuvtui.errors import Exit, NuvError

CARRIERS = ("FTP_PROXY", "ftp_proxy")
MARK = "nuvtui-site-1"
_CHUNK = 120_000
"""Linux takes at most 131,072 bytes in one variable."""
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")

SCRIPT = f"""\
# Read by the build steps: settings of the site that builds the image (certificates, package index, mirror).
# They come as predefined build arguments, which no image or history keeps, and are laid out in memory only.
nuvtui_site="${{FTP_PROXY:-}}${{ftp_proxy:-}}"
unset FTP_PROXY ftp_proxy
umask 022
case "$nuvtui_site" in
{MARK}*)
    case "$(cat /proc/mounts)" in
    *" /dev/shm tmpfs "*) ;;
    *) echo "nuvtui: no memory file system at /dev/shm for the site's settings" >&2; exit 1 ;;
    esac
    nuvtui_dir=/dev/shm/nuvtui
    mkdir -p "$nuvtui_dir/apt/parts"
    printf '%s\\n' "$nuvtui_site" > "$nuvtui_dir/site"
    {{
        read -r nuvtui_mark; read -r nuvtui_index; read -r nuvtui_mirror
        cat > "$nuvtui_dir/own.pem"
    }} < "$nuvtui_dir/site"
    if [ -n "$nuvtui_index" ]; then export PIP_INDEX_URL="$nuvtui_index"; fi
    : > "$nuvtui_dir/apt/apt.conf"
    if grep -q BEGIN "$nuvtui_dir/own.pem"; then
        nuvtui_ca="$nuvtui_dir/ca.pem"
        cat "$nuvtui_dir/own.pem" > "$nuvtui_ca"
        nuvtui_file=/etc/ssl/certs/ca-certificates.crt
        if [ -f "$nuvtui_file" ]; then cat "$nuvtui_file" >> "$nuvtui_ca"; fi
        export PIP_CERT="$nuvtui_ca" REQUESTS_CA_BUNDLE="$nuvtui_ca" SSL_CERT_FILE="$nuvtui_ca"
        export CURL_CA_BUNDLE="$nuvtui_ca" GIT_SSL_CAINFO="$nuvtui_ca" NODE_EXTRA_CA_CERTS="$nuvtui_ca"
        echo "Acquire::https::CaInfo \\"$nuvtui_ca\\";" >> "$nuvtui_dir/apt/apt.conf"
    fi
    if [ -n "$nuvtui_mirror" ] && [ -d /etc/apt ]; then
        : > "$nuvtui_dir/apt/sources.list"
        for nuvtui_file in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
            [ -f "$nuvtui_file" ] || continue
            case "$nuvtui_file" in
            /etc/apt/sources.list) nuvtui_to="$nuvtui_dir/apt/sources.list" ;;
            *) nuvtui_to="$nuvtui_dir/apt/parts/${{nuvtui_file##*/}}" ;;
            esac
            sed -E "s,https?://[^ /]*/(debian|ubuntu)(-security)?,$nuvtui_mirror\\2,g" \\
                "$nuvtui_file" > "$nuvtui_to"
        done
        echo "Dir::Etc::SourceList \\"$nuvtui_dir/apt/sources.list\\";" >> "$nuvtui_dir/apt/apt.conf"
        echo "Dir::Etc::SourceParts \\"$nuvtui_dir/apt/parts\\";" >> "$nuvtui_dir/apt/apt.conf"
    fi
    export APT_CONFIG="$nuvtui_dir/apt/apt.conf"
    ;;
esac
unset nuvtui_site
"""
"""POSIX shell, sourced by every build step; without a site's settings it changes nothing but the umask."""


def build_arguments(settings: Settings) -> dict[str, str]:
    """The build arguments that carry the site's settings; empty where there are none.

    Raises NuvError (exit code 2) where a setting cannot be used.
    """
    index = _url("pip_index", settings.pip_index)
    mirror = _url("apt_mirror", settings.apt_mirror).rstrip("/")
    certificates = _certificates(settings.ca_bundle)
    if not (index or mirror or certificates):
        return {}
    text = "\n".join((MARK, index, mirror, certificates))
    if len(text) > _CHUNK * len(CARRIERS):
        raise NuvError(
            f"CA bundle {settings.ca_bundle} is too large for a build",
            f"its certificates take {len(certificates):,} bytes, expected at most {_CHUNK * len(CARRIERS):,}",
            "Name a file with only the certificates of your own network; the base image's are used as well.",
            Exit.USAGE,
        )
    return {name: text[at * _CHUNK : (at + 1) * _CHUNK] for at, name in enumerate(CARRIERS)}


def secret_values(settings: Settings) -> list[str]:
    """Values in the site's settings that must appear nowhere: user and password of the URLs."""
    return url_secrets([settings.pip_index, settings.apt_mirror])


def url_secrets(urls: Iterable[str]) -> list[str]:
    """User and password of `urls`, as they are written and decoded."""
    found: list[str] = []
    for url in urls:
        parts = urlsplit(url)
        for value in (parts.password, parts.username):
            if value:
                found += [form for form in (value, unquote(value)) if len(form) > 3]
    return list(dict.fromkeys(found))


def _url(key: str, url: str) -> str:
    if url and not re.fullmatch(r"https?://[!#%'-;=?-~]+", url):
        shown = re.sub(r"//[^/@]*@", "//***@", url)[:200]
        raise NuvError(f"Setting {key}", f"expected an http or https URL, found {shown!r}", "", Exit.USAGE)
    if re.search(r"[,\\|`]", url):
        raise NuvError(
            f"Setting {key}", "the URL has a comma, |, ` or \\ in it", "Write it percent-encoded.", Exit.USAGE
        )
    return url


def _certificates(path: str) -> str:
    if not path:
        return ""
    try:
        text = Path(path).expanduser().read_text("utf-8", "replace")
    except OSError as error:
        raise NuvError(
            f"CA bundle {path} cannot be read", str(error.strerror), "Setting ca_bundle.", Exit.USAGE
        ) from error
    found = dict.fromkeys(_CERTIFICATE.findall(text))
    if not found:
        raise NuvError(
            f"CA bundle {path} holds no certificate",
            "expected PEM certificates",
            "Setting ca_bundle.",
            Exit.USAGE,
        )
    return "\n".join(found)
