"""The tables of a benchmark: what the terminal, Markdown and docs/performance.md show."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hitgraph.benchmark.compare import P_VALUE, Comparison
from hitgraph.benchmark.planning import Farm
from hitgraph.benchmark.summary import (
    SCORES,
    Part,
    mean_edges,
    mean_hits,
    spread_of,
    stage_names,
)
from hitgraph.benchmark.text import NOTHING, Table, gigabytes, power, seconds, with_spread
from hitgraph.benchmark.traditional import KEY


def all_tables(run: Mapping[str, Any]) -> list[Table]:
    """Every table of a run, in the order of its measurements."""
    parts: Mapping[str, Part] = run["parts"]
    tables = []
    stages = _named(parts, "stages")
    if stages:
        tables.append(stage_table(run, stages))
    for name, part in _named(parts, "start-up").items():
        tables.append(startup_table(name, part))
    for name, part in _named(parts, "growth").items():
        tables.append(growth_table(name, part))
    throughput = _named(parts, "throughput")
    if throughput:
        tables.append(throughput_table(throughput))
    for name, part in _named(parts, "reference sizes").items():
        tables.append(reference_table(name, part))
    if KEY in parts:
        tables.append(ckf_table(parts[KEY], stages))
    return tables


def stage_table(run: Mapping[str, Any], parts: Mapping[str, Part]) -> Table:
    """Stages as rows, one group of columns a device and number of threads; below, what is found."""
    header = ["stage", "edges after"]
    first = next(iter(parts.values()))
    for part in parts.values():
        place = _place(part)
        header += [f"{place}: wall [s]", "CPU [s]", "peak memory [GB]"]
        header += ["GPU memory [GB]"] if _on_gpu(part) else []
    rows = []
    for stage in stage_names(first):
        edges = mean_edges(first, stage)
        row = [stage, "" if edges is None else f"{edges:,.0f}"]
        for part in parts.values():
            for clock, unit in _columns(part):
                row.append(with_spread(spread_of(part, stage, clock), unit))
        rows.append(tuple(row))
    for what in _quality_rows(first):
        row = [what, ""]
        for part in parts.values():
            row += [_quality_rows(part)[what], *[""] * (len(_columns(part)) - 1)]
        rows.append(tuple(row))
    machine = run["machine"]
    preset = f", preset {run['preset']}" if run["preset"] else ""
    notes = [
        f"{len(first['events'])} events of {mean_hits(first):,.0f} hits (mean){preset}, "
        f"{run['repeats']} repeats after 2 warm-up events; median ± half the central 68 % over "
        "events and repeats.",
        f"{machine['cpu']}, {machine['cores']} cores; torch {machine['torch']}"
        + (f"; {machine['gpu']}" if machine["gpu"] else "; no GPU")
        + f"; hitgraph {run['hitgraph']}, pipeline {run['pipeline']} ({run['fingerprint']}).",
        "From event files (hits and cells) to labels in host memory, in a warm process. Memory is "
        "the largest resident memory of the whole process during the stage; before the first "
        f"event it was {gigabytes(first['loaded_bytes'])} (libraries and weights).",
    ]
    for name, part in parts.items():
        wall, cpu = spread_of(part, "all", "wall"), spread_of(part, "all", "cpu")
        memory = spread_of(part, "all", "peak")
        if wall is not None and cpu is not None and memory is not None:
            notes.append(f"{name}: largest peak memory {memory.largest / 1e9:.2f} GB.")
    notes += _crowded(parts)
    return Table("Stages", tuple(header), tuple(rows), tuple(notes))


def startup_table(name: str, part: Part) -> Table:
    """Imports, and the first event with nothing compiled, with kernels on disk, and when warm."""
    cold, filled = part["empty_cache"], part["filled_cache"]
    rows = [(what, seconds(value), "", "") for what, value in part["seconds"].items()]
    rows.append(("import and load the pipeline", seconds(filled["load_seconds"]), "", ""))
    for what, time, compiled in (
        ("first event, nothing compiled yet", cold["first_event"], cold["compiled"]),
        ("first event of a second process", filled["first_event"], filled["compiled"]),
        ("event in a warm process", filled["warm_event"], 0),
    ):
        rows.append((what, seconds(time["wall"]), seconds(time["cpu"]), str(compiled)))
    notes = (f"The event is {part['event']}.", *_crowded({name: part}))
    header = ("what", "wall [s]", "CPU [s]", "kernels compiled")
    return Table(_title(name), header, tuple(rows), notes)


def growth_table(name: str, part: Part) -> Table:
    """Time of events of different sizes, and the exponents of the fitted powers."""
    rows = []
    for event in part["events"]:
        single = {"events": [event]}
        rows.append(
            (
                f"{event['n_hits']:,}",
                f"{event['edges'].get('graph', 0):,}",
                with_spread(spread_of(single, "all", "wall"), 1),
                with_spread(spread_of(single, "all", "cpu"), 1),
                with_spread(spread_of(single, "all", "peak"), 1e9),
                NOTHING if event["score"] is None else f"{event['score']:.3f}",
                part["made"][event["event"]],
            )
        )
    powers = [
        f"{stage} {power(fit['cpu'])}"
        for stage, fit in part["exponents"].items()
        if fit["cpu"]["exponent"] is not None
    ]
    whole = part["exponents"]["all"]
    notes = (
        f"Fitted time ~ hits^k: k = {power(whole['cpu'])} for CPU time, {power(whole['wall'])} "
        f"for wall time; {power(whole['steady'])} for CPU time over what the yardstick took beside "
        "each size.",
        f"k of the CPU time by stage: {', '.join(powers)}.",
        *_crowded({name: part}),
    )
    header = ("hits", "candidate edges", "wall [s]", "CPU [s]", "peak memory [GB]", "score", "made")
    return Table(_title(name), header, tuple(rows), notes)


def throughput_table(parts: Mapping[str, Part]) -> Table:
    """Events a second of each layout."""
    rows = []
    for name, part in parts.items():
        rows.append(
            (
                name.removeprefix("throughput, "),
                f"{part['events_per_second']:.3g}",
                f"{part['cpu_seconds_per_event']:.3g}",
                f"{part['hits_per_event']:,.0f}",
                gigabytes(part["peak_bytes"]),
                "yes" if part["pinned"] else "no",
            )
        )
    notes = _crowded(parts)
    header = ("layout", "events / s", "CPU s / event", "hits / event", "memory", "pinned")
    return Table("Throughput", header, tuple(rows), tuple(notes))


def reference_table(name: str, part: Part) -> Table:
    """The stages at the reference sizes."""
    rows = [
        (
            stage,
            *[NOTHING if x[0] is None else f"{x[0] / unit:.3g}" for x, unit in _readings(reading)],
        )
        for stage, reading in part["stages"].items()
    ]
    edges = part["edges"]
    notes = (
        "Timing only: seeded weights, synthetic hits, one repeat. "
        f"{part['n_hits']:,} hits, {edges['graph']:,} candidate edges, {edges['filter']:,} kept"
        + (f" ({part['share']:.3g} of the sizes of the paper)." if part["share"] < 1 else "."),
        *_crowded({name: part}),
    )
    header = ("stage", "wall [s]", "CPU [s]", "peak memory [GB]", "GPU memory [GB]")
    return Table(_title(name), header, tuple(rows), notes)


def ckf_table(part: Part, stages: Mapping[str, Part]) -> Table:
    """The traditional chain on the same events, and the ratio of the times."""
    theirs = spread_of(part, "all", "cpu")
    rows = []
    for name, one in {"ACTS CKF": part, **{_place(ours): ours for ours in stages.values()}}.items():
        cpu, wall = spread_of(one, "all", "cpu"), spread_of(one, "all", "wall")
        assert theirs is not None
        assert cpu is not None
        ratio = f"{theirs.median / cpu.median:.3g}"
        found = _quality_rows(one).values()
        rows.append((name, with_spread(cpu, 1), with_spread(wall, 1), ratio, *found))
    inside = ", ".join(f"{name} {value:.3g} s" for name, value in part["stage_seconds"].items())
    notes = (
        "The same events from file to labels, one process and one repeat of the CKF; its stages, "
        f"wall time: {inside}.",
        *_crowded({KEY: part}),
    )
    header = ("finder", "CPU [s]", "wall [s]", "CKF's CPU time / this", *_quality_rows(part))
    return Table("Beside the combinatorial Kalman filter", header, tuple(rows), notes)


def comparison_table(comparison: Comparison, everything: bool = False) -> Table:
    """What changed beyond the noise (or everything)."""
    shown = [c for c in comparison.changes if everything or c.beyond_noise]
    rows = [
        (
            change.part,
            change.what,
            f"{change.before:.4g} {change.unit}".strip(),
            f"{change.now:.4g} {change.unit}".strip(),
            f"{change.ratio:.2f}",
            NOTHING if change.p_value is None else f"{change.p_value:.2g}",
        )
        for change in shown
    ]
    notes = (
        f"{len(shown)} of {len(comparison.changes)} numbers changed beyond the noise. Times: exact "
        f"Mann-Whitney test of the repeats, p < {P_VALUE}, and a change of the median by more than "
        "5 % and than twice the yardstick's own; memory: more than 5 %.",
        *comparison.notes,
    )
    header = ("measurement", "number", "before", "now", "ratio", "p")
    return Table("Compared with the earlier run", header, tuple(rows), notes)


def plan_table(farms: Sequence[Farm]) -> Table:
    """Farms side by side."""
    rows = tuple(
        (
            farm.task,
            farm.unit,
            f"{farm.per_unit:.3g}",
            f"{farm.units:,}",
            f"{farm.price / 1e6:.3g}",
            f"{farm.power / 1e6:.3g}",
            f"{farm.energy_cost / 1e6:.3g}",
        )
        for farm in farms
    )
    header = ("task", "unit", "per s and unit", "units", "price [M€]", "power [MW]", "energy [M€]")
    notes = (
        "From the rates above, or from CPU times where the machine was busy, with the assumptions "
        "of hitgraph.benchmark.planning (docs/performance.md).",
    )
    return Table("Plan", header, rows, notes)


def _named(parts: Mapping[str, Part], kind: str) -> dict[str, Part]:
    return {name: part for name, part in parts.items() if name.split(",")[0] == kind}


def _title(name: str) -> str:
    return name[0].upper() + name[1:]


def _place(part: Part) -> str:
    if _on_gpu(part):
        return str(part["device"])
    return f"{part['threads']} thread{'s' if part['threads'] > 1 else ''}"


def _on_gpu(part: Part) -> bool:
    return str(part["device"]) != "cpu"


def _columns(part: Part) -> list[tuple[str, float]]:
    """Clocks shown for a measurement, each with its unit."""
    columns = [("wall", 1.0), ("cpu", 1.0), ("peak", 1e9)]
    return [*columns, ("gpu_peak", 1e9)] if _on_gpu(part) else columns


def _readings(reading: Mapping[str, Any]) -> Iterator[tuple[list[Any], float]]:
    for clock, unit in (("wall", 1.0), ("cpu", 1.0), ("peak", 1e9), ("gpu_peak", 1e9)):
        yield reading[clock], unit


def _quality_rows(part: Part) -> dict[str, str]:
    """Score and efficiencies as rows of text; nothing where the events have no truth."""
    from hitgraph.evaluation.ratio import Ratio
    from hitgraph.evaluation.tables import percent, with_error

    quality = part["quality"]
    if quality is None:
        return {}
    nan = float("nan")
    rows = {
        title: with_error(
            *(nan if quality[key][k] is None else quality[key][k] for k in ("value", "error"))
        )
        for title, key in SCORES.items()
        if key in quality  # older files have one score
    }
    for min_pt, ratio in quality["technical_efficiency"].items():
        rows[f"technical efficiency, pT > {min_pt} GeV"] = percent(
            Ratio(ratio["passed"], ratio["total"])
        )
    rows["purity"] = percent(Ratio(quality["purity"]["passed"], quality["purity"]["total"]))
    return rows


def _crowded(parts: Mapping[str, Part]) -> list[str]:
    """A warning that names the measurements for which the machine had no free cores."""
    loads = {name: part["load"] for name, part in parts.items() if part.get("crowded")}
    if not loads:
        return []
    some = ", ".join(f"{name} ({load['busy']:.1f})" for name, load in loads.items())
    return [
        "The machine was busy, so wall times and rates are worse than on a free one; CPU times "
        f"suffer less. Cores taken by others when it began: {some}."
    ]
