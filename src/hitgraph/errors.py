"""The errors a user can cause, each with one message that says what to do about it."""

__all__ = ["ContractError", "HitgraphError", "InputError", "MissingExtraError", "SettingsError"]


def printable(text: str) -> str:
    """`text` with what a terminal would obey or cannot show written out: \\x1b, \\udc80.

    Names of files can hold anything, and reach messages, tables and file names from there.
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char == "\n" else char.encode("unicode_escape").decode()
        for char in text
    )


class HitgraphError(Exception):
    """Base of every error whose message is meant for the user, shown without a traceback."""

    def __init__(self, message: object = "") -> None:
        super().__init__(printable(str(message)))


class InputError(HitgraphError):
    """A file, table or event is not what it has to be: names the file, row or column."""


class SettingsError(HitgraphError):
    """A recipe or command-line setting is wrong: names the key, the value and what is allowed."""


class ContractError(HitgraphError):
    """A stage, perhaps of another package, is not what docs/extending.md asks of it."""


class MissingExtraError(HitgraphError):
    """An optional extra is needed: names the extra and the command that installs it."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(
            f"{what} needs packages that are not installed: "
            f"install them with  pip install 'hitgraph[{extra}]'"
        )


def reason(error: Exception) -> str:
    """Why something that nobody foresaw went wrong, in one line."""
    if isinstance(error, MemoryError):
        return "ran out of memory" + (f" ({error})" if str(error) else "")
    return f"{type(error).__name__}: {error}"
