"""Templates see facts and nothing else, and come to an end."""

import time

import pytest
from builders import read
from hypothesis import example, given, settings
from hypothesis import strategies as st

from models.facts import TOLD
from models.labels.custom import RAW_LABELS
from models.raw.templates import FILE, LABEL, Dialect, rendered
from models.service import TABLE

FACTS = {
    "serviceName": "web",
    "servicePath": ("/a", "/b"),
    "serviceDomain": (),
    "port": 80,
    "httpsPort": None,
    "httpsOnly": False,
    "userDef": "x" * 4000,
    "destinations": [{"index": 1, "port": 80}, {"index": 2, "port": 81}],
}
BOTH = pytest.mark.parametrize("dialect", [pytest.param(LABEL, id="label"), pytest.param(FILE, id="file")])


@BOTH
@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ serviceName }}:{{ port }}", "web:80"),
        ("{{ servicePath }}", "/a /b"),
        ("{{ servicePath[1] }}", "/b"),
        ("{{ servicePath | join(',') }}", "/a,/b"),
        ("{{ httpsPort }}|{{ httpsOnly }}|{{ serviceDomain }}", "|false|"),
        ("{{ serviceName | upper ~ '-' ~ port }}", "WEB-80"),
        ("{{ serviceName | replace('w', 'v') }}", "veb"),
        ("{{ httpsPort | default('none', true) }}", "none"),
        ("{% if port == 80 and not httpsOnly %}a{% elif port > 80 %}b{% else %}c{% endif %}", "a"),
        ("{{ 'a' if '/a' in servicePath else 'b' }}", "a"),
        ("plain {text}", "plain {text}"),
    ],
)
def test_facts_are_put_in(source: str, text: str, dialect: Dialect) -> None:
    """Values, lists, and choices."""
    assert rendered(source, FACTS, dialect) == text


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{% for each in destinations %}{{ loop.index }}:{{ each.port }} {% endfor %}", "1:80 2:81 "),
        ("{% for each in destinations if each.index == 2 %}{{ each.port }}{% endfor %}", "81"),
        ("{% set name = serviceName ~ '!' %}{{ name }}", "web!"),
        ("{{ servicePath | length }}{{ servicePath | first }}", "2/a"),
        ("{% for a in ['x', 'y'] %}{{ a }}{% endfor %}", "xy"),
    ],
)
def test_files_go_through_lists(source: str, text: str) -> None:
    """Labels cannot."""
    assert rendered(source, FACTS, FILE) == text
    with pytest.raises(ValueError, match="not allowed in line 1"):
        rendered(source, FACTS, LABEL)


@BOTH
@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("{{ serviceName.upper() }}", "not allowed in line 1 .Call"),
        ("{{ serviceName.upper }}", "no attribute 'upper'"),
        ("{{ serviceName.__class__ }}", "no attribute '__class__'"),
        ("{{ servicePath.__len__ }}", "no attribute"),
        ("{{ serviceName['__class__'] }}", "no attribute"),
        ("{{ serviceName | attr('__class__') }}", "Filter attr"),
        ("{{ destinations }}", "something other than"),
        ("{{ self }}", "something other than|undefined"),
        ("{{ context }}", "'context' is undefined"),
        ("{{ nothing }}", "'nothing' is undefined"),
        ("{{ range(3) }}", "Call"),
        ("{{ cycler }}{{ namespace }}", "undefined"),
        ("{{ 9 ** 9 }}", "Pow"),
        ("{{ port * 80 }}", "Mul"),
        ("{{ 'x' % port }}", "Mod"),
        ("{{ servicePath + servicePath }}", "Add"),
        ("{{ servicePath[:1] }}", "Slice"),
        ("{{ {} }}", "Dict"),
        ("{% macro a() %}{% endmacro %}", "Macro"),
        ("{% include 'core.cfg.j2' %}", "Include"),
        ("{% import 'core.cfg.j2' as x %}", "Import"),
        ("{% extends 'core.cfg.j2' %}", "Extends"),
        ("{% block a %}{% endblock %}", "Block"),
        ("{% call a() %}{% endcall %}", "CallBlock"),
        ("{% filter upper %}{% endfilter %}", "FilterBlock"),
        ("{% do x %}", "unknown tag 'do'"),
        ("{{ serviceName | each }}", "Filter each"),
        ("{{ serviceName | pprint }}", "pprint"),
        ("{{ port > 'a' }}", "TypeError"),
        ("{{ serviceName", "cannot be read"),
        ("{% if port %}", "cannot be read"),
        ("{{ " + "(" * 3000 + " }}", "cannot be read"),
        ("{{ " + "not " * 1500 + "port }}", "cannot be read|too much in one another"),
        ("{% if port %}" * 60 + "{% endif %}" * 60, "too much in one another"),
        ("{{ 'x' }}" + "x" * 70000, "characters"),
        ("{{ userDef | replace('x', userDef) }}", "makes more than"),
        ("{{ userDef | join(userDef) }}", "makes more than"),
        ("{{ userDef | replace('', userDef) }}", "makes more than"),
        ("{{ " + "~".join(["userDef"] * 20) + " }}", "makes more than"),
        ("{{ userDef }}" * 20, "makes more than"),
    ],
)
def test_refused(source: str, why: str, dialect: Dialect) -> None:
    """With the reason, and without a trace of anything but facts."""
    with pytest.raises(ValueError, match=why):
        rendered(source, FACTS, dialect)


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("{% for a in userDef %}{% for b in userDef %}{% endfor %}{% endfor %}", "rounds of loops"),
        ("{% for a in userDef recursive %}{{ loop(a) }}{% endfor %}", "not allowed"),
        ("{% for a in servicePath %}{{ loop.cycle('x', 'y') }}{% endfor %}", "Call"),
        ("{% for a in servicePath %}{{ loop.nextitem }}{% endfor %}", "no attribute|undefined"),
        ("{% for a in servicePath %}{{ loop }}{% endfor %}", "something other than"),
        ("{% for a in port %}{% endfor %}", "TypeError"),
        ("{% for a in nothing %}{% endfor %}", "undefined"),
        ("{{ [[1]] | first }}", "List"),
        ("{% set a = userDef ~ userDef %}" + "{% set a = a ~ a %}" * 40 + "{{ a }}", "makes more than"),
        ("{% set x %}a{% endset %}", "AssignBlock"),
    ],
)
def test_files_end_too(source: str, why: str) -> None:
    """Rounds are counted, and texts measured before they are made."""
    started = time.monotonic()
    with pytest.raises(ValueError, match=why):
        rendered(source, FACTS, FILE)
    assert time.monotonic() - started < 5


@BOTH
@pytest.mark.parametrize(
    "source", ["{{.ServiceName}}", "{{ range .ServiceDest }}x{{ end }}", "{{if eq .Port 80}}x{{end}}", "{{$x}}"]
)
def test_templates_of_docker_flow_proxy_are_told_apart(source: str, dialect: Dialect) -> None:
    """Theirs are in Go."""
    with pytest.raises(ValueError, match="template in Go"):
        rendered(source, FACTS, dialect)


PIECES = st.sampled_from(
    [
        *("{{", "}}", "{%", "%}", "{#", "#}", " ", "\n", "serviceName", "destinations", "port", "userDef", "loop"),
        *("for x in ", "endfor", "if ", "endif", "set y = ", "|", "~", "join", "replace", "(", ")", "[", "]", ".", "'"),
        *("__class__", "x", "upper", "1", ",", "{% for x in userDef %}", "{% endfor %}", "{{ userDef }}", "range", "-"),
    ]
)


@settings(derandomize=True, max_examples=400)
@given(source=st.lists(PIECES, max_size=14).map("".join), dialect=st.sampled_from([LABEL, FILE]))
@example(source="{{ userDef | replace('x', userDef) | replace('x', userDef) }}", dialect=LABEL)
def test_any_template_is_refused_or_makes_a_text(source: str, dialect: Dialect) -> None:
    """Nothing else is ever raised, and no text is without end."""
    try:
        text = rendered(source, FACTS, dialect)
    except ValueError as refused:
        text = str(refused)[:100]
    assert len(text) <= 64 * 1024 or text == source
    assert " object at 0x" not in text


def test_labels_are_told_by_their_names_and_secrets_are_not() -> None:
    """So are the lines themselves."""
    names = {row.name for row in TOLD}
    assert {
        "servicePath",
        "serviceDomain",
        "port",
        "httpsPort",
        "srcPort",
        "reqMode",
        "userDef",
        "timeoutServer",
    } <= names
    assert not names & (RAW_LABELS | {name for name, row in TABLE.items() if row.label.secret})


def test_each_destination_is_told_about_itself() -> None:
    """Inherited values count, and so does the default path."""
    labels = {"port.1": "80", "servicePath.1": "/a", "httpsPort.2": "443", "serviceDomain.2": "x.com", "userDef": "u"}
    told = "{{ index }} {{ servicePath }} {{ backend }} {{ httpsBackend }} {{ aclName }} {{ userDef }}"
    line = f"http-request set-header X '{told}'"
    reading = read({**labels, "backendExtra": line, "aclName": "a"})
    assert reading.service
    assert [each.custom.backend_extra for each in reading.service.destinations] == [
        ("http-request set-header X '1 /a a-be80_1  a u'",),
        ("http-request set-header X '2 /  https-a-be443_2 a u'",),
    ]


@pytest.mark.parametrize(
    ("labels", "texts"),
    [
        pytest.param({"backendExtra": "retries {{ nothing }}"}, ["cannot be filled in"], id="unknown name"),
        pytest.param(
            {"backendExtra": "{{ userDef }}", "userDef": "server x y"}, ["line 1 begins with 'server'"], id="made"
        ),
        pytest.param({"backendExtra": "{{ x", "port": "0"}, ["port", "cannot be read"], id="beside another problem"),
        pytest.param({"backendExtra": "server", "port": "0"}, ["port", "begins with 'server'"], id="two problems"),
        pytest.param({"backendExtra": "retries {{ index }}", "userDef": "'"}, ["userDef"], id="a broken fact"),
    ],
)
def test_what_is_wrong_with_a_template_is_a_problem_of_its_label(labels: dict[str, str], texts: list[str]) -> None:
    """So the last good form stays in force."""
    reading = read({"servicePath": "/web", "port": "80", **labels})
    assert len(reading.problems) == len(texts)
    for text in texts:
        assert any(text in problem.text for problem in reading.problems)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/cfg/tmpl/a.tmpl", "a.tmpl"),
        ("a.tmpl", "a.tmpl"),
        ("/cfg/tmpl//b/a.tmpl", "b/a.tmpl"),
        ("b/a.tmpl", "b/a.tmpl"),
        ("/run/secrets/x", None),
        ("/cfg/tmpl/../secrets", None),
        ("../x", None),
        ("a/../../x", None),
        ("/cfg/tmplx/a", None),
        ("/cfg/tmpl", None),
        (".hidden", None),
        ("a b", None),
        ("a\nb", None),
        ("%[env(HOME)]", None),
        ("a" * 300, None),
    ],
)
@pytest.mark.parametrize("label", ["templateFePath", "templateBePath"])
def test_templates_are_files_of_one_folder(label: str, path: str, name: str | None) -> None:
    """Whatever leads out of it is refused before anything is read."""
    reading = read({"servicePath": "/web", "port": "80", label: path})
    if name is None:
        assert f"com.df.{label}=" in reading.problems[0].text
        return
    assert reading.service
    custom = reading.service.destinations[0].custom
    assert name in (custom.template_fe_path, custom.template_be_path)


def test_a_service_with_routes_of_its_own_needs_no_path() -> None:
    """Nor a domain; but a port."""
    assert read({"templateFePath": "x", "port": "80"}).problems == ()
    assert len(read({"templateFePath": "x"}).problems) == 1
