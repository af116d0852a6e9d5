"""Starts platend on a free port and looks at it from outside; for tools/demo, bench/ and the tests. Standard library only."""

import contextlib
import http.client
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import uuid
from pathlib import Path

START_SECONDS = 20
END_SECONDS = 20


def status_of(pid):
    """The fields of /proc/PID/status that count here, or None when there is no such process."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    kib = {key: int(fields[key].split()[0]) for key in ("VmRSS", "VmHWM") if key in fields}
    return {
        "name": fields["Name"].strip(),
        "state": fields["State"].split()[0],
        "rss_mib": kib.get("VmRSS", 0) / 1024,
        "peak_mib": kib.get("VmHWM", 0) / 1024,
    }


def children_of(pid):
    found = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            found += [int(p) for p in Path(f"/proc/{pid}/task/{task}/children").read_text().split()]
    except OSError:
        pass
    return found


def descendants_of(pid):
    found = []
    for child in children_of(pid):
        found += [child] + descendants_of(child)
    return found


def start_time_of(pid):
    """Tells two processes with the same number apart. None when there is no such process, or only its remains."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


class Snapshot:
    """A set of processes that is expected to go."""

    def __init__(self, pids):
        self.started = {pid: start_time_of(pid) for pid in pids}
        self.names = {pid: (status_of(pid) or {}).get("name", "?") for pid in pids}

    def left(self):
        return [f"{self.names[pid]} ({pid})" for pid, began in self.started.items()
                if began is not None and start_time_of(pid) == began]

    def wait_gone(self, seconds):
        """Those that are still there after so long: [] is the good answer."""
        end = time.monotonic() + seconds
        while self.left() and time.monotonic() < end:
            time.sleep(0.02)
        return self.left()


class Sampler(threading.Thread):
    """Watches the memory of a process and of all below it. peaks: name -> MiB; seen: name -> number of processes."""

    def __init__(self, pid, interval=0.01):
        super().__init__(daemon=True)
        self.pid, self.interval = pid, interval
        self.peaks, self.seen, self.pids = {}, {}, set()
        self.stop_wish = threading.Event()

    def run(self):
        while not self.stop_wish.wait(self.interval):
            self.sample()

    def sample(self):
        for pid in [self.pid] + descendants_of(self.pid):
            status = status_of(pid)
            # Between fork and exec a child still bears our name: it is counted when it has its own.
            if not status or status["state"] == "Z" or (pid != self.pid and status["name"] == "platend"):
                continue
            name = status["name"]
            self.peaks[name] = max(self.peaks.get(name, 0), status["peak_mib"])
            if (pid, name) not in self.pids:
                self.pids.add((pid, name))
                self.seen[name] = self.seen.get(name, 0) + 1

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop_wish.set()
        self.join()


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)


def multipart(files, fields=()):
    """files: (name, bytes) pairs; fields: (name, text) pairs. Returns (content type, body)."""
    mark = uuid.uuid4().hex
    parts = []
    for name, value in fields:
        parts.append(f'--{mark}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode())
    for name, data in files:
        quoted = name.replace("\\", "\\\\").replace('"', '\\"')
        parts.append(f'--{mark}\r\nContent-Disposition: form-data; name="files"; filename="{quoted}"\r\n'
                     "Content-Type: application/octet-stream\r\n\r\n".encode() + data + b"\r\n")
    parts.append(f"--{mark}--\r\n".encode())
    return f"multipart/form-data; boundary={mark}", b"".join(parts)


class Daemon:
    """One platend with a data folder of its own. Use it in a with statement: the end waits until all its processes have gone."""

    def __init__(self, build, *flags, env=None, name="platend"):
        self.folder = Path(tempfile.mkdtemp(prefix="platend-"))
        self.data = self.folder / "data"
        self.log_path = self.folder / "log"
        self.process = self.port = None
        ready, ready_child = os.pipe()
        began = time.monotonic()
        try:
            with open(self.log_path, "wb") as log:
                self.process = subprocess.Popen(
                    [str(Path(build) / name), "--port", "0", "--data", str(self.data), "--ready-fd", str(ready_child), *map(str, flags)],
                    pass_fds=[ready_child], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env, start_new_session=True)
            os.close(ready_child)
            ready_child = -1
            self.port = self._read_port(ready, began)
        except BaseException:
            self.stop()
            raise
        finally:
            os.close(ready)
            if ready_child >= 0:
                os.close(ready_child)
        self.ready_seconds = time.monotonic() - began
        self.base = f"http://127.0.0.1:{self.port}"

    def _read_port(self, fd, began):
        line = b""
        while not line.endswith(b"\n"):
            left = began + START_SECONDS - time.monotonic()
            if left <= 0 or not select.select([fd], [], [], left)[0]:
                raise RuntimeError(f"platend was not ready after {START_SECONDS} s:\n{self.log()}")
            piece = os.read(fd, 64)
            if not piece:
                raise RuntimeError(f"platend has ended at its start:\n{self.log()}")
            line += piece
        return int(line.split()[-1])

    @property
    def pid(self):
        return self.process.pid

    def log(self):
        return self.log_path.read_text(errors="replace")[-4000:] if self.log_path.exists() else ""

    def alive(self):
        return self.process.poll() is None

    def children(self):
        """[(pid, name)] of all processes below platend that still run."""
        found = [(pid, status_of(pid)) for pid in descendants_of(self.pid)]
        return [(pid, status["name"]) for pid, status in found if status and status["state"] != "Z"]

    def request(self, method, path, body=None, headers=None, timeout=120):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def convert(self, files, fields=(), path="/v1/convert/file", timeout=120):
        kind, body = multipart(files, fields)
        return self.request("POST", path, body, {"Content-Type": kind}, timeout)

    def submit(self, files, fields=()):
        answer = self.convert(files, fields, "/v1/convert/file/async")
        if answer.status != 200:
            raise RuntimeError(f"the task was not accepted: {answer.status} {answer.body[:500]!r}")
        return answer.json()["task_id"]

    def poll(self, task_id, wait=0):
        return self.request("GET", f"/v1/status/poll/{task_id}?wait={wait}", timeout=wait + 60).json()

    def stop(self):
        """Ends platend (by force if need be) and removes its folder. Returns the processes that stayed: [] is the good answer."""
        left = []
        if self.process:
            below = Snapshot(descendants_of(self.pid))
            if self.alive():
                self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                left.append(f"platend ({self.pid}), which did not end on SIGTERM")
                self.process.kill()
                self.process.wait()
            left += below.wait_gone(2)
        shutil.rmtree(self.folder, ignore_errors=True)
        return left

    def __enter__(self):
        return self

    def __exit__(self, *_):
        left = self.stop()
        if left:
            raise RuntimeError("left running: " + ", ".join(left))


def wait_until(condition, seconds, interval=0.02):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= end:
            return False
        time.sleep(interval)
    return True


@contextlib.contextmanager
def catch_signals():
    """SIGTERM ends the program as Ctrl-C does, so that clean-up runs."""
    def on_signal(number, frame):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, on_signal)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
