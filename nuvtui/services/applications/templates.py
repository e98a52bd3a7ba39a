"""Templates for new applications, one for each kind."""

from nuvtui.model.application import Application, ApplicationKind, License, Packages
from nuvtui.services.applications.application_file import render

PYTHON = "docker.io/library/python:3.12-slim"
JUPYTER = "quay.io/jupyter/minimal-notebook:2024-10-07"
ROCKER = "docker.io/rocker/rstudio:4.4.1"
CODE_SERVER = "docker.io/codercom/code-server:4.93.1"
DEBIAN = "docker.io/library/debian:bookworm-slim"
STATA = "docker.io/dataeditors/stata18:2024-04-30"
MATLAB = "docker.io/mathworks/matlab:r2024a"

_NOTES: dict[ApplicationKind, str] = {
    ApplicationKind.SCRIPT: "Runs one script and ends.",
    ApplicationKind.PYTHON: "A Python prompt with the packages of this project.",
    ApplicationKind.JUPYTERLAB: "JupyterLab on port 8888; the address with its token is in the output.",
    ApplicationKind.RSTUDIO: "RStudio Server on port 8787; hand in PASSWORD when the image runs. Needs to start as root.",
    ApplicationKind.VSCODE: "VS Code in the browser on port 8080; hand in PASSWORD when the image runs.",
    ApplicationKind.SHELL: "A shell with the tools of this project.",
    ApplicationKind.STREAMLIT: "A Streamlit app on port 8501.",
    ApplicationKind.STATA: (
        "Stata needs a licence, which is never in an image: name its file under `license.files`, and mount it\n"
        "# at /usr/local/stata/stata.lic when the image runs."
    ),
    ApplicationKind.MATLAB: (
        "MATLAB needs a licence, which is never in an image: hand in MLM_LICENSE_FILE when the image runs."
    ),
    ApplicationKind.CUSTOM: "Fill in what your tool needs.",
}


def template(kind: ApplicationKind, name: str) -> str:
    """The text of a new application file of `kind`, called `name`; valid as it is."""
    return f"# {_NOTES[kind]}\n{render(_application(kind, name))}"


def _application(kind: ApplicationKind, name: str) -> Application:
    match kind:
        case ApplicationKind.SCRIPT:
            return Application(name, kind, PYTHON, command=["python", "analysis.py"])
        case ApplicationKind.PYTHON:
            return Application(name, kind, PYTHON, command=["python"])
        case ApplicationKind.JUPYTERLAB:
            command = ["jupyter", "lab", "--ip=0.0.0.0", "--port=8888", "--no-browser"]
            return Application(
                name, kind, JUPYTER, command=command, ports=[8888], healthcheck=_python_asks(8888, "api")
            )
        case ApplicationKind.RSTUDIO:
            # The image has wget, but no curl.
            check = f"wget --no-proxy -T 5 -t 1 -q -O /dev/null {_address(8787, '')}".split()
            return Application(
                name,
                kind,
                ROCKER,
                secrets=["PASSWORD"],
                command=["/init"],
                ports=[8787],
                healthcheck=check,
            )
        case ApplicationKind.VSCODE:
            command = ["code-server", "--bind-addr=0.0.0.0:8080", "."]
            check = f"curl --noproxy * -m 5 -fsS -o /dev/null {_address(8080, 'healthz')}".split()
            return Application(
                name,
                kind,
                CODE_SERVER,
                secrets=["PASSWORD"],
                command=command,
                ports=[8080],
                healthcheck=check,
            )
        case ApplicationKind.SHELL:
            return Application(name, kind, DEBIAN, command=["bash"])
        case ApplicationKind.STREAMLIT:
            packages = Packages(pip=["streamlit==1.39.0"])
            command = ["streamlit", "run", "app.py", "--server.address=0.0.0.0", "--server.port=8501"]
            return Application(
                name,
                kind,
                PYTHON,
                packages=packages,
                command=command,
                ports=[8501],
                healthcheck=_python_asks(8501, "_stcore/health"),
            )
        case ApplicationKind.STATA:
            terms = License(required=True, variables=["STATA_LICENSE"])
            return Application(
                name, kind, STATA, license=terms, command=["stata-mp", "-b", "do", "analysis.do"]
            )
        case ApplicationKind.MATLAB:
            terms = License(required=True, variables=["MLM_LICENSE_FILE"])
            return Application(name, kind, MATLAB, license=terms, command=["matlab", "-batch", "analysis"])
        case ApplicationKind.CUSTOM:
            return Application(name, kind, DEBIAN, command=["sh"])


def _address(port: int, path: str) -> str:
    return f"http://127.0.0.1:{port}/{path}"


def _python_asks(port: int, path: str) -> list[str]:
    """A healthcheck for images that have Python. Past any proxy: `127.0.0.1` is the container itself."""
    program = (
        "import urllib.request as r; "
        f"r.build_opener(r.ProxyHandler({{}})).open('{_address(port, path)}', timeout=5)"
    )
    return ["python", "-c", program]
