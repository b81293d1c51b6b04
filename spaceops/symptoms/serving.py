"""How a server does not serve: ports that are taken or closed, nginx in front, requests that take too long."""

from __future__ import annotations

from spaceops.findings import Severity
from spaceops.symptoms import Symptom
from spaceops.symptoms.kinds import VAGUE_IN_RUNS, crash, trouble

SYMPTOMS: tuple[Symptom, ...] = (
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
