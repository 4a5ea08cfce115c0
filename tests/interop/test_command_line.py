"""The frame of the command line: unknown words, help, man pages, completion, profile, JSON. `sealmq help --json` lists the commands."""
import json
import os
import pty
import re
import select
import shutil
import socket
import subprocess
import tempfile
import time
import unittest

from servers import PATIENCE, SEALMQ, Broker, require

require("bash", "zsh", "fish", "groff")


def sealmq(*words, text=None, **more):
    environment = {**os.environ, "HOME": "/nonexistent", **more.pop("environment", {})}
    done = subprocess.run([SEALMQ, *words], input=text if text is not None else "", capture_output=True, text=True,
                          timeout=PATIENCE, env=environment, **more)
    return done.returncode, done.stdout, done.stderr


COMMANDS = [json.loads(line) for line in sealmq("help", "--json")[1].splitlines()]


class Words(unittest.TestCase):
    def refused(self, words, said):
        code, out, complaint = sealmq(*words)
        self.assertEqual((code, out), (1, ""), words)
        self.assertIn(said, complaint)

    def test_an_unknown_word_is_named_with_the_nearest(self):
        self.refused(["pubb", "-t", "x"], "unknown command pubb; did you mean pub?")
        self.refused(["identity", "revok"], "unknown command revok; did you mean revoke?")
        self.refused(["key", "shaer", "x"], "unknown command shaer; did you mean share?")
        self.refused(["nonsense"], "unknown command nonsense\n")
        self.refused(["nonsense", "--help"], "unknown command nonsense\n")
        self.refused(["help", "key", "shar"], "unknown command shar; did you mean share?")
        self.refused(["pub", "-t", "plain/x", "--messag", "m"], "unknown option --messag; did you mean --message?")
        self.refused(["pub", "plain/x", "-m", "m"], "one word too many: plain/x")
        self.refused(["identity"], "sealmq identity needs a command")
        self.refused(["key", "--jsn"], "unknown option --jsn")

    def test_limits_are_said_in_words(self):
        self.refused(["sub", "-t", "x", "-C", "0"], "-C: 0 is not a number above 0")
        self.refused(["pub", "-t", "x", "-m", "m", "-q", "3"], "3 is not a number of 0 to 2")
        self.refused(["pub", "-t", "x"], "what is the message?")
        self.refused(["key", "new", "x", "--kind", "odd"], "odd is not one of symmetric|pair")

    def test_version_in_the_usual_spellings(self):
        told = sealmq("version")
        self.assertEqual(told[0], 0)
        for word in ("--version", "-V"):
            self.assertEqual(sealmq(word), told)

    def test_help_in_the_usual_spellings(self):
        top = sealmq()
        self.assertEqual(top, sealmq("--help"))
        self.assertEqual(top[0], 0)
        self.assertEqual(sealmq("help", "key", "share"), sealmq("key", "share", "--help-all"))


class Help(unittest.TestCase):
    def test_every_command_has_its_own(self):
        self.assertGreater(len(COMMANDS), 40)
        for command in COMMANDS:
            for option in ("--help", "--help-all"):
                code, said, complaint = sealmq(*command["command"].split()[1:], option)
                self.assertEqual((code, complaint), (0, ""), command["command"])
                self.assertTrue(said.startswith(f"usage: {command['command']}"), said[:200])
                too_long = [line for line in said.splitlines() if len(line) > 80]
                self.assertEqual(too_long, [], command["command"])
                self.assertRegex(said, r"\n  \$ .*sealmq", f"{command['command']} shows no example")
                self.assertEqual("exit codes: " in said, not command["group"], command["command"])

    def test_every_option_is_described(self):
        for command in COMMANDS:
            for option in command["options"]:
                self.assertTrue(option["description"], (command["command"], option))

    def test_sentences_are_short(self):
        """As those of the documents. A list is none: its lines are indented, or it has two spaces between its parts."""
        for command in COMMANDS:
            said = sealmq(*command["command"].split()[1:], "--help")[1].split("\n\n", 1)[1]
            texts = [" ".join(part.split("\n")) for part in said.split("\n\n") if not re.search("^(  |exit codes)", part, re.M)]
            texts += [option["description"] for option in command["options"] if "  " not in option["description"]]
            for sentence in (sentence for text in texts for sentence in re.split(r"(?<=[.:;])\s", text)):
                self.assertLessEqual(len(sentence.split()), 25, f"{command['command']}: {sentence}")

    def test_what_few_need_is_left_to_help_all(self):
        short, whole = sealmq("pub", "--help")[1], sealmq("pub", "--help-all")[1]
        self.assertNotIn("--tls-alpn", short)
        self.assertIn("--help-all: TLS, Login", short)
        for heading in ("Message", "Connection", "Protection", "TLS", "Login", "Will", "MQTT 5"):
            self.assertIn(f"\n{heading}\n", whole)

    def test_settings_are_listed_with_the_keys_of_rows(self):
        code, said, _ = sealmq("broker", "--help-settings")
        self.assertEqual([line for line in said.splitlines() if len(line) > 80], [])
        objects = [json.loads(line) for line in sealmq("broker", "--help-settings", "--json")[1].splitlines()]
        keys = {(key["table"], key["name"]) for key in objects}
        for key in (("[[listener]]", "anonymous"), ("[[listener]]", "identity"), ("[[topic]]", "multicast"), ("[[bridge]]", "cafile"),
                    ("[limits]", "maximum_packet_size"), ("", "data")):
            self.assertIn(key, keys)
            self.assertIn(f"\n  {key[1]}  (", said)


class ManPages(unittest.TestCase):
    def test_there_is_one_for_every_command_without_a_warning(self):
        with tempfile.TemporaryDirectory() as folder:
            self.assertEqual(sealmq("man-pages", folder), (0, "", ""))
            expected = {command["command"].replace(" ", "-") + ".1" for command in COMMANDS}
            self.assertEqual(set(os.listdir(f"{folder}/man1")), expected)
            pages = [f"{folder}/man1/{page}" for page in sorted(expected)] + [f"{folder}/man5/sealmq.toml.5"]
            done = subprocess.run(["groff", "-ww", "-man", "-Tutf8", "-k", *pages], capture_output=True, text=True, timeout=120)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            for word in ("--retained-only", "sealmq-pub - publish messages", "require_certificate", "EXIT STATUS"):
                self.assertIn(word, re.sub(".\x08", "", done.stdout).replace("‐", "-").replace("−", "-"))


# What is typed, and what has to be among the answers.
COMPLETIONS = [
    ("pu", "pub"), ("key sh", "share"), ("pub --sche", "--scheme"), ("pub --scheme sl", "sl1"), ("broker --log-format j", "json"),
    ("broker --log-format t", "text"), ("help au", "authority"), ("identity new --kind p", "person"), ("pub --file rea", "readings.txt"),
    ("identity show rea", "readings.txt"), ("broker --data fol", "folder"),
]


class Completion(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="sealmq-complete-")
        self.addCleanup(shutil.rmtree, self.folder)
        os.mkdir(f"{self.folder}/folder")
        os.mkdir(f"{self.folder}/bin")
        os.symlink(os.path.abspath(SEALMQ), f"{self.folder}/bin/sealmq")
        open(f"{self.folder}/readings.txt", "w").close()
        for shell, name in (("bash", "sealmq.bash"), ("zsh", "_sealmq"), ("fish", "sealmq.fish")):
            code, script, _ = sealmq("completion", shell)
            self.assertEqual(code, 0)
            with open(f"{self.folder}/{name}", "w") as file:
                file.write(script)
        self.environment = {**os.environ, "PATH": f"{self.folder}/bin:{os.environ['PATH']}", "HOME": self.folder, "LC_ALL": "C.UTF-8",
                            "TERM": "xterm", "XDG_CONFIG_HOME": f"{self.folder}/config", "XDG_DATA_HOME": f"{self.folder}/share"}

    def run_shell(self, *words):
        done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE, env=self.environment, cwd=self.folder)
        self.assertEqual((done.returncode, done.stderr), (0, ""), words)
        return done.stdout.splitlines()

    def test_bash(self):
        for typed, expected in COMPLETIONS:
            words = ["sealmq", *typed.split()]
            script = (f"source sealmq.bash; COMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}; _sealmq sealmq; "
                      "printf '%s\\n' \"${COMPREPLY[@]}\"")
            self.assertIn(expected, self.run_shell("bash", "--norc", "-c", script), typed)

    def test_fish(self):
        for typed, expected in COMPLETIONS:
            found = self.run_shell("fish", "--no-config", "-c", f"source sealmq.fish; complete -C 'sealmq {typed}'")
            self.assertIn(expected, [line.split("\t")[0].rstrip("/") for line in found], typed)

    def test_zsh_as_somebody_types(self):
        child, terminal = pty.fork()
        if child == 0:
            os.chdir(self.folder)
            os.execvpe("zsh", ["zsh", "-f", "-i"], {**self.environment, "PS1": "> "})
        self.addCleanup(os.close, terminal)
        said = ""

        def wait_for(expected):
            nonlocal said
            deadline = time.monotonic() + PATIENCE
            while expected not in said:
                if not select.select([terminal], [], [], max(0, deadline - time.monotonic()))[0]:
                    self.fail(f"zsh did not print {expected!r}: {said!r}")
                said += os.read(terminal, 4096).decode(errors="replace")

        os.write(terminal, b"unset zle_bracketed_paste; autoload -Uz compinit && compinit -u -D && source ./_sealmq; echo rea''dy\n")
        wait_for("ready")
        for typed, expected in COMPLETIONS:
            said = ""
            os.write(terminal, f"sealmq {typed}\t".encode())
            # What is missing of the only candidate, or the list of them.
            wait_for(expected[len(typed.split()[-1]):] if typed != "pub --scheme sl" else expected)
            os.write(terminal, b"\x15")  # erases the line
        os.write(terminal, b"exit\n")
        os.waitpid(child, 0)


class Profile(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="sealmq-profile-")
        self.addCleanup(shutil.rmtree, self.folder)
        os.mkdir(f"{self.folder}/sealmq")

    def write(self, text, name="profile", mode=0o600):
        path = f"{self.folder}/sealmq/{name}"
        with open(path, "w") as file:
            file.write(text)
        os.chmod(path, mode)

    def pub(self, *words):
        return sealmq("pub", *words, environment={"XDG_CONFIG_HOME": self.folder})

    def test_it_says_what_is_not_typed(self):
        with Broker("--allow-plain") as broker, Broker() as closed:
            self.write(f"# everywhere\n-h 127.0.0.1\n-p {broker.port}\n-q 1\n\n-F %p\n")
            self.assertEqual(self.pub("-t", "x", "-m", "m"), (0, "", ""))
            self.assertEqual(self.pub("-t", "x", "-m", "m", "-p", str(closed.port))[0], 3)  # the command line counts
            self.assertEqual(self.pub("-t", "x", "-m", "m", "-L", f"mqtt://127.0.0.1:{closed.port}")[0], 3)  # also what excludes it
            self.assertNotEqual(self.pub("-t", "x", "-m", "m", "--no-profile", "-p", "1")[0], 0)
            self.write(f"-L mqtt://127.0.0.1:{closed.port}\n", name="closed")
            self.assertEqual(self.pub("-t", "x", "-m", "m", "-q", "1", "--profile", "closed")[0], 3)
            self.assertEqual(self.pub("-t", "x", "-m", "m", "--profile=closed", "-q", "1")[0], 3)

    def test_what_is_wrong_in_it_is_named_with_its_line(self):
        for text, said in (("\n--nonsense x\n", "profile:2: unknown option --nonsense"), ("-h\n", "profile:1: -h needs a value"),
                           ("-r yes\n", "profile:1: -r takes no value"), ("x\n", "profile:1: not an option")):
            self.write(text)
            code, _, complaint = self.pub("-t", "x", "-m", "m")
            self.assertEqual(code, 1, text)
            self.assertIn(said, complaint)
        for secret in ("correct-horse", "password correct-horse", "-Pcorrect-horse", "--passwrd correct-horse", "--passwrd=correct-horse"):
            self.write(secret + "\n")
            code, _, complaint = self.pub("-t", "x", "-m", "m")
            self.assertEqual(code, 1, secret)
            self.assertIn("hint: ", complaint)
            self.assertNotIn("orrect-h", complaint)
        self.assertEqual(self.pub("--help")[0], 0)
        code, _, complaint = self.pub("-t", "x", "-m", "m", "--profile", "missing")
        self.assertEqual(code, 2)
        self.assertIn("missing", complaint)
        self.assertEqual(self.pub("-t", "x", "-m", "m", "--profile", "../x")[0], 1)

    def test_others_may_not_read_a_password(self):
        for line in ("-P secret", "--psk 00", "-L mqtt://a:secret@127.0.0.1:1"):
            self.write(f"-u a\n{line}\n", mode=0o644)
            code, _, complaint = self.pub("-t", "x", "-m", "m")
            self.assertEqual(code, 1)
            self.assertIn("profile:2: other users can read this file", complaint)
            self.assertNotIn("secret", complaint)
        self.write("-h 127.0.0.1\n-p 1\n-u a\n-P secret\n")
        code, _, complaint = self.pub("-t", "x", "-m", "m")
        self.assertEqual(code, 2)
        self.assertNotIn("warning", complaint)  # of passwords on command lines


class Habits(unittest.TestCase):
    """Command lines of mosquitto_pub, mosquitto_sub and mosquitto_rr."""

    def test_they_work(self):
        with Broker("--allow-plain") as broker:
            to = ["-h", "127.0.0.1", "-p", str(broker.port)]
            code, _, said = sealmq("pub", *to, "-t", "a", "-m", "m", "-d", "-I", "me-", "-M", "5", "--nodelay", "-q", "1", "-r",
                                   "-D", "PUBLISH", "CONTENT-TYPE", "text/plain", "-D", "publish", "user-property", "unit", "bar")
            self.assertEqual(code, 0, said)
            self.assertRegex(said, r"connected as me-\d+\n(.|\n)*published 1 bytes to a, and the broker has them")
            code, out, _ = sealmq("sub", *to, "-t", "a", "-F", "%j", "-C", "1", "-q", "1", "--retain-as-published")
            message = json.loads(out)
            self.assertEqual((code, message["topic"], message["payload"], message["qos"], message["retain"], message["payloadlen"]),
                             (0, "a", "m", 1, 1, 1))
            self.assertEqual(message["properties"], {"content-type": "text/plain", "user-properties": [{"unit": "bar"}]})
            self.assertEqual(sealmq("sub", *to, "-t", "a", "--retain-handling", "never", "-W", "0.5")[:2], (27, ""))
            self.assertEqual(sealmq("sub", *to, "-t", "b", "-E")[:2], (0, ""))
            self.assertEqual(sealmq("sub", *to, "-t", "a", "-C", "1", "--json", "--pretty")[1].count("\n"), 10)
            self.assertEqual(sealmq("sub", *to, "-t", "a", "--random-filter", "0.0001", "-W", "0.5")[:2], (27, ""))
            self.assertEqual(sealmq("sub", *to, "-t", "a", "-C", "1", "--remove-retained")[:2], (0, "m\n"))
            self.assertEqual(sealmq("sub", *to, "-t", "a", "-W", "0.5")[:2], (27, ""))
            # A subscription that was kept, and is ended.
            kept = ["-i", "kept", "-c", *to]
            self.assertEqual(sealmq("sub", *kept, "-t", "c", "-q", "1", "-E")[0], 0)
            self.assertEqual(sealmq("sub", *kept, "-U", "c", "-E")[0], 0)
            self.assertEqual(sealmq("pub", *to, "-t", "c", "-m", "late", "-q", "1")[0], 0)
            self.assertEqual(sealmq("sub", *kept, "-t", "d", "-q", "1", "-W", "0.5")[:2], (27, ""))

    def test_the_address_that_a_connection_comes_from(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            to = ["-h", "127.0.0.1", "-p", str(server.getsockname()[1]), "-t", "a"]
            for words in ["pub", *to, "-m", "m"], ["sub", *to]:
                client = subprocess.Popen([SEALMQ, *words, "-A", "127.0.0.7"], stderr=subprocess.DEVNULL)
                connection, address = server.accept()
                self.assertEqual(address[0], "127.0.0.7")
                connection.close()
                client.terminate()
                client.wait(PATIENCE)
            code, _, said = sealmq("pub", *to, "-m", "m", "-A", "192.0.2.1")
            self.assertEqual(code, 2)
            self.assertIn("Cannot assign requested address, from 192.0.2.1", said)
            code, _, said = sealmq("pub", *to, "-m", "m", "-A", "nowhere")
            self.assertEqual((code, said.splitlines()[0]), (1, "sealmq: not an address of this machine: nowhere"))
            code, _, said = sealmq("pub", "--unix", "/nowhere", "-t", "a", "-m", "m", "-A", "127.0.0.7")
            self.assertEqual((code, said.splitlines()[0]), (1, "sealmq: a connection within this machine has no address to come from"))

    def test_a_large_file_shows_how_much_of_it_has_gone_on_a_terminal_alone(self):
        """Of a broker that reads nothing for a while."""
        with tempfile.NamedTemporaryFile() as file, socket.create_server(("127.0.0.1", 0)) as server:
            file.write(b"x" * 30_000_000)
            file.flush()
            words = [SEALMQ, "pub", "-h", "127.0.0.1", "-p", str(server.getsockname()[1]), "-t", "a", "-f", file.name, "--no-profile"]
            for is_terminal in True, False:
                ours, theirs = pty.openpty()
                client = subprocess.Popen(words, stderr=theirs if is_terminal else subprocess.PIPE)
                os.close(theirs)
                connection, _ = server.accept()
                connection.recv(1000)
                connection.sendall(bytes.fromhex("2003000000"))  # CONNACK
                connection.recv(1)  # of the message
                time.sleep(1.2)  # it shows nothing in the first second
                while connection.recv(1 << 20):
                    pass
                said = os.read(ours, 10_000).decode() if is_terminal else client.communicate(timeout=PATIENCE)[1].decode()
                self.assertEqual(client.wait(PATIENCE), 0, said)
                connection.close()
                os.close(ours)
                if is_terminal:
                    self.assertRegex(said, r"^\rsent \d+ of 30 MB(\rsent \d+ of 30 MB)*\rsent 30 of 30 MB\r?\n$")
                else:
                    self.assertEqual(said, "")

    def test_a_request_gets_its_response(self):
        with Broker("--allow-plain") as broker:
            to = ["-h", "127.0.0.1", "-p", str(broker.port)]
            answerer = subprocess.Popen([SEALMQ, "sub", *to, "-t", "ask", "-d", "-C", "1", "-F", "%R %D %p"], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
            self.assertTrue(any("subscribed to ask" in line for line in iter(answerer.stderr.readline, "")))
            asker = subprocess.Popen([SEALMQ, "rr", *to, "-t", "ask", "-e", "answer", "-m", "how much?"], stdout=subprocess.PIPE, text=True)
            topic, correlation, request = answerer.stdout.readline().split(" ", 2)
            self.assertEqual((topic, request), ("answer", "how much?\n"))
            for data, text in (("other", "no"), (correlation, "4.2")):
                self.assertEqual(sealmq("pub", *to, "-t", topic, "-m", text, "-q", "1", "-D", "publish", "correlation-data", data)[0], 0)
            self.assertEqual((asker.communicate(timeout=PATIENCE)[0], asker.returncode), ("4.2\n", 0))
            answerer.communicate(timeout=PATIENCE)
            self.assertEqual(sealmq("rr", *to, "-t", "ask", "-e", "answer", "-n", "-W", "0.3")[:2], (27, ""))

    def test_quiet_is_quiet(self):
        self.assertEqual(sealmq("pub", "-h", "127.0.0.1", "-p", "1", "-t", "a", "-m", "m", "--quiet"), (2, "", ""))


class Json(unittest.TestCase):
    # Those that print no results: they serve, or write what was asked for.
    silent = {"sealmq authority serve", "sealmq card simulate", "sealmq completion"}

    def test_every_command_that_prints_results_takes_it(self):
        for command in COMMANDS:
            takes = any("--json" in option["names"] for option in command["options"])
            self.assertEqual(takes, not command["group"] and command["command"] not in self.silent, command["command"])

    def test_it_prints_an_object_a_line(self):
        folder = tempfile.mkdtemp(prefix="sealmq-json-")
        self.addCleanup(shutil.rmtree, folder)
        ran = set()
        with Broker("--allow-plain") as broker:
            to = f"-h 127.0.0.1 -p {broker.port}"

            def run(line, text="", least=1, exits=0):
                words = [word.replace("^", " ") for word in line.format(to=to, data=broker.data).split()]
                code, out, complaint = sealmq(*words, "--json", text=text, cwd=folder)
                self.assertEqual(code, exits, (line, complaint))
                objects = [json.loads(each) for each in out.splitlines()]
                self.assertGreaterEqual(len(objects), least, line)
                self.assertTrue(all(isinstance(each, dict) for each in objects), line)
                names = ["sealmq"]
                for word in words:
                    if any(command["command"] == " ".join([*names, word]) for command in COMMANDS):
                        names.append(word)
                    else:
                        break
                ran.add(" ".join(names))
                return objects

            run("version")
            run("help", least=40)
            run("identity new admin")
            run("identity new dev")
            run("identity show dev.pub")
            run("identity upgrade dev.key")
            run("identity enroll dev.pub --data {data}")
            run("identity enroll admin.pub --data {data}")
            run("identity list --data {data}", least=2)
            run("identity allow dev --publish a --data {data}")
            run("identity deny dev --publish a --data {data}")
            run("identity password dev --data {data}", text="secret\n")
            run("identity ticket other --data {data}")
            run("identity ticket list --data {data}")
            run("identity ticket cancel other --data {data}")
            run("identity revoke dev --reason stolen --data {data}")
            run("identity restore dev --data {data}")
            run("identity enroll gone --password-only --data {data}")
            run("identity remove gone --data {data}")
            run("identity new dev -o second.key")
            run("identity rekey dev second.pub --data {data}")
            run("key new plant/# --key admin.key")
            run("key share plant/# --key admin.key --to dev.pub {to}")
            run("key trust admin.pub --topic-keys other-keys")
            run("key trust list --topic-keys other-keys")
            run("key untrust admin --topic-keys other-keys")
            run("key list")
            run("key delegate plant/# dev.pub --key admin.key {to}")
            run("key rotate plant/# --key admin.key {to}")
            run("key seal admin.pub -t plant/x --key admin.key -o sealed")
            run("key open sealed -t plant/x --from admin.pub")
            run("key export plant/# -o exported")
            run("key psk dev --opaque --raw")
            run("key revoke plant/# dev --key admin.key {to}")
            run("pub -t plant/y -m m -q 1 -r {to}")
            run("sub -t plant/y -C 1 {to}")
            run("doctor {to}", exits=1)
            run("broker --check --data {data}", exits=0)
            run("broker --help-settings", least=40)
            run("bench mqtt://127.0.0.1:%d --seconds 0.2" % broker.port)
            run("bench ciphers --milliseconds 1")
            run("authority new")
            run("authority orders", least=0)
            run("authority complaints", least=0)
            run("authority audit --data {data}")
        # A card reader, a second broker, evidence, or minutes: the scenarios and test_authority.py, test_cards.py have these.
        elsewhere = {"sealmq demo", "sealmq bench costs", "sealmq card init", "sealmq card info", "sealmq card bench", "sealmq identity join",
                     "sealmq authority revoke", "sealmq authority restore", "sealmq rr", "sealmq authority report", "sealmq authority trace"}
        leaves = {command["command"] for command in COMMANDS if not command["group"]}
        self.assertEqual(leaves - ran - elsewhere - self.silent, set())


if __name__ == "__main__":
    unittest.main()
