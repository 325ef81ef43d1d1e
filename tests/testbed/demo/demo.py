#!/usr/bin/python3
"""The service the tests put behind the proxy: it tells who answered, and what it was asked."""

import json
import os
import signal
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

PORT = 8080
HOSTNAME = socket.gethostname()


class Running:
    """Counts the requests being answered, so that stopping can wait for them."""

    def __init__(self) -> None:
        self.count = 0
        self.stopping = False
        self.changed = threading.Condition()

    def __enter__(self) -> None:
        with self.changed:
            self.count += 1

    def __exit__(self, *_: object) -> None:
        with self.changed:
            self.count -= 1
            self.changed.notify_all()

    def finish(self) -> None:
        with self.changed:
            self.changed.wait_for(lambda: self.count == 0)


running = Running()


class Handler(BaseHTTPRequestHandler):
    """Answers every request, also one whose connection the proxy has already given up."""

    protocol_version = "HTTP/1.1"
    # One write for the whole answer, at once: anything else costs a delayed acknowledgement.
    wbufsize = -1
    disable_nagle_algorithm = True

    def handle_one_request(self) -> None:
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline:
            self.close_connection = True
            return
        with running:
            if not self.parse_request():
                return
            self.read_body()
            self.answer()
            self.wfile.flush()

    def read_body(self) -> None:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            while size := int(self.rfile.readline().split(b";")[0], 16):
                self.rfile.read(size + 2)
            while self.rfile.readline().strip():
                pass
        else:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def answer(self) -> None:
        url = urlsplit(self.path)
        known = f"{url.path}/".startswith("/demo/")
        if url.path == "/demo/slow":
            time.sleep(int(parse_qs(url.query).get("ms", ["1000"])[0]) / 1000)
        if url.path == "/demo/hello":
            body, kind = b"hello, world!\n", "text/plain"
        else:
            echo = {
                "method": self.command,
                "path": self.path,
                "headers": dict(self.headers),
                "hostname": HOSTNAME,
            }
            body, kind = json.dumps(echo, indent=1).encode() + b"\n", "application/json"
        self.send_response(200 if known else 404)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Task", HOSTNAME)
        if running.stopping:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    """One thread a request."""

    daemon_threads = True
    request_queue_size = 1024


def main() -> None:
    server = Server(("", PORT), Handler)

    def stop(*_: object) -> None:
        running.stopping = True
        # The loop that is to end runs in this very thread.
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, stop)
    sys.stdout.write(f"listening on {PORT}\n")
    sys.stdout.flush()
    server.serve_forever(poll_interval=0.05)
    server.socket.close()
    running.finish()
    # Idle connections are not waited for.
    os._exit(0)


if __name__ == "__main__":
    main()
