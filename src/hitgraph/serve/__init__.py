"""Tracks as a service: the Open Inference Protocol, version 2, over HTTP (extra `serve`).

One process speaks HTTP (`app`, `front`), others hold the pipeline and do the work (`worker`), so
that health and metrics answer while events are computed, and a request that kills its worker harms
no other.
"""
