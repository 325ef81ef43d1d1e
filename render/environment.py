"""The Jinja environment of the templates: strict about undefined names, and with our quoting."""

import sys
from contextlib import suppress
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemBytecodeCache, PackageLoader, StrictUndefined
from jinja2.bccache import Bucket

from models.paths import KEPT
from models.routing import ACME_PREFIX
from render import access_log, options, records
from render.filters import FILTERS


class _Compiled(FileSystemBytecodeCache):
    """Templates as they were compiled once, kept where Python keeps what it has compiled, and only if it does.

    A start would spend more time on compiling them than on rendering a thousand services.
    """

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep one, if that can be."""
        if not sys.dont_write_bytecode:
            with suppress(OSError):
                super().dump_bytecode(bucket)


@cache
def environment() -> Environment:
    """Return the one environment; templates live in ``render/templates``."""
    made = Environment(
        loader=PackageLoader("render"),
        bytecode_cache=_Compiled(str(Path(__file__).with_name("__pycache__"))),
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


def compile_all() -> None:
    """Compile every template, so that no start has to; for where nothing can be written later."""
    for name in environment().list_templates():
        environment().get_template(name)
