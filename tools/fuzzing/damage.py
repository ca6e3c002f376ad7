"""Damage at random: to the bytes of any file, to tables of text."""

import numpy as np

IMPOSSIBLE = ("nan", "inf", "-inf", "1e30", "-1e30", "", "left", "1_0", "--1", "1e400")

Rng = np.random.Generator


def damaged_bytes(data: bytes, rng: Rng) -> bytes:
    """One to three places changed, cut out, doubled, put in, or all behind cut off."""
    changed = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        if not changed:
            break
        at, length = int(rng.integers(len(changed))), int(2 ** rng.uniform(0, 8))
        change = rng.integers(9)
        if change in (0, 1, 7, 8):
            changed[at] ^= 1 << int(rng.integers(8))
        elif change == 2:
            changed[at] = int(rng.integers(256))
        elif change == 3:
            del changed[at : at + length]
        elif change == 4:
            changed[at:at] = changed[at : at + length]
        elif change == 5:
            changed[at : at + length] = rng.bytes(length)
        else:
            del changed[at:]
    return bytes(changed)


def damaged_table(data: bytes, rng: Rng) -> tuple[bytes, str]:
    """A CSV table changed as people and full disks change it, and how it has to be met.

    "refuse": the table must be refused; "say": refused, spoken of, or read as it was; "any".
    """
    lines = data.decode().splitlines()
    change = rng.integers(9)
    row = int(rng.integers(1, max(2, len(lines))))
    cells = lines[min(row, len(lines) - 1)].split(",")
    column = int(rng.integers(len(cells)))
    if change <= 1 and row < len(lines):
        cells[column] = str(rng.choice(IMPOSSIBLE))
        lines[row] = ",".join(cells)
        return ("\n".join(lines) + "\n").encode(), "refuse"
    if change == 2:
        return data[: int(rng.integers(len(data)))], "say"
    if change == 3:
        return damaged_bytes(data, rng), "any"
    if change == 4:
        order = rng.permutation(np.arange(1, len(lines)))
        return "\n".join([lines[0], *(lines[k] for k in order), ""]).encode(), "same"
    if change == 5:
        end = str(rng.choice(["\r", "\r\n", "\n\n"]))
        return (end.join(lines) + end).encode(), "same"
    if change == 6 and row < len(lines):
        return "\n".join([*lines[:row], lines[row], *lines[row:], ""]).encode(), "any"
    if change == 7:
        return "\n".join([*lines[:1], ""]).encode(), "say"
    names = lines[0].split(",")
    names[column % len(names)] = str(rng.choice(["", "x", "hit_id", "\udcff", "weight"]))
    return "\n".join([",".join(names), *lines[1:], ""]).encode("utf-8", "surrogateescape"), "any"
