"""The hardware that the Hub offers: names, sizes and prices of August 2026. Nothing of it is here; it is only told."""

from __future__ import annotations

from typing import Any, NamedTuple

MICRO = 1_000_000
MINUTES = 60
DYNAMIC_CORES, DYNAMIC_MEMORY = 8, 64  # what stands for "dynamic" where a number is needed


class Flavor(NamedTuple):
    """One row of the price list: memory in GB, price in dollars per hour, GPUs as (count, model, GB in all)."""

    name: str
    pretty_name: str
    cores: str
    memory: str
    disk: str | None
    hourly: float
    gpu: tuple[int, str, int] | None = None

    @property
    def accelerator(self) -> str:
        """What a Space finds in its variable ACCELERATOR."""
        return self.gpu[1].lower() if self.gpu else "none"

    @property
    def vcpus(self) -> int:
        """The cores, as a number; ZeroGPU has as many as it likes."""
        return int(self.cores) if self.cores.isdecimal() else DYNAMIC_CORES

    @property
    def gigabytes(self) -> int:
        """The memory, as a number."""
        return int(self.memory) if self.memory.isdecimal() else DYNAMIC_MEMORY

    def as_json(self) -> dict[str, Any]:
        """The flavor as the wire has it: text everywhere but in the prices."""
        row = {
            "name": self.name,
            "prettyName": self.pretty_name,
            "cpu": f"{self.cores} vCPU",
            "ram": f"{self.memory} GB",
        }
        disk = {"ephemeralStorage": f"{self.disk} GB"} if self.disk else {}
        per_minute = self.hourly / MINUTES
        price = {
            "unitCostMicroUSD": round(per_minute * MICRO),
            "unitCostUSD": round(per_minute, 6),
            "unitLabel": "minute",
        }
        return {**row, **disk, "accelerator": self._gpu_as_json(), **price}

    def _gpu_as_json(self) -> dict[str, str] | None:
        if self.gpu is None:
            return None
        count, model, memory = self.gpu
        return {
            "type": "gpu",
            "model": model,
            "quantity": str(count),
            "vram": f"{memory} GB",
            "manufacturer": "Nvidia",
        }


FLAVORS = (
    Flavor("cpu-basic", "CPU basic", "2", "16", "50", 0.0),
    Flavor("cpu-upgrade", "CPU upgrade", "8", "32", "50", 0.03),
    Flavor("zero-a10g", "ZeroGPU", "dynamic", "dynamic", None, 0.0, (1, "ZeroGPU", 70)),
    Flavor("t4-small", "Nvidia T4 - small", "4", "15", "50", 0.40, (1, "T4", 16)),
    Flavor("t4-medium", "Nvidia T4 - medium", "8", "30", "100", 0.60, (1, "T4", 16)),
    Flavor("l4x1", "1x Nvidia L4", "8", "30", "400", 0.80, (1, "L4", 24)),
    Flavor("l4x4", "4x Nvidia L4", "48", "186", "3200", 3.80, (4, "L4", 96)),
    Flavor("l40sx1", "1x Nvidia L40S", "8", "62", "380", 1.80, (1, "L40S", 48)),
    Flavor("l40sx4", "4x Nvidia L40S", "48", "382", "3200", 8.30, (4, "L40S", 192)),
    Flavor("l40sx8", "8x Nvidia L40S", "192", "1534", "6500", 23.50, (8, "L40S", 384)),
    Flavor("a10g-small", "Nvidia A10G - small", "4", "15", "110", 1.00, (1, "A10G", 24)),
    Flavor("a10g-large", "Nvidia A10G - large", "12", "46", "200", 1.50, (1, "A10G", 24)),
    Flavor("a10g-largex2", "2x Nvidia A10G - large", "24", "92", "1000", 3.00, (2, "A10G", 48)),
    Flavor("a10g-largex4", "4x Nvidia A10G - large", "48", "184", "2000", 5.00, (4, "A10G", 96)),
    Flavor("a100-large", "Nvidia A100 - large", "12", "142", "1000", 2.50, (1, "A100", 80)),
    Flavor("a100x4", "4x Nvidia A100", "48", "568", "4000", 10.00, (4, "A100", 320)),
    Flavor("a100x8", "8x Nvidia A100", "96", "1136", "8000", 20.00, (8, "A100", 640)),
    Flavor("rtx-pro-6000", "1x Nvidia RTX PRO 6000", "23", "256", "475", 2.75, (1, "RTX PRO 6000", 96)),
    Flavor("rtx-pro-6000x2", "2x Nvidia RTX PRO 6000", "46", "512", "950", 5.50, (2, "RTX PRO 6000", 192)),
    Flavor("rtx-pro-6000x4", "4x Nvidia RTX PRO 6000", "92", "1024", "1900", 11.00, (4, "RTX PRO 6000", 384)),
    Flavor("rtx-pro-6000x8", "8x Nvidia RTX PRO 6000", "184", "2048", "3800", 22.00, (8, "RTX PRO 6000", 768)),
)
FREE = FLAVORS[0].name
ZERO_GPU = "zero-a10g"
BY_NAME = {flavor.name: flavor for flavor in FLAVORS}


def flavors() -> list[dict[str, Any]]:
    """All that a Space may ask for, as the wire has it."""
    return [flavor.as_json() for flavor in FLAVORS]
