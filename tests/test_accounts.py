"""The users that commands make."""

from __future__ import annotations

import pytest

from spaceops.image.accounts import Accounts
from spaceops.image.bases import base_of
from spaceops.shell import commands


def after(text, base="python:3.13-slim"):
    """The users of an image after some commands."""
    accounts = Accounts.of(base_of(base))
    for command in commands(text):
        accounts = accounts.after(command)
    return accounts


MADE = {
    "useradd": ("useradd -m -u 1000 user", "user", 1000, "/home/user", True),
    "useradd, joined": ("useradd -ms /bin/bash -u1001 app", "app", 1001, "/home/app", True),
    "useradd, long": ("useradd --create-home --uid=1002 --shell /bin/sh app", "app", 1002, "/home/app", True),
    "useradd without a home": ("useradd app", "app", 1000, "/home/app", False),
    "useradd with another home": ("useradd -m -d /srv/x app", "app", 1000, "/srv/x", True),
    "useradd of a service": ("useradd -r app", "app", None, "/home/app", False),
    "adduser of Debian": ("adduser --disabled-password --gecos '' --uid 1005 app", "app", 1005, "/home/app", True),
    "adduser of Alpine": ("adduser -D -h /app -u 1006 app", "app", 1006, "/app", True),
    "adduser without a home": ("adduser -D -H app", "app", 1000, "/home/app", False),
    "adduser of a service": ("adduser --system --group app", "app", None, "/home/app", None),
}


@pytest.mark.parametrize(("text", "name", "uid", "home", "has_home"), MADE.values(), ids=MADE)
def test_a_user_has_the_number_and_the_home_that_the_words_say(text, name, uid, home, has_home):
    account = after(text).users[name]

    assert (uid, home, has_home) == (account.uid, account.home, account.has_home)


def test_the_next_free_number_is_taken_where_none_is_said():
    assert 1001 == after("useradd app", base="node:22").users["app"].uid


@pytest.mark.parametrize(
    "text", ["usermod -l b a", "useradd --what app", "useradd $NAME", "echo x:x:1:1 >> /etc/passwd", "userdel $X"]
)
def test_what_cannot_be_read_leaves_the_list_open(text):
    assert after(text).has("somebody") is None


def test_a_known_list_says_who_is_missing():
    accounts = after("useradd -m app && userdel app && useradd other")

    assert [True, False, True, True] == [accounts.has(name) for name in ("other", "app", "root", "1234")]


def test_nothing_is_known_of_the_users_of_somebodys_image():
    accounts = after("useradd -m app", base="acme/base")

    assert [True, None, True] == [accounts.has(name) for name in ("app", "other", "1000")]


def test_a_user_is_found_by_its_number():
    accounts = after("useradd -m -u 1234 app")

    assert [accounts.users["app"]] * 2 == [accounts.named("1234"), accounts.named("app")]
