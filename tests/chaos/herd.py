"""platend after platend on one data folder and one port: started, killed, started again; and what they leave behind."""

import os
import re
import select
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import daemon

CRASH_STATUS = 99  # FAILPOINT_EXIT_CODE
POINTS = tuple(range(1, 17))  # enum failpoint in src/supervisor/store/failpoint.h
START_SECONDS = 60


class Herd:
    def __init__(self, build, folder, flags, env=None):
        self.build, self.folder = Path(build), Path(folder)
        self.data = self.folder / "data"
        self.logs = self.folder / "logs"
        self.logs.mkdir(parents=True)
        self.flags = [str(f) for f in flags]
        self.env = dict(env or os.environ)
        self.env.pop("PLATEN_CRASH_AT", None)
        self.port = 0
        self.process = None
        self.pids = []  # of all platends ever started
        self.killed = []  # (time, Snapshot) of what ran below the killed
        self.lock = threading.Lock()  # one at a time starts and kills

    def spawn(self, point=0):
        """Starts one; does not wait. Returns the descriptor on which its port comes."""
        env = dict(self.env, PLATEN_CRASH_AT=str(point)) if point else self.env
        ready, child = os.pipe()
        with open(self.logs / f"{len(self.pids):05}", "wb") as log:
            self.process = subprocess.Popen(
                [str(self.build / "platend"), "--port", str(self.port), "--data", str(self.data), "--ready-fd", str(child), *self.flags],
                pass_fds=[child], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env, start_new_session=True)
        os.close(child)
        self.pids.append(self.process.pid)
        return ready

    def start(self, point=0):
        """Starts one and waits until it serves. With point it may have crashed by then. True: it serves."""
        ready = self.spawn(point)
        try:
            line = b""
            end = time.monotonic() + START_SECONDS
            while not line.endswith(b"\n"):
                left = end - time.monotonic()
                if left <= 0 or not select.select([ready], [], [], left)[0]:
                    raise RuntimeError(f"platend was not ready after {START_SECONDS} s\n{self.last_log()}")
                piece = os.read(ready, 64)
                if not piece:
                    status = self.process.wait(20)
                    if point and status == CRASH_STATUS:
                        return False
                    raise RuntimeError(f"platend has ended at its start with status {status}\n{self.last_log()}")
                line += piece
            self.port = int(line.split()[-1])
            return True
        finally:
            os.close(ready)

    def kill(self):
        """kill -9 of the supervisor alone; what runs below must follow."""
        below = daemon.Snapshot(daemon.descendants_of(self.process.pid))
        self.process.kill()
        self.process.wait()
        self.killed.append((time.monotonic(), below))

    def survivors(self, seconds):
        """What still runs below platends that were killed at least so long ago."""
        now, left = time.monotonic(), []
        for item in list(self.killed):
            if now - item[0] >= seconds:
                left += item[1].left()
                self.killed.remove(item)
        return left

    def kill_child(self, name, rng):
        """kill -9 of a process of that name below platend. Returns its pid, or None when there is none."""
        pids = [pid for pid in daemon.descendants_of(self.process.pid) if self._is(pid, name)]
        rng.shuffle(pids)
        for pid in pids:
            try:
                fd = os.pidfd_open(pid)
            except OSError:
                continue
            try:
                # The number may have been given away in between, to a process that is none of ours.
                if pid in daemon.descendants_of(self.process.pid) and self._is(pid, name):
                    signal.pidfd_send_signal(fd, signal.SIGKILL)
                    return pid
            except ProcessLookupError:
                continue
            finally:
                os.close(fd)
        return None

    @staticmethod
    def _is(pid, name):
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode() == name
        except OSError:
            return False

    def strays(self):
        """Processes that any platend of ours has started and that still run, the present one's children included."""
        marks = {f"--parent\0{pid}\0".encode() for pid in self.pids}
        found = []
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            try:
                line = Path(f"/proc/{entry}/cmdline").read_bytes()
            except OSError:
                continue
            if line.startswith((b"platen-worker\0", b"platen-engine\0")) and any(mark in line for mark in marks):
                found.append(int(entry))
        return found

    def end_strays(self):
        """So that a failed test leaves nothing on the machine."""
        for pid in self.strays():
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                continue

    def count_fds(self):
        folder = f"/proc/{self.process.pid}/fd"
        try:
            return len(os.listdir(folder))
        except PermissionError:  # it is not dumpable: only root may look inside; newer kernels tell the number to all
            return os.stat(folder).st_size

    def last_log(self):
        path = self.logs / f"{len(self.pids) - 1:05}"
        return path.read_text(errors="replace")[-4000:]

    def log_lines(self):
        for path in sorted(self.logs.iterdir()):
            with open(path, errors="replace") as f:
                yield from f

    def stop(self, seconds=30):
        """SIGTERM. Returns the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def remove(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.end_strays()
        shutil.rmtree(self.folder, ignore_errors=True)


STARTED = re.compile(r"worker ([0-9a-f-]{36}) attempt=(\d+) pid=(\d+) started")
COMPLETED = re.compile(r"Task ([0-9a-f-]{36}) completed with status: (\w+)")


def read_logs(herd):
    """({(task, attempt): pids of its workers}, {task: [words of its ends]})"""
    started, completed = {}, {}
    for line in herd.log_lines():
        if m := STARTED.search(line):
            started.setdefault((m[1], int(m[2])), []).append(int(m[3]))
        elif m := COMPLETED.search(line):
            completed.setdefault(m[1], []).append(m[2])
    return started, completed
