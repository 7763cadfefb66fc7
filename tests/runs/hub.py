"""A stand-in for the Hub's HTTP interface, as far as its client asks for files: on 127.0.0.1, from a dictionary."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

COMMIT = "c0ffee" * 6 + "c0de"  # 40 hex digits


@dataclass
class Hub:
    """Repositories, and what was asked for."""

    files: dict[str, dict[str, bytes]] = field(default_factory=dict)  # by repository, then by name
    private: set[str] = field(default_factory=set)
    sizes: dict[str, int] = field(default_factory=dict)  # that are said, by file, where they are not the true ones
    silent: bool = False  # as if there were no network
    asked: list[tuple[str, str]] = field(default_factory=list)  # method and path
    url: str = ""

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and content: https://huggingface.co/USER/NAME/resolve/REVISION/FILE."""
        repository, _, rest = unquote(path).lstrip("/").partition("/resolve/")
        revision, _, file = rest.partition("/")
        if repository in self.private:
            return 401, {"X-Error-Message": "Invalid username or password."}, b""
        if repository not in self.files:
            return 404, {"X-Error-Code": "RepoNotFound"}, b""
        if revision not in ("main", "v1", COMMIT):
            return 404, {"X-Error-Code": "RevisionNotFound"}, b""
        if file not in self.files[repository]:
            return 404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT}, b""
        content = self.files[repository][file]
        about = {"X-Repo-Commit": COMMIT, "ETag": f'"{hashlib.sha1(content).hexdigest()}"'}
        return 200, {**about, "Content-Length": str(self.sizes.get(file, len(content)))}, content


@contextmanager
def hub() -> Iterator[Hub]:
    """One that listens."""
    found = Hub()

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.give()

        def do_GET(self) -> None:
            self.wfile.write(self.give())

        def give(self) -> bytes:
            if found.silent:
                self.close_connection = True
                return b""
            if "/resolve/" in self.path:  # the client may ask the Hub about itself as well
                found.asked.append((self.command, self.path))
            status, headers, content = found.answer(self.path)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            return content

        def log_message(self, format: str, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    found.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
