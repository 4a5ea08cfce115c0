"""An administrator works as root on the folder of a service that has a user of its own: nothing that a command leaves there may stop the service."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

from servers import PATIENCE, SEALMQ, Lines, require

OWNER = 61234  # no user has this number, as in a container
ANOTHER = 61235
MEMBER, SERVICE, GROUP = 61236, 61237, 61238  # of folders that a group shares
HAS_SUDO = shutil.which("sudo") and subprocess.run(["sudo", "-n", "true"], capture_output=True).returncode == 0
if os.geteuid() != 0 and HAS_SUDO:
    os.execvp("sudo", ["sudo", "-n", "--preserve-env=SEALMQ,SEALMQ_THREADS", sys.executable, "-B", *sys.argv])


def run(*arguments, user=None, text=None):
    who = {} if user is None else {"user": user, "group": user, "extra_groups": []}
    return subprocess.run([PROGRAM, *map(str, arguments)], input=text, capture_output=True, text=True, timeout=PATIENCE * 4, cwd=FOLDER, **who)


class Service:
    """The broker, as its own user."""

    def __init__(self, data):
        self._process = subprocess.Popen([PROGRAM, "broker", "--data", data, "-p", "0", "--allow-plain"], stderr=subprocess.PIPE, text=True,
                                         cwd=FOLDER, user=OWNER, group=OWNER, extra_groups=[])
        self.log = Lines(self._process.stderr)
        if not self.log.wait_for(lambda lines: "ready" in lines):
            self._process.kill()
            raise AssertionError("the broker did not come up:\n" + "\n".join(self.log.all()))
        self.port = next(line for line in self.log.all() if line.startswith("listening on ")).rsplit(":", 1)[1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait(PATIENCE)
        self.log.wait_for(lambda lines: False, 1)
        self._process.stderr.close()


@unittest.skipUnless(os.geteuid() == 0, "only root can make the folder of another user")
class Administration(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        global PROGRAM, FOLDER
        require("mosquitto_pub")
        cls.folder = tempfile.TemporaryDirectory(prefix="sealmq-administration-")
        FOLDER = cls.folder.name
        os.chmod(FOLDER, 0o755)
        PROGRAM = shutil.copy(SEALMQ, FOLDER)  # where it was built, others may not be let in

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def setUp(self):
        self.data = pathlib.Path(tempfile.mkdtemp(dir=FOLDER))
        os.chown(self.data, OWNER, OWNER)

    def command(self, *arguments, text=None, code=0):
        done = run(*arguments, text=text)
        self.assertEqual(done.returncode, code, f"{arguments}: {done.stderr}")
        return done.stdout

    def assert_all_is_the_owners(self):
        for path in [self.data, *self.data.rglob("*")]:
            found = path.lstat()
            self.assertEqual((found.st_uid, found.st_gid), (OWNER, OWNER), path)

    def assert_check_passes(self):
        for user in (None, OWNER):
            done = run("broker", "--check", "--data", self.data, "--allow-plain", user=user)
            self.assertEqual(done.returncode, 0, done.stderr)

    def make_keys(self, name, file):
        key = pathlib.Path(FOLDER) / f"{self.data.name}-{file}.key"
        self.command("identity", "new", name, "-o", key)
        return key.with_suffix(".pub")

    def administrate(self, name):
        """Every command that leaves something in the folder."""
        data = ("--data", self.data)
        first, second = self.make_keys(name, name), self.make_keys(name + "-2", name + "-2")
        self.command("identity", "enroll", first, second, *data, "--publish", "plant/#")
        self.command("identity", "password", name, *data, text="right\n")
        self.command("identity", "password", name, "--recoverable", *data, text="right\n")
        self.command("identity", "enroll", name + "-3", "--password-only", *data)
        self.command("identity", "ticket", name + "-4", *data)
        self.command("identity", "ticket", "cancel", name + "-4", *data)
        self.command("identity", "allow", name, "--subscribe", "orders", *data)
        self.command("identity", "revoke", name + "-2", "--reason", "lost", *data)
        self.command("identity", "restore", name + "-2", *data)
        self.command("identity", "rekey", name + "-2", self.make_keys(name + "-2", name + "-new"), *data)
        self.command("identity", "remove", name + "-2", *data)
        self.command("authority", "new", "--folder", self.data / "authority")
        self.command("authority", "audit", *data)
        self.command("identity", "new", name, "-o", self.data / f"{name}.key")
        self.command("key", "new", "plant/#", "--key", self.data / f"{name}.key", "--topic-keys", self.data / "topic-keys")

    def publishes(self, service, name, password):
        return subprocess.run(["mosquitto_pub", "-h", "127.0.0.1", "-p", service.port, "-u", name, "-P", password, "-t", "plant/1", "-m", "x",
                               "-q", "1"], capture_output=True, text=True, timeout=PATIENCE).returncode

    def test_commands_before_the_first_start_stop_nothing(self):
        self.administrate("first")
        self.assert_all_is_the_owners()
        self.assert_check_passes()
        with Service(self.data) as service:
            self.assertEqual(self.publishes(service, "first", "right"), 0)
            self.assertNotEqual(self.publishes(service, "first", "wrong"), 0)
        self.assert_all_is_the_owners()

    def test_commands_beside_the_running_broker_stop_nothing(self):
        with Service(self.data) as service:
            self.administrate("second")
            self.assert_all_is_the_owners()
            self.assertEqual(self.publishes(service, "second", "right"), 0)
            self.assertFalse([line for line in service.log.all() if "audit log" in line or "Permission denied" in line], service.log.all())
        self.assert_check_passes()
        with Service(self.data) as service:
            self.assertEqual(self.publishes(service, "second", "right"), 0)
            self.command("identity", "revoke", "second", "--reason", "stolen", "--data", self.data)
            self.assertNotEqual(self.publishes(service, "second", "right"), 0)
        self.assert_all_is_the_owners()
        self.assertRegex((self.data / "audit.log").read_text(), '"what":"carried-out","name":"second"')
        self.assertIn("intact", self.command("authority", "audit", "--data", self.data))

    def test_what_an_earlier_command_has_left_to_root_is_found(self):
        self.command("identity", "enroll", "boiler-7", "--password-only", "--data", self.data)
        os.chown(self.data / "audit.log", 0, 0)
        for user in (None, OWNER):
            done = run("broker", "--check", "--data", self.data, user=user)
            self.assertEqual(done.returncode, 2)
            self.assertIn(f"chown {OWNER}:{OWNER} {self.data}/audit.log", done.stderr)

    def test_a_folder_that_is_reached_by_a_link(self):
        link = pathlib.Path(FOLDER) / (self.data.name + "-link")
        link.symlink_to(self.data.name)
        self.command("identity", "enroll", "boiler-7", "--password-only", "--data", link)
        with Service(link) as service:
            self.command("identity", "password", "boiler-7", "--data", link, text="right\n")
            self.assertEqual(self.publishes(service, "boiler-7", "right"), 0)
        self.assert_all_is_the_owners()

    def test_somebody_else_is_told_whose_the_folder_is(self):
        for mode in (0o700, 0o755):
            self.data.chmod(mode)
            done = run("identity", "enroll", "boiler-7", "--password-only", "--data", self.data, user=ANOTHER)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn("belongs to another user", done.stderr)
            self.assertIn(f"hint: as root, or setpriv --reuid {OWNER} --clear-groups sealmq", done.stderr)
            self.assertEqual(list(self.data.iterdir()), [])

    def test_where_everybody_may_write_a_key_tells_nobodys_folder(self):
        """As /tmp: a stranger's `broker.key` must not make root's new private key the stranger's."""
        os.chown(self.data, 0, 0)
        self.data.chmod(0o1777)
        (self.data / "broker.key").touch()
        os.chown(self.data / "broker.key", OWNER, OWNER)
        self.command("identity", "new", "boiler-7", "-o", self.data / "boiler-7.key")
        self.assertEqual((self.data / "boiler-7.key").stat().st_uid, 0)
        os.chown(self.data / "boiler-7.key", OWNER, OWNER)
        self.assertIn("belongs to another user", run("identity", "show", self.data / "boiler-7.key").stderr)

    def test_a_folder_where_a_group_may_write_belongs_to_whoever_made_the_key(self):
        """As the volume of a container whose user has another number each time."""
        os.chown(self.data, 0, OWNER)
        self.data.chmod(0o770)
        with Service(self.data):
            pass
        self.administrate("second")
        for path in self.data.rglob("*"):
            self.assertEqual(path.lstat().st_uid, OWNER, path)
        self.assert_check_passes()
        with Service(self.data) as service:
            self.assertEqual(self.publishes(service, "second", "right"), 0)
        done = subprocess.run([PROGRAM, "identity", "list", "--data", self.data], capture_output=True, text=True, timeout=PATIENCE,
                              user=ANOTHER, group=OWNER, extra_groups=[])
        self.assertEqual(done.returncode, 2, done.stdout)
        self.assertIn(f"belongs to another user\nhint: as root, or setpriv --reuid {OWNER}", done.stderr)
        os.chown(self.data / "audit.log", 0, 0)
        done = run("broker", "--check", "--data", self.data)
        self.assertEqual(done.returncode, 2)
        self.assertIn(f"chown {OWNER}:{OWNER} {self.data}/audit.log", done.stderr)

    def test_a_private_key_of_somebody_else_says_whom_to_give_it_to(self):
        """Also in a folder that a group shares, whose owner says nothing of whose the files in it are."""
        key = self.data / "boiler-7.key"
        self.command("identity", "new", "boiler-7", "-o", key)
        for mode, user, key_mode in ((0o700, None, 0o600), (0o770, None, 0o600), (0o2770, None, 0o600), (0o770, MEMBER, 0o640),
                                     (0o2770, MEMBER, 0o660)):
            for has_service in (False, True):
                with self.subTest(mode=oct(mode), user=user, has_service=has_service):
                    os.chown(self.data, OWNER, GROUP)
                    self.data.chmod(mode)
                    (self.data / "broker.key").unlink(missing_ok=True)
                    if has_service:
                        (self.data / "broker.key").touch()
                        os.chown(self.data / "broker.key", SERVICE, GROUP)
                    os.chown(key, ANOTHER, GROUP)
                    key.chmod(key_mode)
                    said = self.show(key, user, code=1)
                    self.assertIn(f"{key} belongs to another user, who can change it\n", said)
                    whose = user if user else OWNER if mode == 0o700 else SERVICE if has_service else 0
                    hint = said.split("hint: ")[1].strip()
                    self.assertEqual(hint.removeprefix("as root, ").split(":")[0], f"chown {whose}")
                    subprocess.run(hint.removeprefix("as root, "), shell=True, check=True)
                    key.chmod(0o600)
                    self.show(key, user)
        os.chown(key, 0, GROUP)
        key.chmod(0o640)
        self.assertIn(f"hint: as root, chown {MEMBER}:{GROUP} {key}; chmod 600 {key}", self.show(key, MEMBER, code=1))

    def show(self, key, user, code=0):
        who = {} if user is None else {"user": user, "group": GROUP, "extra_groups": []}
        done = subprocess.run([PROGRAM, "identity", "show", key], capture_output=True, text=True, timeout=PATIENCE, cwd=FOLDER, **who)
        self.assertEqual(done.returncode, code, done.stderr)
        return done.stderr

    def test_a_password_file_keeps_its_owner_and_its_group(self):
        passwords = pathlib.Path(FOLDER) / (self.data.name + "-passwords")
        passwords.write_text("")
        passwords.chmod(0o640)
        os.chown(passwords, 0, OWNER)
        (self.data / "sealmq.toml").write_text(f'password_file = "{passwords}"\n')
        os.chown(self.data / "sealmq.toml", OWNER, OWNER)
        self.command("identity", "enroll", "boiler-7", "--password-only", "--publish", "plant/#", "--data", self.data)
        self.command("identity", "password", "boiler-7", "--data", self.data, text="right\n")
        found = passwords.stat()
        self.assertEqual((found.st_uid, found.st_gid, found.st_mode & 0o777), (0, OWNER, 0o640))
        self.assertFalse((self.data / "passwords").exists())
        with Service(self.data) as service:
            self.assertEqual(self.publishes(service, "boiler-7", "right"), 0)
        self.assertEqual(run("broker", "--check", "--data", self.data, user=OWNER).returncode, 0)


if __name__ == "__main__":
    unittest.main()
