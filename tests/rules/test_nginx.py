"""What is said of nginx in front of an app, and of supervisord."""

from __future__ import annotations

import pytest

from spaceops.preflight import check
from spaceops.rules import all_rules
from spaceops.rules.examples import write
from spaceops.rules.nginx import AS_USER, DOCKERFILE, NGINX, START, SUPERVISED, SUPERVISOR

CODES = [
    code for code, rule in all_rules().items() if rule.body.__module__.endswith((".nginx", ".listening", ".start"))
]
FRONT = {"Dockerfile": DOCKERFILE, "start.sh": START, "nginx.conf": NGINX}
FRONT_AS_USER = FRONT | {"Dockerfile": AS_USER}


def found(folder, change):
    report = check(write(folder, change), select=CODES)
    assert () == report.notes
    return {one.code: str(one.severity) for one in report}


def one(folder, change, code):
    (finding,) = check(write(folder, change), select=[code])
    return finding


def without(text):
    assert text in NGINX
    return {"nginx.conf": NGINX.replace(text, "")}


FAILING = {
    "no file for its number": (FRONT_AS_USER | without("pid /tmp/nginx.pid;\n"), {"nginx-permission": "error"}),
    "no temporary folder": (
        FRONT_AS_USER | without("    client_body_temp_path /tmp/body;\n"),
        {"nginx-permission": "error"},
    ),
    "a number in a folder of root": (
        FRONT_AS_USER | {"nginx.conf": NGINX.replace("/tmp/nginx.pid", "/run/nginx.pid")},
        {"nginx-permission": "error"},
    ),
    "a port of root": (
        FRONT_AS_USER | {"nginx.conf": NGINX.replace("listen 7860;", "listen 7860; listen 80;")},
        {"nginx-privileged-port": "warning"},
    ),
    "another port than the app's": (
        FRONT | {"nginx.conf": NGINX.replace("8000", "9000")},
        {"nginx-upstream-502": "warning"},
    ),
    "another port of an upstream": (
        FRONT
        | {
            "nginx.conf": NGINX.replace("http://127.0.0.1:8000", "http://app").replace(
                "    server {", "    upstream app { server localhost:9000; }\n    server {"
            )
        },
        {"nginx-upstream-502": "warning"},
    ),
    "another port than the Hub's": (
        FRONT | {"nginx.conf": NGINX.replace("7860", "8080")},
        {"app-port-mismatch": "error"},
    ),
    "nobody starts it": (
        FRONT | {"start.sh": "#!/bin/bash\nexec uvicorn main:app --host 0.0.0.0 --port 7860\n"},
        {"nginx-not-started": "warning"},
    ),
    "no events": (FRONT | without("events {}\n"), {"nginx-config-invalid": "error"}),
    "no semicolon": (
        FRONT | {"nginx.conf": NGINX.replace("listen 7860;", "listen 7860")},
        {"nginx-config-invalid": "error"},
    ),
    "a server outside of http": (
        FRONT | {"nginx.conf": "events {}\nserver { listen 7860; }\n"},
        {"nginx-config-invalid": "error"},
    ),
    "a main file among the parts": (
        FRONT
        | {
            "Dockerfile": DOCKERFILE.replace("/etc/nginx/nginx.conf", "/etc/nginx/conf.d/default.conf"),
        },
        {"nginx-config-invalid": "error"},
    ),
    "supervisord in the background": (
        SUPERVISED | {"supervisord.conf": SUPERVISOR.replace("nodaemon=true\n", "")},
        {"supervisord-daemon": "error"},
    ),
}


@pytest.mark.parametrize(("change", "expected"), FAILING.values(), ids=FAILING)
def test_what_fails_is_found(change, expected, tmp_path):
    assert expected == found(tmp_path, change)


RUNNING = {
    "as it should be": FRONT,
    "as another user": FRONT_AS_USER,
    "folders that are handed over": FRONT_AS_USER
    | {"Dockerfile": AS_USER.replace("USER user", "RUN chown -R user /var/lib/nginx /run\nUSER user")}
    | without("pid /tmp/nginx.pid;\n"),
    "its own options": FRONT_AS_USER
    | without("pid /tmp/nginx.pid;\n")
    | {"start.sh": START.replace("daemon off;", "daemon off; pid /tmp/x.pid;")},
    "a backend of another name": FRONT | {"nginx.conf": NGINX.replace("127.0.0.1:8000", "example.com")},
    "a backend that is not seen": FRONT
    | {"start.sh": START.replace("uvicorn main:app --host 127.0.0.1 --port 8000", "./made")}
    | {"made": "#!/usr/bin/env python3\nimport made\n"},
    "included files": FRONT | {"nginx.conf": "include /etc/nginx/mine.conf;\n" + NGINX.replace("events {}\n", "")},
    "supervisord": SUPERVISED | {"supervisord.conf": SUPERVISOR},
    "supervisord with -n": {
        **SUPERVISED,
        "Dockerfile": SUPERVISED["Dockerfile"].replace('"supervisord", ', '"supervisord", "-n", '),
        "supervisord.conf": SUPERVISOR.replace("nodaemon=true\n", ""),
    },
    "a configuration made at the start": FRONT
    | {"start.sh": "#!/bin/bash\nsed -i s/7860/$PORT/ /etc/nginx/nginx.conf\n" + START, "nginx.conf": "events {"},
}


@pytest.mark.parametrize("change", RUNNING.values(), ids=RUNNING)
def test_what_may_run_gets_no_error(change, tmp_path):
    assert "error" not in found(tmp_path, change).values()


@pytest.mark.parametrize("name", ["as it should be", "as another user", "supervisord", "folders that are handed over"])
def test_what_surely_runs_gets_nothing(name, tmp_path):
    assert {} == found(tmp_path, RUNNING[name])


def test_a_broken_line_is_named_with_the_words_of_nginx(tmp_path):
    broken = {"nginx.conf": NGINX.replace("pid /tmp/nginx.pid;", "}")}

    finding = one(tmp_path, FRONT | broken, "nginx-config-invalid")
    assert ("nginx.conf:1", 'The configuration of nginx cannot be read: unexpected "}"') == (
        finding.where,
        finding.message,
    )


def test_the_port_of_the_app_is_named(tmp_path):
    finding = one(tmp_path, FRONT | {"nginx.conf": NGINX.replace("8000", "9000")}, "nginx-upstream-502")

    assert ("nginx.conf:14", "Write the port of your app: 8000.") == (finding.where, finding.hint)
