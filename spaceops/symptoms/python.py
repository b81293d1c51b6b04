"""How a Python app dies: modules, names, files and settings that it does not find, code that does not run."""

from __future__ import annotations

from spaceops.findings import Fault, Severity
from spaceops.symptoms import Place, Symptom
from spaceops.symptoms.kinds import VAGUE, VAGUE_IN_RUNS, crash, failure, trouble

_OWN = r"(?:app|main|wsgi|asgi|server|application|api|src|backend|run|index|project|config|core|web|mysite)"
_GUNICORN = r"gunicorn|Worker failed to boot|Worker exiting"

SYMPTOMS: tuple[Symptom, ...] = (
    # --- modules ---
    failure(
        code="module-not-found",
        needles=("No module named",),
        pattern=r"\bNo module named '?(?P<module>[\w.-]{1,120})",
        message="The app imports {module}, and the image has no such module: it is missing from requirements.txt, or "
        "it is a file of yours that Python does not find",
        hint="Add the package to requirements.txt (its name may differ: cv2 is opencv-python-headless, PIL is Pillow, "
        "yaml is PyYAML, dotenv is python-dotenv, bs4 is beautifulsoup4, sklearn is scikit-learn); for a file of "
        "yours set `ENV PYTHONPATH=/app` or start from its folder.",
        examples=(
            "ModuleNotFoundError: No module named 'cv2'",
            "ImportError: No module named requests",
            "/usr/local/bin/python: No module named uvicorn",
            "ModuleNotFoundError: No module named 'sklearn.externals'; 'sklearn' is not a package",
        ),
    ),
    failure(
        code="module-not-found",
        needles=("PackageNotFoundError", "DistributionNotFound", "No package metadata was found"),
        pattern=r"(?:PackageNotFoundError: (?:No package metadata was found for )?|No package metadata was found for |"
        r"DistributionNotFound: The ')(?P<module>[\w.-]{1,80})",
        message="The app asks for the package {module}, which is not installed in the image",
        hint="Add {module} to requirements.txt; for the project itself write `RUN pip install .`.",
        examples=(
            "importlib.metadata.PackageNotFoundError: No package metadata was found for bitsandbytes",
            "pkg_resources.DistributionNotFound: The 'gunicorn' distribution was not found and is required by the "
            "application",
        ),
        unlike=("PackageNotFoundError handled",),
    ),
    crash(
        code="gunicorn-module",
        needles=("No module named",),
        pattern=r"\bNo module named '?(?P<module>" + _OWN + r")'?(?:$|[;.])",
        near=_GUNICORN,
        message="gunicorn is told to start the module {module}, and finds none in the folder where it starts",
        hint="Name the file without .py, from the folder that WORKDIR names: for /app/src/main.py with `app = …` "
        "write `gunicorn src.main:app`, or `--chdir src main:app`.",
        examples=(
            "ModuleNotFoundError: No module named 'app'\n[2026-03-01 10:00:00 +0000] [7] [INFO] Worker exiting (pid: "
            "7)",
            "ModuleNotFoundError: No module named 'wsgi'\n[ERROR] Reason: Worker failed to boot.",
            'File "/usr/local/lib/python3.11/site-packages/gunicorn/util.py", line 371, in import_app\n'
            "ModuleNotFoundError: No module named 'main'",
        ),
        unlike=("ModuleNotFoundError: No module named 'application_insights'",),
        explains=(*VAGUE_IN_RUNS, "module-not-found"),
    ),
    crash(
        code="gunicorn-module",
        needles=("Failed to find attribute", "Failed to parse", "find application object"),
        pattern=r"Failed to find attribute '(?P<attribute>[^']{1,80})' in '(?P<module>[^']{1,80})'|Failed to (?:parse|"
        r"find application object) '(?P<other>[^']{1,80})'(?: as an attribute name| in)",
        message="gunicorn found the module but not the app in it, under the name that follows the colon",
        hint="Write the name of the variable that holds the app: for `server = Flask(__name__)` in main.py, `gunicorn "
        "main:server`.",
        examples=(
            "Failed to find attribute 'app' in 'main'.",
            "Failed to parse 'create_app(' as an attribute name or function call.",
            "gunicorn.errors.AppImportError: Failed to find attribute 'application' in 'wsgi'.",
        ),
    ),
    crash(
        code="worker-failed-to-boot",
        needles=("Worker failed to boot",),
        pattern=r"Worker failed to boot",
        message="gunicorn's worker ended before it could answer; the reason is the error that the log shows above",
        hint="Read the last error above this line, or start gunicorn with `--preload` to see it alone.",
        examples=(
            "[2026-03-01 10:00:00 +0000] [1] [ERROR] Reason: Worker failed to boot.",
            "gunicorn.errors.HaltServer: <HaltServer 'Worker failed to boot.' 3>",
        ),
        explains=("launch-timeout", "space-in-error-503"),
    ),
    crash(
        code="asgi-module-missing",
        needles=("Could not import module", "No module named"),
        pattern=r"Error loading ASGI app\. Could not import module \"(?P<module>[^\"]{1,120})\"",
        message="uvicorn is told to start the module {module}, and finds none in the folder where it starts",
        hint="Name the file without .py, from the folder that WORKDIR names: for /app/src/main.py with `app = …` "
        "write `uvicorn src.main:app`, or add `--app-dir src`.",
        examples=(
            'ERROR:    Error loading ASGI app. Could not import module "main".',
            'ERROR: Error loading ASGI app. Could not import module "backend.app".',
        ),
    ),
    crash(
        code="asgi-module-missing",
        needles=("No module named", "NoAppError", "Unable to load application"),
        pattern=r"(?:NoAppError|Unable to load application).{0,160}",
        message="The server is told to start a module that it does not find in the folder where it starts",
        hint="Name the file without .py, from the folder that WORKDIR names: `src.main:app` for /app/src/main.py with "
        "`app = …`.",
        examples=("hypercorn.utils.NoAppError: Cannot load application from 'main:app', module not found.",),
    ),
    crash(
        code="asgi-attr-missing",
        needles=("Error loading ASGI app",),
        pattern=r"Error loading ASGI app\. (?:Attribute \"(?P<attribute>[^\"]{1,80})\" not found in module "
        r"\"(?P<module>[^\"]{1,120})\"|Import string \"(?P<what>[^\"]{1,120})\" must be)",
        message="uvicorn found the module but not the app in it, under the name that follows the colon",
        hint="Write FILE:VARIABLE, the name of the variable that holds the app: for `api = FastAPI()` in main.py, "
        "`uvicorn main:api`.",
        examples=(
            'ERROR:    Error loading ASGI app. Attribute "app" not found in module "main".',
            'ERROR: Error loading ASGI app. Import string "main" must be in format "<module>:<attribute>".',
        ),
    ),
    failure(
        code="audioop-313",
        needles=("No module named",),
        pattern=r"No module named '?(?P<module>audioop|pyaudioop|imp|distutils|cgi|telnetlib|imghdr|sndhdr|crypt|"
        r"nntplib|asynchat|asyncore|smtpd|pkg_resources|lib2to3)(?:\.\w{1,40})?'?(?:$|[;.])",
        message="A package imports {module}, which the image's newer Python does not have any more",
        hint="Add what stands in for it to requirements.txt (`audioop-lts` for audioop, `setuptools<81` for distutils "
        "and pkg_resources, `standard-{module}` for others), or take `FROM python:3.11-slim`.",
        examples=(
            "ModuleNotFoundError: No module named 'audioop'",
            "ModuleNotFoundError: No module named 'distutils'",
            "ModuleNotFoundError: No module named 'pkg_resources'",
            "ModuleNotFoundError: No module named 'pyaudioop'",
        ),
        unlike=("ModuleNotFoundError: No module named 'important'",),
        explains=(*VAGUE, "module-not-found", "pip-wheel-build-failed"),
    ),
    failure(
        code="circular-import",
        needles=("circular import",),
        pattern=r"cannot import name '?(?P<name>[\w.]{1,80})'? from partially initialized module "
        r"'?(?P<module>[\w.]{1,120})|partially initialized module '(?P<m2>[\w.]{1,120})' has no attribute",
        message="Two files import each other, or a file of yours has the name of a package that it imports, so that "
        "Python finds the file in place of the package",
        hint="Rename a file that is called like a package (openai.py, gradio.py, random.py), or move one of the "
        "imports into the function that needs it.",
        examples=(
            "ImportError: cannot import name 'db' from partially initialized module 'app' (most likely due to a "
            "circular import) (/app/app.py)",
            "AttributeError: partially initialized module 'gradio' has no attribute 'Interface' (most likely due to a "
            "circular import)",
        ),
        explains=(*VAGUE, "import-name-error", "dependency-api-changed"),
    ),
    failure(
        code="import-name-error",
        fault=Fault.DEPENDENCY,
        needles=("cannot import name",),
        pattern=r"cannot import name '?\"?(?P<name>[\w.]{1,80})'?\"? from '?\"?(?P<module>[\w.]{1,120})",
        message="{module} has nothing named {name}: most often a newer version of it was installed than the app was "
        "written for",
        hint="Write the version that the app was written with into requirements.txt (`pip freeze` on a machine where "
        "it runs shows it).",
        examples=(
            "ImportError: cannot import name 'HfFolder' from 'huggingface_hub' "
            "(/usr/local/lib/python3.11/site-packages/huggingface_hub/__init__.py)",
            "ImportError: cannot import name 'url_quote' from 'werkzeug.urls'",
            "ImportError: cannot import name cached_download from huggingface_hub",
        ),
    ),
    failure(
        code="dependency-api-changed",
        fault=Fault.DEPENDENCY,
        needles=("has no attribute",),
        pattern=r"AttributeError: (?:module|"
        r"partially initialized module) '(?P<module>[\w.]{1,120})' has no attribute "
        r"'(?P<name>(?!ImpImporter)\w{1,80})'",
        message="{module} has nothing named {name}: most often another version of it was installed than the app was "
        "written for",
        hint="Write the version that the app was written with into requirements.txt (`pip freeze` on a machine where "
        "it runs shows it), or use the name that the installed version has.",
        examples=(
            "AttributeError: module 'numpy' has no attribute 'float'.",
            "AttributeError: module 'PIL.Image' has no attribute 'ANTIALIAS'",
            "AttributeError: module 'openai' has no attribute 'ChatCompletion'",
        ),
        unlike=("AttributeError: 'NoneType' object has no attribute 'group'",),
    ),
    failure(
        code="dependency-api-changed",
        fault=Fault.DEPENDENCY,
        needles=(
            "unexpected keyword argument",
            "APIRemovedInV1",
            "no longer supported in openai",
            "PydanticImportError",
        ),
        pattern=r"TypeError: (?P<function>(?:Async)?(?:Sync\w{0,20})?[\w.]{1,100}(?:__init__)?\(\)) got an unexpected "
        r"keyword argument '(?P<name>\w{1,80})'|APIRemovedInV1|PydanticImportError: |no longer supported in openai>=1",
        message="A package is called in a way that its installed version does not know: it is newer or older than the "
        "app, or another package, was written for",
        hint="Write the versions that belong together into requirements.txt (for `proxies` of the OpenAI client: "
        "`httpx<0.28`, or a newer openai).",
        examples=(
            "TypeError: Client.__init__() got an unexpected keyword argument 'proxies'",
            "TypeError: Chatbot.__init__() got an unexpected keyword argument 'bubble_full_width'",
            "openai.lib._old_api.APIRemovedInV1:",
        ),
    ),
    failure(
        code="python-multipart-missing",
        needles=("python-multipart", "python_multipart"),
        pattern=r"Form data requires \"?python-multipart|python[-_]multipart\"? (?:must be|library must be|"
        r"to be) installed",
        message="The app takes forms or uploaded files, for which FastAPI needs a package that is not installed",
        hint="Add `python-multipart` to requirements.txt.",
        examples=(
            'RuntimeError: Form data requires "python-multipart" to be installed.',
            "AssertionError: The python-multipart library must be installed to use form parsing.",
        ),
        explains=(*VAGUE, "optional-package-missing"),
    ),
    failure(
        code="jinja2-missing",
        needles=("jinja2 must be installed", "Jinja2", "jinja2"),
        pattern=r"[Jj]inja2 must be installed|install [Jj]inja2 to",
        message="The app shows templates, for which the framework needs a package that is not installed",
        hint="Add `jinja2` to requirements.txt.",
        examples=("AssertionError: jinja2 must be installed to use Jinja2Templates",),
    ),
    failure(
        code="optional-package-missing",
        needles=(
            "package is not installed",
            "not installed",
            "requires the following packages",
            "but it was not found in your environment",
            "pip install",
            "to be installed",
        ),
        pattern=r"(?:ImportError|RuntimeError|ModuleNotFoundError|ValueError|OSError|"
        r"AssertionError)\b.{0,200}(?:`?pip install [\"'`]?(?P<package>[\w\[\],.-]{1,60})|"
        r"requires? the following packages.{0,60}not found|(?:is|are) not installed|"
        r"requires? .{1,60}to be installed)|requires the \w{1,30} library but it was not found in your environment",
        message="A package needs another one that is not installed; pip does not bring it by itself because it is "
        "optional",
        hint="Add the package that the line names to requirements.txt.",
        examples=(
            "ImportError: email-validator is not installed, run `pip install pydantic[email]`",
            "ImportError: Using `low_cpu_mem_usage=True` requires Accelerate: `pip install 'accelerate>=0.26.0'`",
            "ImportError: AutoModel requires the PyTorch library but it was not found in your environment.",
            "RuntimeError: The starlette.testclient module requires the httpx package to be installed.",
        ),
        unlike=("ModuleNotFoundError: No module named 'foo'", "INFO: run pip install to update"),
        explains=(*VAGUE, "module-not-found"),
    ),
    # --- versions of compiled packages ---
    failure(
        code="numpy-abi",
        fault=Fault.DEPENDENCY,
        needles=(
            "NumPy",
            "numpy.dtype size changed",
            "numpy.core.multiarray",
            "Numpy is not available",
            "compiled against",
        ),
        pattern=r"compiled using NumPy 1\.x cannot be run in|numpy\.dtype size changed|"
        r"numpy\.core\.multiarray failed to import|RuntimeError: Numpy is not available|compiled against (?:ABI|"
        r"API) version",
        message="A compiled package was made for another version of NumPy than the one that is installed",
        hint="Add `numpy<2` to requirements.txt, or take a newer version of the package that the log names.",
        examples=(
            "A module that was compiled using NumPy 1.x cannot be run in",
            "ValueError: numpy.dtype size changed, may indicate binary incompatibility. Expected 96 from C header, "
            "got 88",
            "ImportError: numpy.core.multiarray failed to import",
            "RuntimeError: Numpy is not available",
        ),
        explains=(*VAGUE, "import-name-error", "dependency-api-changed"),
    ),
    failure(
        code="package-versions-conflict",
        fault=Fault.DEPENDENCY,
        needles=(
            "is required for a normal functioning",
            "undefined symbol",
            "operator torchvision::nms does not exist",
            "ContextualVersionConflict",
            "VersionConflict",
        ),
        pattern=r"(?P<wanted>[\w.<>=!~,-]{3,120}) is required for a normal functioning|undefined symbol: \w{1,200}|"
        r"operator torchvision::nms does not exist|(?:Contextual)?VersionConflict",
        message="Two installed packages do not fit each other: one was made for another version of the other",
        hint="Install them in versions that belong together (torch, torchvision and torchaudio of one release; "
        "transformers with its tokenizers and huggingface_hub) and write the versions into requirements.txt.",
        examples=(
            "ImportError: tokenizers>=0.21,<0.22 is required for a normal functioning of this module, but found "
            "tokenizers==0.19.1.",
            "ImportError: /usr/local/lib/python3.11/site-packages/torchaudio/lib/libtorchaudio.so: undefined symbol: "
            "_ZN3c10",
            "RuntimeError: operator torchvision::nms does not exist",
        ),
    ),
    failure(
        code="package-versions-conflict",
        fault=Fault.DEPENDENCY,
        needles=("Descriptors cannot be created directly", "Descriptors cannot not be created directly"),
        pattern=r"Descriptors cannot (?:not )?be created directly",
        message="A package was made for an older protobuf than the one that is installed",
        hint="Add `protobuf<=3.20.3` to requirements.txt, or take a newer version of the package whose _pb2.py file "
        "the lines above name.",
        examples=("TypeError: Descriptors cannot be created directly.",),
    ),
    # --- code ---
    failure(
        code="syntax-error",
        needles=("SyntaxError", "IndentationError", "TabError"),
        pattern=r"^(?:\w{0,20}: ?)?(?P<kind>SyntaxError|IndentationError|TabError): (?P<what>(?!.{0,60}(?:in JSON|"
        r"Unexpected token|Cannot use import|Named export|missing \)|The requested module|Unexpected identifier|"
        r"Invalid or unexpected|Unexpected end|unexpected token in)).{1,160})",
        message="A Python file cannot be read: {what}; the lines above name the file and the line",
        hint="Mend that line; where it is right, the image's Python is too old for it: take `FROM python:3.12-slim`.",
        examples=(
            "SyntaxError: invalid syntax",
            "IndentationError: unexpected indent",
            "SyntaxError: invalid non-printable character U+00A0",
            "TabError: inconsistent use of tabs and spaces in indentation",
        ),
        unlike=(
            "SyntaxError: Unexpected token '<', \"<!DOCTYPE \"... is not valid JSON",
            "SyntaxError: Cannot use import statement outside a module",
        ),
    ),
    failure(
        code="python-too-old",
        needles=("unsupported operand type", "not subscriptable", "No module named", "cannot import name"),
        pattern=r"TypeError: unsupported operand type\(s\) for \|: '(?:type|_?\w{0,30}GenericAlias|ModelMetaclass|"
        r"ABCMeta|NoneType)' and |TypeError: '(?:type|ABCMeta)' object is not subscriptable|No module named 'tomllib'|"
        r"cannot import name '(?P<name>StrEnum|UTC|Self|Annotated|TypeAlias|ParamSpec|override|NotRequired|"
        r"assert_never)' from '(?:enum|datetime|typing)'",
        message="The code needs a newer Python than the one in the image",
        hint="Take a newer base image: `FROM python:3.12-slim`.",
        examples=(
            "TypeError: unsupported operand type(s) for |: 'type' and 'NoneType'",
            "TypeError: 'type' object is not subscriptable",
            "ImportError: cannot import name 'StrEnum' from 'enum' (/usr/local/lib/python3.9/enum.py)",
            "ModuleNotFoundError: No module named 'tomllib'",
        ),
        explains=(*VAGUE, "module-not-found", "import-name-error"),
    ),
    # --- data that the app reads ---
    crash(
        code="pickle-versions",
        fault=Fault.DEPENDENCY,
        needles=(
            "Can't get attribute",
            "unsupported pickle protocol",
            "incompatible dtype from the pickle",
            "BitGenerator module",
        ),
        pattern=r"Can't get attribute '(?P<name>[^']{1,80})' on <module|unsupported pickle protocol|"
        r"incompatible dtype from the pickle|is not a known BitGenerator module",
        message="A saved model was written with other versions of Python or of its packages, or by a script that "
        "defined its own classes, and cannot be read here",
        hint="Install the versions with which it was saved (scikit-learn and numpy above all), or save it again with "
        "those of requirements.txt; move own classes into a module that both import.",
        examples=(
            "AttributeError: Can't get attribute '_RemainderColsList' on <module 'sklearn.compose._column_transformer'",
            "ValueError: unsupported pickle protocol: 5",
            "ValueError: <class 'numpy.random._mt19937.MT19937'> is not a known BitGenerator module.",
        ),
    ),
    trouble(
        code="tcache-deprecated",
        places=(Place.BUILD, Place.RUN),
        needles=("TRANSFORMERS_CACHE",),
        pattern=r"Using `?TRANSFORMERS_CACHE`? is deprecated",
        message="The variable TRANSFORMERS_CACHE is used, which newer transformers do not read any more, so the model "
        "is downloaded elsewhere",
        hint="Set `ENV HF_HOME=…` to the same folder and take TRANSFORMERS_CACHE out.",
        examples=(
            "FutureWarning: Using `TRANSFORMERS_CACHE` is deprecated and will be removed in v5 of Transformers. Use "
            "`HF_HOME` instead.",
        ),
    ),
    trouble(
        code="matplotlib-cache",
        severity=Severity.INFO,
        places=(Place.BUILD, Place.RUN),
        needles=("MPLCONFIGDIR",),
        pattern=r"Matplotlib created a temporary (?:config/)?cache directory|"
        r"MPLCONFIGDIR environment variable to a writable",
        message="Matplotlib cannot write to its folder and makes a new one at each start, which slows the start down",
        hint="Add `ENV MPLCONFIGDIR=/tmp/matplotlib` to the Dockerfile.",
        examples=(
            "Matplotlib created a temporary cache directory at /tmp/matplotlib-ab because the default path "
            "(/.config/matplotlib) is not a writable directory; set the MPLCONFIGDIR environment variable",
        ),
    ),
)
