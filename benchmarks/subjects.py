"""The subjects of measurement, in the order in which they run."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from benchmarks import (
    authentication,
    burst,
    cold_start,
    control_plane,
    decoding,
    isolation,
    latency,
    lost_requests,
    many_proxies,
    memory,
    scrape,
    steady_changes,
    swarm,
    throughput,
)
from benchmarks.context import Context
from benchmarks.measurement import Finding


@dataclass(frozen=True, slots=True)
class Subject:
    """Something to be measured: its title, the minutes that it may take in a full run, and what yields the findings."""

    title: str
    minutes: float
    run: Callable[[Context], Iterator[Finding]]


SUBJECTS = {
    "throughput": Subject("How many requests a proxy can take, beside rivals", 7, throughput.run),
    "latency": Subject("How long requests take", 3, latency.run),
    "authentication": Subject("What a password costs", 3, authentication.run),
    "control-plane": Subject("What the controller does per pass, by stage", 4, control_plane.run),
    "decoding": Subject("What reading the Swarm takes", 1, decoding.run),
    "cold-start": Subject("From nothing to ready", 2, cold_start.run),
    "burst": Subject("Many services created at once", 1, burst.run),
    "isolation": Subject("Some services that HAProxy refuses", 1, isolation.run),
    "steady-changes": Subject("A Swarm that never rests", 1.5, steady_changes.run),
    "swarm": Subject("From a change in a real Swarm to the first request", 4, swarm.run),
    "lost-requests": Subject("What is lost while everything changes", 2, lost_requests.run),
    "many-proxies": Subject("Many proxies of one listener", 1, many_proxies.run),
    "scrape": Subject("What Prometheus costs", 1, scrape.run),
    "memory": Subject("What memory it takes", 3, memory.run),
}
"""Their minutes are 35 at most, all together."""
