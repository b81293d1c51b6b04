"""Until when languages in base images get security fixes.

Sources: devguide.python.org/versions, github.com/nodejs/release, php.net/supported-versions,
ruby-lang.org/en/downloads/branches; November 2026.
"""

from __future__ import annotations

from datetime import date

_ENDS = {
    "python": {
        "2.7": "2020-01-01", "3.4": "2019-03-18", "3.5": "2020-09-30", "3.6": "2021-12-23", "3.7": "2023-06-27",
        "3.8": "2024-10-07", "3.9": "2025-10-31", "3.10": "2026-10-31", "3.11": "2027-10-31", "3.12": "2028-10-31",
        "3.13": "2029-10-31", "3.14": "2030-10-31",
    },
    "node": {
        "4": "2018-04-30", "5": "2016-06-30", "6": "2019-04-30", "7": "2017-06-30", "8": "2019-12-31",
        "9": "2018-06-30", "10": "2021-04-30", "11": "2019-06-01", "12": "2022-04-30", "13": "2020-06-01",
        "14": "2023-04-30", "15": "2021-06-01", "16": "2023-09-11", "17": "2022-06-01", "18": "2025-04-30",
        "19": "2023-06-01", "20": "2026-04-30", "21": "2024-06-01", "22": "2027-04-30", "23": "2025-06-01",
        "24": "2028-04-30", "25": "2026-06-01",
    },
    "php": {
        "5": "2018-12-31", "7": "2022-11-28", "7.4": "2022-11-28", "8.0": "2023-11-26", "8.1": "2025-12-31",
        "8.2": "2026-12-31", "8.3": "2027-12-31", "8.4": "2028-12-31",
    },
    "ruby": {
        "2": "2023-03-31", "2.7": "2023-03-31", "3.0": "2024-04-23", "3.1": "2025-03-26", "3.2": "2026-03-31",
        "3.3": "2027-03-31",
    },
}  # fmt: skip
NAMES = {"python": "Python", "node": "Node.js", "php": "PHP", "ruby": "Ruby"}


def end_of(language: str, version: str) -> date | None:
    """The day after which a version, `3.9` or `20`, gets no more fixes; None where that is not known."""
    found = _ENDS.get(language, {}).get(version)
    return date.fromisoformat(found) if found else None
