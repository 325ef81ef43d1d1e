"""`Rendered`: the files HAProxy is started from, and the tables it can be changed by at run time."""

from collections.abc import Mapping
from dataclasses import dataclass

CONFIG_FILE = "haproxy.cfg"


@dataclass(frozen=True, slots=True)
class Rendered:
    """Every file of one configuration.

    ``config`` is the text of ``haproxy.cfg``; ``maps`` holds each map file's entries by its name relative to the
    configuration folder (``maps/prefix.map``), which is also the name HAProxy knows it by; ``owners`` tells for a line
    number of ``config`` (from 1) which services that line was written for, lines for all have no entry.
    """

    config: str
    maps: Mapping[str, Mapping[str, str]]
    owners: Mapping[int, tuple[str, ...]]

    def files(self) -> dict[str, bytes]:
        """Return the content of every file by its path relative to the configuration folder."""
        texts = {CONFIG_FILE: self.config} | {name: map_text(entries) for name, entries in self.maps.items()}
        return {name: text.encode() for name, text in texts.items()}


def map_text(entries: Mapping[str, str]) -> str:
    """Return the text of a map file: one ``key value`` a line, in key order (Configuration manual 7.3.1, ``map``)."""
    return "".join(f"{key} {value}\n" for key, value in sorted(entries.items()))
