"""Compiles every kernel of Triton for an H100, which needs no GPU.

The interpreter takes what the compiler refuses, a variable of two types for one.
"""

import sys
from typing import Any

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from hitgraph.graph.scored import gpu as scored
from hitgraph.graph.scored.values import N_BINS, N_GEOMETRY, SCORE_VARIABLES
from hitgraph.graph.triplets import gpu as triplets
from hitgraph.tracks.merge import gpu as merge

FLOAT, INT, LONG = "*fp32", "*i32", "*i64"  # arrays


def each(kind: str, names: str) -> dict[str, str]:
    return dict.fromkeys(names.split(), kind)


SCORED = {
    **each(LONG, "inner window low high hit_at module out_inner out_outer"),
    **each(FLOAT, "eta_at columns far bounds base table_low table_scale table cut_at out_score"),
    **each(INT, "places"),
}
TRIPLETS = {
    **each(INT, "source target order begin places out_inner out_outer inner outer"),
    **each(FLOAT, "position rows inputs"),
    **each("fp32", "reach_phi reach_z"),
    **each("i32", "first_edge n width"),
}
MERGED = {
    **each(INT, "rank source target group size held parent best"),
    **each("i32", "n max_hits n_hits none"),
    "is_open": "*i8",
}
TABLES = {"N_VARIABLES": len(SCORE_VARIABLES), "N_GEOMETRY": N_GEOMETRY, "N_BINS": N_BINS}
KERNELS: list[tuple[Any, dict[str, str], dict[str, Any]]] = [
    *((scored._search, SCORED, {**TABLES, "BLOCK": scored.BLOCK, "FILL": f}) for f in (0, 1)),
    *((triplets._search, TRIPLETS, {"BLOCK": triplets.BLOCK, "FILL": f}) for f in (0, 1)),
    (triplets._describe, TRIPLETS, {"BLOCK": triplets.MANY}),
    (merge._offer, MERGED, {"BLOCK": merge.BLOCK}),
    (merge._take, MERGED, {"WIDTH": 32}),
    (merge._relabel, MERGED, {"BLOCK": merge.BLOCK}),
]


def main() -> None:
    for kernel, types, constants in KERNELS:
        named = {name: types.get(name, "constexpr") for name in kernel.arg_names}
        source = ASTSource(kernel, named, constants)
        compiled = triton.compile(source, target=GPUTarget("cuda", 90, 32))
        sys.stdout.write(f"{kernel.__name__} {len(compiled.asm['cubin'])} bytes\n")


if __name__ == "__main__":
    main()
