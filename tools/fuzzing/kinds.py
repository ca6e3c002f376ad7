"""All kinds of input by name."""

from fuzzing.events import EVENT_KINDS, TABLE_KINDS, event_kind, table_kind
from fuzzing.kind import Kind

READER_KINDS = (*EVENT_KINDS, *TABLE_KINDS)
KINDS = (*READER_KINDS, "recipe", "pipeline")  # a try is drawn by its place: add behind


def make_kind(name: str) -> Kind:
    """The kind of that name, one of KINDS."""
    if name in EVENT_KINDS:
        return event_kind(name)
    if name in TABLE_KINDS:
        return table_kind(name)
    from fuzzing.pipelines import pipeline_kind  # imports torch

    return pipeline_kind(name)
