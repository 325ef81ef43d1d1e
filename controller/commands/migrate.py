"""``swarmgate migrate``: what became of the labels of other proxies, for people and as JSON; no value is shown."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict

from controller.migrating.translation import Fate, Translation

_JOINTS = {Fate.TRANSLATED: "->", Fate.NEEDLESS: "needs no label:", Fate.UNTRANSLATED: "NOT TRANSLATED:"}


def as_text(translations: Mapping[str, Translation]) -> str:
    """One label a line, then what is to be known of each service, and how many labels fared how."""
    counts = Counter(outcome.fate for each in translations.values() for outcome in each.outcomes)
    told = ", ".join(f"{counts[fate]} {_WORDS[fate]}" for fate in Fate)
    total = counts.total()
    return "".join([*_lines(translations), f"{total} label{'s' * (total != 1)} of other proxies: {told}\n"])


_WORDS = {
    Fate.TRANSLATED: "translated",
    Fate.NEEDLESS: "without need of a label",
    Fate.UNTRANSLATED: "not translated",
}


def _lines(translations: Mapping[str, Translation]) -> Iterator[str]:
    for service, each in translations.items():
        for outcome in each.outcomes:
            yield f"{service}: {outcome.label} {_JOINTS[outcome.fate]} {outcome.text}\n"
    for note in dict.fromkeys(note for each in translations.values() for note in each.notes):
        yield f"note: {note}\n"


def as_json(translations: Mapping[str, Translation]) -> str:
    """Return an object with the outcomes and notes of each service."""
    found = {
        service: {"outcomes": [asdict(outcome) for outcome in each.outcomes], "notes": list(each.notes)}
        for service, each in translations.items()
    }
    return json.dumps(found, indent=2) + "\n"
