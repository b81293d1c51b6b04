"""The price list as the Hub sends it."""

from __future__ import annotations

import pytest

from spaceops.localhub.hardware import BY_NAME, flavors


def test_a_gpu_flavor_in_full() -> None:
    assert BY_NAME["t4-small"].as_json() == {
        "name": "t4-small",
        "prettyName": "Nvidia T4 - small",
        "cpu": "4 vCPU",
        "ram": "15 GB",
        "ephemeralStorage": "50 GB",
        "accelerator": {"type": "gpu", "model": "T4", "quantity": "1", "vram": "16 GB", "manufacturer": "Nvidia"},
        "unitCostMicroUSD": 6667,
        "unitCostUSD": 0.006667,
        "unitLabel": "minute",
    }


def test_the_free_one_costs_nothing_and_has_no_gpu() -> None:
    basic = flavors()[0]
    assert (basic["name"], basic["unitCostMicroUSD"], basic["accelerator"]) == ("cpu-basic", 0, None)


@pytest.mark.parametrize("flavor", flavors(), ids=lambda flavor: flavor["name"])
def test_all_values_are_text_but_the_prices(flavor: dict[str, object]) -> None:
    mandatory = {"name", "prettyName", "cpu", "ram", "accelerator", "unitCostMicroUSD", "unitCostUSD", "unitLabel"}
    assert set(flavor) - {"ephemeralStorage"} == mandatory
    assert isinstance(flavor["unitCostMicroUSD"], int)
    assert isinstance(flavor["unitCostUSD"], float)
    texts = [value for name, value in flavor.items() if not name.startswith("unitCost") and name != "accelerator"]
    gpu = flavor["accelerator"]
    texts += gpu.values() if isinstance(gpu, dict) else []
    assert all(isinstance(text, str) and text for text in texts)


def test_names_are_unique() -> None:
    assert len(BY_NAME) == len(flavors())
