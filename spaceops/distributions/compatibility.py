"""Tables: which versions of packages do not work together, with a Python, or without another package.

Sources: the packages' metadata and release notes, November 2026. A new entry is one line.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

# Modules of Python that are on the index too, mostly as backports for old versions. The others are not there.
_ON_THE_INDEX_TOO = """
antigravity argparse ast asyncio chunk configparser contextvars dataclasses datetime dis email enum functools
graphlib hmac html http importlib ipaddress logging mailbox modulefinder multiprocessing pathlib readline resource
secrets selectors ssl statistics token typing uuid wave wsgiref
"""
ON_THE_INDEX_TOO = frozenset(_ON_THE_INDEX_TOO.split())

# Names that pip does not find, or that refuse to be installed, and what is meant.
NOT_INSTALLABLE: Mapping[str, str] = {
    "beautifulsoup": "beautifulsoup4",
    "corsheaders": "django-cors-headers",
    "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil",
    "git": "GitPython",
    "googleapiclient": "google-api-python-client",
    "magic": "python-magic",
    "mysqldb": "mysqlclient",
    "opencv": "opencv-python-headless",
    "openssl": "pyOpenSSL",
    "pil": "pillow",
    "pkg-resources": "setuptools",
    "pptx": "python-pptx",
    "pytorch": "torch",
    "rest-framework": "djangorestframework",
    "speech-recognition": "SpeechRecognition",
    "tensorflow-gpu": "tensorflow",
    "win32api": "",
    "yaml": "PyYAML",
}

# Names that pip finds, but another package than the one whose module has this name.
MISTAKEN: Mapping[str, str] = {
    "crypto": "pycryptodome",
    "docx": "python-docx",
    "faiss": "faiss-cpu",
    "ffmpeg": "ffmpeg-python",
    "fitz": "pymupdf",
    "huggingface": "huggingface_hub",
    "jose": "python-jose",
    "jwt": "PyJWT",
    "serial": "pyserial",
    "telegram": "python-telegram-bot",
    "whisper": "openai-whisper",
}

# Packages that exist for another system only.
NOT_FOR_LINUX: Mapping[str, str] = {
    "pypiwin32": "Windows",
    "python-magic-bin": "Windows and macOS",
    "pywin32": "Windows",
    "tensorflow-intel": "Windows",
    "tensorflow-macos": "macOS",
    "tensorflow-metal": "macOS",
    "windows-curses": "Windows",
}


class Wheels(NamedTuple):
    """From which version on a package has wheels for a Python, and whether older ones surely cannot be installed."""

    python: tuple[int, int]
    first: str
    is_certain: bool = False


# Of packages with code in C or Rust; `True` where there is no source to build from, or it does not build.
WHEELS: Mapping[str, tuple[Wheels, ...]] = {
    "aiohttp": (Wheels((3, 12), "3.9.0"), Wheels((3, 13), "3.10.6")),
    "asyncpg": (Wheels((3, 12), "0.29.0"), Wheels((3, 13), "0.30.0")),
    "greenlet": (Wheels((3, 12), "3.0.0"), Wheels((3, 13), "3.1.0")),
    "httptools": (Wheels((3, 12), "0.6.0"), Wheels((3, 13), "0.6.2")),
    "matplotlib": (Wheels((3, 12), "3.8.0"), Wheels((3, 13), "3.9.2")),
    "numba": (Wheels((3, 12), "0.59.0"), Wheels((3, 13), "0.61.0")),
    "numpy": (Wheels((3, 12), "1.26.0", True), Wheels((3, 13), "2.1.0"), Wheels((3, 14), "2.3.2")),
    "onnxruntime": (Wheels((3, 12), "1.17.0", True), Wheels((3, 13), "1.20.0", True)),
    "pandas": (Wheels((3, 12), "2.1.1"), Wheels((3, 13), "2.2.3")),
    "pillow": (Wheels((3, 12), "10.1.0"), Wheels((3, 13), "10.4.0")),
    "psycopg2-binary": (Wheels((3, 12), "2.9.9"), Wheels((3, 13), "2.9.10")),
    "pyarrow": (Wheels((3, 12), "14.0.0"), Wheels((3, 13), "18.0.0")),
    "pydantic": (Wheels((3, 13), "2.8.0"), Wheels((3, 14), "2.12.0")),
    "pydantic-core": (Wheels((3, 12), "2.10.0"), Wheels((3, 13), "2.20.0")),
    "pyyaml": (Wheels((3, 12), "6.0.1"), Wheels((3, 13), "6.0.2")),
    "scikit-learn": (Wheels((3, 12), "1.3.1"), Wheels((3, 13), "1.5.2")),
    "scipy": (Wheels((3, 12), "1.11.2"), Wheels((3, 13), "1.14.1")),
    "tensorflow": (Wheels((3, 12), "2.16.1", True), Wheels((3, 13), "2.20.0", True)),
    "tensorflow-cpu": (Wheels((3, 12), "2.16.1", True), Wheels((3, 13), "2.20.0", True)),
    "tokenizers": (Wheels((3, 12), "0.14.1"), Wheels((3, 13), "0.20.0")),
    "torch": (Wheels((3, 12), "2.2.0", True), Wheels((3, 13), "2.5.0", True), Wheels((3, 14), "2.9.0", True)),
    "uvloop": (Wheels((3, 12), "0.18.0"), Wheels((3, 13), "0.21.0")),
}

# From which version on a package asks for which Python.
WANTS_PYTHON: Mapping[str, tuple[tuple[str, tuple[int, int]], ...]] = {
    "django": (("4.0", (3, 8)), ("5.0", (3, 10)), ("6.0", (3, 12))),
    "gradio": (("4.0", (3, 8)), ("5.0", (3, 10))),
    "matplotlib": (("3.8", (3, 9)), ("3.10", (3, 10))),
    "networkx": (("3.2", (3, 9)), ("3.3", (3, 10)), ("3.5", (3, 11))),
    "numpy": (("1.25", (3, 9)), ("2.1", (3, 10)), ("2.3", (3, 11))),
    "pandas": (("2.1", (3, 9)), ("3.0", (3, 11))),
    "pillow": (("11.0", (3, 9)), ("12.0", (3, 10))),
    "scikit-learn": (("1.4", (3, 9)), ("1.7", (3, 10)), ("1.8", (3, 11))),
    "scipy": (("1.11", (3, 9)), ("1.14", (3, 10)), ("1.16", (3, 11))),
    "torch": (("2.5", (3, 9)), ("2.9", (3, 10))),
}


class Conflict(NamedTuple):
    """Two pins that cannot be met together: what the first asks of the second."""

    one: str
    versions: str  # of the first
    other: str
    wants: str


CONFLICTS = (
    Conflict("fastapi", "<0.100", "pydantic", "<2"),
    Conflict("fastapi", ">=0.111", "starlette", ">=0.37.2"),
    Conflict("flask", ">=2.3,<3.0", "werkzeug", ">=2.3"),
    Conflict("flask", ">=3.0", "werkzeug", ">=3.0"),
    Conflict("langchain", ">=0.3,<0.4", "langchain-core", ">=0.3,<1"),
    Conflict("pydantic-settings", ">=2.0", "pydantic", ">=2"),
    Conflict("tensorflow", ">=2.16,<2.18", "numpy", "<2"),
    Conflict("tensorflow-cpu", ">=2.16,<2.18", "numpy", "<2"),
    Conflict("transformers", ">=4.40,<4.45", "tokenizers", ">=0.19,<0.20"),
    Conflict("transformers", ">=4.45,<4.47", "tokenizers", ">=0.20,<0.21"),
    Conflict("transformers", ">=4.47,<4.50", "tokenizers", ">=0.21,<0.22"),
    Conflict("torchvision", ">=0.15,<0.16", "torch", ">=2.0,<2.1"),
    Conflict("torchvision", ">=0.16,<0.17", "torch", ">=2.1,<2.2"),
    Conflict("torchvision", ">=0.17,<0.18", "torch", ">=2.2,<2.3"),
    Conflict("torchvision", ">=0.18,<0.19", "torch", ">=2.3,<2.4"),
    Conflict("torchvision", ">=0.19,<0.20", "torch", ">=2.4,<2.5"),
    Conflict("torchvision", ">=0.20,<0.21", "torch", ">=2.5,<2.6"),
    Conflict("torchvision", ">=0.21,<0.22", "torch", ">=2.6,<2.7"),
    Conflict("torchvision", ">=0.22,<0.23", "torch", ">=2.7,<2.8"),
    Conflict("torchaudio", ">=2.1,<2.2", "torch", ">=2.1,<2.2"),
    Conflict("torchaudio", ">=2.2,<2.3", "torch", ">=2.2,<2.3"),
    Conflict("torchaudio", ">=2.3,<2.4", "torch", ">=2.3,<2.4"),
    Conflict("torchaudio", ">=2.4,<2.5", "torch", ">=2.4,<2.5"),
    Conflict("torchaudio", ">=2.5,<2.6", "torch", ">=2.5,<2.6"),
)


class Pair(NamedTuple):
    """An old package that breaks with a new version of another, which it does not keep out."""

    old: str
    below: str  # versions of it that break
    new: str
    since: str  # the version of the other that breaks it
    error: str


PAIRS = (
    Pair("flask", "2.2.5", "werkzeug", "3.0", "cannot import name 'url_quote' from 'werkzeug.urls'"),
    Pair("flask", "2.0", "jinja2", "3.1", "cannot import name 'escape' from 'jinja2'"),
    Pair("flask", "1.1.4", "itsdangerous", "2.1", "cannot import name 'json' from 'itsdangerous'"),
    Pair("gradio", "4.44", "huggingface-hub", "1.0", "cannot import name 'HfFolder' from 'huggingface_hub'"),
    Pair("sentence-transformers", "2.3", "huggingface-hub", "0.26", "cannot import name 'cached_download'"),
    Pair("diffusers", "0.26", "huggingface-hub", "0.26", "cannot import name 'cached_download'"),
    Pair("openai", "1.55.3", "httpx", "0.28", "Client.__init__() got an unexpected keyword argument 'proxies'"),
    Pair("groq", "0.13", "httpx", "0.28", "Client.__init__() got an unexpected keyword argument 'proxies'"),
    Pair("anthropic", "0.40", "httpx", "0.28", "Client.__init__() got an unexpected keyword argument 'proxies'"),
)


class Gone(NamedTuple):
    """A name that a package, or Python itself, no longer has."""

    module: str
    name: str  # "" for the module itself
    distribution: str  # "" for Python
    since: str
    instead: str


GONE = (
    *(
        Gone("collections", name, "", "3.10", f"from collections.abc import {name}")
        for name in ("Callable", "Hashable", "Iterable", "Iterator", "Mapping", "MutableMapping", "Sequence", "Set")
    ),
    Gone("flask", "Markup", "flask", "3.0", "from markupsafe import Markup"),
    Gone("flask", "escape", "flask", "3.0", "from markupsafe import escape"),
    Gone("flask", "_request_ctx_stack", "flask", "2.3", "flask.g"),
    Gone("flask.json", "JSONEncoder", "flask", "2.3", "from flask.json.provider import DefaultJSONProvider"),
    Gone("huggingface_hub", "HfFolder", "huggingface-hub", "1.0", "from huggingface_hub import get_token"),
    Gone("huggingface_hub", "Repository", "huggingface-hub", "1.0", "from huggingface_hub import snapshot_download"),
    Gone(
        "huggingface_hub", "cached_download", "huggingface-hub", "0.26", "from huggingface_hub import hf_hub_download"
    ),
    Gone("jinja2", "Markup", "jinja2", "3.1", "from markupsafe import Markup"),
    Gone("jinja2", "escape", "jinja2", "3.1", "from markupsafe import escape"),
    Gone("moviepy.editor", "", "moviepy", "2.0", "import from moviepy itself, or pin moviepy==1.0.3"),
    Gone("pydantic", "BaseSettings", "pydantic", "2.0", "from pydantic_settings import BaseSettings"),
    Gone("sklearn.externals", "joblib", "scikit-learn", "0.23", "import joblib"),
    Gone("torchvision.transforms.functional_tensor", "", "torchvision", "0.17", "torchvision.transforms.functional"),
    Gone("transformers", "AdamW", "transformers", "4.50", "from torch.optim import AdamW"),
    Gone("werkzeug", "secure_filename", "werkzeug", "1.0", "from werkzeug.utils import secure_filename"),
    Gone("werkzeug.urls", "url_quote", "werkzeug", "3.0", "from urllib.parse import quote"),
    Gone("werkzeug.urls", "url_decode", "werkzeug", "3.0", "from urllib.parse import parse_qs"),
)


class Companion(NamedTuple):
    """A function that needs a package that its own does not bring. `fails`: with the call, and so at the start."""

    call: str
    needs: tuple[str, ...]  # one of these
    advice: str


COMPANIONS = (
    Companion("transformers.pipeline", ("torch", "tensorflow", "tensorflow-cpu", "jax", "flax"), "torch"),
    Companion("pandas.read_excel", ("openpyxl", "xlrd", "python-calamine", "odfpy", "pyxlsb"), "openpyxl"),
    Companion("pandas.read_parquet", ("pyarrow", "fastparquet"), "pyarrow"),
    Companion("pandas.read_html", ("lxml", "html5lib", "beautifulsoup4"), "lxml"),
)

# Versions below these were compiled for NumPy 1 and do not ask for it.
FOR_NUMPY_1: Mapping[str, str] = {
    "faiss-cpu": "1.9.0",
    "onnxruntime": "1.19.0",
    "opencv-contrib-python": "4.10.0.84",
    "opencv-contrib-python-headless": "4.10.0.84",
    "opencv-python": "4.10.0.84",
    "opencv-python-headless": "4.10.0.84",
    "pandas": "2.1",
    "torch": "2.3",
}
# Packages that ask for NumPy 1 in versions of the same age, so that pip installs that.
_HOLDS_NUMPY_1 = """
gradio langchain langchain-community librosa matplotlib mediapipe numba scikit-learn scipy spacy tensorflow
tensorflow-cpu thinc
"""
HOLDS_NUMPY_1 = frozenset(_HOLDS_NUMPY_1.split())

# Packages that bring an OpenCV with windows, which needs libGL.
WITH_LIBGL = frozenset(["opencv-python", "opencv-contrib-python", "ultralytics", "paddleocr", "mediapipe", "deepface"])
LIBGL_SAFE_BELOW = "4.12"  # opencv-python below it surely needs libGL

# Packages that ask for torch by themselves.
_BRING_TORCH = """
torch torchvision torchaudio sentence-transformers ultralytics easyocr openai-whisper accelerate timm bitsandbytes
peft
"""
BRING_TORCH = frozenset(_BRING_TORCH.split())
