"""What the owner may set, and what is said of a value that makes no sense."""

from __future__ import annotations

import pytest

from serving.settings import BadSetting, Settings, whole


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
            "CORS_ORIGINS": "https://example.com, http://127.0.0.1:3000",
            "LOG_LEVEL": "Warning",
        }
    )

    assert settings == Settings(
        api_token="long-enough",
        rate_limit=60,
        request_timeout=2.5,
        cors_origins=("https://example.com", "http://127.0.0.1:3000"),
        log_level="warning",
    )


def test_all_other_sites_are_a_star():
    assert ("*",) == Settings.from_environ({"CORS_ORIGINS": "*"}).cors_origins


@pytest.mark.parametrize("name", ["RATE_LIMIT", "REQUEST_TIMEOUT", "CORS_ORIGINS", "LOG_LEVEL"])
def test_an_empty_variable_is_none(name):
    assert Settings.from_environ({name: ""}) == Settings()


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("RATE_LIMIT", "-1", "a whole number from 0"),
        ("RATE_LIMIT", "1.5", "a whole number from 0"),
        ("RATE_LIMIT", "९", "a whole number from 0"),
        ("RATE_LIMIT", "1e3", "a whole number from 0"),
        ("RATE_LIMIT", "1234567890", "a whole number from 0"),
        ("REQUEST_TIMEOUT", "soon", "a number of seconds above 0"),
        ("REQUEST_TIMEOUT", "0", "a number of seconds above 0"),
        ("REQUEST_TIMEOUT", "inf", "a number of seconds above 0"),
        ("REQUEST_TIMEOUT", "nan", "a number of seconds above 0"),
        ("CORS_ORIGINS", "example.com", "origins such as https://example.com, with commas between them"),
        ("CORS_ORIGINS", "ftp://example.com", "origins such as https://example.com, with commas between them"),
        ("CORS_ORIGINS", "https://example.com/", "origins such as https://example.com, with commas between them"),
        ("LOG_LEVEL", "chatty", "one of debug, info, warning, error"),
    ],
)
def test_a_bad_value_ends_the_start_in_one_line(name, value, wanted):
    with pytest.raises(BadSetting) as ended:
        Settings.from_environ({name: value})

    assert f"{name} is {value!r}, but must be {wanted}" == ended.value.code


@pytest.mark.parametrize(("value", "number"), [("7", 7), ("", 32), (None, 32)])
def test_a_setting_of_one_part_of_the_app_is_a_whole_number_or_the_default(value, number):
    environ = {} if value is None else {"MAX_BATCH": value}

    assert number == whole(environ, "MAX_BATCH", 32, least=1)


def test_nor_may_it_be_less_than_makes_sense():
    with pytest.raises(BadSetting, match="MAX_BATCH is '0', but must be a whole number from 1"):
        whole({"MAX_BATCH": "0"}, "MAX_BATCH", 32, least=1)


@pytest.mark.parametrize("token", ["", "seven77", "with a space", "ümläutölong"])
def test_a_token_that_locks_nothing_is_refused_and_not_repeated(token):
    with pytest.raises(BadSetting, match="API_TOKEN must have at least 8 characters") as ended:
        Settings.from_environ({"API_TOKEN": token})

    assert not token or token not in str(ended.value)


def test_the_token_is_not_shown():
    assert "long-enough" not in repr(Settings(api_token="long-enough"))
