"""What /metrics shows. A module that counts something of its own defines it there, with this registry."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)  # memory, CPU time, open files
PlatformCollector(registry=REGISTRY)

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)  # seconds

REQUESTS = Counter("http_requests", "Requests answered", ["method", "route", "status"], registry=REGISTRY)
SECONDS = Histogram(
    "http_request_seconds", "From request to end of answer", ["route"], buckets=BUCKETS, registry=REGISTRY
)
IN_PROGRESS = Gauge("http_requests_in_progress", "Requests being answered now", registry=REGISTRY)
MODEL_READY = Gauge("model_ready", "1 when the model is loaded", registry=REGISTRY)
