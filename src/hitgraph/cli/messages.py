"""Text for people, whatever is in it and wherever it goes."""

import codecs
import sys

from hitgraph.text import printable

_PLAIN = {"±": "+-", "…": "...", "–": "-", "—": "-", "“": '"', "”": '"', "≥": ">=", "≤": "<="}


def complain(text: str) -> None:
    """One message on standard error."""
    sys.stderr.write(printable(text) + "\n")


def tolerate_narrow_encodings() -> None:
    """From now on standard output takes every character, in ASCII if it has nothing better."""
    codecs.register_error("plain", _in_ascii)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="plain")


def _in_ascii(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    rest = error.object[error.start : error.end]
    text = "".join(_PLAIN.get(c, c.encode("ascii", "backslashreplace").decode()) for c in rest)
    return text, error.end
