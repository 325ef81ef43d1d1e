"""``swarmgate labels``: the label reference, as a list or one label in full."""

import difflib
from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table

from controller.commands.tables import folding_table
from models.labels._table import Row
from models.reading import PREFIX
from models.service import SPELLINGS, TABLE


def find_label(name: str) -> Row | None:
    """Return the row of a label, given with or without prefix, in any spelling that works."""
    return SPELLINGS.get(name.removeprefix(PREFIX))


def nearest_label(name: str) -> str | None:
    """Return the full name of the label that is spelled most like this, if any is."""
    by_lower = {known.lower(): known for known in TABLE}
    near = difflib.get_close_matches(name.removeprefix(PREFIX).lower(), by_lower, n=1)
    return PREFIX + by_lower[near[0]] if near else None


def facts(row: Row) -> Mapping[str, Any]:
    """Return what is known of a label, fit for JSON."""
    label = row.label
    return {
        "name": PREFIX + row.name,
        "doc": label.doc,
        "allowed": row.allowed,
        "default": row.default,
        "example": label.example,
        "indexed": label.indexed,
        "modes": list(label.modes),
        "restricts": label.restricts,
        "costs": label.effect.value,
        "why": label.why,
        "aliases": [PREFIX + each for each in label.aliases],
        "deprecated_for": PREFIX + label.deprecated if label.deprecated else None,
    }


def as_list() -> RenderableType:
    """Return all labels as a table, each in brief."""
    table = folding_table(
        "Label", "Per destination (.N)", "Allowed", "Default", "Costs", "What it does", show_lines=True
    )
    for row in TABLE.values():
        indexed = "yes" if row.label.indexed else "no"
        costs = ": ".join(filter(None, (row.label.effect.value, row.label.why)))
        table.add_row(PREFIX + row.name, indexed, row.allowed, row.default, costs, row.label.doc)
    return table


def in_full(row: Row) -> RenderableType:
    """Return all there is to say of one label."""
    known = facts(row)
    table = Table.grid(padding=(0, 2))
    table.add_row("Allowed", known["allowed"])
    table.add_row("Default", known["default"] or "none")
    table.add_row("Example", f"{known['name']}={known['example']}")
    table.add_row("Per destination", f"yes, as {known['name']}.1, .2, ..." if known["indexed"] else "no")
    table.add_row("Means something with", "reqMode " + ", ".join(known["modes"]))
    table.add_row(
        "A wrong value", "closes the routes (503)" if known["restricts"] else "leaves the last good one in force"
    )
    table.add_row("A change costs", ": ".join(filter(None, (known["costs"], known["why"]))))
    if known["aliases"]:
        table.add_row("Also spelled", ", ".join(known["aliases"]))
    if known["deprecated_for"]:
        table.add_row("Write instead", known["deprecated_for"])
    return Group(f"[bold]{known['name']}[/bold]", "", known["doc"], "", table)
