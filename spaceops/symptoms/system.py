"""How the installation of system packages fails: apt, apk, dnf."""

from __future__ import annotations

from spaceops.findings import Fault, Severity
from spaceops.symptoms import Place, Symptom
from spaceops.symptoms.kinds import VAGUE_IN_BUILDS, build_failure

_RENAMED = (
    r"libgl1-mesa-glx|libegl1-mesa|libasound2|python3?-distutils|python-pip|python-dev|python|"
    r"python3\.(?:[6-9]|1[0-9])\S{0,12}|libncursesw?5|libtinfo5|libssl1\.[01]|libffi[67]|libicu\d{2}|libjpeg62-dev|"
    r"libpng12-0|libgconf-2-4|libappindicator\S{0,12}|libwebkit2gtk-4\.0\S{0,12}|libatlas-base-dev|"
    r"openjdk-(?:8|11|17)-(?:jdk|jre)\S{0,20}|gcc-[5-9]|ttf-\S{1,60}|netcat|apt-transport-https"
)

SYMPTOMS: tuple[Symptom, ...] = (
    build_failure(
        code="debian-eol-apt",
        needles=(
            "does not have a Release file",
            "no longer has a Release file",
        ),
        pattern=r"The repository '?(?P<url>\S{1,200}) (?P<version>[\w./-]{1,60}) Release'? (?:does not have|"
        r"no longer has)",
        message="The base image is of an old system ({version}) whose packages are no longer where apt looks for them",
        hint="Take a newer base image: its tag with `-bookworm` or `-trixie`, for example `FROM "
        "python:3.12-slim-bookworm`.",
        examples=(
            "E: The repository 'http://deb.debian.org/debian buster Release' does not have a Release file.",
            "E: The repository 'http://security.debian.org/debian-security stretch/updates Release' no longer has a "
            "Release file.",
            "E: The repository 'http://archive.ubuntu.com/ubuntu groovy Release' does not have a Release file.",
        ),
        unlike=("E: The repository 'https://ppa.launchpadcontent.net/x' is not signed.",),
        explains=(*VAGUE_IN_BUILDS, "apt-package-unknown", "apt-package-renamed", "apt-fetch-failed"),
    ),
    build_failure(
        code="debian-eol-apt",
        needles=("Failed to fetch", "Err"),
        pattern=r"(?:Failed to fetch|^Err:\d{1,3}) https?://\S{1,100}(?:debian|"
        r"ubuntu)\S{0,60}[ /](?:dists/)?(?P<version>jessie|stretch|buster|groovy|hirsute|impish|kinetic|lunar|"
        r"mantic)\b.{0,200}(?:404|Release)",
        message="The base image is of an old system ({version}) whose packages are no longer where apt looks for them",
        hint="Take a newer base image: its tag with `-bookworm` or `-trixie`, for example `FROM "
        "python:3.12-slim-bookworm`.",
        examples=(
            "E: Failed to fetch http://deb.debian.org/debian/dists/buster/main/binary-amd64/Packages  404  Not Found "
            "[IP: 151.101.2.132 80]",
            "Err:4 http://deb.debian.org/debian buster Release 404 Not Found",
        ),
        explains=(*VAGUE_IN_BUILDS, "apt-package-unknown", "apt-package-renamed", "apt-fetch-failed"),
    ),
    build_failure(
        code="apt-after-user",
        needles=(
            "/var/lib/apt",
            "/var/lib/dpkg",
            "are you root",
            "Unable to lock database",
            "has to be run",
            "superuser",
        ),
        pattern=r"(?:/var/lib/(?:apt|dpkg)/|/var/cache/apt/).{0,160}(?:13: Permission denied|are you root)|"
        r"are you root\?|Unable to lock database: Permission denied|(?:has to be run (?:under|with)|must be run (?:as|"
        r"with)) (?:the )?(?:root|superuser)",
        message="A step installs system packages after the Dockerfile has changed to an ordinary user, who may not do "
        "that",
        hint="Move the `RUN apt-get …` line above `USER`, or write `USER root` before it and `USER user` after it.",
        examples=(
            "E: List directory /var/lib/apt/lists/partial is missing. - Acquire (13: Permission denied)",
            "E: Could not open lock file /var/lib/dpkg/lock-frontend - open (13: Permission denied)",
            "E: Unable to acquire the dpkg frontend lock (/var/lib/dpkg/lock-frontend), are you root?",
            "ERROR: Unable to lock database: Permission denied",
            "Error: This command has to be run with superuser privileges (under the root user on most systems).",
        ),
        explains=(*VAGUE_IN_BUILDS, "apt-package-unknown", "build-permission"),
    ),
    build_failure(
        code="apt-package-renamed",
        needles=("has no installation candidate", "Unable to locate package", "is a virtual package"),
        pattern=r"(?:Package '?(?P<package>[\w.+:-]{1,80})'? (?:has no installation candidate|is a virtual package)|"
        r"Unable to locate package (?P<p2>(?:" + _RENAMED + r"))(?![\w.+-]))",
        message="A package that the Dockerfile installs has another name in the system of the base image, or is not "
        "in it any more",
        hint="Use the new name (`libgl1` for libgl1-mesa-glx, `python3` for python, `libncurses6` for libncurses5, "
        "`netcat-openbsd` for netcat), or an older system: `FROM python:3.12-slim-bookworm`.",
        examples=(
            "E: Package 'libgl1-mesa-glx' has no installation candidate",
            "E: Unable to locate package libgl1-mesa-glx",
            "E: Package 'netcat' has no installation candidate",
            "E: Unable to locate package python3-distutils",
        ),
        unlike=("E: Unable to locate package libgl1-mesa-glxx",),
        explains=(*VAGUE_IN_BUILDS, "apt-package-unknown"),
    ),
    build_failure(
        code="apt-package-unknown",
        needles=(
            "Unable to locate package",
            "find any package by",
            "No match for argument",
            "Unable to find a match",
            "No package",
        ),
        pattern=r"(?:Unable to locate package|Couldn't find any package by (?:glob|regex)|No match for argument:|"
        r"Unable to find a match:|No package(?= \S{1,80} available)) '?(?P<package>[\w.+:*-]{1,80})",
        message="The package {package} is not among those of the base image's system: it is misspelled, belongs to "
        "another system, or the lists of packages were not fetched first",
        hint="Write `apt-get update` in the same RUN before `apt-get install -y {package}`, and look its name up on "
        "packages.debian.org; take it out if nothing needs it.",
        examples=(
            "E: Unable to locate package software-properties-common",
            "E: Couldn't find any package by glob 'libfoo1.2'",
            "No match for argument: ffmpeg",
            "Error: Unable to find a match: ffmpeg-devel",
        ),
        unlike=("npm warn No package.json",),
    ),
    build_failure(
        code="apt-package-unknown",
        needles=("(no such package)", "no such package"),
        pattern=r"^(?P<package>[\w.+-]{1,80}) \(no such package\)",
        message="The package {package} is not among those of Alpine Linux, the system of the base image",
        hint="Look its name up on pkgs.alpinelinux.org (Debian's names differ), or take a Debian image such as "
        "`python:3.12-slim` with `apt-get`.",
        examples=("build-essential (no such package):", "python3-dev-x (no such package):"),
        explains=(*VAGUE_IN_BUILDS, "apt-conflict"),
    ),
    build_failure(
        code="apt-package-version",
        needles=("was not found",),
        pattern=r"Version '(?P<version>[^']{1,80})' for '(?P<package>[^']{1,80})' was not found",
        message="The version {version} of {package} is not offered (any more) by the base image's system",
        hint="Take the version away (`{package}` in place of `{package}={version}`), or write one that is offered.",
        examples=("E: Version '7.88.1-10+deb12u4' for 'curl' was not found",),
    ),
    build_failure(
        code="apt-conflict",
        needles=(
            "you have held broken packages",
            "unmet dependencies",
            "unable to select packages",
            "unsatisfiable constraints",
        ),
        pattern=r"you have held broken packages|have unmet dependencies|unable to select packages|"
        r"unsatisfiable constraints",
        message="The system packages of one step cannot be installed together: one needs a version of another that "
        "the base image's system has not",
        hint="Read the lines around it for the two names, take out foreign package sources (PPA, other "
        "distributions), or use a base image that brings the program with it.",
        examples=(
            "E: Unable to correct problems, you have held broken packages.",
            "The following packages have unmet dependencies:",
            "ERROR: unable to select packages:",
        ),
        explains=VAGUE_IN_BUILDS,
    ),
    build_failure(
        code="apt-no-yes",
        needles=("Do you want to continue", "Abort."),
        pattern=r"Do you want to continue\? ?\[Y/n\].{0,20}Abort|^Abort\.$",
        message="apt asks whether to go on, and in a build nobody can answer",
        hint="Write `apt-get install -y …`.",
        examples=("Do you want to continue? [Y/n] Abort.", "Abort."),
        unlike=("Do you want to continue? [Y/n] y",),
    ),
    build_failure(
        code="apt-fetch-failed",
        fault=Fault.PLATFORM,
        needles=(
            "Temporary failure resolving",
            "Failed to fetch",
            "Unable to fetch some archives",
            "Hash Sum mismatch",
            "temporary error",
        ),
        pattern=r"Temporary failure resolving|E: Failed to fetch|Unable to fetch some archives|Hash Sum mismatch|"
        r"temporary error \(try again later\)",
        message="The servers of the system's packages did not answer, or a file on them was just being changed",
        hint="Build again; if it stays, put `apt-get update` into the same RUN as `apt-get install`, so that no old "
        "list from the cache is used.",
        examples=(
            "Err:1 http://deb.debian.org/debian bookworm InRelease Temporary failure resolving 'deb.debian.org'",
            "E: Failed to fetch http://deb.debian.org/debian/pool/main/c/curl/curl_7.88.1-10_amd64.deb  404  Not Found",
            "E: Unable to fetch some archives, maybe run apt-get update or try with --fix-missing?",
            "WARNING: fetching https://dl-cdn.alpinelinux.org/alpine/v3.19/main: temporary error (try again later)",
        ),
    ),
    build_failure(
        code="apt-key-missing",
        needles=("NO_PUBKEY", "is not signed", "EXPKEYSIG", "UNTRUSTED signature"),
        pattern=r"NO_PUBKEY (?P<key>\w{1,40})|The repository '.{1,200}' is not signed|EXPKEYSIG|UNTRUSTED signature",
        message="apt does not trust a source of packages that the Dockerfile adds, because its key is missing or has "
        "run out",
        hint="Install the key that the maker of the source names now (a file in /etc/apt/keyrings and `signed-by=` in "
        "the source), or take a newer base image.",
        examples=(
            "W: GPG error: https://packages.cloud.google.com/apt cloud-sdk InRelease: NO_PUBKEY C0BA5CE6DC6315A3",
            "E: The repository 'https://dl.yarnpkg.com/debian stable InRelease' is not signed.",
        ),
        explains=(*VAGUE_IN_BUILDS, "apt-package-unknown"),
    ),
    build_failure(
        code="build-no-space",
        needles=("enough free space", "No space left on device", "no space left on device", "Disk quota exceeded"),
        pattern=r"(?i)no space left on device|don't have enough free space|disk quota exceeded",
        message="The build's disk is full: the image, with all that its steps install and download, is too large",
        hint="Install the CPU version of PyTorch (`--index-url https://download.pytorch.org/whl/cpu`), add "
        "`--no-cache-dir` to pip, delete downloads in the RUN that made them, and fetch models at the start.",
        examples=(
            "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device",
            "write /usr/lib/x86_64-linux-gnu/libcublasLt.so.12: no space left on device",
            "E: You don't have enough free space in /var/cache/apt/archives/.",
            "npm error nospc ENOSPC: no space left on device, write",
        ),
        explains=(*VAGUE_IN_BUILDS, "disk-full", "pip-wheel-build-failed", "apt-fetch-failed"),
    ),
    build_failure(
        code="runtime-eol",
        severity=Severity.WARNING,
        places=(Place.BUILD, Place.RUN),
        needles=(
            "Python version",
            "reached the end of its life",
            "no longer actively supported",
            "DEPRECATION: Python",
            "past its end of life",
        ),
        pattern=r"Python (?:version )?\(?(?P<version>[23]\.\d{1,2})[\d.]{0,4}\)?,? .{0,80}(?:end of (?:its )?life|"
        r"no longer)|Node\.?js (?P<n2>\d{1,2})\.x is no longer actively supported",
        message="The base image has a Python or Node that gets no repairs any more, and new packages stop supporting "
        "it",
        hint="Take a newer base image: `FROM python:3.12-slim`, or `FROM node:22-slim`.",
        examples=(
            "FutureWarning: You are using a Python version 3.9 past its end of life. Google will update",
            "DEPRECATION: Python 2.7 reached the end of its life on January 1st, 2020.",
            "DEPRECATION WARNING: Node.js 16.x is no longer actively supported!",
        ),
        explains=(),
    ),
)
