"""Checkpoints of a network that was interrupted: found, and refused where they are damaged."""

import struct
import zipfile
import zlib
from pathlib import Path

from hitgraph.errors import InputError

# What zipfile raises: RuntimeError where a flipped bit says that a file is encrypted.
_DAMAGED = (
    *(OSError, EOFError, ValueError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error, struct.error),
)


def checkpoint_to_resume(folder: Path) -> Path | None:
    """The one to go on from, None where no epoch was finished.

    Raises InputError where it or that of the best epoch is damaged: both are zip files, of whose
    check sums torch takes no notice.
    """
    last, best = folder / "last.ckpt", folder / "best.ckpt"
    if not last.is_file():
        return None
    for path in (last, best):
        try:
            with zipfile.ZipFile(path) as archive:
                damaged = archive.testzip()
        except _DAMAGED as error:
            raise unusable(path, f"it cannot be read: {error}") from error
        if damaged is not None:
            raise unusable(path, f"the check sum of {damaged} in it is wrong")
    return last


def unusable(checkpoint: Path, why: str) -> InputError:
    """What a user is told of a checkpoint that a training cannot go on from."""
    return InputError(
        f"{checkpoint}: is no checkpoint of this network ({why}): remove the folder "
        f"{checkpoint.parent} and go on with --resume; this network is then trained anew"
    )
