"""Names that never go into an image: credentials, keys, histories, version control, licence files.

Sources: the table in the project's hard cases (what was found in public images), and the default places in
which the named programs keep credentials. A name is judged without regard to case; a folder stands for all
below it.
"""

import fnmatch
import functools
import re

_FOLDERS = {
    ".git": "version control: its configuration and history may hold credentials",
    ".hg": "version control: its configuration and history may hold credentials",
    ".svn": "version control: its configuration and history may hold credentials",
    ".bzr": "version control: its configuration and history may hold credentials",
    ".ssh": "SSH keys and hosts",
    ".gnupg": "GnuPG keys",
    ".aws": "cloud credentials",
    ".azure": "cloud credentials",
    ".gcloud": "cloud credentials",
    ".oci": "cloud credentials",
    ".kube": "cluster credentials",
    ".kaggle": "Kaggle credentials",
    ".huggingface": "Hugging Face credentials",
    ".dvc/tmp": "DVC's own working files",
    ".config/gcloud": "cloud credentials",
    ".config/gh": "GitHub credentials",
    ".config/rclone": "remote storage credentials",
    ".config/hub": "GitHub credentials",
    ".config/glab-cli": "GitLab credentials",
    ".config/doctl": "cloud credentials",
    ".config/earthengine": "cloud credentials",
    ".config/configstore": "credentials of command line programs",
    ".globus": "grid credentials",
    ".irods": "iRODS credentials",
    ".password-store": "password store",
    "share/keyrings": "keyring",
    ".idea/datasources": "database connections, may hold credentials",
    ".gnome2/keyrings": "keyring",
    ".mozilla/firefox": "browser's logins",
    ".config/google-chrome": "browser's logins",
    ".config/chromium": "browser's logins",
    ".rproj.user": "RStudio's own folder: consoles and history, may hold credentials",
    ".config/pip": "package index settings, may hold credentials",
    ".nuvtui": "nuvtui's own folder",
}
_NAMES = {
    ".netrc": "sign-in data",
    "_netrc": "sign-in data",
    "netrc": "sign-in data",
    ".smbcredentials": "credentials of a network share",
    ".msmtprc": "mail credentials",
    ".fetchmailrc": "mail credentials",
    ".irodsa": "iRODS credentials",
    "pgpass.conf": "database password",
    "kubeconfig": "cluster credentials",
    ".flaskenv": "environment file, usually holds secrets",
    "secrets.json": "named like a file of secrets",
    "secrets.yaml": "named like a file of secrets",
    "secrets.yml": "named like a file of secrets",
    "secrets.toml": "named like a file of secrets",
    "token.json": "sign-in token",
    "token.pickle": "sign-in token",
    "logins.json": "browser's logins",
    "key4.db": "browser's logins",
    "login data": "browser's logins",
    "login.keyring": "keyring",
    "krb5.keytab": "Kerberos key",
    "gurobi.lic": "licence file",
    "mosek.lic": "licence file",
    "jupyter_server_config.py": "Jupyter settings, may hold the password's hash",
    "jupyter_notebook_config.py": "Jupyter settings, may hold the password's hash",
    ".npmrc": "package registry credentials",
    ".yarnrc": "package registry credentials",
    ".yarnrc.yml": "package registry credentials",
    ".cdsapirc": "Climate Data Store credentials",
    ".ecmwfapirc": "ECMWF credentials",
    ".synapseconfig": "Synapse credentials",
    ".osfcli.config": "Open Science Framework credentials",
    ".urs_cookies": "Earthdata session",
    ".pg_service.conf": "database credentials",
    ".odbc.ini": "database credentials",
    ".vault_pass": "Ansible Vault password",
    ".mambarc": "package channel settings, may hold credentials",
    ".terraformrc": "Terraform credentials",
    "credentials.tfrc.json": "Terraform credentials",
    ".pypirc": "package registry credentials",
    "pip.conf": "package index settings, may hold credentials",
    "pip.ini": "package index settings, may hold credentials",
    ".condarc": "package channel settings, may hold credentials",
    ".renviron": "R environment, usually holds tokens",
    ".envrc": "environment variables, usually hold secrets",
    ".git-credentials": "git credentials",
    ".gitconfig": "git settings, may hold credentials",
    ".dockercfg": "registry credentials",
    ".dockerconfigjson": "registry credentials",
    ".pgpass": "database password",
    ".my.cnf": "database password",
    ".mylogin.cnf": "database password",
    ".s3cfg": "cloud credentials",
    ".boto": "cloud credentials",
    ".passwd-s3fs": "cloud credentials",
    "rclone.conf": "remote storage credentials",
    "credentials.json": "cloud credentials",
    "application_default_credentials.json": "cloud credentials",
    "kaggle.json": "Kaggle credentials",
    ".databrickscfg": "Databricks credentials",
    ".snowsql": "database credentials",
    ".vault-token": "Vault token",
    ".htpasswd": "password file",
    "terraform.tfstate": "Terraform state, holds credentials",
    "terraform.tfstate.backup": "Terraform state, holds credentials",
    "jupyter_cookie_secret": "Jupyter secret",
    "jupyter_server_config.json": "Jupyter settings, hold the password's hash",
    "jupyter_notebook_config.json": "Jupyter settings, hold the password's hash",
    "id_rsa": "private key",
    "id_dsa": "private key",
    "id_ecdsa": "private key",
    "id_ecdsa_sk": "private key",
    "id_ed25519": "private key",
    "id_ed25519_sk": "private key",
    "stata.lic": "licence file",
    "license.dat": "licence file",
    ".bash_history": "shell history",
    ".zsh_history": "shell history",
    ".sh_history": "shell history",
    ".history": "shell history",
    ".python_history": "Python history",
    ".ipython_history": "Python history",
    ".rhistory": "R history",
    ".octave_hist": "Octave history",
    ".julia_history": "Julia history",
    ".psql_history": "database history",
    ".mysql_history": "database history",
    ".sqlite_history": "database history",
    ".duckdb_history": "database history",
    ".rediscli_history": "database history",
    ".node_repl_history": "Node history",
    ".lesshst": "pager history",
    "fish_history": "shell history",
    ".wget-hsts": "history of downloads",
    ".irb_history": "Ruby history",
    ".viminfo": "editor history",
}
_PATTERNS = {
    ".env": "environment file, usually holds secrets",
    ".env.*": "environment file, usually holds secrets",
    ".env~": "environment file, usually holds secrets",
    "*.env.*": "environment file, usually holds secrets",
    "*.keytab": "Kerberos key",
    "krb5cc_*": "Kerberos ticket",
    "x509up_*": "grid credentials",
    "*.keyring": "keyring",
    "*.kdb": "password database",
    "*.smbcredentials": "credentials of a network share",
    "kernel-????????-????-????-????-????????????.json": "Jupyter kernel's key",
    "*.env": "environment file, usually holds secrets",
    "*.key": "named like a private key",
    "*.ppk": "private key",
    "*.p12": "key store",
    "*.pfx": "key store",
    "*.jks": "key store",
    "*.keystore": "key store",
    "*.kdbx": "password database",
    "*_rsa": "named like a private key",
    "*_dsa": "named like a private key",
    "*_ecdsa": "named like a private key",
    "*_ed25519": "named like a private key",
    "*.ovpn": "VPN credentials",
    "*.kubeconfig": "cluster credentials",
    "service[-_]account*.json": "cloud credentials",
    "client_secret*.json": "cloud credentials",
    "*.lic": "licence file",
}
_TAILS = {
    ".idea/datasources.xml": "database connections, may hold credentials",
    ".idea/datasources.local.xml": "database connections, may hold credentials",
    ".streamlit/secrets.toml": "Streamlit secrets",
    ".cache/huggingface/token": "Hugging Face credentials",
    ".docker/config.json": "registry credentials",
    ".config/containers/auth.json": "registry credentials",
    ".cargo/credentials": "package registry credentials",
    ".cargo/credentials.toml": "package registry credentials",
    ".gem/credentials": "package registry credentials",
    ".m2/settings.xml": "package registry credentials",
    ".config/git/credentials": "git credentials",
    ".mc/config.json": "cloud credentials",
    ".config/gspread/service_account.json": "cloud credentials",
    ".ipython/profile_default/history.sqlite": "Python history",
    ".dvc/config.local": "remote storage credentials",
}
_HARMLESS = re.compile(r".*\.(?:example|sample|template|dist)")
"""Endings of environment files that are made to be shared."""

_patterns = re.compile("|".join(f"(?P<p{i}>{fnmatch.translate(p)})" for i, p in enumerate(_PATTERNS)))
_reasons = list(_PATTERNS.values())


def denied(path: str) -> str | None:
    """Why `path` (relative, `/` between components) may not go into an image; None: it may."""
    parts = path.strip("/").lower().split("/")
    before = ""
    for depth, part in enumerate(parts):
        reason = _FOLDERS.get(part) or (before and _FOLDERS.get(f"{before}/{part}"))
        if reason:
            return reason
        if depth < len(parts) - 1:
            before = part
    name = parts[-1]
    if name == "direct_url.json" and before.endswith(".dist-info"):
        return "where a package was installed from, may hold credentials"
    for tail, reason in _TAILS.items():
        if "/".join(parts[-tail.count("/") - 1 :]) == tail:
            return reason
    return _name(name)


@functools.lru_cache(maxsize=65536)
def _name(name: str) -> str | None:
    if reason := _NAMES.get(name):
        return reason
    if _HARMLESS.fullmatch(name):
        return None
    found = _patterns.fullmatch(name)
    return _reasons[int(str(found.lastgroup)[1:])] if found else None
