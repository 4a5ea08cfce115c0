#!/usr/bin/env python3
"""Follows a document: runs its commands, and compares what they print with what it shows.

usage: follow.py PATH-OF-SEALMQ FOLDER-OF-EXAMPLES DOCUMENT.md

Every block fenced as ```console is a session: "$ " begins a command ("\\" at its end goes on in the next line), and below it stands
all that the command prints, on both streams. "…" stands for some text, or alone in a line for some lines. A command that ends with
another code than 0 has to show what it prints. Lines of a log that a running command prints may be left out. Fingerprints, keys,
times and durations may differ from run to run; but a fingerprint, a key or a code has to be the same wherever the document shows
it, and a later command gets the real one in its place. `export NAME=VALUE` holds for all that follows.

HTML comments, which readers do not see, say the rest. Each is about the block that follows it:

    <!-- terminal: NAME -->     typed in this terminal; the last command may go on running, and "^C" ends it. A block without
                                "$ " there shows what it prints then
    <!-- file: NAME -->         written to this file; `more of: NAME` adds to it
    <!-- from: PATH -->         its lines stand in this file of the project, in this order
    <!-- not run: REASON -->    nothing of this; check.py tells how many there are

and these stand alone:

    <!-- run                    a scenario (tests/scenario/run.py) that is not shown; $SOURCE is the project's folder
    $ command
    -->
    <!-- instead of WORD: TEXT -->   from here on commands and files have TEXT where the document has WORD
    <!-- anew -->                    everything is ended, and what follows begins in an empty folder

A block of ```toml is also given to `sealmq broker --check`, alone if it has no file. Documents run at the same time: each has a
network of its own, with all ports, or where that is not allowed its turn.
"""
import fcntl
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE.parent.parent
sys.path[:0] = [str(HERE.parent / "scenario"), str(HERE.parent / "support")]
import markdown  # noqa: E402
import own_network  # noqa: E402
from run import PATIENCE, Background, Failed, Scenario, clean_environment  # noqa: E402

# What differs between runs. Those that are bound mean the same thing wherever they stand in a document.
BOUND = r"\b(?:broker|authority)-[0-9a-f]{8}\b|SHA256:[A-Za-z0-9+/]{43}|\b[A-Za-z0-9_-]{40,}|\b[0-9a-f]{12,}\b"
SHORTENED = r"\b[0-9A-Za-z]{4,}…"
LOOSE = "|".join((r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)?",
                  r"\b\d+(?:\.\d+)? (?:ms|µs|us)\b"))
TOKEN = re.compile(f"(?P<bound>{BOUND})|(?P<shortened>{SHORTENED})|(?P<loose>{LOOSE})|(?P<any>…)")


class Output:
    """Compares what a command printed with what a document shows."""

    def __init__(self):
        self.real = {}  # what the document shows -> what this run has

    def in_command(self, command):
        for shown, real in self.real.items():
            command = command.replace(shown, real)
        return command

    def line_matches(self, shown, real):
        """The new bindings if it does, else None."""
        pattern, names, at = "", [], 0
        for token in TOKEN.finditer(shown):
            pattern += re.escape(shown[at:token.start()])
            at = token.end()
            text = token[0]
            if token.lastgroup == "any":
                pattern += ".*?"
            elif token.lastgroup == "loose":
                pattern += f"(?:{LOOSE})"
            elif text in self.real:
                pattern += re.escape(self.real[text])
            elif text in names:
                pattern += f"(?P=n{names.index(text)})"
            else:
                pattern += f"(?P<n{len(names)}>{BOUND if token.lastgroup == 'bound' else '[0-9A-Za-z_-]{4,}'})"
                names.append(text)
        found = re.fullmatch(pattern + re.escape(shown[at:]), real)
        new = {name: found[f"n{i}"] for i, name in enumerate(names)} if found else None
        return None if new and set(new.values()) & set(self.real.values()) else new

    def matches(self, shown, real):
        """Whether the lines `real` are the lines `shown`; binds what is new in them."""
        if not shown:
            return not real
        if shown[0].strip() == "…":
            return any(self.matches(shown[1:], real[skip:]) for skip in range(len(real) + 1))
        if not real:
            return False
        new = self.line_matches(shown[0].rstrip(), real[0].rstrip())
        if new is None:
            return False
        before = dict(self.real)
        self.real.update(new)
        if self.matches(shown[1:], real[1:]):
            return True
        self.real = before
        return False


class Terminal:
    """One in which a command goes on running."""

    def __init__(self, line, shown, process):
        self.line, self.shown, self.process = line, shown, process

    def lines(self):
        return self.process.output["stdout"].splitlines()

    def is_as_shown(self, output):
        """Lines of a log need not be shown."""
        without_log = [line for line in self.lines() if not re.match(r"\d{4}-\d\d-\d\dT", line)]
        return output.matches(self.shown, without_log) or output.matches(self.shown, self.lines())


def is_asleep(process_id):
    try:
        for task in os.listdir(f"/proc/{process_id}/task"):
            with open(f"/proc/{process_id}/task/{task}/stat", encoding="utf-8") as file:
                if file.read().rpartition(") ")[2][0] in "RD":
                    return False
    except OSError:
        pass  # it has ended
    return True


def unread_bytes():
    """Whether anything is on its way in a connection of this network; in one that others use nobody can tell whose it is."""
    if not own_network.is_entered():
        return False
    with open("/proc/net/tcp", encoding="ascii") as file:
        return any(row.split()[4] != "00000000:00000000" for row in file.readlines()[1:] if row.split()[3] == "01")


class Document(Scenario):
    def __init__(self, environment, path):
        super().__init__(environment)
        self.path = path
        self.environment_of_all = dict(environment)
        self.output = Output()
        self.instead = {}
        self.terminals = {}
        self.ran = 0

    # What the comments say -----------------------------------------------------------------------------------------------

    def follow(self, parts):
        about_next = {}
        for part in parts:
            self.line = part.line
            if isinstance(part, markdown.Comment):
                about_next.update(self.comment(part))
            elif isinstance(part, markdown.Block):
                self.block(part, about_next)
                about_next = {}
        self.settle_all()

    def comment(self, comment):
        word, colon, rest = comment.text.partition(":")
        if comment.text == "anew":
            self.settle_all()
            self.end()
            self.terminals, self.background, self.output = {}, {}, Output()
            self.environment = dict(self.environment_of_all)
            begin_in_empty_folder()
        elif comment.text.startswith("run\n"):
            for self.line, line in enumerate(comment.text.splitlines()[1:], comment.line + 1):
                line = self.real_text(line.strip())
                if line and not line.startswith("#"):
                    self.run_line(line)
            self.check_exit(0)
            self.wait_until_settled()
        elif word.startswith("instead of "):
            self.instead[word[len("instead of "):].strip()] = rest.strip()
        elif colon and word in ("terminal", "file", "more of", "from", "not run"):
            return {word: rest.strip()}
        return {}

    def real_text(self, text):
        for word, other in self.instead.items():
            text = text.replace(word, other.replace("$PWD", os.getcwd()))
        return self.output.in_command(text)

    def block(self, block, about):
        if "from" in about:
            self.quoted(block, SOURCE / about["from"])
        elif "not run" in about:
            return
        elif "file" in about or "more of" in about:
            name = pathlib.Path(self.real_text(about.get("file") or about["more of"]))
            name.parent.mkdir(parents=True, exist_ok=True)
            with open(name, "w" if "file" in about else "a", encoding="utf-8") as file:
                file.write(self.real_text("\n".join(block.lines)) + "\n")
            if block.language == "toml":
                self.check_configuration(block, name)
        elif block.language == "toml":
            name = pathlib.Path("fragment.toml")
            name.write_text(self.real_text("\n".join(block.lines)) + "\n", encoding="utf-8")
            self.check_configuration(block, name)
        elif block.language == "console":
            self.session(block, about.get("terminal"))

    def quoted(self, block, path):
        lines = iter([line.strip() for line in path.read_text(encoding="utf-8").splitlines()])
        for number, line in enumerate(block.lines, block.line + 1):
            if line.strip() and line.strip() not in lines:
                self.line = number
                raise Failed(f"{path.relative_to(SOURCE)} has no such line here: {line.strip()}")

    def check_configuration(self, block, name):
        """Whether the broker understands it. What it says of files that are not there is not about the text."""
        self.ran += 1
        code, text, _ = self.run(f"sealmq broker --check -c {name} --data no-data")
        if found := re.search(rf"{re.escape(str(name))}:(\d+):\d+: (?!cannot read ).*", text):
            self.line = block.line + int(found[1])
            raise Failed(found[0])

    # Sessions ------------------------------------------------------------------------------------------------------------

    def session(self, block, name):
        steps = []  # [line, command, what is shown]
        goes_on = False
        shown_before = []
        for number, line in enumerate(block.lines, block.line + 1):
            if line.startswith("$ "):
                steps.append([number, line[2:].removesuffix("\\"), []])
                goes_on = line.endswith("\\")
            elif goes_on:
                steps[-1][1] += line.strip().removesuffix("\\")
                goes_on = line.endswith("\\")
            elif steps:
                steps[-1][2].append(line)
            else:
                shown_before.append(line)
        if shown_before:
            self.later(name, shown_before)
        elif name in self.terminals and steps:
            self.stop_terminal(name)
        for number, command, shown in steps:
            self.line = number
            self.ran += 1
            command, shown = self.real_text(command), [self.real_shown(line) for line in shown]
            if name and number == steps[-1][0]:
                self.begin(name, command, shown)
            elif folder := re.fullmatch(r"cd (\S+)", command):
                os.chdir(folder[1])
            elif command.endswith(" &"):
                self.begin(command, command.removesuffix(" &"), shown or ["…"])
            else:
                self.one(command, shown)

    def real_shown(self, line):
        for word, other in self.instead.items():
            line = line.replace(word, other.replace("$PWD", os.getcwd()))
        return line

    def one(self, command, shown):
        code, text, _ = self.run(command)
        while shown and not shown[-1].strip():
            shown.pop()
        if not self.output.matches(shown, text.splitlines()):
            raise Failed(f"it printed:\n{text}and the document shows:\n" + "\n".join(shown))
        if code != 0 and not shown:
            raise Failed(f"it ended with {code}")
        self.wait_until_settled()

    def run(self, command):
        if variable := re.fullmatch(r"export ([A-Z_]+)=(\S+)", command):  # for all that follows, in every terminal
            self.environment[variable[1]] = variable[2]
            return 0, "", ""
        try:
            done = subprocess.run(["/bin/bash", "-c", command], env=self.environment, text=True, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE)
        except subprocess.TimeoutExpired as error:
            raise Failed("it did not end; is a terminal missing? it printed:\n" + (error.stdout or b"").decode())
        return done.returncode, done.stdout, ""

    def begin(self, name, command, shown):
        command = re.sub(r"^(?=[A-Z_]+=)", "env ", command)  # the shell leaves its place to it
        process = self.background[name] = Background(command, self.environment, one_stream=True)
        terminal = self.terminals[name] = Terminal(self.line, [], process)
        if "^C" in shown:
            at = shown.index("^C")
            terminal.shown = shown[:at]
            self.stop_terminal(name, shown[at + 1:])
            return
        terminal.shown = shown
        self.wait_until_settled(or_until=lambda: shown and terminal.is_as_shown(self.output))
        self.wait_until_settled()

    def later(self, name, shown):
        """More of what a running command prints, or ^C."""
        if name not in self.terminals:
            raise Failed(f"nothing runs in a terminal {name}")
        terminal = self.terminals[name]
        shown = [self.real_shown(line) for line in shown]
        if "^C" in shown:
            at = shown.index("^C")
            terminal.shown += shown[:at]
            self.stop_terminal(name, shown[at + 1:])
        else:
            terminal.shown += shown
            self.look_at(terminal)

    def stop_terminal(self, name, then=()):
        terminal = self.terminals.pop(name)
        self.look_at(terminal)
        terminal.shown += then
        self.background.pop(name).stop(signal.SIGINT)
        self.compare(terminal)

    def look_at(self, terminal):
        """What has to come, comes soon."""
        while terminal.shown and not terminal.shown[-1].strip():
            terminal.shown.pop()
        deadline = time.monotonic() + PATIENCE
        while not terminal.is_as_shown(self.output) and time.monotonic() < deadline:
            if terminal.process.process.poll() is not None:
                terminal.process.stop()
                break
            time.sleep(0.02)
        self.wait_until_settled()
        self.compare(terminal)

    def compare(self, terminal):
        if not terminal.is_as_shown(self.output):
            self.line = terminal.line
            raise Failed("it printed:\n" + "\n".join(terminal.lines()) + "\nand the document shows:\n" + "\n".join(terminal.shown))

    def settle_all(self):
        for terminal in list(self.terminals.values()):
            self.look_at(terminal)

    def processes(self):
        """All that was started in the background, and what they have started."""
        groups = {process.process.pid for process in self.background.values()}
        found = []
        for entry in os.listdir("/proc"):
            try:
                if entry.isdigit() and os.getpgid(int(entry)) in groups:
                    found.append(int(entry))
            except OSError:
                pass  # it has ended
        return found

    def wait_until_settled(self, or_until=lambda: False):
        """Until nothing that runs has anything to do: the broker listens, who subscribes has subscribed, all messages have come."""
        deadline = time.monotonic() + PATIENCE
        quiet = 0
        while self.background and quiet < 6 and not or_until() and time.monotonic() < deadline:
            is_quiet = all(is_asleep(process) for process in self.processes()) and not unread_bytes()
            quiet = quiet + 1 if is_quiet else max(0, quiet - 1)  # some look at a file again and again
            time.sleep(0.015)


def begin_in_empty_folder():
    os.chdir(tempfile.mkdtemp(dir=os.environ["HOME_OF_DOCUMENT"]))


def have_all_ports():
    """Documents use the ports that a reader would use."""
    if own_network.enter():
        return None
    turn = open(f"{tempfile.gettempdir()}/sealmq-documents-{os.geteuid()}", "w", encoding="ascii")
    fcntl.flock(turn, fcntl.LOCK_EX)
    return turn


def main(program, examples, path):
    parts = list(markdown.parts(pathlib.Path(path).read_text(encoding="utf-8")))
    turn = have_all_ports()
    with tempfile.TemporaryDirectory(prefix="sealmq-document-") as folder:
        os.mkdir(f"{folder}/bin")
        os.symlink(os.path.abspath(program), f"{folder}/bin/sealmq")
        os.symlink("/usr/bin/python3", f"{folder}/bin/python3")  # which Debian's packages are for
        for example in pathlib.Path(examples).iterdir():
            if example.is_file() and os.access(example, os.X_OK):
                os.symlink(example.resolve(), f"{folder}/bin/{example.name}")
        os.environ["HOME_OF_DOCUMENT"] = folder
        os.umask(0o022)
        begin_in_empty_folder()
        environment = clean_environment(folder)
        environment.update(PATH=environment["PATH"] + ":/usr/sbin:/sbin", SOURCE=str(SOURCE), TERM="dumb",
                           PYTHONDONTWRITEBYTECODE="1")
        document = Document(environment, path)
        try:
            document.follow(parts)
        except Failed as failed:
            print(f"{path}:{document.line}: {failed}", file=sys.stderr)
            for name, terminal in document.terminals.items():
                print(f"--- {name}:\n" + "\n".join(terminal.lines()), file=sys.stderr)
            return 1
        finally:
            document.end()
            os.chdir("/")
            if turn:
                turn.close()
    print(f"{document.ran} commands and configurations")
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
