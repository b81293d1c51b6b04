"""How a model of the Hub is found, made ready and run."""

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # before ONNX Runtime is imported, which else reports to Microsoft
