"""What an app uses: the real figures of its processes, in the words of the Hub's metrics."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spaceops.localhub.hardware import Flavor
    from spaceops.localhub.visits import Traffic

GIGABYTE = 1 << 30


class Gauge:
    """Measures one app from one `read` to the next. CPU and memory in all are what its hardware would have."""

    def __init__(self, pid: int, flavor: Flavor, traffic: Traffic) -> None:
        self._pid, self._flavor, self._traffic = pid, flavor, traffic
        self._at = time.monotonic()
        self._cpu_seconds: dict[int, float] = self._processes()[0]
        self._passed = (traffic.received, traffic.sent)

    def read(self, replica: str) -> dict[str, Any]:
        """One metric; blocks for some milliseconds."""
        seconds, self._at = time.monotonic() - self._at, time.monotonic()
        cpu, memory = self._processes()
        used = sum(spent - self._cpu_seconds.get(pid, 0.0) for pid, spent in cpu.items())
        passed = (self._traffic.received, self._traffic.sent)
        received, sent = (after - before for before, after in zip(self._passed, passed, strict=True))
        self._cpu_seconds, self._passed = cpu, passed
        cores = self._flavor.vcpus
        return {
            "cpu_usage_pct": round(100 * max(used, 0.0) / seconds / cores, 1),
            "cpu_millicores": 1000 * cores,
            "memory_used_bytes": memory,
            "memory_total_bytes": self._flavor.gigabytes * GIGABYTE,
            "rx_bps": round(8 * received / seconds),
            "tx_bps": round(8 * sent / seconds),
            "gpus": {},
            "replica": replica,
        }

    def _processes(self) -> tuple[dict[int, float], int]:
        """The CPU seconds that each process of the app has spent, and the bytes of memory of all."""
        import psutil  # type: ignore[import-untyped]  # not before somebody wants to know

        cpu, memory = {}, 0
        with suppress(psutil.Error):
            for process in psutil.Process(self._pid).children(recursive=True):
                with suppress(psutil.Error):
                    times = process.cpu_times()
                    cpu[process.pid] = times.user + times.system
                    memory += process.memory_info().rss
        return cpu, memory
