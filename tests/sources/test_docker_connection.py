"""What is read from an engine is what it answers, whatever was known of it before."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from haproxy.loopback import QuietHandler, QuietServer, serving
from hypothesis import given
from hypothesis import strategies as st

from controller.sources import docker_connection
from controller.sources.docker_connection import DockerConnection


class Engine:
    """Answers every question but that for its version with ``body``, in some chunks if there is a ``chunk`` length."""

    def __init__(self) -> None:
        self.body = b""
        self.chunk = 0

    @contextmanager
    def connected(self) -> Iterator[DockerConnection]:
        """Give a connection to it while the block runs."""
        engine = self

        class Handler(QuietHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:  # noqa: N802 - the name is the library's
                is_version = self.path.endswith("/version")
                body = json.dumps({"ApiVersion": "1.41"}).encode() if is_version else engine.body
                self.send_response(200)
                if engine.chunk:
                    self.send_header("Transfer-Encoding", "chunked")
                    self.end_headers()
                    for begin in range(0, len(body), engine.chunk):
                        piece = body[begin : begin + engine.chunk]
                        self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
                    self.wfile.write(b"0\r\n\r\n")
                else:
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)

        with QuietServer(("127.0.0.1", 0), Handler) as server, serving(server):
            connection = DockerConnection(f"tcp://127.0.0.1:{server.server_port}")
            try:
                yield connection
            finally:
                connection.close()


@pytest.mark.parametrize("chunk", [0, 3])
def test_it_is_the_answer_and_the_known_object_if_it_is_the_same(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docker_connection, "_CHUNK", 4)
    engine = Engine()
    engine.chunk = chunk
    texts = st.text("a \n", max_size=12).map(str.encode)

    with engine.connected() as connection:

        @given(texts, texts, texts)
        def check(beginning: bytes, one: bytes, other: bytes) -> None:
            known, engine.body = (beginning + one).rstrip(), beginning + other
            read = connection.read("/services", {}, deadline=time.monotonic() + 10, known=known)
            assert read == engine.body.rstrip()
            assert (read is known) == (read == known) or not read

        check()
