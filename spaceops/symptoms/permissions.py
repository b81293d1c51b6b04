"""What a build or an app may not write, because the folder belongs to another user."""

from __future__ import annotations

from spaceops.symptoms import Symptom
from spaceops.symptoms.kinds import VAGUE, VAGUE_IN_BUILDS, build_failure, crash, failure

_DENIED = (
    "Permission denied",
    "permission denied",
    "EACCES",
    "PermissionError",
    "not writable",
    "AccessDeniedException",
)
_WORDS = (
    r"(?:PermissionError: (?:\[Errno 1?3\] Permission denied:|.{0,60}permission denied.{0,20})|"
    r"EACCES: permission denied, \w{1,20}|[Pp]ermission denied:?|\(os error 13\)|is not writable:?|"
    r"AccessDeniedException:)"
)
_CACHE = (
    r"(?P<path>(?:/root)?/\.(?:cache|local|config|EasyOCR|paddleocr|paddlex|insightface|u2net|keras|torch|triton|npm|"
    r"streamlit|cargo|mozilla|ollama|nv|deepface|gradio|insightface|yolo|ultralytics)[\w./@+-]{0,160}|"
    r"/root(?:/[\w.@+-]{1,60}){1,4}|/home/\w{1,30}/\.(?:cache|local|config)[\w./@+-]{0,160}|/(?:nltk_data|matplotlib|"
    r"models--)[\w./-]{0,120})"
)

SYMPTOMS: tuple[Symptom, ...] = (
    failure(
        code="cache-permission",
        needles=_DENIED,
        pattern=_WORDS + r"\s{0,3}['\"`]?" + _CACHE,
        message="The app keeps downloads in {path}, where its user may not write: the image has no home folder for "
        "that user, or root made the folder",
        hint="Make a home and point the caches at it: `RUN useradd -m -u 1000 user`, `USER user`, `ENV "
        "HOME=/home/user HF_HOME=/home/user/.cache/huggingface`.",
        examples=(
            "PermissionError: [Errno 13] Permission denied: '/.cache'",
            "PermissionError: [Errno 13] Permission denied: '/root/.cache/huggingface/hub'",
            "Error: EACCES: permission denied, mkdir '/.npm'",
            "PermissionError: [Errno 13] Permission denied: '/.streamlit'",
            "mkdir: cannot create directory: Permission denied: '/.cache/pip'",
        ),
        unlike=("PermissionError: [Errno 13] Permission denied: '/app/uploads'",),
        explains=(*VAGUE, "appdir-permission", "build-permission"),
    ),
    failure(
        code="cache-permission",
        needles=(
            "problem when trying to write in your cache folder",
            "cannot create directory",
            "not writable",
            "cannot write to cache",
        ),
        pattern=r"problem when trying to write in your cache folder|cannot create directory '?\u2018?/\.(?:cache|"
        r"local|config)",
        message="The app keeps downloads in a folder where its user may not write",
        hint="Give the user a home: `RUN useradd -m -u 1000 user`, `USER user`, `ENV HOME=/home/user "
        "HF_HOME=/home/user/.cache/huggingface`; or set `ENV HF_HOME=/tmp/hf`.",
        examples=(
            "There was a problem when trying to write in your cache folder (/.cache/huggingface/hub). You should set "
            "the environment variable HF_HOME to a writable directory.",
            "mkdir: cannot create directory '/.cache': Permission denied",
        ),
        explains=(*VAGUE, "appdir-permission", "build-permission"),
    ),
    failure(
        code="cache-permission",
        needles=("cannot cache function",),
        pattern=r"cannot cache function '[^']{1,80}': no locator available",
        message="numba keeps compiled functions beside the package or in the home folder, and the app's user may write "
        "in neither",
        hint="Add `ENV NUMBA_CACHE_DIR=/tmp/numba` to the Dockerfile.",
        examples=(
            "RuntimeError: cannot cache function '__shear_dense': no locator available for file "
            "'/usr/local/lib/python3.10/site-packages/librosa/util/utils.py'",
        ),
    ),
    crash(
        code="appdir-permission",
        needles=("Read-only file system", "read-only file system", "EROFS"),
        pattern=r"(?:\[Errno 30\] |EROFS: )?[Rr]ead-only file system(?:[:,] (?:\w{1,20} )?'(?P<path>[^']{1,200})')?",
        message="The app wants to write where nothing can be written: a volume that is attached for reading only",
        hint="Attach the volume for writing (take `:ro` or `read_only = true` out of [[volumes]] in space.toml; models "
        "and datasets are always read-only, a bucket is not), or write to /tmp.",
        examples=(
            "OSError: [Errno 30] Read-only file system: '/data/cache'",
            "Error: EROFS: read-only file system, mkdir '/models/tmp'",
            "touch: cannot touch '/data/x': Read-only file system",
        ),
    ),
    crash(
        code="appdir-permission",
        needles=_DENIED,
        pattern=_WORDS
        + r"\s{0,3}['\"`](?P<path>(?!(?:/root)?/\.\w|/root/|/home/\w{1,30}/\.(?:cache|local|config)|/(?:nltk_data|"
        r"matplotlib)|(?:0\.0\.0\.0|\[?::))[\w./@ +-]{1,200})['\"`]",
        message="The app wants to write {path}, which belongs to root, and runs as an ordinary user",
        hint="Give it that user: `COPY --chown=user . .` and, above USER, `RUN mkdir -p {path} && chown -R user "
        "{path}`; or write to /tmp or a volume.",
        examples=(
            "PermissionError: [Errno 13] Permission denied: 'logs'",
            "PermissionError: [Errno 13] Permission denied: '/app/uploads/a.png'",
            "Error: EACCES: permission denied, open '/app/data/db.json'",
            "PermissionError: [Errno 13] Permission denied: '/data'",
        ),
        unlike=("PermissionError: [Errno 13] Permission denied: '/.cache'",),
    ),
    crash(
        code="appdir-permission",
        needles=(
            "Permission denied",
            "permission denied",
            "PermissionDenied",
            "failed to open stream",
            "could not be opened",
            "Operation not permitted",
        ),
        pattern=r"(?:mkdir|touch|cp|mv|tee|sed|chown|chmod|rm|ln|tar|install|"
        r"chgrp): .{0,60}?['\u2018\"](?P<path>(?!/\.cache|/\.local|"
        r"/\.config)/?[\w./@+-]{1,200})['\u2019\"].{0,20}: (?:Permission denied|Operation not permitted)|(?:open|"
        r"mkdir|stat|unlink) (?P<p2>/[\w./-]{1,200}): permission denied|"
        r"stream or file \"(?P<p3>[^\"]{1,200})\" could not be opened|[Ff]ailed to open stream: Permission denied|"
        r"(?:: |cannot create )(?P<p4>/[\w./-]{1,200}): Permission denied$|"
        r"PermissionDenied, message: \"Permission denied\"",
        message="The app, or its start script, wants to write where only root may, and runs as an ordinary user",
        hint="Make the folder and give it that user above USER in the Dockerfile: `RUN mkdir -p FOLDER && chown -R "
        "user FOLDER`; copy with `COPY --chown=user . .`; or write to /tmp.",
        examples=(
            "mkdir: cannot create directory '/app/logs': Permission denied",
            "touch: cannot touch '/data/app.db': Permission denied",
            "panic: open /app/config.json: permission denied",
            'The stream or file "/var/www/storage/logs/laravel.log" could not be opened in append mode',
            "start.sh: line 3: /app/out.txt: Permission denied",
        ),
        unlike=(
            'nginx: [emerg] open() "/run/nginx.pid" failed (13: Permission denied)',
            "/bin/sh: 1: ./start.sh: Permission denied",
        ),
    ),
    build_failure(
        code="build-permission",
        needles=("Permission denied", "permission denied", "EACCES", "Operation not permitted"),
        pattern=r"(?:mkdir|touch|cp|mv|tee|sed|chown|chmod|rm|ln|tar|install|useradd|wget|curl|unzip|"
        r"groupadd): .{0,120}(?:Permission denied|Operation not permitted)|"
        r"Could not install packages due to an (?:OSError|EnvironmentError): .{0,20}Permission denied|"
        r"EACCES: permission denied, \w{1,20} '(?!/\.npm)|Permission denied: '/(?:usr|opt|app|etc|code|venv|var|home)|"
        r"cannot open .{0,100}: Permission denied|: /[\w./-]{1,200}: Permission denied$|failed to (?:create|open|"
        r"write).{0,160}Permission denied \(os error 13\)",
        message="A step of the build writes where only root may, after the Dockerfile has changed to an ordinary user",
        hint="Move the step above `USER`, or give the folder to the user first: `RUN chown user /app` above USER, "
        "`COPY --chown=user …`.",
        examples=(
            "mkdir: cannot create directory '/app/data': Permission denied",
            "chmod: changing permissions of 'start.sh': Operation not permitted",
            "ERROR: Could not install packages due to an OSError: [Errno 13] Permission denied: "
            "'/usr/local/lib/python3.11/site-packages/x'",
            "npm error Error: EACCES: permission denied, mkdir '/app/node_modules'",
            "error: failed to create directory `/app/.venv`: Permission denied (os error 13)",
        ),
        unlike=("E: Could not open lock file - open (13: Permission denied)",),
        explains=(*VAGUE_IN_BUILDS, "appdir-permission"),
    ),
    crash(
        code="sqlite-readonly",
        needles=("readonly database", "unable to open database file", "SQLITE_READONLY", "SQLITE_CANTOPEN"),
        pattern=r"attempt to write a readonly database|unable to open database file|SQLITE_READONLY|SQLITE_CANTOPEN",
        message="The SQLite database cannot be written: its file or the folder around it belongs to root (SQLite "
        "makes further files beside it), or the folder does not exist",
        hint="Above USER write `RUN mkdir -p /app/db && chown -R user /app/db` (the folder, not only the file), or "
        "keep the file on a volume: [[volumes]] in space.toml.",
        examples=(
            "sqlite3.OperationalError: attempt to write a readonly database",
            "sqlite3.OperationalError: unable to open database file",
            "sqlalchemy.exc.OperationalError: (sqlite3.OperationalError) unable to open database file",
            "SqliteError: SQLITE_CANTOPEN: unable to open database file",
        ),
    ),
    failure(
        code="playwright-path",
        needles=(
            "ms-playwright",
            "playwright install",
            "Could not find Chrome",
            "Could not find Chromium",
            "Host system is missing dependencies",
        ),
        pattern=r"Executable doesn't exist at (?P<path>\S{1,200})|playwright install\b(?!.{0,20}(?:done|ing))|"
        r"Could not find (?:Chrome|Chromium)\b|Host system is missing dependencies",
        message="The browser that the app drives is not where its user looks for it: it was not installed, or as root "
        "into root's folder",
        hint="Write above USER `ENV PLAYWRIGHT_BROWSERS_PATH=/opt/browsers` and `RUN playwright install --with-deps "
        "chromium && chmod -R a+rx /opt/browsers`.",
        examples=(
            "playwright._impl._errors.Error: BrowserType.launch: Executable doesn't exist at "
            "/home/user/.cache/ms-playwright/chromium-1134/chrome-linux/chrome",
            "║     playwright install                                     ║",
            "Error: Could not find Chrome (ver. 131.0.6778.204).",
        ),
        unlike=("--> RUN echo playwright installing",),
    ),
    failure(
        code="browser-sandbox",
        needles=(
            "DevToolsActivePort",
            "no-sandbox",
            "session not created",
            "cannot find Chrome binary",
            "headed browser",
            "Unable to obtain driver",
        ),
        pattern=r"DevToolsActivePort file doesn't exist|without --no-sandbox is not supported|"
        r"session not created: .{0,200}|cannot find Chrome binary|"
        r"launched a headed browser without|Unable to obtain driver for (?:chrome|firefox)",
        message="The browser that the app drives did not start: it is not in the image, does not fit its driver, or "
        "must not use its sandbox in a container",
        hint="Install both from one source, `RUN apt-get update && apt-get install -y chromium chromium-driver`, and "
        "start it with `--headless=new --no-sandbox --disable-dev-shm-usage`.",
        examples=(
            "selenium.common.exceptions.WebDriverException: Message: unknown error: DevToolsActivePort file doesn't "
            "exist",
            "Running as root without --no-sandbox is not supported.",
            "selenium.common.exceptions.SessionNotCreatedException: Message: session not created: This version of "
            "ChromeDriver only supports Chrome version 114",
        ),
        unlike=("browser session created",),
    ),
)
