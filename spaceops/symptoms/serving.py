"""How a server does not serve: where it listens, what stands in front of it, what the browser refuses."""

from __future__ import annotations

from spaceops.findings import Severity
from spaceops.symptoms import Symptom
from spaceops.symptoms.kinds import VAGUE_IN_RUNS, crash, trouble

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
    # --- where it listens ---
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
        ),
        pattern=r"(?:Starting development server at|Serving HTTP on|[Ss]erver (?:is )?(?:running|listening|"
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
        code="no-http-server",
        severity=Severity.WARNING,
        needles=(
            "Start polling",
            "Application started",
            "has connected to Gateway",
            "Run polling for bot",
            "logging in using static token",
            "Bot is running",
            "Bot started",
            "bot is running",
            "polling",
            "celery@",
            "Celery",
        ),
        pattern=r"\bStart polling|Run polling for bot|has connected to Gateway|logging in using static token|"
        r"\b[Bb]ot (?:is running|started|is online)\b|telegram\.ext\.Application.{0,20}Application started|"
        r"celery@\S{1,80} ready",
        unless=r"(?i)running on https?://|listening (?:on|at)|Application startup complete",
        message="The log shows a bot or a worker and no web server; a Space is taken for started only when something "
        "answers HTTP requests on its port",
        hint="Serve a small page beside it on 0.0.0.0:7860, for example `python -m http.server 7860 --bind 0.0.0.0 &` "
        "before the bot in the start script.",
        examples=(
            "INFO:aiogram.dispatcher:Start polling",
            "discord.gateway Shard ID None has connected to Gateway (Session ID: ab12).",
            "INFO - telegram.ext.Application - Application started",
            "[2026-03-01 10:00:00,000: INFO/MainProcess] celery@host ready.",
        ),
        unlike=("INFO:     Application startup complete.",),
        explains=("launch-timeout", "space-in-error-503"),
    ),
    crash(
        code="address-in-use",
        needles=(
            "Address already in use",
            "address already in use",
            "EADDRINUSE",
            "Connection in use",
            "was already in use",
            "Cannot find empty port",
            "is already in use",
            "is not available",
        ),
        pattern=r"[Aa]ddress already in use|EADDRINUSE|Connection in use: \(|"
        r"Web server failed to start\. Port \d{1,5} was already|Cannot find empty port|"
        r"Port \d{2,5} is (?:already )?in use|Port \d{2,5} is not available",
        message="Two programs of the app want the same port, and only one can have it",
        hint="Start the server once only (not from the file and from the command line too, no `--reload`), or give "
        "the second program another port; only the one behind `app_port` is reached from outside.",
        examples=(
            "ERROR:    [Errno 98] error while attempting to bind on address ('0.0.0.0', 7860): address already in use",
            "OSError: [Errno 98] Address already in use",
            "Error: listen EADDRINUSE: address already in use :::7860",
            "nginx: [emerg] bind() to 0.0.0.0:7860 failed (98: Address already in use)",
            "OSError: Cannot find empty port in range: 7860-7860.",
            "[ERROR] Connection in use: ('0.0.0.0', 7860)",
            "Web server failed to start. Port 8080 was already in use.",
        ),
    ),
    crash(
        code="nginx-privileged-port",
        needles=("nginx", "bind() to"),
        pattern=r"bind\(\) to (?:0\.0\.0\.0|\[::\]|127\.0\.0\.1|"
        r"\S{1,40}):(?P<port>\d{1,3}) failed \(13: Permission denied\)",
        message="nginx wants port {port}, which the container's ordinary user may not open; and the Hub asks on "
        "`app_port`, not there",
        hint="Write `listen 7860;` in place of `listen {port};` in the nginx configuration.",
        examples=(
            "nginx: [emerg] bind() to 0.0.0.0:80 failed (13: Permission denied)",
            "2026/03/01 10:00:00 [emerg] 7#7: bind() to [::]:80 failed (13: Permission denied)",
        ),
    ),
    crash(
        code="privileged-port",
        needles=(
            "EACCES",
            "could not bind to address",
            "error while attempting to bind",
            "permission denied",
        ),
        pattern=r"listen EACCES: permission denied \S{0,40}?:?(?P<port>\d{1,3})\b|"
        r"could not bind to address \S{1,40}:(?P<p2>\d{1,3})\b|"
        r"(?:attempting to bind on address \('[^']{1,40}', (?P<p3>\d{1,3})\)|"
        r"listen tcp \S{0,40}:\d{1,3}: bind): permission denied",
        message="The server wants a port below 1024, which the container's ordinary user may not open",
        hint="Let it listen on 7860, the port that the Hub asks on.",
        examples=(
            "Error: listen EACCES: permission denied 0.0.0.0:80",
            "(13)Permission denied: AH00072: make_sock: could not bind to address [::]:80",
            "ERROR: [Errno 13] error while attempting to bind on address ('0.0.0.0', 80): permission denied",
            "listen tcp :80: bind: permission denied",
        ),
        unlike=("Error: listen EACCES: permission denied /tmp/x.sock",),
        explains=(*VAGUE_IN_RUNS, "build-permission", "appdir-permission"),
    ),
    crash(
        code="port-not-a-number",
        needles=(
            "is not a valid integer",
            "is not a valid port",
            "Invalid value for",
            "$PORT",
            "invalid literal for int",
            "ERR_SOCKET_BAD_PORT",
        ),
        pattern=r"'(?P<value>\$\{?\w{1,40}\}?)' is not a valid (?:integer|port)|"
        r"'(?P<v2>\$\{?\w{1,40}\}?)' is not a valid port number|ERR_SOCKET_BAD_PORT|"
        r"invalid literal for int\(\) with base 10: '(?P<v3>\$\{?PORT\}?|)'$",
        message="The port is given as a variable that nobody fills in: the square-bracket form of CMD does not read "
        "variables, or the variable is not set",
        hint="Write the number, `--port 7860`; or set it (`ENV PORT=7860`) and let a shell read it: `CMD uvicorn "
        "main:app --host 0.0.0.0 --port $PORT`.",
        examples=(
            "Error: Invalid value for '--port': '$PORT' is not a valid integer.",
            "Error: '$PORT' is not a valid port number.",
            "RangeError [ERR_SOCKET_BAD_PORT]: options.port should be >= 0 and < 65536. Received type number (NaN).",
        ),
    ),
    crash(
        code="gradio-localhost",
        needles=("shareable link must be created",),
        pattern=r"When localhost is not accessible, a shareable link must be created",
        message="Gradio cannot reach its own server: it was started for another address, through a proxy, or an error "
        "in the app's description of its inputs stops its first page (look for a traceback above)",
        hint='Start it with `demo.launch(server_name="0.0.0.0", server_port=7860)`; if a traceback about `bool` '
        "stands above, pin `pydantic==2.10.6` or take a newer gradio.",
        examples=(
            "ValueError: When localhost is not accessible, a shareable link must be created. Please set share=True",
        ),
    ),
    # --- nginx ---
    crash(
        code="nginx-permission",
        needles=("nginx", "[emerg]", "could not open error log file"),
        pattern=r"(?:\[emerg\]|\[alert\]|nginx).{0,60}(?:mkdir|open|"
        r"chown)\(\) \"(?P<path>/[^\"]{1,200})\" failed \((?:13|30|1): ",
        message="nginx wants to write {path}, which belongs to root, and the container runs as an ordinary user",
        hint="In the nginx configuration write `pid /tmp/nginx.pid;`, the `*_temp_path` lines under /tmp, `error_log "
        "/dev/stderr;` and `access_log /dev/stdout;`, or begin with `FROM nginxinc/nginx-unprivileged`.",
        examples=(
            'nginx: [emerg] mkdir() "/var/cache/nginx/client_temp" failed (13: Permission denied)',
            'nginx: [emerg] open() "/run/nginx.pid" failed (13: Permission denied)',
            'nginx: [alert] could not open error log file: open() "/var/log/nginx/error.log" failed (13: Permission '
            "denied)",
        ),
    ),
    crash(
        code="nginx-config-error",
        needles=("[emerg]",),
        pattern=r"\[emerg\].{0,20} (?P<what>(?:unknown directive|unexpected|invalid|\"\w{1,40}\" directive|"
        r"no \"events\"|host not found in upstream|directive|cannot load certificate|duplicate|unknown \"|"
        r"no \"ssl_certificate|could not build|zero size|open\(\) \"\S{1,200}\" failed \(2:).{0,200})",
        message="nginx does not accept its configuration: {what}",
        hint="Mend the line that it names; a whole nginx.conf needs an `events` block, and an `http` block around its "
        "`server` blocks, a file under /etc/nginx/conf.d only `server`; other programs of the container are "
        "`127.0.0.1:PORT`.",
        examples=(
            'nginx: [emerg] unknown directive "sever" in /etc/nginx/nginx.conf:5',
            'nginx: [emerg] host not found in upstream "backend" in /etc/nginx/conf.d/default.conf:4',
            'nginx: [emerg] "server" directive is not allowed here in /etc/nginx/nginx.conf:1',
            '2026/03/01 10:00:00 [emerg] 1#1: no "events" section in configuration',
        ),
    ),
    trouble(
        code="nginx-upstream-502",
        needles=("while connecting to upstream", "no live upstreams", "502 Bad Gateway", "Bad Gateway"),
        pattern=r"connect\(\) (?:to \S{1,100} )?failed \(1(?:11|04|13): .{1,60}\) while connecting to upstream|"
        r"no live upstreams while|<title>502 Bad Gateway",
        message="nginx answers, but the program behind it does not: it has not started yet, has ended, or listens on "
        "another port",
        hint="Compare the port of `proxy_pass` with the one on which the program listens, look for its own error "
        "above, and start it before nginx.",
        examples=(
            "2026/03/01 10:00:00 [error] 9#9: *1 connect() failed (111: Connection refused) while connecting to "
            "upstream, client: 10.0.0.1",
            "[error] 9#9: *1 no live upstreams while connecting to upstream",
        ),
        unlike=('10.0.0.1 - - "GET /x HTTP/1.1" 502 Bad Gateway',),
        explains=("stuck-starting",),
    ),
    trouble(
        code="gateway-timeout",
        needles=(
            "while reading response header from upstream",
            "WORKER TIMEOUT",
            "504 Gateway Time-out",
            "Gateway Time",
            "Gateway Timeout",
        ),
        pattern=r"upstream timed out \(110: .{1,60}\) while|WORKER TIMEOUT \(pid:|(?:<title>|\" |"
        r"\b)504 Gateway Time-?out",
        message="A request took longer than the server in front waits, so it was cut off",
        hint="Answer at once and do the work in the background (a job that the page asks for), or raise the limit: "
        "`gunicorn --timeout 300`, `proxy_read_timeout 300s;` in nginx.",
        examples=(
            "[error] 9#9: *1 upstream timed out (110: Connection timed out) while reading response header from "
            "upstream",
            "[2026-03-01 10:00:00 +0000] [1] [CRITICAL] WORKER TIMEOUT (pid:7)",
            "<title>504 Gateway Time-out</title>",
        ),
    ),
    trouble(
        code="websocket-upgrade",
        needles=("Upgrade header", "WebSocket", "websocket", "Unsupported upgrade request", "WebSocketServer"),
        pattern=r"invalid Upgrade header|WebSocket connection to '\S{1,300}' failed|Unsupported upgrade request|"
        r"No supported WebSocket library detected|Can \"Upgrade\" only to \"WebSocket\"|insecure WebSocket connection",
        message="A websocket connection was not accepted: the server in front does not pass it on, the server has no "
        "websocket package, or the page asks by `ws://` where the Space is https",
        hint="In nginx write `proxy_http_version 1.1;`, `proxy_set_header Upgrade $http_upgrade;` and "
        "`proxy_set_header Connection "
        '"upgrade";`; install `uvicorn[standard]`; in the page use `wss://`.',
        examples=(
            "Handshake failed due to invalid Upgrade header: null",
            "WARNING:  Unsupported upgrade request.",
            "WARNING:  No supported WebSocket library detected. Please use \"pip install 'uvicorn[standard]'\"",
            "WebSocket connection to 'wss://acme-demo.hf.space/ws' failed",
        ),
    ),
)
