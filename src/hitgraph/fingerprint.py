"""Digests that tell two track finders apart."""

import hashlib
from pathlib import Path

SUFFIXES = (".yaml", ".safetensors", ".parquet")
LENGTH = 16  # hexadecimal digits


def fingerprint_of_folder(folder: Path) -> str:
    """Of a pipeline: its recipe, weights and detector."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.*")):
        if path.suffix in SUFFIXES:
            digest.update(path.read_bytes())
    return digest.hexdigest()[:LENGTH]


def fingerprint_of_file(path: Path) -> str:
    """Of all that is in a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:LENGTH]


def fingerprint_of_settings(*settings: object) -> str:
    """Of frozen dataclasses, numbers and texts."""
    return hashlib.sha256(repr(settings).encode()).hexdigest()[:LENGTH]
