"""Which names say that their value is a secret, and which values only stand in for one.

Both are judged by whole words: `max_tokens` and `password_file` name no secret, and a password that happens to begin
with `my` is one.
"""

import re
import unicodedata
from functools import lru_cache
from itertools import pairwise

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_PASSWORDS = frozenset(
    "password passwd passwort passphrase passcode pwd pswd kennwort contrasena contrasenya clave"  # noqa: SIM905
    " mdp motdepasse pw pass".split()
)
_SECRETS = _PASSWORDS | frozenset(
    "token secret auth credential credentials geheimnis geheim jeton apikey accesskey secretkey privatekey authkey"  # noqa: SIM905
    " authtoken pat psk schlussel schluessel zugangscode".split()
)
_ENDS = ("password", "passwd", "passwort", "passphrase", "pwd", "token", "secret", "apikey", "kennwort", "secretkey",
         "accesskey")  # fmt: skip
_OF_KEYS = frozenset(
    "api access secret private account auth encryption shared client service storage master app application admin"  # noqa: SIM905
    " signing crypt session subscription license licence".split()
)
_PHRASES = ("mot de passe", "cle api", "clave api")
_STOPS = frozenset(("value", "val", "string", "str", "env", "var", "prod", "dev", "production"))
"""Words behind the one that counts which do not change what it is."""

_VOCABULARY = frozenset(
    "your my the a an this that here is to of for password passwd pass pwd passphrase token secret secrets key keys api"  # noqa: SIM905
    " access auth user username name value string text example examples sample samples test tests testing dummy fake"
    " mock placeholder insert enter put replace replaceme change changeme me redacted hidden removed masked none null"
    " nil undefined true false todo tbd foo bar baz qux spam eggs abc abcd abcdef xyz default required optional some"
    " secure client id login admin root public private new old wrong bad invalid good valid correct very super my"
    " personal account db database with from x xx xxx xxxx xxxxx xxxxxx xxxxxxxx mypassword mysecret mytoken mykey"
    " yourpassword yourtoken yoursecret yourkey passwort kennwort geheim secretkey apikey authtoken accesstoken"
    " bearer basic oauth jwt in not no and or hash salt bytes hex base letmein qwerty mot de passe ihr dein"
    " votre su contrasena clave random something another other same session refresh csrf github gitlab".split()
)
_NAMED = re.compile(r"[a-z_-]*(?:token|secret|password|passwd|api_?key)[\d_]{0,3}", re.IGNORECASE)
"""A name of a secret where its value would be."""
_COUNTED = re.compile(r"\d{1,3}|1234\d*|0123\d*|0+")
_STAND_IN = re.compile(
    r"[*x•.\-_#?]+|<.*>|[{(\[].*|%\w+%|.*(?:\$\{|\{\{|\}\}|%\(|%[sdr]\b|\{\w*\}|\$\(|\.\.\.|…|<\w).*"
    r"|(?:\.{0,2}|~)(?:/[\w.@+-]+){2,}/?|[A-Za-z]:\\.*|(?:https?|file|s3|urn|arn):.*",
    re.IGNORECASE | re.DOTALL,
)
_CODE = re.compile(
    r"[A-Za-z_][A-Za-z_.]*[(\[].*|\S*\w(?:\(.*\)|\[.*\])|\S*(?:::|->|==|\(\)|\w\($)|[^=]*\w=(?!=?$)|--?\w"
)
_WORD_COUNTED = re.compile(r"[a-z]+\d?|[A-Za-z]+(?:[_-][A-Za-z]+)+\d?|\d{1,6}_[a-z_]+")
_ATTRIBUTE = re.compile(r"[A-Za-z_]+\d{0,2}(?:\.[A-Za-z_]+\d{0,2})+")
"""As in `result1.model.weight`."""
_VARIABLE = re.compile(r"[$@&!]\w+;?")
_IDENTIFIERS = re.compile(r"_{0,2}[A-Za-z]+(?:[_.:/-]{1,2}[A-Za-z]+)*[_:.]{0,2}")
_SHORT_WORD, _LONG_KEY = 2.6, 16
_FEWEST_PAIRS, _COMMON = 7, 0.62
_PAIRS = frozenset(
    "th he in er an re nd at on nt ha es st en ed to it ou ea hi is or ti as te et ng of al de se le sa si ar ve ra ld"  # noqa: SIM905
    " ur ro ri ne co me ch ma ll om ic la li io el ta ce ec ns ss us ut em di no ca ho ac tr un pe so il be ge po wi pa"
    " ot ai ly ie ad lo pr ke ee op sh pl wo we ow am ev id ey ay fo if fi fe ff gr gh go ga gi gl ck ct cl cr cu cy da"
    " do du dr br ba bl bo bi bu su sp sc sw sk sy tu ty tt up ui um ul ue ua uc ug ab ag ak ap av ax au aw ep eq ex ew"
    " eg ef ei im ip ir iv iz ob od og ok os ov oo pi pp pu ph rd rg rk rm rn rs rt ru ry rr rl nc nf ni nn nu nv ny nk"
    " ki ks ky ls lu lt lv mb mi mm mo mp mu my na vi vo va wa wh wn ye yp ys ze za hy ht hu ju jo js ja qu".split()
)
"""Letters that follow each other in words; in random letters two of three pairs are others."""
_DIGEST = re.compile(r"(?:sha\d+|md5)[-:=].*", re.IGNORECASE)
_ORDINARY = re.compile(
    r"(?:0x[\da-fA-F]{1,16}|(?:\\x[\da-fA-F]{2}|\\u[\da-fA-F]{4}|[\w-]*\\xff)+)[uUlL]*"
    r"|[\d.,:eE+-]+|[\d-]{8,10}[T ][\d:.Z+-]*|v?\d+(?:\.\w+)+"
)


@lru_cache(maxsize=8192)
def sensitive(name: str) -> str:
    """What kind of secret `name` says its value is: `password`, `secret`, `key`; empty: none."""
    words = _words(name)
    while words and (words[-1].isdigit() or words[-1] in _STOPS) and len(words) > 1:
        words.pop()
    if not words:
        return ""
    last = words[-1]
    if last in _PASSWORDS:
        return "password"
    if last in _SECRETS:
        return "secret"
    if last in ("key", "cle"):
        return "secret" if _OF_KEYS.intersection(words[:-1]) else ("key" if len(words) == 1 else "")
    if last.endswith(_ENDS):
        return (
            "password" if last.endswith(("password", "passwd", "passwort", "pwd", "kennwort")) else "secret"
        )
    return "password" if " ".join(words).endswith(_PHRASES) else ""


def stands_in(value: str) -> bool:
    """True where `value` is no value: stars, a variable, a path, or nothing but words of manuals and tests."""
    if (
        _STAND_IN.fullmatch(value)
        or _NAMED.fullmatch(value)
        or (_VARIABLE.fullmatch(value) and not _scrambled(value))
    ):
        return True
    words = _words(value)
    return all(word in _VOCABULARY or _COUNTED.fullmatch(word) for word in words)


def looks_secret(value: str, kind: str, *, bare: bool) -> bool:
    """True where `value` may be a secret of `kind`; `bare`: it stands there without quotes, like code does."""
    if (
        len(value) < (8 if bare else 6)
        or stands_in(value)
        or _ORDINARY.fullmatch(value)
        or _DIGEST.fullmatch(value)
    ):
        return False
    if bare and _CODE.match(value):
        return False
    letters = sum(map(str.isalpha, value))
    digits = sum(map(str.isdigit, value))
    if not letters:
        return kind == "password" and not bare and len(set(value)) > 4
    if _IDENTIFIERS.fullmatch(value):
        return _scrambled(value)
    if _WORD_COUNTED.fullmatch(value) or (bare and _ATTRIBUTE.fullmatch(value)):
        return _scrambled(value)
    if " " in value:
        return kind == "password" and digits > 0 and len(value.split()) > 2 and value[-1] not in ".!?:)"
    if kind == "key" and (len(value) < _LONG_KEY or not digits):
        return False
    if re.fullmatch(r"[A-Za-z_.:/-]+\d{1,4}", value) and (kind != "password" or bare):
        return _scrambled(value)
    if bare and kind != "password" and (digits < 2 or not re.fullmatch(r"[\w+/=.~-]+", value)):
        return _scrambled(value)
    if bare:
        return bool(re.search(r"[A-Za-z].*\d|\d.*[A-Za-z]|[^\w.:/-]", value))
    return digits > 0 or bool(re.search(r"[^\w\s.:/\\-]", value) and len(value) >= 8 and kind == "password")


def _words(text: str) -> list[str]:
    if not text.isascii():
        text = "".join(
            char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char)
        )
    return [word.lower() for word in _WORDS.findall(text)]


def _scrambled(value: str) -> bool:
    """True where the letters change their case, or follow each other, as in no words."""
    runs = _WORDS.findall(value)
    if len(runs) > 3 and sum(map(len, runs)) / len(runs) < _SHORT_WORD:
        return True
    pairs = [a + b for run in re.findall(r"[a-z]+", value.lower()) for a, b in pairwise(run)]
    return len(pairs) >= _FEWEST_PAIRS and sum(pair in _PAIRS for pair in pairs) < _COMMON * len(pairs)
