"""Symptoms."""

from __future__ import annotations

from spaceops.symptoms import Symptom

SYMPTOMS: tuple[Symptom, ...] = ()
