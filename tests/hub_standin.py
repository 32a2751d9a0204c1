"""A stand-in for the Hub: a real HTTP server with the calls that publishing and reading make.

It keeps files in memory and implements what huggingface_hub 2.4 sends without its transfer
package: repositories, settings, preupload, LFS batches, commits, tags, trees and downloads.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

TOKEN = "hf_test"


@dataclass
class Repo:
    private: bool = False
    gated: Any = False
    commits: list[tuple[str, dict[str, bytes], str]] = field(default_factory=list)
    """Id, files and message of every commit, the first one empty."""
    tags: dict[str, str] = field(default_factory=dict)

    def commit(self, files: dict[str, bytes], message: str) -> str:
        oid = hashlib.sha1(f"{len(self.commits)}{message}".encode()).hexdigest()
        self.commits.append((oid, files, message))
        return oid

    def files(self, revision: str = "main") -> dict[str, bytes]:
        oid = self.tags.get(revision, revision)
        for known, files, _ in reversed(self.commits):
            if oid in ("main", known):
                return files
        raise KeyError(revision)


@dataclass
class Hub:
    url: str = ""
    repos: dict[str, Repo] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    """LFS objects by SHA-256."""
    sent: list[str] = field(default_factory=list)
    """Objects in the order they were sent."""
    cut_after: int | None = None
    """Objects that are taken before the connection is refused."""
    log: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


@contextmanager
def hub_server() -> Iterator[Hub]:
    hub = Hub()

    class Handler(_Handler):
        pass

    Handler.hub = hub
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()


class _MissingError(Exception):
    """What the client is told by the header X-Error-Code."""


_REPO = r"/api/datasets/(?P<repo>[^/]+/[^/]+)"


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: Any) -> None:
        pass

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            pieces = []
            while size := int(self.rfile.readline(), 16):
                pieces.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(pieces)
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _answer(self, status: int, content: Any = None, **headers: str) -> None:
        data = content if isinstance(content, bytes) else json.dumps(content or {}).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _do(self) -> None:
        body = self._body()
        path = unquote(urlsplit(self.path).path)
        self.hub.log.append(f"{self.command} {path}")
        signed = path.startswith("/objects/")
        if not signed and self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._answer(401, {"error": "Invalid credentials"})
            return
        for (methods, pattern), handle in _ROUTES.items():
            match = re.fullmatch(pattern, path)
            if match and self.command in methods.split("|"):
                try:
                    handle(self, body, **match.groupdict())
                except _MissingError as error:
                    self._answer(404, {"error": "missing"}, X_Error_Code=str(error))
                return
        self._answer(404, {"error": f"{self.command} {path}"})

    do_GET = do_HEAD = do_POST = do_PUT = _do

    def _known(self, repo: str) -> Repo:
        if repo not in self.hub.repos:
            raise _MissingError("RepoNotFound")
        return self.hub.repos[repo]

    def create(self, body: bytes) -> None:
        asked = json.loads(body)
        name = f"{asked['organization']}/{asked['name']}"
        url = {"url": f"{self.hub.url}/datasets/{name}", "name": name}
        if name in self.hub.repos:
            self._answer(409, url)
            return
        private = asked.get("visibility") == "private" or bool(asked.get("private"))
        self.hub.repos[name] = repo = Repo(private=private)
        repo.commit({".gitattributes": b""}, "initial commit")
        self._answer(200, url)

    def settings(self, body: bytes, repo: str) -> None:
        found = self._known(repo)
        found.gated = json.loads(body)["gated"]
        self._answer(200)

    def refs(self, body: bytes, repo: str) -> None:
        found = self._known(repo)
        tags = [
            {"name": name, "ref": f"refs/tags/{name}", "targetCommit": oid}
            for name, oid in found.tags.items()
        ]
        main = {
            "name": "main",
            "ref": "refs/heads/main",
            "targetCommit": found.commits[-1][0],
        }
        self._answer(200, {"branches": [main], "tags": tags, "converts": []})

    def info(self, body: bytes, repo: str, revision: str | None = None) -> None:
        found = self._known(repo)
        oid = found.tags.get(revision or "main", found.commits[-1][0])
        told = {"id": repo, "sha": oid, "private": found.private, "gated": found.gated}
        names = [{"rfilename": name} for name in sorted(found.files(oid))]
        self._answer(200, {**told, "siblings": names, "tags": [], "downloads": 0, "likes": 0})

    def tree(self, body: bytes, repo: str, revision: str, below: str | None = None) -> None:
        found = self._known(repo)
        files = found.files(revision)
        recursive = "recursive=true" in self.path.lower()
        start = f"{below}/" if below else ""
        entries: dict[str, Any] = {}
        for name, data in sorted(files.items()):
            if name.startswith(start):
                rest = name[len(start) :]
                if "/" in rest and not recursive:
                    folder = start + rest.split("/")[0]
                    entries[folder] = {"type": "directory", "path": folder, "oid": "0" * 40}
                else:
                    entries[name] = _entry(name, data)
        if start and not entries:
            raise _MissingError("EntryNotFound")
        self._answer(200, list(entries.values()))

    def paths_info(self, body: bytes, repo: str, revision: str) -> None:
        found = self._known(repo)
        files = found.files(revision)
        asked = json.loads(body)["paths"]
        self._answer(200, [_entry(name, files[name]) for name in asked if name in files])

    def preupload(self, body: bytes, repo: str, revision: str) -> None:
        found = self._known(repo)
        there = found.files(revision)
        told = []
        for file in json.loads(body)["files"]:
            name = file["path"]
            lfs = name.endswith((".parquet", ".png"))
            data = there.get(name)
            told.append(
                {
                    "path": name,
                    "uploadMode": "lfs" if lfs else "regular",
                    "shouldIgnore": False,
                    "oid": None if data is None else _oid(data, lfs),
                }
            )
        self._answer(200, {"files": told})

    def batch(self, body: bytes, repo: str) -> None:
        objects = []
        for each in json.loads(body)["objects"]:
            answer = {"oid": each["oid"], "size": each["size"]}
            if each["oid"] not in self.hub.objects:
                upload = {"href": f"{self.hub.url}/objects/{each['oid']}"}
                verify = {"href": f"{self.hub.url}/objects/verify"}
                answer["actions"] = {"upload": upload, "verify": verify}
            objects.append(answer)
        self._answer(200, {"transfer": "basic", "objects": objects})

    def put(self, body: bytes, oid: str) -> None:
        with self.hub.lock:
            cut = self.hub.cut_after is not None and len(self.hub.sent) >= self.hub.cut_after
            right = hashlib.sha256(body).hexdigest() == oid
            if right and not cut:
                self.hub.objects[oid] = body
                self.hub.sent.append(oid)
        if cut:
            self._answer(403, {"error": "the line is cut"})
        else:
            self._answer(200 if right else 400)

    def verify(self, body: bytes) -> None:
        asked = json.loads(body)
        right = len(self.hub.objects.get(asked["oid"], b"")) == asked["size"]
        self._answer(200 if right else 404)

    def commit(self, body: bytes, repo: str, revision: str) -> None:
        found = self._known(repo)
        files, message = dict(found.files(revision)), ""
        for line in body.splitlines():
            item = json.loads(line)
            value = item["value"]
            if item["key"] == "header":
                message = value["summary"]
            elif item["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif item["key"] == "lfsFile":
                files[value["path"]] = self.hub.objects[value["oid"]]
            elif item["key"] == "deletedFile":
                del files[value["path"]]
        oid = found.commit(files, message)
        self._answer(
            200,
            {
                "success": True,
                "commitOid": oid,
                "commitUrl": f"{self.hub.url}/datasets/{repo}/commit/{oid}",
            },
        )

    def tag(self, body: bytes, repo: str, revision: str) -> None:
        found = self._known(repo)
        name = json.loads(body)["tag"]
        if name in found.tags:
            self._answer(409, {"error": "the tag is there"})
            return
        found.tags[name] = found.commits[-1][0] if revision == "main" else revision
        self._answer(200)

    def resolve(self, body: bytes, repo: str, revision: str, name: str) -> None:
        found = self._known(repo)
        files = found.files(revision)
        if name not in files:
            raise _MissingError("EntryNotFound")
        data, status, headers = files[name], 200, {}
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked:
            start, end = int(asked[1]), int(asked[2] or len(data) - 1)
            headers["Content_Range"] = f"bytes {start}-{end}/{len(data)}"
            data, status = data[start : end + 1], 206
        headers |= {"ETag": f'"{_oid(files[name], True)}"', "Accept_Ranges": "bytes"}
        headers["X_Repo_Commit"] = found.tags.get(revision, found.commits[-1][0])
        self._answer(status, data, **headers)

    def whoami(self, body: bytes) -> None:
        self._answer(200, {"name": "tester", "type": "user", "orgs": []})

    def yaml(self, body: bytes) -> None:
        """The real one validates more; here the front matter must be there and be YAML."""
        import yaml

        content = json.loads(body)["content"]
        try:
            read = yaml.safe_load(content.split("---\n")[1])
            errors = [] if read["configs"] else [{"message": "no configs"}]
        except (yaml.YAMLError, IndexError, KeyError) as error:
            errors = [{"message": str(error)}]
        self._answer(400 if errors else 200, {"errors": errors, "warnings": []})


def _oid(data: bytes, lfs: bool) -> str:
    if lfs:
        return hashlib.sha256(data).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def _entry(name: str, data: bytes) -> dict[str, Any]:
    entry = {"type": "file", "path": name, "size": len(data), "oid": _oid(data, False)}
    if name.endswith((".parquet", ".png")):
        entry["lfs"] = {"oid": _oid(data, True), "size": len(data), "pointerSize": 130}
    return entry


_ROUTES = {
    ("POST", "/api/repos/create"): _Handler.create,
    ("POST", "/api/validate-yaml"): _Handler.yaml,
    ("GET", "/api/whoami-v2"): _Handler.whoami,
    ("PUT", f"{_REPO}/settings"): _Handler.settings,
    ("GET", f"{_REPO}/refs"): _Handler.refs,
    ("GET", _REPO): _Handler.info,
    ("GET", f"{_REPO}/revision/(?P<revision>[^/]+)"): _Handler.info,
    ("GET", f"{_REPO}/tree/(?P<revision>[^/]+)(/(?P<below>.+))?"): _Handler.tree,
    ("POST", f"{_REPO}/paths-info/(?P<revision>[^/]+)"): _Handler.paths_info,
    ("POST", f"{_REPO}/preupload/(?P<revision>[^/]+)"): _Handler.preupload,
    ("POST", r"/datasets/(?P<repo>[^/]+/[^/]+)\.git/info/lfs/objects/batch"): _Handler.batch,
    ("POST", "/objects/verify"): _Handler.verify,
    ("PUT", "/objects/(?P<oid>[0-9a-f]{64})"): _Handler.put,
    ("POST", f"{_REPO}/commit/(?P<revision>[^/]+)"): _Handler.commit,
    ("POST", f"{_REPO}/tag/(?P<revision>[^/]+)"): _Handler.tag,
    (
        "GET|HEAD",
        "/datasets/(?P<repo>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<name>.+)",
    ): _Handler.resolve,
}
