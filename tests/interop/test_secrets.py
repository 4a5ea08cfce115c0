"""No command prints a secret, whatever file it is given by mistake.

Every option and argument that takes a file gets every kind of file. No output, and not the log of the broker that these commands
talk to, holds eight characters in a row of any secret. A new option that takes a file fails the test until it stands here.
"""
import concurrent.futures
import itertools
import json
import os
import pathlib
import queue
import re
import secrets
import shutil
import subprocess
import tempfile
import unittest

from servers import SEALMQ, Broker, require
from transports import MAKE_CERTIFICATES

require("openssl")

RUN = 8  # characters
PATIENCE = 20  # seconds
RUNNERS = 4 * os.cpu_count()  # commands at a time: some wait, or run until they are ended

CONFIGURATION = """
[[listener]]
url = "mqtt://127.0.0.1:0"
insecure_channel = true
[[listener]]
url = "mqtts://127.0.0.1:0"
cert = "{home}/server.pem"
key = "{home}/server.key"
[[topic]]
filter = "#"
publish = ["plain", "sl1", "sl2", "payload", "pmqtt", "scacauth"]
subscribe = ["plain", "sl1", "sl2", "payload", "pmqtt", "scacauth"]
"""

# What a value is called in --help that is a file or a folder.
FILE_WORDS = r"(?:FILE|DIR|FOLDER|NAME=@FILE|[A-Za-z]+\.key|[A-Za-z]+\.pub)"


COMMANDS = ["authority", "bench", "broker", "card", "doctor", "identity", "key", "pub", "sub"]

# Written, and not read.
RESULTS = {("bench", "--svg")}


def environment():
    return {name: value for name, value in os.environ.items() if not name.startswith("SEALMQ_")}


# Secrets that nothing tells from a message: a message that is to be readable is readable.
UNMARKED = {"assignment", "bare.key", "colon", "indented.key", "passwords", "password", "pin", "psk", "ticket", "token", "torn.key"}


def file_options():
    """(first word of the command, names of an option that takes a file or a folder), as the program describes itself."""
    described = subprocess.run([SEALMQ, "help", "--json"], capture_output=True, text=True, timeout=PATIENCE)
    if described.returncode == 0:
        for command in map(json.loads, described.stdout.splitlines()):
            for option in command["options"]:
                if option["names"] and re.fullmatch(FILE_WORDS, option["value"]):
                    yield command["command"].split()[1], option["names"]
        return
    for command in COMMANDS:
        text = subprocess.run([SEALMQ, command, "--help"], capture_output=True, text=True, timeout=PATIENCE).stdout
        listed = re.sub(r"`[^`]*`", "", text)  # without what is said of other commands
        for option in re.findall(r"(?<![\w-])(--?[A-Za-z][A-Za-z-]*)[ =]+" + FILE_WORDS + r"(?![\w.])", listed):
            yield command, [option]


class Home:
    """A folder with a file of every kind, and a broker."""

    def __init__(self):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="sealmq-secrets-"))
        self.secrets = {}  # kind of file: words of it that are for nobody else
        self.kinds = []
        subprocess.run([MAKE_CERTIFICATES, self.path], check=True, timeout=60)
        self.write("sealmq.toml", CONFIGURATION.format(home=self.path))
        self.broker = Broker("-v", configuration=CONFIGURATION.format(home=self.path), own_listeners=True)
        self.ports = self.broker.ports
        try:
            self.make()
        except BaseException:
            self.close()
            raise

    def close(self):
        self.broker.stop()
        shutil.rmtree(self.path)

    def write(self, name, text, mode=0o600):
        with open(os.open(self.path / name, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, mode), "w") as file:
            file.write(text)
        os.chmod(self.path / name, mode)

    def read(self, name):
        return (self.path / name).read_text(errors="replace")

    def sealmq(self, *words, stdin=""):
        done = subprocess.run([SEALMQ, *words], cwd=self.path, env=environment(), input=stdin, capture_output=True, text=True,
                              errors="replace", timeout=PATIENCE)
        if done.returncode != 0:
            raise AssertionError(f"{words}: {done.stderr}")
        return done.stdout

    def secret(self, name, words=None):
        """`words`: None for all that are not comments, marks or short."""
        if words is None:
            lines = [line for line in self.read(name).splitlines() if not line.strip().startswith(("#", "-----"))]
            words = [word for line in lines for word in line.split() if len(word) >= RUN and not word.startswith("SEALMQ-")]
        self.secrets[name] = words
        self.kinds.append(name)

    def make(self):
        data = pathlib.Path(self.broker.data)
        self.sealmq("identity", "new", "dev")
        self.sealmq("identity", "new", "peer")
        self.sealmq("authority", "new", "--folder", "authority")
        self.sealmq("key", "new", "plant/#", "--key", "dev.key", "--topic-keys", "keys")
        self.sealmq("key", "export", "plant/#", "--topic-keys", "keys", "-o", "exported.json")
        for name in ("dev", "peer"):
            self.sealmq("identity", "enroll", f"{name}.pub", "--publish", "#", "--subscribe", "#", "--data", str(data))
        password = secrets.token_urlsafe(18)
        self.sealmq("identity", "password", "dev", "--data", str(data), stdin=password + "\n")
        # A message with evidence.
        signing = ["-p", str(self.ports[0]), "--scheme", "sl1", "--key", "dev.key", "--broker-key", f"{data}/broker.pub", "-t", "plant/1"]
        self.sealmq("pub", *signing, "-m", "1", "-q", "1", "-r")
        self.sealmq("sub", *signing, "-C", "1", "-W", "10", "--evidence", "kept")
        shutil.copy(next((self.path / "kept").iterdir()), self.path / "evidence")
        for source, name in ((data / "broker.key", "broker.key"), (data / "rabin.key", "rabin.key"), (data / "passwords", "passwords"),
                             (data / "broker.pub", "broker.pub"), (data / "registry.db", "registry.db"),
                             (self.path / "authority/authority.key", "authority.key"),
                             (self.path / "authority/authority.pub", "authority.pub")):
            shutil.copy(source, self.path / name)
        shutil.copy(next((self.path / "keys").glob("*.topic-key")), self.path / "topic.key")

        pin, token, psk = "".join(secrets.choice("0123456789") for _ in range(12)), secrets.token_hex(16), secrets.token_hex(16)
        body = self.read("dev.key").split()[-1]
        self.write("password", password + "\n")
        self.write("assignment", f"password = {secrets.token_urlsafe(18)}\n")  # looks like TOML
        self.write("colon", f"dev:{secrets.token_urlsafe(18)}\n")
        self.write("pin", pin + "\n")
        self.write("token", token + "\n")
        self.write("psk", f"dev:{psk}\n")
        self.write("ticket", self.sealmq("identity", "ticket", "later", "--data", str(data)))
        self.write("both.pem", self.read("server.pem") + self.read("server.key"))
        self.write("later.key", "# of a later version\nSEALMQ-LATER-KEY-1 " + secrets.token_urlsafe(40) + "\n")
        self.write("card", "SEALMQ-CARD-1 " + secrets.token_urlsafe(60) + "\n")
        self.write("indented.key", "".join("  " + line + "\n" for line in self.read("dev.key").splitlines()))
        self.write("bare.key", body + "\n")
        self.write("torn.key", body[:30] + "\n" + body[30:] + "\n")
        identity = self.read("dev.pub").splitlines()[0] + "\n"
        self.write("reference.key", identity + "keystore pkcs11:token=none;object=dev?module-path=/nowhere/none.so&pin-source=file:pin\n")
        self.write("empty", "")

        for name in ("dev.key", "broker.key", "authority.key", "rabin.key", "topic.key", "passwords", "password", "pin", "token",
                     "ticket", "later.key", "card", "indented.key", "bare.key", "torn.key", "server.key"):
            self.secret(name)
        self.secret("assignment", [self.read("assignment").split()[-1]])
        self.secret("colon", [self.read("colon").strip().split(":")[1]])
        self.secret("both.pem", self.secrets["server.key"])
        self.secret("psk", [psk])
        self.secret("exported.json", [key["key"] for key in json.loads(self.read("exported.json"))["keys"]])
        self.kinds += ["dev.pub", "broker.pub", "authority.pub", "server.pem", "crl.pem", "reference.key", "evidence", "sealmq.toml",
                       "registry.db", "empty"]
        self.runs = {}
        for name, words in self.secrets.items():
            for word in words:
                for at in range(len(word) - RUN + 1):
                    self.runs[word[at:at + RUN]] = name
        public = self.read("server.pem") + self.read("ca.pem")
        self.runs = {run: name for run, name in self.runs.items() if run not in public}

    def leak(self, text):
        """The kind of file of which eight characters stand in `text`."""
        for at in range(len(text) - RUN + 1):
            if (found := self.runs.get(text[at:at + RUN])) is not None:
                return f"{found} ({text[max(0, at - 60):at]}…)"
        return None


def sites(home):
    """(command, option, words): {} is where the file goes. An option without a dash is an argument."""
    plain, tls = (str(port) for port in home.ports)
    here, there = ["-h", "127.0.0.1", "-p", plain], ["-h", "localhost", "-p", tls]
    ca = ["--cafile", "ca.pem"]
    data = home.broker.data
    own = {"--key": "dev.key", "--broker-key": "broker.pub"}

    def with_own(*left_out):
        return [word for option, file in own.items() if option not in left_out for word in (option, file)]

    bases = {
        "pub": (["pub", "-t", "plant/1", "-m", "1", "-q", "1"], "--to"),
        "sub": (["sub", "-t", "plant/1", "-C", "1", "-W", "0.1"], "--from"),
        "authority serve": (["authority", "serve", "--folder", "authority"], "--to"),
        "authority report": (["authority", "report", "evidence", "--reason", "x", "-t", "plant/1"], "--to"),
        "identity join": (["identity", "join", "0" * 32], "--to"),
        "key share": (["key", "share", "plant/#"], "--to"),
        "key rotate": (["key", "rotate", "plant/#"], "--to"),
        "key revoke": (["key", "revoke", "plant/#", "nobody"], "--to"),
    }
    if any(command == "rr" for command, _ in file_options()):
        bases["rr"] = (["rr", "-t", "plant/1", "-e", "plant/2", "-m", "1", "-W", "0.1"], "--to")
        yield "rr", "-f", ["rr", *here, "-t", "plant/1", "-e", "plant/2", "-W", "0.1", "-f", "{}"]
    for command, (base, peers) in bases.items():
        wants_own = command not in ("pub", "sub", "rr", "authority serve")
        for option in ("--cafile", "--capath", "--tls-cert", "--tls-key"):
            others = {"--tls-cert": ["--tls-key", "client.key", *ca], "--tls-key": ["--tls-cert", "client.pem", *ca]}.get(option, [])
            yield command, option, [*base, *there, *(with_own() if wants_own else []), *others, option, "{}"]
        yield command, "--unix", [*base, *(with_own() if wants_own else []), "--unix", "{}"]
        yield command, "--password-file", [*base, *here, *(with_own() if wants_own else []), "-u", "dev", "--password-file", "{}"]
        for option in ("--key", "--broker-key", "--topic-keys", "--authority", "--authority-log", peers):
            yield command, option, [*base, *here, *(with_own(option) if wants_own else []), option, "{}"]
        yield command, "--scheme-option", [*base, *here, *(with_own() if wants_own else []), "--scheme-option", "sl2.capability=@{}"]
    for command in ("pub", "sub"):
        base, peers = bases[command]
        for scheme in ("sl1", "sl2", "pmqtt", "payload", "scacauth"):
            uses = {"pmqtt": ["--key", "dev.key", peers, "peer.pub"], "payload": ["--key", "dev.key", "--topic-keys", "keys"]}
            for option in ("--key", "--broker-key", peers, "--topic-keys"):
                words = uses.get(scheme, with_own())
                left = [word for i, word in enumerate(words) if option not in (word, words[i - 1])]
                yield command, option, [*base, *here, "--scheme", scheme, *left, option, "{}"]
        for name in ("sl2.capability", "payload.max-age", "payload.max-ahead", "pmqtt.prefix", "pmqtt.partners", "scacauth.method", "payload.topic-key",
                     "payload.topic-public-key", "payload.topic-private-key", "payload.stamp", "payload.stamp-key",
                     "payload.stamp-keys", "payload.stamp-mac-key"):
            scheme = name.split(".")[0]
            if name.startswith(("payload.topic", "payload.stamp")):
                words = ["--scheme", "payload@paper"]
            else:
                words = ["--scheme", scheme, *(["--key", "dev.key", peers, "peer.pub"] if scheme == "pmqtt" else
                                               ["--key", "dev.key"] if scheme == "payload" else with_own())]
            # What this one says becomes a topic, which every broker may log.
            where = ["-p", "1"] if name == "pmqtt.prefix" else here
            yield command, "--scheme-option", [*base, *where, *words, "--scheme-option", name + "=@{}"]
        yield command, "-L", [*base, "-L", "unix:{}"]
    yield "identity join", "--ticket-file", ["identity", "join", *here, *with_own(), "--ticket-file", "{}"]
    yield "pub", "-f", ["pub", *here, "-t", "plant/1", "-f", "{}"]
    yield "sub", "--evidence", ["sub", *here, "-t", "plant/1", "-W", "0.1", "--scheme", "sl1", *with_own(), "--evidence", "{}"]
    for option in ("--key", "--broker-key"):
        for login in (["--login", "-u", "dev"], ["--login-scheme", "scacauth"]):
            yield "bench", option, ["bench", f"mqtt://127.0.0.1:{plain}", "--churn", "1", *login, *with_own(option), option, "{}"]
    for option in ("--tls-cert", "--tls-key", "--cafile"):
        others = {"--tls-cert": ["--tls-key", "client.key", *ca], "--tls-key": ["--tls-cert", "client.pem", *ca]}.get(option, [])
        yield "bench", option, ["bench", f"mqtts://localhost:{tls}", "--churn", "1", *others, option, "{}"]
    yield "doctor", "--broker-key", ["doctor", *here, "--broker-key", "{}"]
    for option in ("--unix", "--cafile", "--capath", "--tls-cert", "--tls-key"):
        yield "doctor", option, ["doctor", *([] if option == "--unix" else there), option, "{}"]
    yield "doctor", "--data", ["doctor", *here, "--data", "{}"]
    yield "identity", "show", ["identity", "show", "{}"]
    yield "identity", "show", ["identity", "show", "{}", "--json"]
    yield "identity", "enroll", ["identity", "enroll", "{}", "--data", data]
    yield "identity", "-o", ["identity", "new", "other", "-o", "{}"]
    yield "identity", "--keystore", ["identity", "new", "other", "--keystore", "{}"]
    yield "identity", "--keystore", ["identity", "new", "other", "--keystore",
                                     "pkcs11:token=none?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:{}"]
    yield "identity", "--keystore", ["identity", "new", "other", "--keystore", "pkcs11:token=none?module-path={}"]
    yield "identity", "--data", ["identity", "list", "--data", "{}"]
    yield "identity", "-c", ["identity", "password", "dev", "--remove", "--data", data, "-c", "{}"]
    yield "identity", "-c", ["identity", "list", "-c", "{}"]
    yield "doctor", "--config", ["doctor", *here, "--config", "{}"]
    yield "authority", "--config", ["authority", "orders", "--folder", "authority", "--config", "{}"]
    yield "authority", "--config", ["authority", "audit", "--config", "{}"]
    yield "key", "trust", ["key", "trust", "{}", "--topic-keys", "trusting"]
    yield "key", "--topic-keys", ["key", "list", "--topic-keys", "{}"]
    yield "key", "--key", ["key", "new", "other/#", "--topic-keys", "new-keys", "--key", "{}"]
    yield "key", "-o", ["key", "export", "plant/#", "--topic-keys", "keys", "-o", "{}"]
    for form in ("keys", "readable"):  # with the second everything is readable
        yield "key", "seal", ["key", "seal", "{}", "-t", "plant/1", "--key", "dev.key", "--topic-keys", form]
        yield "key", "open", ["key", "open", "{}", "-t", "plant/1", "--key", "dev.key", "--topic-keys", form]
    for option, word in (("--key", "seal"), ("--to", "seal"), ("--key", "open"), ("--from", "open")):
        key = [] if option == "--key" else ["--key", "dev.key"]
        yield "key", option, ["key", word, "empty", "-t", "plant/1", *key, "--topic-keys", "keys", option, "{}"]
    # MQTT 3.1.1 is not served: it ends, also where the file is what it is to be
    yield "authority", "--administrator", ["authority", "serve", "--folder", "authority", "-V", "311", "--administrator", "{}"]
    yield "authority", "--asked-by", ["authority", "serve", "--folder", "authority", "-V", "311", "--asked-by", "{}"]
    yield "authority", "revoke", ["authority", "revoke", "{}.pub", "--reason", "x", "--folder", "authority"]
    yield "authority", "trace", ["authority", "trace", "{}", "--folder", "authority"]
    yield "authority", "FILE", ["authority", "report", "{}", "--reason", "x", "--key", "dev.key", "-o", "/dev/null/none"]
    yield "authority", "--message", ["authority", "report", "--message", "{}", "--reason", "x", "--key", "dev.key", "-t", "a", *here]
    yield "authority", "--key", ["authority", "report", "evidence", "--reason", "x", "--key", "{}", "-t", "a", *here]
    yield "authority", "-o", ["authority", "report", "evidence", "--reason", "x", "--key", "dev.key", "-o", "{}"]
    yield "authority", "--folder", ["authority", "orders", "--folder", "{}"]
    yield "authority", "--data", ["authority", "audit", "--data", "{}"]
    yield "card", "--broker-key", ["card", "init", "boiler07", "--broker-key", "{}"]
    yield "card", "-o", ["card", "init", "boiler07", "-o", "{}"]
    yield "card", "--folder", ["card", "simulate", "--folder", "{}"]
    yield "card", "--keystore", ["card", "bench", "--keystore", "{}", "--rounds", "1"]
    yield "broker", "-c", ["broker", "--check", "-c", "{}"]
    yield "broker", "-c", ["broker", "-p", "0", "-c", "{}", "--data", "fresh"]
    yield "broker", "--data", ["broker", "--check", "--data", "{}"]
    yield "broker", "--keystore", ["broker", "-p", "0", "--data", "fresh", "--keystore", "{}"]
    yield "broker", "--keystore", ["broker", "-p", "0", "--data", "fresh", "--keystore", "pkcs11:token=none?pin-source=file:{}"]


# What the configuration names: the same, by a file that is made for each.
SETTINGS = {
    "authority": 'authority = "{}"\n',
    "password_file": 'password_file = "{}"\n',
    "topic_keys": 'topic_keys = "{}"\n[[topic]]\nfilter = "#"\npublish = ["payload-hop"]\nsubscribe = ["payload-hop"]\n',
    "token_file": '[admin]\nurl = "http://127.0.0.1:0"\ntoken_file = "{}"\n',
    "cert": '[[listener]]\nurl = "mqtts://127.0.0.1:0"\ncert = "{}"\nkey = "server.key"\n',
    "key": '[[listener]]\nurl = "mqtts://127.0.0.1:0"\ncert = "server.pem"\nkey = "{}"\n',
    "ocsp_response": '[[listener]]\nurl = "mqtts://127.0.0.1:0"\ncert = "server.pem"\nkey = "server.key"\nocsp_response = "{}"\n',
    "client_ca": '[[listener]]\nurl = "mqtts://127.0.0.1:0"\ncert = "server.pem"\nkey = "server.key"\nclient_ca = "{}"\n',
    "client_crl": '[[listener]]\nurl = "mqtts://127.0.0.1:0"\ncert = "server.pem"\nkey = "server.key"\nclient_ca = "ca.pem"\n'
                  'client_crl = "{}"\n',
    "psk_file": '[[listener]]\nurl = "mqtts://127.0.0.1:0"\npsk_file = "{}"\n',
    "bridge": '[[bridge]]\nname = "b"\nurl = "mqtts://127.0.0.1:1"\nuser = "dev"\npassword_file = "{}"\ncafile = "ca.pem"\n'
              '[[bridge.topic]]\nfilter = "a"\n',
}
# Files that a folder holds under names of their own.
PLACES = {
    "data": (["broker.key", "broker.pub", "rabin.key", "passwords", "registry.db", "audit.log", "audit.log.head", "sealmq.toml"],
             [["broker", "--check", "--data", "{}"], ["broker", "-p", "0", "--data", "{}"], ["identity", "list", "--data", "{}"],
              ["authority", "audit", "--data", "{}"], ["identity", "password", "dev", "--remove", "--data", "{}"],
              ["doctor", "-p", "1", "--data", "{}"]]),
    "authority": (["authority.key", "authority.pub"], [["authority", "orders", "--folder", "{}"], ["authority", "new", "--folder", "{}"]]),
    "keys": (["0011223344556677.topic-key", "administrators"], [["key", "list", "--topic-keys", "{}"]]),
    "card": (["card"], [["card", "simulate", "--folder", "{}", "-p", "1"]]),
}


class Runner:
    """Runs one command after the other (tests/support/run_commands.cpp)."""

    def __init__(self, folder):
        self.process = subprocess.Popen([os.environ["RUN_COMMANDS"]], cwd=folder, env=environment(), stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)

    def run(self, words):
        """Answers the exit code (None: it was ended) and all it said."""
        self.process.stdin.write("\t".join(words).encode() + b"\n")
        self.process.stdin.flush()
        code, size = self.process.stdout.readline().split()
        return None if code == b"late" else int(code), self.process.stdout.read(int(size)).decode(errors="replace")

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(PATIENCE)


class Secrets(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.home = Home()
        cls.numbers = itertools.count()
        cls.runners = queue.SimpleQueue()
        for _ in range(RUNNERS):
            runner = Runner(cls.home.path)
            cls.addClassCleanup(runner.close)
            cls.runners.put(runner)
        cls.home.sealmq("key", "new", "plant/#", "--key", "dev.key", "--topic-keys", "readable", "--form", "stamp")

    @classmethod
    def tearDownClass(cls):
        cls.home.close()

    def run_command(self, words):
        runner = self.runners.get()
        try:
            return runner.run(words)
        finally:
            self.runners.put(runner)

    def check(self, words):
        # What it may make has a name of its own, so that several can run at a time.
        made = {name: f"{name}-{next(self.numbers)}" for name in ("fresh", "trusting", "new-keys")}
        words = [made.get(word, word) for word in words]
        code, said = self.run_command(words)
        if (found := self.home.leak(said)) is not None:
            self.fail(f"sealmq {' '.join(words)}\nprints {found}")
        self.assertNotIn(code, (-6, -11), f"sealmq {' '.join(words)}\n{said}")
        for file in made.values():
            shutil.rmtree(self.home.path / file, ignore_errors=True)

    def check_all(self, commands):
        with concurrent.futures.ThreadPoolExecutor(RUNNERS) as workers:
            for _ in workers.map(self.check, commands):
                pass

    def test_no_file_at_any_option_is_printed(self):
        for kind in self.home.kinds:  # as it is, and with the ending by which some commands know a file
            shutil.copy(self.home.path / kind, self.home.path / f"renamed-{kind}.pub")
        self.check_all([word.replace("{}.pub", f"renamed-{kind}.pub").replace("{}", kind) for word in words]
                       for _, _, words in sites(self.home) for kind in self.home.kinds
                       if not ("readable" in words and kind in UNMARKED))

    def test_no_file_that_a_configuration_names_is_printed(self):
        commands = []
        for (setting, text), kind in itertools.product(SETTINGS.items(), self.home.kinds):
            file = f"mixed-{setting}-{kind}.toml"
            self.home.write(file, text.replace("{}", kind))
            commands.append(["broker", "--check", "-c", file, "--data", "fresh"])
            if setting in ("authority", "token_file", "psk_file", "bridge"):  # what a start alone reads
                commands.append(["broker", "-c", file, "--data", "fresh"])
        self.check_all(commands)

    def test_no_file_in_the_place_of_another_is_printed(self):
        commands = []
        for folder, (names, its_commands) in PLACES.items():
            for name, kind in itertools.product(names, self.home.kinds):
                place = self.home.path / f"{folder}-{name}-{kind}"
                place.mkdir(mode=0o700)
                if folder == "data":
                    for own in ("broker.key", "broker.pub"):
                        shutil.copy(self.home.path / own, place / own)
                shutil.copy(self.home.path / kind, place / name)
                commands += [[word.replace("{}", place.name) for word in words] for words in its_commands
                             if words[:2] != ["broker", "-p"] or name in ("broker.key", "rabin.key")]
        self.check_all(commands)

    def test_the_broker_that_they_talked_to_logged_none_of_it(self):
        self.assertIsNone(self.home.leak("\n".join(self.home.broker.log.all())))

    def test_every_option_that_takes_a_file_stands_here(self):
        tried = RESULTS | {(command.split()[0], option) for command, option, _ in sites(self.home)}
        for command, names in file_options():
            self.assertTrue(any((command, name) in tried for name in names),
                            f"try what sealmq {command} {names} does with files of all kinds")

    def test_what_it_is_and_what_was_wanted(self):
        port = str(self.home.ports[0])
        signed = ["pub", "-p", port, "-t", "plant/1", "-m", "1", "--scheme", "sl1"]
        for words, told in (
                ([*signed, "--key", "dev.key", "--broker-key", "dev.key"],
                 "dev.key holds private keys; --broker-key wants the broker's broker.pub"),
                ([*signed, "--key", "dev.key", "--broker-key", "dev.pub"],
                 "dev.pub holds the public keys of an identity; --broker-key wants the broker's broker.pub"),
                ([*signed, "--key", "dev.pub", "--broker-key", "broker.pub"],
                 "dev.pub holds the public keys of an identity; --key wants NAME.key"),
                ([*signed, "--key", "server.key", "--broker-key", "broker.pub"],
                 "server.key holds a private key in PEM, as TLS takes it; --key wants NAME.key"),
                (["sub", "-p", port, "-t", "a", "--scheme", "sl1", "--key", "dev.key", "--broker-key", "broker.pub", "--from", "dev.key"],
                 "dev.key holds private keys; NAME.pub of an identity is wanted"),
                (["identity", "enroll", "dev.key"], "dev.key holds private keys; NAME.pub of an identity is wanted"),
                (["pub", "-p", port, "-t", "a", "-f", "dev.key"], "dev.key holds private keys, which is for nobody else"),
                (["broker", "--check", "-c", "dev.key"], "dev.key holds private keys; a configuration in TOML is wanted"),
        ):
            os.chmod(self.home.path / "dev.pub", 0o644)
            code, said = self.run_command(words)
            self.assertEqual(code, 1, said)
            self.assertIn(told, said)
            self.assertNotIn("chmod", said)

    def test_a_key_in_a_token_says_where_it_is_also_without_the_token(self):
        code, said = self.run_command(["identity", "show", "reference.key"])
        self.assertEqual(code, 2, said)
        self.assertIn("keys in      pkcs11:token=none;object=dev?module-path=/nowhere/none.so", said)


if __name__ == "__main__":
    unittest.main()
