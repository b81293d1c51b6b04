"""Credentials in files, in the Dockerfile, in variables: found where they are real, and never repeated.

The values are made here, by a random generator with a seed: none of them stands in this file, and none opens anything.
"""

from __future__ import annotations

import base64
import json
import os
import random
import string
import subprocess
import time
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spaceops.credentials import find
from spaceops.findings import Severity
from spaceops.preflight import check
from spaceops.rules.examples import GOOD, write
from spaceops.secretlooks import is_chosen, is_secret_name

EXAMPLES = int(os.environ.get("SPACEOPS_EXAMPLES", "20"))
CODES = ["secret-in-files", "env-file-committed", "secret-in-image-layer", "secret-in-variables"]
ALPHANUMERIC = string.ascii_letters + string.digits
HEXADECIMAL = string.digits + "abcdef"
GUESS = random.Random(5)


def some(count: int, letters: str = ALPHANUMERIC) -> str:
    """So many random characters."""
    return "".join(GUESS.choices(letters, k=count))


def with_checksum(prefix: str) -> str:
    body, digits = some(30), "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    number, check_digits = zlib.crc32(body.encode()), ""
    for _ in range(6):
        number, digit = divmod(number, 62)
        check_digits = digits[digit] + check_digits
    return prefix + body + check_digits


def encoded(data: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(data).encode()).decode().rstrip("=")


def private_key(kind: str = "", inside: str = "") -> str:
    lines = "\n".join(some(64) for _ in range(12))
    return f"-----BEGIN {kind}PRIVATE KEY-----\n{inside}{lines}\n-----END {kind}PRIVATE KEY-----\n"


CERTAIN = {
    "a Hugging Face token": "hf_" + some(34),
    "a GitHub token": with_checksum("ghp_"),
    "a GitHub token for one purpose": "github_pat_" + some(22) + "_" + some(59),
    "a GitLab token": "glpat-" + some(20),
    "an OpenAI key": "sk-" + some(20) + "T3Blbk" + "FJ" + some(20),
    "an OpenAI key of a project": "sk-proj-" + some(74) + "T3Blbk" + "FJ" + some(74),
    "an Anthropic key": "sk-ant-api03-" + some(93) + "AA",
    "a Groq key": "gsk_" + some(52),
    "a Google key": "AIza" + some(35),
    "a Slack token": f"xoxb-{some(11, string.digits)}-{some(12, string.digits)}-{some(24)}",
    "a Slack webhook": f"https://hooks.slack.com/services/T{some(8, 'ABCDEF12')}/B{some(8, 'ABCDEF1')}/{some(24)}",
    "a Telegram bot token": f"{some(10, '123456789')}:AA{some(33)}",
    "an npm token": with_checksum("npm_"),
    "a PyPI token": "pypi-AgEIcHlwaS5vcmc" + some(120),
    "a DigitalOcean token": "dop_v1_" + some(64, HEXADECIMAL),
    "a SendGrid key": f"SG.{some(22)}.{some(43)}",
    "a live Stripe key": "sk_live_" + some(24),
    "a Supabase key": f"eyJhbGciOiJIUzI1NiJ9.{encoded({'role': 'service_role', 'ref': some(20)})}.{some(43)}",
    "a Discord bot token": f"discord {base64.b64encode(b'312345678901234567').decode()}.{some(6)}.{some(27)}",
    "an Azure storage key": f"AccountName=x;AccountKey={some(86)}==",
    "an AWS key": f"AKIA{some(16, string.ascii_uppercase)}\nsecret = {some(40)}",
    "a private key": private_key("RSA "),
    "a private key on one line": private_key().replace("\n", "\\n"),
    "an address of a database": f"postgresql+asyncpg://app:{some(16)}@db.acme.org:5432/x",
    "an address of a cluster": f"mongodb+srv://admin:{some(16)}@cluster0.ab1cd.mongodb.net/test",
    "an address of a package index": f"--extra-index-url https://ci:{some(20)}@pypi.acme.org/simple",
    "a password of .netrc": f"machine huggingface.co\n  login me\n  password {some(20)}",
}
DOUBTFUL = {
    "a GitHub token with a wrong checksum": "ghp_" + some(36),
    "a token that was typed along the alphabet": "hf_abcdefghijklmnopqrstuvwxyzABCDEFGH",
    "an id of AWS without its secret": f"AKIA{some(16, string.ascii_uppercase)}",
    "a private key under a passphrase": private_key("RSA ", "Proc-Type: 4,ENCRYPTED\n\n"),
    "a short password of a database": "mysql://app:hunt3r@db.acme.org/x",
}
HARMLESS = {
    "a token of crosses": "hf_" + "x" * 34,
    "a token that says that it is none": "hf_YourTokenGoesRightHereAndNowhereElse1",
    "the documentation's key of AWS": "AKIAIOSFODNN7EXAMPLE",
    "a key of dots": "sk-...",
    "what is too short": "hf_" + some(20),
    "what goes on": "hf_" + some(60),
    "a word with sk- in it": "task-" + some(48),
    "a key of a web page": f'{{apiKey: "AIza{some(35)}", authDomain: "acme.firebaseapp.com"}}',
    "the anonymous key of Supabase": f"eyJhbGciOiJIUzI1NiJ9.{encoded({'role': 'anon', 'ref': some(20)})}.{some(43)}",
    "a public key": private_key().replace("PRIVATE", "PUBLIC"),
    "a private key that is cut off": "-----BEGIN PRIVATE KEY-----\nMIIE...\n-----END PRIVATE KEY-----",
    "an address with a password from elsewhere": "postgresql://app:${DB_PASSWORD}@db.acme.org/x",
    "an address with a password to fill in": "postgresql://app:{password}@db.acme.org/x",
    "an address of the documentation": "postgresql://user:password@db.acme.org/x",
    "a database on this machine": f"postgresql://app:{some(16)}@localhost:5432/x",
    "a database beside the app": f"postgresql://app:{some(16)}@db:5432/x",
    "a hash": some(64, HEXADECIMAL),
}


@pytest.mark.parametrize("text", CERTAIN.values(), ids=CERTAIN)
def test_a_real_one_is_certain(text):
    assert [True] == [found.is_certain for found in find(text.encode())]


@pytest.mark.parametrize("text", DOUBTFUL.values(), ids=DOUBTFUL)
def test_one_that_may_be_made_up_or_useless_is_not_certain(text):
    assert [False] == [found.is_certain for found in find(text.encode())]


@pytest.mark.parametrize("text", HARMLESS.values(), ids=HARMLESS)
def test_an_example_is_none(text):
    assert [] == list(find(text.encode()))


@pytest.mark.parametrize(
    "line",
    [
        f'API_KEY = "{some(24)}Aa1"',
        f"'secretKey': '{some(32)}Zz9',",
        f'"clientSecret": "{some(40, HEXADECIMAL)}",',
        f'db_password: str = "{some(28)}xY7"',
        f'"source": ["token = \\"{some(30)}kQ3\\"\\n"]',
    ],
)
def test_the_name_of_a_variable_and_a_heap_of_letters_tell_together(line):
    assert [False] == [found.is_certain for found in find(line.encode(), by_name=True)]


@pytest.mark.parametrize(
    "line",
    [
        'MODEL_KEY = "sentence-transformers/all-MiniLM-L6-v2"',
        'api_key = "your-openai-api-key-goes-here"',
        'API_KEY = os.environ["OPENAI_API_KEY_FOR_THE_APP"]',
        f'cache_key = "{some(40)}"',
        f'public_key = "{some(40)}"',
        f'"integrity": "sha512-{some(86)}=="',
        'pad_token = "<|reserved_special_token_0|>"',
        'token_url = "https://acme.org/oauth/v2/token"',
        'SECRET_NAME = "projects/12345/secrets/my-app/versions"',
        'password_field = "current-password-confirmation"',
        'secret = "abcdefghijklmnopqrstuvwxyz0123456789ABC"',
    ],
)
def test_ordinary_values_are_no_secrets(line):
    assert [] == list(find(line.encode(), by_name=True))


@pytest.mark.parametrize(
    ("name", "is_secret"),
    [
        ("HF_TOKEN", True),
        ("OPENAI_API_KEY", True),
        ("AWS_SECRET_ACCESS_KEY", True),
        ("dbPassword", True),
        ("SECRET_KEY", True),
        ("APIKEY", True),
        ("TOKENIZERS_PARALLELISM", False),
        ("MAX_TOKENS", False),
        ("PAD_TOKEN", False),
        ("VITE_PUBLIC_KEY", False),
        ("KEYBOARD", False),
        ("PRIMARY_KEY", False),
        ("", False),
    ],
)
def test_a_name_tells_whether_its_value_is_secret(name, is_secret):
    assert is_secret == is_secret_name(name)


@pytest.mark.parametrize(
    "value", ["", "1234567890", "change-me-1", "/run/secrets/x1", "postgres", "$TOKEN", "a b c d 1"]
)
def test_a_number_a_place_and_a_default_are_not_chosen_by_anybody(value):
    assert not is_chosen(value)


def findings(folder, change, **settings):
    return [finding for finding in check(write(folder, change), **settings) if finding.code in CODES]


def spec(**fields: str) -> dict[str, str]:
    return {"space.toml": GOOD["space.toml"] + "".join(f'{key} = "{value}"\n' for key, value in fields.items())}


TOKEN = CERTAIN["a Hugging Face token"]


@pytest.mark.parametrize(
    ("path", "change", "severities"),
    [
        ("main.py", {}, ["error"]),
        ("README.md", {}, ["error"]),
        ("config/app.ini", {}, ["error"]),
        ("notebook.ipynb", {}, ["error"]),
        ("main.py", spec(visibility="public"), ["error"]),
        ("main.py", spec(visibility="private"), ["warning"]),
        ("main.py", spec(visibility="protected"), ["warning"]),
        ("tests/test_main.py", {}, ["warning"]),
        ("config.example", {}, ["warning"]),
        ("node_modules/x/index.js", {}, []),
        ("image.png", {}, []),
    ],
)
def test_where_a_token_lies_decides_how_bad_it_is(path, change, severities, tmp_path):
    content = GOOD.get(path, "") + f"\ntoken = {TOKEN}\n"

    found = findings(tmp_path, {**change, path: content})

    assert severities == [finding.severity for finding in found if finding.path == path]


def test_a_finding_says_where_and_what_and_how_it_is_mended_without_the_value(tmp_path):
    (found,) = findings(tmp_path, {"main.py": GOOD["main.py"] + f'TOKEN = "{TOKEN}"\n'})

    assert "main.py:11" == found.where
    assert found.message.startswith("A Hugging Face token (hf_…) stands in main.py: everybody can read")
    assert 'HF_TOKEN = "env:HF_TOKEN"' in found.hint
    assert "https://huggingface.co/settings/tokens" in found.hint


@pytest.mark.parametrize("text", [*CERTAIN.values(), *DOUBTFUL.values()], ids=[*CERTAIN, *DOUBTFUL])
def test_no_part_of_a_value_is_ever_shown(text, tmp_path):
    report = check(write(tmp_path, {"settings.txt": text + "\n"}), select=CODES)
    shown = json.dumps(report.as_dict()) + str(report) + report._repr_html_() + repr(report)

    assert len(report)
    pieces = {text[at : at + 8] for at in range(len(text) - 7) if text[at : at + 8].isalnum()}
    ours = ("PRIVATE", "postgres", "passwor", "services", "machine", "huggingf", "ccount", "mongodb", "settings")
    assert [] == [piece for piece in pieces if piece in shown and not any(word[:7] in piece for word in ours)]


def test_a_binary_file_and_an_unreadable_one_hold_none(tmp_path):
    assert [] == findings(tmp_path, {"data": b"\0" + TOKEN.encode(), "weights.bin": TOKEN.encode()})


DOCKERFILE = GOOD["Dockerfile"]


@pytest.mark.parametrize(
    ("line", "count"),
    [
        ("ENV ADMIN_PASSWORD=hunter22x", 1),
        ("ENV PORT=7860 SESSION_SECRET='w0rd-and-w0rd'", 1),
        ("ARG PIP_TOKEN=abc123def456", 1),
        (f"ENV HF_TOKEN={TOKEN}", 1),
        (f"RUN curl -H 'Authorization: Bearer {TOKEN}' https://huggingface.co/x", 1),
        ("ENV HF_TOKEN=", 0),
        ("ENV HF_TOKEN=$HF_TOKEN", 0),
        ("ARG HF_TOKEN", 0),
        ("ENV POSTGRES_PASSWORD=postgres", 0),
        ("ENV API_KEY=your-api-key-1", 0),
        ("ENV MAX_TOKENS=4096 TOKENIZERS_PARALLELISM=false", 0),
        ("ENV PASSWORD_FILE=/run/secrets/pass1", 0),
    ],
)
def test_a_secret_in_the_dockerfile_is_found_once(line, count, tmp_path):
    found = findings(tmp_path, {"Dockerfile": DOCKERFILE.replace("USER user\n", f"USER user\n{line}\n")})

    assert [("secret-in-files", "Dockerfile:4")] * count == [(finding.code, finding.where) for finding in found]


@pytest.mark.parametrize(
    ("command", "is_left"),
    [
        ("git clone https://me:$(cat /run/secrets/T)@huggingface.co/acme/x", True),
        ("hf auth login --token $(cat /run/secrets/T)", True),
        ("cp /run/secrets/T /home/user/.token", True),
        ("git clone https://me:$(cat /run/secrets/T)@huggingface.co/acme/x && rm -rf x/.git", False),
        ("hf download acme/x --token $(cat /run/secrets/T)", False),
        ("cat /run/secrets/T > /dev/null", False),
    ],
)
def test_what_a_run_line_leaves_of_a_secret(command, is_left, tmp_path):
    line = f"RUN --mount=type=secret,id=T,mode=0444,required=true {command}\n"
    found = findings(tmp_path, {"Dockerfile": DOCKERFILE.replace("USER user\n", f"USER user\n{line}")})

    assert ["secret-in-image-layer"] * is_left == [finding.code for finding in found]


@pytest.mark.parametrize(
    ("line", "severities"),
    [
        (f'HF_TOKEN = "{TOKEN}"', ["error"]),
        (f'ANY = "{TOKEN}"', ["error"]),
        ('DB_PASSWORD = "hunter22x"', ["warning"]),
        ('DB_PASSWORD = "change-me"', []),
        ('MODEL_ID = "acme/model-1"', []),
        ("MAX_TOKENS = 512", []),
    ],
)
def test_variables_are_no_place_for_secrets(line, severities, tmp_path):
    found = findings(tmp_path, {"space.toml": f'repo_id = "acme/hello"\n[variables]\n{line}\n'})

    assert [("secret-in-variables", "space.toml:3")] * len(severities) == [(one.code, one.where) for one in found]
    assert severities == [finding.severity for finding in found]


@pytest.mark.parametrize(
    ("change", "severities"),
    [
        ({".env": f"HF_TOKEN={TOKEN}\n"}, ["warning"]),
        ({".env": "export DB_PASSWORD='hunter22x'\n"}, ["warning"]),
        ({".env": "PORT=7860\n# HF_TOKEN=hf_\n"}, ["info"]),
        ({"api/.env.local": "PORT=7860\n"}, ["info"]),
        ({".env": f"HF_TOKEN={TOKEN}\n", ".gitignore": "*.log\n.env*\n"}, []),
        ({".env.example": "HF_TOKEN=hf_...\n"}, []),
        ({".env/bin/activate": "\n"}, []),
    ],
)
def test_an_env_file_that_git_would_push(change, severities, tmp_path):
    found = findings(tmp_path, change)

    assert severities == [finding.severity for finding in found]
    assert {"env-file-committed"} >= {finding.code for finding in found}


def test_the_fix_keeps_an_env_file_out_of_git(tmp_path):
    (found,) = findings(tmp_path, {".env": f"HF_TOKEN={TOKEN}\n", ".gitignore": "*.log"})

    assert found.fix
    assert {".gitignore": b"*.log\n.env\n"} == found.fix.files


@pytest.mark.parametrize(
    ("remote", "severity"),
    [("https://huggingface.co/spaces/acme/hello", Severity.ERROR), ("https://github.com/acme/x", Severity.WARNING)],
)
def test_an_env_file_in_a_repository_of_the_hub_is_public_already(remote, severity, tmp_path):
    write(tmp_path, {".env": f"HF_TOKEN={TOKEN}\n"})
    for command in (["init", "-q"], ["remote", "add", "origin", remote], ["add", "-f", ".env"]):
        subprocess.run(["git", "-C", tmp_path, *command], check=True)

    (found,) = [finding for finding in check(tmp_path) if finding.code in CODES]

    assert severity == found.severity


@given(content=st.binary(max_size=300) | st.text(alphabet="hf_sk-AKI:/@.\"'= TOKENeyJ0", max_size=300).map(str.encode))
@settings(max_examples=EXAMPLES)
def test_no_content_is_too_odd_to_look_at(content):
    for found in find(content, by_name=True):
        assert 1 <= found.line <= content.count(b"\n") + 1


@pytest.mark.parametrize(
    "piece",
    [
        "hf_",
        "sk-",
        "eyJa.eyJ",
        "sk-proj-",
        "https://a:",
        "machine a login b ",
        "12345678:AA",
        "key",
        'key = "',
        "patirtable",
    ],
)
def test_a_large_file_of_nothing_but_beginnings_takes_no_time(piece):
    content = (piece.encode() * (1 << 20))[: 1 << 20] + b"T3BlbkFJ"
    began = time.process_time()

    assert not [found for found in find(content, by_name=True) if found.is_certain]
    assert time.process_time() - began < 10
