"""What the owner may set, and what is said of a value that makes no sense."""

from __future__ import annotations

import pytest

from serving.settings import BadSetting, Settings


def test_without_variables_there_are_defaults():
    settings = Settings.from_environ({})

    assert settings == Settings()
    assert (None, 0, ()) == (settings.api_token, settings.rate_limit, settings.cors_origins)


def test_each_variable_is_read():
    settings = Settings.from_environ(
        {
            "API_TOKEN": "long-enough",
            "RATE_LIMIT": "60",
            "REQUEST_TIMEOUT": "2.5",
            "MAX_WAITING": "10",
            "MAX_BATCH": "4",
            "CORS_ORIGINS": "https://example.com, http://127.0.0.1:3000",
            "LOG_LEVEL": "Warning",
        }
    )

    assert settings == Settings(
        api_token="long-enough",
        rate_limit=60,
        request_timeout=2.5,
        max_waiting=10,
        max_batch=4,
        cors_origins=("https://example.com", "http://127.0.0.1:3000"),
        log_level="warning",
    )


@pytest.mark.parametrize(
    "name", ["RATE_LIMIT", "REQUEST_TIMEOUT", "MAX_WAITING", "MAX_BATCH", "CORS_ORIGINS", "LOG_LEVEL"]
)
def test_an_empty_variable_is_none(name):
    assert Settings.from_environ({name: ""}) == Settings()


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("RATE_LIMIT", "-1", "a whole number from 0"),
        ("RATE_LIMIT", "1.5", "a whole number from 0"),
        ("RATE_LIMIT", "९", "a whole number from 0"),
        ("MAX_BATCH", "0", "a whole number from 1"),
        ("MAX_WAITING", "1e3", "a whole number from 1"),
        ("REQUEST_TIMEOUT", "soon", "a number of seconds above 0"),
        ("REQUEST_TIMEOUT", "0", "a number of seconds above 0"),
        ("REQUEST_TIMEOUT", "inf", "a number of seconds above 0"),
        ("REQUEST_TIMEOUT", "nan", "a number of seconds above 0"),
        ("CORS_ORIGINS", "example.com", "origins such as https://example.com, with commas between them"),
        ("CORS_ORIGINS", "https://example.com/", "origins such as https://example.com, with commas between them"),
        ("LOG_LEVEL", "chatty", "one of debug, info, warning, error"),
    ],
)
def test_a_bad_value_ends_the_start_in_one_line(name, value, wanted):
    with pytest.raises(BadSetting) as ended:
        Settings.from_environ({name: value})

    assert f"{name} is {value!r}, but must be {wanted}" == ended.value.code


@pytest.mark.parametrize("token", ["", "short", "with a space", "ümläutölong"])
def test_a_token_that_locks_nothing_is_refused_and_not_repeated(token):
    with pytest.raises(BadSetting, match="API_TOKEN must have at least 8 characters") as ended:
        Settings.from_environ({"API_TOKEN": token})

    assert not token or token not in str(ended.value)


def test_the_token_is_not_shown():
    assert "long-enough" not in repr(Settings(api_token="long-enough"))
