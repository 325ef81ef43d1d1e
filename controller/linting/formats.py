"""Findings in the forms that people and machines read: text, JSON, GitHub's annotations, SARIF. Pure."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from enum import StrEnum
from types import MappingProxyType

from controller.linting.findings import Finding, Severity


class Format(StrEnum):
    """How findings are written."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"
    SARIF = "sarif"


def as_text(findings: Sequence[Finding]) -> str:
    """One finding a line, as compilers write them, so that editors find the place."""
    return "\n".join(
        f"{each.file}:{each.line}: {each.severity.value}: {_about(each)}{each.message} [{each.rule}]"
        for each in findings
    )


def as_json(findings: Sequence[Finding]) -> str:
    """A list of objects with the fields of `Finding`."""
    return json.dumps([asdict(each) for each in findings], indent=2)


def as_github(findings: Sequence[Finding]) -> str:
    """Workflow commands, which GitHub shows beside the lines of a pull request.

    Source: GitHub, "Workflow commands": ``%``, line ends and, in properties, ``:`` and ``,`` are escaped.
    """
    levels = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}
    return "\n".join(
        f"::{levels[each.severity]} file={_property(each.file)},line={each.line},title={_property(each.rule)}"
        f"::{_escaped(_about(each) + each.message)}"
        for each in findings
    )


def as_sarif(findings: Sequence[Finding]) -> str:
    """A SARIF 2.1.0 log of one run."""
    results = [
        {
            "ruleId": each.rule,
            "level": each.severity.value,
            "message": {"text": _about(each) + each.message},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": each.file},
                        "region": {"startLine": each.line},
                    }
                }
            ],
        }
        for each in findings
    ]
    rules = [{"id": rule} for rule in sorted({each.rule for each in findings})]
    driver = {"name": "swarmgate lint", "rules": rules}
    schema = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
    log = {"$schema": schema, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": results}]}
    return json.dumps(log, indent=2)


def _about(finding: Finding) -> str:
    return f"service {finding.service}: " if finding.service else ""


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")


WRITERS: Mapping[Format, Callable[[Sequence[Finding]], str]] = MappingProxyType(
    {Format.TEXT: as_text, Format.JSON: as_json, Format.GITHUB: as_github, Format.SARIF: as_sarif}
)
