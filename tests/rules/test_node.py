"""npm: lock files that are missing or say something else, and packages that are compiled."""

from __future__ import annotations

import json

import pytest

from spaceops.findings import Severity
from spaceops.preflight import check
from spaceops.rules.examples import write

PACKAGE = json.dumps({"name": "hello", "dependencies": {"express": "5.1.0"}})
LOCK = json.dumps({"lockfileVersion": 3, "packages": {"": {}, "node_modules/express": {"version": "5.1.0"}}})
STALE = json.dumps({"lockfileVersion": 3, "packages": {"": {}, "node_modules/koa": {"version": "2.0.0"}}})
OLD = json.dumps({"lockfileVersion": 1, "dependencies": {}})


def report(folder, dockerfile, **files):
    """What the rules on npm say; `package_json` and `lock` are files of the Space."""
    named = {"package_json": "package.json", "lock": "package-lock.json", "ignore": ".dockerignore"}
    change = {"Dockerfile": dockerfile, **{named.get(name, name): text for name, text in files.items()}}
    return check(write(folder, change), select=("npm-ci-no-lock", "npm-build-script-missing", "node-gyp-no-compiler"))


FAILS = {
    "no lock file": ("COPY package*.json ./\nRUN npm ci", {}, "there is no package-lock.json"),
    "not copied": ("COPY package.json ./\nRUN npm ci --omit=dev", {"lock": LOCK}, "is not copied before it"),
    "left out": ("COPY . .\nRUN npm ci", {"lock": LOCK, "ignore": "package-lock.json\n"}, "left out by .dockerignore"),
    "copied too late": ("COPY package.json .\nRUN npm ci\nCOPY . .", {"lock": LOCK}, "is not copied before it"),
    "stale": ("COPY . .\nRUN npm ci", {"lock": STALE}, "asks for express, and package-lock.json does not know it"),
    "nothing copied": ("RUN npm ci\nCOPY . .", {"lock": LOCK}, "package.json and package-lock.json are not copied"),
    "by its other name": ("COPY . .\nRUN npm clean-install", {}, "there is no package-lock.json"),
}


@pytest.mark.parametrize(("lines", "files", "reason"), FAILS.values(), ids=FAILS)
def test_npm_ci_without_a_lock_file_that_fits_is_an_error(lines, files, reason, tmp_path):
    found = report(tmp_path, f"FROM node:22\nWORKDIR /app\n{lines}\n", package_json=PACKAGE, **files)

    assert [("npm-ci-no-lock", Severity.ERROR)] == [(one.code, one.severity) for one in found], found
    assert reason in found.findings[0].message
    assert ("COPY package*.json ./" in found.findings[0].hint) == ("not copied" in reason)


RUNS = {
    "a lock file": ("COPY . .\nRUN npm ci", {"lock": LOCK}),
    "a lock file, by a pattern": ("COPY package*.json ./\nRUN npm ci", {"lock": LOCK}),
    "an old lock file": ("COPY . .\nRUN npm ci", {"lock": OLD}),
    "a lock file that is no JSON": ("COPY . .\nRUN npm ci", {"lock": "{"}),
    "npm install": ("COPY . .\nRUN npm install", {}),
    "a second try": ("COPY . .\nRUN npm ci || npm install", {}),
    "a lock file made on the way": ("COPY . .\nRUN npm install --package-lock-only\nRUN npm ci", {}),
    "another folder": ("COPY . .\nRUN cd web && npm ci", {}),
    "mounted": ("RUN --mount=source=package.json,target=package.json npm ci", {"lock": LOCK}),
    "written on the way": ("RUN echo '{}' > package.json\nRUN npm ci", {"lock": LOCK}),
    "of no base that is known": ("FROM acme/node\nRUN npm ci", {"lock": LOCK}),
    "from another stage": ("COPY --from=acme/base /app .\nRUN npm ci", {}),
    "a condition": ("COPY . .\nRUN if [ -f package-lock.json ]; then npm ci; else npm i; fi", {}),
    "cloned": ("COPY . .\nRUN sh fetch.sh\nRUN npm ci", {}),
}


@pytest.mark.parametrize(("lines", "files"), RUNS.values(), ids=RUNS)
def test_npm_that_may_work_gets_no_finding(lines, files, tmp_path):
    found = report(tmp_path, f"FROM node:22\nWORKDIR /app\n{lines}\n", package_json=PACKAGE, **files)

    assert not found.findings, found


BUILT = json.dumps({"scripts": {"build": "vite build"}})
BUNDLED = json.dumps({"scripts": {"bundle": "vite build"}})


@pytest.mark.parametrize("package", [BUNDLED, PACKAGE])
@pytest.mark.parametrize(
    "line", ["npm run build", "npm install && npm run build -- --mode production", "pnpm run build"]
)
def test_a_script_that_package_json_lacks_ends_the_build(line, package, tmp_path):
    [found] = report(tmp_path, f"FROM node:22\nWORKDIR /app\nCOPY . .\nRUN {line}\n", package_json=package)

    assert ("npm-build-script-missing", Severity.ERROR) == (found.code, found.severity)
    assert "The build runs the script build of package.json, and the file has no such script" == found.message
    assert 'Add "build" to "scripts", or run one that is there (' in found.hint


MAY_RUN = {
    "it is there": ("COPY . .\nRUN npm run build", BUILT),
    "it need not be there": ("COPY . .\nRUN npm run build --if-present", BUNDLED),
    "one of npm itself": ("COPY . .\nRUN npm run env", BUNDLED),
    "another folder": ("COPY . .\nRUN cd web && npm run build", BUNDLED),
    "another folder, by an option": ("COPY . .\nRUN npm --prefix web run build", BUNDLED),
    "a second try": ("COPY . .\nRUN npm run build || true", BUNDLED),
    "added on the way": ("COPY . .\nRUN npm pkg set scripts.build=vite\nRUN npm run build", BUNDLED),
    "edited on the way": ("COPY . .\nRUN sed -i s/bundle/build/ package.json && npm run build", BUNDLED),
    "from another stage": ("COPY . .\nCOPY --from=acme/base /app .\nRUN npm run build", BUNDLED),
    "no object": ("COPY . .\nRUN npm run build", "[]"),
}


@pytest.mark.parametrize(("lines", "package"), MAY_RUN.values(), ids=MAY_RUN)
def test_a_script_that_may_be_there_gets_no_finding(lines, package, tmp_path):
    found = report(tmp_path, f"FROM node:22\nWORKDIR /app\n{lines}\n", package_json=package)

    assert not found.findings, found


COMPILED = json.dumps({"dependencies": {"better-sqlite3": "11.0.0", "express": "5"}})
COMPILERS = {
    "slim": ("FROM node:22-slim\n", 1),
    "alpine": ("FROM node:22-alpine\n", 1),
    "full": ("FROM node:22\n", 0),
    "slim with a compiler": ("FROM node:22-slim\nRUN apt-get update && apt-get install -y python3 make g++\n", 0),
    "alpine with a compiler": ("FROM node:22-alpine\nRUN apk add --no-cache python3 make g++\n", 0),
    "an image of somebody": ("FROM acme/node\n", 0),
}


@pytest.mark.parametrize(("base", "count"), COMPILERS.values(), ids=COMPILERS)
def test_a_package_that_may_be_compiled_is_a_warning_where_there_is_no_compiler(base, count, tmp_path):
    found = report(tmp_path, f"{base}WORKDIR /app\nCOPY . .\nRUN npm install\n", package_json=COMPILED)

    assert [("node-gyp-no-compiler", Severity.WARNING)] * count == [(one.code, one.severity) for one in found]


@pytest.mark.parametrize("package", ["[]", "{", '{"dependencies": 1}', "", "[" * 5_000])
def test_a_package_json_of_another_shape_gives_nothing(package, tmp_path):
    dockerfile = "FROM node:22-slim\nWORKDIR /app\nCOPY . .\nRUN npm install\nRUN npm ci\n"

    assert not report(tmp_path, dockerfile, package_json=package, lock=package).findings
