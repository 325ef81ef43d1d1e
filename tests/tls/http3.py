"""An HTTP/3 client, which trusts one authority and takes no certificate but that of the host it asks for."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aioquic.asyncio import QuicConnectionProtocol
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DataReceived, H3Event, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import ConnectionTerminated, QuicEvent
from tls.authorities import Authority

_LIMIT = 10.0


@dataclass
class Answer:
    """What came back on one stream; names of headers are in lower case."""

    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    complete: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def status(self) -> int:
        """The status; 0 if the connection ended before the answer."""
        return int(self.headers.get(":status", 0))


class Http3(QuicConnectionProtocol):
    """One connection, on which requests may be sent at the same time."""

    def __init__(self, quic: QuicConnection, host: str) -> None:
        super().__init__(quic)
        self._http = H3Connection(quic)
        self._host = host
        self._answers: dict[int, Answer] = {}

    async def ask(self, path: str, **headers: str) -> Answer:
        """Send a request and return the answer when all of it is there."""
        stream = self._quic.get_next_available_stream_id()
        answer = self._answers[stream] = Answer()
        fields = {":method": "GET", ":scheme": "https", ":authority": self._host, ":path": path, **headers}
        self._http.send_headers(stream, [(k.encode(), v.encode()) for k, v in fields.items()], end_stream=True)
        self.transmit()
        await asyncio.wait_for(answer.complete.wait(), _LIMIT)
        return answer

    def quic_event_received(self, event: QuicEvent) -> None:
        """Take what belongs to an answer."""
        if isinstance(event, ConnectionTerminated):
            for answer in self._answers.values():
                answer.complete.set()
        for each in self._http.handle_event(event):
            self._take(each)

    def _take(self, event: H3Event) -> None:
        if not isinstance(event, HeadersReceived | DataReceived):
            return
        answer = self._answers[event.stream_id]
        if isinstance(event, HeadersReceived):
            answer.headers |= {name.decode(): value.decode() for name, value in event.headers}
        else:
            answer.body += event.data
        if event.stream_ended:
            answer.complete.set()


@asynccontextmanager
async def http3(port: int, host: str, trusted: Authority, client: Path | None = None) -> AsyncIterator[Http3]:
    """Connect to a port of loopback, asking for a host by SNI; ``client`` is a certificate of one's own with its key.

    Raises:
        ConnectionError: the certificate that was shown is not the host's.
    """
    configuration = QuicConfiguration(
        alpn_protocols=H3_ALPN, server_name=host, cadata=trusted.pem.encode(), idle_timeout=_LIMIT
    )
    if client is not None:
        configuration.load_cert_chain(client, client)
    address = ("127.0.0.1", port)
    loop = asyncio.get_running_loop()
    transport, connection = await loop.create_datagram_endpoint(
        lambda: Http3(QuicConnection(configuration=configuration), host), remote_addr=address
    )
    try:
        connection.connect(address)
        await asyncio.wait_for(connection.wait_connected(), _LIMIT)
        yield connection
        connection.close()
        await connection.wait_closed()
    finally:
        transport.close()


def udp_is_closed(port: int) -> bool:
    """Tell whether nobody listens on a UDP port of loopback: then the kernel itself refuses what is sent there."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(0.5)
        asking.connect(("127.0.0.1", port))
        asking.send(b"?")
        try:
            asking.recv(1)
        except ConnectionRefusedError:
            return True
        except TimeoutError:
            pass
        return False
