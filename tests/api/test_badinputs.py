"""Hostile and broken inputs through a real daemon with real workers: each ends with a typed answer, the daemon lives, and the next task works."""

import base64
import csv
import io
import json
import os
import random
import socket
import time
import zipfile

import daemon
import documents
import pytest
from conftest import ROOT

SECONDS_EACH = 60
TIMEOUT = [("document_timeout", "45")]  # some of the files are endless work: a typed timeout is a good end for them
PAGE_LIMIT = 1000
WORKER_LIMIT_MIB = 2048 * 1.1
CATEGORIES = {"policy", "capacity", "source_unavailable", "target_unavailable", "timeout", "internal", "backend_failure", "inference_failure"}
CLEAN = documents.pdf(["a clean document"])
# No reader yet: a document of these kinds has to be refused in words, and may as well convert once there is one.
NOT_YET = (".html", ".htm", ".docx", ".xlsx", ".pptx", ".xml")


NO_LIMIT = "the sanitizers cannot run under the memory limit that ends these"
memory_limit = pytest.mark.skipif(bool(os.environ.get("PLATEN_SANITIZED")), reason=NO_LIMIT)


def folder_of_shared():
    return os.environ.get("PLATEN_SHARED") or ROOT.parent / "shared"


def bad_files():
    path = os.path.join(folder_of_shared(), "badinputs", "MANIFEST.tsv")
    if not os.path.exists(path):
        return {}
    classes = {}
    with open(path, newline="") as f:
        for row in csv.DictReader(f, delimiter="\t"):
            classes.setdefault(row["class"], []).append(row)
    return classes


def files_of_tasks(d):
    return [str(p) for p in d.data.rglob("*") if p.is_file() and "db" not in p.name and "lock" not in p.name]


@pytest.fixture(scope="module")
def service(build_dir):
    """One daemon for the whole file; it must be the same process at the end, and leave nothing behind."""
    with daemon.Daemon(build_dir, "--backend", "fake", "--max-num-pages", PAGE_LIMIT, "--engine-idle", 3600) as d:
        with daemon.Sampler(d.pid, 0.05) as sampler:
            d.sampler = sampler
            yield d
            assert d.alive(), d.log()
            assert daemon.wait_until(lambda: "platen-worker" not in [name for _, name in d.children()], 10), d.children()
            daemon.wait_until(lambda: not files_of_tasks(d), 10)  # they go right after the answer, off the loop
            assert files_of_tasks(d) == [], "uploads, scratch files and results of synchronous calls leave with the call"


def open_descriptors(d):
    """Connections and files that platend holds. Only root may count them: to others they look like none."""
    try:
        return len(os.listdir(f"/proc/{d.pid}/fd"))
    except PermissionError:
        return 0


def typed(answer):
    """(outcome, message): success, partial_success, failure or skipped; a 4xx or a failed task is a failure."""
    if answer.headers.get_content_type() == "application/zip":
        return "success", ""
    body = answer.json()
    if body.get("kind") == "TaskFailureResult":
        failure = body["failure"]
        assert failure["category"] in CATEGORIES and failure["message"] and failure["details"]["error"] != "bug", body
        return "failure", failure["message"]
    assert answer.status < 500, (answer.status, body)
    if answer.status != 200:
        assert body.get("detail"), body
        return "failure", json.dumps(body["detail"])
    if body["status"] in ("failure", "skipped"):
        assert body["errors"], body
        assert not any(body["document"].get(f"{kind}_content") for kind in ("md", "json", "html", "text", "doctags")), body
    for error in body["errors"]:
        assert error["category"] in CATEGORIES and error["error_message"] and error["component_type"], error
        assert error["module_name"] != "bug", error
    return body["status"], "; ".join(e["error_message"] for e in body["errors"])


def convert(d, name, data, fields=()):
    began = time.monotonic()
    outcome = typed(d.convert([(name, data)], [*TIMEOUT, *fields], timeout=SECONDS_EACH + 30))
    assert time.monotonic() - began <= SECONDS_EACH, f"{name} took {time.monotonic() - began:.1f} s"
    return outcome


def still_well(d):
    assert d.alive(), d.log()
    answer = d.convert([("clean.pdf", CLEAN)])
    assert answer.status == 200 and answer.json()["status"] == "success", answer.body[:500]
    assert "a clean document" in answer.json()["document"]["md_content"]


@pytest.mark.parametrize("kind", sorted(set(bad_files()) - {"json-body", "strings"}) or ["(no shared badinputs here)"])
def test_files_of_a_class(service, shared_dir, kind):
    if kind == "pdf-dos" and os.environ.get("PLATEN_SANITIZED"):
        pytest.skip(NO_LIMIT)
    wrong = []
    for row in bad_files()[kind]:
        name = os.path.basename(row["file"])
        with open(os.path.join(shared_dir, "badinputs", row["file"]), "rb") as f:
            outcome, message = convert(service, name, f.read())
        good = outcome in ("success", "partial_success")
        if row["expect"] == "ok" and not good and not (name.endswith(NOT_YET) and outcome in ("failure", "skipped")):
            wrong.append((name, outcome, message))
        if row["expect"] in ("fail", "auth") and good:
            wrong.append((name, outcome, message))
        if row["expect"] == "auth" and "password" not in message:
            wrong.append((name, outcome, message))
    assert wrong == []
    if not os.environ.get("PLATEN_SANITIZED"):
        assert service.sampler.peaks.get("platen-worker", 0) <= WORKER_LIMIT_MIB
    still_well(service)


def post_json(d, body):
    return d.request("POST", "/v1/convert/source", body, {"Content-Type": "application/json"}, timeout=SECONDS_EACH)


def test_json_bodies(service, shared_dir):
    for row in bad_files()["json-body"]:
        with open(os.path.join(shared_dir, "badinputs", row["file"]), "rb") as f:
            answer = post_json(service, f.read())
        assert 400 <= answer.status < 500 and answer.json()["detail"], (row["file"], answer.status)
    still_well(service)


def test_naughty_strings(service, shared_dir):
    """As file names, option values and ids."""
    with open(os.path.join(shared_dir, "badinputs", "strings", "blns__blns.json"), encoding="utf-8") as f:
        strings = json.load(f)
    content = base64.b64encode(CLEAN).decode()
    for text in random.Random(3).sample(strings, 60):
        body = {"sources": [{"kind": "file", "base64_string": content, "filename": text}], "options": {"md_page_break_placeholder": text}}
        answer = post_json(service, json.dumps(body))
        assert answer.status in (200, 422), (text, answer.status, answer.body[:300])
        assert "detail" in answer.json() or typed(answer)
        answer = post_json(service, json.dumps({"sources": [], "options": {"pipeline": text}}))
        assert answer.status == 422, text
    still_well(service)


# ---- the list of issue 3 ----


@pytest.mark.parametrize("name, data", [
    ("empty.pdf", b""),
    ("empty.png", b""),
    ("random.pdf", random.Random(1).randbytes(20000)),
    ("header-then-random.pdf", b"%PDF-1.7\n" + random.Random(2).randbytes(20000)),
    ("short.pdf", CLEAN[:120]),
    ("huge-page.pdf", documents.pdf(["far too large"], boxes={0: "0 0 2000000000 2000000000"})),
    ("large.png", documents.png(60000, 60000)),
    ("bomb.tif", documents.tiff_bomb()),
    ("unknown.xyz", b"\x01\x02\x03 neither fish nor flesh"),
    ("many.pdf", documents.many_pages(20000)),
])  # fmt: skip
def test_bad_file(service, name, data):
    outcome, message = convert(service, name, data)
    assert outcome in ("failure", "skipped") and message, (outcome, message)
    assert str(service.folder) not in message, "no paths of ours in messages"
    still_well(service)


def test_truncated_pdf(service):
    """The end is missing, its pages are not: what is there may be given, with or without an error, but in time."""
    whole = documents.pdf([f"page {i}" for i in range(30)])
    outcome, message = convert(service, "cut.pdf", whole[: len(whole) * 2 // 3])
    assert outcome in ("success", "partial_success", "failure") and (outcome == "success" or message)
    still_well(service)


@memory_limit
@pytest.mark.parametrize("size", [1 << 30, 8 << 30])
def test_zip_bomb_in_a_stream(service, size):
    """It may fit (spaces are a legal page); where it does not, the reason has to be memory or a limit, not a crash."""
    answer = service.convert([("bomb.pdf", documents.pdf_zip_bomb(size))], TIMEOUT)
    outcome, message = typed(answer)
    if outcome == "failure":
        body = answer.json()
        kinds = [body["failure"]["details"]["error"]] if "failure" in body else [e["module_name"] for e in body["errors"]]
        assert set(kinds) <= {"memory", "limit", "timeout"}, (kinds, message)
    if not os.environ.get("PLATEN_SANITIZED"):
        assert service.sampler.peaks.get("platen-worker", 0) <= WORKER_LIMIT_MIB
    still_well(service)


def test_password(service):
    locked = documents.encrypted(documents.pdf(["a secret"]), "open sesame")
    for fields in ([], [("password", "wrong")]):
        outcome, message = convert(service, "locked.pdf", locked, fields)
        assert outcome == "failure" and "password" in message and "sesame" not in message
    assert convert(service, "locked.pdf", locked, [("password", "open sesame")])[0] == "success"


def test_the_page_limit_names_itself(service):
    outcome, message = convert(service, "many.pdf", documents.many_pages(PAGE_LIMIT + 1))
    assert outcome == "failure" and str(PAGE_LIMIT) in message and str(PAGE_LIMIT + 1) in message


def test_one_bad_page_costs_one_page(service):
    pages = [f"number {i}" for i in range(20)]
    answer = service.convert([("one-bad.pdf", documents.pdf(pages, boxes={7: "0 0 2000000000 2000000000"}))])
    outcome, message = typed(answer)
    assert outcome == "partial_success" and [e["page_no"] for e in answer.json()["errors"]] == [8], answer.json()["errors"]
    text = answer.json()["document"]["md_content"]
    assert [i for i in range(20) if f"number {i}" not in text] == [7], text


def test_two_files_one_bad(service):
    answer = service.convert([("bad.pdf", b"not a PDF"), ("good.pdf", CLEAN)])
    assert answer.status == 200
    if answer.headers.get_content_type() == "application/zip":
        archive = zipfile.ZipFile(io.BytesIO(answer.body))
        text = {name: archive.read(name).decode() for name in archive.namelist()}
    else:
        text = {"answer": answer.body.decode()}
    assert any("a clean document" in t for t in text.values()), text
    still_well(service)


@pytest.mark.parametrize("body", [
    b"", b"{", b"[]", b"null", b'"x"', b'{"sources": 1}', b'{"sources": []}', b'{"sources": [{}]}', b"{" * 100000, b"[" * 3000000,
    b'{"sources": [{"kind": "file", "filename": "a.pdf"}]}', b'{"sources": [{"kind": "carrier pigeon"}]}', b"\xff\xfe{\x00}\x00",
    b'{"sources": [{"kind": "file", "filename": "a.pdf", "base64_string": "JVBERi0"}], "options": {"to_formats": ["papyrus"]}}',
    b'{"sources": [{"kind": "file", "filename": "a.pdf", "base64_string": "%%% no base64 %%%"}]}',
    b'{"sources": [{"kind": "file", "filename": "a.pdf", "base64_string": 7}]}',
    b'{"sources": [{"kind": "file", "filename": "a.pdf", "base64_string": "QUJD="}]}',
], ids=range(17))  # fmt: skip
def test_bad_json(service, body):
    answer = post_json(service, body)
    assert answer.status == (413 if len(body) > 1 << 20 else 422) and answer.json()["detail"], (answer.status, answer.body[:300])
    assert service.alive()


def test_bad_multipart(service):
    kind, body = daemon.multipart([("clean.pdf", CLEAN)], [("to_formats", "md")])
    for broken in (body[:200], body.replace(b"\r\n\r\n", b"\r\n", 1), b"", b"--", body[:-10]):
        answer = service.request("POST", "/v1/convert/file", broken, {"Content-Type": kind})
        assert answer.status in (200, 400, 422), (answer.status, answer.body[:300])
    for wrong in ("multipart/form-data", "multipart/form-data; boundary=", "text/plain", "multipart/form-data; boundary=" + "x" * 5000):
        answer = service.request("POST", "/v1/convert/file", body, {"Content-Type": wrong})
        assert answer.status in (400, 415, 422), (wrong, answer.status)
    still_well(service)


def test_unknown_task(service):
    for path in ("/v1/status/poll/", "/v1/result/"):
        for task in ("00000000-0000-4000-8000-000000000000", "x", "..%2f..%2fetc%2fpasswd", "%00", "a" * 5000):
            answer = service.request("GET", path + task)
            assert answer.status in (404, 414), (path, task, answer.status)


def raw(d):
    return socket.create_connection(("127.0.0.1", d.port), timeout=20)


def test_ten_megabytes_of_header(service):
    with raw(service) as s:
        try:
            s.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n")
            for _ in range(10):
                s.sendall(b"X-Long: " + b"a" * (1 << 20) + b"\r\n")
            s.sendall(b"\r\n")
            answer = s.recv(4096)
        except OSError:  # refused before all of it was sent
            answer = b""
    assert answer == b"" or answer.split()[1] in (b"400", b"413", b"431"), answer[:200]
    still_well(service)


def test_a_client_that_leaves_during_its_upload(service):
    before = open_descriptors(service)
    kind, body = daemon.multipart([("clean.pdf", CLEAN)], [("to_formats", "md")])
    for _ in range(20):
        with raw(service) as s:
            s.sendall(f"POST /v1/convert/file HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: 9000000\r\n\r\n".encode() + body[:300])
    assert daemon.wait_until(lambda: open_descriptors(service) <= before, 40), (before, open_descriptors(service))
    still_well(service)


def test_a_client_that_leaves_before_its_answer(service):
    still_well(service)
    before = open_descriptors(service)
    kind, body = daemon.multipart([("long.pdf", documents.pdf([f"page {i}" for i in range(200)]))], [("force_ocr", "true")])
    for _ in range(4):
        with raw(service) as s:
            s.sendall(f"POST /v1/convert/file HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
            time.sleep(0.1)
    still_well(service)
    assert daemon.wait_until(lambda: "platen-worker" not in [name for _, name in service.children()], 60)
    assert daemon.wait_until(lambda: open_descriptors(service) <= before, 10), (before, open_descriptors(service))


def test_a_client_that_stops_reading(service):
    """Its answer is far larger than the socket buffers; everybody else is served meanwhile."""
    before = open_descriptors(service)
    pages = [f"page {i} " + "much text " * 200 for i in range(400)]
    kind, body = daemon.multipart([("long.pdf", documents.pdf(pages))], [("to_formats", "md,json,html,text")])
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.settimeout(60)
    s.connect(("127.0.0.1", service.port))
    s.sendall(f"POST /v1/convert/file HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    assert s.recv(16).startswith(b"HTTP/1.1 200")
    for _ in range(3):
        still_well(service)
    s.close()
    assert daemon.wait_until(lambda: open_descriptors(service) <= before, 10), (before, open_descriptors(service))


def test_a_client_that_sends_slowly_holds_nobody_up(service):
    with raw(service) as s:
        s.sendall(b"POST /v1/convert/file HTTP/1.1\r\nHost: x\r\nContent-Le")
        began = time.monotonic()
        assert service.request("GET", "/health").json() == {"status": "ok"}
        assert time.monotonic() - began < 5
