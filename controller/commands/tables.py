"""Tables on a terminal: a word that is longer than its column goes on in the next line, instead of being cut off."""

from rich.table import Column, Table


def folding_table(*titles: str, show_lines: bool = False) -> Table:
    """Return a table without rows; its columns are named by ``titles``."""
    return Table(*(Column(title, overflow="fold") for title in titles), show_lines=show_lines)
