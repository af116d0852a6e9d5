"""The engine's side of the wire (src/ipc/PROTOCOL.md), spoken from Python: starts a platen-engine and talks to it as supervisor and worker."""

import array
import fcntl
import os
import socket
import struct
import subprocess
import time

MAGIC = 0x31544C50
MORE = 1
READY, ATTACH, DETACHED, STATS, FIRST = 16, 17, 18, 19, 20
FORK, CHILD, GONE = 24, 25, 26
PAGE, ORIENT, LAYOUT, READ, TABLE, DROP = 32, 33, 34, 35, 36, 37
REPLY, REFUSED = 48, 49
GREY, BGR = 1, 3
F_ADD_SEALS, SEAL_SEAL, SEAL_SHRINK, SEAL_GROW, SEAL_WRITE = 1033, 1, 2, 4, 8


def pair():
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def send(sock, kind, ident=0, payload=b"", fd=None, flags=0, magic=MAGIC):
    frame = struct.pack("<IHHII", magic, kind, flags, ident, len(payload)) + payload
    rights = []
    if fd is not None:
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))]
    sock.sendmsg([frame], rights)


def receive_fd(sock, timeout=30.0):
    """As receive, with the descriptor that came along (or None) behind."""
    sock.settimeout(timeout)
    data, fds, _, _ = socket.recv_fds(sock, 80 * 1024, 1)
    if not data:
        return None
    _, kind, flags, ident, size = struct.unpack_from("<IHHII", data)
    return kind, flags, ident, data[16:16 + size], fds[0] if fds else None


def receive(sock, timeout=30.0):
    """(kind, flags, id, payload), or None at the end of the connection."""
    sock.settimeout(timeout)
    try:
        data = sock.recv(80 * 1024)
    except ConnectionResetError:
        return None
    if not data:
        return None
    magic, kind, flags, ident, size = struct.unpack_from("<IHHII", data)
    assert magic == MAGIC and size == len(data) - 16
    return kind, flags, ident, data[16:]


def sealed(pixels, seals=SEAL_SHRINK | SEAL_GROW | SEAL_WRITE | SEAL_SEAL):
    fd = os.memfd_create("page", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    view = memoryview(pixels)
    while view:
        view = view[os.write(fd, view):]
    if seals:
        fcntl.fcntl(fd, F_ADD_SEALS, seals)
    return fd


class Client:
    """A worker's connection."""

    def __init__(self, sock):
        self.sock = sock
        self.ident = 0

    def ask(self, kind, payload=b"", fd=None):
        self.ident += 1
        send(self.sock, kind, self.ident, payload, fd)
        return self.ident

    def page(self, page_id, pixels, width, height, channels=GREY, dpi=150.0, stride=None, seals=None):
        fd = sealed(pixels) if seals is None else sealed(pixels, seals)
        payload = struct.pack("<IIIIBf", page_id, width, height, stride or width * channels, channels, dpi)
        try:
            return self.ask(PAGE, payload, fd)
        finally:
            os.close(fd)

    def read(self, page_id, mode=0, cls=False, lang=b"", regions=()):
        payload = struct.pack("<IBBI", page_id, mode, cls, len(lang)) + lang + struct.pack("<I", len(regions))
        for box in regions:
            payload += struct.pack("<4f", *box)
        return self.ask(READ, payload)

    def ref(self, kind, page_id):
        return self.ask(kind, struct.pack("<I", page_id))

    def table(self, page_id, box):
        return self.ask(TABLE, struct.pack("<I4f", page_id, *box))

    def answer(self, timeout=30.0):
        """(kind, id, payloads of all its frames), or None at the end of the connection."""
        payloads = []
        while True:
            frame = receive(self.sock, timeout)
            if frame is None:
                return None
            kind, flags, ident, payload = frame
            payloads.append(payload)
            if not flags & MORE:
                return kind, ident, payloads

    def close(self):
        self.sock.close()


def lines_of(payloads):
    """[(quad, score, text)] of a READ's answer."""
    lines = []
    for payload in payloads:
        (count,) = struct.unpack_from("<I", payload)
        at = 4
        for _ in range(count):
            values = struct.unpack_from("<9fI", payload, at)
            at += 40
            lines.append((values[:8], values[8], payload[at:at + values[9]].decode()))
            at += values[9]
    return lines


class Engine:
    """A running platen-engine; its control socket is descriptor 3 there, as platend hands it over."""

    def __init__(self, program, models, cache, lanes=2, backend="fake", warm=False, env=None, before=(), wait=True, flags=()):
        """before: a command to put in front, whose child the engine becomes (strace)."""
        self.control, theirs = pair()
        self.clients = 0
        args = [str(program), "--control-fd", "3", "--models", str(models), "--cache", str(cache), "--lanes", str(lanes),
                "--backend", backend, *flags] + (["--warm"] if warm else [])
        if before:
            args = [*before, "sh", "-c", 'exec "$@" --parent "$PPID"', "sh", *args]
        else:
            args += ["--parent", str(os.getpid())]
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            args, close_fds=False, preexec_fn=lambda: os.dup2(theirs.fileno(), 3), stderr=subprocess.PIPE,
            env={"PATH": os.environ["PATH"], **{k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS")}, **(env or {})})
        theirs.close()
        if wait:
            frame = receive(self.control)
            assert frame is not None and frame[0] == READY, self.process.stderr.read().decode()

    def attach(self):
        ours, theirs = pair()
        self.clients += 1
        send(self.control, ATTACH, self.clients, fd=theirs.fileno())
        theirs.close()
        return Client(ours)

    def wait_detached(self, ident, timeout=10.0):
        """Reads what the engine reports until that client is gone."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            frame = receive(self.control, timeout)
            assert frame is not None, "the engine has ended"
            if frame[0] == DETACHED and frame[2] == ident:
                return
        raise AssertionError("the engine does not report the client's end")

    def stats(self, until, timeout=10.0):
        """The first report (clients, pages, busy, inferences, cpu_us, rss_bytes) for which until() holds."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            frame = receive(self.control, timeout)
            assert frame is not None, "the engine has ended"
            if frame[0] == STATS:
                values = struct.unpack("<IIIQQQ", frame[3])
                if until(values):
                    return values
        raise AssertionError("the engine never reports this")

    def end(self, timeout=10.0):
        """Waits for the end of the process: its status (negative: the signal)."""
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            self.process.stderr.close()

    def close(self):
        self.control.close()
        return self.end()


class Child:
    """An engine that a zygote has forked."""

    def __init__(self, zygote, ident, control):
        self.zygote, self.ident, self.control = zygote, ident, control
        self.pid = self.pidfd = self.gone = None
        self.clients = 0

    def attach(self):
        ours, theirs = pair()
        self.clients += 1
        send(self.control, ATTACH, self.clients, fd=theirs.fileno())
        theirs.close()
        return Client(ours)

    def close(self):
        """Ends it, and waits for the zygote's word that it has."""
        self.control.close()
        return self.wait_gone()

    def wait_gone(self, timeout=10.0):
        end = time.monotonic() + timeout
        while self.gone is None and time.monotonic() < end:
            self.zygote.turn(timeout)
        assert self.gone is not None, "the zygote does not report the child's end"
        if self.pidfd is not None:
            os.close(self.pidfd)
            self.pidfd = None
        return self.gone


class Zygote(Engine):
    """A running zygote."""

    def __init__(self, program, models, cache, preload=None, **how):
        self.children = {}
        self.forks = 0
        flags = ["--zygote"] + (["--preload", preload] if preload is not None else [])
        super().__init__(program, models, cache, flags=flags, **how)

    def turn(self, timeout=10.0):
        """Takes one word of the zygote."""
        frame = receive_fd(self.control, timeout)
        assert frame is not None, "the zygote has ended"
        kind, _, ident, payload, fd = frame
        child = self.children[ident]
        if kind == CHILD:
            child.pid, child.start = struct.unpack("<IQ", payload)
            child.pidfd = fd
        elif kind == GONE:
            _, signalled, code, child.peak = struct.unpack("<IBBQ", payload)
            child.gone = -code if signalled else code
            del self.children[ident]
        else:
            assert kind == REFUSED, kind
            child.gone = "refused"
            del self.children[ident]

    def ask(self, group=0, lanes=1):
        """Asks for a child without waiting for it; what is sent on its control socket waits there."""
        ours, theirs = pair()
        self.forks += 1
        child = self.children[self.forks] = Child(self, self.forks, ours)
        send(self.control, FORK, self.forks, struct.pack("<IH", group, lanes), theirs.fileno())
        theirs.close()
        return child

    def fork(self, group=0, lanes=1):
        child = self.ask(group, lanes)
        while child.pid is None and child.gone is None:
            self.turn()
        return child
