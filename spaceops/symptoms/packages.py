"""How the installation of Python packages fails: pip, uv, poetry, conda."""

from __future__ import annotations

from spaceops.findings import Fault, Severity
from spaceops.symptoms import Place, Symptom
from spaceops.symptoms.kinds import INSTALL, build_failure

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
        "exclude each other",
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
        "exclude each other",
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
        message="requirements.txt names `sklearn`, which is no package that can be installed; its name is scikit-learn",
        hint="Write `scikit-learn` in place of `sklearn`.",
        examples=("The 'sklearn' PyPI package is deprecated, use 'scikit-learn'",),
        explains=INSTALL,
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
        message="The package {package} works with Python {wanted} only, and the base image has {version}",
        hint="Change the version of Python in FROM (`FROM python:3.12-slim`), or take another version of {package}.",
        examples=(
            "ERROR: Package 'acme-ml' requires a different Python: 3.9.21 not in '>=3.10'",
            "ERROR: Package 'numba' requires a different Python: 3.13.1 not in '>=3.10,<3.13'",
        ),
        explains=(*INSTALL, "pip-no-version"),
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
        message="A package, or the project itself, does not work with the Python of the base image",
        hint="Change the version of Python in FROM to one that `requires-python` allows, for example `FROM "
        "python:3.12-slim`.",
        examples=(
            "Current Python version (3.9.19) is not allowed by the project (^3.11).",
            "error: The requested interpreter resolved to Python 3.9.2, which is incompatible with the project's "
            "Python requirement: `>=3.11`",
            "Because the current Python version (3.9.21) does not satisfy Python>=3.10 and acme==1.0 depends on "
            "Python>=3.10",
        ),
        explains=(*INSTALL, "pip-no-version", "pip-resolution-impossible"),
    ),
    build_failure(
        code="pip-no-version",
        needles=("find a version that satisfies the requirement", "No matching distribution found for"),
        pattern=r"(?:find a version that satisfies the requirement|"
        r"No matching distribution found for) (?P<package>[^\s(]{1,120})",
        message="pip finds no version of {package} that it may install: the name or the version is wrong, the module "
        "belongs to Python itself, or no version fits the image's Python",
        hint="Look it up on pypi.org: the name to install may differ from the one to import (opencv-python-headless, "
        "not cv2), and a module of Python (os, json, sqlite3) must not stand in requirements.txt.",
        examples=(
            "ERROR: Could not find a version that satisfies the requirement sqlite3 (from versions: none)",
            "ERROR: No matching distribution found for torch==1.7.0",
            "ERROR: Could not find a version that satisfies the requirement tensorflow==2.5 (from versions: "
            "2.16.0rc0, 2.16.1)",
        ),
        explains=INSTALL,
    ),
    build_failure(
        code="pip-no-version",
        needles=("is not a supported wheel on this platform",),
        pattern=r"(?P<package>[^\s/]{1,160}\.whl) is not a supported wheel on this platform",
        message="The file {package} was made for another version of Python or another kind of machine than the base "
        "image's (its name says which: cp311 is Python 3.11, manylinux x86_64 the Hub's machines)",
        hint="Name the package in place of its file and let pip choose, or take the file for the Python in FROM.",
        examples=("ERROR: acme_ml-0.2.90-cp310-cp310-linux_x86_64.whl is not a supported wheel on this platform.",),
        explains=INSTALL,
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
        message="A package that the Space asks for does not exist by that name, or not in that version",
        hint="Look its name and its versions up on pypi.org (for conda on anaconda.org), and correct the line.",
        examples=(
            "╰─▶ Because pilow was not found in the package registry and you require pilow, we can conclude that your "
            "requirements are unsatisfiable.",
            "Because there is no version of torch==9.9.9 and you require torch==9.9.9, we can conclude that",
            "PackagesNotFoundError: The following packages are not available from current channels:",
            "nothing provides requested pytroch",
        ),
        explains=(*INSTALL, "pip-resolution-impossible"),
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
        "example",
        hint="Leave one package per line, `name` or `name==version`, and comments after `#`.",
        examples=(
            "ERROR: Invalid requirement: '<<<<<<< HEAD' (from line 1 of requirements.txt)",
            "ERROR: Invalid requirement: 'pip install torch': Expected end or semicolon",
            "error: Couldn't parse requirement in `requirements.txt` at position 0",
        ),
        explains=INSTALL,
    ),
    build_failure(
        code="requirements-invalid",
        needles=("Could not install packages due to an",),
        pattern=r"Could not install packages due to an \w{1,30}: .{0,40}No such file or directory: "
        r"'(?P<path>(?!(?:git|hg)')[^']{1,300})'",
        message="requirements.txt names a package by {path}, a place on the machine where the list was written (conda "
        "writes such lines)",
        hint="Write `name==version` in that line, or make the list again with `pip list --format=freeze > "
        "requirements.txt`.",
        examples=(
            "ERROR: Could not install packages due to an OSError: [Errno 2] No such file or directory: "
            "'/home/conda/feedstock_root/build_artifacts/certifi_1690024/work/certifi'",
        ),
        explains=(*INSTALL, "file-missing"),
    ),
    build_failure(
        code="requirements-missing",
        needles=("Could not open requirements file", "File not found"),
        pattern=r"Could not open requirements file: .{0,40}No such file or directory: '(?P<path>[^']{1,200})'|"
        r"[Ff]ile not found: `(?P<p2>[^`]{1,200}requirements[^`]{0,60})`",
        message="pip is told to read a requirements file that is not in the image at that point",
        hint="Copy it before the RUN that reads it: `COPY requirements.txt .`; names are told apart by capital "
        "letters.",
        examples=(
            "ERROR: Could not open requirements file: [Errno 2] No such file or directory: 'requirements.txt'",
            "ERROR: Could not open requirements file: [Errno 2] No such file or directory: "
            "'/app/requirements/base.txt'",
        ),
        explains=(*INSTALL, "file-missing"),
    ),
    build_failure(
        code="pip-hash-mismatch",
        needles=("DO NOT MATCH THE HASHES", "hashes are required", "Hash mismatch", "do not match the hash"),
        pattern=r"DO NOT MATCH THE HASHES|hashes are required|[Hh]ash mismatch|do not match the hash",
        message="A package's file is not the one whose hash the list of requirements names, or a hash is missing there",
        hint="Make the list again (`pip-compile --generate-hashes`, `uv pip compile --generate-hashes`), or leave the "
        "hashes out.",
        examples=(
            "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.",
            "ERROR: In --require-hashes mode, all requirements must have their versions pinned; hashes are required",
            "error: Hash mismatch for `torch==2.3.0`",
        ),
    ),
    build_failure(
        code="externally-managed",
        needles=("externally-managed-environment", "externally managed"),
        pattern=r"externally-managed-environment|(?:is|environment is) externally managed",
        message="The base image's own Python belongs to its system, and pip refuses to install into it",
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
        message="uv installs only into a virtual environment, and the image has none",
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
        message="The lock file does not fit the list of packages beside it, or was not pushed",
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
            "go.mod file not found",
        ),
        pattern=r"does not appear to be a Python project|No `pyproject\.toml` found|"
        r"go\.mod file not found in|could not find a pyproject\.toml file|"
        r"[Rr]eadme (?:path|file).{0,160}(?:does not exist|not found)|"
        r"No file/folder found for package",
        message="The project is installed at a point of the Dockerfile where some of its files are not in the image "
        "yet (pyproject.toml, README.md, or the package's own folder)",
        hint="Copy them before the RUN that installs (`COPY . .`), or install only what the project needs (`uv sync "
        "--no-install-project`, `poetry install --no-root`).",
        examples=(
            "ERROR: file:///app does not appear to be a Python project: neither 'setup.py' nor 'pyproject.toml' found.",
            "error: No `pyproject.toml` found in current directory or any parent directory",
            "Poetry could not find a pyproject.toml file in /app or its parents",
            "Readme path `/app/README.md` does not exist.",
        ),
        explains=INSTALL,
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
            "after connection broken by",
        ),
        pattern=r"ReadTimeoutError: HTTPS?ConnectionPool|IncompleteRead|Connection broken|"
        r"Retry\(total=0\b.{0,80}after connection broken by|Could not fetch URL https?://|"
        r"CondaHTTPError|(?:Failed to fetch|request failed).{0,20}`https?://|"
        r"error sending request for url|pip\._vendor\.\S{1,80}(?:Timeout|Connection)Error",
        message="The index of the packages did not answer while the build asked it",
        hint="Build again (Settings, Factory rebuild); if it stays, look at status.python.org.",
        examples=(
            "pip._vendor.urllib3.exceptions.ReadTimeoutError: HTTPSConnectionPool(host='files.pythonhosted.org', "
            "port=443): Read timed out.",
            "error: Failed to fetch: `https://pypi.org/simple/torch/`",
            "CondaHTTPError: HTTP 000 CONNECTION FAILED for url <https://conda.anaconda.org/conda-forge/noarch>",
        ),
        explains=(*INSTALL, "pip-no-version", "network-unreachable"),
    ),
    build_failure(
        code="conda-terms",
        fault=Fault.POLICY,
        needles=("CondaToSNonInteractiveError", "Terms of Service have not been accepted"),
        pattern=r"CondaToSNonInteractiveError|Terms of Service have not been accepted",
        message="conda's own channels may be used only after their terms are accepted, which the build did not do",
        hint="Use `-c conda-forge --override-channels`, or a base image such as `condaforge/miniforge3`.",
        examples=("CondaToSNonInteractiveError: Terms of Service have not been accepted for the following channels.",),
    ),
    build_failure(
        code="sdk-not-docker",
        severity=Severity.WARNING,
        needles=("gradio", "streamlit"),
        pattern=r"pip install .{0,200}(?:gradio\[oauth[^\]]{0,20}\]==|streamlit==)\S{1,20} \"?(?:uvicorn>=|altair<|"
        r"spaces)",
        message="The Hub built this Space as a Gradio or Streamlit one and did not look at the Dockerfile",
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
        "large and are of no use on CPU hardware",
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
        needles=("UnicodeDecodeError", "Invalid requirement", "stream did not contain valid"),
        pattern=r"Invalid requirement: .{0,20}(?:\\x00|\\ufeff|ÿþ)|stream did not contain valid UTF-8|"
        r"'utf-8' codec can't decode byte 0xff in position 0",
        places=(Place.BUILD,),
        message="requirements.txt is saved as UTF-16 (Windows PowerShell does that with `>`), which the tool cannot "
        "read",
        hint="Save it as UTF-8: `Get-Content requirements.txt | Set-Content -Encoding utf8 requirements.txt`, or in "
        "the editor with Save with encoding.",
        examples=(
            "UnicodeDecodeError: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte",
            "error: Failed to read `requirements.txt`: UnicodeDecodeError: stream did not contain valid UTF-8",
        ),
        explains=(*INSTALL, "requirements-invalid"),
    ),
)
