"""Serves a site to this machine: only GET and HEAD, only 127.0.0.1, only names that are known."""

from __future__ import annotations

import contextlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from st_audioqa.errors import UserError
from st_audioqa.viewer.site import Site

__all__ = ["HOST", "open_server"]

HOST = "127.0.0.1"
_HEADERS = {
    # Whatever a corpus holds, the page runs no code but its own and asks nobody else.
    "Content-Security-Policy": "default-src 'self'; media-src 'self' blob:; img-src 'self' data:; "
    "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def open_server(site: Site, port: int) -> ThreadingHTTPServer:
    """A server bound to 127.0.0.1, to be run with `serve_forever`.

    Parameters
    ----------
    site : Site
    port : int
        0 takes one that is free.

    Raises
    ------
    UserError
        The port is taken.
    """

    class Handler(_Handler):
        shown = site

    try:
        server = ThreadingHTTPServer((HOST, port), Handler)
    except OSError as error:
        raise UserError(
            f"The page must be served at port {port}, but that is not possible "
            f"({error.strerror}): choose another one with --port, or 0 for any."
        ) from error
    server.daemon_threads = True
    return server


class _Handler(BaseHTTPRequestHandler):
    """One request."""

    shown: Site
    timeout = 30
    server_version = "st-audioqa"
    sys_version = ""

    def do_GET(self) -> None:
        """Answers with a file."""
        status, kind, content = self._answer()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            with contextlib.suppress(ConnectionError):  # another scene was chosen meanwhile
                self.wfile.write(content)

    do_HEAD = do_GET

    def _answer(self) -> tuple[int, str, bytes]:
        # A page of another site may give its own name this machine's address; its requests then
        # come with that name.
        port = self.connection.getsockname()[1]
        if self.headers.get("Host") not in (f"{HOST}:{port}", f"localhost:{port}"):
            return _text(403, "Ask for this page at its own address.")
        try:
            name = unquote(urlsplit(self.path).path, errors="strict").removeprefix("/")
        except ValueError:
            return _text(400, "This address cannot be read.")
        try:
            found = self.shown.get(name or "index.html")
        except UserError as error:
            return _text(500, str(error))
        return _text(404, "There is no such file.") if found is None else (200, *found)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing: requests of the page are of no interest."""


def _text(status: int, text: str) -> tuple[int, str, bytes]:
    return status, "text/plain; charset=utf-8", text.encode("utf-8", "replace")
