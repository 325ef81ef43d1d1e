"""Writes the pages of this folder that follow from the code: labels, variables, the API, metrics, and more.

``python docs/generate.py`` writes them, ``--check`` only tells which are stale (exit status 1). What the code cannot
know, the verdicts on Docker Flow's vocabulary, stands in ``migrating.yml``.
"""

import ast
import asyncio
import inspect
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints
from urllib.parse import urlencode

import yaml
from fastapi import FastAPI
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from prometheus_client.metrics import MetricWrapperBase
from pydantic import SecretStr
from pydantic.fields import FieldInfo
from typer.main import get_command

from controller.cli import cli, function_of
from controller.haproxy_metrics import HAProxyMetrics
from controller.http.docker_flow_proxy_api import Proxy, add_docker_flow_proxy_api
from controller.http.explaining import add_explain
from controller.http.exporter_api import add_exporter
from controller.http.listener_api import Gate, make_listener_app
from controller.http.listener_declaring import add_listener_declaring
from controller.http.proxy_api import add_declared_services, add_put_certificates, make_proxy_app
from controller.http.swarm_listener_api import Listener, add_swarm_listener_api
from controller.http.writers import Writers
from controller.metrics import ListenerMetrics, Metrics
from controller.notifications.metrics import DockerFlowMetrics
from models.conditions import ConditionType, Reason, type_of
from models.declared import VARIABLE_PREFIX, variable_name
from models.labels._table import EVERY_MODE, Row
from models.notices import NoticeReason
from models.reading import PREFIX
from models.service import DESTINATION_FAMILIES, SERVICE_FAMILIES, TABLE
from models.settings import ListenerSettings, ProxySettings, Settings
from models.settings.obsolete import OBSOLETE
from models.types import Allowed

FOLDER = Path(__file__).parent
_NOTHING: Any = None
TESTS = FOLDER.parent / "tests"
PAGES = (
    "labels.md",
    "settings.md",
    "commands.md",
    "conditions.md",
    "api.md",
    "metrics.md",
    "migrating.md",
    "reliability.md",
)


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable of a role: its name, what it may be, its default in words, and what it is for."""

    name: str
    allowed: str
    default: str
    doc: str


@dataclass(frozen=True, slots=True)
class Command:
    """A command of ``swarmgate``: how it is called, what it does (paragraphs), and rows of its words and options."""

    name: str
    usage: str
    paragraphs: tuple[str, ...]
    parameters: tuple[Variable, ...]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a path; ``example`` is the value that it has in the example call, if it is in there."""

    name: str
    place: str
    allowed: str
    doc: str
    example: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path of an API, as its schema describes it.

    ``labels`` are the names of the parameters that are labels, ``body`` says what the body is to be, ``answers`` are
    rows of a status, the names of its bodies, and what it means; ``example`` is a command.
    """

    method: str
    path: str
    summary: str
    parameters: tuple[Parameter, ...]
    labels: tuple[str, ...]
    body: str
    answers: tuple[tuple[str, str, str], ...]
    example: str


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that goes wrong, as the mark ``fault`` of a test says.

    ``lost`` is what of the requests, ``seen`` where the operator sees it with what is to be seen there; ``test`` is a
    path below ``tests`` and a name.
    """

    area: str
    what: str
    lost: str
    seen: tuple[tuple[str, str], ...]
    test: str


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric as Prometheus sees it; ``labels`` are names, each with the values that are known beforehand."""

    name: str
    type: str
    labels: tuple[tuple[str, tuple[str, ...]], ...]
    doc: str

    @property
    def unit(self) -> str:
        """What its values are in, which its name says."""
        return next((unit for part, unit in _UNITS.items() if part in self.name), "")


_UNITS = {
    "_timestamp_seconds": "seconds since 1970",
    "_milliseconds": "milliseconds",
    "_seconds": "seconds",
    "_bytes": "bytes",
    "_session_rate": "per second",
}


def pages() -> dict[str, str]:
    """Return the text of every generated page by its file name."""
    environment = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - Markdown, from our own texts
    )
    environment.filters["cell"] = cell
    verdicts = migrating()
    schemas = {"proxy": proxy_app().openapi(), "listener": listener_app().openapi()}
    context = {
        "prefix": PREFIX,
        "variable_prefix": VARIABLE_PREFIX,
        "variable_name": variable_name,
        "families": SERVICE_FAMILIES | DESTINATION_FAMILIES,
        "rows": list(TABLE.values()),
        "shared": variables(Settings),
        "proxy": [each for each in variables(ProxySettings) if each not in variables(Settings)],
        "obsolete": OBSOLETE,
        "commands": commands(),
        "condition_types": documented(ConditionType),
        "reasons": documented(Reason),
        "notices": documented(NoticeReason),
        "meaning_with": meaning_with,
        "type_of": type_of,
        "listener": [each for each in variables(ListenerSettings) if each not in variables(Settings)],
        "apis": {role: operations(role, schema) for role, schema in schemas.items()},
        "bodies": bodies(*schemas.values()),
        "metrics": metrics(),
        "migrating": verdicts,
        "faults": faults(),
        "known": {row["name"] for rows in verdicts.values() for row in rows},
    }
    return {page: environment.get_template(f"{page}.j2").render(context) for page in PAGES}


def documented(kind: type[StrEnum]) -> list[tuple[StrEnum, str]]:
    """Return the members of an enumeration, each with the text that stands below it in the source."""
    (body,) = (node.body for node in ast.parse(inspect.getsource(kind)).body if isinstance(node, ast.ClassDef))
    texts = [node.value.value for node in body if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)]
    return list(zip(kind, (" ".join(str(text).split()) for text in texts[1:]), strict=True))


def meaning_with(row: Row) -> str:
    """Return the values of `reqMode` with which a label means something, and those with which it is refused."""
    if row.label.modes == EVERY_MODE or row.family in SERVICE_FAMILIES:
        return ""
    words = ", ".join(f"`{mode}`" for mode in row.label.modes)
    refused = " and ".join(f"`{mode}`" for mode in row.refused)
    return f"{words}; refused with {refused}" if refused else words


def cell(text: object) -> str:
    """Return a text fit for one cell of a Markdown table."""
    return str(text).replace("|", "\\|").replace("\n", " ")


def variables(model: type[Settings]) -> list[Variable]:
    """Return the variables of a role in the order of their declaration."""
    return [
        Variable(name.upper(), _allowed(field), _default(field), field.description or "")
        for name, field in model.model_fields.items()
    ]


def _allowed(field: FieldInfo) -> str:
    words = next((item.text for item in reversed(field.metadata) if isinstance(item, Allowed)), None)
    return words or _words_of(field.annotation)


def _words_of(kind: Any) -> str:  # noqa: ANN401 - any annotation
    """Return in words what a value of a type is."""
    inner = next((item.text for item in reversed(getattr(kind, "__metadata__", ())) if isinstance(item, Allowed)), None)
    if inner:
        return inner
    arguments = [each for each in get_args(kind) if each is not type(None)]
    if get_origin(kind) is tuple:
        return f"a list, each item {_words_of(arguments[0])}"
    if get_origin(kind) in (Union, UnionType):
        return _words_of(arguments[0])
    if arguments and all(isinstance(each, str) for each in arguments):
        return " or ".join(f"`{each}`" for each in arguments)
    return _WORDS.get(arguments[0] if hasattr(kind, "__metadata__") else kind, "text")


_WORDS = {bool: "true or false", int: "a whole number", float: "a number", Path: "a path", SecretStr: "text"}


def _default(field: FieldInfo) -> str:
    value = field.default
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    if value is None or isinstance(value, SecretStr):
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def commands() -> list[Command]:
    """Return the commands in the order of their declaration."""
    built: Any = get_command(cli)
    return [
        Command(
            name=name,
            usage=" ".join(("swarmgate", name, *_usage(command.params))),
            paragraphs=tuple(" ".join(each.split()) for each in command.help.split("\n\n")),
            parameters=tuple(_of_command(each, get_type_hints(function_of(name))) for each in command.params),
        )
        for name, command in built.commands.items()
    ]


def _usage(parameters: Iterable[Any]) -> Iterator[str]:
    if any(each.param_type_name == "option" for each in parameters):
        yield "[OPTIONS]"
    for each in (each for each in parameters if each.param_type_name == "argument"):
        word = each.name.upper() + "..." * (each.nargs != 1)
        yield word if each.required else f"[{word}]"


def _of_command(parameter: Any, types: Mapping[str, Any]) -> Variable:  # noqa: ANN401 - Typer's own classes are not public
    """Return a word or an option of a command as a row; ``types`` are the annotations by the parameters' names."""
    is_option = parameter.param_type_name == "option"
    kind = types[parameter.name]
    allowed = "" if kind is bool else _given(kind) + "; several times" * (is_option and bool(parameter.multiple))
    default = (
        "" if parameter.default in {None, False, ()} else str(getattr(parameter.default, "value", parameter.default))
    )
    name = ", ".join(parameter.opts) if is_option else parameter.name.upper()
    return Variable(name, allowed, default, parameter.help or "")


def _given(kind: Any) -> str:  # noqa: ANN401 - any annotation
    """Return in words what may stand behind an option."""
    (inner, *_) = [each for each in get_args(kind) if each is not type(None)] or [kind]
    if isinstance(inner, type) and issubclass(inner, StrEnum):
        return " or ".join(f"`{each.value}`" for each in inner)
    return _words_of(inner)


def proxy_app() -> FastAPI:
    """Return the proxy's application with nothing behind it: it is only asked what it offers."""
    app = make_proxy_app(_NOTHING, Metrics(), _NOTHING, HAProxyMetrics(_NOTHING))
    writers = Writers(None, "token")
    fields: dict[str, Any] = dict.fromkeys(Proxy.__dataclass_fields__, _NOTHING)
    add_docker_flow_proxy_api(app, Proxy(**fields | {"writers": writers}))
    add_declared_services(app, _NOTHING, writers)
    add_put_certificates(app, _NOTHING, writers)
    add_exporter(app, _NOTHING)
    add_explain(app, _NOTHING, _NOTHING)
    return app


def listener_app() -> FastAPI:
    """Return the listener's application, likewise."""
    app = make_listener_app(_NOTHING, Gate(None, _NOTHING), ListenerMetrics(), _NOTHING)
    fields: dict[str, Any] = dict.fromkeys(Listener.__dataclass_fields__, _NOTHING)
    add_swarm_listener_api(app, Listener(**fields))
    add_listener_declaring(app, _NOTHING, Writers(None, "token"))
    return app


def operations(role: str, schema: Mapping[str, Any]) -> list[Operation]:
    """Return every method of every path of a role's application."""
    return [
        _operation(role, method.upper(), path, details, schema)
        for path, methods in schema["paths"].items()
        for method, details in methods.items()
    ]


def _operation(role: str, method: str, path: str, details: Mapping[str, Any], schema: Mapping[str, Any]) -> Operation:
    given = details.get("parameters", ())
    takes_labels = {each["name"] for each in given} >= {"servicePath", "port"}
    labels = [each for each in given if takes_labels and each["name"] in TABLE.keys() - {"serviceName"}]
    own = [_parameter(each) for each in given if each not in labels]
    body = details.get("requestBody", {"content": {"": {"schema": {}}}})
    ((media, content),) = body["content"].items()
    form = body.get("description") or _body_names(content["schema"])
    in_example = [*own, *map(_parameter, labels)]
    return Operation(
        method=method,
        path=path,
        summary=details["summary"],
        parameters=tuple(own),
        labels=tuple(each["name"] for each in labels),
        body=f"`{media}`: {form}" if media else "",
        answers=tuple(
            (status, _bodies(answer.get("content", {})), answer["description"])
            for status, answer in details["responses"].items()
        ),
        example=_example(role, method, path, in_example, _sent(media, content, schema), details.get("security")),
    )


def _parameter(described: Mapping[str, Any]) -> Parameter:
    schema = described["schema"]
    bounds = [schema[name] for name in ("minimum", "maximum") if name in schema]
    if schema["type"] == "array":
        known = schema["items"].get("enum")
        allowed = "any of " + ", ".join(f"`{each}`" for each in known) if known else "texts"
        return Parameter(described["name"], described["in"], allowed, described.get("description", ""), "")
    allowed = _KINDS[schema["type"]]
    if bounds:
        allowed += f" from {bounds[0]:g} to {bounds[-1]:g}"
    if "maxLength" in schema:
        allowed += f" of up to {schema['maxLength']} characters"
    if schema.get("default") not in {None, ""}:
        default = schema["default"]
        allowed += f"; by default {default if isinstance(default, str) else json.dumps(default)}"
    example = described.get("example") or next(iter(schema.get("examples", ())), "")
    return Parameter(described["name"], described["in"], allowed, described.get("description", ""), str(example))


_KINDS = {"string": "text", "number": "a number", "integer": "a whole number", "boolean": "true or false"}


def _bodies(content: Mapping[str, Any]) -> str:
    """Return in words what the body of an answer is: the names of its forms, or its media type."""
    names = (_body_names(each["schema"]) if "$ref" in str(each) else f"`{media}`" for media, each in content.items())
    return " or ".join(filter(None, names))


def _body_names(schema: Mapping[str, Any]) -> str:
    """Return the names of the forms that a JSON body may have, with links to them; or else what it is."""
    names = dict.fromkeys(re.findall(r"#/components/schemas/(\w+)", str(schema)))
    linked = " or ".join(f"[{name}](#{name.lower()})" for name in names) or schema.get("description", "")
    several = {"array": "a list of ", "object": "by name: "}.get(schema.get("type", ""), "") if names else ""
    return f"{several}{linked}"


def _sent(media: str, content: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """Return the options of ``curl`` that send an example of a body."""
    if media != "application/json":
        return "--data-binary @shop.pem" if media else ""
    form = content["schema"]
    form = schema["components"]["schemas"][form["$ref"].rpartition("/")[2]] if "$ref" in form else form
    return f"--json '{json.dumps(form['examples'][0])}'"


def _example(  # noqa: PLR0917 - parts of one command
    role: str,
    method: str,
    path: str,
    parameters: Iterable[Parameter],
    sent: str,
    security: list[dict[str, Any]] | None,
) -> str:
    """Return a command that makes use of a path."""
    examples = {each.name: each.example for each in parameters if each.example}
    url = f"http://{role}:8080{path.format_map(examples)}"
    query = urlencode({name: value for name, value in examples.items() if f"{{{name}}}" not in path}, safe="/")
    token = f"-H 'Authorization: Bearer <{next(iter(security[0]))}>'" if security else ""
    parts = (f"-X {method}" if method != "GET" else "", token, sent, f"'{url}?{query}'" if query else url)
    return " ".join(filter(None, ("curl", *parts)))


def bodies(*schemas: Mapping[str, Any]) -> dict[str, tuple[str, list[tuple[str, str]]]]:
    """Return the forms of bodies by name: what each is, and its fields with what they mean."""
    known = {name: form for schema in schemas for name, form in schema["components"]["schemas"].items()}
    return {
        name: (
            " ".join(form.get("description", "").split("\n\n")[0].split()),
            [(field, about.get("description", "")) for field, about in form.get("properties", {}).items()],
        )
        for name, form in sorted(known.items())
        if "enum" not in form
    }


def faults() -> Mapping[str, list[Fault]]:
    """Return what goes wrong in tests by area, in the order of the tests.

    Raises:
        KeyError: a test has a fault of an area that is none.
    """
    areas: dict[str, list[Fault]] = {area: [] for area in ("docker", "listener", "haproxy", "controller", "machine")}
    # Those that are only about faults come first.
    for path in sorted(TESTS.rglob("test_*.py"), key=lambda each: (each.parent.name != "faults", each)):
        for fault in _faults_of(path):
            areas[fault.area].append(fault)
    return areas


def _faults_of(path: Path) -> Iterator[Fault]:
    """Read them without importing the test: what it needs may not be here."""
    functions = (node for node in ast.parse(path.read_text(encoding="utf-8")).body if hasattr(node, "decorator_list"))
    for function in functions:
        test = f"{path.relative_to(TESTS)}::{getattr(function, 'name', '')}"
        for call in (call for mark in function.decorator_list for call in ast.walk(mark)):
            if isinstance(call, ast.Call) and ast.unparse(call.func) == "pytest.mark.fault":
                area, what = map(ast.literal_eval, call.args)
                more = {str(each.arg): str(ast.literal_eval(each.value)) for each in call.keywords}
                lost = more.pop("lost", "nothing")
                yield Fault(area, what, lost, tuple(more.items()), test)


def metrics() -> Mapping[str, list[Metric]]:
    """Return every metric by whose it is, in the order of their declarations."""
    proxy, listener = Metrics(), ListenerMetrics()
    listener.watch_replicas(list)
    docker_flow = DockerFlowMetrics(listener.registry)
    of_haproxy = list(_written_metrics(asyncio.run(HAProxyMetrics(_statistics).scrape()).decode()))
    return {
        "proxy": [*_declared_metrics(proxy), *(each for each in of_haproxy if each.name.startswith("swarmgate_"))],
        "listener": list(_declared_metrics(listener)),
        "docker_flow_proxy": [each for each in of_haproxy if each.name.startswith("haproxy_")],
        "docker_flow_listener": list(_declared_metrics(docker_flow)),
    }


def _declared_metrics(owner: object) -> Iterator[Metric]:
    """Return the metrics that an object has as attributes."""
    for each in (each for each in vars(owner).values() if isinstance(each, MetricWrapperBase)):
        (family,) = each.describe()
        (collected,) = each.collect()
        known = [sample.labels for sample in collected.samples]
        labels = tuple((name, tuple(dict.fromkeys(one[name] for one in known))) for name in each._labelnames)  # noqa: SLF001
        yield Metric(family.name + "_total" * (family.type == "counter"), family.type, labels, family.documentation)


def _written_metrics(page: str) -> Iterator[Metric]:
    """Return the metrics of a page in the Prometheus text format."""
    for name, doc, type_, sample in re.findall(r"^# HELP (\S+) (.*)\n# TYPE \S+ (\S+)\n(.*)", page, re.MULTILINE):
        yield Metric(name, type_, tuple((label, ()) for label in re.findall(r'(\w+)="', sample)), doc)


async def _statistics() -> str:
    """Return statistics as HAProxy gives them, of one frontend, one backend and one server."""
    rows = (",".join(("a", "b", "UP", str(kind), *"1" * len(_COLUMNS))) for kind in range(3))
    return "\n".join((",".join(("# pxname", "svname", "status", "type", *_COLUMNS)), *rows, ""))


_COLUMNS = (
    *(
        "qcur",
        "qmax",
        "scur",
        "smax",
        "slim",
        "stot",
        "bin",
        "bout",
        "dreq",
        "ereq",
        "econ",
        "eresp",
        "wretr",
        "wredis",
    ),
    *("weight", "chkfail", "downtime", "rate", "rate_lim", "rate_max", "check_duration", "req_tot"),
    *(f"hrsp_{code}" for code in ("1xx", "2xx", "3xx", "4xx", "5xx", "other")),
)


def migrating() -> Mapping[str, list[dict[str, str]]]:
    """Return the verdicts on Docker Flow's vocabulary, section by section.

    Raises:
        ValueError: a verdict contradicts the code, or is none.
    """
    sections: dict[str, dict[str, str | None]] = yaml.safe_load((FOLDER / "migrating.yml").read_text(encoding="utf-8"))
    return {section: [*_verdicts(section, rows)] for section, rows in sections.items()}


def _verdicts(section: str, rows: Mapping[str, str | None]) -> Iterator[dict[str, str]]:
    for name, words in rows.items():
        verdict, _, how = (words or "same").partition(": ")
        if verdict not in ("same", "better", "gone") or (verdict == "gone" and not how):
            raise ValueError(f"{section}: the verdict on {name} must be 'same', 'better: how' or 'gone: why'")
        yield {"name": name, "verdict": verdict, "how": how}


def main() -> int:
    """Write the pages, or tell which are stale."""
    stale = {page: text for page, text in pages().items() if _written(page) != text}
    if "--check" in sys.argv:
        for page in stale:
            print(f"docs/{page} is stale; write it with: make docs")  # noqa: T201 - a script
        return 1 if stale else 0
    for page, text in stale.items():
        (FOLDER / page).write_text(text, encoding="utf-8")
    return 0


def _written(page: str) -> str | None:
    path = FOLDER / page
    return path.read_text(encoding="utf-8") if path.exists() else None


if __name__ == "__main__":
    sys.exit(main())
