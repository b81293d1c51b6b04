"""Wordings of tools and versions that the symptoms were not written from, and lines of healthy logs."""

from __future__ import annotations

import pytest

from spaceops.diagnosis.scanning import scan_text
from spaceops.findings import Severity
from spaceops.symptoms import Place
from tests.test_symptoms import folded

BUILD = {
    "copy-source-missing": (
        '#9 ERROR: failed to calculate checksum of ref 0a1b2c3d-aaaa::xyz: "/src/server": not found',
        "ERROR: failed to solve: failed to compute cache key: failed to calculate checksum of ref q::r: "
        '"/package.json": not found',
        'failed to compute cache key: "/config/app.yml" not found: not found',
        "COPY failed: stat /var/lib/docker/tmp/docker-builder12/app: no such file or directory",
        "ADD failed: file not found in build context or excluded by .dockerignore: stat data.tar: file does not exist",
        'Error: error building at STEP "COPY x /x": copier: stat: "/x": no such file or directory',
    ),
    "copy-shell-syntax": (
        '--> ERROR: failed to calculate checksum of ref z::y: "/2>/dev/null": not found',
        'failed to compute cache key: "/||" not found: not found',
        '--> ERROR: failed to calculate checksum of ref z::y: "/&&": not found',
    ),
    "copy-from-stage-missing": (
        '--> ERROR: failed to calculate checksum of ref z::y: "/usr/src/app/dist": not found',
        "ERROR: failed to solve: invalid from flag value frontend: pull access denied, repository does not exist or "
        "may require authorization",
        '#14 ERROR: failed to calculate checksum of ref z::y: "/opt/venv": not found',
    ),
    "base-image-not-found": (
        "--> ERROR: docker.io/library/pyhton:3.11: not found",
        "ERROR: failed to solve: ghcr.io/acme/base:1: failed to resolve source metadata for ghcr.io/acme/base:1: "
        "ghcr.io/acme/base:1: not found",
        "Error: initializing source docker://python:99: reading manifest 99 in docker.io/library/python: manifest "
        "unknown",
        "manifest for acme/app:latest not found: manifest unknown: manifest unknown",
    ),
    "cuda-tag-invalid": (
        "--> ERROR: docker.io/nvidia/cuda:12.4-devel-ubuntu22.04: not found",
        "manifest for nvidia/cuda:latest not found: manifest unknown: manifest unknown",
        "ERROR: failed to solve: nvidia/cuda:11.8-base: docker.io/nvidia/cuda:11.8-base: not found",
    ),
    "dockerfile-parse-error": (
        "failed to solve: dockerfile parse error on line 21: unknown instruction: pip (did you mean run?)",
        'Error response from daemon: dockerfile parse error on line 4: Syntax error - can\'t find = in "x"',
        "error: failed to solve: dockerfile parse error on line 1: unknown instruction: ```dockerfile",
    ),
    "apt-package-unknown": (
        "#8 2.310 E: Unable to locate package libfoo-dev",
        "E: Couldn't find any package by regex 'libpng12.0'",
        "ERROR: unable to select packages:\n  chromium-chromedrive (no such package):",
        "No match for argument: ffmpeg-free-devel",
    ),
    "apt-package-renamed": (
        "E: Package 'libasound2' has no installation candidate",
        "Package libgl1-mesa-glx is not available, but is referred to by another package.\nE: Package "
        "'libgl1-mesa-glx' has no installation candidate",
        "#7 4.1 E: Unable to locate package python3.9",
    ),
    "apt-after-user": (
        "E: Could not open lock file /var/lib/apt/lists/lock - open (13: Permission denied)",
        "W: chmod 0700 of directory /var/lib/apt/lists/partial failed - SetupAPTPartialDirectory (1: Operation not "
        "permitted)\nE: List directory /var/lib/apt/lists/partial is missing. - Acquire (13: Permission denied)",
        "ERROR: Unable to open log: Permission denied\nERROR: Unable to lock database: Permission denied",
    ),
    "debian-eol-apt": (
        "E: The repository 'http://deb.debian.org/debian-security buster/updates Release' does not have a Release "
        "file.",
        "E: The repository 'http://deb.debian.org/debian stretch Release' no longer has a Release file.",
        "E: Failed to fetch "
        "http://security.debian.org/debian-security/dists/buster/updates/main/binary-amd64/Packages  404  Not Found "
        "[IP: 146.75.2.132 80]",
    ),
    "pip-no-version": (
        "ERROR: Could not find a version that satisfies the requirement PIL (from versions: none)",
        "ERROR: Ignored the following versions that require a different python version: 2.1 Requires-Python "
        ">=3.11\nERROR: No matching distribution found for numpy==2.3.0",
        "  ╰─▶ Because there is no version of torch==2.99.0 and you require torch==2.99.0, we can conclude that your "
        "requirements are unsatisfiable.",
        "Because acme depends on nope (^1.0) which doesn't match any versions, version solving failed.\nCould not "
        "find a matching version of package nope",
    ),
    "pip-resolution-impossible": (
        "ERROR: Cannot install torch==2.1.0 and torchvision==0.18.0 because these package versions have conflicting "
        "dependencies.\nERROR: ResolutionImpossible: for help visit https://pip.pypa.io/",
        "ERROR: Cannot install -r requirements.txt (line 1) and -r requirements.txt (line 4) because these package "
        "versions have conflicting dependencies.",
        "  x No solution found when resolving dependencies:",
        "      we can conclude that your requirements are unsatisfiable.",
        "Because no versions of b match >2 and a depends on b, version solving failed.",
    ),
    "pip-wheel-build-failed": (
        "  ERROR: Failed building wheel for pyaudio",
        "ERROR: ERROR: Failed to build installable wheels for some pyproject.toml based projects (tokenizers, spacy)",
        "error: metadata-generation-failed",
        "  x Failed to build `scikit-learn==1.0.2`",
        "ERROR: Failed to build 'numpy' when getting requirements to build wheel",
        "ERROR: Command errored out with exit status 1: python setup.py egg_info Check the logs: error",
    ),
    "compiler-missing": (
        "      error: command 'g++' failed: No such file or directory",
        "unable to execute 'gcc': No such file or directory",
        "      CMake Error: CMAKE_CXX_COMPILER not set, after EnableLanguage",
        "#11 9.2 /bin/sh: 1: gcc: not found",
    ),
    "npm-ci-no-lock": (
        "npm ERR! The `npm ci` command can only install with an existing package-lock.json or",
        "npm error `npm ci` can only install packages when your package.json and package-lock.json or "
        "npm-shrinkwrap.json are in sync.",
        "➤ YN0028: │ The lockfile would have been modified by this install, which is explicitly forbidden.",
        'ERR_PNPM_NO_LOCKFILE  Cannot install with "frozen-lockfile" because pnpm-lock.yaml is absent',
    ),
    "npm-eresolve": (
        "npm ERR! code ERESOLVE",
        "npm error ERESOLVE could not resolve",
        "npm error Conflicting peer dependency: vite@5.4.11",
    ),
    "compile-error": (
        "./src/app/page.tsx:7:3\nType error: Property 'x' does not exist on type 'Y'.",
        "Module not found: Can't resolve '@/lib/utils'",
        'error during build:\n[vite]: Rollup failed to resolve import "./App" from "/app/src/main.tsx".',
        "src/main.rs:3:5\nerror: could not compile `app` due to previous error",
        "[ERROR] COMPILATION ERROR :",
        "./cmd/main.go:9:2: undefined: Serve",
    ),
    "build-oom-137": (
        '--> ERROR: process "/bin/sh -c npm run build" did not complete successfully: exit code: 137',
        "The command '/bin/sh -c pip install .' returned a non-zero code: 137",
        "Job failed with exit code: 137. Reason: OOMKilled",
        "c++: fatal error: Killed signal terminated program cc1plus",
        "rustc: (signal: 9, SIGKILL: kill)",
    ),
    "build-no-space": (
        "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device",
        "--> ERROR: failed to extract layer: write /usr/lib/libtorch.so: no space left on device",
        "tar: model.bin: Cannot write: No space left on device",
    ),
    "command-not-found": (
        "/bin/sh: 1: pip: not found",
        "/bin/bash: line 1: cmake3: command not found",
        "#9 0.3 /bin/sh: bash: not found",
        "sh: 1: tsc: not found",
        "> web@0.1.0 build\nsh: 1: vite: not found\nnpm error Lifecycle script `build` failed with error:",
        "/bin/sh: 1: apk: not found",
    ),
    "useradd-uid-taken": (
        "#6 0.412 useradd: UID 1000 is not unique",
        "adduser: uid '1000' in use",
        "useradd: user 'node' already exists",
        "addgroup: gid '1000' in use",
    ),
    "build-permission": (
        "cp: cannot create regular file '/etc/nginx/nginx.conf': Permission denied",
        "npm ERR! Error: EACCES: permission denied, mkdir '/app/node_modules'",
        "ERROR: Could not install packages due to an OSError: [Errno 13] Permission denied: '/usr/local/bin/uvicorn'",
        "PermissionError: [Errno 13] Permission denied: '/app/model'",
    ),
    "gpu-at-build": (
        "/bin/sh: nvidia-smi: not found",
        "/bin/bash: line 1: nvidia-smi: command not found",
        "RuntimeError: Found no NVIDIA driver on your system.",
        "OSError: CUDA_HOME environment variable is not set. Please set it to your CUDA install root.",
    ),
    "secret-at-build-unmounted": (
        "cat: /run/secrets/HF_TOKEN: No such file or directory",
        "/bin/sh: 1: cannot open /run/secrets/TOKEN: No such file",
        "huggingface_hub.errors.GatedRepoError: 401 Client Error.",
    ),
    "platform-registry-push": (
        "ERROR: failed to push spaces-registry.huggingface.tech/spaces/65f:cpu-9-1: unexpected status from HEAD "
        "request to https://spaces-registry.huggingface.tech/v2/spaces/65f/manifests/cpu-9-1: 401 Unauthorized",
        "build error\nUnexpected job error",
        "--> ERROR: failed to push registry.hf.space/acme-demo:latest: 503",
    ),
}

RUN = {
    "module-not-found": (
        "ModuleNotFoundError: No module named 'google.generativeai'",
        "builtins.ModuleNotFoundError: No module named 'streamlit'",
        "/usr/bin/python3: No module named gunicorn",
        "ImportError: No module named 'flask_cors'",
    ),
    "gunicorn-module": (
        '  File "/usr/lib/python3/dist-packages/gunicorn/workers/base.py", line 134, in init_process\n'
        "ModuleNotFoundError: No module named 'main'",
        "ModuleNotFoundError: No module named 'server'\n[2026-01-01 00:00:00 +0000] [9] [INFO] Worker exiting (pid: 9)",
        "Failed to find attribute 'application' in 'app'.",
    ),
    "asgi-module-missing": (
        'ERROR:    Error loading ASGI app. Could not import module "src.api.main".',
        '2026-01-01 INFO Error loading ASGI app. Could not import module "app".',
        "hypercorn.utils.NoAppError: Cannot load application from 'app:app', module not found.",
    ),
    "import-name-error": (
        "ImportError: cannot import name 'soft_unicode' from 'markupsafe' "
        "(/usr/local/lib/python3.10/site-packages/markupsafe/__init__.py)",
        "ImportError: cannot import name 'is_offline_mode' from 'huggingface_hub'",
        "ImportError: cannot import name 'OpenAI' from 'openai' (unknown location)",
    ),
    "audioop-313": (
        "ModuleNotFoundError: No module named 'audioop'",
        "ModuleNotFoundError: No module named 'distutils.util'",
        "ModuleNotFoundError: No module named 'pyaudioop'",
    ),
    "missing-secret": (
        "KeyError: 'GROQ_API_KEY'",
        "ValueError: OPENAI_API_KEY not found in environment variables",
        "Exception: TELEGRAM_BOT_TOKEN environment variable is not set!",
        "openai.OpenAIError: Missing credentials. Please pass an `api_key`, or set the `OPENAI_API_KEY` environment "
        "variable.",
        "groq.GroqError: The api_key client option must be set either by passing api_key to the client or by setting "
        "the GROQ_API_KEY environment variable",
        "Error: supabaseKey is required.",
        "pydantic_core._pydantic_core.ValidationError: 1 validation error for Settings\nmongo_url\n  Field required "
        "[type=missing, input_value={}, input_type=dict]",
        "    key = os.environ['key']\nKeyError: 'key'",
    ),
    "cache-permission": (
        "PermissionError: [Errno 13] Permission denied: '/.cache/huggingface'",
        "PermissionError: [Errno 13] Permission denied: '/root/.EasyOCR//model'",
        "There was a problem when trying to write in your cache folder (/nonexistent/hub).",
        "OSError: PermissionError at /.cache: [Errno 13] Permission denied: '/.config/matplotlib'",
        "PermissionError: [Errno 13] Permission denied: '/nltk_data'",
    ),
    "appdir-permission": (
        "PermissionError: [Errno 13] Permission denied: './uploads'",
        "Error: EACCES: permission denied, mkdir '/app/tmp'",
        "mkdir: cannot create directory 'logs': Permission denied",
        "touch: /data/app.db: Permission denied",
        "/bin/sh: 3: cannot create /app/out.txt: Permission denied",
    ),
    "sqlite-readonly": (
        "sqlite3.OperationalError: attempt to write a readonly database",
        "django.db.utils.OperationalError: unable to open database file",
        "SequelizeConnectionError: SQLITE_CANTOPEN: unable to open database file",
    ),
    "bind-loopback": (
        " * Serving Flask app 'app'\n * Running on http://127.0.0.1:5000\nPress CTRL+C to quit",
        "INFO:     Uvicorn running on http://localhost:8000 (Press CTRL+C to quit)",
        "Starting development server at http://127.0.0.1:8000/\nQuit the server with CONTROL-C.",
        "  VITE v5.4.1  ready in 300 ms\n\n  ➜  Local:   http://localhost:5173/\n  ➜  Network: use --host to expose",
    ),
    "port-mismatch": (
        "INFO:     Uvicorn running on http://0.0.0.0:80 (Press CTRL+C to quit)",
        " * Running on all addresses (0.0.0.0)\n * Running on http://127.0.0.1:5000\n * Running on "
        "http://10.1.2.3:5000",
        "  You can now view your Streamlit app in your browser.\n\n  Local URL: http://localhost:8501\n  Network URL: "
        "http://10.1.2.3:8501",
        "Server listening on http://0.0.0.0:4000",
        "App listening on port 3000",
        "   ▲ Next.js 15.1.0\n   - Local:        http://localhost:3000\n   - Network:      http://0.0.0.0:3000",
        "Listening on http://0.0.0.0:3838",
        "[2026-01-01 00:00:00 +0000] [1] [INFO] Running on http://0.0.0.0:8000 (CTRL + C to quit)",
    ),
    "address-in-use": (
        "ERROR:    [Errno 98] error while attempting to bind on address ('0.0.0.0', 7860): [errno 98] address already "
        "in use",
        "Error: listen EADDRINUSE: address already in use 0.0.0.0:7860",
        "[2026-01-01 00:00:00 +0000] [1] [ERROR] Connection in use: ('0.0.0.0', 7860)",
        "listen tcp 0.0.0.0:7860: bind: address already in use",
    ),
    "exec-not-found-crlf": (
        "exec /entrypoint.sh: no such file or directory",
        "exec ./run.sh: no such file or directory",
        "env: 'python3\\r': No such file or directory",
    ),
    "script-not-executable": (
        "exec /app/run.sh: permission denied",
        "/bin/sh: 1: /app/start.sh: Permission denied",
        'unable to start container process: exec: "/start.sh": permission denied: unknown',
    ),
    "command-not-found": (
        'exec: "streamlit": executable file not found in $PATH: unknown',
        "/bin/sh: 1: gunicorn: not found",
        "./start.sh: line 9: redis-server: command not found",
    ),
    "nginx-permission": (
        '2026/01/01 00:00:00 [emerg] 7#7: mkdir() "/var/lib/nginx/body" failed (13: Permission denied)',
        'nginx: [emerg] open() "/var/run/nginx.pid" failed (13: Permission denied)',
        'nginx: [alert] could not open error log file: open() "/var/lib/nginx/logs/error.log" failed (13: Permission '
        "denied)",
    ),
    "numpy-abi": (
        "A module that was compiled using NumPy 1.x cannot be run in NumPy 2.1.3 as it may crash.",
        "ValueError: numpy.dtype size changed, may indicate binary incompatibility.",
        "ImportError: numpy.core.multiarray failed to import (auto-generated because you didn't call "
        "'numpy.import_array()')",
    ),
    "libgl-missing": (
        "ImportError: libGL.so.1: cannot open shared object file: No such file or directory",
        "ImportError: libglib-2.0.so.0: cannot open shared object file: No such file or directory",
        "OSError: libSM.so.6: cannot open shared object file: No such file or directory",
    ),
    "memory-limit": (
        "[2026-01-01 00:00:00 +0000] [1] [ERROR] Worker (pid:12) was sent SIGKILL! Perhaps out of memory?",
        "./start.sh: line 12:     8 Killed                  python -u app.py",
        "fatal error: runtime: out of memory",
        "terminate called after throwing an instance of 'std::bad_alloc'",
        "java.lang.OutOfMemoryError: Metaspace",
    ),
    "cuda-oom": (
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB.",
        "RuntimeError: CUDA out of memory. Tried to allocate 512.00 MiB (GPU 0; 14.76 GiB total capacity)",
        "RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "tensorflow ... failed: CUDA_ERROR_OUT_OF_MEMORY: out of memory",
    ),
    "torch-no-nvidia-driver": (
        "RuntimeError: Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU and installed "
        "a driver",
        "AssertionError: Torch not compiled with CUDA enabled",
        "RuntimeError: Attempting to deserialize object on a CUDA device but torch.cuda.is_available() is False.",
        "ImportError: libcuda.so.1: cannot open shared object file: No such file or directory",
    ),
    "disk-full": (
        "OSError: [Errno 28] No space left on device: '/tmp/tmpab'",
        "Error: ENOSPC: no space left on device, open '/tmp/x'",
        "write /tmp/x: no space left on device",
    ),
    "gated-model-401": (
        "OSError: You are trying to access a gated repo.\nMake sure to have access to it at "
        "https://huggingface.co/acme/m.",
        "huggingface_hub.utils._errors.GatedRepoError: 403 Client Error. (Request ID: Root=1)",
        "Access to model acme/m is restricted and you are not in the authorized list. Visit "
        "https://huggingface.co/acme/m",
        "requests.exceptions.HTTPError: 401 Client Error: Unauthorized for url: "
        "https://huggingface.co/acme/m/resolve/main/x",
    ),
    "db-auth-failed": (
        'psycopg2.OperationalError: FATAL:  password authentication failed for user "postgres"',
        "MongoServerError: bad auth : authentication failed",
        "mysql.connector.errors.ProgrammingError: 1045 (28000): Access denied for user 'x'@'1.2.3.4'",
        "redis.exceptions.AuthenticationError: invalid username-password pair or user is disabled.",
    ),
    "database-unreachable": (
        'could not translate host name "db" to address: Name or service not known',
        'sqlalchemy.exc.OperationalError: (psycopg2.OperationalError) connection to server at "127.0.0.1", port 5432 '
        "failed: Connection refused",
        "MongooseServerSelectionError: connect ECONNREFUSED 127.0.0.1:27017",
        "redis.exceptions.ConnectionError: Error -2 connecting to redis:6379. Name or service not known.",
    ),
    "start-file-missing": (
        "python3: can't open file '/home/user/app/main.py': [Errno 2] No such file or directory",
        "Error: Cannot find module '/home/user/app/index.js'",
        "Error: Unable to access jarfile /app/target/app.jar",
        "Usage: streamlit run [OPTIONS]\nError: Invalid value: File does not exist: src/app.py",
    ),
    "node-module-missing": (
        "Error: Cannot find module 'dotenv'",
        "Error [ERR_MODULE_NOT_FOUND]: Cannot find package 'express' imported from /app/index.mjs",
        "Error: Cannot find module '@aws-sdk/client-s3'",
    ),
    "playwright-path": (
        "playwright._impl._errors.Error: BrowserType.launch: Executable doesn't exist at "
        "/root/.cache/ms-playwright/x/chrome",
        "browserType.launch: Executable doesn't exist at /ms-playwright/chromium_headless_shell-1155/headless_shell",
        "Error: Could not find Chrome (ver. 121.0.6167.85). This can occur if either",
    ),
    "glibc-too-old": (
        "./app: /lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.38' not found (required by ./app)",
        "node: /lib64/libm.so.6: version `GLIBC_2.27' not found (required by node)",
        "ImportError: /lib/x86_64-linux-gnu/libstdc++.so.6: version `GLIBCXX_3.4.29' not found (required by /x.so)",
    ),
    "segmentation-fault": (
        "/bin/sh: line 1: 7 Segmentation fault (core dumped) python app.py",
        "Fatal Python error: Segmentation fault",
        "[1] [ERROR] Worker (pid:7) was sent SIGSEGV!",
    ),
    "nginx-config-error": (
        'nginx: [emerg] unexpected "}" in /etc/nginx/nginx.conf:42',
        'nginx: [emerg] host not found in upstream "api:8000" in /etc/nginx/nginx.conf:20',
        'nginx: [emerg] open() "/etc/nginx/mime.types" failed (2: No such file or directory) in '
        "/etc/nginx/nginx.conf:9",
    ),
}

SAID = {
    "scheduling-failure": (
        "Scheduling failure: unable to schedule",
        "runtime error\nScheduling failure: not enough hardware capacity",
        "Insufficient hardware capacity for t4-medium",
    ),
    "launch-timeout": (
        "Launch timed out, workload was not healthy after 30 min",
        "runtime error\nLaunch timed out, space was not healthy after 30 min",
        "Launch timed out",
    ),
    "memory-limit": ("Memory limit exceeded (16Gi)", "Exit code: 137. Reason: ", "Memory limit exceeded (32Gi)"),
    "containerd-128": (
        "Exit code: 128. Reason: failed to create containerd task: failed to create shim task: context deadline "
        "exceeded",
        "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: "
        "unable to start container process: error during container init: unknown",
        "Exit code: 128. Reason: ",
    ),
    "command-not-found": (
        "Exit code: 128. Reason: failed to create containerd task: failed to create shim task: OCI runtime create "
        "failed: "
        'runc create failed: unable to start container process: exec: "gunicorn": executable file not found in '
        "$PATH: unknown",
        "Exit code: 127. Reason: ",
    ),
    "cmd-missing": ("Exit code: 0. Reason: ", "Space failed to start. Exit code: 0"),
    "cache-miss-not-a-cause": (
        "Job failed with exit code: 1. Reason: cache miss: [3/7] RUN apt-get update",
        "build error\nJob failed with exit code: 1. Reason: cache miss: [linux/amd64 2/9] WORKDIR /code",
    ),
    "flagged-as-abusive": ("Flagged as abusive", "abuse Blocked by abuse-handler by rule: ttyd"),
    "readme-yaml-rejected": (
        "remote: Sorry, your push was rejected during YAML metadata verification:",
        "ValueError: Invalid metadata in README.md.",
    ),
    "binary-file-rejected": (
        "remote: Your push was rejected because it contains binary files.",
        "remote: Your push was rejected because it contains binary files.\n ! [remote rejected] main -> main "
        "(pre-receive hook declined)\nerror: failed to push some refs to 'https://huggingface.co/spaces/acme/demo'",
    ),
    "token-invalid-401": (
        "huggingface_hub.errors.HfHubHTTPError: 401 Client Error: Unauthorized for url: "
        "https://huggingface.co/api/whoami-v2 (Request ID: x)\n\nInvalid credentials in Authorization header",
        "remote: Invalid username or password.\nfatal: Authentication failed for "
        "'https://huggingface.co/spaces/acme/x/'",
    ),
}

HARMLESS = """
WARNING: Running pip as the 'root' user can result in broken permissions and conflicting behaviour
[notice] A new release of pip is available: 24.0 -> 25.3
DEPRECATION: Loading egg at /usr/lib/python3/dist-packages/x is deprecated
  Building wheel for llama-cpp-python (pyproject.toml): started
  Building wheel for llama-cpp-python (pyproject.toml): finished with status 'done'
Successfully installed click-8.1.7 errorhandler-2.0 exceptiongroup-1.2.0
Requirement already satisfied: importlib-metadata in /usr/lib
Collecting pyyaml==6.0.2 (from -r requirements.txt (line 3))
npm warn deprecated inflight@1.0.6: This module is not supported, and leaks memory. Do not use it.
npm warn ERESOLVE overriding peer dependency
npm warn EBADENGINE Unsupported engine {
npm notice New major version of npm available! 10.8.2 -> 11.0.0
added 413 packages, and audited 414 packages in 12s
3 vulnerabilities (1 moderate, 2 high)
found 0 vulnerabilities
debconf: delaying package configuration, since apt-utils is not installed
debconf: unable to initialize frontend: Dialog
W: Target Packages (main/binary-amd64/Packages) is configured multiple times
WARNING: apt does not have a stable CLI interface. Use with caution in scripts.
Get:12 http://deb.debian.org/debian bookworm/main amd64 libkrb5support0 amd64 1.20.1-2+deb12u2 [33.2 kB]
Selecting previously unselected package libgl1-mesa-dri:amd64.
update-alternatives: warning: skip creation of /usr/share/man/man1/c89.1.gz
invoke-rc.d: policy-rc.d denied execution of start.
checking for error.h... no
-- Looking for pthread_create - not found
-- Could NOT find CUDA (missing: CUDA_TOOLKIT_ROOT_DIR)
-- Check for working C compiler: /usr/bin/cc - skipped
warning: unused variable: `error`
 3 warnings generated, 0 errors
✓ Compiled successfully in 12.3s
(!) Some chunks are larger than 500 kB after minification.
DONE 12.5s
CACHED
--> COPY --chown=user . /app
--> Restoring cache
--> Pushing image
INFO:     10.16.31.4:51234 - "GET /favicon.ico HTTP/1.1" 404 Not Found
INFO:     10.16.31.4:51234 - "POST /predict HTTP/1.1" 500 Internal Server Error
INFO:     10.16.31.4:51234 - "GET /login HTTP/1.1" 403 Forbidden
INFO:     10.16.31.4:51234 - "POST /token HTTP/1.1" 401 Unauthorized
10.0.0.1 - - [01/Mar/2026:10:00:00 +0000] "GET /.env HTTP/1.1" 404 153 "-" "curl/8.5.0"
10.0.0.1 - - [01/Mar/2026:10:00:00 +0000] "GET /error-permission-denied.html HTTP/1.1" 200 12
INFO:     Started server process [1]
INFO:     Waiting for application startup.
INFO:     Application startup complete.
INFO:     Shutting down
INFO:     connection closed
WARNING:root:retrying in 2 seconds
WARNING: This is a development server. Do not use it in a production deployment.
 * Debugger is active!
Bad pipe message: %s [b'x']
UserWarning: A NumPy version >=1.22.4 and <2.3.0 is required for this version of SciPy
FutureWarning: `clean_up_tokenization_spaces` was not set. It will be set to `True` by default.
DeprecationWarning: pkg_resources is deprecated as an API.
Some weights of BertForSequenceClassification were not initialized from the model checkpoint at bert-base-uncased
Special tokens have been added in the vocabulary, make sure the associated word embeddings are fine-tuned
None of PyTorch, TensorFlow >= 2.0, or Flax have been found. Models won't be available
Device set to use cpu
config.json: 100%|██████████| 629/629 [00:00<00:00, 5.31MB/s]
model.safetensors: 100%|██████████| 268M/268M [00:01<00:00, 160MB/s]
  0%|          | 0/100 [00:00<?, ?it/s]
2026-03-01 10:00:00.000000: I tensorflow/core/platform/cpu_feature_guard.cc:210] This TensorFlow binary is optimized
Could not find cuda drivers on your machine, GPU will not be used.
WARNING: All log messages before absl::InitializeLog() is called are written to STDERR
E0000 00:00:1 cuda_dnn.cc:8310] Unable to register cuDNN factory
UserWarning: CUDA initialization: Found no driver; continuing on CPU
Collecting usage statistics. To deactivate, set browser.gatherUsageStats to false.
nginx: the configuration file /etc/nginx/nginx.conf syntax is ok
nginx: [warn] the "user" directive makes sense only if the master process runs with super-user privileges
2026/03/01 10:00:00 [notice] 1#1: start worker processes
INFO success: api entered RUNNING state, process has stayed up for > than 1 seconds (startsecs)
INFO supervisord started with pid 1
INFO exited: migrate (exit status 0; expected)
psycopg2 connected to database app, 0 errors
Connected to MongoDB
Error handling middleware loaded
error_log=/dev/stderr
Registered error handler for 404
loaded 12 secrets from the environment
Token has not been saved to git credential helper.
GET /api/keys 200 in 12ms
  Compiling openssl-sys v0.9.103
warning: `app` (bin "app") generated 2 warnings
go: downloading github.com/pkg/errors v0.9.1
Downloading from central: https://repo.maven.apache.org/maven2/org/apache/maven/maven-error-diagnostics/3.9/x.pom
* installing *source* package 'errors' ...
** testing if installed package can be loaded
Installing dependencies from lock file
Package operations: 42 installs, 0 updates, 0 removals
Resolved 87 packages in 1.2s
Signal handlers registered
Cannot find any saved state, starting fresh
No cached version found, downloading
[nltk_data] Downloading package punkt to /root/nltk_data...
""".strip().splitlines()

ROWS = [
    (place, code, text)
    for place, table in ((Place.BUILD, BUILD), (Place.RUN, RUN), (Place.SAID, SAID))
    for code, texts in table.items()
    for text in texts
]


@pytest.mark.parametrize(("place", "code", "text"), ROWS)
def test_other_wordings_show_the_same_symptom_and_no_other(place: Place, code: str, text: str):
    hits = [hit for hit in scan_text(text, place) if hit.symptom.severity is not Severity.INFO]

    assert {code} == folded(hits)


@pytest.mark.parametrize("place", Place)
def test_no_line_of_a_healthy_log_shows_an_error(place: Place):
    shown = {
        line: [hit.symptom.code for hit in scan_text(line, place) if hit.symptom.severity is Severity.ERROR]
        for line in HARMLESS
    }

    assert not {line: codes for line, codes in shown.items() if codes}
