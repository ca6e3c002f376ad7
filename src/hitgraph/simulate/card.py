"""Pythia card files: the user's hard process."""

from pathlib import Path

from hitgraph.errors import SettingsError

# What hitgraph sets itself: the beams, the random numbers, the length of a run.
RESERVED = ("Beams:", "Random:", "Main:")


def read_card(path: str | Path) -> tuple[str, ...]:
    """The settings in a Pythia card file, one "key = value" each; comments are left out.

    Raises SettingsError where the file cannot be read, has no settings, or sets what is fixed.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{path}: is no Pythia card file that can be read ({error}): the hard process is "
            "ttbar, none, or a text file of Pythia settings"
        ) from error
    settings = []
    for number, line in enumerate(text.splitlines(), start=1):
        line = " ".join(line.split())
        if not line or not line[0].isalnum():  # as Pythia: anything else is a comment
            continue
        if line.startswith(RESERVED):
            raise SettingsError(
                f"{path}: line {number} sets {line.split()[0]}, which hitgraph sets itself "
                "(protons at 14 TeV, one seed an event): remove the line"
            )
        settings.append(line)
    if not settings:
        raise SettingsError(f"{path}: has no Pythia settings: write one a line, like Top:all = on")
    return tuple(settings)


def check_card(card: tuple[str, ...]) -> None:
    """Raises SettingsError for a line that Pythia does not know; does not start Pythia."""
    import pythia8mc

    pythia = pythia8mc.Pythia("", False)
    unknown = [line for line in card if not pythia.readString(line, False)]
    if unknown:
        raise SettingsError(
            f"Pythia does not know the setting {unknown[0]!r} of the card"
            f"{f' nor {len(unknown) - 1} more' if len(unknown) > 1 else ''}: "
            "correct its name or value"
        )
