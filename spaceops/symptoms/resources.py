"""What there is too little of: memory, disk, GPU; and how the system ends a program."""

from __future__ import annotations

from spaceops.findings import Fault, Severity
from spaceops.symptoms import Place, Symptom
from spaceops.symptoms.kinds import EVERYWHERE, VAGUE, VAGUE_IN_BUILDS, VAGUE_IN_RUNS, build_failure, crash, failure

_LESS_MEMORY = (
    "Run fewer workers (`--workers 1`), load a smaller or quantised model, or choose hardware with more memory "
    '(`hardware = "cpu-upgrade"` has 32 GB).'
)

SYMPTOMS: tuple[Symptom, ...] = (
    # --- memory ---
    build_failure(
        code="build-oom-137",
        places=(Place.SAID, Place.BUILD),
        needles=(
            "exit code: 137",
            "non-zero code: 137",
            "OOMKilled",
            "cannot allocate memory",
            "Killed signal",
            "Cannot allocate memory",
            "ResourceExhausted",
            "signal: killed",
            "SIGKILL",
        ),
        pattern=r"(?:(?:[Jj]ob|[Bb]uild) failed with|successfully:|returned a non-zero) (?:exit )?code: 137|"
        r"[Jj]ob failed .{0,80}OOMKilled|[Cc]annot allocate memory|Killed signal terminated|ResourceExhausted|"
        r"\(?signal: (?:9, SIGKILL|killed)|failed .{0,60}SIGKILL",
        message="The build was killed because it took more memory than the build machine has (exit code 137)",
        hint="Install ready-made wheels in place of compiling (llama-cpp-python, flash-attn …), limit parallel work "
        "(`ENV MAX_JOBS=1 CMAKE_BUILD_PARALLEL_LEVEL=1`), and fetch large models at the start of the app.",
        examples=(
            "Job failed with exit code: 137. Reason: OOMKilled",
            '--> ERROR: process "/bin/sh -c pip install flash-attn" did not complete successfully: exit code: 137',
            "c++: fatal error: Killed signal terminated program cc1plus",
            "ResourceExhausted: process did not complete successfully: cannot allocate memory",
        ),
        unlike=("Exit code: 137. Reason:",),
        explains=(*VAGUE_IN_BUILDS, "pip-wheel-build-failed", "node-step-failed"),
    ),
    build_failure(
        code="build-oom-137",
        needles=("Killed",),
        pattern=r"^(?:/bin/(?:ba)?sh: (?:line )?\d{1,4}: {1,7}\d{1,7} )?Killed\b(?! .{0,20}signal)",
        message="A command of the build was killed, most often because it took more memory than the build machine has",
        hint="Install ready-made wheels in place of compiling, limit parallel work (`ENV MAX_JOBS=1`), and fetch "
        "large models at the start of the app.",
        examples=("Killed", "/bin/sh: line 1:     9 Killed                  npm run build"),
        explains=(*VAGUE_IN_BUILDS, "pip-wheel-build-failed", "node-step-failed"),
    ),
    failure(
        code="node-heap-out-of-memory",
        needles=("JavaScript heap out of memory", "heap limit Allocation failed"),
        pattern=r"JavaScript heap out of memory|heap limit Allocation failed",
        message="Node.js used up the memory that it allows itself (the machine may have more)",
        hint="Raise the limit: `ENV NODE_OPTIONS=--max-old-space-size=4096` above the step or the CMD.",
        examples=(
            "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory",
            "FATAL ERROR: Ineffective mark-compacts near heap limit Allocation failed - JavaScript heap out of memory",
        ),
        explains=(*VAGUE, "node-step-failed"),
    ),
    crash(
        code="memory-limit",
        needles=("Killed", "SIGKILL", "exited with code 137", "OOMKilled", "out of memory"),
        pattern=r"was sent SIGKILL! Perhaps out of memory|exited with code 137|"
        r"^(?:\S{1,80}: (?:line )?\d{1,4}: {1,6}\d{1,7} )?Killed\b|terminated by SIGKILL|OOMKilled|"
        r"Out of memory: Killed process",
        message="The app was killed, most often for taking more memory than the hardware has",
        hint=_LESS_MEMORY,
        examples=(
            "[2026-03-01 10:00:00 +0000] [1] [ERROR] Worker (pid:7) was sent SIGKILL! Perhaps out of memory?",
            "Killed",
            "start.sh: line 5: 9 Killed                  python app.py",
            "INFO exited: nginx (terminated by SIGKILL; not expected)",
        ),
        explains=(*VAGUE_IN_RUNS, "multiprocess-unsupervised"),
    ),
    crash(
        code="memory-limit",
        places=(Place.BUILD, Place.RUN),
        needles=(
            "MemoryError",
            "bad_alloc",
            "OutOfMemoryError",
            "DefaultCPUAllocator",
            "Unable to allocate",
            "runtime: out of memory",
            "Cannot allocate memory",
            "memory allocation of",
        ),
        pattern=r"\bMemoryError\b|std::bad_alloc|OutOfMemoryError: (?:Java heap|GC overhead|Metaspace|"
        r"unable to create)|DefaultCPUAllocator: (?:can't allocate|not enough) memory|"
        r"Unable to allocate \d.{0,60}for an array|runtime: out of memory|\[Errno 12\] Cannot allocate memory|"
        r"memory allocation of \d{1,20} bytes failed",
        message="The app asked for more memory than the hardware has",
        hint=_LESS_MEMORY,
        examples=(
            "MemoryError",
            "numpy._core._exceptions._ArrayMemoryError: Unable to allocate 14.9 GiB for an array with shape (50000, "
            "40000)",
            "terminate called after throwing an instance of 'std::bad_alloc'",
            "RuntimeError: [enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory: "
            "you tried to allocate",
            'Exception in thread "main" java.lang.OutOfMemoryError: Java heap space',
        ),
        unlike=("torch.cuda.OutOfMemoryError: CUDA out of memory.",),
        explains=(*VAGUE, "build-oom-137"),
    ),
    crash(
        code="cuda-oom",
        needles=(
            "CUDA out of memory",
            "OutOfMemoryError",
            "CUDA error: out of memory",
            "CUBLAS_STATUS_ALLOC_FAILED",
            "CUDA_ERROR_OUT_OF_MEMORY",
            "failed to allocate",
            "cudaMalloc failed",
            "KV cache",
            "No available memory for the cache blocks",
        ),
        pattern=r"CUDA out of memory|torch\.(?:cuda\.)?OutOfMemoryError|CUDA (?:error: |"
        r"failed with error )out of memory|CUBLAS_STATUS_ALLOC_FAILED|CUDA_ERROR_OUT_OF_MEMORY|"
        r"cudaMalloc failed: out of memory|No available memory for the cache blocks|"
        r"larger than the maximum number of tokens that can be stored in KV cache|"
        r"Failed to allocate memory for requested buffer",
        message="The GPU has too little memory for the model and what it works on",
        hint="Load the model in half precision or quantised (`torch_dtype=torch.float16`, 4 bit), make batches and "
        "inputs smaller, or choose a GPU with more memory (`spaceops hardware ls`).",
        examples=(
            "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of "
            "14.58 GiB",
            "torch.cuda.OutOfMemoryError: CUDA out of memory.",
            "RuntimeError: CUDA error: out of memory",
            "ggml_backend_cuda_buffer_type_alloc_buffer: allocating 4096.00 MiB on device 0: cudaMalloc failed: out "
            "of memory",
            "ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization`",
        ),
    ),
    # --- disk ---
    crash(
        code="disk-full",
        needles=(
            "No space left on device",
            "no space left on device",
            "ENOSPC",
            "disk is full",
            "Not enough free disk space",
            "not enough disk space",
            "Disk quota exceeded",
            "enough disk space",
        ),
        pattern=r"(?i)no space left on device|ENOSPC\b(?!: System limit)|database or disk is full|"
        r"not enough (?:free )?disk space|disk quota exceeded",
        message="The container's disk is full: the image, downloaded models and the app's own files take more than "
        "the hardware has",
        hint="Delete temporary files, keep data on a bucket volume ([[volumes]] in space.toml), load smaller models, "
        "or choose hardware with a larger disk.",
        examples=(
            "OSError: [Errno 28] No space left on device",
            "Error: ENOSPC: no space left on device, write",
            "sqlite3.OperationalError: database or disk is full",
            "UserWarning: Not enough free disk space to download the file. The expected file size is: 4943.17 MB.",
        ),
        unlike=("Error: ENOSPC: System limit for number of file watchers reached, watch '/app'",),
    ),
    failure(
        code="file-watchers",
        needles=("ENOSPC: System limit", "inotify watch limit reached", "OS file watch limit reached"),
        pattern=r"System limit for number of file watchers reached|inotify watch limit reached|"
        r"OS file watch limit reached",
        message="The app watches its files for changes, as on a developer's machine, and the container allows only "
        "few watches",
        hint="Start it without watching: no `--reload`, no `nodemon`; for Streamlit `--server.fileWatcherType none`.",
        examples=(
            "Error: ENOSPC: System limit for number of file watchers reached, watch '/app/src'",
            "OSError: [Errno 28] inotify watch limit reached",
        ),
        explains=(*VAGUE, "disk-full"),
    ),
    # --- GPU ---
    crash(
        code="torch-no-nvidia-driver",
        needles=(
            "Found no NVIDIA driver",
            "No CUDA GPUs are available",
            "Torch not compiled with CUDA enabled",
            "no CUDA-capable device",
            "libcuda.so.1",
            "libnvidia-ml.so.1",
            "Failed to infer device type",
            "CUDA is required but not available",
            "torch.cuda.is_available",
            "No GPU found",
            "No NVIDIA GPU",
        ),
        pattern=r"^(?!.{0,300}(?:failed call to cuInit|stream_executor)).{0,400}(?:Found no NVIDIA driver|"
        r"No CUDA GPUs are available|Torch not compiled with CUDA enabled|"
        r"no CUDA-capable device is detected|(?:libcuda|libnvidia-ml)\.so\.1: cannot open|Failed to infer device type|"
        r"CUDA is required but not available|CUDA device but torch\.cuda\.is_available\(\) is False|(?:No GPU found|"
        r"No NVIDIA GPU)\W.{0,60}(?:needed|required|quantization))",
        message="The app asks for a GPU, and there is none: the Space runs on CPU hardware, or the installed PyTorch "
        "is its CPU version",
        hint='Choose the device in the code, `device = "cuda" if torch.cuda.is_available() else "cpu"` (and '
        "`map_location=device` for torch.load); "
        'or set GPU hardware in space.toml, `hardware = "t4-small"`.',
        examples=(
            "RuntimeError: Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU",
            "AssertionError: Torch not compiled with CUDA enabled",
            "RuntimeError: No CUDA GPUs are available",
            "RuntimeError: Attempting to deserialize object on a CUDA device but torch.cuda.is_available() is False.",
            "RuntimeError: CUDA error: no CUDA-capable device is detected",
            "RuntimeError: Failed to infer device type",
        ),
        unlike=(
            "E external/local_xla/xla/stream_executor/cuda/cuda_driver.cc:266] failed call to cuInit: "
            "CUDA_ERROR_NO_DEVICE: no CUDA-capable device is detected",
        ),
        explains=(*VAGUE_IN_RUNS, "shared-library-missing"),
    ),
    crash(
        code="torch-no-nvidia-driver",
        needles=("not implemented for",),
        pattern=r"\"\w{1,60}\" not implemented for 'Half'",
        message="The model computes in half precision (float16), which PyTorch can do on a GPU only: there is none",
        hint="On CPU hardware load it with `torch_dtype=torch.float32`; or set GPU hardware in space.toml, `hardware = "
        '"t4-small"`.',
        examples=("RuntimeError: \"LayerNormKernelImpl\" not implemented for 'Half'",),
    ),
    crash(
        code="cuda-driver-too-old",
        needles=(
            "driver on your system is too old",
            "CUDA driver version is insufficient",
            "driver version is insufficient",
            "unsatisfied condition: cuda",
            "forward compatibility was attempted",
            "unsupported display driver",
        ),
        pattern=r"driver on your system is too old|driver version is insufficient|unsatisfied condition: cuda|"
        r"forward compatibility was attempted|unsupported display driver",
        places=EVERYWHERE,
        message="The installed packages, or the base image, want a newer GPU driver than the Hub's machines have; the "
        "driver cannot be changed from inside",
        hint="Take a base image and packages for an older CUDA version, for example PyTorch from `--index-url "
        "https://download.pytorch.org/whl/cu124`.",
        examples=(
            "RuntimeError: The NVIDIA driver on your system is too old (found version 11040).",
            "CUDA driver version is insufficient for CUDA runtime version",
            "nvidia-container-cli: requirement error: unsatisfied condition: cuda>=12.8, please update your driver",
        ),
        explains=(*VAGUE_IN_RUNS, "containerd-128"),
    ),
    crash(
        code="cuda-architecture",
        needles=(
            "no kernel image is available",
            "is not compatible with the current PyTorch installation",
            "compute capability",
            "Compute Capability",
        ),
        pattern=r"no kernel image is available for execution|is not compatible with the current PyTorch installation|"
        r"(?i:compute capability).{0,80}(?:at least|required|not supported|minimum|requires)|"
        r"requires.{0,80}compute capability",
        message="A package was compiled for another kind of GPU than the Space's",
        hint="Install the version of it for this GPU (a newer PyTorch for newer GPUs), use `float16` in place of "
        "`bfloat16` on a T4, or choose a newer GPU such as `l4x1` or `a10g-small`.",
        examples=(
            "RuntimeError: CUDA error: no kernel image is available for execution on the device",
            "NVIDIA H100 with CUDA capability sm_90 is not compatible with the current PyTorch installation.",
            "ValueError: Bfloat16 is only supported on GPUs with compute capability of at least 8.0. Your Tesla T4 "
            "GPU has 7.5",
        ),
    ),
    failure(
        code="cuda-library-missing",
        needles=("libcudart", "libcudnn", "libcublas", "libcufft", "libnvrtc", "libcusparse", "libcurand", "libnccl"),
        pattern=r"(?P<library>lib(?:cudart|cudnn\w{0,40}|cublas\w{0,5}|cufft|nvrtc|cusparse|curand|"
        r"nccl)[\w.-]{0,20}): cannot open shared object|(?:Unable to load|Could not load library|"
        r"Unable to find) .{0,60}libcudnn",
        message="A package looks for a library of CUDA that is not in the image, or not in that version",
        hint="Install the version of the package for the CUDA in the image, or the library itself (`pip install "
        "nvidia-cudnn-cu12 nvidia-cublas-cu12`), or begin with an `nvidia/cuda:…-cudnn-runtime-…` image; on CPU "
        "hardware take the package's CPU version.",
        examples=(
            "ImportError: libcudart.so.12: cannot open shared object file: No such file or directory",
            "OSError: libcublas.so.11: cannot open shared object file: No such file or directory",
            "Unable to load any of {libcudnn_ops.so.9.1.0, libcudnn_ops.so.9.1, libcudnn_ops.so.9, libcudnn_ops.so}",
        ),
        explains=(*VAGUE, "shared-library-missing"),
    ),
    # --- libraries of the system ---
    failure(
        code="libgl-missing",
        needles=(
            "libGL.so.1",
            "libgthread-2.0.so.0",
            "libglib-2.0.so.0",
            "libSM.so.6",
            "libXext.so.6",
            "libXrender.so.1",
        ),
        pattern=r"(?P<library>libGL\.so\.1|libgthread-2\.0\.so\.0|libglib-2\.0\.so\.0|libSM\.so\.6|libX(?:ext|"
        r"render)\.so\.\d): cannot open shared object",
        message="OpenCV was installed in the version that opens windows, and its library {library} is not in the image",
        hint="Write `opencv-python-headless` in place of `opencv-python` in requirements.txt, or install above USER: "
        "`RUN apt-get update && apt-get install -y --no-install-recommends libgl1 libglib2.0-0`.",
        examples=(
            "ImportError: libGL.so.1: cannot open shared object file: No such file or directory",
            "ImportError: libgthread-2.0.so.0: cannot open shared object file: No such file or directory",
        ),
        explains=(*VAGUE, "shared-library-missing"),
    ),
    failure(
        code="shared-library-missing",
        needles=(
            "cannot open shared object file",
            "error while loading shared libraries",
            "Error loading shared library",
            "cannot load library",
            "sndfile library not found",
            "Unable to load",
            "no library called",
            "Unable to find",
            "cannot find",
            "PortAudio library not found",
            "failed to find libmagic",
        ),
        pattern=r"(?P<library>lib[\w.+-]{1,80}\.so[\w.]{0,20}): cannot open shared object|"
        r"Error loading shared library (?P<l2>\S{1,80}?):|(?P<l3>sndfile|PortAudio) library not found|"
        r"no library called \"(?P<l4>[\w.-]{1,60})\"|cannot load library '(?P<l5>[^']{1,80})'|"
        r"failed to find (?P<l6>libmagic)|Unable to find (?P<l7>zbar) shared library",
        message="A package needs a library of the system that is not in the image, and that pip cannot install",
        hint="Install the Debian package that has the named file above USER, `RUN apt-get update && apt-get install "
        "-y --no-install-recommends NAME` (libsndfile1, libmagic1, libgomp1, libpango-1.0-0, portaudio19-dev …); "
        "packages.debian.org finds it by the file's name.",
        examples=(
            "OSError: libsndfile.so: cannot open shared object file: No such file or directory",
            "/app/server: error while loading shared libraries: libssl.so.1.1: cannot open shared object file: No "
            "such file or directory",
            "Error loading shared library libstdc++.so.6: No such file or directory (needed by /app/node)",
            'OSError: no library called "pango-1.0-0" was found',
            "OSError: PortAudio library not found",
        ),
    ),
    failure(
        code="glibc-too-old",
        needles=("GLIBC_2", "GLIBCXX_3", "CXXABI_1", "ld-linux-x86-64"),
        pattern=r"version `(?P<version>(?:GLIBC|GLIBCXX|CXXABI)_[\d.]{1,10})' not found|"
        r"ld-linux-x86-64\.so\.2: no such file",
        message="A program was compiled on a newer system than the base image's, and needs {version} of its libraries",
        hint="Take a newer base image (`-trixie` or `-bookworm` in place of `-bullseye`), build and run in the same "
        "image, or compile without the system's libraries (Go: `CGO_ENABLED=0`, Rust: the musl target).",
        examples=(
            "/app/server: /lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.34' not found (required by /app/server)",
            "ImportError: /usr/lib/x86_64-linux-gnu/libstdc++.so.6: version `GLIBCXX_3.4.32' not found",
        ),
        explains=(*VAGUE, "exec-not-found-crlf"),
    ),
    # --- how programs end ---
    failure(
        code="segmentation-fault",
        fault=Fault.DEPENDENCY,
        needles=(
            "Segmentation fault",
            "SIGSEGV",
            "exited with code 139",
            "exit code: 139",
        ),
        pattern=r"Segmentation fault|\bSIGSEGV\b|exit(?:ed with)? code:? 139",
        message="A program was ended by the system for reading memory that is not its own: a fault in a compiled "
        "library, or two that do not fit each other",
        hint="Pin the library that was loading last, and numpy or torch beside it, to versions that are known to work "
        "together; on Alpine take a Debian image (`python:3.12-slim`).",
        examples=(
            "Segmentation fault (core dumped)",
            "Fatal Python error: Segmentation fault",
            "INFO exited: api (terminated by SIGSEGV; not expected)",
            'process "/bin/sh -c python build.py" did not complete successfully: exit code: 139',
        ),
        explains=(*VAGUE, "multiprocess-unsupervised"),
    ),
    failure(
        code="illegal-instruction",
        fault=Fault.DEPENDENCY,
        needles=(
            "Illegal instruction",
            "SIGILL",
            "exit code: 132",
        ),
        pattern=r"Illegal instruction|\bSIGILL\b|exit(?:ed with)? code:? 132\b",
        message="A library uses commands that the machine's processor does not have: it was compiled for another "
        "processor",
        hint="Install it from its published wheel in place of compiling it, or compile without `-march=native` "
        "(llama.cpp: `-DGGML_NATIVE=OFF`).",
        examples=(
            "Illegal instruction (core dumped)",
            "Fatal Python error: Illegal instruction",
            "terminated by SIGILL",
        ),
        explains=(*VAGUE, "multiprocess-unsupervised"),
    ),
    crash(
        code="dead-on-signal",
        severity=Severity.INFO,
        needles=(
            "starting graceful shutdown",
            "Handling signal: term",
            "received SIGTERM",
            "signal 15 (SIGTERM)",
            "SIGTERM",
        ),
        pattern=r"[Ss]ignal received, starting graceful shutdown|Handling signal: term|received SIGTERM|"
        r"signal 15 \(SIGTERM\)|Received SIGTERM",
        message="The platform ended the app (a newer version, sleep, a pause, or a start that took too long); the "
        "cause stands before this line, if there is one",
        hint="Look at what the app did before it; where nothing is wrong, nothing needs to be done.",
        examples=(
            "Signal received, starting graceful shutdown",
            "[2026-03-01 10:00:00 +0000] [1] [INFO] Handling signal: term",
            "INFO  signal 15 (SIGTERM) received from 1, exiting",
        ),
        explains=(),
    ),
)
