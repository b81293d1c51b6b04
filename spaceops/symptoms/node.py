"""How Node.js apps fail: npm, yarn and pnpm, bundlers, and the app itself."""

from __future__ import annotations

from spaceops.findings import Fault, Severity
from spaceops.symptoms import Place, Symptom
from spaceops.symptoms.kinds import VAGUE, VAGUE_IN_BUILDS, build_failure, crash, failure, trouble

_STEP = (*VAGUE_IN_BUILDS, "node-step-failed")

SYMPTOMS: tuple[Symptom, ...] = (
    # --- installation ---
    build_failure(
        code="npm-ci-no-lock",
        needles=("npm ci", "package-lock.json", "frozen-lockfile", "lockfile", "YN0028", "ERR_PNPM"),
        pattern=r"npm ci.{0,40}can only install (?:packages )?(?:when|with)|(?:[Ff]rozen lockfile|--frozen-lockfile|"
        r"ERR_PNPM_(?:OUTDATED|NO)_LOCKFILE|YN0028|lockfile had changes, but lockfile is frozen|"
        r"Your lockfile needs to be updated)",
        message="The file with the exact versions of the packages (package-lock.json, yarn.lock or pnpm-lock.yaml) is "
        "missing, or does not fit package.json",
        hint="Run `npm install` (yarn, pnpm) on your machine and push package.json together with the lock file; or "
        "write `RUN npm install` in place of `npm ci`.",
        examples=(
            "npm error The `npm ci` command can only install with an existing package-lock.json or npm-shrinkwrap.json",
            "npm ERR! `npm ci` can only install packages when your package.json and package-lock.json are in sync.",
            'ERR_PNPM_OUTDATED_LOCKFILE  Cannot install with "frozen-lockfile" because pnpm-lock.yaml is not up to '
            "date with package.json",
            "error Your lockfile needs to be updated, but yarn was run with `--frozen-lockfile`.",
            'ERR_PNPM_NO_LOCKFILE  Cannot install with "frozen-lockfile" because pnpm-lock.yaml is absent',
        ),
        explains=_STEP,
    ),
    build_failure(
        code="npm-eresolve",
        needles=("ERESOLVE", "Conflicting peer dependency"),
        pattern=r"(?:ERR!|error).{0,20}ERESOLVE|^(?:npm (?:ERR!|error) )?Conflicting peer dependency",
        message="Two packages of package.json ask for versions of a third that exclude each other",
        hint="Write `RUN npm install --legacy-peer-deps`, or change one of the two versions that the lines name.",
        examples=(
            "npm error code ERESOLVE",
            "npm ERR! code ERESOLVE",
            "npm error Conflicting peer dependency: react@18.3.1",
        ),
        unlike=("npm warn ERESOLVE overriding peer dependency",),
        explains=_STEP,
    ),
    build_failure(
        code="npm-not-found",
        needles=(
            "E404",
            "ETARGET",
            "notarget",
            "ERR_PNPM_FETCH_404",
            "couldn't find package",
            "ERR_PNPM_NO_MATCHING_VERSION",
            "Couldn't find any versions for",
        ),
        pattern=r"(?:ERR!|error) (?:code )?(?:E404|ETARGET|404|notarget)\b|ERR_PNPM_(?:FETCH_404|NO_MATCHING_VERSION)|"
        r"[Cc]ouldn't find (?:package|any versions for) \"(?P<package>[^\"]{1,120})",
        message="package.json names a package, or a version of one, that the npm registry does not have (or that is "
        "private)",
        hint="Look the name and its versions up on npmjs.com and correct package.json and its lock file.",
        examples=(
            "npm error code E404",
            "npm ERR! code ETARGET",
            "ERR_PNPM_FETCH_404  GET https://registry.npmjs.org/nope: Not Found - 404",
            'error Couldn\'t find any versions for "react" that matches "99"',
        ),
        explains=_STEP,
    ),
    build_failure(
        code="npm-network",
        fault=Fault.PLATFORM,
        needles=(
            "ECONNRESET",
            "ETIMEDOUT",
            "EAI_AGAIN",
            "ERR_SOCKET_TIMEOUT",
            "ESOCKETTIMEDOUT",
            "network timeout at",
            "trouble with your network connection",
        ),
        pattern=r"(?:npm (?:ERR!|error)|yarn|pnpm|error).{0,300}(?:ECONNRESET|ETIMEDOUT|ESOCKETTIMEDOUT|"
        r"EAI_AGAIN|ERR_SOCKET_TIMEOUT|"
        r"network timeout at)|trouble with your network connection",
        message="The npm registry did not answer while the build asked it",
        hint="Build again (Settings, Factory rebuild).",
        examples=(
            "npm error code ECONNRESET",
            "npm ERR! network timeout at: https://registry.npmjs.org/react",
            "npm error code EAI_AGAIN",
        ),
        explains=(*_STEP, "network-unreachable"),
    ),
    build_failure(
        code="node-gyp-no-compiler",
        needles=("gyp ERR", "gyp", "node-gyp", "node-pre-gyp"),
        pattern=r"gyp ERR! (?:find Python|not ok|stack Error: (?:not found: make|Could not find any Python))|"
        r"gyp.{0,40}not found: make|node-pre-gyp ERR! (?:build error|not ok)|node-gyp.{0,20}: not found",
        message="A Node package has to be compiled, and the image lacks Python or a compiler for it",
        hint="Install them above npm: `RUN apt-get update && apt-get install -y python3 make g++` (Alpine: `apk add "
        "--no-cache python3 make g++`), or take `node:22` in place of its slim or Alpine form.",
        examples=(
            "npm error gyp ERR! find Python You need to install the latest version of Python.",
            "gyp ERR! not ok",
            "gyp ERR! stack Error: not found: make",
            "npm ERR! node-pre-gyp ERR! not ok",
        ),
        unlike=("gyp info ok",),
        explains=(*_STEP, "command-not-found"),
    ),
    build_failure(
        code="npm-missing-script",
        places=(Place.BUILD, Place.RUN),
        needles=("Missing script", "missing script", "ERR_PNPM_NO_SCRIPT", "Couldn't find a script named"),
        pattern=r"[Mm]issing script:? \"?(?P<name>[\w:.-]{1,60})|ERR_PNPM_NO_SCRIPT|"
        r"[Cc]ouldn't find a script named \"(?P<n2>[^\"]{1,60})|Command \"(?P<n3>[\w:.-]{1,60})\" not found\.$",
        message="package.json has no script of the name that the Dockerfile calls",
        hint='Add it under "scripts" in package.json, or call the program itself: `CMD ["node", "server.js"]`.',
        examples=(
            'npm error Missing script: "start"',
            "npm ERR! missing script: build",
            "ERR_PNPM_NO_SCRIPT  Missing script: serve",
            'Usage Error: Couldn\'t find a script named "build".',
        ),
        explains=(*VAGUE, "node-step-failed"),
    ),
    build_failure(
        code="package-json-missing",
        places=(Place.BUILD, Place.RUN),
        needles=(
            "package.json",
            "ENOENT",
            "EJSONPARSE",
            "ERR_PNPM_NO_PKG_MANIFEST",
            "ERR_PNPM_NO_IMPORTER_MANIFEST_FOUND",
        ),
        pattern=r"ENOENT.{0,60}open '(?P<path>[^']{0,200}package\.json)'|Could not read package\.json|"
        r"enoent Could not read|ERR_PNPM_NO_\w{3,9}_?MANIFEST|Couldn't find a package\.json file|EJSONPARSE|"
        r"Failed to parse (?:root )?package\.json",
        message="npm finds no readable package.json in the folder where it runs",
        hint="Write `COPY package*.json ./` above the npm step, with the WORKDIR in which both belong.",
        examples=(
            "npm error enoent Could not read package.json: Error: ENOENT: no such file or directory, open "
            "'/app/package.json'",
            "npm ERR! code EJSONPARSE",
            'error Couldn\'t find a package.json file in "/app"',
            "ERR_PNPM_NO_PKG_MANIFEST  No package.json found in /app",
        ),
        explains=(*VAGUE, "node-step-failed", "file-missing"),
    ),
    failure(
        code="node-version",
        needles=(
            "Unsupported engine",
            "EBADENGINE",
            'engine "node" is incompatible',
            "Node.js version",
            "requires at least Node",
            "ERR_PNPM_UNSUPPORTED_ENGINE",
            "ERR_UNKNOWN_BUILTIN_MODULE",
        ),
        pattern=r"(?:error|ERR!) (?:code )?EBADENGINE|engine \"node\" is incompatible|ERR_PNPM_UNSUPPORTED_ENGINE|"
        r"Node\.js version \"?(?P<wanted>\S{1,30})\"? is required|(?:requires at least|requires|"
        r"needs) Node(?:\.js)? (?:version )?(?:v|\^|>=? ?)?(?P<w2>\d{2}[\d.]{0,6})|No such built-in module: node:|"
        r"You are using Node\.js \S{1,12}\. .{0,80}required",
        message="The project needs another version of Node.js than the one in the image",
        hint="Change FROM, for example to `FROM node:22-slim`, and set `engines` in package.json to the same.",
        examples=(
            'error next@16.0.0: The engine "node" is incompatible with this module. Expected version ">=20.9.0". Got '
            '"18.20.8"',
            "npm error code EBADENGINE",
            'For Next.js, Node.js version ">=20.9.0" is required.',
            "You are using Node.js 18.20.8. Vite requires Node.js version 20.19+ or 22.12+.",
            "Error [ERR_UNKNOWN_BUILTIN_MODULE]: No such built-in module: node:sqlite",
        ),
        unlike=("npm warn EBADENGINE Unsupported engine {",),
        explains=(*VAGUE, "node-step-failed"),
    ),
    trouble(
        code="node-version",
        places=(Place.BUILD,),
        needles=("EBADENGINE",),
        pattern=r"(?i:npm warn) EBADENGINE\s{1,4}Unsupported engine",
        message="A package is made for another version of Node.js than the one in the image",
        hint="Change FROM, for example to `FROM node:22-slim`.",
        examples=("npm warn EBADENGINE Unsupported engine {", "npm WARN EBADENGINE Unsupported engine {"),
    ),
    failure(
        code="node-openssl",
        needles=("ERR_OSSL_EVP_UNSUPPORTED", "digital envelope routines"),
        pattern=r"ERR_OSSL_EVP_UNSUPPORTED|digital envelope routines::(?:unsupported|initialization error)",
        message="An old bundler (webpack 4) uses a kind of encryption that newer Node.js has switched off",
        hint="Add `ENV NODE_OPTIONS=--openssl-legacy-provider` above the build step, or move to webpack 5.",
        examples=(
            "Error: error:0308010C:digital envelope routines::unsupported",
            "code: 'ERR_OSSL_EVP_UNSUPPORTED'",
        ),
        explains=(*VAGUE, "node-step-failed"),
    ),
    # --- compiling and bundling ---
    build_failure(
        code="compile-error",
        places=(Place.BUILD, Place.RUN),
        needles=(
            "error TS",
            "Type error",
            "Failed to compile",
            "Module not found",
            "Could not resolve",
            "Rollup failed to resolve",
            "Build failed",
            "COMPILATION ERROR",
            "cannot find symbol",
            "could not compile",
            "RollupError",
            "Build error occurred",
            "Compilation failed",
            "TS",
        ),
        pattern=r"\berror TS(?P<number>\d{4,5}): |^Type error: |Failed to compile\b|"
        r"Module not found: (?:Error: )?Can't resolve|Could not resolve (?:\"|entry module)|"
        r"Rollup failed to resolve import|\[ERROR\] COMPILATION ERROR|error: cannot find symbol|"
        r"^error: could not compile `|RollupError:|Build error occurred",
        message="The source code does not compile: a mistake in it, or a file that it needs was not pushed",
        hint="The lines around name the file; run the same build on your machine in a fresh clone of the Space, which "
        "shows files that were never committed (capital letters count on Linux).",
        examples=(
            "src/App.tsx(12,5): error TS2322: Type 'string' is not assignable to type 'number'.",
            "Module not found: Error: Can't resolve './components/Header' in '/app/src'",
            '[vite]: Rollup failed to resolve import "axios" from "/app/src/main.js".',
            "[ERROR] COMPILATION ERROR :",
            "Failed to compile.",
            'error: could not compile `server` (bin "server") due to 2 previous errors',
            "src/Main.java:[3,17] error: cannot find symbol",
        ),
        explains=(*VAGUE, "node-step-failed"),
    ),
    build_failure(
        code="compile-error",
        needles=(
            "undefined",
            "syntax error",
            "unresolved",
            "not found",
            "error CS",
            "expected",
            "mismatched types",
            "declared and not used",
            "imported and not used",
            "cannot use",
            "cannot find",
            "No such file",
            "was not declared",
            "error",
            "file:///",
            "is not exported by",
            "Execution failed for task",
        ),
        pattern=r"^\S{1,200}\.go:\d{1,6}:\d{1,4}: (?P<what>.{1,160})|^error\[E\d{4}\]: (?P<w2>.{1,160})|"
        r": error CS\d{4}: |\.(?:java|swift|scala|dart):\d{1,6}(?::\d{1,4})?: error: (?P<w4>.{1,160})|"
        r"^e: (?:file://)?\S{1,200}\.kts?:\S{1,20} (?P<w5>.{1,160})|\" is not exported by \"|"
        r"Execution failed for task '[^']{0,60}:compile|"
        r"^\S{1,200}\.(?:c|cc|cpp|cxx|h|hpp|cu):\d{1,6}:\d{1,4}: error: (?P<w3>.{1,160})",
        message="The source code does not compile; the lines around name the file, the line and the reason",
        hint="Mend that line, or push the file that it needs, and run the same build on your machine in a fresh clone "
        "of the Space.",
        examples=(
            "./main.go:12:2: undefined: handler",
            "error[E0432]: unresolved import `axum`",
            "Program.cs(3,1): error CS0103: The name 'x' does not exist",
            "/app/src/main/java/A.java:7: error: package org.acme does not exist",
            "e: file:///app/src/main/kotlin/App.kt:12:5 Unresolved reference: routing",
            '"PUBLIC_API" is not exported by "virtual:env/static/public", imported by "src/routes/+page.svelte".',
        ),
        explains=VAGUE_IN_BUILDS,
    ),
    failure(
        code="node-step-failed",
        needles=("ELIFECYCLE", "Lifecycle script", "Command failed with exit code"),
        pattern=r"(?:npm (?:ERR!|error)|ERR_PNPM_|\s|^)(?:code )?ELIFECYCLE|"
        r"Lifecycle script `(?P<name>[^`]{1,60})` failed|^error Command failed with exit code",
        message="A script of package.json failed; the reason stands above, where the script itself speaks",
        hint="Read the lines above, and run the same script on your machine.",
        examples=(
            "npm ERR! code ELIFECYCLE",
            "npm error Lifecycle script `build` failed with error:",
            "error Command failed with exit code 2.",
        ),
        explains=VAGUE,
    ),
    # --- the app ---
    failure(
        code="node-module-missing",
        needles=(
            "Cannot find module",
            "Cannot find package",
        ),
        pattern=r"Cannot find (?:module|package) '(?P<module>(?![./])[^']{1,120})'",
        message="The app asks for the Node package {module}, which is not installed in the image",
        hint="Add it to package.json under dependencies (`npm install {module}`; devDependencies are left out by "
        "`--omit=dev`), push package.json and its lock file, and install after COPY without copying a node_modules "
        "over it.",
        examples=(
            "Error: Cannot find module 'express'",
            "Error [ERR_MODULE_NOT_FOUND]: Cannot find package 'dotenv' imported from /app/server.js",
            "error: Cannot find module '@prisma/client'",
        ),
        unlike=("Error: Cannot find module '/app/server.js'",),
        explains=(*VAGUE, "node-step-failed"),
    ),
    failure(
        code="start-file-missing",
        needles=("Cannot find module",),
        pattern=r"Cannot find module '(?P<path>(?:\.{0,2}/)[^']{1,200})'",
        message="Node.js is told to load {path}, which is not in the image",
        hint="Compare the name (capital letters count) with COPY and WORKDIR in the Dockerfile; a file that the build "
        "makes (dist, build) needs `RUN npm run build` before.",
        examples=(
            "Error: Cannot find module '/app/server.js'",
            "Error [ERR_MODULE_NOT_FOUND]: Cannot find module '/app/dist/index.js' imported from /app/start.js",
            "Error: Cannot find module './routes/api'",
        ),
        explains=(*VAGUE, "node-step-failed", "file-missing"),
    ),
    failure(
        code="file-missing",
        needles=("ENOENT",),
        pattern=r"ENOENT: no such file or directory, \w{1,20} '(?P<path>(?![^']{0,200}package\.json)[^']{1,200})'",
        message="The app reads the file {path}, which is not in the image or not at that place",
        hint="Push the file and COPY it; a relative path is looked up from WORKDIR. A file that the app makes itself "
        "needs its folder: `RUN mkdir -p FOLDER`.",
        examples=(
            "Error: ENOENT: no such file or directory, open '/app/config.json'",
            "[Error: ENOENT: no such file or directory, scandir './uploads'] {",
        ),
        unlike=("npm error enoent ENOENT: no such file or directory, open '/app/package.json'",),
    ),
    crash(
        code="next-build-missing",
        needles=(
            "production build",
            "BUILD_ID",
        ),
        pattern=r"Could not find a production build in the|routes-manifest\.json.{0,80}no such file|"
        r"BUILD_ID.{0,80}no such file",
        message="`next start` finds no built app in the image",
        hint="Add `RUN npm run build` after COPY in the Dockerfile; in a second stage copy `.next` (or "
        "`.next/standalone` and `.next/static`) too.",
        examples=(
            "Error: Could not find a production build in the '.next' directory. Try building your app with 'next "
            "build'",
        ),
    ),
    failure(
        code="node-module-kind",
        needles=(
            "Cannot use import statement outside a module",
            "ERR_REQUIRE_ESM",
            "require is not defined",
            "require() of ES Module",
            "Unexpected token 'export'",
            "ERR_UNKNOWN_FILE_EXTENSION",
            "Unknown file extension",
        ),
        pattern=r"Cannot use import statement outside a module|ERR_REQUIRE_ESM|require is not defined in ES module|"
        r"require\(\) of ES Module|Unexpected token 'export'|Unknown file extension \"\.ts",
        message="Node.js reads a file as the other kind of module than it is written for (`import` or `require`), or "
        "gets TypeScript that was not compiled",
        hint='Write `"type": "module"` into package.json for files with `import` (and end files with `require` in '
        ".cjs); compile TypeScript in the build (`npm run build`) and start the result.",
        examples=(
            "SyntaxError: Cannot use import statement outside a module",
            "Error [ERR_REQUIRE_ESM]: require() of ES Module /app/node_modules/node-fetch/src/index.js from /app/a.js "
            "not supported.",
            'TypeError [ERR_UNKNOWN_FILE_EXTENSION]: Unknown file extension ".ts" for /app/src/index.ts',
        ),
        explains=(*VAGUE, "node-step-failed", "syntax-error"),
    ),
    failure(
        code="prisma-engine",
        needles=("Prisma", "prisma"),
        pattern=r"Prisma Client could not locate the Query Engine|@prisma/client did not initialize yet|"
        r"PrismaClientInitializationError: (?:Unable to require|Query engine)|Prisma failed to detect the libssl|"
        r"Unable to require\(.{1,200}libquery_engine",
        message="The database client Prisma was not made for this image: its generated part, or OpenSSL, is missing",
        hint="Write `RUN apt-get update && apt-get install -y openssl` and, after COPY, `RUN npx prisma generate`.",
        examples=(
            "PrismaClientInitializationError: Prisma Client could not locate the Query Engine for runtime "
            '"debian-openssl-3.0.x".',
            'Error: @prisma/client did not initialize yet. Please run "prisma generate" and try to import it again.',
        ),
    ),
    failure(
        code="sharp-missing",
        fault=Fault.DEPENDENCY,
        needles=(
            "sharp",
            "native binding",
            "rollup",
            "ELF header",
        ),
        pattern=r"Could not load the \"sharp\" module|Cannot find module @rollup/rollup-linux|"
        r"Cannot find native binding|invalid ELF header",
        message="A compiled Node package is for another system than the image: node_modules was copied from a machine "
        "with another system, or the lock file was made on one",
        hint="Put `node_modules` into .dockerignore, install inside of the image (`RUN npm ci`), and make the lock "
        "file anew if it stays.",
        examples=(
            'Error: Could not load the "sharp" module using the linux-x64 runtime',
            "Error: Cannot find module @rollup/rollup-linux-x64-gnu. npm has a bug related to optional dependencies",
            "Error: /app/node_modules/bcrypt/lib/binding/bcrypt_lib.node: invalid ELF header",
        ),
        explains=(*VAGUE, "node-step-failed", "node-module-missing"),
    ),
    crash(
        code="missing-secret",
        needles=(
            "Environment variable not found",
            "P1012",
        ),
        pattern=r"Environment variable not found: (?P<name>[A-Z][A-Z0-9_]{1,80})",
        message="The app wants {name} in its environment, and nothing sets it",
        hint="Set it: `spaceops secrets set {repo_id} {name}` for what must stay hidden, else under [variables] in "
        "space.toml.",
        examples=(
            "error: Environment variable not found: DATABASE_URL.",
            "PrismaClientInitializationError: error: Environment variable not found: DIRECT_URL.",
        ),
        severity=Severity.ERROR,
    ),
)
