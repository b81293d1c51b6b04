"""Secrets: typed, resolved, compared by fingerprint, redacted."""

from __future__ import annotations

import base64
import copy
import json
import pickle
import sys
from concurrent.futures import ThreadPoolExecutor
from html import escape
from urllib.parse import quote

import pytest

from spaceops.errors import SecretMissing
from spaceops.secret import (
    Secret,
    described,
    fingerprint,
    is_redacted,
    is_reference,
    matches,
    redact,
    resolve,
    without_fingerprint,
)

VALUE = 'p@ss "word"/with\\signs+<äö> 7c1d'


def test_a_secret_never_prints():
    secret = Secret(VALUE, "API_KEY")

    assert "[REDACTED:API_KEY]" == str(secret) == repr(secret) == f"{secret}" == "%s" % secret  # noqa: UP031
    assert VALUE == secret.reveal()


@pytest.mark.parametrize("store", [pickle.dumps, copy.deepcopy])
def test_a_secret_is_not_for_storing(store):
    with pytest.raises(TypeError, match="REDACTED"):
        store(Secret(VALUE, "API_KEY"))


@pytest.mark.parametrize(
    "form",
    [VALUE, base64.b64encode(VALUE.encode()).decode(), quote(VALUE, safe=""), json.dumps(VALUE), escape(VALUE)],
    ids=["plain", "base64", "url", "json", "html"],
)
def test_redact_finds_every_form(form):
    Secret(VALUE, "API_KEY")

    hidden = redact(f"before {form} after")

    assert "[REDACTED:API_KEY]" in hidden
    assert "7c1d" not in hidden


def test_redact_finds_each_line_of_a_key_of_several_lines():
    Secret("-----BEGIN-----\nMIIEvQIBADANBgkqhk\n-----END-----", "PEM")

    assert "log: [REDACTED:PEM]" == redact("log: MIIEvQIBADANBgkqhk")


def test_redact_masks_what_looks_like_a_hub_token():
    assert "Bearer [REDACTED:HF_TOKEN]" == redact("Bearer hf_" + "aB3" * 10)


def test_values_too_short_to_hide_leave_text_alone():
    Secret("on", "SWITCH")

    assert "only once" == redact("only once")


def test_references_lead_to_values(tmp_path, monkeypatch):
    monkeypatch.setenv("MY_KEY", "from-env")
    (tmp_path / "key.txt").write_text("from-file\n")
    (tmp_path / ".env").write_text("# c\nexport A=plain # why\nB='quoted # kept'\nC=\"closed\" # why\n")

    def value(reference):
        return resolve("K", reference, tmp_path).reveal()

    assert "from-env" == value("env:MY_KEY")
    assert "from-file" == value("file:key.txt")
    assert "plain" == value("dotenv:.env#A")
    assert "quoted # kept" == value("dotenv:.env#B")
    assert "closed" == value("dotenv:.env#C")
    assert "from-cmd" == value(f"cmd:{sys.executable} -c 'print(\"from-cmd\")'")


@pytest.mark.parametrize(
    "reference",
    ["env:SPACEOPS_NO_SUCH", "file:missing", "dotenv:missing#A", "cmd:false", "cmd:no-such-program"],
)
def test_a_reference_that_leads_nowhere_names_the_secret_and_where_it_looked(reference, tmp_path):
    with pytest.raises(SecretMissing) as caught:
        resolve("API_KEY", reference, tmp_path)

    assert ("API_KEY", reference) == (caught.value.key, caught.value.looked_in)
    assert caught.value.hint
    assert 10 == caught.value.exit_code


@pytest.mark.parametrize("pasted", ["sk-live-4242", "hunter2:A"])
def test_a_value_pasted_in_place_of_a_reference_is_not_repeated(pasted, tmp_path):
    with pytest.raises(SecretMissing) as caught:
        resolve("API_KEY", pasted, tmp_path)

    assert pasted not in str(caught.value).replace("env:API_KEY", "").replace("env:NAME", "")
    assert "env:API_KEY" in str(caught.value)


def test_only_known_kinds_are_references():
    assert is_reference("env:A")
    assert not is_reference("hunter2:A")
    assert not is_reference("env:")


def test_a_fingerprint_tells_same_from_changed_and_keeps_the_users_words():
    secret = Secret("correct horse", "K")
    description = f"for the API {fingerprint(secret)}"

    assert matches(secret, description) is True
    assert matches(Secret("battery staple", "K"), description) is False
    assert matches(secret, "for the API") is None
    assert "for the API" == without_fingerprint(description)


def test_two_fingerprints_of_one_value_differ():
    secret = Secret("correct horse", "K")

    assert fingerprint(secret) != fingerprint(secret)


def test_a_file_that_is_no_text_leads_nowhere(tmp_path):
    (tmp_path / "key").write_bytes("schlüssel".encode("latin-1"))

    with pytest.raises(SecretMissing, match="file:key"):
        resolve("K", "file:key", tmp_path)


def test_secrets_made_in_several_threads_are_all_known():
    values = [[f"value {thread} number {number} of many" for number in range(100)] for thread in range(4)]

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda mine: [Secret(value, "MANY") for value in mine], values))

    assert {"[REDACTED:MANY]"} == {redact(value) for mine in values for value in mine}


def test_a_description_keeps_the_users_words():
    secret = Secret("correct horse", "K")

    assert described(described("ask Ada", secret), secret).startswith("ask Ada [spaceops:1:")
    assert 1 == described(described("ask Ada", secret), secret).count("spaceops:1:")


def test_a_secret_counts_as_redacted_by_its_value_and_not_by_its_name():
    mine, other = Secret("value-of-this-space", "SHARED_NAME"), "value-of-another-space"
    theirs = fingerprint(Secret(other, "SOME_OTHER_NAME"))

    assert is_redacted("SHARED_NAME", described("words", mine))
    assert not is_redacted("SHARED_NAME", theirs)
    assert not is_redacted("SHARED_NAME", None)
    assert not is_redacted("NEVER_HELD", fingerprint(mine))
    assert not is_redacted("SHORT", fingerprint(Secret("abc", "SHORT")))
