"""How the steps of a Dockerfile fail: its syntax, base images, what it copies, what a build has not."""

from __future__ import annotations

from spaceops.findings import Fault, Severity
from spaceops.symptoms import Place, Symptom
from spaceops.symptoms.kinds import VAGUE_IN_BUILDS, build_failure, failure

_PARSE = "dockerfile-parse-error"
_IMAGE = r"(?P<image>[\w.-]{1,80}(?:[/:][\w.@-]{1,128}){1,6})"

SYMPTOMS: tuple[Symptom, ...] = (
    # --- the Dockerfile itself ---
    build_failure(
        code=_PARSE,
        needles=("parse error", "Parse error"),
        pattern=r"(?i)(?:dockerfile )?parse error (?:on )?line (?P<line>\d{1,6}): (?P<what>.{1,200})",
        message="The Dockerfile cannot be read at line {line}: {what}",
        hint="Look at line {line} and the one above: a command goes on in the next line only after a `\\` that is the "
        "last character, and every other line begins with an instruction such as RUN, COPY or CMD.",
        examples=(
            "error: failed to solve: dockerfile parse error on line 7: unknown instruction: uvicorn",
            "Error response from daemon: dockerfile parse error line 12: unknown instruction: &&",
            "failed to solve: dockerfile parse error on line 3: FROM requires either one or three arguments",
        ),
    ),
    build_failure(
        code=_PARSE,
        needles=(
            "unknown instruction",
            "no build stage in current context",
            "Dockerfile cannot be empty",
            "file with no instructions",
            "unterminated heredoc",
            "Unknown flag",
            "unknown flag",
            "unexpected end of statement",
            "destination must be a directory",
            "requires at least",
        ),
        pattern=r"[Uu]nknown instruction: |no build stage in current context|Dockerfile cannot be empty|"
        r"file with no instructions|unterminated heredoc|(?:failed to solve|ERROR|[Ee]rror).{0,120}[Uu]nknown flag|"
        r"failed to process .{0,200}: unexpected end of statement|destination must be a directory and end with a /|"
        r"\b(?:COPY|ADD|RUN|ENV|ARG|USER|WORKDIR) requires (?:at least|exactly)",
        message="The Dockerfile holds a line that is no valid instruction",
        hint="The log shows the line with `>>>`: begin it with an instruction (RUN, COPY, CMD …), or end the line "
        "above with `\\` if it belongs to it.",
        examples=(
            "unknown instruction: UVICORN (did you mean USER?)",
            "error: failed to solve: no build stage in current context",
            "Error: error building image: parsing dockerfile: file with no instructions",
            'failed to process "\\"hello": unexpected end of statement while looking for matching double-quote',
            "Unknown flag: chwon: failed to solve: Unknown flag: chwon",
        ),
        unlike=("grep: unknown option",),
    ),
    build_failure(
        code="dockerfile-crlf",
        severity=Severity.ERROR,
        places=(Place.BUILD,),
        needles=("Illegal option", "invalid option name", "command not found"),
        pattern=r"\$'[^']{0,80}\\r': command not found|\bIllegal option -$|^: invalid option name",
        message="A file was saved with Windows line ends, and the shell takes the invisible character at the end of "
        "each line for a part of the command",
        hint="Save it with Unix line ends (LF): `sed -i 's/\\r$//' FILE`, and write `*.sh text eol=lf` into "
        ".gitattributes.",
        examples=(
            "./build.sh: line 3: $'cd\\r': command not found",
            "setup.sh: 2: set: Illegal option -",
            ": invalid option name",
        ),
        unlike=("/bin/sh: 1: uvicorn: not found",),
        explains=(*VAGUE_IN_BUILDS, _PARSE, "command-not-found", "launch-timeout"),
    ),
    build_failure(
        code="variable-not-arg",
        severity=Severity.WARNING,
        needles=("UndefinedVar",),
        pattern=r"UndefinedVar: Usage of undefined variable '\$?(?P<name>\w{1,80})'",
        message="The Dockerfile uses the variable {name}, which nothing sets during the build, so it is empty there",
        hint="Write `ARG {name}` above the line that uses it, below FROM; a variable of the Space's settings then has "
        "its value in the build too.",
        examples=("UndefinedVar: Usage of undefined variable '$MODEL_ID' (line 9)",),
        explains=(),
    ),
    build_failure(
        code="arg-before-from",
        needles=("UndefinedArgInFrom", "should not be blank", "invalid reference format", "failed to parse stage name"),
        pattern=r"UndefinedArgInFrom|base name \((?P<base>.{0,100})\) should not be blank|(?:stage name|base image|"
        r"FROM) .{0,100}invalid reference format",
        message="FROM names its image through a variable that is empty there, so there is no image to begin with",
        hint="Give the variable a value above FROM (`ARG BASE=python:3.12-slim`), and repeat `ARG NAME` below FROM "
        "where a later line uses it.",
        examples=(
            "error: failed to solve: base name (${BASE}) should not be blank",
            'failed to parse stage name "python:": invalid reference format',
        ),
    ),
    # --- the base image ---
    build_failure(
        code="cuda-tag-invalid",
        needles=("nvidia/cuda",),
        pattern=r"nvidia/cuda:(?P<version>(?:latest|\d{1,2}\.\d{1,2}(?:-[\w.-]{1,80})?))(?::| ).{0,80}(?:not found|"
        r"manifest unknown|does not exist)",
        message="There is no image nvidia/cuda:{version}: its tags have three numbers and the name of a system",
        hint="Take one that exists, for example `FROM nvidia/cuda:12.6.3-runtime-ubuntu24.04`; or begin with "
        "`python:3.12-slim`, because the GPU packages of PyTorch bring CUDA with them.",
        examples=(
            "--> ERROR: docker.io/nvidia/cuda:11.8-runtime-ubuntu20.04: not found",
            "manifest for nvidia/cuda:latest not found: manifest unknown: manifest unknown",
            "error: failed to solve: docker.io/nvidia/cuda:12.1-base: failed to resolve source metadata for "
            "docker.io/nvidia/cuda:12.1-base: not found",
        ),
        unlike=("--> ERROR: docker.io/nvidia/cuda:10.2.0-base: not found",),
        explains=(*VAGUE_IN_BUILDS, "base-image-not-found"),
    ),
    build_failure(
        code="cuda-tag-eol",
        severity=Severity.ERROR,
        needles=("nvidia/cuda",),
        pattern=r"nvidia/cuda:(?P<version>\d{1,2}\.\d{1,2}\.\d{1,2}[\w.-]{0,80})(?::| ).{0,80}(?:not found|"
        r"manifest unknown|does not exist)",
        message="There is no image nvidia/cuda:{version} (any more): NVIDIA deletes the images of old CUDA versions",
        hint="Take a newer one, for example `FROM nvidia/cuda:12.6.3-runtime-ubuntu24.04`, and match the CUDA version "
        "of your packages.",
        examples=(
            "--> ERROR: docker.io/nvidia/cuda:11.1.0-cudnn8-runtime-ubuntu18.04: not found",
            "manifest for nvidia/cuda:10.2.89-base not found: manifest unknown",
        ),
        explains=(*VAGUE_IN_BUILDS, "base-image-not-found"),
    ),
    build_failure(
        code="cuda-tag-eol",
        severity=Severity.WARNING,
        places=(Place.BUILD, Place.RUN),
        needles=("THIS IMAGE IS DEPRECATED", "scheduled for DELETION"),
        pattern=r"THIS IMAGE IS DEPRECATED|scheduled for DELETION",
        message="The base image is of an old CUDA version that NVIDIA is going to delete; then the Space cannot be "
        "built any more",
        hint="Take a newer tag of nvidia/cuda, for example `12.6.3-runtime-ubuntu24.04`.",
        examples=("*** THIS IMAGE IS DEPRECATED and is scheduled for DELETION! ***",),
        explains=(),
    ),
    build_failure(
        code="yaml-float-version",
        needles=("python:3.1",),
        pattern=r"library/python:3\.1(?:-[\w.-]{1,40})?: not found|python:3\.1(?:-\w{1,40})? not found",
        message="There is no Python 3.1 image: 3.10 without quotes is read as the number 3.1",
        hint='Write the version in quotes, `python_version: "3.10"`, and in the Dockerfile a whole tag such as '
        "`FROM python:3.12-slim`.",
        examples=(
            "--> ERROR: docker.io/library/python:3.1: not found",
            "error: failed to solve: docker.io/library/python:3.1-slim: not found",
        ),
        unlike=("--> ERROR: docker.io/library/python:3.15: not found",),
        explains=(*VAGUE_IN_BUILDS, "base-image-not-found"),
    ),
    build_failure(
        code="base-image-not-found",
        needles=(
            "docker.io",
            "ghcr.io",
            "quay.io",
            "nvcr.io",
            "mcr.microsoft.com",
            "failed to resolve source metadata",
            "manifest unknown",
            "MANIFEST_UNKNOWN",
            "pull access denied",
            "insufficient_scope",
        ),
        pattern=r"(?:ERROR: |solve: |for |manifest for |metadata for )"
        + _IMAGE
        + r":? (?:not found|failed to resolve|.{0,120}(?:not found|manifest unknown|MANIFEST_UNKNOWN|"
        r"pull access denied|insufficient_scope))",
        message="The image {image}, which FROM or a COPY --from names, does not exist, or is private",
        hint="Look up the tags on hub.docker.com and write one that exists, for example `FROM python:3.12-slim`.",
        examples=(
            "--> ERROR: docker.io/library/python:3.99-slim: not found",
            "manifest for library/pyton:3.11 not found: manifest unknown: manifest unknown",
            "error: failed to solve: acme/base:latest: failed to resolve source metadata for "
            "docker.io/acme/base:latest: pull access denied, repository does not exist or may require authorization: "
            "server message: insufficient_scope: authorization failed",
            "ERROR: failed to solve: node:99-alpine: docker.io/library/node:99-alpine: not found",
        ),
        unlike=(
            '--> ERROR: failed to calculate checksum of ref a::b: "/x": not found',
            "--> FROM docker.io/library/python:3.11-slim@sha256:0123",
        ),
    ),
    build_failure(
        code="base-image-not-found",
        needles=("manifest unknown", "MANIFEST_UNKNOWN", "pull access denied", "initializing source docker"),
        pattern=r"(?:manifest unknown|MANIFEST_UNKNOWN|pull access denied(?: for (?P<image>\S{1,200})|, repository))",
        message="The image with which FROM begins does not exist, or is private",
        hint="Look up the tags on hub.docker.com and write one that exists, for example `FROM python:3.12-slim`.",
        examples=(
            "Error response from daemon: pull access denied for acme/base, repository does not exist or may require "
            "'docker login'",
            "error building image: GET https://index.docker.io/v2/library/python/manifests/3.99: MANIFEST_UNKNOWN: "
            "manifest unknown",
        ),
    ),
    build_failure(
        code="registry-unreachable",
        fault=Fault.PLATFORM,
        needles=(
            "toomanyrequests",
            "pull rate limit",
            "failed to do request",
            "failed to fetch anonymous token",
            "registry-1.docker.io",
            "failed to copy: httpReadSeeker",
        ),
        pattern=r"toomanyrequests|pull rate limit|(?:failed to do request|failed to fetch anonymous token|"
        r"httpReadSeeker|registry-1\.docker\.io).{0,300}(?:timeout|deadline|EOF|reset|50\d|no such host|refused|429)",
        message="The registry of the base image did not answer, or was asked too often; your files have no part in it",
        hint="Build again in some minutes (Settings, Factory rebuild).",
        examples=(
            "toomanyrequests: You have reached your unauthenticated pull rate limit.",
            'failed to do request: Head "https://registry-1.docker.io/v2/library/python/manifests/3.11": dial tcp: '
            "i/o timeout",
            "failed to fetch anonymous token: unexpected status from GET request: 503 Service Unavailable",
        ),
    ),
    # --- what a build has not ---
    build_failure(
        code="gpu-at-build",
        needles=(
            "nvidia-smi",
            "Found no NVIDIA driver",
            "libcuda.so.1",
            "No CUDA GPUs are available",
            "CUDA_HOME environment variable is not set",
            "No CUDA runtime is found",
        ),
        pattern=r"nvidia-smi: (?:command )?not found|Found no NVIDIA driver|libcuda\.so\.1: cannot open shared|"
        r"No CUDA GPUs are available|CUDA_HOME environment variable is not set|No CUDA runtime is found|"
        r"NVIDIA-SMI has failed",
        message="A step of the build asks for a GPU, and a build never has one, whatever hardware the Space runs on",
        hint="Move what needs the GPU to the start of the app; a package that compiles for GPUs needs a base image "
        "with "
        '`-devel-` in its tag and `ENV TORCH_CUDA_ARCH_LIST="7.5;8.0;8.6;8.9"`, or its published wheel.',
        examples=(
            "/bin/sh: 1: nvidia-smi: not found",
            "RuntimeError: Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU",
            "OSError: CUDA_HOME environment variable is not set. Please set it to your CUDA install root.",
            "ImportError: libcuda.so.1: cannot open shared object file: No such file or directory",
        ),
        unlike=("nvidia-smi version 550",),
        explains=(*VAGUE_IN_BUILDS, "command-not-found", "pip-wheel-build-failed", "shared-library-missing"),
    ),
    build_failure(
        code="secret-at-build-unmounted",
        needles=("/run/secrets",),
        pattern=r"/run/secrets/(?P<name>[\w.-]{1,100})'?\"?:? ?(?:No such file|Permission denied|can't open|"
        r"nonexistent|cannot|not found|\(Permission denied)|can't open '?/run/secrets/(?P<n2>[\w.-]{1,100})",
        message="A step of the build reads a secret from /run/secrets, but the step does not ask for it, or the user "
        "of the image may not read it",
        hint="Begin the step with `RUN --mount=type=secret,id=NAME,mode=0444,required=true …` and use `$(cat "
        "/run/secrets/NAME)` in the same step; NAME is a secret of the Space's settings.",
        examples=(
            "cat: /run/secrets/HF_TOKEN: No such file or directory",
            "cat: /run/secrets/HF_TOKEN: Permission denied",
            "cat: can't open '/run/secrets/HF_TOKEN': No such file or directory",
        ),
        explains=(*VAGUE_IN_BUILDS, "gated-model-401", "build-permission", "file-missing"),
    ),
    build_failure(
        code="secret-at-build-unmounted",
        needles=("gated repo", "GatedRepoError", "Client Error", "Client error", "Access to model"),
        pattern=r"(?:Cannot access|are trying to access a) gated repo|GatedRepoError|"
        r"Access to model \S{1,120} is restricted|\b401 (?:Client Error|Unauthorized).{0,80}(?:huggingface|"
        r"hf)\.co/\S{0,200}(?:/resolve/|api/(?:models|datasets)/)",
        message="A step of the build downloads from the Hub without a token that may read it: secrets of the Space "
        "are not there during the build unless the step asks for them",
        hint="Begin the step with `RUN --mount=type=secret,id=HF_TOKEN,mode=0444,required=true HF_TOKEN=$(cat "
        "/run/secrets/HF_TOKEN) …`, set the secret HF_TOKEN, and accept the model's terms on its page.",
        examples=(
            "huggingface_hub.errors.GatedRepoError: 401 Client Error. (Request ID: Root=1-66)",
            "OSError: You are trying to access a gated repo.",
            "401 Client Error: Unauthorized for url: https://huggingface.co/meta-llama/x/resolve/main/config.json",
        ),
        explains=(*VAGUE_IN_BUILDS, "token-invalid-401", "model-not-found"),
    ),
    build_failure(
        code="missing-secret",
        needles=(
            "failed to solve: secret",
            "ERROR: secret",
            "secret",
        ),
        pattern=r"(?:solve|ERROR|rror): (?:failed to build: )?secret (?P<name>[\w.-]{1,100}): not found",
        message="A step of the build needs the secret {name}, and the Space has none of that name",
        hint="Set it: `spaceops secrets set {repo_id} {name}`, or Settings, Variables and secrets; then build again.",
        examples=(
            "error: failed to solve: secret HF_TOKEN: not found",
            "--> ERROR: secret API_KEY: not found",
        ),
    ),
    # --- users and platforms ---
    build_failure(
        code="useradd-uid-taken",
        needles=("is not unique", "already exists", "in use", "is already in use"),
        pattern=r"(?:useradd|groupadd|adduser|addgroup|usermod|groupmod): .{0,30}\b(?P<kind>UID|GID|uid|gid|user|"
        r"group) '?(?P<id>[\w.-]{1,40})'? (?:is not unique|already exists|in use|is already in use)",
        message="The base image already has a {kind} {id} (node images have `node`, Ubuntu 24.04 has `ubuntu` as "
        "number 1000), so another cannot be made",
        hint="Use the one that is there (`USER node` on node images), or delete it first: `RUN userdel -r ubuntu && "
        "useradd -m -u 1000 user`.",
        examples=(
            "useradd: UID 1000 is not unique",
            "adduser: uid '1000' in use",
            "groupadd: GID '1000' already exists",
            "useradd: user 'ubuntu' already exists",
            "addgroup: group 'node' in use",
        ),
    ),
    build_failure(
        code="user-missing",
        places=(Place.BUILD, Place.RUN, Place.SAID),
        needles=(
            "invalid user",
            "unable to find user",
            "unable to find group",
            "invalid group",
            "unknown user",
            "no matching entries in passwd",
            "no such user",
        ),
        pattern=r"(?:chown|install): invalid (?:user|group):? .?(?P<name>[\w:.-]{1,60})|unable to find (?:user|"
        r"group) (?P<n2>[\w.-]{1,60})|(?:chown|su): (?:unknown|invalid) user|can't find [ug]id for (?:user|group)",
        message="The Dockerfile names a user or group that does not exist in the image (yet)",
        hint="Make it above that line: `RUN useradd -m -u 1000 user` (on Alpine `RUN adduser -D -u 1000 user`).",
        examples=(
            "chown: invalid user: 'user:user'",
            "unable to find user user: no matching entries in passwd file",
            "chown: unknown user/group user:user",
            "unable to convert uid/gid chown string to host mapping: can't find uid for user x: no such user: x",
        ),
        explains=(*VAGUE_IN_BUILDS, "containerd-128", "launch-timeout"),
    ),
    failure(
        code="wrong-arch",
        places=(Place.BUILD, Place.RUN, Place.SAID),
        needles=("exec format error", "Exec format error", "cannot execute binary file", "no match for platform"),
        pattern=r"[Ee]xec format error|cannot execute binary file|no match for platform in manifest",
        message="A program in the image is for another kind of processor (an Apple or ARM one), or it is a script "
        "without a first line `#!/bin/sh`; the Hub's machines are linux/amd64",
        hint="Take out `--platform=linux/arm64`, download the `amd64` (`x86_64`) file of the program, and give a "
        "script `#!/bin/sh` as its first line.",
        examples=(
            "exec /usr/local/bin/python: exec format error",
            "bash: ./server: cannot execute binary file: Exec format error",
            "no match for platform in manifest: not found",
            "OSError: [Errno 8] Exec format error: '/app/bin/tool'",
        ),
    ),
    build_failure(
        code="git-clone-auth",
        needles=(
            "could not read Username",
            "Repository not found",
            "fatal: repository",
            "Host key verification failed",
            "Permission denied (publickey)",
        ),
        pattern=r"could not read Username for '(?P<url>[^']{1,200})'|(?:remote: Repository not found|"
        r"fatal: repository '[^']{1,200}' not found)|Host key verification failed|Permission denied \(publickey",
        message="A step of the build fetches a git repository that is private, does not exist, or is addressed "
        "through SSH, and the build has no key",
        hint="Use the `https://` address of a public repository (`pip install git+https://…`), copy the files into "
        "the Space, or mount a token: `RUN --mount=type=secret,id=GITHUB_TOKEN,mode=0444,required=true …`.",
        examples=(
            "fatal: could not read Username for 'https://github.com': No such device or address",
            "fatal: repository 'https://github.com/acme/none.git/' not found",
            "git@github.com: Permission denied (publickey).",
        ),
    ),
    build_failure(
        code="download-failed",
        needles=("curl",),
        pattern=r"curl: \((?P<exit>22|6|7|28|35|52|56)\) (?P<what>.{1,200})",
        message="A step of the build downloads a file and did not get it: {what}",
        hint="Open the address in a browser: it may have moved or need a login; write the new one, or keep the file "
        "in the Space's repository.",
        examples=(
            "curl: (22) The requested URL returned error: 404",
            "curl: (6) Could not resolve host: dl.example.com",
            "curl: (28) Operation timed out after 300000 milliseconds",
        ),
        explains=(*VAGUE_IN_BUILDS, "network-unreachable"),
    ),
    build_failure(
        code="download-failed",
        needles=(
            "ERROR 404",
            "ERROR 403",
            "ERROR 410",
            "unable to resolve host",
            "HTTP Error",
            "server returned error",
        ),
        pattern=r"\bERROR (?P<status>40[34]|410|50\d): |wget: (?:unable to resolve host|server returned error)|"
        r"urllib\.error\.HTTPError: HTTP Error",
        message="A step of the build downloads a file and did not get it: the address is wrong, has moved, or needs a "
        "login",
        hint="Open the address in a browser and write the one that works, or keep the file in the Space's repository.",
        examples=(
            "2026-03-01 10:00:00 ERROR 404: Not Found.",
            "wget: server returned error: HTTP/1.1 404 Not Found",
            "urllib.error.HTTPError: HTTP Error 403: Forbidden",
        ),
    ),
)
