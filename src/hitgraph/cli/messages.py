"""Text for people, whatever is in it and wherever it goes."""

import codecs
import re
import sys

# What would move the cursor, colour the screen or turn the text round; lone surrogates stand for
# bytes of file names that are not UTF-8.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_PLAIN = {"±": "+-", "…": "...", "–": "-", "—": "-", "“": '"', "”": '"', "≥": ">=", "≤": "<="}


def printable(text: str) -> str:
    """The text with control characters, and bytes that are no characters, written as \\x1b."""
    return _UNPRINTABLE.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


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
