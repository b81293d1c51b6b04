"""Which release has which package."""

from __future__ import annotations

import pytest

from spaceops.image.systempackages import RELEASES, _rows, missing

FACTS = [
    ("libgl1-mesa-glx", "debian", "bookworm", False),
    ("libgl1-mesa-glx", "debian", "trixie", True),
    ("libgl1-mesa-glx", "ubuntu", "22.04", False),
    ("libgl1-mesa-glx", "ubuntu", "24.04", True),
    ("libasound2", "debian", "trixie", False),  # virtual, and one package provides it
    ("libasound2", "ubuntu", "24.04", True),  # virtual, and two packages provide it
    ("libglib2.0-0", "debian", "trixie", False),
    ("php8.2-fpm", "debian", "bookworm", False),
    ("php8.2-fpm", "debian", "trixie", True),
    ("php8.4-fpm", "debian", "bookworm", True),
    ("openjdk-17-jre-headless", "debian", "trixie", True),
    ("openjdk-17-jre-headless", "ubuntu", "24.04", False),
    ("python3.11-dev", "debian", "bookworm", False),
    ("python3.11-dev", "debian", "trixie", True),
    ("python3.8", "debian", "trixie", False),  # apt-get takes the dot for any character, and finds another package
    ("build-essential", "alpine", "3.22", True),
    ("build-base", "alpine", "3.22", False),
    ("no-such-package-that-anybody-knows", "debian", "trixie", False),
    ("libgl1-mesa-glx", "debian", "sid", False),
    ("libgl1-mesa-glx", "fedora", "42", False),
]


@pytest.mark.parametrize(("name", "distribution", "release", "is_missing"), FACTS)
def test_a_package_is_missing_only_where_that_is_known(name, distribution, release, is_missing):
    assert is_missing == (missing(name, distribution, release) is not None)


def test_a_missing_package_names_what_to_take_instead():
    found = missing("netcat", "debian", "trixie")

    assert found is not None
    assert ("netcat-openbsd", True) == (found.instead, found.was_there)


def test_a_package_that_was_never_there_is_told_from_one_that_was_dropped():
    never, dropped = missing("build-base", "debian", "trixie"), missing("neofetch", "debian", "trixie")

    assert never is not None
    assert dropped is not None
    assert (False, True) == (never.was_there, dropped.was_there)


@pytest.mark.parametrize("name", sorted(_rows()))
def test_every_row_names_releases_that_there_are_and_a_way_out(name):
    debian, ubuntu, instead, advice = _rows()[name]

    for releases, known in ((debian, RELEASES["debian"]), (ubuntu, RELEASES["ubuntu"])):
        assert releases in ("*", "-", "x") or set(releases.split("..")) - {""} <= set(known)
    assert not (instead and advice)


@pytest.mark.parametrize("distribution", sorted(RELEASES))
def test_what_is_to_be_taken_instead_is_there(distribution):
    newest = RELEASES[distribution][-1]
    proposed = {gone.instead for name in _rows() if (gone := missing(name, distribution, newest))} - {""}

    assert {gone for gone in proposed if missing(gone, distribution, newest)} <= {"libldap-dev"} - {"libldap-dev"}
