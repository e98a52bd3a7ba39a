"""Assignments of every language and carrier, with random values; names and values that are none; the share found."""

import random
import string

import pytest

from tests.images.guard.planted import scan, told

CARRIERS = {
    "R": 'password <- "@"',
    "R, argument": 'redcap_read(uri = uri, token = "@")',
    "R, set": 'Sys.setenv(API_TOKEN = "@")',
    "R, backwards": '"@" -> db_password',
    "Stata": 'global password "@"',
    "Stata, option": 'odbc load, user("a") password("@")',
    "MATLAB": "weboptions('Username','a','Password','@')",
    "SAS": 'libname x odbc user=ann password="@";',
    "SAS, macro": "%let password = @;",
    "Julia": 'ENV["X_TOKEN"] = "@"',
    "Julia, typed": 'password::String = "@"',
    "Python, typed": 'password: str = "@"',
    "Python, bytes": "password = b'@'",
    "Python, raw": "password = r'@'",
    "Python, triple": 'password = """@"""',
    "Python, pair": 'get(u, auth=("ann", "@"))',
    "German": 'passwort = "@"',
    "German, text": "Kennwort: @",
    "French": 'mot_de_passe = "@"',
    "Spanish": 'contraseña = "@"',
    "camel": '"clientSecret": "@",',
    "shell": "export DB_PASSWORD=@",
    "Dockerfile": "ENV DB_PASSWORD @",
    "Makefile": "X_TOKEN := @",
    "crontab": "5 * * * * TOKEN=@ /x",
    "YAML": "    token: @",
    "XML": "<password>@</password>",
    "netrc": "machine x.org login ann password @",
    "DSN": 'connect("host=h user=a password=@")',
    "ODBC": "connect('DSN=x;UID=ann;PWD=@')",
    "JDBC": "jdbc:x://h/d?user=a&password=@",
    "URL, slash": "postgresql://ada:a/@x@db.x.org/d",
    "URL, token": "https://@@x.org/a.git",
    "curl": "curl -u ann:@ https://x.org",
    "mysql": "mysql -u root -p@ db",
    "sshpass": "sshpass -p '@' ssh x",
    "bearer": 'curl -H "Authorization: Bearer @" https://x.org',
}
NONE = [
    "token = tokenizer.next_token()", "max_tokens = 4096", 'password = request.form["password"]', "password=getpass()",
    'password = "<your password>"', 'token = "your_token_here"', "PASSWORD=${DB_PASSWORD}", "password: changeme",
    "secret_key_path = '/etc/keys/a1b2c3d4'", 'token = os.environ["TOKEN_2"]', "pass `chain=True` when creating",
    "Looking in indexes: https://ada:****@pypi.example.org/simple", "url = https://user:password@example.org/",
    'author = "Ada Lovelace 1815"', 'key <- "species"',
]  # fmt: skip
AT_LEAST = 0.97


def test_the_share_that_is_found() -> None:
    rng = random.Random(14)
    files: dict[str, bytes | str] = {}
    for alphabet, length in ((string.ascii_letters + string.digits, 16), ("0123456789ABCDEF", 32)):
        for kind, line in CARRIERS.items():
            for number in range(10):
                value = "".join(rng.choice(alphabet) for _ in range(length))
                files[f"{kind} {length} {number}.txt"] = f"first\n{line.replace('@', value, 1)}\n"
    found = {subject.removeprefix("files/").rpartition(":")[0] for _, subject in told(scan(files))}
    missed = sorted(files.keys() - found)
    assert len(found) >= AT_LEAST * len(files), missed


@pytest.mark.parametrize("line", NONE)
def test_what_is_no_secret(line: str) -> None:
    assert told(scan({"a.txt": f"{line}\n"})) == []


def test_a_password_that_begins_like_a_placeholder_is_one() -> None:
    assert told(scan({"a.R": 'password <- "mySheep#4217"\n'})) == [("push", "files/a.R:1")]


def test_a_column_of_a_table() -> None:
    assert told(scan({"a.csv": "user,password\nann,Gx7kfQ2pLw9\n"})) == [("push", "files/a.csv:2")]
    assert told(scan({"a.csv": "user,password_length\nann,12345678\n"})) == []
