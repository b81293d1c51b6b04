"""What may be shown to others: no credential of any shape, nobody's name; and ordinary text stays as it is."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spaceops.privacy import without_credentials, without_persons
from spaceops.secret import Secret

EXAMPLES = int(os.environ.get("SPACEOPS_EXAMPLES", 20))
VALUE = "Zk9" * 12


@pytest.mark.parametrize(
    "text",
    [
        f"token hf_{VALUE[:34]} was refused",
        f"OPENAI_API_KEY={VALUE}",
        f'"password": "{VALUE}"',
        f"run --token={VALUE}",
        f"Authorization: Bearer {VALUE}",
        f"Authorization: Basic {VALUE}==",
        f"postgresql://user:{VALUE}@db.example.com:5432/x",
        f"https://user:{VALUE}@github.com/a/b.git",
        f"https://{VALUE}@github.com/a/b.git",
        f"https://bucket.s3.amazonaws.com/x?X-Amz-Signature={VALUE}&y=1",
        f"glpat-{VALUE[:24]}",
        f"secret_key: {VALUE}",
    ],
)
def test_a_credential_is_hidden_whatever_its_shape(text):
    shown = without_credentials(text)

    assert VALUE[:12] not in shown
    assert "[REDACTED" in shown


def test_a_secret_that_is_held_here_is_named():
    Secret("a-value-without-any-shape", "MY_SETTING")

    assert "it is [REDACTED:MY_SETTING]!" == without_credentials("it is a-value-without-any-shape!")


@pytest.mark.parametrize(
    "text",
    [
        "KeyError: 'HF_TOKEN'",
        "ValueError: OPENAI_API_KEY is not set",
        "token=None",
        "password: missing",
        "unexpected token '<' in JSON at position 0",
        "api_key\n  Field required [type=missing, input_value={}, input_type=dict]",
        "HF_TOKEN=$HF_TOKEN pip install x",
        'os.environ["API_KEY"]',
        "tokenizer: loading vocab.json",
        "Collecting tokenizers==0.21.0",
        f"--> FROM docker.io/library/python:3.11-slim@sha256:{'1f2d3c4b5a697887' * 4}",
        "https://huggingface.co/acme/model/resolve/main/config.json",
    ],
)
def test_the_name_of_a_setting_is_no_credential(text):
    assert text == without_credentials(text)


def test_people_are_left_out_and_the_users_of_images_are_not():
    text = r"/home/alice/app and /Users/bob/x and C:\Users\carol\x by d.e@example.com, but /home/user/app/main.py"

    assert r"/home/…/app and /Users/…/x and C:\Users\…\x by …@…, but /home/user/app/main.py" == without_persons(text)


@given(st.text(max_size=500))
@settings(max_examples=EXAMPLES)
def test_any_text_can_be_made_fit(text):
    once = without_credentials(text)

    assert once == without_credentials(once)
    assert without_persons(text) == without_persons(without_persons(text))
