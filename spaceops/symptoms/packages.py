"""How the installation of Python packages fails: pip, uv, poetry, conda."""

from __future__ import annotations

from spaceops.findings import Fault, Severity
from spaceops.symptoms import Place, Symptom
from spaceops.symptoms.kinds import VAGUE_IN_BUILDS, build_failure

_INSTALL = (*VAGUE_IN_BUILDS, "pip-wheel-build-failed")
_CONFLICT_HINT = (
    "Relax or remove one of the two pins that the lines above name, or remove both versions and let pip choose; then "
    "install it once on your machine to see that it holds."
)

SYMPTOMS: tuple[Symptom, ...] = (
    build_failure(
        code="pip-resolution-impossible",
        needles=(
            "conflicting dependencies",
            "ResolutionImpossible",
        ),
        pattern=r"Cannot install (?P<packages>.{1,200}) because these package versions have conflicting dependencies",
        message="The packages {packages} cannot be installed together: they ask for versions of one package that "
        "exclude each other.",
        hint=_CONFLICT_HINT,
        examples=(
            "ERROR: Cannot install -r requirements.txt (line 3) and httpx==0.28.1 because these package versions have "
            "conflicting dependencies.",
            "ERROR: Cannot install fastapi==0.110.0 and starlette==0.40.0 because these package versions have "
            "conflicting dependencies.",
        ),
    ),
    build_failure(
        code="pip-resolution-impossible",
        needles=(
            "ResolutionImpossible",
            "No solution found when resolving",
            "requirements are unsatisfiable",
            "version solving failed",
            "SolverProblemError",
            "Unable to find a resolution",
            "UnsatisfiableError",
            "LibMambaUnsatisfiableError",
            "resolution-too-deep",
        ),
        pattern=r"ResolutionImpossible|No solution found when resolving|requirements are unsatisfiable|"
        r"version solving failed|SolverProblemError|Unable to find a resolution|UnsatisfiableError|resolution-too-deep",
        message="The packages of the Space cannot be installed together: two of them ask for versions of a third that "
        "exclude each other.",
        hint=_CONFLICT_HINT,
        examples=(
            "ERROR: ResolutionImpossible: for help visit https://pip.pypa.io/en/latest/topics/dependency-resolution/",
            "No solution found when resolving dependencies:",
            "Because acme depends on both a (1.0) and b (2.0), version solving failed.",
            "LibMambaUnsatisfiableError: Encountered problems while solving:",
            "UnsatisfiableError: The following specifications were found to be incompatible with each other:",
            "error: resolution-too-deep",
        ),
        unlike=("SolverProblem solved",),
    ),
    build_failure(
        code="sklearn-deprecated",
        needles=("sklearn",),
        pattern=r"'sklearn' PyPI package is deprecated",
        message="requirements.txt names `sklearn`, which is no package that can be installed; its name is "
        "scikit-learn.",
        hint="Write `scikit-learn` in place of `sklearn`.",
        examples=("The 'sklearn' PyPI package is deprecated, use 'scikit-learn'",),
        explains=_INSTALL,
    ),
    build_failure(
        code="requires-python",
        needles=(
            "requires a different Python",
            "Requires-Python",
            "does not satisfy Python",
            "requires Python",
        ),
        pattern=r"[Pp]ackage '?(?P<package>[\w.-]{1,80})'? requires a different Python: (?P<version>[\d.]{1,12}) not "
        r"in '(?P<wanted>[^']{1,60})'",
        message="The package {package} works with Python {wanted} only, and the base image has {version}.",
        hint="Change the version of Python in FROM (`FROM python:3.12-slim`), or take another version of {package}.",
        examples=(
            "ERROR: Package 'acme-ml' requires a different Python: 3.9.21 not in '>=3.10'",
            "ERROR: Package 'numba' requires a different Python: 3.13.1 not in '>=3.10,<3.13'",
        ),
        explains=(*_INSTALL, "pip-no-version"),
    ),
    build_failure(
        code="requires-python",
        needles=(
            "is not supported by the project",
            "requested Python version",
            "does not satisfy Python",
            "requires-python",
            "is not allowed by the project",
            "Python requirement",
        ),
        pattern=r"[Cc]urrent Python version \((?P<version>[\d.]{1,12})\) is not (?:allowed|supported) by the project|"
        r"requested (?:Python version|interpreter).{0,120}(?:does not satisfy|incompatible)|"
        r"does not satisfy Python\s?[<>=]",
        message="A package, or the project itself, does not work with the Python of the base image.",
        hint="Change the version of Python in FROM to one that `requires-python` allows, for example `FROM "
        "python:3.12-slim`.",
        examples=(
            "Current Python version (3.9.19) is not allowed by the project (^3.11).",
            "error: The requested interpreter resolved to Python 3.9.2, which is incompatible with the project's "
            "Python requirement: `>=3.11`",
            "Because the current Python version (3.9.21) does not satisfy Python>=3.10 and acme==1.0 depends on "
            "Python>=3.10",
        ),
        explains=(*_INSTALL, "pip-no-version", "pip-resolution-impossible"),
    ),
    build_failure(
        code="pip-no-version",
        needles=("find a version that satisfies the requirement", "No matching distribution found for"),
        pattern=r"(?:find a version that satisfies the requirement|"
        r"No matching distribution found for) (?P<package>[^\s(]{1,120})",
        message="pip finds no version of {package} that it may install: the name or the version is wrong, the module "
        "belongs to Python itself, or no version fits the image's Python.",
        hint="Look it up on pypi.org: the name to install may differ from the one to import (opencv-python-headless, "
        "not cv2), and a module of Python (os, json, sqlite3) must not stand in requirements.txt.",
        examples=(
            "ERROR: Could not find a version that satisfies the requirement sqlite3 (from versions: none)",
            "ERROR: No matching distribution found for torch==1.7.0",
            "ERROR: Could not find a version that satisfies the requirement tensorflow==2.5 (from versions: "
            "2.16.0rc0, 2.16.1)",
        ),
        explains=_INSTALL,
    ),
    build_failure(
        code="pip-no-version",
        needles=(
            "was not found in the package registry",
            "there are no versions of",
            "there is no version of",
            "PackagesNotFoundError",
            "Could not find a matching version of package",
            "nothing provides",
        ),
        pattern=r"[Bb]ecause (?P<package>[\w.=<>\[\]-]{1,120}) was not found in the package registry|"
        r"there (?:are no versions|is no version) of (?P<p2>\S{1,120})|PackagesNotFoundError|"
        r"Could not find a matching version of package (?P<p3>\S{1,120})|"
        r"nothing provides (?:requested )?(?P<p4>\S{1,80})",
        message="A package that the Space asks for does not exist by that name, or not in that version.",
        hint="Look its name and its versions up on pypi.org (for conda on anaconda.org), and correct the line.",
        examples=(
            "╰─▶ Because pilow was not found in the package registry and you require pilow, we can conclude that your "
            "requirements are unsatisfiable.",
            "Because there is no version of torch==9.9.9 and you require torch==9.9.9, we can conclude that",
            "PackagesNotFoundError: The following packages are not available from current channels:",
            "nothing provides requested pytroch",
        ),
        explains=(*_INSTALL, "pip-resolution-impossible"),
    ),
    build_failure(
        code="requirements-invalid",
        needles=(
            "Invalid requirement",
            "InvalidRequirement",
            "parse requirement",
            "could not parse",
            "Could not open requirements file",
            "File not found",
        ),
        pattern=r"(?:ERROR: )?Invalid requirement: (?P<what>.{1,160})|(?:Couldn't|Could not|"
        r"Failed to) parse (?:requirement|the (?:requirement|file))|InvalidRequirement",
        message="requirements.txt holds a line that is no package: conflict marks of git, Markdown or a command, for "
        "example.",
        hint="Leave one package per line, `name` or `name==version`, and comments after `#`.",
        examples=(
            "ERROR: Invalid requirement: '<<<<<<< HEAD' (from line 1 of requirements.txt)",
            "ERROR: Invalid requirement: 'pip install torch': Expected end or semicolon",
            "error: Couldn't parse requirement in `requirements.txt` at position 0",
        ),
        explains=_INSTALL,
    ),
    build_failure(
        code="requirements-missing",
        needles=("Could not open requirements file", "File not found"),
        pattern=r"Could not open requirements file: .{0,40}No such file or directory: '(?P<path>[^']{1,200})'|"
        r"[Ff]ile not found: `(?P<p2>[^`]{1,200}requirements[^`]{0,60})`",
        message="pip is told to read a requirements file that is not in the image at that point.",
        hint="Copy it before the RUN that reads it: `COPY requirements.txt .`; names are told apart by capital "
        "letters.",
        examples=(
            "ERROR: Could not open requirements file: [Errno 2] No such file or directory: 'requirements.txt'",
            "ERROR: Could not open requirements file: [Errno 2] No such file or directory: "
            "'/app/requirements/base.txt'",
        ),
        explains=(*_INSTALL, "file-missing"),
    ),
    build_failure(
        code="pip-hash-mismatch",
        needles=("DO NOT MATCH THE HASHES", "hashes are required", "Hash mismatch", "do not match the hash"),
        pattern=r"DO NOT MATCH THE HASHES|hashes are required|[Hh]ash mismatch|do not match the hash",
        message="A package's file is not the one whose hash the list of requirements names, or a hash is missing "
        "there.",
        hint="Make the list again (`pip-compile --generate-hashes`, `uv pip compile --generate-hashes`), or leave the "
        "hashes out.",
        examples=(
            "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.",
            "ERROR: In --require-hashes mode, all requirements must have their versions pinned; hashes are required",
            "error: Hash mismatch for `torch==2.3.0`",
        ),
    ),
    build_failure(
        code="compiler-missing",
        needles=(
            "failed: No such file or directory",
            "unable to execute",
            "CMAKE_C_COMPILER not set",
            "CMAKE_CXX_COMPILER not set",
            "No CMAKE_CXX_COMPILER could be found",
            "No CMAKE_C_COMPILER could be found",
            "Unknown compiler",
            "gcc: not found",
            "clang: not found",
            "make: not found",
            "cmake: not found",
        ),
        pattern=r"command '(?P<name>\S{0,80}(?:gcc|g\+\+|cc|clang|c\+\+))' failed: No such file|"
        r"unable to execute '(?P<n2>\S{1,40})':|CMAKE_C(?:XX)?_COMPILER (?:not set|could be found)|"
        r"No CMAKE_C(?:XX)?_COMPILER|Unknown compiler\(s\)|\b(?:gcc|g\+\+|cc|clang|make|cmake): not found",
        message="A package has to be compiled for this image, and the image has no compiler.",
        hint="Add above the pip line: `RUN apt-get update && apt-get install -y --no-install-recommends "
        "build-essential cmake`; or choose a version of the package (or of Python) that has a ready-made wheel.",
        examples=(
            "error: command 'gcc' failed: No such file or directory",
            "error: command 'x86_64-linux-gnu-gcc' failed: No such file or directory",
            "CMake Error: CMAKE_C_COMPILER not set, after EnableLanguage",
            "/bin/sh: 1: make: not found",
            "../meson.build:1:0: ERROR: Unknown compiler(s): [['cc'], ['gcc'], ['clang']]",
        ),
        unlike=("checking for gcc... gcc",),
        explains=(*_INSTALL, "command-not-found"),
    ),
    build_failure(
        code="compiler-missing",
        needles=("can't find Rust compiler", "Rust compiler", "rustc", "requires Rust", "cargo", "Cargo"),
        pattern=r"can't find Rust compiler|(?:rustc|[Cc]argo),? (?:the [^,]{0,60},? )?is not (?:installed|on PATH)|"
        r"requires Rust(?: and Cargo)? to",
        message="A package has to be compiled with Rust, and the image has no Rust: there is no ready-made wheel of "
        "this version for the image's Python.",
        hint="Take a newer version of that package, or an older Python (`FROM python:3.12-slim`); else install "
        "`rustc` and `cargo` with apt-get above the pip line.",
        examples=(
            "error: can't find Rust compiler",
            "Cargo, the Rust package manager, is not installed or is not on PATH.",
        ),
        explains=_INSTALL,
    ),
    build_failure(
        code="header-missing",
        needles=(
            "fatal error:",
            "pg_config executable not found",
            "pkg-config",
            "mysql_config",
            "cannot find -l",
            "No package",
            "Package",
        ),
        pattern=r"fatal error: '?(?P<path>[\w./+-]{1,120}\.(?:h|hpp))'?(?:: No such file| file not found)|"
        r"pg_config executable not found|mysql_config(?:: |\s)not found|Can not find valid pkg-config name|"
        r"(?:No package|Package) '(?P<package>[^']{1,80})',? (?:required by '[^']{1,80}', )?(?:was )?not found|"
        r"ld: cannot find -l(?P<lib>[\w.-]{1,60})",
        message="A package has to be compiled, and the files of a system library that it builds on are not in the "
        "image.",
        hint="Install the `-dev` package that has them above the pip line (`libpq-dev` for pg_config, "
        "`portaudio19-dev` for portaudio.h, `python3-dev` for Python.h, `default-libmysqlclient-dev` for MySQL), or "
        "use a ready-made wheel (`psycopg2-binary`).",
        examples=(
            "src/_portaudiomodule.c:31:10: fatal error: portaudio.h: No such file or directory",
            "Error: pg_config executable not found.",
            "Exception: Can not find valid pkg-config name.",
            "/usr/bin/ld: cannot find -lxml2: No such file or directory",
            "Package 'libavformat', required by 'virtual:world', not found",
        ),
        explains=_INSTALL,
    ),
    build_failure(
        code="pip-wheel-build-failed",
        fault=Fault.DEPENDENCY,
        needles=(
            "Failed building wheel for",
            "Failed to build",
            "Could not build wheels for",
            "failed-wheel-build-for-install",
        ),
        pattern=r"(?:Failed building wheel for|"
        r"Failed to build(?: installable wheels for)?(?: some [^(]{0,60}(?= \())?|Could not build wheels for|"
        r"Building wheels? for) [`'(]?(?P<package>[\w.\[\]@=-]{1,80})(?!.{0,80}(?:started|"
        r"finished with status 'done'))",
        message="The package {package} has no ready-made file (wheel) for the image's Python, and compiling it failed.",
        hint="Take a newer version of {package}, or a Python that the pinned version knows (`FROM python:3.11-slim` "
        "for older pins); else install its compiler and libraries with apt-get above the pip line.",
        examples=(
            "ERROR: Failed building wheel for tokenizers",
            "ERROR: Failed to build installable wheels for some pyproject.toml based projects (numpy)",
            "Failed to build `pandas==1.5.3`",
            "ERROR: Failed to build 'numpy' when getting requirements to build wheel",
            "ERROR: Could not build wheels for llama-cpp-python, which is required to install pyproject.toml-based "
            "projects",
        ),
        unlike=(
            "Building wheel for acme (pyproject.toml): started",
            "Building wheel for acme (pyproject.toml): finished with status 'done'",
        ),
    ),
    build_failure(
        code="pip-wheel-build-failed",
        fault=Fault.DEPENDENCY,
        needles=(
            "metadata-generation-failed",
            "failed-wheel-build-for-install",
            "subprocess-exited-with-error",
            "legacy-install-failure",
            "egg_info",
            "build backend returned",
            "install-failure",
            "ImpImporter",
            "use_2to3 is invalid",
            "Getting requirements to build wheel",
        ),
        pattern=r"metadata-generation-failed|failed-wheel-build-for-install|subprocess-exited-with-error|"
        r"legacy-install-failure|python setup\.py egg_info.{0,40}error|build backend returned an error|"
        r"pkgutil' has no attribute 'ImpImporter|use_2to3 is invalid|"
        r"Getting requirements to build wheel (?:did not run|exited)",
        message="A package has no ready-made file (wheel) for the image's Python, and compiling it failed.",
        hint="The lines above name the package: take a newer version of it, or a Python that the pinned version knows "
        "(`FROM python:3.11-slim` for older pins); else install its compiler and libraries with apt-get above the pip "
        "line.",
        examples=(
            "error: metadata-generation-failed",
            "error: subprocess-exited-with-error",
            "ERROR: failed-wheel-build-for-install",
            "AttributeError: module 'pkgutil' has no attribute 'ImpImporter'. Did you mean: 'zipimporter'?",
            "╰─▶ The build backend returned an error",
        ),
    ),
    build_failure(
        code="externally-managed",
        needles=("externally-managed-environment", "externally managed"),
        pattern=r"externally-managed-environment|(?:is|environment is) externally managed",
        message="The base image's own Python belongs to its system, and pip refuses to install into it.",
        hint="Begin with `FROM python:3.12-slim`, or make an environment of your own first: `RUN python3 -m venv "
        "/venv` and `ENV PATH=/venv/bin:$PATH`.",
        examples=(
            "error: externally-managed-environment",
            "error: The interpreter at /usr is externally managed, and indicates the following:",
            "This environment is externally managed",
        ),
    ),
    build_failure(
        code="uv-no-environment",
        needles=("No virtual environment found", "no virtual environment"),
        pattern=r"No virtual environment found",
        message="uv installs only into a virtual environment, and the image has none.",
        hint="Write `RUN uv pip install --system …`, or set `ENV UV_SYSTEM_PYTHON=1` above it.",
        examples=(
            "error: No virtual environment found; run `uv venv` to create an environment, or pass `--system` to "
            "install",
        ),
    ),
    build_failure(
        code="lock-out-of-date",
        needles=("poetry.lock", "uv.lock", "lockfile", "Pipfile.lock", "lock file"),
        pattern=r"pyproject\.toml changed significantly since poetry\.lock|poetry\.lock is not (?:up to date|"
        r"compatible)|[Tt]he (?:lock ?file|lockfile) at `?uv\.lock`? needs to be updated|Unable to find lockfile|"
        r"Pipfile\.lock \(.{1,80}\) out of date|Lockfile not found",
        message="The lock file does not fit the list of packages beside it, or was not pushed.",
        hint="Make it again on your machine (`uv lock`, `poetry lock`, `pipenv lock`) and push both files.",
        examples=(
            "pyproject.toml changed significantly since poetry.lock was last generated. Run `poetry lock` to fix the "
            "lock file.",
            "error: The lockfile at `uv.lock` needs to be updated, but `--locked` was provided.",
            "error: Unable to find lockfile at `uv.lock`. To create a lockfile, run `uv lock` or `uv sync`.",
            "Your Pipfile.lock (a1b2c3) out of date, but need (d4e5f6).",
        ),
    ),
    build_failure(
        code="project-files-missing",
        needles=(
            "Readme path",
            "README.md",
            "No file/folder found for package",
            "does not appear to be a Python project",
            "No `pyproject.toml` found",
            "pyproject.toml file in",
        ),
        pattern=r"does not appear to be a Python project|No `pyproject\.toml` found|"
        r"could not find a pyproject\.toml file|[Rr]eadme (?:path|file).{0,160}(?:does not exist|not found)|"
        r"No file/folder found for package",
        message="The project is installed at a point of the Dockerfile where some of its files are not in the image "
        "yet (pyproject.toml, README.md, or the package's own folder).",
        hint="Copy them before the RUN that installs (`COPY . .`), or install only what the project needs (`uv sync "
        "--no-install-project`, `poetry install --no-root`).",
        examples=(
            "ERROR: file:///app does not appear to be a Python project: neither 'setup.py' nor 'pyproject.toml' found.",
            "error: No `pyproject.toml` found in current directory or any parent directory",
            "Poetry could not find a pyproject.toml file in /app or its parents",
            "Readme path `/app/README.md` does not exist.",
        ),
    ),
    build_failure(
        code="index-unreachable",
        fault=Fault.PLATFORM,
        needles=(
            "ReadTimeoutError",
            "HTTPSConnectionPool",
            "IncompleteRead",
            "Failed to fetch",
            "Connection broken",
            "Could not fetch URL",
            "CondaHTTPError",
            "error sending request",
        ),
        pattern=r"ReadTimeoutError: HTTPS?ConnectionPool|IncompleteRead|Connection broken|"
        r"Could not fetch URL https?://|CondaHTTPError|(?:Failed to fetch|request failed).{0,20}`https?://|"
        r"error sending request for url|pip\._vendor\.\S{1,80}(?:Timeout|Connection)Error",
        message="The index of the packages did not answer while the build asked it.",
        hint="Build again (Settings, Factory rebuild); if it stays, look at status.python.org.",
        examples=(
            "pip._vendor.urllib3.exceptions.ReadTimeoutError: HTTPSConnectionPool(host='files.pythonhosted.org', "
            "port=443): Read timed out.",
            "error: Failed to fetch: `https://pypi.org/simple/torch/`",
            "CondaHTTPError: HTTP 000 CONNECTION FAILED for url <https://conda.anaconda.org/conda-forge/noarch>",
        ),
        explains=(*_INSTALL, "pip-no-version"),
    ),
    build_failure(
        code="conda-terms",
        fault=Fault.POLICY,
        needles=("CondaToSNonInteractiveError", "Terms of Service have not been accepted"),
        pattern=r"CondaToSNonInteractiveError|Terms of Service have not been accepted",
        message="conda's own channels may be used only after their terms are accepted, which the build did not do.",
        hint="Use `-c conda-forge --override-channels`, or a base image such as `condaforge/miniforge3`.",
        examples=("CondaToSNonInteractiveError: Terms of Service have not been accepted for the following channels.",),
    ),
    build_failure(
        code="sdk-not-docker",
        severity=Severity.WARNING,
        needles=("gradio", "streamlit"),
        pattern=r"pip install .{0,200}(?:gradio\[oauth[^\]]{0,20}\]==|streamlit==)\S{1,20} \"?(?:uvicorn>=|altair<|"
        r"spaces)",
        message="The Hub built this Space as a Gradio or Streamlit one and did not look at the Dockerfile.",
        hint="Write `sdk: docker` in the block at the top of README.md.",
        examples=(
            '--> RUN pip install --no-cache-dir -r requirements.txt gradio[oauth]==4.44.1 "uvicorn>=0.14.0" spaces',
            '--> RUN pip install --no-cache-dir gradio[oauth,mcp]==5.49.1 "uvicorn>=0.14.0" "websockets>=10.4" spaces',
        ),
        unlike=("RUN pip install gradio==5.0 uvicorn",),
        explains=(),
    ),
    build_failure(
        code="torch-cuda-on-cpu",
        severity=Severity.WARNING,
        needles=("nvidia_cublas", "nvidia-cublas", "nvidia_cudnn", "nvidia-cudnn"),
        pattern=r"(?:Downloading|Collecting|Downloaded|Installing collected packages:.{0,3000}) ?nvidia[_-](?:cublas|"
        r"cudnn)",
        message="PyTorch is installed with its GPU libraries (gigabytes), which make the build slow and the image "
        "large and are of no use on CPU hardware.",
        hint="On CPU hardware write `--extra-index-url https://download.pytorch.org/whl/cpu` as the first line of "
        "requirements.txt.",
        examples=(
            "Downloading nvidia_cublas_cu12-12.4.5.8-py3-none-manylinux2014_x86_64.whl (363.4 MB)",
            "Downloading nvidia-cudnn-cu12 (633.9MiB)",
            "Collecting nvidia-cublas-cu12==12.4.5.8 (from torch)",
        ),
        explains=(),
    ),
    build_failure(
        code="requirements-utf16",
        needles=("UnicodeDecodeError", "Invalid requirement", "not valid UTF"),
        pattern=r"Invalid requirement: .{0,20}(?:\\x00|\\ufeff|ÿþ)|stream did not contain valid UTF-8|"
        r"'utf-8' codec can't decode byte 0xff in position 0",
        places=(Place.BUILD,),
        message="requirements.txt is saved as UTF-16 (Windows PowerShell does that with `>`), which the tool cannot "
        "read.",
        hint="Save it as UTF-8: `Get-Content requirements.txt | Set-Content -Encoding utf8 requirements.txt`, or in "
        "the editor with Save with encoding.",
        examples=(
            "UnicodeDecodeError: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte",
            "error: Failed to read `requirements.txt`: UnicodeDecodeError: stream did not contain valid UTF-8",
        ),
        explains=(*_INSTALL, "requirements-invalid"),
    ),
)
