"""Models and data that an app loads: from the Hub with or without leave, and for libraries of machine learning."""

from __future__ import annotations

from spaceops.findings import Fault, Severity
from spaceops.symptoms import Place, Symptom
from spaceops.symptoms.kinds import VAGUE, VAGUE_IN_RUNS, crash, failure, trouble

_HUB = r"(?:huggingface\.co|hf\.co)"

SYMPTOMS: tuple[Symptom, ...] = (
    # --- from the Hub ---
    crash(
        code="gated-model-401",
        needles=(
            "gated repo",
            "GatedRepoError",
            "is restricted",
            "authorized list",
            "awaiting a review",
            "Client Error",
            "Client error",
        ),
        pattern=r"(?:Cannot access|are trying to access a) gated repo|GatedRepoError|Access to (?:model|"
        r"dataset) \S{1,120} is restricted|not in the authorized list|awaiting a review from the repo|"
        r"\b401 (?:Client Error|Unauthorized).{0,80}" + _HUB + r"/\S{0,200}(?:/resolve/|api/(?:models|datasets)/)",
        message="The app may not read a model (or data set) of the Hub: it is gated or private, and the Space has no "
        "token of an account that was given access",
        hint="Accept the terms on the model's page, make a token with read access, and set it: `spaceops secrets set "
        "{repo_id} HF_TOKEN`.",
        examples=(
            "huggingface_hub.errors.GatedRepoError: 401 Client Error. (Request ID: Root=1-66)",
            "OSError: You are trying to access a gated repo.",
            "Cannot access gated repo for url https://huggingface.co/meta-llama/Llama-3.1-8B/resolve/main/config.json.",
            "Access to model google/gemma-2-2b is restricted. You must have access to it and be authenticated to "
            "access it.",
            "Client error '401 Unauthorized' for url 'https://huggingface.co/api/models/acme/private'",
        ),
        explains=(*VAGUE_IN_RUNS, "model-not-found"),
    ),
    failure(
        code="model-not-found",
        needles=(
            "Repository Not Found",
            "RepositoryNotFoundError",
            "is not a valid model identifier",
            "EntryNotFoundError",
            "RevisionNotFoundError",
            "Entry Not Found",
            "DatasetNotFoundError",
            "does not appear to have a file named",
        ),
        pattern=r"Repository Not Found for url|RepositoryNotFoundError|is not a valid model identifier|"
        r"(?<!Local)EntryNotFoundError|RevisionNotFoundError|Entry Not Found for url|DatasetNotFoundError|"
        r"does not appear to have a file named (?P<path>\S{1,100})",
        message="The app loads a model, a data set or a file of one that the Hub does not have under that name, or "
        "that is private",
        hint="Check the name on huggingface.co (`owner/name`, capital letters count); for a private one set a token: "
        "`spaceops secrets set {repo_id} HF_TOKEN`.",
        examples=(
            "Repository Not Found for url: https://huggingface.co/acme/nope/resolve/main/config.json.",
            "OSError: acme/nope is not a local folder and is not a valid model identifier listed on "
            "'https://huggingface.co/models'",
            "huggingface_hub.errors.EntryNotFoundError: 404 Client Error.",
            "OSError: acme/m does not appear to have a file named config.json.",
            "datasets.exceptions.DatasetNotFoundError: Dataset 'acme/d' doesn't exist on the Hub or cannot be "
            "accessed.",
        ),
        unlike=("huggingface_hub.errors.LocalEntryNotFoundError: An error happened",),
    ),
    failure(
        code="hub-unreachable",
        fault=Fault.PLATFORM,
        needles=(
            "LocalEntryNotFoundError",
            "OfflineModeIsEnabled",
            "We couldn't connect to",
            "outgoing traffic has been disabled",
            "couldn't connect to",
            "Server Error",
        ),
        pattern=r"[Ww]e couldn't connect to 'https://"
        + _HUB
        + r"|OfflineModeIsEnabled|outgoing traffic has been disabled|LocalEntryNotFoundError|"
        r"\b50[0234] Server Error.{0,80}" + _HUB + r"|host='" + _HUB + r"'.{0,200}(?:timed out|Max retries)",
        message="The app did not get a file from the Hub and has no copy of it: the Hub did not answer, or the app is "
        "told to stay offline",
        hint="Take HF_HUB_OFFLINE and TRANSFORMERS_OFFLINE out of the settings if they are there; else restart; a "
        "model that is downloaded in the Dockerfile is there at each start.",
        examples=(
            "OSError: We couldn't connect to 'https://huggingface.co' to load the files, and couldn't find them in "
            "the cached files.",
            "huggingface_hub.errors.LocalEntryNotFoundError: An error happened while trying to locate the file on the "
            "Hub",
            "huggingface_hub.errors.OfflineModeIsEnabled: Cannot reach https://huggingface.co/acme/m: offline mode is "
            "enabled.",
            "504 Server Error: Gateway Time-out for url: https://huggingface.co/acme/m/resolve/main/model.bin",
        ),
    ),
    crash(
        code="hub-write-no-token",
        needles=(
            "/commit/",
            "/preupload/",
            "create_repo",
            "repos/create",
            "LocalTokenNotFoundError",
            "Token is required",
            "lfs/objects/batch",
            "have write access",
        ),
        pattern=r"40[13].{0,120}"
        + _HUB
        + r"/\S{0,200}(?:/commit/|/preupload/|/repos/create|lfs/objects/batch)|LocalTokenNotFoundError|"
        r"Token is required|You don't have write access to this repo",
        message="The app wants to write to the Hub, and its token may not, or there is none in the Space",
        hint="Make a token with write access to that repository and set it, `spaceops secrets set {repo_id} "
        'HF_TOKEN`; in the code `HfApi(token=os.environ["HF_TOKEN"])`.',
        examples=(
            "401 Client Error: Unauthorized for url: https://huggingface.co/api/datasets/acme/log/preupload/main",
            "403 Forbidden: Authorization error. Cannot access content at: "
            "https://huggingface.co/api/datasets/acme/log/commit/main.",
            "huggingface_hub.errors.LocalTokenNotFoundError: Token is required (`token=True`), but no token found.",
        ),
        explains=(*VAGUE_IN_RUNS, "gated-model-401", "token-invalid-401", "token-no-write-403"),
    ),
    failure(
        code="hf-transfer-missing",
        needles=("hf_transfer", "hf-transfer"),
        pattern=r"hf_transfer.{0,80}(?:not available|not installed)",
        message="HF_HUB_ENABLE_HF_TRANSFER asks for a faster way to download whose package is not installed",
        hint="Take the variable HF_HUB_ENABLE_HF_TRANSFER out, or add `hf_transfer` to requirements.txt.",
        examples=(
            "ValueError: Fast download using 'hf_transfer' is enabled (HF_HUB_ENABLE_HF_TRANSFER=1) but 'hf_transfer' "
            "package is not available in your environment.",
        ),
        explains=(*VAGUE, "optional-package-missing"),
    ),
    failure(
        code="trust-remote-code",
        needles=("trust_remote_code", "contains custom code", "Dataset scripts are no longer supported"),
        pattern=r"set the option `trust_remote_code=True`|contains custom code which must be executed|"
        r"Dataset scripts are no longer supported|trust_remote_code.{0,40}(?:not supported|no longer|is required)",
        message="The model or data set brings code of its own, which the library runs only when it is told to (or not "
        "any more)",
        hint="If you trust its author, pass `trust_remote_code=True` with a fixed `revision=`; for a data set take "
        "one without a script.",
        examples=(
            "ValueError: Loading acme/m requires you to execute the configuration file in that repo. Please set the "
            "option `trust_remote_code=True` to remove this error.",
            "RuntimeError: Dataset scripts are no longer supported, but found squad.py",
        ),
    ),
    failure(
        code="transformers-too-old",
        fault=Fault.DEPENDENCY,
        needles=(
            "does not recognize this architecture",
            "Unrecognized configuration class",
            "unknown model architecture",
            "Unrecognized model in",
            "Tokenizer class",
        ),
        pattern=r"does not recognize this architecture|Unrecognized (?:configuration class|model in)|"
        r"unknown model architecture: '(?P<name>[^']{1,60})'|Tokenizer class \S{1,60} does not exist",
        message="The installed library is older than the model and does not know its kind",
        hint="Take a newer version of the library that loads it (`transformers`, `llama-cpp-python`, `vllm`) in "
        "requirements.txt.",
        examples=(
            "ValueError: The checkpoint you are trying to load has model type `qwen3` but Transformers does not "
            "recognize this architecture.",
            "llama_model_load: error loading model: unknown model architecture: 'gemma3'",
            "ValueError: Tokenizer class Qwen9Tokenizer does not exist or is not currently imported.",
        ),
    ),
    failure(
        code="weights-only",
        fault=Fault.DEPENDENCY,
        needles=(
            "Weights only load failed",
            "weights_only",
            "upgrade torch to at least",
            "serious vulnerability issue in `torch.load`",
        ),
        pattern=r"Weights only load failed|upgrade torch to at least|vulnerability issue in `torch\.load`",
        message="Newer PyTorch does not load a file that holds more than numbers unless it is told to, or "
        "transformers wants a newer PyTorch for such files",
        hint="If you trust the file, `torch.load(path, weights_only=False)`; better save it as safetensors, or take "
        "`torch>=2.6`.",
        examples=(
            "_pickle.UnpicklingError: Weights only load failed. This file can still be loaded",
            "ValueError: Due to a serious vulnerability issue in `torch.load`, even with `weights_only=True`, we now "
            "require users to upgrade torch to at least v2.6",
        ),
    ),
    failure(
        code="model-file-broken",
        needles=(
            "Error while deserializing header",
            "failed finding central directory",
            "PytorchStreamReader",
            "INVALID_PROTOBUF",
            "Protobuf parsing failed",
            "invalid magic",
            "file signature not found",
            "size mismatch for",
        ),
        pattern=r"Error while deserializing header: (?!HeaderTooLarge)|failed finding central directory|"
        r"INVALID_PROTOBUF|Protobuf parsing failed|gguf_init_from_file.{0,60}invalid magic|file signature not found|"
        r"size mismatch for \S{1,120}: copying a param",
        message="A model file cannot be read: it is cut short or no model at all (a web page, a pointer of git LFS), "
        "or it belongs to another model",
        hint="Compare its size with the original, upload or download it again, and load it with the code it was made "
        "for.",
        examples=(
            "RuntimeError: PytorchStreamReader failed reading zip archive: failed finding central directory",
            "onnxruntime.capi.onnxruntime_pybind11_state.InvalidProtobuf: [ONNXRuntimeError] : 7 : INVALID_PROTOBUF : "
            "Load model from m.onnx failed:Protobuf parsing failed.",
            "OSError: Unable to open file (file signature not found)",
        ),
    ),
    # --- data of other libraries ---
    failure(
        code="nltk-data-missing",
        needles=("nltk.download",),
        pattern=r"nltk\.download\('(?P<name>[\w.-]{1,60})'\)",
        message="NLTK's data {name} is not in the image; pip does not bring it",
        hint="Add to the Dockerfile, above USER: `RUN python -m nltk.downloader -d /usr/local/share/nltk_data {name}`.",
        examples=(">>> nltk.download('punkt_tab')", ">>> nltk.download('stopwords')"),
        unlike=("[nltk_data] Downloading package punkt to /root/nltk_data...",),
    ),
    failure(
        code="spacy-model-missing",
        needles=("E050", "Can't find model"),
        pattern=r"\[E050\]|Can't find model '(?P<name>[\w.-]{1,60})'",
        message="The spaCy model that the app loads is not installed in the image",
        hint="Add to the Dockerfile, below the pip line: `RUN python -m spacy download en_core_web_sm` (with the name "
        "in the message).",
        examples=(
            "OSError: [E050] Can't find model 'en_core_web_sm'. It doesn't seem to be a Python package or a valid "
            "path to a data directory.",
        ),
    ),
    trouble(
        code="slow-download-at-start",
        severity=Severity.INFO,
        needles=("Fetching", "Downloading shards", "model.safetensors", "pytorch_model.bin"),
        pattern=r"^(?:Downloading shards|Fetching \d{1,5} files|model(?:-\d{5}-of-\d{5})?\.safetensors|"
        r"pytorch_model\.bin): {1,4}(?:[0-9]|[1-4][0-9])%\|",
        message="The app downloads a model at its start, and nothing is answered until that is done",
        hint="Download it in the Dockerfile, name it under `preload_from_hub` in README.md, or load it after the "
        "server listens; `startup_duration_timeout: 1h` in README.md allows for a long start.",
        examples=(
            "model.safetensors:  12%|█▏        | 512M/4.2G [01:10<08:20, 7.3MB/s]",
            "Downloading shards:   0%|          | 0/4 [00:00<?, ?it/s]",
        ),
        unlike=("model.safetensors: 100%|██████████| 268M/268M [00:01<00:00, 160MB/s]",),
    ),
    failure(
        code="gradio-schema",
        fault=Fault.DEPENDENCY,
        needles=("argument of type 'bool' is not iterable", "Cannot parse schema", "APIInfoParseError"),
        pattern=r"argument of type 'bool' is not (?:iterable|a container)|Cannot parse schema (?:True|False)|"
        r"APIInfoParseError",
        message="An older gradio does not understand what a newer pydantic says of the app's inputs, so its first "
        "page fails",
        hint="Take a newer gradio, or write `pydantic==2.10.6` into requirements.txt.",
        places=(Place.RUN,),
        examples=(
            "TypeError: argument of type 'bool' is not iterable",
            "gradio_client.utils.APIInfoParseError: Cannot parse schema True",
        ),
        explains=(*VAGUE, "gradio-localhost"),
    ),
)
