"""Files and programs that an app does not find in its image."""

from __future__ import annotations

from spaceops.symptoms import Place, Symptom
from spaceops.symptoms.kinds import VAGUE, build_failure, crash, failure

SYMPTOMS: tuple[Symptom, ...] = (
    # --- files of the app ---
    crash(
        code="start-file-missing",
        places=(Place.BUILD, Place.RUN),
        needles=(
            "can't open file",
            "Unable to access jarfile",
            "File does not exist",
            "Could not open input file",
            "Cannot find module",
            "Failed to find Flask application",
            "cannot open file",
            "No such file or directory",
            "Could not find or load main class",
            "Path does not exist",
        ),
        pattern=r"can't open file '(?P<path>[^']{1,200})'|Unable to access jarfile (?P<p2>\S{1,200})|"
        r"(?:File|error\s{1,8}Path) does not exist:? (?P<p3>\S{1,200})|Could not open input file: (?P<p4>\S{1,200})|"
        r"cannot open file '(?P<p5>[^']{1,200}\.R)'|Could not find or load main class|^(?:ba|da|"
        r"z)?sh: (?:\d{1,4}: )?(?:cannot open |can't open ')?(?P<p6>[\w./-]{1,200}\.(?:sh|bash))'?: No such file",
        message="The start command names a file that is not in the image at that place",
        hint="Compare the name (capital letters count) and the folder with WORKDIR and COPY in the Dockerfile, and "
        "push the file if the Space has none.",
        examples=(
            "python: can't open file '/app/app.py': [Errno 2] No such file or directory",
            "Error: Unable to access jarfile app.jar",
            "Error: Invalid value: File does not exist: streamlit_app.py",
            "Fatal error: cannot open file 'app.R': No such file or directory",
            "bash: /app/start.sh: No such file or directory",
            "Could not open input file: artisan",
        ),
        unlike=("tail: cannot open 'x.log' for reading: No such file or directory",),
        explains=(*VAGUE, "file-missing"),
    ),
    crash(
        code="start-file-missing",
        needles=(
            "Could not locate a Flask application",
            "Failed to find Flask application",
            "Could not import",
        ),
        pattern=r"Could not locate a Flask application|Failed to find Flask application|(?:While importing|"
        r"Could not import) '(?P<module>[\w.]{1,80})'",
        message="Flask does not find the app: the command or FLASK_APP names a module that is not in the folder where "
        "it starts",
        hint='Write `CMD ["flask", "--app", "main", "run", "--host", "0.0.0.0", "--port", "7860"]` with the name of '
        "your file.",
        examples=(
            "Error: Could not locate a Flask application. Use the 'flask --app' option",
            "Error: Could not import 'main'.",
        ),
    ),
    failure(
        code="file-missing",
        needles=("FileNotFoundError", "No such file or directory", "FileNotFound"),
        pattern=r"FileNotFoundError: (?:\[Errno 2\] )?(?:No such file or directory|"
        r"[^:]{1,120}): '?\"?(?P<path>[^'\"\s]{1,200})",
        message="The app reads the file {path}, which is not in the image or not at that place",
        hint="Push the file and COPY it; a relative path is looked up from WORKDIR, so `Path(__file__).parent / …` "
        "finds it wherever the app starts. A file that the app makes itself needs its folder: `RUN mkdir -p FOLDER`.",
        examples=(
            "FileNotFoundError: [Errno 2] No such file or directory: 'models/model.pkl'",
            "FileNotFoundError: [Errno 2] No such file or directory: '/app/data/index.faiss'",
            'FileNotFoundError: [Errno 2] No such file or directory: "config.yaml"',
        ),
    ),
    failure(
        code="file-missing",
        needles=("NO_SUCHFILE", "Model path does not exist", "NoSuchFile"),
        pattern=r"NO_SUCHFILE|Model path does not exist: (?P<path>\S{1,200})",
        message="The app loads a model from a file that is not in the image or not at that place",
        hint="Push the file (through git-xet or `hf upload`) and COPY it, or download it in the Dockerfile; a relative "
        "path is looked up from WORKDIR.",
        examples=(
            "onnxruntime.capi.onnxruntime_pybind11_state.NoSuchFile: [ONNXRuntimeError] : 3 : NO_SUCHFILE : Load model "
            "from model.onnx failed:Load model model.onnx failed. File doesn't exist",
            "ValueError: Model path does not exist: /models/m.gguf",
        ),
    ),
    build_failure(
        code="file-missing",
        needles=("No such file or directory", "cannot access", "cannot stat", "cannot open"),
        pattern=r"(?:chmod|chown|cp|mv|sed|cat|ls|tar|unzip|install|dos2unix|ln|head|grep|source|\.): "
        r"(?:cannot (?:access|stat|open)|can't (?:read|open|stat))?:? ?['\u2018]?"
        r"(?P<path>(?!/run/secrets)[\w@./*+-]{1,200})['\u2019]?"
        r"(?: for reading)?: No such file or directory|"
        r"can't (?:open|read|stat) '?(?P<p2>(?!/run/secrets)[\w@./*+-]{1,200})'?: No such file",
        message="A step of the Dockerfile uses a file that is not in the image at that point",
        hint="COPY it above that step, at the very place that the step names (WORKDIR counts for a relative path), and "
        "push it if the Space does not have it; capital letters count.",
        examples=(
            "chmod: cannot access '/app/entrypoint.sh': No such file or directory",
            "cp: cannot stat 'dist': No such file or directory",
            "sed: can't read nginx.conf: No such file or directory",
            "cat: requirements.txt: No such file or directory",
        ),
    ),
    failure(
        code="program-missing",
        needles=("Cannot find command", "do you have"),
        pattern=r"Cannot find command '(?P<name>[^']{1,60})'",
        message="pip fetches a package with the program {name}, which is not in the image",
        hint="Add above the pip line: `RUN apt-get update && apt-get install -y --no-install-recommends {name}`.",
        examples=("ERROR: Cannot find command 'git' - do you have 'git' installed and in your PATH?",),
        explains=(*VAGUE, "file-missing"),
    ),
    failure(
        code="program-missing",
        needles=(
            "FileNotFoundError",
            "Couldn't find ffmpeg",
            "NotFoundError",
            "poppler",
            "ffmpeg",
            "TesseractNotFoundError",
            "PDFInfoNotInstalledError",
            "ExecutableNotFound",
            "ExecutableNotFound: failed to execute",
            "not installed on your system",
        ),
        pattern=r"No such file or directory: '(?P<name>ffmpeg|ffprobe|git|tesseract|pdftoppm|pdfinfo|dot|wkhtmltopdf|"
        r"node|npm|java|espeak|espeak-ng|libreoffice|soffice|chromium|chromedriver|google-chrome|curl|wget|unzip|sox|"
        r"pandoc|convert|magick|nginx|redis-server|uvicorn|gunicorn|streamlit|aria2c|rg|make|cmake|gcc|g\+\+|ollama)'|"
        r"(?P<n2>tesseract|TesseractNotFoundError)\b.{0,40}(?:is not installed or|not in your)|"
        r"(?P<n3>espeak(?:-ng)?) not installed on your system|"
        r"PDFInfoNotInstalledError|Couldn't find (?:ffmpeg|ffprobe) or avconv.{0,40}$|"
        r"ExecutableNotFound: failed to execute",
        message="The app calls a program that is not in the image; pip cannot install it",
        hint="Install it above USER in the Dockerfile: `RUN apt-get update && apt-get install -y "
        "--no-install-recommends ffmpeg` (tesseract-ocr, poppler-utils, graphviz, git …).",
        examples=(
            "FileNotFoundError: [Errno 2] No such file or directory: 'ffmpeg'",
            "pytesseract.pytesseract.TesseractNotFoundError: tesseract is not installed or it's not in your PATH.",
            "pdf2image.exceptions.PDFInfoNotInstalledError: Unable to get page count. Is poppler installed and in "
            "PATH?",
            "graphviz.backend.execute.ExecutableNotFound: failed to execute PosixPath('dot')",
        ),
        unlike=("FileNotFoundError: [Errno 2] No such file or directory: 'ffmpeg.json'",),
        explains=(*VAGUE, "file-missing"),
    ),
)
