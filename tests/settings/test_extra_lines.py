"""EXTRA_FRONTEND and EXTRA_GLOBAL: lines of the operator, who is told at the start what is wrong with them."""

from pathlib import Path

import pytest
from binaries import VERSIONS, haproxy_binary, refusal
from builders import rendered_of, service, snapshot

from controller.environment import proxy_settings
from controller.errors import PermanentError
from controller.haproxy.validate import rejected_lines
from models.raw.operator_lines import OperatorLines
from models.settings import ProxySettings


def lines_of(**settings: object) -> OperatorLines:
    return ProxySettings.model_validate(settings).extra_lines


def test_lines_are_divided_and_stand_where_they_belong() -> None:
    """Rules that choose backends come behind all other lines, and find backends by name."""
    given = lines_of(
        extra_global="tune.bufsize 32768,nbthread 2",
        extra_frontend="acl a hdr(host,1) x,use_backend web-be80_0 if a,http-request deny if { src 1.1.1.1 }",
    )
    assert given == OperatorLines(
        globals=("tune.bufsize 32768", "nbthread 2"),
        frontend=("acl a hdr(host,1) x", "http-request deny if { src 1.1.1.1 }"),
        rules=("use_backend %[str(web-be80_0)] if a",),
    )


def test_variables_are_put_in_but_for_secrets() -> None:
    """By their names."""
    assert lines_of(extra_global="{% if ENABLE_H2 %}\n# {{ STATS_URI }} {{ CERTS_DIR }}\n{% endif %}").globals == (
        "# /admin?stats /certs",
    )
    secrets = {"stats_user": "u", "stats_pass": "p", "users": "ann:a", "listener_token": "t", "api_token": "t"}
    for name in ("STATS_PASS", "USERS", "LISTENER_TOKEN", "API_TOKEN"):
        with pytest.raises(ValueError, match=f"EXTRA_GLOBAL.*'{name}' is undefined"):
            lines_of(extra_global=f"# {{{{ {name} }}}}", **secrets)


@pytest.mark.parametrize("line", ["frontend x", "defaults", "listen y", "'global'", ".if 1", "a\vb", "{{ x", "{{.X}}"])
@pytest.mark.parametrize("name", ["EXTRA_FRONTEND", "EXTRA_GLOBAL"])
def test_refused(name: str, line: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A line stays in its section; the variable is named."""
    monkeypatch.setenv(name, line)
    with pytest.raises(PermanentError, match=f"^the variable {name} "):
        proxy_settings(secrets_dir=tmp_path)


def test_they_are_the_operators_own() -> None:
    """What is refused to services is not refused to who may refuse it."""
    given = lines_of(allow_raw_config=False, extra_frontend="http-request deny if { src -f /etc/bad }")
    assert given.frontend == ("http-request deny if { src -f /etc/bad }",)


@pytest.mark.haproxy
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("EXTRA_GLOBAL", "nbthread 2,tune.nonsense 1"),
        ("EXTRA_FRONTEND", "acl a path /,http-request nonsense"),
        ("EXTRA_FRONTEND", "use_backend x if nonsense"),
    ],
)
def test_what_haproxy_refuses_is_known_to_be_of_the_variable(
    version: str, name: str, text: str, tmp_path: Path
) -> None:
    """It names the line, and the line has a name."""
    settings = ProxySettings.model_validate({name.lower(): text})
    rendered = rendered_of(snapshot(service("web")), settings=settings)
    words = rejected_lines(refusal(haproxy_binary(version), rendered.files(), tmp_path))
    assert {rendered.variables.get(line) for line in words} == {name}
    assert not any(line in rendered.owners for line in words)
