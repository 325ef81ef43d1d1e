"""Labels for what the other labels do not cover: lines of HAProxy's configuration, and templates of them."""

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Annotated, Any

from pydantic import BeforeValidator, ValidationInfo

from models.labels._table import EVERY_MODE, Effect, Family, Label
from models.raw import profile_lines as raw
from models.raw.templates import LABEL, check_template, is_template, rendered
from models.types import Allowed, SafeText

_LONGEST_PATH = 256


def _require_permission(info: ValidationInfo) -> None:
    if not _context(info).get("allow_raw_config", True):
        raise ValueError("is not allowed by the operator of this proxy (ALLOW_RAW_CONFIG=false)")


def _context(info: ValidationInfo) -> Mapping[str, Any]:
    return info.context or {}


def _to_lines(value: object, info: ValidationInfo) -> object:
    """Judge what was written: its lines if the mode of the destination is known, and its template's, if all is."""
    if not isinstance(value, str):
        return value
    _require_permission(info)
    mode, facts = _context(info).get("mode"), _context(info).get("facts")
    if facts is None and is_template(value):
        check_template(value, LABEL)
        return ()
    if mode is None:
        return ()
    return raw.profile_lines(rendered(value, {**(facts or {}), "userDef": info.data.get("user_def", "")}, LABEL), mode)


def _to_file(value: object, info: ValidationInfo) -> object:
    """Return the file's path below the folder of templates, whichever way it was written."""
    if not isinstance(value, str):
        return value
    _require_permission(info)
    folder = _context(info).get("templates_dir", "/cfg/tmpl")
    path = PurePosixPath(value)
    if path.is_absolute():
        if not path.is_relative_to(folder):
            raise ValueError(f"is not in the folder {folder} (TEMPLATES_DIR)")
        path = path.relative_to(folder)
    if ".." in path.parts or not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9/._-]*", str(path)) or len(value) > _LONGEST_PATH:
        raise ValueError("is not the path of a file")
    return str(path)


RawLines = Annotated[
    tuple[str, ...],
    BeforeValidator(_to_lines),
    Allowed(
        "lines of HAProxy's configuration about this service's own requests, such as 'http-request ...', one a line"
    ),
]
TemplateFile = Annotated[
    str,
    BeforeValidator(_to_file),
    Allowed("a file in the folder TEMPLATES_DIR (by default /cfg/tmpl) of the proxy, with or without that folder"),
]


class Custom(Family):
    """Text that means something to whoever wrote it."""

    user_def: Annotated[
        SafeText,
        Label(
            doc="Any text; it is there for templates of one's own (`{{ userDef }}`) and does nothing by itself.",
            example="blue",
            effect=Effect.NOTHING,
            modes=EVERY_MODE,
        ),
    ] = ""
    backend_extra: Annotated[
        RawLines,
        Label(
            doc="Lines of HAProxy's configuration, put behind all others of the service's backends. They may be about "
            f"the service's own requests only, and begin with {raw.ALLOWED}; whatever reads files or the environment, "
            "or touches what is shared, is refused. With `{{` or `{%` in it, it is a template in Jinja2 that is filled "
            "in for each destination: every label that is no secret is there by its name (`{{ servicePath }}`, a list, "
            "with blanks between its items), and `serviceName`, `aclName`, `index`, `backend` and `httpsBackend`. "
            "The operator can forbid it (`ALLOW_RAW_CONFIG`).",
            example="http-request set-header X-Extra yes",
            indexed=False,
            effect=Effect.PROFILE,
            why="lines of the configuration are read when it is loaded",
            modes=EVERY_MODE,
            private=True,
        ),
    ] = ()
    template_fe_path: Annotated[
        TemplateFile | None,
        Label(
            doc="A file of the operator with `acl` and `use_backend` lines that lead requests to this service, in "
            "place of paths and domains: these are not claimed any more, and need not be there. Such routes come after "
            "those of all labels, and before `isDefaultBackend`. The file is a template, as `backendExtra` is, and may "
            "also go through `destinations` with `{% for %}`. The operator can forbid it (`ALLOW_RAW_CONFIG`).",
            example="/cfg/tmpl/go-demo-fe.tmpl",
            indexed=False,
            effect=Effect.RELOAD,
            why="lines of the configuration are read when it is loaded",
        ),
    ] = None
    template_be_path: Annotated[
        TemplateFile | None,
        Label(
            doc="A file of the operator with lines that are put behind all others of the service's backends, under the "
            "rules of `backendExtra`. The file is a template that is filled in for each destination, and may also go "
            "through `destinations` with `{% for %}`. The operator can forbid it (`ALLOW_RAW_CONFIG`).",
            example="/cfg/tmpl/go-demo-be.tmpl",
            indexed=False,
            effect=Effect.PROFILE,
            why="lines of the configuration are read when it is loaded",
            modes=EVERY_MODE,
        ),
    ] = None


RAW_LABELS = frozenset({"backendExtra", "templateFePath", "templateBePath"})
"""The labels that bring lines of the configuration."""
