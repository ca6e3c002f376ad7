"""What the API page shows of fields: the comments beside them (an extension of griffe, mkdocs.yml).

Shapes and units of fields stand in the comment at the end of their line, which griffe leaves out.
"""

import io
import tokenize
from typing import Any

import griffe


class FieldComments(griffe.Extension):
    """Comments of fields as their docstrings; special methods without a docstring stay hidden."""

    def on_attribute_instance(self, *, attr: griffe.Attribute, **_: Any) -> None:
        """Give a field without a docstring the comment on its last line."""
        if attr.docstring is None and (text := comment_of(attr.source)):
            attr.docstring = griffe.Docstring(text, lineno=attr.lineno, parent=attr)

    def on_class_members(self, *, cls: griffe.Class, **_: Any) -> None:
        """Leave out what only Python calls, where nothing is said of it."""
        for name, member in list(cls.members.items()):
            if member.is_function and member.is_special and not member.has_docstring:
                cls.del_member(name)


def comment_of(source: str) -> str:
    """The text of the last comment in some lines, '' where there is none."""
    tokens = tokenize.generate_tokens(io.StringIO(source.strip()).readline)
    comments = [one.string for one in tokens if one.type == tokenize.COMMENT]
    return comments[-1].lstrip("# ") if comments else ""
