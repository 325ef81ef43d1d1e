"""Judges what pip-audit has found out about the locked packages: a known vulnerability fails, and so does no answer.

    python .ci/audit.py pip-audit --format json ...

It ends with 1 if a package has a known vulnerability. If the database does not tell of some packages, or of none,
nothing is known to be wrong, and nothing to be right: that is told, and ends with 1 only if AUDIT_REQUIRED is set
(where a network is known to be there), for whether a service elsewhere answers says nothing about a change here.
"""

import json
import os
import subprocess
import sys


def main() -> int:
    """Run the command that is given, and judge its report."""
    run = subprocess.run(sys.argv[1:], capture_output=True, text=True, check=False)  # noqa: S603
    try:
        packages = json.loads(run.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        last = run.stderr.strip().rpartition("\n")[2]
        return unanswered(f"no package could be audited: {last}")
    found = [(each, wrong) for each in packages for wrong in each.get("vulns", ())]
    for package, wrong in found:
        mended = ", ".join(wrong["fix_versions"]) or "no version yet"
        told(f"{package['name']} {package['version']}: {wrong['id']}; mended in {mended}")
    if found:
        return 1
    unknown = [each["name"] for each in packages if "skip_reason" in each]
    if unknown or not packages:
        return unanswered(
            f"{len(unknown)} of {len(packages)} packages could not be audited: {', '.join(unknown[:5])} ..."
        )
    told(f"{len(packages)} packages, no known vulnerability")
    return 0


def unanswered(words: str) -> int:
    """Tell what could not be found out."""
    told(f"NOT AUDITED: {words}")
    return 1 if os.environ.get("AUDIT_REQUIRED") else 0


def told(line: str) -> None:
    """Print a line."""
    print(line)  # noqa: T201 - a script


if __name__ == "__main__":
    sys.exit(main())
