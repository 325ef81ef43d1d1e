"""The results of the last run of each subject, in ``results.json``: what was measured when, and on which machine."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.machine import Machine
from benchmarks.measurement import Curve, Finding, Limit, Measurement

FILE = "results.json"


@dataclass(frozen=True, slots=True)
class Result:
    """What one subject has found. ``quick`` and ``sizes`` are how it was asked; all its numbers are of one run."""

    subject: str
    title: str
    when: str
    seconds: float
    quick: bool
    sizes: tuple[int, ...]
    machine: dict[str, Any]
    measurements: tuple[Measurement, ...] = ()
    curves: tuple[Curve, ...] = ()


@dataclass(slots=True)
class Results:
    """All results by subject; those of subjects that are not run again stay."""

    path: Path
    known: dict[str, Result] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: Path) -> "Results":
        """Read what earlier runs have left in a folder."""
        path = folder / FILE
        if not path.is_file():
            return cls(path)
        found = json.loads(path.read_text(encoding="utf-8"))
        return cls(path, {name: _result(entry) for name, entry in found.items()})

    def keep(self, result: Result) -> None:
        """Take over a result, and write them all."""
        self.known[result.subject] = result
        self.path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({name: asdict(each) for name, each in self.known.items()}, indent=1)
        self.path.write_text(text + "\n", encoding="utf-8")


def result_of(
    subject: str,
    title: str,
    findings: Iterable[Finding],
    *,
    began: datetime,
    seconds: float,
    quick: bool,
    sizes: tuple[int, ...],
    machine: Machine,
) -> Result:
    """Sort what a subject has found."""
    found = list(findings)
    return Result(
        subject,
        title,
        began.isoformat(timespec="seconds"),
        round(seconds, 1),
        quick,
        sizes,
        machine.as_dict(),
        tuple(each for each in found if isinstance(each, Measurement)),
        tuple(each for each in found if isinstance(each, Curve)),
    )


def _result(entry: dict[str, Any]) -> Result:
    measurements = tuple(
        Measurement(**{**each, "limit": Limit(**each["limit"]) if each["limit"] else None})
        for each in entry["measurements"]
    )
    curves = tuple(Curve(**{**each, "lines": _points(each["lines"])}) for each in entry["curves"])
    return Result(**{**entry, "sizes": tuple(entry["sizes"]), "measurements": measurements, "curves": curves})


def _points(lines: dict[str, list[list[float]]]) -> dict[str, list[tuple[float, float]]]:
    return {name: [(x, y) for x, y in points] for name, points in lines.items()}
