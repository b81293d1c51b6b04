"""Where a server says that it listens: on 127.0.0.1, which nobody reaches, or on a port that the Hub may not ask."""

from __future__ import annotations

from spaceops.symptoms import Symptom
from spaceops.symptoms.kinds import VAGUE_IN_RUNS, crash

_LOOPBACK = r"(?:127\.0\.0\.1|localhost|\[::1\])"
_ANYWHERE = r"(?:0\.0\.0\.0|\[::\]|\*|10(?:\.\d{1,3}){3}|172(?:\.\d{1,3}){3}|192\.168(?:\.\d{1,3}){2})"
_NOT_LOOPBACK = (  # of these servers localhost is where they listen, of others only how they name themselves
    r"^(?!.{0,300}(?:Uvicorn running on|Hypercorn running on|Running on|URL:|"
    r"Listening at:)\s{1,4}https?://localhost).{0,300}?"
)
_LISTENS = (
    r"(?:Running on(?: local URL:| http| port)?|running (?:on|at)|Running at(?: local url)?|Ready on|Listening (?:at:?|"
    r"on|for HTTP[^:]{0,20} on)|listening (?:on|at)|Starting development server at|Serving HTTP on|"
    r"[Ss]erver (?:is )?(?:running|listening|started)(?: on| at)?)"
)
_LOOPBACK_MESSAGE = (
    "The server listens on 127.0.0.1 only (port {port}), which nothing outside of the container reaches, so the Hub "
    "never gets an answer"
)
_PORT_MESSAGE = (
    "The server listens on port {port}, and the Hub sends its requests to `app_port` of README.md (7860 without one)"
)
_PORT_HINT = "Write `app_port: {port}` into the block at the top of README.md, or let the server listen on 7860."

SYMPTOMS: tuple[Symptom, ...] = (
    crash(
        code="bind-loopback",
        needles=("Uvicorn running on", "Running on http", "Running on local URL", "Listening at", "Listening on"),
        pattern=r"(?:Uvicorn running on|Hypercorn running on|Running on|Running on local URL:|Listening at:|"
        r"Listening on|listening on)\s{0,4}https?://" + _LOOPBACK + r":(?P<port>\d{2,5})\b",
        unless=r"Running on all addresses|Running on (?:local URL:\s{1,4})?https?://(?!127\.0\.0\.1|localhost)|"
        r"Network URL",
        message=_LOOPBACK_MESSAGE,
        hint='Let it listen on all addresses: `--host 0.0.0.0` for uvicorn, `app.run(host="0.0.0.0", port=7860)` for '
        "Flask, `--bind 0.0.0.0:7860` for gunicorn, `ENV GRADIO_SERVER_NAME=0.0.0.0` for Gradio.",
        examples=(
            "INFO:     Uvicorn running on http://127.0.0.1:8000 (Press CTRL+C to quit)",
            " * Running on http://127.0.0.1:5000",
            "* Running on local URL:  http://127.0.0.1:7860",
            "[2026-03-01 10:00:00 +0000] [1] [INFO] Listening at: http://127.0.0.1:8000 (1)",
            "Listening on http://127.0.0.1:5555",
        ),
        unlike=("INFO:     Uvicorn running on http://0.0.0.0:7860 (Press CTRL+C to quit)",),
        explains=(*VAGUE_IN_RUNS, "stuck-starting"),
    ),
    crash(
        code="bind-loopback",
        needles=(
            "Starting development server at",
            "Serving HTTP on",
            "Server running at",
            "Server listening on",
            "Server is running",
            "listening on",
            "Listening on",
            "Ready on",
            "Running at",
            "running on",
            "running at",
            "launched from",
            "Server listening at",
            "with Bandit",
            "with cowboy",
        ),
        pattern=r"(?:Running \S{1,80} with \w{1,20} [\d.]{1,12} at|"
        r"Starting development server at|Serving HTTP on|[Ss]erver (?:is )?(?:running|listening|"
        r"started) (?:at|on)|Ready on|is running on|launched from|"
        r"(?<!URL: )[Rr]unning at)\s{0,4}:?\s{0,4}\[?(?:https?://)?127\.0\.0\.1(?::| port )(?P<port>\d{2,5})\b",
        message=_LOOPBACK_MESSAGE,
        hint="Let it listen on 0.0.0.0: `python manage.py runserver 0.0.0.0:7860` for Django, `app.listen(7860, "
        "'0.0.0.0')` for Node, `--host 0.0.0.0` for most others.",
        examples=(
            "Starting development server at http://127.0.0.1:8000/",
            "Server running at http://127.0.0.1:3000/",
            "Server listening on 127.0.0.1:8080",
            "Server running on [http://127.0.0.1:8000].",
            "Dash is running on http://127.0.0.1:8050/",
            '{"level":30,"msg":"Server listening at http://127.0.0.1:3000"}',
            "10:00:00.000 [info] Running DemoWeb.Endpoint with Bandit 1.6.1 at 127.0.0.1:4000 (http)",
        ),
        unlike=("Server running at http://localhost:3000/", "Server running at http://0.0.0.0:3000/"),
        explains=(*VAGUE_IN_RUNS, "stuck-starting"),
    ),
    crash(
        code="bind-loopback",
        needles=("Network: use --host to expose", "use --host to expose", "use `--host` to expose"),
        pattern=r"use `?--host`? to expose",
        message="Vite listens on 127.0.0.1 only, which nothing outside of the container reaches, so the Hub never "
        "gets an answer",
        hint="Start it with `npm run dev -- --host 0.0.0.0 --port 7860`, or better serve the built pages: `npm run "
        "build`, then `npx serve -s dist -l 7860`.",
        examples=("➜  Network: use --host to expose", "➜ Network: use `--host` to expose"),
        explains=(*VAGUE_IN_RUNS, "stuck-starting", "port-mismatch"),
    ),
    crash(
        code="port-mismatch",
        needles=(
            "Uvicorn running on",
            "Running on http",
            "Running on local URL",
            "Hypercorn running on",
            "Listening at",
            "Listening on",
            "listening on",
            "Starting development server at",
            "Serving HTTP on",
            "Server running",
            "Server listening",
            "Server is running",
            "Server started",
            "server running",
            "server listening",
            "server started",
            "running on port",
            "running on http",
            "Running on port",
            "running at",
            "Running at",
            "Ready on",
            "Listening for HTTP",
            "listening at",
            "Running at local url",
        ),
        pattern=_NOT_LOOPBACK + _LISTENS + r":?\s{0,4}(?:port:?\s{0,3}|"
        r"https?://(?:" + _ANYWHERE + r"|localhost):|" + _ANYWHERE + r"(?::| port ))(?P<port>\d{2,5})\b",
        unless=r"Running on (?:local URL:\s{1,4})?http://127\.0\.0\.1:7860",
        message=_PORT_MESSAGE,
        hint=_PORT_HINT,
        examples=(
            "INFO:     Uvicorn running on http://0.0.0.0:8000 (Press CTRL+C to quit)",
            "[2026-03-01 10:00:00 +0000] [1] [INFO] Listening at: http://0.0.0.0:8000 (1)",
            "Server running on port 3000",
            "Server is running at http://localhost:3000",
            "Serving HTTP on 0.0.0.0 port 8000 (http://0.0.0.0:8000/) ...",
            "* Running on local URL:  http://0.0.0.0:7861",
            "Express server listening on port 8080",
        ),
        unlike=(
            "INFO:     Uvicorn running on http://127.0.0.1:8000",
            "Training running on 4 GPUs",
            "listening on channel 5 for jobs",
        ),
        explains=(*VAGUE_IN_RUNS, "stuck-starting"),
    ),
    crash(
        code="port-mismatch",
        needles=(
            "Local:",
            "Network URL",
            "URL:",
            "Tomcat started on port",
            "Netty started on port",
            "Jetty started on port",
            "Now listening on",
            "Started server on",
            "started server on",
        ),
        pattern=r"(?:-?\s{0,4}Local:\s{1,12}https?://localhost:|Network URL:\s{1,4}https?://[\d.]{7,15}:|"
        r"^URL:\s{1,4}https?://0\.0\.0\.0:|(?:Tomcat|Netty|Jetty|Undertow) started on ports?(?:\(s\))?:? |"
        r"Now listening on: https?://(?:\[::\]|\*|0\.0\.0\.0):|[Ss]tarted server on (?:0\.0\.0\.0|"
        r"\[::\]):)(?P<port>\d{2,5})\b",
        unless=r"use `?--host`? to expose",
        message=_PORT_MESSAGE,
        hint=_PORT_HINT,
        examples=(
            "- Local:        http://localhost:3000",
            "Network URL: http://10.20.1.5:8501",
            "URL: http://0.0.0.0:8501",
            "o.s.b.w.embedded.tomcat.TomcatWebServer  : Tomcat started on port 8080 (http) with context path '/'",
            "Now listening on: http://[::]:8080",
            "ready - started server on 0.0.0.0:3000, url: http://localhost:3000",
        ),
        explains=(*VAGUE_IN_RUNS, "stuck-starting"),
    ),
    crash(  # the words of an app's own programmer
        code="port-mismatch",
        needles=("http://localhost", "http://0.0.0.0", "launched from", "Starting vLLM", "http://127.0.0.1"),
        pattern=r"(?i:\b(?:ready|available|launched|up|live|online|starting|started|running|go|open|visit|"
        r"served?|serving)\b.{0,40}\b(?:at|on|from)\b:?|server (?:\d{1,2} )?on|(?:server|app|api|backend|url): )"
        r"(?<!Uvicorn running on)(?<!Hypercorn running on)(?<!Running on)\s{0,4}\[?https?://(?:"
        + _ANYWHERE
        + r"|localhost):(?P<port>\d{2,5})\b",
        unless=r"use `?--host`? to expose",
        message=_PORT_MESSAGE,
        hint=_PORT_HINT,
        examples=(
            "API ready at http://localhost:4000/graphql",
            "Your app is available at http://localhost:8000",
            "NiceGUI ready to go on http://localhost:8080, and http://10.0.0.4:8080",
            "Starting vLLM API server on http://0.0.0.0:8000",
        ),
        unlike=("waiting for http://localhost:8000/health",),
        explains=(*VAGUE_IN_RUNS, "stuck-starting"),
    ),
    crash(
        code="port-mismatch",
        needles=("on port", "listening on", "Listening on", "serving HTTP on", "Serving on", "serving on"),
        pattern=r"^(?!.{0,300}(?i:connect|redis|postgres|mongo|mysql|database|metrics|debugg|probe|proxy|upstream|"
        r"waiting|in use|fail|error)).{0,200}(?:(?i:\b(?:server|app|application|api|service|backend|frontend|"
        r"express|dashboard|http|web|running|listening|started|starting|serving|ready|live|online)\b).{0,60}"
        r"\bon port:? {0,2}|(?i:listening|serving)(?: and serving HTTP)? on :)"
        r"(?P<port>(?!(?:5432|3306|6379|27017|11434|9200|11211|5672)\b)\d{2,5})\b",
        message=_PORT_MESSAGE,
        hint=_PORT_HINT,
        examples=(
            "[Server] Up in ONLINE mode on port 3000",
            "[GIN-debug] Listening and serving HTTP on :8080",
            "2026/03/01 10:00:00 notes listening on :8080 (4 loaded)",
        ),
        unlike=("Connected to the Redis server on port 6379", "Database server listening on port 5432"),
        explains=(*VAGUE_IN_RUNS, "stuck-starting"),
    ),
    crash(
        code="port-mismatch",
        needles=("lab?token", "tree?token"),
        pattern=r"^(?:\[[^\]]{1,80}\] ){0,2}https?://[\w.-]{1,80}:(?P<port>\d{4,5})/(?:lab|tree)\b",
        near=r"(?i)jupyter.{0,40}is running at",
        message=_PORT_MESSAGE,
        hint="Start it with `jupyter lab --ip 0.0.0.0 --port 7860 --no-browser`, or write `app_port: {port}` into the "
        "block at the top of README.md.",
        examples=(
            "[I 2026-03-01 10:00:00.1 ServerApp] Jupyter Server 2.14 is running at:\n"
            "[I 2026-03-01 10:00:00.1 ServerApp] http://localhost:8888/lab?token=...",
        ),
        explains=(*VAGUE_IN_RUNS, "stuck-starting"),
    ),
    crash(
        code="port-mismatch",
        needles=("on TCP address", "http bound on", "ready on", "with Bandit", "with cowboy"),
        pattern=r"(?:on TCP address (?:0\.0\.0\.0|\[::\]):|http bound on (?:0\.0\.0\.0)?:|(?i:ready|listening) on "
        r"[\d.:]{2,20}, port |Running \S{1,80} with \w{1,20} [\d.]{1,12} at (?:0\.0\.0\.0|::|\[::\]):)"
        r"(?P<port>\d{2,5})\b",
        message=_PORT_MESSAGE,
        hint=_PORT_HINT,
        examples=(
            "2026-03-01 10:00:00,000 INFO     Listening on TCP address 0.0.0.0:8000",
            "uWSGI http bound on :8000 fd 4",
            "n8n ready on ::, port 5678",
            "[info] Running DemoWeb.Endpoint with cowboy 2.12.0 at 0.0.0.0:4000 (http)",
        ),
        explains=(*VAGUE_IN_RUNS, "stuck-starting"),
    ),
    crash(
        code="port-mismatch",
        needles=("http://localhost", "http://0.0.0.0"),
        pattern=r"^https?://(?:localhost|0\.0\.0\.0):(?P<port>\d{4,5})/?$",
        near=r"(?i)\bgo to:|accessible (?:via|at|on):|in your (?:web )?browser|to access (?:the|your)",
        message=_PORT_MESSAGE,
        hint=_PORT_HINT,
        examples=("To access the server, go to:\nhttp://localhost:1337",),
        explains=(*VAGUE_IN_RUNS, "stuck-starting"),
    ),
)
