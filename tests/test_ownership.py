"""Who owns which folder of an image."""

from __future__ import annotations

import pytest

from spaceops.dockerfile import Dockerfile
from spaceops.image import built
from spaceops.image.ownership import in_image
from spaceops.image.runs import runs

FILES = frozenset({"main.py", "static/css/x.css", "data/x.csv"})
USER = "RUN useradd -m -u 1000 user\n"


def owners(lines, base="python:3.13-slim"):
    """The folders of the image of some lines."""
    dockerfile = Dockerfile.parse(f"FROM {base}\n{USER}{lines}")
    images = built(dockerfile, {}, FILES)
    return in_image(images[-1], runs(images))


MAY = {
    "the home": ("USER user", "/home/user/x", True),
    "another's home": ("RUN useradd -m other", "/home/other", False),
    "/tmp": ("USER user", "/tmp/x", True),
    "the top": ("USER user", "/x", False),
    "root's WORKDIR": ("WORKDIR /app", "/app", False),
    "the user's WORKDIR": ("USER user\nWORKDIR /app/a", "/app/a", True),
    "and what was made above it": ("USER user\nWORKDIR /app/a", "/app", True),
    "a WORKDIR that was there": ("WORKDIR /app\nUSER user\nWORKDIR /app", "/app", False),
    "COPY into a folder that is there": ("WORKDIR /app\nCOPY --chown=user . .", "/app", False),
    "and its folders": ("WORKDIR /app\nCOPY --chown=user . .", "/app/static/css", True),
    "COPY into a new folder": ("COPY --chown=user . /app", "/app", True),
    "COPY of root": ("COPY . /app", "/app/data", False),
    "COPY with a mode": ("COPY --chmod=777 . /app", "/app/data", True),
    "a file": ("COPY --chown=user main.py /app/", "/app/main.py", True),
    "a file of root": ("COPY . /app", "/app/main.py", False),
    "COPY --link": ("WORKDIR /app\nCOPY --link --chown=user . /app", "/app", None),
    "an archive": ("WORKDIR /app\nADD x.tar.gz /app", "/app", None),
    "below a copy from elsewhere": ("RUN mkdir -p /app/x\nCOPY --from=acme/x /y /app", "/app/x", None),
    "COPY from elsewhere": ("COPY --from=acme/x --chown=user /y /app", "/app", True),
    "what it brought": ("COPY --from=acme/x /y /app", "/app/z", None),
    "mkdir": ("RUN mkdir /data", "/data", False),
    "mkdir -m": ("RUN mkdir -m 1777 /data", "/data", True),
    "chown": ("RUN mkdir -p /data/x && chown user /data", "/data", True),
    "what chown left": ("RUN mkdir -p /data/x && chown user /data", "/data/x", False),
    "chown -R": ("RUN mkdir -p /data/x && chown -R user:user /data", "/data/x", True),
    "chown, then root's": ("RUN mkdir /data && chown user /data && mkdir /data/x", "/data/x", False),
    "chown of all below": ("WORKDIR /app\nCOPY . .\nRUN chown user /app/*", "/app/static", None),
    "chown, maybe": ("RUN mkdir /data && if x; then chown user /data; fi", "/data", None),
    "chown of a path from a variable": ("RUN mkdir /data && chown user $X", "/data", None),
    "chmod o+w": ("RUN mkdir /data && chmod o+w /data", "/data", True),
    "chmod +x": ("RUN mkdir /data && chmod +x /data", "/data", False),
    "chmod 755": ("RUN mkdir /data && chmod -R 755 /data", "/data", False),
    "chmod of the group": ("RUN mkdir /data && chmod 770 /data", "/data", None),
    "a relative path": ("WORKDIR /app\nRUN mkdir x && chown user x", "/app/x", True),
    "after cd": ("RUN mkdir -p /a/b && cd /a && chown user b", "/a/b", True),
    "cd ends with its line": ("RUN mkdir -p /a/b\nRUN cd /a\nRUN mkdir b && chown user b", "/b", True),
    "what was removed": ("RUN mkdir /data && chown user /data && rm -rf /data", "/data", False),
    "a script": ("RUN mkdir /data\nRUN ./x.sh", "/data", None),
    "git": ("RUN git clone https://x.example/y /data", "/data", None),
    "a folder of the system": ("USER user", "/usr/share/x", None),
    "a device": ("USER user", "/dev/null", None),
}


@pytest.mark.parametrize(("lines", "path", "may"), MAY.values(), ids=MAY)
def test_who_may_write_where(lines, path, may):
    assert may == owners(lines).may_write(path, "user")


@pytest.mark.parametrize("user", ["user", "1000", "user:user", "1000:1000"])
def test_a_user_is_the_same_by_name_and_by_number(user):
    found = owners("COPY --chown=1000 . /app\nCOPY --chown=user . /opt/app")

    assert [True, True, False] == [found.may_write(path, user) for path in ("/app", "/opt/app", "/opt")]


def test_a_number_without_a_name_owns_what_it_was_given():
    found = owners("COPY --chown=1234 . /app")

    assert [True, False, False] == [found.may_write("/app", user) for user in ("1234", "1235", "user")]


@pytest.mark.parametrize("user", ["root", "0"])
def test_root_may_write_everywhere(user):
    assert owners("USER user").may_write("/usr/share/x", user)


def test_nothing_is_known_of_the_folders_of_somebodys_image():
    found = owners("WORKDIR /app", base="acme/base")

    assert [None, True, True] == [found.may_write(path, "user") for path in ("/data", "/tmp/x", "/home/user/x")]


def test_the_first_user_of_the_image_owns_its_home():
    assert owners("USER node", base="node:22").may_write("/home/node/app", "node")
