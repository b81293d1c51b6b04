"""Spaces of other kinds than the rules' own example: nothing is said of a good one, and of a fault its code."""

from __future__ import annotations

import pytest

from spaceops.preflight import check
from spaceops.rules.examples import write

PINNED = "fastapi==0.116.1\nuvicorn==0.35.0\n"
APP = "from fastapi import FastAPI\n\napp = FastAPI()\n\n\n@app.get('/')\ndef home() -> str:\n    return 'hello'\n"
SITE = "server {\n    listen 7860;\n    location /api/ {\n        proxy_pass http://127.0.0.1:8000/;\n    }\n}\n"

PACKAGED_SUPERVISOR = {
    "Dockerfile": """\
FROM python:3.13-slim
RUN apt-get update && apt-get install -y --no-install-recommends nginx supervisor && rm -rf /var/lib/apt/lists/*
WORKDIR /srv/api
COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt
COPY main.py .
COPY site.conf /etc/nginx/conf.d/site.conf
RUN rm /etc/nginx/sites-enabled/default
COPY processes.conf /etc/supervisor/conf.d/processes.conf
CMD ["/usr/bin/supervisord", "-n", "-c", "/etc/supervisor/supervisord.conf"]
""",
    "main.py": APP.replace("FastAPI()", "FastAPI(root_path='/api')").replace("get('/')", "get('/list')"),
    "site.conf": SITE,
    "processes.conf": "[program:api]\ncommand=uvicorn main:app --port 8000\n\n"
    "[program:nginx]\ncommand=nginx -g 'daemon off;'\n",
}
CUDA = {
    "Dockerfile": """\
FROM nvidia/cuda:12.6.3-cudnn-runtime-ubuntu22.04
RUN apt-get update && apt-get install -y --no-install-recommends python3 python3-venv && rm -rf /var/lib/apt/lists/*
ENV PATH=/opt/venv/bin:$PATH
RUN python3 -m venv /opt/venv
WORKDIR /app
COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt
COPY main.py .
CMD ["sh", "-c", "exec uvicorn main:app --host 0.0.0.0 --port 7860"]
""",
    "space.toml": 'repo_id = "acme/hello"\nhardware = "t4-small"\n\n[limits]\nmax_hourly_cost = 1.0\n',
}

WHEELS = {
    "Dockerfile": """\
FROM python:3.13-slim AS wheels
WORKDIR /wheels
COPY requirements.txt .
RUN pip wheel --no-cache-dir --wheel-dir /wheels -r requirements.txt

FROM python:3.13-slim
RUN useradd -m -u 1000 user
WORKDIR /home/user/app
COPY --from=wheels /wheels /wheels
RUN pip install --no-cache-dir /wheels/*.whl
USER user
COPY --chown=user main.py .
CMD ["uvicorn", "main:app", "--host", "0.0.0.0", "--port", "7860"]
""",
    "main.py": APP,
}
UV = {
    "Dockerfile": """\
FROM ghcr.io/astral-sh/uv:python3.13-bookworm-slim
RUN useradd -m -u 1000 user
USER user
WORKDIR /home/user/app
COPY --chown=user pyproject.toml uv.lock ./
COPY --chown=user src src
RUN uv sync --frozen
ENV HOME=/home/user PATH=/home/user/app/.venv/bin:$PATH
CMD ["uvicorn", "hello.main:app", "--host", "0.0.0.0", "--port", "7860"]
""",
    "pyproject.toml": '[project]\nname = "hello"\nversion = "1"\ndependencies = ["fastapi", "uvicorn"]\n',
    "uv.lock": '[[package]]\nname = "fastapi"\n\n[[package]]\nname = "uvicorn"\n',
    "src/hello/__init__.py": "",
    "src/hello/main.py": APP,
}
GUNICORN = {
    "Dockerfile": """\
FROM python:3.13-slim
WORKDIR /srv
COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt
COPY gunicorn.conf.py pages.py ./
CMD ["gunicorn", "--config", "gunicorn.conf.py", "pages:pages"]
""",
    "requirements.txt": "flask==3.1.1\ngunicorn==23.0.0\n",
    "gunicorn.conf.py": 'bind = "0.0.0.0:7860"\n',
    "pages.py": "from flask import Flask\n\npages = Flask(__name__)\n\n\n@pages.get('/')\ndef home():\n    return ''\n",
}
NEXT = {
    "Dockerfile": """\
FROM node:22-alpine AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci
COPY next.config.mjs ./
COPY app app
RUN npm run build

FROM node:22-alpine
WORKDIR /app
COPY --from=build --chown=node:node /app/.next/standalone ./
COPY --from=build --chown=node:node /app/.next/static ./.next/static
USER node
ENV PORT=7860 HOSTNAME=0.0.0.0
CMD ["node", "server.js"]
""",
    "package.json": '{"scripts": {"build": "next build"}, "dependencies": {"next": "15.1.6"}}\n',
    "package-lock.json": '{"lockfileVersion": 3, "packages": {"": {"dependencies": {"next": "15.1.6"}}, '
    '"node_modules/next": {"version": "15.1.6"}}}\n',
    "next.config.mjs": 'export default { output: "standalone" };\n',
    "app/page.js": "export default function Page() { return null; }\n",
    "main.py": None,
    "requirements.txt": None,
}
WITH_DEPENDENCIES = NEXT["Dockerfile"].replace(
    "AS build\n", "AS deps\nWORKDIR /app\nCOPY package*.json ./\nRUN npm ci\n\nFROM node:22-alpine AS build\n"
)
WITH_DEPENDENCIES = WITH_DEPENDENCIES.replace(
    "COPY package.json package-lock.json ./\nRUN npm ci\nCOPY next",
    "COPY --from=deps /app/node_modules ./node_modules\nCOPY package.json next",
)
EXPRESS = {
    "Dockerfile": """\
FROM node:22-alpine
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci
COPY server.js ./
USER node
CMD ["node", "server.js"]
""",
    "package.json": '{"dependencies": {"express": "5.1.0"}}\n',
    "package-lock.json": '{"lockfileVersion": 3, "packages": {"": {}, "node_modules/express": {"version": "5.1.0"}, '
    '"node_modules/helmet": {}, "node_modules/nodemailer": {}, "node_modules/baileys": {}}}\n',
    "server.js": "import express from 'express';\n\nconst app = express();\n"
    "app.get('/', (request, answer) => answer.send('hello'));\napp.listen(7860, '0.0.0.0');\n",
    "main.py": None,
    "requirements.txt": None,
}
DJANGO = {
    "Dockerfile": """\
FROM python:3.13-slim
WORKDIR /app
COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt
COPY . .
RUN python manage.py collectstatic --noinput
ENTRYPOINT ["bash", "entrypoint.sh"]
CMD ["gunicorn", "club.wsgi", "-b", "0.0.0.0:7860"]
""",
    "requirements.txt": "django==5.1.4\ngunicorn==23.0.0\n",
    "entrypoint.sh": '#!/bin/bash\nset -e\npython manage.py migrate --noinput\nexec "$@"\n',
    "manage.py": "from django.core.management import execute_from_command_line\n",
    "club/__init__.py": "",
    "club/settings.py": "from pathlib import Path\n\nBASE = Path(__file__).parent\nMIDDLEWARE = [\n]\n",
    "club/wsgi.py": "import os\n\nfrom django.core.wsgi import get_wsgi_application\n\n"
    "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'club.settings')\napplication = get_wsgi_application()\n",
    "main.py": None,
}

GOOD = {
    "Next.js with a stage of packages": {**NEXT, "Dockerfile": WITH_DEPENDENCIES},
    "Express": EXPRESS,
    "Django": DJANGO,
    "Next.js": NEXT,
    "a package below src": UV,
    "gunicorn with a configuration": GUNICORN,
    "the package's supervisord": PACKAGED_SUPERVISOR,
    "CUDA": CUDA,
    "wheels of another stage": WHEELS,
}
FAULTS = {
    "supervisord starts nginx on another port": (
        PACKAGED_SUPERVISOR,
        {"site.conf": ("7860", "8080")},
        {"app-port-mismatch": "error"},
    ),
    "supervisord's nginx asks another port": (
        PACKAGED_SUPERVISOR,
        {"site.conf": ("8000", "5000")},
        {"nginx-upstream-502": "warning"},
    ),
    "the package's supervisord without -n": (
        PACKAGED_SUPERVISOR,
        {"Dockerfile": ('"-n", ', "")},
        {"supervisord-daemon": "error"},
    ),
    "Next.js on another port": (NEXT, {"Dockerfile": ("PORT=7860", "PORT=3000")}, {"app-port-mismatch": "warning"}),
    "Next.js without a port": (NEXT, {"Dockerfile": ("PORT=7860 ", "")}, {"app-port-mismatch": "warning"}),
    "Next.js for itself": (
        NEXT,
        {"Dockerfile": ("HOSTNAME=0.0.0.0", "HOSTNAME=localhost")},
        {"bind-loopback": "warning"},
    ),
    "Next.js with a script that there is not": (
        {**NEXT, "Dockerfile": WITH_DEPENDENCIES},
        {"Dockerfile": ("npm run build", "npm run build:all")},
        {"npm-build-script-missing": "error"},
    ),
    "Next.js with a manager that there is not": (
        NEXT,
        {"Dockerfile": ("RUN npm ci", "RUN pnpm install")},
        {"build-command-missing": "error"},
    ),
    "Next.js that makes no server": (
        NEXT,
        {"next.config.mjs": "export default {};\n"},
        {"copy-from-stage-missing": "error"},
    ),
    "Next.js whose configuration asks others": (
        NEXT,
        {"next.config.mjs": "import { base } from './base.mjs';\n\nexport default base;\n"},
        {"copy-from-stage-missing": "warning"},
    ),
    "tini that nobody installs": (
        EXPRESS,
        {"Dockerfile": ("CMD", 'ENTRYPOINT ["/sbin/tini", "--"]\nCMD')},
        {"command-not-found": "error"},
    ),
    "helmet": (
        EXPRESS,
        {
            "package.json": ("5.1.0", '5.1.0", "helmet": "8.0.0'),
            "server.js": ("app.get", "app.use(helmet());\napp.get"),
        },
        {"x-frame-options": "warning"},
    ),
    "mail from Node.js": (
        EXPRESS,
        {"package.json": ("5.1.0", '5.1.0", "nodemailer": "6.9.16')},
        {"outbound-port": "warning"},
    ),
    "a bot of WhatsApp": (
        EXPRESS,
        {"package.json": ("5.1.0", '5.1.0", "baileys": "6.7.9')},
        {"flagged-as-abusive": "warning"},
    ),
    "Django that forbids frames": (
        DJANGO,
        {"club/settings.py": ("[\n", "[\n    'django.middleware.clickjacking.XFrameOptionsMiddleware',\n")},
        {"x-frame-options": "warning"},
    ),
    "Django's settings ask for what is not there": (
        DJANGO,
        {"club/settings.py": ("from", "import environ\nfrom")},
        {"module-not-found": "warning"},
    ),
    "Django's entrypoint from Windows": (
        DJANGO,
        {"entrypoint.sh": ("\n", "\r\n")},
        {"exec-not-found-crlf": "warning"},
    ),
    "Django's entrypoint is missing": (DJANGO, {"entrypoint.sh": None}, {"start-file-missing": "error"}),
    "nginx that forbids frames": (
        PACKAGED_SUPERVISOR,
        {"site.conf": ("listen", "add_header X-Frame-Options DENY;\n    listen")},
        {"x-frame-options": "warning"},
    ),
    "a supervisord without nginx": (
        PACKAGED_SUPERVISOR,
        {"processes.conf": "[program:api]\ncommand=uvicorn main:app --port 8000\n"},
        {"nginx-not-started": "error"},
    ),
    "a base that there is not": (
        PACKAGED_SUPERVISOR,
        {"Dockerfile": ("FROM python:3.13-slim", "FROM python:3.13-slimm")},
        {"base-image-not-found": "error"},
    ),
    "a configuration that .dockerignore hides": (
        PACKAGED_SUPERVISOR,
        {".dockerignore": "site.conf\n"},
        {"dockerignore-excludes": "error"},
    ),
    "a package that CUDA's image lacks": (
        CUDA,
        {"main.py": APP.replace("from", "import httpx\nfrom", 1)},
        {"module-not-found": "warning"},
    ),
    "a package that no stage makes a wheel of": (
        WHEELS,
        {"main.py": ("from fastapi", "import httpx\nfrom fastapi")},
        {"module-not-found": "error"},
    ),
    "a package that uv.lock lacks": (
        UV,
        {"src/hello/main.py": ("from fastapi", "import httpx\nfrom fastapi")},
        {"module-not-found": "warning"},
    ),
    "a package that gunicorn's app lacks": (
        GUNICORN,
        {"pages.py": ("from flask", "import pandas\nfrom flask")},
        {"module-not-found": "error"},
    ),
    "a package that gunicorn may find in another folder": (
        GUNICORN,
        {"pages.py": ("from flask", "import pandas\nfrom flask"), "gunicorn.conf.py": ("bind", "chdir = '/srv'\nbind")},
        {"module-not-found": "warning"},
    ),
    "another module below CUDA": (CUDA, {"Dockerfile": ("main:app", "app:app")}, {"asgi-module-missing": "error"}),
}


def found(folder, change):
    report = check(write(folder, change), ignore=["dockerignore-missing", "never-sleeps", "hardware-unused"])
    assert () == report.notes
    return {one.code: str(one.severity) for one in report}


def with_fault(kind, change):
    """A kind of Space with some of its texts changed."""
    edited = {path: kind[path].replace(*one) if isinstance(one, tuple) else one for path, one in change.items()}
    assert not [path for path, one in edited.items() if one == kind.get(path)]
    return {"requirements.txt": PINNED, **kind, **edited}


@pytest.mark.parametrize("kind", GOOD.values(), ids=GOOD)
def test_nothing_is_said_of_a_good_one(kind, tmp_path):
    assert {} == found(tmp_path, {"requirements.txt": PINNED, **kind})


@pytest.mark.parametrize(("kind", "change", "expected"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_named(kind, change, expected, tmp_path):
    assert expected == found(tmp_path, with_fault(kind, change))


def test_an_nginx_that_takes_another_main_file_of_supervisord_is_not_guessed(tmp_path):
    """A RUN that writes supervisord.conf leaves open what it starts."""
    changed = ("WORKDIR /srv/api", "WORKDIR /srv/api\nRUN echo '[supervisord]' > /etc/supervisor/supervisord.conf")
    assert {} == found(tmp_path, with_fault(PACKAGED_SUPERVISOR, {"Dockerfile": changed, "site.conf": ("7860", "80")}))


@pytest.mark.parametrize("log", ["access_log", "error_log"])
def test_logs_in_a_folder_of_root_are_told(log, tmp_path):
    conf = (
        "pid /tmp/nginx.pid;\nevents {}\nhttp {\n    client_body_temp_path /tmp/body;\n"
        f"    {log} /var/log/nginx/all.log;\n    server {{\n        listen 7860;\n    }}\n}}\n"
    )
    kind = {**PACKAGED_SUPERVISOR, "nginx.conf": conf}
    change = {
        "Dockerfile": kind["Dockerfile"]
        .replace("COPY site.conf /etc/nginx/conf.d/site.conf", "COPY nginx.conf /etc/nginx/nginx.conf")
        .replace("CMD", "RUN useradd -m -u 1000 user\nUSER user\nCMD")
    }
    (said,) = check(write(tmp_path, with_fault(kind, change)), select=["nginx-permission"])
    assert "nginx.conf:5" == said.where
    assert "its logs into a folder" in said.message


def test_a_port_that_the_hub_does_not_take_is_not_advised(tmp_path):
    change = {"README.md": "---\ntitle: Hello\nsdk: docker\napp_port: 80\n---\n", "site.conf": ("7860", "80")}
    change |= {"Dockerfile": PACKAGED_SUPERVISOR["Dockerfile"].replace("CMD", "USER 1000\nCMD")}
    (said,) = check(write(tmp_path, with_fault(PACKAGED_SUPERVISOR, change)), select=["nginx-privileged-port"])
    assert said.hint.startswith("Write listen 7860;")


def test_the_address_to_write_is_one_that_python_takes(tmp_path):
    main = "from http import server\nimport gradio as gr\n\ngr.Blocks().launch()\n"
    change = {
        "Dockerfile": "FROM python:3.13-slim\nWORKDIR /app\nCOPY . .\nRUN pip install gradio==5.42.0\n"
        'CMD ["python", "main.py"]\n',
        "main.py": main,
    }
    (said,) = check(write(tmp_path, change), select=["bind-loopback"])
    assert 'Let it listen on every address: server_name="0.0.0.0"' == said.hint


def test_a_script_outside_of_the_working_folder_is_named_by_its_whole_path(tmp_path):
    change = {
        "Dockerfile": 'FROM python:3.13-slim\nWORKDIR /srv/api\nCOPY boot.sh /boot.sh\nENTRYPOINT ["/boot.sh"]\n',
        "boot.sh": "#!/bin/sh\nexec python -m http.server 7860\n",
    }
    (said,) = check(write(tmp_path, change), select=["script-not-executable"])
    assert said.hint.startswith('Write ENTRYPOINT ["sh", "/boot.sh"];')


STAGES = """\
FROM rust:1.83-slim-bookworm AS build
WORKDIR /build
COPY . .
RUN cargo build --release

FROM debian:bookworm-slim
COPY --from=build /build/target/release/hello /usr/local/bin/hello
USER hello
CMD ["hello"]
"""


def test_a_user_that_no_command_of_the_last_stage_makes_is_missing(tmp_path):
    """What another stage builds does not count."""
    (said,) = check(write(tmp_path, {"Dockerfile": STAGES, "Cargo.toml": "[package]\n"}), select=["user-missing"])
    assert ("Dockerfile:8", "error") == (said.where, str(said.severity))


@pytest.mark.parametrize(
    "line",
    ["adduser --system --uid 1000 web", "adduser -S -u 1000 web", "addgroup -S web && adduser -S -u 1000 -G web web"],
)
def test_a_service_may_not_have_the_number_of_another_user(line, tmp_path):
    change = {"Dockerfile": f'FROM node:22-alpine\nRUN {line}\nUSER web\nCMD ["node", "app.js"]\n'}
    (said,) = check(write(tmp_path, change), select=["useradd-uid-taken"])
    assert "Dockerfile:2" == said.where


def test_a_service_of_its_own_number_is_no_fault(tmp_path):
    change = {
        "Dockerfile": 'FROM node:22-alpine\nRUN adduser --system --uid 1001 web\nUSER web\nCMD ["node", "a.js"]\n'
    }
    assert not list(check(write(tmp_path, change), select=["useradd-uid-taken"]))


LINES = {"python": ("python -m uvicorn --app-dir app main:app", 0), "uvicorn": ("uvicorn --app-dir app main:app", 1)}


@pytest.mark.parametrize(("start", "count"), LINES.values(), ids=LINES)
def test_python_looks_where_it_is_started_and_a_program_does_not(start, count, tmp_path):
    """`python -m uvicorn` has its working directory among the folders where it looks."""
    change = {
        "Dockerfile": f"FROM python:3.13-slim\nWORKDIR /app\nRUN pip install fastapi uvicorn\nCOPY app app\n"
        f"CMD {start} --host 0.0.0.0 --port 7860\n",
        "app/main.py": APP.replace("from", "from app.names import hello\nfrom", 1),
        "app/names.py": "hello = 1\n",
        "main.py": None,
    }
    assert count == len(list(check(write(tmp_path, change), select=["module-not-found"])))


def test_a_variable_of_its_own_name_is_empty_without_an_arg(tmp_path):
    change = {"space.toml": 'repo_id = "acme/hello"\n[variables]\nSITE = "x"\n'}
    for line, count in (("ENV SITE=$SITE", 1), ('ENV SITE="${SITE}"', 1), ("ARG SITE\nENV SITE=$SITE", 0)):
        change["Dockerfile"] = f"FROM python:3.13-slim\n{line}\nRUN python build.py\n"
        assert count == len(list(check(write(tmp_path / str(len(line)), change), select=["variable-not-arg"])))


def test_a_configuration_that_a_command_edits_may_ask_for_the_server(tmp_path):
    edit = ("RUN npm run build", "RUN sed -i 's/{}/{output:\"standalone\"}/' next.config.mjs && npm run build")
    kind = with_fault(NEXT, {"next.config.mjs": "export default {};\n", "Dockerfile": edit})
    assert not list(check(write(tmp_path, kind), select=["copy-from-stage-missing"]))


WAITS = {
    "the app's own address": ("curl -fsS http://127.0.0.1:8000/health > /dev/null", 1),
    "without a scheme": ("curl localhost:8000", 1),
    "another's": ("curl -fsSL https://example.com/code.tgz -o code.tgz", 0),
    "one that is not known": ("curl $ADDRESS", 0),
}


@pytest.mark.parametrize(("command", "count"), WAITS.values(), ids=WAITS)
def test_a_start_that_waits_for_the_app_fetches_no_code(command, count, tmp_path):
    change = {
        "Dockerfile": "FROM python:3.13-slim\nWORKDIR /app\nCOPY . .\nRUN pip install fastapi uvicorn\n"
        'CMD ["bash", "start.sh"]\n',
        "start.sh": f"#!/bin/bash\nuvicorn main:app --host 0.0.0.0 --port 7860 &\n{command}\nwait -n\n",
        "main.py": f"import httpx\n{APP}",
    }
    assert count == len(list(check(write(tmp_path, change), select=["module-not-found"])))


@pytest.mark.parametrize("line", ["RUN apk add --no-cache tini", "COPY --from=krallin/tini:v1 /tini /sbin/tini"])
def test_tini_may_come_from_anywhere(line, tmp_path):
    change = {"Dockerfile": ("CMD", f'{line}\nENTRYPOINT ["/sbin/tini", "--"]\nCMD')}
    assert not list(check(write(tmp_path, with_fault(EXPRESS, change)), select=["command-not-found"]))


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        ({"space.toml": ("t4-small", "t4-smal")}, 'Write hardware = "t4-small"'),
        ({"README.md": "---\nsdk: docker\nsuggested_hardware: T4-small\n---\n"}, "Write suggested_hardware: t4-small"),
    ],
)
def test_the_hardware_that_was_probably_meant_is_named(change, hint, tmp_path):
    (said,) = check(write(tmp_path, with_fault(CUDA, change)), select=["hardware-unavailable"])
    assert hint == said.hint
