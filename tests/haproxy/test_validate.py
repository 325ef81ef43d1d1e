"""HAProxy is asked before it has to load, and its words are traced to lines."""

from pathlib import Path

import pytest
from haproxy.worlds import world

from controller.errors import ConfigRejectedError, TemporaryError
from controller.haproxy.validate import rejected, rejected_lines, validate

WORDS = """\
[NOTICE]   (24334) : haproxy version is 2.8.25-5cf5d0683
[NOTICE]   (24334) : path to executable is /usr/sbin/haproxy
[ALERT]    (24334) : config : parsing [/state/generations/2/haproxy.cfg:7] : unknown keyword 'x' in 'defaults' section
[ALERT]    (24334) : config : [/state/generations/2/haproxy.cfg:22] : 'server a/b' : unknown keyword 'nonsense'.
[WARNING]  (24334) : config : parsing [/state/generations/2/haproxy.cfg:23] : 'bind' ignored.
[ALERT]    (24334) : config : parsing [/state/generations/2/haproxy.cfg:23] : 'bind' : missing port specification in '1'
[ALERT]    (24334) : config : parsing [/state/generations/2/haproxy.cfg:24]: 'http-request' expects 'deny'.
[ALERT]    (24334) : Binding [/state/generations/2/haproxy.cfg:16] for frontend services: cannot bind socket
[ALERT]    (24334) : config : Proxy 'services': unable to set SSL cipher list at [/state/generations/2/haproxy.cfg:17].
[WARNING]  (24334) : 'http-request' rules ignored for frontend 'f2' as they require HTTP mode.
[ALERT]    (24334) : config : parsing [/state/generations/2/maps/a.map:3] : no
[ALERT]    (24334) : config : Error(s) found in configuration file : /state/generations/2/haproxy.cfg
"""


def test_lines_that_are_rejected() -> None:
    """In all the ways in which HAProxy 2.8 to 3.4 names a line."""
    assert rejected_lines(WORDS) == {
        7: "unknown keyword 'x' in 'defaults' section",
        22: "'server a/b' : unknown keyword 'nonsense'.",
        23: "'bind' ignored.; 'bind' : missing port specification in '1'",
        24: "'http-request' expects 'deny'.",
        16: "for frontend services: cannot bind socket",
        17: "Proxy 'services': unable to set SSL cipher list at",
    }


def test_words_name_the_file_only() -> None:
    """Where it is kept is nobody's business, and what is no complaint is left out."""
    error = rejected(WORDS, Path("/state/generations/2/haproxy.cfg"))
    assert "/state" not in error.output
    assert "NOTICE" not in error.output
    assert "[haproxy.cfg:7]" in str(error)
    assert rejected_lines(error.output) == rejected_lines(WORDS)


def test_death_without_a_word_is_a_rejection() -> None:
    """Nothing is lost of what there is."""
    assert "without a word" in str(rejected("", Path("/s/haproxy.cfg")))
    assert rejected("Segmentation fault\n", Path("/s/haproxy.cfg")).output == "Segmentation fault\n"


async def test_haproxy_checks(binary: Path, folder: Path) -> None:
    """Errors and warnings reject, and name their line."""
    good = world(runtime_socket=folder / "r.sock", port=8)
    for name, content in good.files().items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    config = folder / "haproxy.cfg"
    await validate(binary, config)
    for extra in ("backend b\n    nonsense", "backend b\n    http-request deny\n    tcp-request content accept"):
        config.write_text(f"{good.config}\n{extra}\n", encoding="ascii")
        with pytest.raises(ConfigRejectedError) as caught:
            await validate(binary, config)
        last_line = len(config.read_text(encoding="ascii").split("\n")) - 1
        assert set(rejected_lines(caught.value.output)) == {last_line}
        assert str(folder) not in caught.value.output


async def test_check_has_a_time_limit(folder: Path) -> None:
    """A binary that never answers is no reason to wait for ever."""
    sleeper = folder / "haproxy"
    sleeper.write_text("#!/bin/sh\nexec sleep 60\n", encoding="ascii")
    sleeper.chmod(0o700)
    with pytest.raises(TemporaryError, match=r"within 0\.1 s"):
        await validate(sleeper, folder / "haproxy.cfg", limit=0.1)


@pytest.mark.parametrize("secret", ["abc", "k9", "secret", "12", "Tr0ub4dor"])
@pytest.mark.parametrize(
    "line",
    [
        "http-request set-header X-Token %[{}]",
        "http-request add-header X-Token %[str(a),{}]",
        "http-response set-header X-Key x {}",
    ],
)
async def test_what_haproxy_repeats_of_a_secret_is_hidden(binary: Path, folder: Path, line: str, secret: str) -> None:
    """However short it is, and whether or not it looks like a word of HAProxy's own; the line is still named."""
    config = folder / "haproxy.cfg"
    timeouts = "".join(f"    timeout {name} 1s\n" for name in ("client", "server", "connect"))
    config.write_text(
        f"defaults\n    mode http\n{timeouts}frontend f\n    bind 127.0.0.1:1\n    {line.format(secret)}\n", "utf-8"
    )
    with pytest.raises(ConfigRejectedError) as caught:
        await validate(binary, config)

    assert set(rejected_lines(caught.value.output)) == {8}
    assert f"'{secret}'" not in caught.value.output
