"""Measures the numbers that Swarmgate promises, beside the rivals that can be run on the same machine.

``python -m benchmarks --help`` tells how. It uses the fake Docker Engine of the tests, so these are put on the path.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "tests"))
