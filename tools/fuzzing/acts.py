"""A small event in the form of ACTS."""

from collections.abc import Iterator

import numpy as np

from hitgraph.event.event import Event


def acts_form(event: Event) -> dict[str, bytes]:
    """The event as the CSV writers of ACTS would leave it."""
    hits, cells, truth, particles = event.hits, event.cells, event.truth, event.particles
    assert cells is not None
    assert truth is not None
    assert particles is not None
    row = {hit: k for k, hit in enumerate(hits.hit_id.tolist())}
    identifier = [
        (int(v) << 56) | (int(layer) << 36) | (int(m) << 8)
        for v, layer, m in zip(hits.volume_id, hits.layer_id, hits.module_id, strict=True)
    ]
    number = {int(p): k + 1 for k, p in enumerate(particles.particle_id)}
    real = np.flatnonzero(truth.particle_id != 0).tolist()
    tables: dict[str, tuple[str, Iterator[str]]] = {
        "measurements": (
            "measurement_id,geometry_id,local0,local1,global_x,global_y,global_z",
            (
                f"{k},{identifier[k]},0,0,{hits.x[k]!s},{hits.y[k]!s},{hits.z[k]!s}"
                for k in range(len(hits))
            ),
        ),
        "cells": (
            "measurement_id,channel0,channel1,value",
            (
                f"{row[int(h)]},{a},{b},{value!s}"
                for h, a, b, value in zip(
                    cells.hit_id, cells.ch0, cells.ch1, cells.value, strict=True
                )
            ),
        ),
        "measurement-simhit-map": (
            "measurement_id,hit_id",
            (f"{k},{at}" for at, k in enumerate(real)),
        ),
        "hits": (
            "particle_id,geometry_id,tx,ty,tz,tpx,tpy,tpz",
            (
                f"{number[int(truth.particle_id[k])]},{identifier[k]},{truth.tx[k]!s},"
                f"{truth.ty[k]!s},{truth.tz[k]!s},{truth.tpx[k]!s},{truth.tpy[k]!s},"
                f"{truth.tpz[k]!s}"
                for k in real
            ),
        ),
        "particles_simulated": (
            "particle_id,particle_type,vx,vy,vz,px,py,pz,q",
            (
                f"{k + 1},{p.particle_type[k]},{p.vx[k]!s},{p.vy[k]!s},{p.vz[k]!s},{p.px[k]!s},"
                f"{p.py[k]!s},{p.pz[k]!s},{p.q[k]}"
                for p in (particles,)
                for k in range(len(p))
            ),
        ),
    }
    return {
        f"{event.name}-{name}.csv": "\n".join([header, *lines, ""]).encode()
        for name, (header, lines) in tables.items()
    }
