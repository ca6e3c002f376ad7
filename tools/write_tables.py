"""Write the tables of keys and stages in docs/ anew from the code: python tools/write_tables.py

A table stands between <!-- keys MODULE:CLASS --> (or <!-- stages -->, <!-- networks -->) and
<!-- end -->.
"""

import importlib
import re
from pathlib import Path

from hitgraph.catalogue import key_table, network_table, stage_table

PAGES = [
    Path(__file__).parents[1] / "docs" / name
    for name in ("stages.md", "evaluation.md", "detectors.md")
]
BLOCK = re.compile(r"<!-- (stages|networks|keys ([\w.]+):(\w+)) -->\n.*?<!-- end -->", re.DOTALL)


def rewritten(page: str) -> str:
    """The page with all tables as the code has them."""
    return BLOCK.sub(_block, page)


def _block(match: "re.Match[str]") -> str:
    if match[1] == "stages":
        table = stage_table()
    elif match[1] == "networks":
        table = network_table()
    else:
        table = key_table(getattr(importlib.import_module(match[2]), match[3]))
    return f"<!-- {match[1]} -->\n{table}\n<!-- end -->"


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(rewritten(page.read_text(encoding="utf-8")), encoding="utf-8")
