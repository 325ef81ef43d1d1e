"""What raw lines and templates do, and what they cannot do."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from binaries import refusal
from builders import MACHINE, SURROUNDINGS, desired_of, rendered_of, service, snapshot
from hypothesis import given
from hypothesis import strategies as st
from label_effects.edge import Origin, behind, edge
from label_effects.reading import PLAIN, destination_of, problem_of
from traffic import ask, request_bytes, running_haproxy

from controller.haproxy.validate import rejected_lines
from controller.templates import TemplateFile
from models.conditions import Reason
from models.settings import ProxySettings
from render.configuration import render
from render.files import Rendered


async def test_backend_extra(binary: Path, folder: Path, origin: Origin) -> None:
    """Lines are added to the backends of this service, and of no other."""
    labels = {"backendExtra": "acl odd path_end /odd\nhttp-request deny deny_status 410 if odd"}
    async with edge(binary, folder, behind(origin, labels), behind(origin, name="other")) as proxy:
        assert (await proxy.ask("/web/odd")).status == 410
        assert (await proxy.ask("/web/even")).status == 200
        assert (await proxy.ask("/other/odd")).status == 200


async def test_backend_extra_finds_the_normal_path(binary: Path, folder: Path, origin: Origin) -> None:
    """However it is written; whether or not anything but the path counts for requests."""
    labels = {"backendExtra": "http-request deny deny_status 410 if { var(txn.path) -m end /x/odd }"}
    for others in ((), (behind(origin, {"serviceDomain": "other.test"}, name="other"),)):
        async with edge(binary, folder, behind(origin, labels), *others) as proxy:
            for path in ("/web/x/odd", "/web//x/odd", "/web/x;y/%6fdd"):
                assert (await proxy.ask(path)).status == 410, path
            assert (await proxy.ask("/web/x/even")).status == 200


async def test_backend_extra_is_filled_in(binary: Path, folder: Path, origin: Origin) -> None:
    """For each destination, with what its labels say."""
    labels = {
        "servicePath.1": "/a",
        "servicePath.2": "/b",
        "userDef.2": "blue",
        "backendExtra": "http-response set-header X-At '{{ servicePath }} {{ userDef | upper }}'\n"
        "{% if userDef %}\nhttp-request deny deny_status 410 if { path_end /odd }\n{% endif %}",
    }
    async with edge(binary, folder, behind(origin, labels), behind(origin, name="other")) as proxy:
        assert (await proxy.ask("/a/odd")).headers["x-at"] == "/a"
        assert (await proxy.ask("/b")).headers["x-at"] == "/b BLUE"
        assert (await proxy.ask("/b/odd")).status == 410
        assert "x-at" not in (await proxy.ask("/other")).headers


async def test_template_be_path(binary: Path, folder: Path, origin: Origin) -> None:
    """Lines come from a file of the operator, behind those of ``backendExtra``, to this service alone."""
    labels = {"templateBePath": "/cfg/tmpl/be.tmpl", "backendExtra": "acl odd path_end /odd"}
    template = "{% for each in destinations %}\nhttp-response set-header X-{{ each.index }} '{{ each.backend }}'\n"
    template += "{% endfor %}\nhttp-request deny deny_status 410 if odd"
    services = behind(origin, labels), behind(origin, name="other")
    async with edge(binary, folder, *services, templates={"be.tmpl": template}) as proxy:
        assert (await proxy.ask("/web/odd")).status == 410
        assert (await proxy.ask("/web/even")).headers["x-0"] == f"web-be{origin.port}_0"
        assert (await proxy.ask("/other/odd")).status == 200
        assert "x-0" not in (await proxy.ask("/other")).headers


async def test_template_fe_path(binary: Path, folder: Path, origin: Origin) -> None:
    """Routes of templates come behind all routes of labels that fit, by name, and before the default backend."""
    port = str(origin.port)
    files = {
        "a": "acl mobile hdr_sub(User-Agent) -i phone\nuse_backend {{ backend }} if { path_beg /t } mobile",
        "b": "acl mobile path_beg /m\nuse_backend {{ backend }} unless !mobile !{ path_beg /t } or { path /t/no }",
    }
    services = (
        behind(origin, {"templateFePath": "a", "servicePath": "/unclaimed"}, name="a"),
        service("b", {"templateFePath": "b", "port": port}, vips=["127.0.0.1/8"]),
        behind(origin, {"servicePath": "/t/plain"}, name="plain"),
        behind(origin, {"servicePath": "/t", "userAgent": "curl"}, name="tested"),
    )
    rest = behind(origin, {"servicePath": "/t/rest", "isDefaultBackend": "true"}, name="rest")
    expected = {
        ("/t/1", "phone"): "a",
        ("/t/1", "desk"): "b",
        ("/m", "phone"): "b",
        ("/t/no", "phone"): "a",
        ("/t/no", "desk"): None,
        ("/t/plain", "phone"): "plain",
        ("/t/1", "curl phone"): "tested",
        ("/unclaimed", "desk"): None,
        ("/other", "phone"): None,
    }
    for more in ((), (rest,)):
        async with edge(binary, folder, *services, *more, templates=files) as proxy:
            for (path, agent), name in expected.items():
                answer = await proxy.ask(path, f"User-Agent: {agent}")
                wanted = name or ("rest" if more else None)
                assert answer.backend == (wanted and f"{wanted}-be{port}_0"), (path, agent)
            assert (await proxy.ask("/t/rest", "User-Agent: phone")).backend == f"{'rest' if more else 'a'}-be{port}_0"


@pytest.mark.parametrize("label", ["backendExtra", "templateFePath", "templateBePath"])
def test_the_operator_can_forbid_it(label: str) -> None:
    """The service is told so, by the name of the variable."""
    settings = ProxySettings.model_validate({"allow_raw_config": "false"})
    world = snapshot(service("web", PLAIN | {label: "retries 2"}), service("other", PLAIN))
    desired = desired_of(world, settings=settings)
    assert [backend.service for backend in desired.backends] == ["other"]
    assert "(ALLOW_RAW_CONFIG=false)" in desired.conditions["web"][0].message


def blamed(binary: Path, rendered: Rendered, folder: Path) -> set[str]:
    """Return the services whose lines HAProxy refuses."""
    words = refusal(binary, rendered.files(), folder)
    assert words
    return {name for line in rejected_lines(words) for name in rendered.owners.get(line, ())}


@pytest.mark.parametrize(
    "line", ["timeout server soon", "cookie a nonsense", "acl x path_reg (", "compression offload"]
)
def test_a_line_that_haproxy_refuses_is_known_to_be_this_service_s(binary: Path, tmp_path: Path, line: str) -> None:
    """HAProxy names the line, and the line has an owner."""
    rendered = rendered_of(snapshot(service("web", PLAIN | {"backendExtra": line}), service("other", PLAIN)))
    assert blamed(binary, rendered, tmp_path) == {"web"}


@pytest.mark.parametrize("line", ["acl bad path_reg (", "acl bad dst_port x", "acl bad src 999.1"])
def test_a_route_that_haproxy_refuses_is_known_to_be_this_service_s(binary: Path, tmp_path: Path, line: str) -> None:
    """Although it is a line of everybody's frontend."""
    files = {
        "bad": TemplateFile(f"{line}\nuse_backend {{{{ backend }}}} if bad"),
        "good": TemplateFile("acl bad path /\nuse_backend {{ backend }} if bad"),
    }
    world = snapshot(*(service(f"{name}-one", PLAIN | {"templateFePath": name}) for name in ("bad", "good")))
    rendered = rendered_of(world, surroundings=replace(SURROUNDINGS, templates=files))
    assert blamed(binary, rendered, tmp_path) == {"bad-one"}


def test_a_template_that_is_missing_costs_its_service_alone() -> None:
    """It has no route, or answers 503, and is told why."""
    labels = ({"templateFePath": "x"}, {"templateBePath": "x"}, {"templateBePath": "x", "userDef": "twin"})
    world = snapshot(
        *(service(f"s{n}", PLAIN | each) for n, each in enumerate(labels)), service("web", PLAIN, younger=9)
    )
    desired = desired_of(world)
    assert desired.own_routes == ()
    assert [backend.closed for backend in desired.backends] == [False, True, True, False]
    reasons = [desired.conditions[name][1].reason for name in sorted(desired.conditions)]
    assert reasons == [*[Reason.TEMPLATE_NOT_USABLE] * 3, Reason.RESOLVED_REFS]


def test_refused() -> None:
    """More of what is refused, and why, is in ``tests/labels/test_raw_lines.py``."""
    assert "com.df.backendExtra=" in problem_of({"backendExtra": "balance leastconn\n  global"})
    assert "com.df.templateFePath=" in problem_of({"templateFePath": "/run/secrets/x"})


_SOME_LINES = st.sampled_from(
    ["timeout server 3s", "acl odd path_end /odd", "http-request deny if { path_beg /x }", "# note", "cookie", ""]
)


@given(st.lists(_SOME_LINES | st.text(max_size=20), max_size=4).map("\n".join))
def test_lines_stay_lines(text: str) -> None:
    """Whatever is accepted is as many lines as were written, each in the service's own section."""
    try:
        lines = destination_of({"backendExtra": text}).custom.backend_extra
    except AssertionError:
        return
    assert all(line and len(line.splitlines()) == 1 for line in lines)
    own, others = _own_section(text)
    assert others == _own_section("retries 4")[1]
    written = Counter(f"    {each}" for each in lines)
    assert not written - Counter(own)
    more = Counter(own) - written - Counter(_lines_of_all())
    assert all(line.startswith("    # ") for line in more), more


def _lines_of_all() -> list[str]:
    sections = rendered_of(snapshot(service("web", PLAIN))).sections
    return [line for section in sections for line in section.text.splitlines()]


def _own_section(text: str) -> tuple[list[str], list[str]]:
    """Return the lines of the profile that a service has for itself, and those of everything that is not about it."""
    rendered: Rendered = rendered_of(snapshot(service("web", PLAIN | {"backendExtra": text})))
    plain = {section.text for section in rendered_of(snapshot(service("web", PLAIN))).sections}
    own = [section.text for section in rendered.sections if section.text not in plain]
    assert len(own) <= 1
    shared = [line for section in rendered.sections if section.text in plain for line in section.text.splitlines()]
    return [line for section in own for line in section.splitlines()[1:]], shared


WRITTEN = [
    r"plain",
    r"two\ words",
    r"'two words'",
    r'"two words"',
    r"""it"'"s""",
    r"""'it'\''s'""",
    r'"a \"b\" c"',
    r"a\#b",
    r"'#'",
    r"\$HOME",
    r"'${HOME}'",
    r'"\${HOME}"',
    r"$HOME",
    r"\1\2",
    r"a\\b",
    r"\x41\x2f",
    r"'\x41'",
    r'"\x41"',
    r"{a}|<b>;(c)[d]",
    r"!~*^&",
    r"é",
    r"%%",
    r"100%%",
    r"""%[str(\'a,b\')]""",
    r"""'%[str("a)b")]'""",
    r'''"%[str('a)b')]"''',
    r"%[str(a.b),regsub(\\.,-)]",
    r"""%[str(a.b),regsub([.],[])]""",
]
"""Words as they are written in HAProxy's language."""


async def test_haproxy_reads_the_words_that_were_judged(binary: Path, folder: Path) -> None:
    """A line as it was written and the line that is made of its words are the same to HAProxy."""
    pairs = {}
    for number, word in enumerate(WRITTEN):
        line = f"http-request return status 200 hdr X-Word {word}"
        (made,) = destination_of({"backendExtra": line}).custom.backend_extra
        pairs[f"/made{number}"] = (made, made)
        pairs[f"/written{number}"] = (made.replace("X-Word", f"X-Word-{number}"), line)
    services = [
        service(path[1:], {"servicePath": path, "port": "80", "backendExtra": judged})
        for path, (judged, _) in pairs.items()
    ]
    rendered = rendered_of(snapshot(*services))
    config = rendered.config
    for path, (judged, line) in pairs.items():
        if path.startswith("/written"):
            assert config.count(f"    {judged}\n") == 1
            config = config.replace(f"    {judged}\n", f"    {line}\n")
    with running_haproxy(binary, replace(rendered, config=config), folder) as port:
        answers = await ask(port, [request_bytes(path, "x") for path in pairs])
    told = {path: answer.headers["x-word"] for path, answer in zip(pairs, answers, strict=True)}
    numbers = range(len(WRITTEN))
    assert [told[f"/made{number}"] for number in numbers] == [told[f"/written{number}"] for number in numbers]
    assert told["/made4"] == "it's"
    assert told["/made10"] == "${HOME}"


def allowed_lines(mode: str) -> list[str]:
    """Return lines that must work, one each."""
    return (Path(__file__).with_name("raw_lines") / f"{mode}.txt").read_text().splitlines()


NEWER = {
    "2.8": ("http-drop-", "hash-preserve-affinity"),
    "3.0": ("http-drop-", "hash-preserve-affinity"),
    "3.4": (),
}
"""What older versions of HAProxy do not know."""


@pytest.mark.parametrize("mode", ["http", "tcp"])
def test_haproxy_takes_what_is_allowed(binary: Path, tmp_path: Path, mode: str) -> None:
    """Each line in a profile of its own, and none with a warning, which would be a refusal."""
    version = next(version for version in NEWER if version in binary.name) if "haproxy-" in binary.name else "2.8"
    lines = [line for line in allowed_lines(mode) if not any(word in line for word in NEWER[version])]
    services = []
    for number, line in enumerate(lines):
        tcp = {"reqMode": "tcp", "srcPort": str(7000 + number)} if mode == "tcp" else {}
        labels = {"servicePath": f"/{number}", "port": "80", "backendExtra": line} | tcp
        services.append(service(f"s{number}", labels))
    desired = desired_of(snapshot(*services))
    assert [facts[0].message for facts in desired.conditions.values() if facts[0].status != "True"] == []
    assert len(desired.backends) == len(lines)
    assert refusal(binary, render(desired, ProxySettings(), MACHINE).files(), tmp_path) == ""
