"""The API over HTTP against a real platend: endpoints and their shapes, validation, long poll, cancel, keys, CORS."""

import base64
import io
import json
import os
import threading
import time
import zipfile

import documents
import pytest

PDF = documents.pdf(["a clean document"])
NOBODY = "00000000-0000-4000-8000-000000000000"


def source(name="a.pdf", data=PDF):
    return {"kind": "file", "filename": name, "base64_string": base64.b64encode(data).decode()}


def post_json(d, body, path="/v1/convert/source", **headers):
    return d.request("POST", path, json.dumps(body), {"Content-Type": "application/json", **headers})


def details(answer):
    assert answer.status == 422, answer.body
    return answer.json()["detail"]


@pytest.mark.parametrize("path", ["/health", "/livez", "/api", "/ready", "/readyz"])
def test_health(platend, path):
    answer = platend.request("GET", path)
    assert (answer.status, answer.json()) == (200, {"status": "ok"})
    assert platend.request("HEAD", path).body == b""


def test_version(platend, start_platend):
    assert "platen" in platend.request("GET", "/version").json()
    closed = start_platend("--backend", "fake", "--no-show-version-info")
    assert closed.request("GET", "/version").status == 403


def test_unknown_path_and_method(platend):
    answer = platend.request("GET", "/v1/nothing")
    assert (answer.status, answer.json()) == (404, {"detail": "Not Found"})
    answer = platend.request("GET", "/v1/convert/file")
    assert (answer.status, answer.json()) == (405, {"detail": "Method Not Allowed"})
    assert answer.headers["Allow"] == "POST"


def test_cors_and_request_id(platend):
    answer = platend.request("OPTIONS", "/v1/convert/file", headers={
        "Origin": "http://x", "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-api-key"})
    assert answer.status == 200
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Access-Control-Allow-Headers"] == "x-api-key"
    assert "Access-Control-Allow-Credentials" not in answer.headers
    assert platend.request("GET", "/health", headers={"X-Request-Id": "mine-1"}).headers["X-Request-Id"] == "mine-1"
    assert len(platend.request("GET", "/health").headers["X-Request-Id"]) == 32


def test_sync_file(platend):
    answer = platend.convert([("a.pdf", PDF)], [("to_formats", "md"), ("to_formats", "json"), ("do_code_enrichment", "true")])
    assert answer.status == 200, answer.body
    body = answer.json()
    assert set(body) == {"document", "status", "errors", "processing_time", "timings", "confidence"}
    assert body["status"] == "success"
    document = body["document"]
    assert set(document) == {"filename", "md_content", "json_content", "html_content", "text_content", "doctags_content", "doclang_content"}
    assert "a clean document" in document["md_content"]
    assert document["json_content"]["schema_name"] == "DoclingDocument"
    assert document["html_content"] is None
    assert any("do_code_enrichment" in e["error_message"] for e in body["errors"]), "an option without effect is named"


def test_sync_source(platend):
    answer = post_json(platend, {"sources": [source()], "options": {"to_formats": ["text"]}})
    assert answer.status == 200, answer.body
    assert "a clean document" in answer.json()["document"]["text_content"]


@pytest.mark.parametrize("files, fields", [(1, [("target_type", "zip")]), (2, [])])
def test_zip(platend, files, fields):
    answer = platend.convert([(f"d{i}.pdf", PDF) for i in range(files)], fields)
    assert answer.status == 200, answer.body
    assert answer.headers["Content-Type"] == "application/zip"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="converted_docs.zip"'
    names = zipfile.ZipFile(io.BytesIO(answer.body)).namelist()
    assert {f"d{i}.md" for i in range(files)} <= set(names)


def test_async_and_long_poll(platend):
    task = platend.submit([("a.pdf", PDF)])
    began = time.monotonic()
    status = platend.poll(task, 30)
    while status["task_status"] in ("pending", "started"):
        status = platend.poll(task, 30)
    assert time.monotonic() - began < 25, "the long poll answers at the change, not at its end"
    assert set(status) == {"task_id", "task_type", "task_status", "task_position", "task_meta", "error_message", "failure"}
    assert (status["task_status"], status["task_type"], status["task_position"]) == ("success", "convert", None)
    assert status["task_meta"] == {"num_docs": 1, "num_processed": 1, "num_succeeded": 1, "num_partially_succeeded": 0, "num_failed": 0}
    for _ in range(2):  # a second fetch works as well
        answer = platend.request("GET", f"/v1/result/{task}")
        assert answer.status == 200
        assert answer.json()["status"] == "success"


def test_long_poll_waits_its_time(start_platend):
    d = start_platend("--backend", "fake", "--workers", "1")
    big = documents.many_pages(400)
    tasks = [d.submit([("big.pdf", big)], [("force_ocr", "true")]) for _ in range(3)]
    last = tasks[-1]
    assert d.poll(last)["task_status"] == "pending"
    began = time.monotonic()
    status = d.poll(last, 0.5)
    if status["task_status"] == "pending":
        assert time.monotonic() - began >= 0.45
    for task in tasks:
        assert d.request("DELETE", f"/v1/tasks/{task}").status == 200


def test_pages_are_in_a_header(platend):
    task = platend.submit([("a.pdf", documents.many_pages(3))])
    while platend.poll(task, 20)["task_status"] in ("pending", "started"):
        pass
    assert platend.request("GET", f"/v1/status/poll/{task}").headers["X-Platen-Pages"] == "3/3"


def test_cancel(start_platend):
    d = start_platend("--backend", "fake", "--workers", "1")
    first = d.submit([("big.pdf", documents.many_pages(400))], [("force_ocr", "true")])
    second = d.submit([("a.pdf", PDF)])
    seen = {}
    waiter = threading.Thread(target=lambda: seen.update(d.poll(second, 20)))
    waiter.start()
    answer = d.request("DELETE", f"/v1/tasks/{second}")
    waiter.join(20)
    assert answer.status == 200
    status = d.poll(second)
    while status["task_status"] == "pending":
        status = d.poll(second, 5)
    assert status["task_status"] == "failure"
    assert status["failure"]["category"] == "policy"
    result = d.request("GET", f"/v1/result/{second}")
    assert result.json()["kind"] == "TaskFailureResult"
    d.request("DELETE", f"/v1/tasks/{first}")


def test_unknown_tasks(platend):
    for method, path in [("GET", "/v1/status/poll/"), ("GET", "/v1/result/"), ("DELETE", "/v1/tasks/")]:
        for name in (NOBODY, "x", "%00", "a" * 5000):
            answer = platend.request(method, path + name)
            assert (answer.status, answer.json()) in [(404, {"detail": "Task not found."}), (404, {"detail": "Not Found"})]
        assert platend.request(method, path + NOBODY).json() == {"detail": "Task not found."}
        assert platend.request(method, path + "..%2f..").status == 404


def test_key_and_tenant(start_platend):
    d = start_platend("--backend", "fake", env={**os.environ, "DOCLING_SERVE_API_KEY": "secret"})
    assert d.request("GET", "/health").status == 200
    assert d.convert([("a.pdf", PDF)]).status == 401
    assert d.request("GET", f"/v1/result/{NOBODY}", headers={"X-Api-Key": "Secret"}).status == 401
    mine = {"X-Api-Key": "secret", "X-Tenant-Id": "t1"}
    task = post_json(d, {"sources": [source()]}, "/v1/convert/source/async", **mine).json()["task_id"]
    assert d.request("GET", f"/v1/status/poll/{task}", headers=mine).status == 200
    assert d.request("GET", f"/v1/status/poll/{task}", headers={"X-Api-Key": "secret"}).status == 404


@pytest.mark.parametrize("options, kind, loc", [
    ({"to_formats": ["docx"]}, "enum", ["to_formats", 0]),
    ({"to_formats": "md"}, "list_type", ["to_formats"]),
    ({"do_ocr": "perhaps"}, "bool_parsing", ["do_ocr"]),
    ({"page_range": [1]}, "missing", ["page_range", 1]),
    ({"page_range": [3, 1]}, "value_error", ["page_range"]),
    ({"document_timeout": 0}, "greater_than", ["document_timeout"]),
    ({"images_scale": 100}, "less_than_equal", ["images_scale"]),
    ({"table_mode": "slow"}, "enum", ["table_mode"]),
])
def test_option_problems(platend, options, kind, loc):
    found = details(post_json(platend, {"sources": [source()], "options": options}))
    assert [(p["type"], p["loc"]) for p in found] == [(kind, ["body", "options"] + loc)]
    assert set(found[0]) == {"type", "loc", "msg"}


def test_source_problems(platend):
    assert details(post_json(platend, {}))[0]["loc"] == ["body", "sources"]
    assert details(post_json(platend, {"sources": []}))[0]["type"] == "too_short"
    assert details(post_json(platend, {"sources": [{"kind": "ftp"}]}))[0]["type"] == "union_tag_invalid"
    bad = details(post_json(platend, {"sources": [source(), {**source(), "base64_string": "%%%"}]}))
    assert bad[0]["loc"] == ["body", "sources", 1, "file", "base64_string"]
    assert "not available yet" in details(post_json(platend, {"sources": [{"kind": "http", "url": "http://x/"}]}))
    assert "artifact storage to be configured" in details(post_json(platend, {"sources": [source()], "target": {"kind": "presigned_url"}}))


def test_limits(start_platend):
    d = start_platend("--backend", "fake", "--max-sources", "2", "--max-file-size", "2k", "--max-body-size", "10k")
    assert details(d.convert([("a.pdf", b"x")] * 3)) == "Too many files: 3 exceeds the maximum of 2."
    answer = d.convert([("big.pdf", b"x" * 3000)])
    assert answer.status == 413 and "big.pdf" in answer.json()["detail"]
    answer = d.convert([("big.pdf", b"x" * 15000)])
    assert answer.status == 413 and "PLATEN_MAX_BODY_SIZE" in answer.json()["detail"]


def test_sync_wait_has_an_end(start_platend):
    d = start_platend("--backend", "fake", "--max-sync-wait", "0.1")
    answer = d.convert([("big.pdf", documents.many_pages(1500))], [("force_ocr", "true")])
    assert answer.status == 504
    assert "DOCLING_SERVE_MAX_SYNC_WAIT" in answer.json()["detail"]
