"""Starts the real broker for a test, and stops it again.

SEALMQ names the program, SEALMQ_THREADS how many shards it gets. A broker that does not come up, dies, or does not end cleanly
fails the test with its log.
"""
import atexit
import contextlib
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import threading
import time

SEALMQ = os.environ["SEALMQ"]
THREADS = os.environ.get("SEALMQ_THREADS", "1")
# Freed memory that the address sanitizer keeps back is not the broker's; tests look at its size.
os.environ.setdefault("ASAN_OPTIONS", "quarantine_size_mb=8")
PATIENCE = 30  # seconds; generous, because a sanitizer on a busy machine is slow


def require(*programs):
    """A missing peer is a failure, not a reason to skip."""
    for program in programs:
        if shutil.which(program) is None:
            raise RuntimeError(f"{program} is missing: install the test dependencies (./dev does)")


class Lines:
    """Collects the lines of a stream in the background."""

    def __init__(self, stream):
        self._lines = []
        self._ended = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._collect, args=(stream,), daemon=True)
        self._thread.start()

    def _collect(self, stream):
        for line in stream:
            with self._changed:
                self._lines.append(line.rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def all(self):
        with self._changed:
            return list(self._lines)

    def wait_for(self, condition, patience=PATIENCE):
        """True as soon as `condition(lines)` holds."""
        with self._changed:
            self._changed.wait_for(lambda: condition(self._lines) or self._ended, patience)
            return condition(self._lines)


running = set()  # processes of brokers


@atexit.register
def kill_the_rest():
    """A test that failed before it could stop its broker ends too: whoever reads what it prints would wait for the broker's end."""
    for process in running:
        process.kill()


class Broker:
    def __init__(self, *options, configuration=None, threads=THREADS, own_listeners=False, port=0, environment=None):
        """With `own_listeners` the configuration names the listeners; otherwise there is one, for MQTT over TCP. `environment`: what
        the broker has beside the test's own."""
        self._environment = {**os.environ, **(environment or {})}
        self._folder = tempfile.mkdtemp(prefix="sealmq-interop-")
        self._command = [SEALMQ, "broker", "--data", self.path("data"), "--threads", threads, *options]
        if not own_listeners:
            self._command += ["-p", str(port)]
        if configuration is not None:
            with open(self.path("test.toml"), "w") as file:
                file.write(configuration)
            self._command += ["-c", self.path("test.toml")]
        self.start()

    def start(self):
        """Again, after kill(): with the same data, on another port."""
        self._process = subprocess.Popen(self._command, stderr=subprocess.PIPE, text=True, errors="replace", env=self._environment)
        running.add(self._process)
        self.log = Lines(self._process.stderr)
        if not self.log.wait_for(lambda lines: "ready" in lines):
            self._end(signal.SIGKILL)
            raise AssertionError("the broker did not come up:\n" + "\n".join(self.log.all()))
        urls = [line.removeprefix("listening on ") for line in self.log.all() if line.startswith("listening on ")]
        self.admin_url = next((url for url in urls if url.startswith("http://")), None)
        self.urls = [url for url in urls if url != self.admin_url]
        ports = [re.search(r"(?:127\.0\.0\.1|0\.0\.0\.0):(\d+)", url) for url in self.urls]
        self.ports = [int(match[1]) if match else 0 for match in ports]
        self.port = self.ports[0]

    def path(self, name):
        return os.path.join(self._folder, name)

    @property
    def data(self):
        return self.path("data")

    @property
    def pid(self):
        return self._process.pid

    def reload(self):
        self._process.send_signal(signal.SIGHUP)

    def _end(self, how):
        running.discard(self._process)
        self._process.send_signal(how)
        try:
            return self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            return "killed, because it did not end"

    def kill(self):
        self._end(signal.SIGKILL)
        self._process.stderr.close()

    def terminate(self):
        """In order, and start() is possible as after kill()."""
        assert self._end(signal.SIGTERM) == 0, "\n".join(self.log.all())
        self._process.stderr.close()

    def stop(self):
        status = self._end(signal.SIGTERM)
        self.log.wait_for(lambda lines: False, 1)  # what it said last
        self._process.stderr.close()
        shutil.rmtree(self._folder, ignore_errors=True)
        if status != 0:
            raise AssertionError(f"the broker ended with {status}:\n" + "\n".join(self.log.all()))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Postgres:
    """A PostgreSQL server of its own."""

    _fresh = None  # the database that each begins with
    _script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support", "postgres_server.sh")

    def __init__(self):
        self._folder = tempfile.mkdtemp(prefix="sealmq-postgres-")
        self.start()

    def _run(self, *arguments):
        # Not through a pipe: what watches over the server keeps it open.
        with tempfile.TemporaryFile("w+") as said:
            subprocess.run(["sh", self._script, *arguments], check=True, timeout=120, stdout=said)
            said.seek(0)
            return said.read().strip()

    def start(self):
        """Again, after stop(): with the same data, at the same URL."""
        if Postgres._fresh is None:
            Postgres._fresh = tempfile.mkdtemp(prefix="sealmq-postgres-")
            atexit.register(shutil.rmtree, Postgres._fresh, ignore_errors=True)
        self.url = self._run("start", self._folder, str(os.getpid()), Postgres._fresh)

    def stop(self):
        self._run("stop", self._folder)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)


def sessions_stored(broker):
    """Client identifiers of the sessions that would survive a kill, and whether it is known since when each is without its client."""
    with contextlib.closing(sqlite3.connect(f"file:{broker.data}/sessions.db?mode=ro", uri=True)) as store:
        return {name: ends != 0 for name, ends in store.execute("SELECT client_id, expires FROM session_1")}


def wait_until(condition, patience=PATIENCE):
    """Polls; for what cannot be waited for otherwise. Answers whether it came true."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return condition()
