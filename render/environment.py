"""The Jinja environment of the templates: strict about undefined names, and with our quoting."""

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from models.paths import KEPT
from models.routing import ACME_PREFIX
from render import access_log, options, records
from render.filters import FILTERS


@cache
def environment() -> Environment:
    """Return the one environment; templates live in ``render/templates``."""
    made = Environment(
        loader=PackageLoader("render"),
        auto_reload=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - the output is no HTML; `cfg` quotes for HAProxy
    )
    made.filters.update(FILTERS)
    made.globals |= {"acme_prefix": ACME_PREFIX, "kept_encoded": KEPT, "records": records, "access_log": access_log}
    made.globals |= {"option": options.option, "asks": options.asks, "asking": options.asking}
    made.globals |= {
        "option_names": options.NAMES,
        "option_letters": options.LETTERS,
        "ipv4_mapped": options.IPV4_MAPPED,
    }
    return made
