"""What int8 or few weights give in CPU time, of one layer: python benchmarks/small_layers.py

    python benchmarks/small_layers.py --rows 100000 --widths 64 128 512

One linear layer on as many rows, square, one thread: in float32; in int8 with sums in int32
(torch._int_mm, operands given in int8, their conversion apart); and with 1/56, a tenth and half of
the weights as a sparse matrix in rows (CSR). CPU time, the least of several.
"""

import argparse
import time
from collections.abc import Callable, Iterator

import torch
from rich.console import Console
from torch.nn.functional import linear

SHARES = (1 / 56, 0.1, 0.5)
REPEAT = 7


def least(call: Callable[[], object]) -> float:
    """ms"""
    call()
    found = []
    for _ in range(REPEAT):
        begun = time.process_time()
        call()
        found.append(time.process_time() - begun)
    return 1000 * min(found)


def times(n_rows: int, width: int) -> Iterator[tuple[str, float]]:
    x, weight = torch.randn(n_rows, width), torch.randn(width, width)
    yield "float32", least(lambda: linear(x, weight))
    x8, weight8 = ((one * 30).round().clamp(-127, 127).to(torch.int8) for one in (x, weight))
    turned = weight8.T.contiguous()
    yield "int8", least(lambda: torch._int_mm(x8, turned))
    yield (
        "to int8 and back",
        least(lambda: (x * 30).round().clamp(-127, 127).to(torch.int8).float()),
    )
    columns = x.T.contiguous()
    for share in SHARES:
        sparse = (weight * (torch.rand_like(weight) < share)).to_sparse_csr()
        yield f"{share:.1%} of the weights", least(lambda matrix=sparse: matrix @ columns)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--widths", type=int, nargs="+", default=[64, 128, 512])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(1)
    console = Console()
    for width in arguments.widths:
        for name, ms in times(arguments.rows, width):
            console.print(f"{width} x {width}, {name}: {ms:.1f} ms", highlight=False)


if __name__ == "__main__":
    main()
