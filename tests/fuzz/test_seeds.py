"""Every seed is an input that each target takes without a finding: what was found once stays mended."""

from pathlib import Path

import pytest
from fuzz.targets import TARGETS

SEEDS = sorted((Path(__file__).parent / "seeds").glob("*/*"))


@pytest.mark.parametrize("seed", [pytest.param(path, id=f"{path.parent.name}-{path.name}") for path in SEEDS])
def test_seed(seed: Path) -> None:
    TARGETS[seed.parent.name](seed.read_bytes())


def test_every_target_has_seeds() -> None:
    assert {path.parent.name for path in SEEDS} == set(TARGETS)
