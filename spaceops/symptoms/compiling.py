"""How packages fail that are compiled: the compiler, the files of libraries, the package itself."""

from __future__ import annotations

from spaceops.findings import Fault
from spaceops.symptoms import Symptom
from spaceops.symptoms.kinds import INSTALL, build_failure

SYMPTOMS: tuple[Symptom, ...] = (
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
        message="A package has to be compiled for this image, and the image has no compiler",
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
        explains=(*INSTALL, "command-not-found"),
    ),
    build_failure(
        code="compiler-missing",
        needles=("can't find Rust compiler", "Rust compiler", "rustc", "requires Rust", "cargo", "Cargo"),
        pattern=r"can't find Rust compiler|(?:rustc|[Cc]argo),? (?:the [^,]{0,60},? )?is not (?:installed|on PATH)|"
        r"requires Rust(?: and Cargo)? to",
        message="A package has to be compiled with Rust, and the image has no Rust: there is no ready-made wheel of "
        "this version for the image's Python",
        hint="Take a newer version of that package, or an older Python (`FROM python:3.12-slim`); else install "
        "`rustc` and `cargo` with apt-get above the pip line.",
        examples=(
            "error: can't find Rust compiler",
            "Cargo, the Rust package manager, is not installed or is not on PATH.",
        ),
        explains=INSTALL,
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
            "directory of OpenSSL installation",
            "failed to run custom build command for",
        ),
        pattern=r"fatal error: '?(?P<path>[\w./+-]{1,120}\.(?:h|hpp))'?(?:: No such file| file not found)|"
        r"pg_config executable not found|mysql_config(?:: |\s)not found|Can not find valid pkg-config name|"
        r"(?:No package|Package) '(?P<package>[^']{1,80})',? (?:required by '[^']{1,80}', )?(?:was )?not found|"
        r"ld: cannot find -l(?P<lib>[\w.-]{1,60})|Could not find directory of OpenSSL installation|"
        r"failed to run custom build command for `(?P<crate>[\w-]{1,60}-sys) ",
        message="A package has to be compiled, and the files of a system library that it builds on are not in the "
        "image",
        hint="Install the `-dev` package that has them above that line (`libssl-dev pkg-config` for OpenSSL, "
        "`libpq-dev` for pg_config, "
        "`portaudio19-dev` for portaudio.h, `python3-dev` for Python.h, `default-libmysqlclient-dev` for MySQL), or "
        "use a ready-made wheel (`psycopg2-binary`).",
        examples=(
            "src/_portaudiomodule.c:31:10: fatal error: portaudio.h: No such file or directory",
            "Error: pg_config executable not found.",
            "Exception: Can not find valid pkg-config name.",
            "/usr/bin/ld: cannot find -lxml2: No such file or directory",
            "Package 'libavformat', required by 'virtual:world', not found",
        ),
        explains=INSTALL,
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
        message="The package {package} has no ready-made file (wheel) for the image's Python, and compiling it failed",
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
        message="A package has no ready-made file (wheel) for the image's Python, and compiling it failed",
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
)
