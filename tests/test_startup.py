"""What starts with a container, and where it listens, as it is read from the Dockerfile and the files it names."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spaceops.dockerfile import Dockerfile
from spaceops.image import follow
from spaceops.startup import World, start

EXAMPLES = int(os.environ.get("SPACEOPS_EXAMPLES", 20))
UNKNOWN = "\0"


def startup(dockerfile, files=None, *, base="python:3.13-slim", **facts):
    """What a Dockerfile with these files starts; `COPY . .` into /app unless it begins with FROM."""
    text = dockerfile if dockerfile.startswith("FROM") else f"FROM {base}\nWORKDIR /app\nCOPY . .\n{dockerfile}\n"
    files = files or {}
    variables = facts.get("variables", {})
    image = follow(Dockerfile.parse(text), variables, frozenset(files))
    assert image is not None
    return start(World(image, files.get, files=files, **facts))


def words(found):
    return [" ".join(process.words) for process in found.processes]


def listening(found):
    return [(one.server, one.host, one.port) for one in found.listeners]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('CMD ["uvicorn", "main:app"]', ["uvicorn main:app"]),
        ("CMD uvicorn main:app", ["uvicorn main:app"]),
        ("CMD exec uvicorn main:app", ["uvicorn main:app"]),
        ('CMD ["sh", "-c", "uvicorn main:app"]', ["uvicorn main:app"]),
        ('CMD ["bash", "-lc", "exec uvicorn main:app"]', ["uvicorn main:app"]),
        ('CMD ["python", "-m", "uvicorn", "main:app"]', ["uvicorn main:app"]),
        ('CMD ["python", "-u", "-X", "dev", "app.py"]', ["python app.py"]),
        ('ENTRYPOINT ["tini", "-g", "--"]\nCMD ["uvicorn", "main:app"]', ["uvicorn main:app"]),
        ('ENTRYPOINT ["/usr/bin/dumb-init", "--", "uvicorn"]\nCMD ["main:app"]', ["uvicorn main:app"]),
        ('CMD ["env", "A=1", "uvicorn", "main:app"]', ["uvicorn main:app"]),
        ('CMD ["/usr/bin/env", "-S", "uvicorn main:app"]', ["uvicorn main:app"]),
        ('CMD ["gosu", "user", "uvicorn", "main:app"]', ["uvicorn main:app"]),
        ("CMD su user -c 'uvicorn main:app'", ["uvicorn main:app"]),
        ('CMD ["xvfb-run", "-a", "-s", "-screen 0", "python", "app.py"]', ["python app.py"]),
        ('CMD ["uv", "run", "--frozen", "uvicorn", "main:app"]', ["uvicorn main:app"]),
        ('CMD ["uv", "run", "app.py"]', ["python app.py"]),
        ('CMD ["poetry", "run", "python", "app.py"]', ["python app.py"]),
        ('CMD ["conda", "run", "--no-capture-output", "-n", "env", "python", "app.py"]', ["python app.py"]),
        ("CMD timeout 60 nohup python app.py", ["python app.py"]),
        ("CMD python migrate.py && uvicorn main:app", ["python migrate.py", "uvicorn main:app"]),
        ("CMD mkdir -p x; echo hi && uvicorn main:app", ["uvicorn main:app"]),
        ("CMD service nginx start && uvicorn main:app", ["nginx", "uvicorn main:app"]),
        ("CMD uvicorn main:app; python never.py", ["uvicorn main:app"]),
        ("CMD python manage.py migrate && python manage.py runserver", ["python manage.py runserver"]),
    ],
)
def test_a_command_is_followed_to_the_program_that_runs(line, expected):
    assert expected == words(startup(line))


def test_a_shell_form_of_entrypoint_takes_no_cmd():
    assert ["uvicorn a:app"] == words(startup('ENTRYPOINT uvicorn a:app\nCMD ["ignored"]'))


def test_an_entrypoint_script_runs_what_cmd_names():
    files = {"entry.sh": '#!/bin/sh\nset -e\nmkdir -p data\nexec "$@"\n'}
    found = startup('ENTRYPOINT ["./entry.sh"]\nCMD ["uvicorn", "main:app", "--port", "7860"]', files)

    assert ["uvicorn main:app --port 7860"] == words(found)
    assert "entry.sh:4" == found.processes[0].where
    assert found.is_complete


def test_a_script_is_followed_with_its_folder_its_variables_and_its_background():
    text = "#!/bin/bash\nexport MODE=x\ncd api\npython worker.py &\nPORT=9000\nexec uvicorn main:app --port $PORT\n"
    found = startup('CMD ["bash", "start.sh"]', {"start.sh": text})

    worker, server = found.processes
    assert ("/app/api", True, "x") == (worker.cwd, worker.is_background, worker.env["MODE"])
    assert ("start.sh:6", False) == (server.where, server.is_background)
    assert [("uvicorn", "127.0.0.1", 9000)] == listening(found)
    assert found.listeners[0].is_port_certain


def test_what_stands_in_a_condition_is_not_certain():
    text = '#!/bin/bash\nif [ -n "$X" ]; then\n  uvicorn a:app\nelse\n  uvicorn b:app\nfi\n'
    found = startup('CMD ["bash", "start.sh"]', {"start.sh": text})

    assert [False, False] == [process.is_certain for process in found.processes]


def test_a_script_that_starts_itself_ends_the_walk():
    assert not startup('CMD ["sh", "a.sh"]', {"a.sh": "sh b.sh\n", "b.sh": "sh a.sh\n"}).is_complete


@pytest.mark.parametrize(
    "line", ["CMD eval $X", "CMD ./made-elsewhere", "CMD $START", "CMD . ./unknown.sh && uvicorn a:b"]
)
def test_what_cannot_be_read_is_not_complete(line):
    assert not startup(line).is_complete


@pytest.mark.parametrize(
    ("text", "port", "certain"),
    [
        ("uvicorn a:app --port 8000", 8000, True),
        ("uvicorn a:app --port ${PORT:-8000}", 8000, False),
        ("PORT=${PORT:-8000}; uvicorn a:app --port $PORT", 8000, False),
        ("PORT=8000; uvicorn a:app --port $PORT", 8000, True),
        ("uvicorn a:app --port $MINE", 5000, False),
        ("uvicorn a:app --port=$GIVEN", 6000, True),
        ("uvicorn a:app --port $NOBODY", None, False),
        ("uvicorn a:app --port $(cat port)", None, True),
    ],
)
def test_a_port_is_certain_unless_a_variable_of_the_space_may_change_it(text, port, certain):
    found = startup(f"ENV MINE=5000 GIVEN=1\nCMD {text}", variables={"GIVEN": "6000"})

    assert [port] == [one.port for one in found.listeners]
    assert port is None or certain == found.listeners[0].is_port_certain


SERVERS = [
    ("uvicorn a:app", ("uvicorn", "127.0.0.1", 8000)),
    ("uvicorn a:app --host=0.0.0.0 --port=1", ("uvicorn", "0.0.0.0", 1)),
    ("gunicorn a:app", ("gunicorn", "127.0.0.1", 8000)),
    ("gunicorn a:app -b :7860", ("gunicorn", "0.0.0.0", 7860)),
    ("gunicorn --bind=[::]:7860 a:app", ("gunicorn", "::", 7860)),
    ("gunicorn -b0.0.0.0:80 a:app", ("gunicorn", "0.0.0.0", 80)),
    ("hypercorn a:app -b 0.0.0.0:7860", ("hypercorn", "0.0.0.0", 7860)),
    ("hypercorn a:app", ("hypercorn", "127.0.0.1", 8000)),
    ("granian --interface asgi a:app --port 9", ("granian", "127.0.0.1", 9)),
    ("daphne -b 0.0.0.0 -p 7860 a:app", ("daphne", "0.0.0.0", 7860)),
    ("waitress-serve a:app", ("waitress-serve", "0.0.0.0", 8080)),
    ("fastapi run main.py", ("fastapi run", "0.0.0.0", 8000)),
    ("fastapi dev main.py --port 7", ("fastapi dev", "127.0.0.1", 7)),
    ("flask run -h 0.0.0.0 -p 7860", ("flask run", "0.0.0.0", 7860)),
    ("flask --app main run", ("flask run", "127.0.0.1", 5000)),
    ("python manage.py runserver", ("runserver", "127.0.0.1", 8000)),
    ("python manage.py runserver 0.0.0.0:7860", ("runserver", "0.0.0.0", 7860)),
    ("python manage.py runserver 7860", ("runserver", "127.0.0.1", 7860)),
    ("streamlit run app.py", ("streamlit", "0.0.0.0", 8501)),
    ("streamlit run app.py --server.port 7860", ("streamlit", "0.0.0.0", 7860)),
    ("python -m http.server 7860", ("http.server", "0.0.0.0", 7860)),
    ("python -m http.server", ("http.server", "0.0.0.0", 8000)),
    ("jupyter lab --ip 0.0.0.0 --port 7860", ("jupyter lab", "0.0.0.0", 7860)),
    ("chainlit run app.py", ("chainlit run", "127.0.0.1", 8000)),
    ("panel serve app.py --port 7860", ("panel serve", "0.0.0.0", 7860)),
    ("mlflow ui", ("mlflow ui", "127.0.0.1", 5000)),
    ("ollama serve", ("ollama", "127.0.0.1", 11434)),
    ("OLLAMA_HOST=0.0.0.0:7860 ollama serve", ("ollama", "0.0.0.0", 7860)),
    ("vllm serve model", ("vllm serve", "0.0.0.0", 8000)),
    ("llama-server -m x --host 0.0.0.0 --port 7860", ("llama-server", "0.0.0.0", 7860)),
    ("php -S 0.0.0.0:7860", ("php", "0.0.0.0", 7860)),
    ("php artisan serve --host=0.0.0.0 --port=7860", ("artisan serve", "0.0.0.0", 7860)),
    ("next start -p 7860", ("next", "0.0.0.0", 7860)),
    ("npx serve -p 7860", ("serve", "0.0.0.0", 7860)),
    ("vite preview --host --port 7860", ("vite", "0.0.0.0", 7860)),
    ("ttyd -p 7860 bash", ("ttyd", "0.0.0.0", 7860)),
]


@pytest.mark.parametrize(("line", "expected"), SERVERS, ids=[line for line, _ in SERVERS])
def test_a_server_listens_where_its_options_and_its_defaults_say(line, expected):
    found = startup(f"CMD {line}")

    assert [expected] == listening(found)
    assert found.is_complete


@pytest.mark.parametrize(
    "line",
    ["uvicorn a:app --uds /tmp/x", "gunicorn a:app -c python:x", "java -jar a.jar", "hypercorn -c x a:app", "next"],
)
def test_a_server_that_may_listen_anywhere_makes_the_start_incomplete(line):
    assert not startup(f"CMD {line}").is_complete


def test_a_socket_is_no_port():
    found = startup("CMD gunicorn a:app -b unix:/tmp/x.sock")

    assert ([], True) == (listening(found), found.is_complete)


@pytest.mark.parametrize(
    ("env", "line", "expected"),
    [
        ("UVICORN_PORT=1", "uvicorn a:app", 1),
        ("PORT=2", "gunicorn a:app", 2),
        ("GUNICORN_CMD_ARGS='--bind :3'", "gunicorn a:app", 3),
        ("FLASK_RUN_PORT=4", "flask run", 4),
        ("STREAMLIT_SERVER_PORT=5", "streamlit run a.py", 5),
        ("PORT=6", "next start", 6),
        ("PORT=7", "uvicorn a:app", 8000),
    ],
)
def test_a_server_asks_its_own_variables(env, line, expected):
    assert [expected] == [one.port for one in startup(f"ENV {env}\nCMD {line}").listeners]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ("bind = '0.0.0.0:7860'\n", [("gunicorn", "0.0.0.0", 7860)]),
        ("import os\nbind = f\"0.0.0.0:{os.environ.get('PORT', 7860)}\"\n", [("gunicorn", "0.0.0.0", 7860)]),
        ("import os\nbind = '0.0.0.0:' + os.getenv('PORT', '1')\n", [("gunicorn", "0.0.0.0", 1)]),
        ("workers = 2\n", [("gunicorn", "127.0.0.1", 8000)]),
        ("bind = compute()\n", []),
        ("def (\n", []),
    ],
)
def test_gunicorn_reads_its_configuration(config, expected):
    assert expected == listening(startup("CMD gunicorn a:app", {"gunicorn.conf.py": config}))


def test_streamlit_reads_its_configuration():
    files = {".streamlit/config.toml": '[server]\nport = 7860\naddress = "127.0.0.1"\n'}

    assert [("streamlit", "127.0.0.1", 7860)] == listening(startup("CMD streamlit run a.py", files))


def test_a_configuration_that_a_run_line_writes_is_not_known():
    line = "RUN mkdir -p .streamlit && echo x > .streamlit/config.toml\nCMD streamlit run a.py"

    assert not startup(line).is_complete


PROGRAMS = [
    ("import uvicorn\nuvicorn.run('a:app', host='0.0.0.0', port=7860)\n", ("uvicorn", "0.0.0.0", 7860), True),
    ("import uvicorn as u\nif __name__ == '__main__':\n    u.run(app)\n", ("uvicorn", "127.0.0.1", 8000), True),
    ("from uvicorn import run\nrun(app, port=int('9'))\n", ("uvicorn", "127.0.0.1", 9), True),
    (
        "import os, uvicorn\nP = int(os.getenv('PORT', 7860))\nuvicorn.run(a, port=P)\n",
        ("uvicorn", "127.0.0.1", 7860),
        False,
    ),
    ("import os, uvicorn\nuvicorn.run(a, port=int(os.environ['X']))\n", ("uvicorn", "127.0.0.1", None), False),
    ("import os, uvicorn\nuvicorn.run(a, port=int(os.getenv('P') or 8))\n", ("uvicorn", "127.0.0.1", 8), False),
    ("from flask import Flask\napp = Flask(__name__)\napp.run()\n", ("flask", "127.0.0.1", 5000), True),
    ("from flask import Flask\napp = Flask(__name__)\napp.run('0.0.0.0', 7860)\n", ("flask", "0.0.0.0", 7860), True),
    ("from made import app\napp.run(host='0.0.0.0', port=7860)\n", ("app.run", "0.0.0.0", 7860), True),
    ("import gradio as gr\nd = gr.Interface()\nd.launch()\n", ("gradio", "127.0.0.1", 7860), True),
    (
        "import gradio as gr\nwith gr.Blocks() as d:\n    1\nd.queue().launch(server_name='0.0.0.0', server_port=80)\n",
        ("gradio", "0.0.0.0", 80),
        True,
    ),
    ("from aiohttp import web\nweb.run_app(web.Application())\n", ("aiohttp", "0.0.0.0", 8080), True),
    ("from waitress import serve\nserve(app, port=7860)\n", ("waitress", "0.0.0.0", 7860), True),
    ("from nicegui import ui\nui.run(port=7860)\n", ("nicegui", "0.0.0.0", 7860), True),
    ("import dash\napp = dash.Dash()\napp.run(host='0.0.0.0', port=1)\n", ("dash", "0.0.0.0", 1), True),
    (
        "from http.server import HTTPServer, BaseHTTPRequestHandler as H\nHTTPServer(('', 7860), H).serve_forever()\n",
        ("http.server", "", 7860),
        True,
    ),
    (
        "import asyncio\nfrom uvicorn import Config, Server\nasync def main():\n"
        "    await Server(Config('a:app', port=7)).serve()\nasyncio.run(main())\n",
        ("uvicorn", "127.0.0.1", 7),
        True,
    ),
    (
        "import argparse, uvicorn\np = argparse.ArgumentParser()\np.add_argument('--port', type=int, default=8)\n"
        "args = p.parse_args()\nuvicorn.run('a:app', port=args.port)\n",
        ("uvicorn", "127.0.0.1", 8),
        True,
    ),
    ("import os, uvicorn\nif os.name:\n    uvicorn.run('a', port=3)\n", ("uvicorn", "127.0.0.1", 3), False),
    ("import subprocess, uvicorn\nuvicorn.run('a', port=3)\n", ("uvicorn", "127.0.0.1", 3), False),
]


@pytest.mark.parametrize(("text", "expected", "certain"), PROGRAMS)
def test_a_python_file_is_read_for_the_server_that_it_starts(text, expected, certain):
    found = startup('CMD ["python", "app.py"]', {"app.py": text})

    assert [expected] == listening(found)
    assert certain == found.listeners[0].is_port_certain


def test_an_option_of_the_command_line_reaches_the_program():
    text = (
        "import argparse, uvicorn\np = argparse.ArgumentParser()\np.add_argument('--port', default=8)\n"
        "args = p.parse_args()\nuvicorn.run('a:app', port=int(args.port))\n"
    )

    assert [7860] == [one.port for one in startup("CMD python app.py --port 7860", {"app.py": text}).listeners]


@pytest.mark.parametrize(
    "text",
    [
        "import other\nother.main()\n",
        "import asyncio\nasyncio.run(x())\n",
        "import uvicorn\nclass A:\n    def go(self):\n        uvicorn.run(a)\n",
        "def (\n",
        "bot.run(TOKEN)\n",
        "(" * 2000,
    ],
)
def test_a_program_whose_server_is_not_seen_is_not_known(text):
    found = startup('CMD ["python", "app.py"]', {"app.py": text})

    assert ([], False) == (listening(found), found.is_complete)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("app.listen(7860)", 7860),
        ("const PORT = process.env.PORT || 3000;\napp.listen(PORT, () => log());", 3000),
        ("const port = Number(process.env.PORT ?? 4000)\nserver.listen(port, '0.0.0.0')", 4000),
        ("app.listen(parseInt(process.env.PORT || '5000', 10))", 5000),
        ("fastify.listen({ port: 7860, host: '0.0.0.0' })", 7860),
        ("a.listen(1000); b.listen(2000)", None),
        ("require('./server')", None),
        ("app.listen(config.port)", None),
    ],
)
def test_a_file_of_node_is_read_for_its_one_listen(text, expected):
    found = startup('CMD ["node", "server.js"]', {"server.js": text}, base="node:22-slim")

    assert expected == next((one.port for one in found.listeners), None)


def test_npm_start_is_followed_into_package_json():
    files = {"package.json": '{"scripts": {"start": "cross-env A=1 next start -p 7860"}}'}
    found = startup('CMD ["npm", "start"]', files, base="node:22-slim")

    assert [("next", "0.0.0.0", 7860)] == listening(found)
    assert "package.json:1" == found.listeners[0].where


def test_concurrently_starts_each_of_its_commands():
    line = 'CMD npx concurrently -k "uvicorn a:app --port 8000" "next start -p 7860"'

    assert [8000, 7860] == [one.port for one in startup(line, base="node:22-slim").listeners]


def test_a_procfile_is_followed_and_its_port_is_not_known():
    found = startup("CMD honcho start", {"Procfile": "web: uvicorn a:app --port $PORT\nworker: python w.py\n"})

    assert ["uvicorn a:app --port \0", "python w.py"] == words(found)
    assert all(process.is_supervised for process in found.processes)


def test_a_makefile_is_followed():
    files = {"Makefile": "run:\n\tuvicorn a:app --port 7860\n"}

    assert [7860] == [one.port for one in startup("CMD make run", files).listeners]


def test_supervisord_starts_its_programs():
    text = (
        "[supervisord]\nnodaemon=true\n[program:api]\ncommand=uvicorn a:app --port %(ENV_P)s\ndirectory=/srv\n"
        'user=www\nenvironment=A="1"\n[program:off]\ncommand=python x.py\nautostart=false\n'
    )
    found = startup("ENV P=8000\nCMD supervisord -c supervisord.conf", {"supervisord.conf": text})
    _, api = found.processes

    assert ("/srv", "www", "1", "supervisord.conf:4") == (api.cwd, api.user, api.env["A"], api.where)
    assert [8000] == [one.port for one in found.listeners]
    assert found.is_complete


def test_supervisord_without_a_file_of_the_space_is_not_known():
    assert not startup("CMD supervisord -n").is_complete


DEBIAN_NGINX = "FROM debian:bookworm-slim\nRUN apt-get install -y nginx\n{lines}\nCMD nginx -g 'daemon off;'\n"


@pytest.mark.parametrize(
    ("lines", "files", "ports"),
    [
        ("", {}, [80]),
        ("COPY nginx.conf /etc/nginx/nginx.conf", {"nginx.conf": "events {} http { server { listen 7860; } }"}, [7860]),
        ("COPY a.conf /etc/nginx/conf.d/a.conf", {"a.conf": "server { listen 7860; }"}, [7860, 80]),
        (
            "RUN rm /etc/nginx/sites-enabled/default\nCOPY a.conf /etc/nginx/conf.d/a.conf",
            {"a.conf": "server { listen 7860; }"},
            [7860],
        ),
        ("COPY site /etc/nginx/sites-available/default", {"site": "server { listen 7860; }"}, [7860]),
        (
            "COPY site /etc/nginx/sites-available/m\nRUN ln -s /etc/nginx/sites-available/m /etc/nginx/sites-enabled/",
            {"site": "server { listen 7860; }"},
            [7860, 80],
        ),
    ],
)
def test_nginx_listens_where_the_files_that_it_reads_say(lines, files, ports):
    found = startup(DEBIAN_NGINX.format(lines=lines), files)

    assert ports == [one.port for one in found.listeners]


@pytest.mark.parametrize(
    "lines", ["RUN sed -i s/80/7860/ /etc/nginx/sites-enabled/default", "RUN echo x > /etc/nginx/conf.d/a.conf"]
)
def test_a_configuration_of_nginx_that_a_run_line_changes_is_not_known(lines):
    found = startup(DEBIAN_NGINX.format(lines=lines))

    assert ([], False) == (listening(found), found.is_complete)


def test_a_configuration_of_nginx_that_the_start_writes_is_not_known():
    files = {"start.sh": "envsubst < t > /etc/nginx/nginx.conf\nnginx -g 'daemon off;'\n"}

    assert not startup("FROM nginx:1.27\nCOPY . .\nCMD sh start.sh\n", files).is_complete


def test_the_official_image_of_nginx_starts_it():
    assert [("nginx", "0.0.0.0", 80)] == listening(startup("FROM nginx:alpine\nCOPY . /usr/share/nginx/html\n"))


def test_an_unknown_base_makes_nothing_certain():
    found = startup('FROM ghcr.io/acme/thing:1\nCMD ["uvicorn", "a:app"]\n')

    assert not found.listeners[0].is_port_certain


_PIECES = """uvicorn a:app|&|&&|(|)|"$@"|exec|if|fi|cd x|$PORT|${A:-$B}|python app.py|'|supervisord|npm start|env|
su -c|;|bash start.sh|nginx -c|`|\\|--port|honcho start|wait -n|. start.sh"""
PIECES = _PIECES.split("|")


@given(st.lists(st.sampled_from(PIECES), max_size=12), st.binary(max_size=60))
@settings(max_examples=EXAMPLES)
def test_no_script_makes_the_walk_fail(pieces, content):
    text = " ".join(pieces)
    noise = content.decode("latin-1")
    files = {"start.sh": text, "app.py": noise, "package.json": noise, "supervisord.conf": noise, "Procfile": text}

    assert startup('CMD ["bash", "start.sh"]', files).world.files == files
