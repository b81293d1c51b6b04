"""Commands that cannot be run, in a step of the build or at the start of the container."""

from __future__ import annotations

from spaceops.symptoms import Place, Symptom
from spaceops.symptoms.kinds import VAGUE_IN_BUILDS, VAGUE_IN_RUNS, crash, failure, trouble

_SHELL = r"\b(?:ba|da|z|a)?sh: (?:line )?(?:\d{1,4}: )?"
_MISSING = r": (?:command )?not found$"
_NODE = (
    r"(?:vite|vitest|tsc|tsx|ts-node|next|nuxt|nuxi|ng|nest|astro|webpack|rollup|parcel|esbuild|turbo|react-scripts|"
    r"craco|vue-cli-service|svelte-kit|gatsby|expo|prisma|cross-env|concurrently|nodemon|pm2|serve|rimraf|husky|run-s|"
    r"run-p)"
)
_PYTHON = (
    r"(?:uvicorn|gunicorn|hypercorn|granian|daphne|waitress-serve|streamlit|flask|fastapi|gradio|chainlit|celery|"
    r"alembic|panel|voila|jupyter|jupyter-lab|poetry|uv|pipenv|hf|huggingface-cli|playwright|supervisord|solara|reflex|"
    r"litestar)"
)
_OF_ANOTHER_SYSTEM = r"(?:apt-get|apt|apk|yum|dnf|microdnf|useradd|groupadd|usermod|bash)"
_OF_A_SCRIPT = (*VAGUE_IN_BUILDS, *VAGUE_IN_RUNS, "node-step-failed")

SYMPTOMS: tuple[Symptom, ...] = (
    # --- commands ---
    failure(
        code="command-not-found",
        places=(Place.BUILD, Place.RUN, Place.SAID),
        needles=("executable file not found", "command not found"),
        pattern=r"exec: \"(?P<name>[^\"]{1,120})\": executable file not found|"
        r"executable file `?(?P<n2>[^`\s]{1,120})`? not found in \$?PATH",
        message="The start command names the program {name}, which is not in the image or not in the folders of PATH",
        hint="Install it in the Dockerfile; what pip installed after `USER user` needs `ENV "
        "PATH=/home/user/.local/bin:$PATH`, or "
        'start it as a module: `CMD ["python", "-m", "uvicorn", …]`.',
        examples=(
            "failed to create shim task: OCI runtime create failed: runc create failed: unable to start container "
            "process: exec: "
            '"uvicorn": executable file not found in $PATH: unknown',
            'exec: "gunicorn": executable file not found in $PATH',
        ),
        explains=(*VAGUE_IN_BUILDS, *VAGUE_IN_RUNS, "containerd-128"),
    ),
    failure(
        code="command-not-found",
        needles=("not found",),
        pattern=_SHELL + r"(?P<name>" + _NODE + r")" + _MISSING,
        message="The program {name} is called, which comes with a Node package that is not installed in the image",
        hint="Run `npm ci` (or `npm install`) before that step, with the development packages (no `--omit=dev`, no "
        "`NODE_ENV=production` above it), and see that {name} stands in package.json.",
        examples=("sh: 1: vite: not found", "sh: next: not found", "/bin/sh: line 1: tsc: command not found"),
        explains=_OF_A_SCRIPT,
    ),
    failure(
        code="command-not-found",
        needles=("not found",),
        pattern=_SHELL + r"(?P<name>" + _PYTHON + r")" + _MISSING,
        message="The program {name} is called, which comes with a Python package and is not in the image or not in "
        "the folders of PATH",
        hint="Add {name} to requirements.txt; what pip installs after `USER user` needs `ENV "
        "PATH=/home/user/.local/bin:$PATH`; `python -m {name}` works without PATH.",
        examples=(
            "/bin/sh: 1: uvicorn: not found",
            "bash: line 1: streamlit: command not found",
            "/app/start.sh: line 4: gunicorn: command not found",
        ),
        explains=_OF_A_SCRIPT,
    ),
    failure(
        code="command-not-found",
        needles=("not found",),
        pattern=_SHELL + r"(?P<name>" + _OF_ANOTHER_SYSTEM + r")" + _MISSING,
        message="The command {name} belongs to another kind of Linux than the one in the base image",
        hint="Debian and Ubuntu have apt-get and useradd, Alpine has apk and adduser (`apk add --no-cache bash` for "
        "bash), Red Hat has dnf: change the command, or the image in FROM.",
        examples=("/bin/sh: apt-get: not found", "/bin/sh: useradd: not found", "/bin/sh: 1: apk: not found"),
        explains=_OF_A_SCRIPT,
    ),
    failure(
        code="command-not-found",
        needles=("not found",),
        pattern=_SHELL
        + r"(?P<name>(?!\$'|(?:"
        + "|".join((_NODE, _PYTHON, _OF_ANOTHER_SYSTEM))
        + r"):)[\w@.+/-]{1,120})"
        + _MISSING,
        message="The command {name} is called, which is not in the image",
        hint="Install what brings it, `RUN apt-get update && apt-get install -y {name}` above USER in the Dockerfile "
        "(the package may have another name), or correct the command.",
        examples=(
            "/bin/sh: 1: git: not found",
            "/bin/sh: line 1: unzip: command not found",
            "bash: line 3: ollama: command not found",
            "/app/start.sh: line 4: nginx: command not found",
            "./entrypoint.sh: 7: redis-server: not found",
        ),
        unlike=(
            "ERROR: docker.io/library/python:3.99: not found",
            "x.sh: warning: file not found",
            "/bin/sh: 1: uvicorn: not found",
        ),
        explains=_OF_A_SCRIPT,
    ),
    failure(
        code="command-not-found",
        needles=("can't find command",),
        pattern=r"spawnerr: can't find command '(?P<name>[^']{1,120})'",
        message="supervisord is told to start {name}, which is not in the image",
        hint="Correct the line `command=` of its configuration, or install the program in the Dockerfile.",
        examples=("INFO spawnerr: can't find command '/usr/bin/uvicorn'",),
    ),
    crash(
        code="exec-not-found-crlf",
        places=(Place.BUILD, Place.RUN, Place.SAID),
        needles=("no such file or directory", "bad interpreter", "No such file or directory"),
        pattern=r"\bexec:? \"?(?P<path>/?[\w./-]{1,200})\"?: (?:stat \S{1,200}: )?no such file or directory|"
        r"bad interpreter: (?:No such file|.{0,40}\^M)|env: .{0,3}(?:bash|sh|python3?|node)\\r.{0,3}: No such file",
        message="The start script cannot be run although it may be there: its first line names a program that is not "
        "in the image, or it was saved with Windows line ends",
        hint="Save it with Unix line ends (`sed -i 's/\\r$//' start.sh`, and `*.sh text eol=lf` in .gitattributes); "
        "on Alpine begin it with `#!/bin/sh`; and check that COPY puts it there.",
        examples=(
            "exec /app/start.sh: no such file or directory",
            'exec: "./start.sh": stat ./start.sh: no such file or directory: unknown',
            "bash: ./run.sh: /bin/bash^M: bad interpreter: No such file or directory",
            "/usr/bin/env: 'bash\\r': No such file or directory",
        ),
        unlike=("FileNotFoundError: [Errno 2] No such file or directory: 'x'",),
        explains=(*VAGUE_IN_BUILDS, *VAGUE_IN_RUNS, "containerd-128", "start-file-missing", "command-not-found"),
    ),
    crash(
        code="exec-not-found-crlf",
        needles=("Illegal option", "invalid option name", "command not found", "No such file or directory"),
        pattern=r"\$'[^']{0,80}\\r': (?:command not found|No such file)|\bIllegal option -$|^: invalid option name",
        message="The start script was saved with Windows line ends, and the shell takes the invisible character at the "
        "end of each line for a part of the command",
        hint="Save it with Unix line ends (LF): `sed -i 's/\\r$//' start.sh`, and write `*.sh text eol=lf` into "
        ".gitattributes.",
        examples=(
            "/app/start.sh: line 2: $'\\r': command not found",
            "entrypoint.sh: line 3: cd: $'src\\r': No such file or directory",
            "start.sh: 2: set: Illegal option -",
        ),
        unlike=("/bin/sh: 1: uvicorn: not found",),
        explains=(*VAGUE_IN_RUNS, "start-file-missing", "command-not-found", "file-missing"),
    ),
    crash(
        code="script-not-executable",
        places=(Place.BUILD, Place.RUN, Place.SAID),
        needles=("permission denied", "Permission denied"),
        pattern=r"\bexec:? \"?(?P<path>/?[\w./-]{1,200})\"?: permission denied|(?:^|[\s:])(?:/bin/)?(?:ba|da|"
        r"a)?sh: (?:line )?(?:\d{1,4}: )?(?P<p2>\.{0,2}/[\w./-]{1,200}): Permission denied$",
        message="The start command names a file that is not marked as a program, so the system refuses to run it",
        hint='Start it through its interpreter, `CMD ["bash", "start.sh"]`, or add `RUN chmod +x start.sh` above USER.',
        examples=(
            'exec: "./start.sh": permission denied: unknown',
            "exec /app/start.sh: permission denied",
            "/bin/sh: 1: ./start.sh: Permission denied",
            "bash: line 1: ./run.sh: Permission denied",
        ),
        explains=(*VAGUE_IN_BUILDS, *VAGUE_IN_RUNS, "containerd-128", "build-permission", "appdir-permission"),
    ),
    crash(
        code="supervisor-gave-up",
        needles=("gave up", "entered FATAL state"),
        pattern=r"gave up: (?P<name>[\w:.-]{1,60}) entered FATAL state|\b(?P<n2>[\w:.-]{1,60}) entered FATAL state",
        message="supervisord started one of the app's programs several times, and it ended each time",
        hint="Send the program's own output to the log to see why: `stdout_logfile=/dev/stdout`, "
        "`stdout_logfile_maxbytes=0`, and the same for stderr.",
        examples=("INFO gave up: api entered FATAL state, too many start retries too quickly",),
        explains=("launch-timeout", "space-in-error-503"),
    ),
    trouble(
        code="multiprocess-unsupervised",
        needles=("exited", "Terminated", "Killed", "Done", "Exit"),
        pattern=r"\bexited: (?P<name>[\w:.-]{1,60}) \((?:exit status \d{1,3}; not expected|terminated by SIG\w{1,10})|"
        r"^\[\d\][+-]?\s{1,4}(?:Exit|Killed|Done|Terminated)\b",
        message="One of several programs of the container ended while the others go on, so that the Space looks alive "
        "and a part of it does not answer",
        hint="Let the start script end with `wait -n; exit 1`, or start the programs under supervisord with "
        "`autorestart=true`.",
        examples=(
            "WARN exited: api (exit status 1; not expected)",
            "INFO exited: nginx (terminated by SIGABRT; not expected)",
        ),
    ),
)
