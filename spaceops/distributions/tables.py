"""Tables: which distribution brings which Python module, what else it brings along, what Python itself lost.

They say at least what is true: a distribution is listed with everything that one of its versions of the last years
needs, so that nothing is called missing that may be there. Sources: the packages' own metadata, November 2026.
A new entry is one line; a line that begins with spaces goes on with the one before.
"""

from __future__ import annotations

from collections.abc import Mapping

# What `pip install` of the name installs too, `name[extra]` for what an extra adds.
NEEDS = """
accelerate: huggingface-hub numpy packaging psutil pyyaml safetensors torch
aiofiles:
aiohappyeyeballs:
aiohttp: aiohappyeyeballs aiosignal async-timeout attrs charset-normalizer frozenlist multidict propcache
  typing-extensions yarl
aiosignal: frozenlist typing-extensions
aiosmtplib:
aiosqlite: typing-extensions
alembic: mako sqlalchemy typing-extensions tomli
altair: jinja2 jsonschema narwhals numpy packaging pandas toolz typing-extensions
annotated-doc:
annotated-types: typing-extensions
anthropic: anyio distro docstring-parser httpx jiter pydantic sniffio tokenizers typing-extensions httpx2
antlr4-python3-runtime:
anyio: exceptiongroup idna sniffio typing-extensions
appdirs:
apscheduler: pytz setuptools six tzlocal
argon2-cffi: argon2-cffi-bindings
argon2-cffi-bindings: cffi
asgiref: typing-extensions
async-timeout:
asyncpg: async-timeout
attrs:
audioop-lts:
audioread: standard-aifc standard-sunau
authlib: cryptography joserfc
av: numpy
backoff:
bcrypt:
beautifulsoup4: soupsieve typing-extensions
bitsandbytes: numpy packaging scipy torch
blinker:
boto3: botocore jmespath s3transfer
botocore: jmespath python-dateutil urllib3
branca: jinja2
brotli:
cachetools:
celery: billiard click click-didyoumean click-plugins click-repl kombu python-dateutil pytz tzdata tzlocal vine
  exceptiongroup
billiard:
build: colorama importlib-metadata packaging pyproject-hooks tomli
certifi:
cffi: pycparser
chardet:
charset-normalizer:
chroma-hnswlib: numpy
chromadb: bcrypt build chroma-hnswlib fastapi graphlib-backport grpcio httpx importlib-resources jsonschema kubernetes
  mmh3 numpy onnxruntime opentelemetry-api opentelemetry-exporter-otlp-proto-grpc
  opentelemetry-instrumentation-fastapi opentelemetry-sdk orjson overrides posthog pulsar-client pybase64 pydantic
  pydantic-settings pypika pyyaml requests rich tenacity tokenizers tqdm typer typing-extensions uvicorn[standard]
click: colorama
click-didyoumean: click
click-plugins: click
click-repl: click prompt-toolkit
cloudpickle:
cohere: fastavro httpx httpx-sse parameterized pydantic pydantic-core requests tokenizers types-requests
  typing-extensions
colorama:
coloredlogs: humanfriendly
contourpy: numpy
cryptography: cffi typing-extensions
ctranslate2: numpy pyyaml setuptools
curl-cffi: certifi cffi rich
cycler:
dataclasses-json: marshmallow typing-inspect
datasets: aiohttp dill filelock fsspec httpx huggingface-hub multiprocess numpy packaging pandas pyarrow
  pyarrow-hotfix pyyaml requests responses tqdm xxhash
decorator:
deprecated: wrapt
diffusers: filelock httpx huggingface-hub importlib-metadata numpy pillow regex requests safetensors
dill:
diskcache:
distro:
dnspython:
django: asgiref sqlparse tzdata pytz
djangorestframework: django pytz
django-cors-headers: asgiref django
dj-database-url: django typing-extensions
docker: requests urllib3 packaging websocket-client
docstring-parser:
durationpy:
email-validator: dnspython idna
emoji: typing-extensions
et-xmlfile:
einops:
exceptiongroup: typing-extensions
faiss-cpu: numpy packaging
fastapi: annotated-doc pydantic starlette typing-extensions typing-inspection opentelemetry-api
fastapi[all]: email-validator fastapi-cli[standard] httpx itsdangerous jinja2 orjson pydantic-extra-types
  pydantic-settings python-multipart pyyaml ujson uvicorn[standard]
  httpx2 opentelemetry-exporter-otlp-proto-http opentelemetry-sdk
fastapi[standard]: email-validator fastapi-cli[standard] fastar httpx jinja2 pydantic-extra-types pydantic-settings
  python-multipart uvicorn[standard] httpx2 opentelemetry-exporter-otlp-proto-http opentelemetry-sdk
fastapi-cli: rich-toolkit tomli typer uvicorn[standard]
fastapi-cli[standard]: fastapi-cloud-cli uvicorn[standard]
fastapi-cloud-cli: detect-installer fastar httpx pydantic[email] rich-toolkit rignore sentry-sdk typer uvicorn[standard]
  agent-detector httpx2
fastar: typing-extensions
detect-installer:
fastavro:
faster-whisper: av ctranslate2 huggingface-hub onnxruntime tokenizers tqdm
feedparser: sgmllib3k
ffmpy:
filelock: typing-extensions
flask: blinker click importlib-metadata itsdangerous jinja2 markupsafe werkzeug
flask[async]: asgiref
flask-cors: flask six werkzeug
flask-limiter: flask limits ordered-set rich typing-extensions
flask-login: flask werkzeug
flask-migrate: alembic flask flask-sqlalchemy
flask-session: cachelib flask msgspec
flask-socketio: flask python-socketio
flask-sqlalchemy: flask sqlalchemy
flask-wtf: flask itsdangerous wtforms
flatbuffers:
folium: branca jinja2 numpy requests xyzservices
fonttools:
frozendict:
frozenlist:
fsspec:
ftfy: wcwidth
gdown: beautifulsoup4 filelock requests[socks] tqdm
gevent: cffi greenlet setuptools zope-event zope-interface
gitdb: smmap
gitpython: gitdb typing-extensions
google-ai-generativelanguage: google-api-core google-auth grpcio proto-plus protobuf
google-api-core: google-auth googleapis-common-protos grpcio grpcio-status proto-plus protobuf requests
google-api-python-client: google-api-core google-auth google-auth-httplib2 httplib2 uritemplate
google-auth: cachetools cryptography pyasn1-modules requests rsa six urllib3
google-auth-httplib2: google-auth httplib2 six
google-auth-oauthlib: google-auth requests-oauthlib
google-genai: anyio distro google-auth httpx pydantic requests sniffio tenacity typing-extensions websockets httpx2
google-generativeai: google-ai-generativelanguage google-api-core google-api-python-client google-auth protobuf
  pydantic tqdm typing-extensions
googleapis-common-protos: protobuf
gradio: aiofiles aiohttp altair anyio audioop-lts brotli fastapi ffmpy gradio-client groovy hf-gradio httpx
  huggingface-hub importlib-resources jinja2 linkify-it-py markdown-it-py markupsafe matplotlib mdit-py-plugins numpy
  orjson packaging pandas pillow pydantic pydub python-multipart pytz pyyaml requests ruff safehttpx semantic-version
  starlette tomlkit typer typing-extensions urllib3 uvicorn websockets httpx2
gradio-client: fsspec httpx huggingface-hub packaging requests typing-extensions websockets httpx2
graphlib-backport:
greenlet:
groovy:
groq: anyio distro httpx pydantic sniffio typing-extensions httpx2
grpcio: typing-extensions
grpcio-status: googleapis-common-protos grpcio protobuf
gtts: click requests
gunicorn: packaging setuptools
gunicorn[gevent]: gevent
h11: typing-extensions
h2: hpack hyperframe
hf-gradio: gradio-client typer
hf-transfer:
hf-xet:
hiredis:
hpack:
html5lib: six webencodings
httpcore: anyio certifi h11 h2 sniffio
httplib2: pyparsing
httptools:
httpx: anyio certifi h11 httpcore idna rfc3986 sniffio
httpx[http2]: h2
httpx[socks]: socksio
httpx-sse: httpx
httpx2: anyio certifi h11 httpcore2 idna truststore
httpcore2: anyio certifi h11 truststore
huggingface-hub: click filelock fsspec hf-xet httpx httpx2 packaging pyyaml requests shellingham tqdm typer typer-slim
  typing-extensions
humanfriendly:
humanize:
hyperframe:
idna:
imageio: numpy pillow
imageio-ffmpeg: setuptools
importlib-metadata: zipp typing-extensions
importlib-resources: zipp
instructor: aiohttp docstring-parser jinja2 jiter openai pydantic pydantic-core requests rich tenacity typer diskcache
itsdangerous:
jinja2: markupsafe
jiter:
jmespath:
joblib: cloudpickle
joserfc: cryptography
jsonpatch: jsonpointer
jsonpointer:
jsonschema: attrs jsonschema-specifications referencing rpds-py
jsonschema-specifications: referencing
kiwisolver:
kombu: amqp packaging tzdata vine
amqp: vine
kubernetes: certifi durationpy google-auth oauthlib python-dateutil pyyaml requests requests-oauthlib six urllib3
  websocket-client
langchain: aiohttp async-timeout dataclasses-json jsonpatch langchain-core langchain-text-splitters langgraph
  langsmith numpy pydantic pyyaml requests sqlalchemy tenacity
langchain-anthropic: anthropic defusedxml langchain-core pydantic
langchain-chroma: chromadb langchain-core numpy
langchain-community: aiohttp dataclasses-json httpx-sse langchain langchain-classic langchain-core langsmith numpy
  pydantic-settings pyyaml requests sqlalchemy tenacity
langchain-classic: async-timeout langchain-core langchain-text-splitters langsmith pydantic pyyaml requests sqlalchemy
langchain-cohere: cohere langchain-community langchain-core pydantic types-pyyaml
langchain-core: jsonpatch langchain-protocol langsmith packaging pydantic pyyaml tenacity typing-extensions uuid-utils
langchain-google-genai: filetype google-ai-generativelanguage google-genai google-generativeai langchain-core pydantic
langchain-groq: groq langchain-core
langchain-huggingface: huggingface-hub langchain-core sentence-transformers tokenizers transformers
langchain-mistralai: httpx httpx-sse langchain-core pydantic tokenizers
langchain-ollama: langchain-core ollama
langchain-openai: langchain-core openai tiktoken
langchain-protocol: typing-extensions
langchain-qdrant: langchain-core pydantic qdrant-client
langchain-text-splitters: langchain-core
langgraph: langchain-core langgraph-checkpoint langgraph-prebuilt langgraph-sdk pydantic xxhash
langgraph-checkpoint: langchain-core ormsgpack msgpack
langgraph-prebuilt: langchain-core langgraph-checkpoint
langgraph-sdk: httpx langchain-core langchain-protocol orjson websockets httpx2
langsmith: anyio distro httpx orjson packaging pydantic requests requests-toolbelt sniffio uuid-utils websockets
  xxhash zstandard httpx2
lazy-loader: packaging
librosa: audioread decorator joblib lazy-loader msgpack numba numpy pooch scikit-learn scipy soundfile soxr
  standard-aifc standard-sunau typing-extensions
lightgbm: numpy scipy wheel scikit-learn
limits: deprecated packaging typing-extensions importlib-resources
linkify-it-py: uc-micro-py
llvmlite:
loguru:
lxml:
mako: markupsafe
mangum: typing-extensions
markdown: importlib-metadata
markdown-it-py: mdurl
markupsafe:
marshmallow: packaging typing-extensions
matplotlib: contourpy cycler fonttools importlib-resources kiwisolver numpy packaging pillow pyparsing python-dateutil
mdit-py-plugins: markdown-it-py
mdurl:
ml-dtypes: numpy
mmh3:
monotonic:
motor: pymongo
mpmath:
msgpack:
msgspec:
multidict: typing-extensions
multiprocess: dill
multitasking:
mypy-extensions:
mysqlclient:
narwhals:
nest-asyncio:
networkx:
nltk: click joblib regex tqdm defusedxml
defusedxml:
numba: llvmlite numpy
numpy:
nvidia-ml-py:
oauthlib:
ollama: httpx pydantic httpx2
onnx: ml-dtypes numpy protobuf typing-extensions
onnxruntime: coloredlogs flatbuffers numpy packaging protobuf sympy
openai: aiohttp anyio distro httpx jiter numpy pandas pydantic requests sniffio tqdm typing-extensions httpx2
opencv-contrib-python: numpy
opencv-contrib-python-headless: numpy
opencv-python: numpy
opencv-python-headless: numpy
openpyxl: et-xmlfile
opentelemetry-exporter-otlp-proto-grpc: backoff deprecated googleapis-common-protos grpcio opentelemetry-api
  opentelemetry-exporter-otlp-common opentelemetry-exporter-otlp-proto-common opentelemetry-proto opentelemetry-sdk
  typing-extensions
opentelemetry-instrumentation: opentelemetry-api opentelemetry-semantic-conventions packaging setuptools wrapt
opentelemetry-instrumentation-asgi: asgiref opentelemetry-api opentelemetry-instrumentation
  opentelemetry-semantic-conventions opentelemetry-util-http
opentelemetry-instrumentation-fastapi: opentelemetry-api opentelemetry-instrumentation
  opentelemetry-instrumentation-asgi opentelemetry-semantic-conventions opentelemetry-util-http
opentelemetry-util-http:
ordered-set:
orjson:
ormsgpack:
overrides:
packaging: pyparsing
pandas: numpy python-dateutil pytz tzdata
parameterized:
passlib:
passlib[bcrypt]: bcrypt
pdf2image: pillow
pdfminer-six: charset-normalizer cryptography
pdfplumber: pdfminer-six pillow pypdfium2
peft: accelerate huggingface-hub numpy packaging psutil pyyaml safetensors torch tqdm transformers
pgvector: numpy
pillow:
pip:
platformdirs:
plotly: narwhals packaging tenacity
polars: polars-runtime-32
polars-runtime-32:
pooch: packaging platformdirs requests
posthog: backoff distro monotonic python-dateutil requests six typing-extensions
prometheus-client:
prometheus-fastapi-instrumentator: prometheus-client starlette
prompt-toolkit: wcwidth
propcache:
proto-plus: protobuf
protobuf:
psutil:
psycopg: backports-zoneinfo typing-extensions tzdata
psycopg[binary]: psycopg-binary
psycopg-binary:
psycopg2:
psycopg2-binary:
pulsar-client: certifi
pyarrow: numpy
pyarrow-hotfix:
pyasn1:
pyasn1-modules: pyasn1
pybase64:
pycparser:
pycryptodome:
pydantic: annotated-types pydantic-core typing-extensions typing-inspection
pydantic[dotenv]: python-dotenv
pydantic[email]: email-validator
pydantic-core: typing-extensions
pydantic-extra-types: pydantic typing-extensions
pydantic-settings: pydantic python-dotenv typing-inspection
pydeck: jinja2 numpy
pydub:
pygments:
pyjwt: typing-extensions
pyjwt[crypto]: cryptography
pymongo: dnspython
pymupdf: pymupdfb
pymupdfb:
pymysql:
pyparsing:
pypdf: typing-extensions
pypdf2: typing-extensions
pypdfium2:
pypika:
pypng:
pyproject-hooks:
pysocks:
pytesseract: packaging pillow
python-dateutil: six tzdata
python-docx: lxml typing-extensions
python-dotenv:
python-dotenv[cli]: click
python-engineio: simple-websocket
python-jose: ecdsa pyasn1 rsa
python-jose[cryptography]: cryptography
ecdsa: six
python-magic:
python-multipart:
python-pptx: lxml pillow typing-extensions xlsxwriter
python-slugify: text-unidecode
python-socketio: bidict python-engineio
bidict:
simple-websocket: wsproto
python-telegram-bot: apscheduler cachetools certifi httpcore httpx pytz tornado
pytz:
pyyaml:
qrcode: colorama pillow pypng typing-extensions
redis: async-timeout pyjwt
redis[hiredis]: hiredis
referencing: attrs rpds-py typing-extensions
regex:
reportlab: chardet charset-normalizer pillow
requests: certifi charset-normalizer idna urllib3
requests[socks]: pysocks
requests-oauthlib: oauthlib requests
requests-toolbelt: requests
responses: pyyaml requests urllib3
rfc3986: idna
rich: commonmark markdown-it-py pygments typing-extensions
commonmark:
rich-toolkit: click rich typing-extensions
rignore:
rpds-py:
rsa: pyasn1
ruff:
s3transfer: botocore
sacremoses: click joblib regex tqdm
safehttpx: httpx httpx2
safetensors:
scikit-image: imageio lazy-loader networkx numpy packaging pillow scipy tifffile
scikit-learn: joblib narwhals numpy scipy threadpoolctl
scipy: numpy
seaborn: matplotlib numpy pandas
semantic-version:
sentence-transformers: huggingface-hub nltk numpy pillow scikit-learn scipy sentencepiece torch torchvision tqdm
  transformers typing-extensions
sentencepiece:
sentry-sdk: certifi urllib3
setuptools:
sgmllib3k:
shellingham:
six:
slowapi: limits
smmap:
sniffio:
socksio:
soundfile: cffi numpy typing-extensions
soupsieve:
soxr: numpy
sqlalchemy: greenlet typing-extensions
sqlalchemy[asyncio]: greenlet
sqlmodel: pydantic sqlalchemy typing-extensions
sqlparse:
sse-starlette: anyio starlette uvicorn
standard-aifc: audioop-lts standard-chunk
standard-chunk:
standard-sunau: audioop-lts
starlette: anyio typing-extensions
starlette[full]: httpx httpx2 itsdangerous jinja2 python-multipart pyyaml
streamlit: altair anyio blinker cachetools click gitpython httptools importlib-metadata itsdangerous numpy packaging
  pandas pillow protobuf pyarrow pydeck pympler python-dateutil python-multipart requests rich semver starlette
  tenacity toml tornado typing-extensions tzlocal uvicorn validators watchdog websockets
pympler:
semver:
structlog: typing-extensions
supervisor: setuptools
sympy: mpmath
tavily-python: httpx requests tiktoken
tenacity:
text-unidecode:
textblob: nltk
threadpoolctl:
tifffile: numpy
tiktoken: regex requests
timm: huggingface-hub pyyaml safetensors torch torchvision
tokenizers: huggingface-hub
toml:
tomli:
tomlkit:
toolz:
torch: cuda-bindings filelock fsspec jinja2 networkx numpy setuptools sympy triton typing-extensions
cuda-bindings: cuda-pathfinder
cuda-pathfinder:
torchaudio: torch
torchvision: numpy pillow requests torch
tornado:
tqdm: colorama
transformers: filelock huggingface-hub importlib-metadata numpy packaging pyyaml regex requests sacremoses safetensors
  tokenizers tqdm typer typer-slim
transformers[torch]: accelerate torch
transformers[sentencepiece]: protobuf sentencepiece
triton: setuptools
truststore:
typer: annotated-doc click rich shellingham typing-extensions pydantic
typer-slim: click rich shellingham typer typing-extensions pydantic
types-pyyaml:
typing-extensions:
typing-inspect: mypy-extensions typing-extensions
typing-inspection: typing-extensions
tzdata:
tzlocal: tzdata backports-zoneinfo pytz-deprecation-shim
backports-zoneinfo: tzdata
pytz-deprecation-shim: tzdata
uc-micro-py:
ujson:
uritemplate:
urllib3: brotli
uuid-utils:
uv:
uvicorn: click h11 typing-extensions
uvicorn[standard]: httptools python-dotenv pyyaml uvloop watchfiles websockets colorama
uvloop:
vadersentiment: requests
validators: decorator
vine:
waitress:
watchdog:
watchfiles: anyio
wcwidth:
webencodings:
websocket-client:
websockets:
werkzeug: markupsafe
wheel: packaging
whitenoise:
wrapt:
wsproto: h11
wtforms: markupsafe
cachelib:
filetype:
httpx-ws: anyio httpcore httpx wsproto
xgboost: numpy scipy
xlrd:
xlsxwriter:
xxhash:
yarl: idna multidict propcache typing-extensions
zipp:
zope-event: setuptools
zope-interface: setuptools
zstandard: cffi
absl-py:
aiogram: aiofiles aiohttp certifi magic-filter pydantic typing-extensions
aiohttp-retry: aiohttp
astunparse: six wheel
catboost: graphviz matplotlib numpy pandas plotly scipy six
dash: dash-core-components dash-html-components dash-table flask importlib-metadata nest-asyncio plotly requests
  retrying setuptools typing-extensions werkzeug
dash-core-components:
dash-html-components:
dash-table:
discord-py: aiohttp audioop-lts
easyocr: ninja numpy opencv-python-headless pillow pyclipper python-bidi pyyaml scikit-image scipy shapely torch
  torchvision
faker: python-dateutil typing-extensions tzdata
gast:
gensim: numpy scipy smart-open
geographiclib:
geopy: geographiclib
google-pasta: six
graphviz:
h5py: numpy
hypercorn: exceptiongroup h11 h2 priority taskgroup tomli typing-extensions wsproto
keras: absl-py h5py ml-dtypes namex numpy optree packaging rich
libclang:
magic-filter:
markdownify: beautifulsoup4 six
more-itertools:
mysql-connector-python: dnspython protobuf
namex:
ninja:
openai-whisper: more-itertools numba numpy tiktoken torch tqdm triton
opt-einsum: numpy
optree: typing-extensions
patsy: numpy six
peewee:
playwright: greenlet pyee
polars-lts-cpu:
portalocker:
priority:
py-cpuinfo:
pyclipper:
pyee: typing-extensions
pytelegrambotapi: requests
python-bidi: numpy six
python-decouple:
python-levenshtein: levenshtein
levenshtein: rapidfuzz
rapidfuzz:
qdrant-client: grpcio grpcio-tools httpx numpy portalocker protobuf pydantic urllib3
grpcio-tools: grpcio protobuf setuptools
retrying: six
shap: cloudpickle numba numpy packaging pandas scikit-learn scipy slicer tqdm typing-extensions
shapely: numpy
slicer:
smart-open: wrapt
speechrecognition: audioop-lts requests standard-aifc typing-extensions
statsmodels: numpy packaging pandas patsy scipy
stripe: httpx requests typing-extensions
taskgroup: exceptiongroup typing-extensions
tensorboard: absl-py google-auth google-auth-oauthlib grpcio markdown numpy packaging pillow protobuf requests
  setuptools six tensorboard-data-server tensorboard-plugin-wit werkzeug wheel
tensorboard-data-server:
tensorboard-plugin-wit:
tensorflow: absl-py astunparse flatbuffers gast google-pasta grpcio h5py keras keras-preprocessing libclang ml-dtypes
  numpy opt-einsum packaging protobuf requests setuptools six tensorboard tensorflow-estimator
  tensorflow-io-gcs-filesystem termcolor typing-extensions wheel wrapt
tensorflow-cpu: tensorflow
tensorflow-estimator:
tensorflow-io-gcs-filesystem:
keras-preprocessing: numpy six
termcolor:
twilio: aiohttp aiohttp-retry pyjwt requests
types-requests: urllib3
ultralytics: matplotlib numpy opencv-python pandas pillow polars psutil py-cpuinfo pyyaml requests scipy seaborn torch
  torchvision tqdm ultralytics-thop
ultralytics-thop: numpy torch
uuid6:
wikipedia: beautifulsoup4 requests
wordcloud: matplotlib numpy pillow
youtube-transcript-api: defusedxml requests
yt-dlp: brotli certifi mutagen pycryptodomex requests urllib3 websockets
mutagen:
pycryptodomex:
agent-detector:
opentelemetry-api: importlib-metadata typing-extensions deprecated
opentelemetry-exporter-http-transport: opentelemetry-api requests
opentelemetry-exporter-otlp-common: opentelemetry-sdk
opentelemetry-exporter-otlp-proto-common: opentelemetry-proto
opentelemetry-exporter-otlp-proto-http: googleapis-common-protos opentelemetry-api opentelemetry-exporter-http-transport
  opentelemetry-exporter-otlp-common opentelemetry-exporter-otlp-proto-common opentelemetry-proto opentelemetry-sdk
  requests typing-extensions
opentelemetry-proto: protobuf
opentelemetry-sdk: opentelemetry-api opentelemetry-semantic-conventions typing-extensions
opentelemetry-semantic-conventions: deprecated opentelemetry-api typing-extensions
xyzservices:
yfinance: beautifulsoup4 curl-cffi frozendict html5lib lxml multitasking numpy pandas peewee platformdirs protobuf
  pytz requests websockets
"""

# The modules of a distribution where they are not its name with `_` for `-`. Of several that bring the same module the
# first is the one to advise.
MODULES = """
chromadb: chromadb chromadb_rust_bindings schemas
chroma-hnswlib: hnswlib
graphlib-backport: graphlib
pulsar-client: pulsar _pulsar
tavily-python: tavily
types-pyyaml: yaml-stubs
types-requests: requests-stubs
opencv-python-headless: cv2
opencv-python: cv2
opencv-contrib-python: cv2
opencv-contrib-python-headless: cv2
antlr4-python3-runtime: antlr4
argon2-cffi: argon2
rpds-py: rpds
opentelemetry-api: opentelemetry
attrs: attr attrs
audioop-lts: audioop
azure-identity: azure.identity
azure-storage-blob: azure.storage.blob
beautifulsoup4: bs4
biopython: Bio
brotli: brotli _brotli
cffi: cffi _cffi_backend
cuda-bindings: cuda
cuda-pathfinder: cuda
djangorestframework: rest_framework
django-cors-headers: corsheaders
discord-py: discord
docker: docker
docx2txt: docx2txt
duckduckgo-search: duckduckgo_search
dnspython: dns
edge-tts: edge_tts
elasticsearch: elasticsearch
exceptiongroup: exceptiongroup
facebook-scraper: facebook_scraper
faiss-cpu: faiss
faiss-gpu: faiss
ffmpeg-python: ffmpeg
firebase-admin: firebase_admin
flask-cors: flask_cors
fonttools: fontTools
gitpython: git
google-ai-generativelanguage: google.ai.generativelanguage google.ai.generativelanguage_v1beta
google-api-core: google.api_core
google-api-python-client: googleapiclient apiclient
google-auth: google.auth google.oauth2
google-auth-httplib2: google_auth_httplib2
google-auth-oauthlib: google_auth_oauthlib
google-cloud-bigquery: google.cloud.bigquery
google-cloud-firestore: google.cloud.firestore
google-cloud-speech: google.cloud.speech
google-cloud-storage: google.cloud.storage
google-cloud-texttospeech: google.cloud.texttospeech
google-cloud-translate: google.cloud.translate google.cloud.translate_v2
google-cloud-vision: google.cloud.vision
google-genai: google.genai
google-generativeai: google.generativeai
google-search-results: serpapi
googleapis-common-protos: google.api google.rpc google.type google.longrunning google.logging
grpcio: grpc
grpcio-status: grpc_status
humanfriendly: humanfriendly
imbalanced-learn: imblearn
langchain-text-splitters: langchain_text_splitters
levenshtein: Levenshtein
python-bidi: bidi
ultralytics-thop: thop
linkify-it-py: linkify_it
markdown-it-py: markdown_it
matplotlib: matplotlib mpl_toolkits pylab
moviepy: moviepy
msgpack: msgpack
mypy-extensions: mypy_extensions
mysql-connector-python: mysql.connector
mysqlclient: MySQLdb
nvidia-ml-py: pynvml
openai-whisper: whisper
paho-mqtt: paho
pdfminer-six: pdfminer
pillow: PIL
polars-runtime-32: _polars_runtime_32
prometheus-client: prometheus_client
proto-plus: proto
protobuf: google.protobuf
psycopg2-binary: psycopg2
psycopg2: psycopg2
psycopg-binary: psycopg_binary
py-cpuinfo: cpuinfo
pycryptodome: Crypto
pycryptodomex: Cryptodome
pygithub: github
pyjwt: jwt
pymongo: pymongo bson gridfs
pymupdf: fitz pymupdf
pymupdfb: mupdf
pymysql: pymysql
pynacl: nacl
pyopenssl: OpenSSL
pypdf2: PyPDF2
pypdfium2: pypdfium2 pypdfium2_cfg pypdfium2_cli pypdfium2_raw
pypng: png
pyserial: serial
pysocks: socks sockshandler
pytelegrambotapi: telebot
python-dateutil: dateutil
python-decouple: decouple
python-docx: docx
python-dotenv: dotenv
python-engineio: engineio
python-jose: jose
python-magic: magic
python-multipart: multipart python_multipart
python-pptx: pptx
python-slugify: slugify
python-socketio: socketio
python-telegram-bot: telegram
pytorch-lightning: pytorch_lightning
pyyaml: yaml _yaml
pyzmq: zmq
rank-bm25: rank_bm25
ruamel-yaml: ruamel.yaml
scikit-image: skimage
scikit-learn: sklearn
sentry-sdk: sentry_sdk
setuptools: setuptools pkg_resources _distutils_hack distutils
sgmllib3k: sgmllib
simple-websocket: simple_websocket
speechrecognition: speech_recognition
standard-aifc: aifc
standard-chunk: chunk
standard-sunau: sunau
legacy-cgi: cgi cgitb
pyasyncore: asyncore
pyasynchat: asynchat
standard-imghdr: imghdr
standard-telnetlib: telnetlib
standard-pipes: pipes
standard-uu: uu
standard-nntplib: nntplib
standard-crypt: crypt
swig: swig
sympy: sympy isympy
tensorflow: tensorflow
tensorflow-cpu: tensorflow
torch: torch torchgen functorch
tree-sitter: tree_sitter
triton: triton
typer-slim: typer
typing-extensions: typing_extensions
uc-micro-py: uc_micro
keras-preprocessing: keras_preprocessing
google-pasta: pasta
vadersentiment: vaderSentiment
weasyprint: weasyprint
websocket-client: websocket
youtube-transcript-api: youtube_transcript_api
yt-dlp: yt_dlp
zope-event: zope.event
zope-interface: zope.interface
backports-zoneinfo: backports.zoneinfo
"""

# Well-known distributions whose needs are not listed, so that what they bring is not known.
OTHERS = """
autogen bokeh chainlit chromadb crewai ctransformers cupy deepface docling evaluate fastmcp faster-whisper flet
geopandas jax lightning litellm llama-cpp-python llama-index mcp mediapipe mlflow nicegui onnxruntime-gpu optimum
optuna paddleocr paddlepaddle panel paramiko pinecone prophet pydantic-ai pymssql pyspark pytest pyttsx3 quart rembg
sanic selenium smolagents spacy supabase supervision telethon tortoise-orm tldextract trafilatura unstructured vllm
wandb weaviate-client xformers
"""

# Modules of the standard library that are gone, with the first Python that lacks them, and what brings them back.
REMOVED_MODULES: Mapping[str, tuple[tuple[int, int], str]] = {
    "formatter": ((3, 10), ""),
    "parser": ((3, 10), ""),
    "symbol": ((3, 10), ""),
    "asynchat": ((3, 12), "pyasynchat"),
    "asyncore": ((3, 12), "pyasyncore"),
    "distutils": ((3, 12), "setuptools"),
    "imp": ((3, 12), ""),
    "smtpd": ((3, 12), ""),
    "aifc": ((3, 13), "standard-aifc"),
    "audioop": ((3, 13), "audioop-lts"),
    "cgi": ((3, 13), "legacy-cgi"),
    "cgitb": ((3, 13), "legacy-cgi"),
    "chunk": ((3, 13), "standard-chunk"),
    "crypt": ((3, 13), "standard-crypt"),
    "imghdr": ((3, 13), "standard-imghdr"),
    "lib2to3": ((3, 13), ""),
    "mailcap": ((3, 13), ""),
    "nis": ((3, 13), ""),
    "nntplib": ((3, 13), "standard-nntplib"),
    "ossaudiodev": ((3, 13), ""),
    "pipes": ((3, 13), "standard-pipes"),
    "sndhdr": ((3, 13), ""),
    "spwd": ((3, 13), ""),
    "sunau": ((3, 13), "standard-sunau"),
    "telnetlib": ((3, 13), "standard-telnetlib"),
    "uu": ((3, 13), "standard-uu"),
    "xdrlib": ((3, 13), ""),
}
NEW_MODULES: Mapping[str, tuple[int, int]] = {
    "graphlib": (3, 9),
    "zoneinfo": (3, 9),
    "tomllib": (3, 11),
    "annotationlib": (3, 14),
    "compression": (3, 14),
}
# Distributions that import a removed module and do not ask for what brings it back.
IMPORTS_REMOVED: Mapping[str, str] = {"pydub": "audioop"}
# Modules that only some machines have; no package brings them to the image.
ELSEWHERE = frozenset(
    {"google.colab", "kaggle_secrets", "dbutils", "win32com", "win32api", "winreg", "msvcrt", "winsound"}
)
