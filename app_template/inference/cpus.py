"""How many CPUs the container really has: threads beyond that only take them from each other."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path


def cpu_count() -> int:
    """Whole CPUs that this process may use: what it may run on, within the limit of its cgroup.

    `os.cpu_count()` knows neither: in a container that may use 2 CPUs of a machine with 64 it says 64.
    """
    try:
        allowed = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS
        allowed = os.cpu_count() or 1
    return limited(allowed, Path("/"))


def limited(cpus: int, root: Path) -> int:
    """So many CPUs, or as many whole ones as the cgroups below `root` leave of them, at least one."""
    return max(1, min([cpus, *map(int, _limits(root))]))


def _limits(root: Path) -> Iterator[float]:
    """The limits of this process's cgroup and of those around it, in CPUs."""
    try:
        lines = (root / "proc/self/cgroup").read_text("utf-8").splitlines()
    except OSError:  # macOS
        return
    for _, controllers, path in (line.split(":", 2) for line in lines):
        if controllers in ("", "cpu", "cpu,cpuacct", "cpuacct,cpu"):
            mount = root / "sys/fs/cgroup" / controllers
            for folder in (mount / path.lstrip("/"), *(mount / path.lstrip("/")).parents):
                yield from _limit(folder)
                if folder == mount:
                    break


def _limit(folder: Path) -> Iterator[float]:
    """What one cgroup says, in either version's files: microseconds of CPU time in every period."""
    for names in (["cpu.max"], ["cpu.cfs_quota_us", "cpu.cfs_period_us"]):
        try:
            quota, period = " ".join((folder / name).read_text("utf-8") for name in names).split()
        except OSError:  # the other version, or a path that is another one inside the container
            continue
        if quota not in ("max", "-1"):
            yield int(quota) / int(period)
