"""How apps in Java, Go, Rust, R, PHP, Ruby and .NET fail to build and to start."""

from __future__ import annotations

from spaceops.findings import Fault
from spaceops.symptoms import Place, Symptom
from spaceops.symptoms.kinds import VAGUE_IN_BUILDS, VAGUE_IN_RUNS, build_failure, crash, failure

SYMPTOMS: tuple[Symptom, ...] = (
    # --- Java ---
    failure(
        code="java-version",
        needles=(
            "UnsupportedClassVersionError",
            "invalid target release",
            "release version",
            "Unsupported class file major version",
            "invalid source release",
            "requires at least JVM runtime version",
        ),
        pattern=r"UnsupportedClassVersionError|invalid (?:target|source) release: (?P<version>\d{1,2})|"
        r"release version (?P<v2>\d{1,2}) not supported|Unsupported class file major version|"
        r"requires at least JVM runtime version",
        message="The app was compiled for, or asks for, another Java than the one in the image",
        hint="Use the same Java to build and to run, for example `FROM eclipse-temurin:21-jdk` and `FROM "
        "eclipse-temurin:21-jre`, and set it in pom.xml or build.gradle.",
        examples=(
            "java.lang.UnsupportedClassVersionError: app/Main has been compiled by a more recent version of the Java "
            "Runtime (class file version 65.0)",
            "[ERROR] Fatal error compiling: error: invalid target release: 21",
            "Error: release version 21 not supported",
        ),
    ),
    crash(
        code="java-no-main",
        needles=("no main manifest attribute", "ClassNotFoundException"),
        pattern=r"no main manifest attribute|Caused by: java\.lang\.ClassNotFoundException: (?P<name>[\w.$]{1,200})",
        message="The jar file says no class to start with, or its packages are not in it",
        hint="Start the jar that holds everything (Spring Boot: the one without `-plain` and `.original`), and build "
        "it with `mvn package` or `gradle bootJar`.",
        examples=("no main manifest attribute, in /app/app.jar",),
        explains=(*VAGUE_IN_RUNS, "start-file-missing"),
    ),
    crash(
        code="spring-datasource",
        needles=(
            "Failed to configure a DataSource",
            "Could not resolve placeholder",
            "Failed to determine a suitable driver class",
        ),
        pattern=r"Failed to configure a DataSource|Failed to determine a suitable driver class",
        message="Spring wants a database, and no address of one is set",
        hint="Set SPRING_DATASOURCE_URL (and …_USERNAME, …_PASSWORD) as secrets of the Space: `spaceops secrets set "
        "{repo_id} SPRING_DATASOURCE_URL`.",
        examples=(
            "Description: Failed to configure a DataSource: 'url' attribute is not specified and no embedded "
            "datasource could be configured.",
        ),
    ),
    crash(
        code="missing-secret",
        needles=("Could not resolve placeholder",),
        pattern=r"Could not resolve placeholder '(?P<name>[\w.-]{1,100})'",
        message="Spring wants a value for {name}, and neither its settings nor the environment hold one",
        hint="Set it as a secret or variable of the Space, in capital letters and with `_` for dots: `spaceops "
        "secrets set {repo_id} NAME`.",
        examples=(
            "java.lang.IllegalArgumentException: Could not resolve placeholder 'OPENAI_API_KEY' in value "
            '"${OPENAI_API_KEY}"',
        ),
    ),
    build_failure(
        code="maven-dependency",
        needles=("Could not resolve dependencies", "Could not find artifact", "Could not resolve all"),
        pattern=r"Could not resolve dependencies for project|Could not find artifact (?P<package>\S{1,200})|"
        r"Could not resolve all (?:files|dependencies|artifacts) for configuration",
        message="Maven or Gradle finds a package, or a version of one, in none of its repositories",
        hint="Correct its name and version (search.maven.org), or add the repository that has it.",
        examples=(
            "[ERROR] Failed to execute goal on project app: Could not resolve dependencies for project "
            "com.acme:app:jar:1.0",
            "> Could not resolve all files for configuration ':compileClasspath'.",
        ),
    ),
    # --- Go and Rust ---
    build_failure(
        code="toolchain-too-old",
        needles=(
            "go.mod requires go",
            "requires rustc",
            "feature `edition2024` is required",
            "invalid go version",
            "NETSDK1045",
            "Your Ruby version is",
            "lock file version",
        ),
        pattern=r"go\.mod requires go >= (?P<version>[\d.]{1,10})|requires rustc (?P<v2>[\d.]{1,10})|"
        r"feature `edition2024` is required|invalid go version|NETSDK1045|"
        r"Your Ruby version is \S{1,20}, but your Gemfile specified (?P<v3>\S{1,20})|"
        r"lock file version `?\d`? (?:was found, but this version of Cargo|requires)",
        message="The project asks for a newer version of its language's tools than the base image has",
        hint="Take the version that it names in FROM, for example `FROM golang:1.25`, `FROM rust:1.90` or `FROM "
        "ruby:3.4`.",
        examples=(
            "go: go.mod requires go >= 1.25.0 (running go 1.22.5; GOTOOLCHAIN=local)",
            "error: package `time v0.3.44` cannot be built because it requires rustc 1.81.0 or newer",
            "Your Ruby version is 3.1.2, but your Gemfile specified 3.3.0",
            "error NETSDK1045: The current .NET SDK does not support targeting .NET 10.0.",
        ),
    ),
    build_failure(
        code="lock-out-of-date",
        needles=(
            "missing go.sum entry",
            "updates to go.mod needed",
            "inconsistent vendoring",
            "needs to be updated but --locked",
            "no required module provides package",
            "lock file needs to be updated",
            "composer.lock",
        ),
        pattern=r"missing go\.sum entry|updates to go\.mod needed|inconsistent vendoring|"
        r"lock file .{0,120}needs to be updated but --(?:locked|frozen)|"
        r"no required module provides package (?P<package>[^\s;]{1,200})|"
        r"lock file is not up to date with the latest changes in composer\.json",
        message="The list of packages and the file with their exact versions do not fit each other",
        hint="Run `go mod tidy` (`cargo update`, `composer update`) on your machine and push both files.",
        examples=(
            "main.go:4:2: missing go.sum entry for module providing package github.com/gin-gonic/gin; to add:",
            "main.go:4:2: no required module provides package github.com/joho/godotenv; to add it:",
            "error: the lock file /app/Cargo.lock needs to be updated but --locked was passed to prevent this",
        ),
        explains=(*VAGUE_IN_BUILDS, "compile-error"),
    ),
    crash(
        code="go-panic",
        needles=("panic:",),
        pattern=r"^panic: (?P<what>(?!open )(?!listen ).{1,200})",
        message="The Go program stopped itself: {what}",
        hint="The lines after it name the file and the line; often a setting or a file is missing there.",
        examples=(
            "panic: runtime error: invalid memory address or nil pointer dereference",
            "panic: config must be set [recovered]",
        ),
    ),
    crash(
        code="rust-panic",
        needles=("panicked at",),
        pattern=r"thread '(?P<thread>[^']{1,60})' (?:\(\d{1,10}\) )?panicked at",
        message="The Rust program stopped itself; the line, or the one after it, says why",
        hint="Often a setting or a file is missing at that place; set `ENV RUST_BACKTRACE=1` to see the way there.",
        examples=(
            "thread 'main' panicked at src/main.rs:14:38:",
            "thread 'main' panicked at 'called `Result::unwrap()` on an `Err` value: NotPresent', src/main.rs:9",
        ),
    ),
    # --- R ---
    failure(
        code="r-package-missing",
        needles=("there is no package called", "is not available for", "are not available for"),
        pattern=r"there is no package called ['\u2018\"](?P<package>[\w.]{1,80})|"
        r"ERROR: dependenc\w{1,3} .{1,200} (?:is|are) not available for package|"
        r"package ['\u2018\"](?P<p2>[\w.]{1,80})['\u2019\"] is not available for",
        message="An R package that the app needs is not installed in the image",
        hint="Install it in the Dockerfile, `RUN R -e \"install.packages('NAME')\"`; a package that fails to compile "
        "says above which library it lacks (rocker images have `install2.r`).",
        examples=(
            "Error in library(shiny) : there is no package called 'shiny'",
            "ERROR: dependency 'curl' is not available for package 'httr'",
            "Warning message: package 'foo' is not available for this version of R",
        ),
    ),
    build_failure(
        code="r-package-failed",
        fault=Fault.DEPENDENCY,
        needles=("had non-zero exit status", "configuration failed for package"),
        pattern=r"installation of package ['\u2018\"](?P<package>[\w./]{1,80})['\u2019\"] had non-zero exit status|"
        r"configuration failed for package ['\u2018\"](?P<p2>[\w.]{1,80})",
        message="An R package could not be compiled, most often because a library of the system is missing",
        hint="The lines above name the Debian package that it wants (libcurl4-openssl-dev, libssl-dev, libxml2-dev "
        "…): install it with apt-get above the R step, or use `rocker/r2u` with ready-made packages.",
        examples=(
            "installation of package 'curl' had non-zero exit status",
            "ERROR: configuration failed for package 'xml2'",
        ),
        explains=(*VAGUE_IN_BUILDS, "r-package-missing"),
    ),
    # --- PHP and Ruby ---
    failure(
        code="php-error",
        needles=("PHP Fatal error", "PHP Parse error", "Fatal error: Uncaught", "Failed opening required"),
        pattern=r"(?:PHP )?(?:Fatal|Parse) error: {1,3}(?P<what>(?:Uncaught|require|Class|syntax|Failed|Call to|"
        r"Allowed memory).{1,200})",
        message="PHP stopped: {what}",
        hint="Where `vendor/autoload.php` is named, add `RUN composer install --no-dev` after COPY; a missing "
        "function or class of an extension needs `RUN docker-php-ext-install NAME`.",
        examples=(
            'PHP Fatal error:  Uncaught Error: Class "Redis" not found in /var/www/html/index.php:3',
            "Fatal error: Uncaught Error: Failed opening required '/app/vendor/autoload.php' "
            "(include_path='.:/usr/share/php')",
            'PHP Parse error:  syntax error, unexpected token "{" in /app/index.php on line 3',
        ),
    ),
    build_failure(
        code="composer-resolution",
        needles=(
            "could not be resolved to an installable set of packages",
            "is missing from your system",
            "requires php",
        ),
        pattern=r"could not be resolved to an installable set of packages|requires? (?P<package>ext-\w{1,40}|"
        r"php)\b.{0,120}(?:missing from your system|does not satisfy)",
        message="The packages of composer.json do not fit together, or need an extension of PHP or another PHP than "
        "the image has",
        hint="Install the extension (`RUN docker-php-ext-install gd zip pdo_mysql`), or change the version in FROM.",
        examples=(
            "Your requirements could not be resolved to an installable set of packages.",
            "- Root composer.json requires ext-gd * -> it is missing from your system. Install or enable PHP's gd "
            "extension.",
        ),
    ),
    crash(
        code="missing-secret",
        needles=(
            "No application encryption key",
            "MissingAppKeyException",
            "Missing `secret_key_base`",
            "SECRET_KEY_BASE",
        ),
        pattern=r"No application encryption key|MissingAppKeyException|Missing `secret_key_base`",
        message="The framework wants its own secret key (APP_KEY of Laravel, SECRET_KEY_BASE of Rails), and the "
        "environment holds none",
        hint="Make one (`php artisan key:generate --show`, `rails secret`) and set it: `spaceops secrets set "
        "{repo_id} APP_KEY` or SECRET_KEY_BASE.",
        examples=(
            "production.ERROR: No application encryption key has been specified.",
            "ArgumentError: Missing `secret_key_base` for 'production' environment, set this string with `bin/rails "
            "credentials:edit`",
        ),
    ),
    failure(
        code="gem-missing",
        needles=("Could not find gem", "Bundler::GemNotFound", "Could not find", "cannot load such file"),
        pattern=r"Could not find gem '(?P<package>[^']{1,80})|Bundler::GemNotFound|"
        r"cannot load such file -- (?P<p2>\S{1,80})",
        message="A Ruby package (gem) that the app needs is not installed in the image",
        hint="Add it to the Gemfile, run `bundle install` in the Dockerfile after COPY of Gemfile and Gemfile.lock, "
        "and start with `bundle exec`; on another system than the lock file's run `bundle lock --add-platform "
        "x86_64-linux` first.",
        examples=(
            "Could not find gem 'sinatra' in locally installed gems. (Bundler::GemNotFound)",
            "<internal:/usr/local/lib/ruby/rubygems/core_ext/kernel_require.rb>:136:in 'require': cannot load such "
            "file -- rackup (LoadError)",
        ),
    ),
    # --- .NET ---
    crash(
        code="dotnet-framework-missing",
        needles=("You must install or update .NET", "Framework", "libhostfxr.so"),
        pattern=r"You must install or update \.NET|"
        r"[Ff]ramework:? 'Microsoft\.\w{1,20}\.App', version '(?P<version>[\d.]{1,12})'|"
        r"A fatal error occurred\. The required library libhostfxr",
        places=(Place.BUILD, Place.RUN),
        message="The app needs another version of .NET than the one in the image, or ASP.NET where only the plain "
        "runtime is",
        hint="Take the same version to build and to run: `FROM mcr.microsoft.com/dotnet/sdk:9.0` and `FROM "
        "mcr.microsoft.com/dotnet/aspnet:9.0`.",
        examples=(
            "You must install or update .NET to run this application.",
            "Framework: 'Microsoft.AspNetCore.App', version '9.0.0' (x64)",
        ),
        explains=(*VAGUE_IN_BUILDS, *VAGUE_IN_RUNS),
    ),
)
