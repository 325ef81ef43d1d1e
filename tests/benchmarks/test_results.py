"""Results outlive the run: those of a subject stay until it is run again."""

from collections.abc import Callable
from pathlib import Path

from benchmarks.measurement import Curve, Limit, Measurement
from benchmarks.results import Result, Results

MakeResult = Callable[..., Result]


def test_what_was_kept_is_read_again(tmp_path: Path, make_result: MakeResult) -> None:
    curve = Curve("speed", "Speed", "services", "requests/s", logarithmic=False)
    curve.add("ours", 10, 1000.5)
    curve.add("ours", 5_000, 990)
    rows = (
        Measurement("a start", 2.5, "s", Limit(at_most=5), note="beside it"),
        Measurement("many", 900, "requests/s", Limit(at_least=0.95), ratio=0.9, ratio_of="few"),
        Measurement("a real Swarm", None, ""),
    )
    made = make_result(*rows, curve)
    Results.load(tmp_path).keep(made)

    assert Results.load(tmp_path).known == {"speed": made}
    assert made.measurements == rows
    assert made.curves == (curve,)


def test_a_subject_replaces_its_own_results_only(tmp_path: Path, make_result: MakeResult) -> None:
    Results.load(tmp_path).keep(make_result(Measurement("a start", 1, "s")))
    Results.load(tmp_path).keep(make_result(Measurement("memory", 100, "MB"), subject="memory"))
    Results.load(tmp_path).keep(make_result(Measurement("a start", 2, "s")))

    known = Results.load(tmp_path).known
    assert {name: [row.value for row in each.measurements] for name, each in known.items()} == {
        "speed": [2],
        "memory": [100],
    }


def test_without_earlier_results_there_are_none(tmp_path: Path) -> None:
    assert Results.load(tmp_path / "none").known == {}
