"""The tables of packages: which brings which module, and what else it brings."""

from __future__ import annotations

import sys
from importlib.metadata import distributions, packages_distributions

import pytest
from packaging.requirements import Requirement

from spaceops.distributions import (
    closure,
    distribution_of,
    is_known,
    is_standard,
    modules_of,
    normalized,
    provides,
)
from spaceops.distributions.tables import MODULES, NEEDS


@pytest.mark.parametrize(
    ("module", "distribution"),
    [
        ("PIL.Image", "pillow"),
        ("cv2", "opencv-python-headless"),
        ("sklearn.linear_model", "scikit-learn"),
        ("yaml", "pyyaml"),
        ("dotenv", "python-dotenv"),
        ("bs4", "beautifulsoup4"),
        ("google.generativeai", "google-generativeai"),
        ("google.cloud.storage", "google-cloud-storage"),
        ("flask_cors", "flask-cors"),
        ("nobody_knows", "nobody-knows"),
    ],
)
def test_the_name_for_pip_of_an_import(module, distribution):
    assert distribution == distribution_of(module)


def test_every_package_that_another_needs_is_in_the_table_itself():
    unlisted = {
        f"{line.partition(':')[0]} needs {one}"
        for line in NEEDS.replace("\n  ", " ").split("\n")
        for one in line.partition(":")[2].split()
        if not is_known(one)
    }

    assert not unlisted


def test_no_package_stands_twice_in_a_table():
    for table in (NEEDS, MODULES):
        names = [line.partition(":")[0] for line in table.split("\n") if line and not line.startswith(" ")]

        assert len(set(names)) == len(names)


def test_an_extra_brings_more_and_the_package_itself():
    plain, _ = closure(["uvicorn"])
    standard, unknown = closure(["uvicorn[standard]"])

    assert "websockets" in standard - plain
    assert plain < standard
    assert not unknown


def test_what_no_table_has_is_named():
    assert frozenset({"acme-toolbox", "fastapi[odd]"}) == closure(["acme-toolbox", "fastapi[odd]"])[1]


INSTALLED = {normalized(one.metadata["Name"]): one for one in distributions()}


@pytest.mark.parametrize("name", sorted(name for name in INSTALLED if is_known(name)))
def test_the_table_lists_all_that_an_installed_package_asks_for(name):
    wanted = {
        normalized(one.name)
        for one in map(Requirement, INSTALLED[name].requires or [])
        if one.marker is None or ("extra" not in str(one.marker) and one.marker.evaluate({"sys_platform": "linux"}))
    }

    libraries = {one for one in wanted if one.startswith(("nvidia-", "cuda-toolkit"))}  # with nothing to import
    assert wanted - libraries <= closure([name])[0]


def test_the_table_knows_the_modules_of_the_packages_that_are_installed():
    unknown = {
        f"{name} brings {module}"
        for module, names in packages_distributions().items()
        for name in map(normalized, names)
        if is_known(name) and not module.startswith(("_", "tests", "test")) and module.isidentifier()
        if not provides(name, module)
    }

    assert not unknown


@pytest.mark.parametrize(
    ("module", "python", "expected"),
    [
        ("json", (3, 13), True),
        ("distutils.util", (3, 11), True),
        ("distutils.util", (3, 12), False),
        ("audioop", (3, 13), False),
        ("tomllib", (3, 10), False),
        ("tomllib", (3, 11), True),
        ("numpy", (3, 12), False),
        ("audioop", None, True),
    ],
)
def test_the_library_of_each_python(module, python, expected):
    assert expected == is_standard(module, python)


def test_the_library_of_this_python_is_known():
    here = (sys.version_info.major, sys.version_info.minor)
    aliens = {"distutils"} if here >= (3, 12) else set()

    assert not [name for name in sys.stdlib_module_names - aliens if not is_standard(name, here)]


def test_a_package_brings_the_module_of_its_name_unless_the_table_says_otherwise():
    assert ("orjson",) == modules_of("orjson")
    assert ("pymongo", "bson", "gridfs") == modules_of("pymongo")
