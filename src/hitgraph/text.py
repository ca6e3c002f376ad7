"""Text from elsewhere, made fit to be shown."""

import re
from collections.abc import Collection
from itertools import islice

# What would move the cursor, colour the screen or turn the text round; lone surrogates stand for
# bytes of file names that are not UTF-8.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """The text with control characters, and bytes that are no characters, written as \\x1b."""
    return _UNPRINTABLE.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def listed(names: Collection[str], most: int = 12) -> str:
    """The first names of many, for a message of one screen; "nothing" where there are none."""
    shown = [name[:80] for name in islice(names, most)]
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return (", ".join(shown) or "nothing") + rest
