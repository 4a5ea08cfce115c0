#!/usr/bin/env python3
"""Runs a scenario: a transcript that anyone can read and write.

usage: run.py PATH-OF-SEALMQ FILE.scenario

    # a comment
    $ sealmq identity new boiler-7        runs a command in the shell; it must exit with 0 unless "!" says otherwise
    ! exit 1                              the exit code of the command above
    stdout: some text                     a line of its standard output holds this text
    stdout: /SHA256:.{43}/                the same with a regular expression
    stderr: some text                     a line of its standard error
    no stdout                             it printed nothing there (or: no stderr)
    & broker: sealmq broker -p {port}     starts a command in the background under a name
    wait-for broker: ready                until a line of its output, either one, holds this text (or /expression/)
    stop broker                           SIGTERM, and wait; an exit code may be checked after it
    end tour                              waits until it ends by itself; likewise

Every expectation belongs to the nearest "$", "stop" or "end" above it. A scenario runs in an empty folder of its own, with `sealmq` in the
PATH, HOME in that folder and umask 022. {port} is a free port, the same in the whole scenario. Nothing may take longer than 20
seconds.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

PATIENCE = 20  # seconds


class Failed(Exception):
    pass


def holds(text, expected):
    """Whether a line of `text` holds what stands after the colon in a scenario."""
    if len(expected) > 1 and expected.startswith("/") and expected.endswith("/"):
        return any(re.search(expected[1:-1], line) for line in text.splitlines())
    return any(expected in line for line in text.splitlines())


class Background:
    def __init__(self, command, environment, one_stream=False):
        # A group of its own, so that stopping reaches what the shell started.
        self.process = subprocess.Popen(["/bin/sh", "-c", "exec " + command], env=environment, text=True,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT if one_stream else subprocess.PIPE, start_new_session=True)
        self.output = {"stdout": ""} if one_stream else {"stdout": "", "stderr": ""}
        self.readers = [threading.Thread(target=self.collect, args=(name,), daemon=True) for name in self.output]
        for reader in self.readers:
            reader.start()

    def collect(self, name):
        for line in getattr(self.process, name):
            self.output[name] += line

    def wait_for(self, expected):
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            ended = self.process.poll() is not None
            if ended:
                for reader in self.readers:
                    reader.join(PATIENCE)
            if any(holds(text, expected) for text in self.output.values()):
                return
            if ended:
                raise Failed(f"it ended with {self.process.returncode} before printing: {expected}\n{self.output}")
            time.sleep(0.01)
        raise Failed(f"it did not print: {expected}\n{self.output}")

    def stop(self, with_signal=signal.SIGTERM):
        if self.process.poll() is None:
            os.killpg(self.process.pid, with_signal)
        return self.end()

    def end(self):
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise Failed("it did not stop")
        for reader, name in zip(self.readers, self.output):
            reader.join(PATIENCE)
            getattr(self.process, name).close()
        return self.process.returncode, self.output["stdout"], self.output.get("stderr", "")


class Scenario:
    def __init__(self, environment):
        self.environment = environment
        self.background = {}
        self.last = None  # (exit code, stdout, stderr) of the nearest "$", "stop" or "end"
        self.exit_checked = True

    def run_line(self, line):
        if line.startswith("$ "):
            self.check_exit(0)
            self.last = self.run(line[2:])
            self.exit_checked = False
        elif line.startswith("& "):
            self.check_exit(0)
            name, command = self.split(line[2:])
            self.background[name] = Background(command, self.environment)
        elif line.startswith("wait-for "):
            name, expected = self.split(line[len("wait-for "):])
            self.background[name].wait_for(expected)
        elif line.startswith("stop "):
            self.check_exit(0)
            self.last = self.background.pop(line[len("stop "):].strip()).stop()
            self.exit_checked = False
        elif line.startswith("end "):
            self.check_exit(0)
            self.last = self.background.pop(line[len("end "):].strip()).end()
            self.exit_checked = False
        elif match := re.fullmatch(r"! exit (\d+)", line):
            self.check_exit(int(match[1]))
        elif match := re.fullmatch(r"(stdout|stderr): (.+)", line):
            if not holds(self.text(match[1]), match[2]):
                raise Failed("it printed:\n" + self.text(match[1]))
        elif match := re.fullmatch(r"no (stdout|stderr)", line):
            if self.text(match[1]):
                raise Failed("it printed:\n" + self.text(match[1]))
        else:
            raise Failed("this line means nothing")

    def run(self, command):
        try:
            done = subprocess.run(["/bin/sh", "-c", command], env=self.environment, text=True, stdin=subprocess.DEVNULL,
                                  capture_output=True, timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            raise Failed("it did not end")
        return done.returncode, done.stdout, done.stderr

    def check_exit(self, expected):
        """Done when `! exit` says what is expected, else when the next command comes."""
        if self.exit_checked and expected == 0:
            return
        if self.last is None:
            raise Failed("there is no command above")
        self.exit_checked = True
        if self.last[0] != expected:
            raise Failed("the last command ended with %d, expected %d; it printed:\n%s%s" % (self.last[0], expected, *self.last[1:]))

    def text(self, stream):
        if self.last is None:
            raise Failed("there is no command above")
        return self.last[1 if stream == "stdout" else 2]

    @staticmethod
    def split(rest):
        name, colon, text = rest.partition(": ")
        if not colon:
            raise Failed("a name and a colon are missing")
        return name, text

    def end(self):
        """What still runs is killed; answers which had ended by themselves before, badly."""
        failed = []
        for name, background in self.background.items():
            before = background.process.poll()
            code, out, err = background.stop(signal.SIGKILL)
            if before not in (None, 0):
                failed.append("%s ended with %d before it was asked to; it printed:\n%s%s" % (name, code, out, err))
        return failed


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def clean_environment(folder):
    """Nothing of whoever runs this; the programs in `folder`/bin come first."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("SEALMQ_", "XDG_"))}
    environment.update(PATH=f"{folder}/bin:{os.environ['PATH']}", HOME=folder, LC_ALL="C.UTF-8")
    return environment


def main(program, path):
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    with tempfile.TemporaryDirectory(prefix="sealmq-scenario-") as folder:
        os.mkdir(f"{folder}/bin")
        os.symlink(os.path.abspath(program), f"{folder}/bin/sealmq")
        os.mkdir(f"{folder}/work")
        os.chdir(f"{folder}/work")
        os.umask(0o022)
        scenario = Scenario({**clean_environment(folder), "HOME": f"{folder}/work"})
        port = str(free_port())
        number, line = 0, ""
        try:
            for number, line in enumerate(lines, 1):
                line = line.strip().replace("{port}", port)
                if line and not line.startswith("#"):
                    scenario.run_line(line)
            scenario.check_exit(0)
            if scenario.last is None:
                raise Failed("the scenario runs nothing")
            if failed := scenario.end():
                raise Failed("\n".join(failed))
        except Failed as failed:
            print(f"{path}:{number}: {line}\n{failed}", file=sys.stderr)
            return 1
        except KeyError as name:
            print(f"{path}:{number}: {line}\nnothing runs under the name {name}", file=sys.stderr)
            return 1
        finally:
            scenario.end()
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], sys.argv[2]))
