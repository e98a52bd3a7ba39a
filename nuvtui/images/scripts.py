"""The shell scripts that a build runs, and the one that an image starts with where it lacks something.

All user text reaches them through files or quoted by `shlex`; the scripts themselves are constant.
"""

import shlex
from collections.abc import Sequence

from nuvtui.images import site
from nuvtui.sanitise import line

FOLDER = "usr/share/nuvtui"
BUILD = f"{FOLDER}/build"

_HEAD = f"""\
#!/bin/sh
set -eu
cd /
. /{BUILD}/site.sh
fail() {{ echo "nuvtui: $1" >&2; exit 1; }}
"""
APT = f"""\
{_HEAD}
command -v apt-get > /dev/null || fail "packages.apt needs a base image with apt-get; this one has none"
export DEBIAN_FRONTEND=noninteractive
apt-get update
xargs apt-get install --yes --no-install-recommends < /{BUILD}/apt.txt
apt-get clean
# Package lists name the mirror; logs and caches hold the time of the build.
rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/ldconfig/aux-cache
rm -rf /var/log/apt /var/log/dpkg.log /var/log/alternatives.log
"""
PIP = f"""\
{_HEAD}
python="$(command -v python3 || command -v python)" \\
    || fail "packages.pip needs a base image with Python; this one has none"
"$python" -m pip --version > /dev/null 2>&1 || "$python" -m ensurepip > /dev/null 2>&1 \\
    || fail "packages.pip needs a base image with pip; this one has none"
export PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
# Debian marks its Python as managed by apt alone; in an image that only holds this application that is meant.
export PIP_BREAK_SYSTEM_PACKAGES=1 PIP_PROGRESS_BAR=off
"$python" -m pip install --requirement /{BUILD}/requirements.txt
"""
CONDA = f"""\
{_HEAD}
tool="$(command -v mamba || command -v micromamba || command -v conda)" \\
    || fail "packages.conda needs a base image with conda, mamba or micromamba; this one has none"
case "$tool" in
*/micromamba) "$tool" install --yes --name base --file /{BUILD}/conda.txt ;;
*) "$tool" install --yes --file /{BUILD}/conda.txt ;;
esac
"$tool" clean --all --yes
"""
CRAN = f"""\
{_HEAD}
command -v Rscript > /dev/null || fail "packages.cran needs a base image with R; this one has none"
Rscript --vanilla /{BUILD}/cran.R
"""
CRAN_R = f"""\
# Installs the packages of cran.txt (`name` or `name version`) from the repository that R is set to.
profile <- file.path(R.home("etc"), "Rprofile.site")
if (file.exists(profile)) sys.source(profile, envir = globalenv())
repos <- getOption("repos")
if (is.null(repos) || any(repos == "@CRAN@")) {{
  stop("R has no package repository set (option repos); take a base image that has, such as rocker/r-ver")
}}
for (line in readLines("/{BUILD}/cran.txt")) {{
  words <- strsplit(line, " ", fixed = TRUE)[[1]]
  install.packages(words[1], repos = repos)
  if (!requireNamespace(words[1], quietly = TRUE)) stop("could not install ", line)
  installed <- as.character(packageVersion(words[1]))
  wanted <- if (length(words) > 1) words[2] else installed
  if (package_version(installed) != package_version(wanted)) {{
    url <- sprintf("%s/src/contrib/Archive/%s/%s_%s.tar.gz", repos[[1]], words[1], words[1], wanted)
    install.packages(url, repos = NULL, type = "source")
    if (packageVersion(words[1]) != package_version(wanted)) stop("could not install ", line)
  }}
}}
"""


def setup(commands: Sequence[str]) -> str:
    """A script that runs the application's own set-up commands; the first failure ends it."""
    parts = [_HEAD]
    for number, command in enumerate(commands, 1):
        parts.append(f"printf '%s\\n' {shlex.quote(f'nuvtui: setup {number}: {line(command)}')}\n")
        parts.append(f"/bin/sh -e -c {shlex.quote(command)}\n")
    return "".join(parts)


def start(name: str, secrets: Sequence[str], variables: Sequence[str], files: Sequence[str]) -> str:
    """The entrypoint of an image that lacks something: says on stderr what, then becomes the command.

    `secrets` and `variables` are names of variables, `files` absolute paths inside the image.
    """
    out = ["#!/bin/sh\n", "lacks=\n", "say() { printf '%s\\n' \"$1\" >&2; }\n"]

    def tell(test: str, sentence: str) -> None:
        out.append(f"if {test}; then lacks=1; say {shlex.quote('  ' + sentence)}; fi\n")

    head = shlex.quote(f"{line(name)}: this image was exported without everything it needs:")
    body_at = len(out)
    for variable in secrets:
        tell(
            f'[ -z "${{{variable}:-}}" ]',
            f"secret {variable} is not set. Hand it in: docker run -e {variable} …",
        )
    for variable in variables:
        tell(
            f'[ -z "${{{variable}:-}}" ]',
            f"licence variable {variable} is not set. Hand it in: docker run -e {variable}=… …",
        )
    for file in files:
        tell(
            f"[ ! -e {shlex.quote(file)} ]",
            f"licence file {line(file)} is missing. Mount it: docker run -v /your/file:{line(file)}:ro …",
        )
    tests = out[body_at:]
    del out[body_at:]
    out.append("check() {\n:\n" + "".join(tests) + "}\n")
    out.append(f'missing="$(check 2>&1)"\nif [ -n "$missing" ]; then say {head}; say "$missing"; fi\n')
    out.append('if [ "$#" -eq 0 ]; then exec /bin/sh; fi\nexec "$@"\n')
    return "".join(out)


def build_files(
    apt: str, pip: str, conda: str, cran: str, commands: Sequence[str]
) -> tuple[dict[str, bytes], list[str]]:
    """Files (by path in the image) and scripts to run, in order, of the install steps."""
    files: dict[str, bytes] = {f"{BUILD}/site.sh": site.SCRIPT.encode()}
    run = []
    for name, text, listing, script in (
        ("apt.sh", apt, "apt.txt", APT),
        ("conda.sh", conda, "conda.txt", CONDA),
        ("pip.sh", pip, "requirements.txt", PIP),
        ("cran.sh", cran, "cran.txt", CRAN),
    ):
        if text:
            files[f"{BUILD}/{listing}"] = text.encode()
            files[f"{BUILD}/{name}"] = script.encode()
            run.append(f"/{BUILD}/{name}")
    if cran:
        files[f"{BUILD}/cran.R"] = CRAN_R.encode()
    if commands:
        files[f"{BUILD}/setup.sh"] = setup(commands).encode()
        run.append(f"/{BUILD}/setup.sh")
    return (files, run) if run else ({}, [])
