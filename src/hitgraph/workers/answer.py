"""What became of an item: what the function returned for it, or why there is nothing."""

import logging
from collections.abc import Callable
from typing import TypeVar

from hitgraph.errors import HitgraphError, InputError, reason
from hitgraph.workers.told import Told, listening

Item = TypeVar("Item")
Result = TypeVar("Result")

log = logging.getLogger(__name__)


class Lost(InputError):
    """An item that may go well another time: its worker died, or nobody foresaw what went wrong."""


def attempt(function: Callable[[Item], Result], item: Item) -> Result | HitgraphError:
    """The result, or the error, which can be pickled whatever its kind."""
    try:
        return function(item)
    except Lost as error:
        return error
    except InputError as error:
        return InputError(str(error))
    except HitgraphError as error:
        return HitgraphError(str(error))
    except Exception as error:
        log.debug("%s:", name_of(item), exc_info=error)
        return Lost(reason(error))


def attempt_apart(
    function: Callable[[Item], Result], item: Item
) -> tuple[Result | HitgraphError, list[Told]]:
    """As `attempt`, in another process than the user's: with what it has to say."""
    with listening() as heard:
        return attempt(function, item), heard


def raised(answer: Result | HitgraphError) -> Result | InputError:
    """The answer, or the error in it that is about more than its item."""
    if isinstance(answer, HitgraphError) and not isinstance(answer, InputError):
        raise answer
    return answer


def name_of(item: object) -> str:
    """What a message calls an item."""
    return str(getattr(item, "name", item))
