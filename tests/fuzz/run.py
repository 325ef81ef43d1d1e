"""Fuzzes one target for some seconds, guided by what its code runs through: ``python tests/fuzz/run.py labels 60``.

It begins with the inputs in ``seeds/<target>``, always in the same way. A finding is left in the current folder, and
becomes a seed once it is mended.
"""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["controller", "models", "fuzz"]):
    from fuzz.targets import TARGETS

SEEDS = Path(__file__).parent / "seeds"


def main() -> None:
    """Run; ends with a status other than 0 upon a finding."""
    name, seconds = sys.argv[1], sys.argv[2]
    with tempfile.TemporaryDirectory() as corpus:
        limits = [f"-max_total_time={seconds}", "-seed=1", "-timeout=10", "-rss_limit_mb=1024", "-max_len=8192"]
        options = ["-verbosity=0", "-print_final_stats=1", f"-artifact_prefix={name}-"]
        atheris.Setup([sys.argv[0], *limits, *options, corpus, str(SEEDS / name)], TARGETS[name])
        atheris.Fuzz()


if __name__ == "__main__":
    main()
