"""Patient and doctor, end to end: through our broker, through mosquitto, through mosquitto over TLS; through a broker that means no
good; and when either end dies."""
import asyncio
import getpass
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from servers import PATIENCE, SEALMQ, Broker, Lines, require
from test_pub_sub import MOSQUITTO, Mosquitto, free_port
from transports import MAKE_CERTIFICATES

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "examples" / "telemedicine"))
import hostile_broker  # noqa: E402

EXAMPLES = os.environ["EXAMPLES"]  # the folder with their programs
PASSWORDS = {"patient1": "the patient's", "patient2": "another's", "dr.house": "the doctor's"}
CONFIGURATION = """
[[topic]]
filter = "pmqtt/#"
publish = ["pmqtt", "smqtt"]
subscribe = ["pmqtt", "smqtt", "plain"]
"""


class HostileBroker:
    """Between the ends and mosquitto, on a loop of its own."""

    def __init__(self, broker_port, *deeds):
        self.told = []
        self._loop = asyncio.new_event_loop()
        hostile = hostile_broker.Hostile(deeds, self.told.append)
        server = self._loop.run_until_complete(hostile_broker.serve(0, broker_port, hostile))
        self.port = server.sockets[0].getsockname()[1]
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def stop(self):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()

        async def ended():
            await asyncio.gather(*tasks, return_exceptions=True)

        self._loop.run_until_complete(ended())
        self._loop.close()


class Partners(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        require("mosquitto_pub")
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="sealmq-partners-"))
        for name in PASSWORDS:
            subprocess.run([SEALMQ, "identity", "new", name], cwd=cls.folder, check=True, capture_output=True, timeout=PATIENCE)
        cls.mosquitto = Mosquitto(free_port())

    @classmethod
    def tearDownClass(cls):
        cls.mosquitto.stop()
        shutil.rmtree(cls.folder, ignore_errors=True)

    def words(self, word, name, *options, scheme="pmqtt", port=None):
        return [SEALMQ, word, "-h", "127.0.0.1", "-p", str(port or self.mosquitto.port), "--scheme", scheme, "--key", f"{name}.key", *options]

    def pub(self, *options, name="patient1", to=("dr.house",), environment=None, **keywords):
        partners = [word for partner in to for word in ("--to", f"{partner}.pub")]
        return subprocess.run(self.words("pub", name, *partners, *options, **keywords), cwd=self.folder, capture_output=True, text=True,
                              timeout=2 * PATIENCE, env={**os.environ, **(environment or {})})

    def sub(self, *options, name="dr.house", of=("patient1",), environment=None, **keywords):
        """Its lines are in .out and .err."""
        partners = [word for partner in of for word in ("--from", f"{partner}.pub")]
        process = subprocess.Popen(self.words("sub", name, *partners, *options, **keywords), cwd=self.folder, text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, **(environment or {})})
        process.out, process.err = Lines(process.stdout), Lines(process.stderr)
        self.addCleanup(self.end, process)
        return process

    @staticmethod
    def end(process):
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE)
        for stream in process.stdin, process.stdout, process.stderr:
            if stream is not None:
                stream.close()

    def expect_lines(self, process, *lines):
        self.assertTrue(process.out.wait_for(lambda got: len(got) >= len(lines)), (process.out.all(), process.err.all()))
        self.assertEqual(process.out.all(), list(lines), process.err.all())

    def conversation(self, *options, **keywords):
        sub = self.sub("-t", "vitals/#", "-F", "%f %t %q %p", *options, **keywords)
        expected = []
        for version in "5", "311":
            for qos in "012":
                sent = self.pub("-t", "vitals/pulse", "-q", qos, "-m", f"{version} {qos}", "-V", version, *options, **keywords)
                self.assertEqual(sent.returncode, 0, sent.stderr)
                self.assertEqual(sent.stderr.replace("warning: other users", ""), "")
                expected.append(f"patient1 vitals/pulse {qos} {version} {qos}")
        self.expect_lines(sub, *expected)
        self.assertEqual(sub.err.all(), [])

    # -- through any broker

    def test_through_mosquitto(self):
        self.conversation()

    def test_through_mosquitto_over_tls(self):
        certificates = self.folder / "certificates"
        subprocess.run([MAKE_CERTIFICATES, certificates], check=True, timeout=PATIENCE)
        broker = Mosquitto(free_port(), f"user {getpass.getuser()}", f"certfile {certificates}/server.pem",
                           f"keyfile {certificates}/server.key")
        self.addCleanup(broker.stop)
        self.conversation("--cafile", f"{certificates}/ca.pem", port=broker.port)

    def test_through_our_broker(self):
        with Broker(configuration=CONFIGURATION) as broker:
            for name, password in PASSWORDS.items():
                subprocess.run([SEALMQ, "identity", "enroll", f"{name}.pub", "--publish", f"pmqtt/+/{name}/#", "--subscribe",
                                f"pmqtt/+/+/{name}/#", "--data", broker.data], cwd=self.folder, check=True, capture_output=True)
                subprocess.run([SEALMQ, "identity", "password", name, "--data", broker.data], input=password + "\n", text=True,
                               check=True, capture_output=True)

            def login(name):
                return {"environment": {"SEALMQ_PASSWORD": PASSWORDS[name]}, "port": broker.port}

            known = ["--broker-key", f"{broker.data}/broker.pub"]
            sub = self.sub("-t", "vitals", "-F", "%f %p", "-u", "dr.house", *known, **login("dr.house"))
            for qos in "012":
                sent = self.pub("-t", "vitals", "-m", qos, "-q", qos, "-u", "patient1", *known, **login("patient1"))
                self.assertEqual(sent.returncode, 0, sent.stderr)
            self.expect_lines(sub, "patient1 0", "patient1 1", "patient1 2")
            # What is no frame of the scheme does not pass.
            stray = subprocess.run(["mosquitto_pub", "-p", str(broker.port), "-V", "5", "-u", "patient1", "-P", PASSWORDS["patient1"],
                                    "-t", "pmqtt/e2e/patient1/dr.house/vitals", "-m", "plain", "-q", "1"], capture_output=True, text=True)
            self.assertRegex(stray.stderr, "(?i)payload format invalid|not authori[sz]ed")

    def test_as_published(self):
        sub = self.sub("-t", "vitals", "-F", "%p", scheme="pmqtt@paper")
        self.assertTrue(sub.err.wait_for(lambda lines: len(lines) >= 5))  # the warning
        self.mosquitto.wait_for_subscriptions("pmqtt/e2e/patient1/dr.house/#", 1)
        sent = self.pub("-t", "vitals", "-m", "72", "-q", "1", scheme="pmqtt@paper")
        self.assertEqual(sent.returncode, 0, sent.stderr)
        self.assertIn("pmqtt@paper is for study", sent.stderr)
        self.expect_lines(sub, "72")

    # -- partners who come and go

    def test_several_doctors_and_several_patients(self):
        doctor = self.sub("-t", "vitals", "-F", "%f %p", of=("patient1", "patient2"))
        other = self.sub("-t", "vitals", "-F", "%f %p", name="patient2")  # may listen as well
        sent = self.pub("-t", "vitals", "-m", "for both", "-q", "1", to=("dr.house", "patient2"))
        self.assertEqual(sent.returncode, 0, sent.stderr)
        self.expect_lines(doctor, "patient1 for both")
        self.expect_lines(other, "patient1 for both")
        sent = self.pub("-t", "vitals", "-m", "mine", "-q", "2", name="patient2")
        self.assertEqual(sent.returncode, 0, sent.stderr)
        self.expect_lines(doctor, "patient1 for both", "patient2 mine")

    def test_a_patient_waits_for_a_doctor_who_is_late(self):
        results = []
        waiting = threading.Thread(target=lambda: results.append(self.pub("-t", "vitals", "-m", "72", "-q", "1")))
        waiting.start()
        time.sleep(2)
        doctor = self.sub("-t", "vitals")
        waiting.join(PATIENCE)
        self.assertEqual(results[0].returncode, 0, results[0].stderr)
        self.expect_lines(doctor, "72")

    def test_a_patient_whose_doctor_never_comes_is_told(self):
        sent = self.pub("-t", "vitals", "-m", "72", "-q", "1", "-W", "2")
        self.assertEqual(sent.returncode, 27)
        self.assertEqual(sent.stderr.splitlines(), [
            "sealmq: dr.house did not answer in time, and the message was not sent",
            "hint: is it there? sealmq sub --scheme pmqtt --from YOU.pub has to run at the other end"])

    def test_what_cannot_be_is_refused_in_words(self):
        self.sub("-t", "vitals")
        self.assertEqual(self.pub("-t", "vitals", "-m", "72", "-q", "1").returncode, 0)
        unwanted = self.pub("-t", "dose", "-m", "72", "-q", "1")
        self.assertEqual((unwanted.returncode, unwanted.stderr), (4, "sealmq: the other end has no subscription to this topic\n"))
        retained = self.pub("-t", "vitals", "-m", "72", "-q", "1", "-r")
        self.assertEqual(retained.returncode, 1)
        self.assertIn("nothing is retained", retained.stderr)
        self.assertIn("--to NAME.pub", self.pub("-t", "vitals", "-m", "72", to=()).stderr)

    def test_a_doctor_who_is_killed_misses_nothing_that_was_confirmed(self):
        doctor = self.sub("-t", "vitals")
        patient = subprocess.Popen(self.words("pub", "patient1", "--to", "dr.house.pub", "-t", "vitals", "-q", "1", "-l"), cwd=self.folder,
                                   text=True, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(self.end, patient)
        told = Lines(patient.stderr)

        def say(*lines):
            patient.stdin.write("".join(line + "\n" for line in lines))
            patient.stdin.flush()

        say("1", "2")
        self.expect_lines(doctor, "1", "2")
        doctor.kill()
        doctor.wait(PATIENCE)
        say("3", "4")  # written to nobody
        time.sleep(1)
        doctor = self.sub("-t", "vitals")
        say("5")
        self.expect_lines(doctor, "3", "4", "5")
        patient.stdin.close()
        self.assertEqual(patient.wait(PATIENCE), 0, told.all())

    def test_a_patient_who_is_killed_begins_anew(self):
        doctor = self.sub("-t", "vitals")
        for text in "one", "two":
            patient = subprocess.Popen(self.words("pub", "patient1", "--to", "dr.house.pub", "-t", "vitals", "-q", "1", "-l"),
                                       cwd=self.folder, text=True, stdin=subprocess.PIPE)
            patient.stdin.write(text + "\n")
            patient.stdin.flush()
            self.assertTrue(doctor.out.wait_for(lambda lines, its=text: its in lines), doctor.err.all())
            patient.kill()
            patient.wait(PATIENCE)
            patient.stdin.close()
        self.assertEqual(doctor.err.all(), [])

    # -- a broker that means no good

    def through_hostile_broker(self, *deeds):
        hostile = HostileBroker(self.mosquitto.port, *deeds)
        self.addCleanup(hostile.stop)
        return hostile

    def test_keys_that_a_broker_swaps_are_noticed_by_both_ends(self):
        hostile = self.through_hostile_broker("swap")
        doctor = self.sub("-t", "vitals", port=hostile.port)
        sent = self.pub("-t", "vitals", "-m", "72", "-W", "2", port=hostile.port)
        self.assertEqual(sent.returncode, 27)
        self.assertTrue(doctor.err.wait_for(lambda lines: any("not signed by patient1" in line for line in lines)), doctor.err.all())
        # Only the answer: the patient's end is the one to notice.
        honest = hostile_broker.Hostile.meddle_with_keys
        hostile_broker.Hostile.meddle_with_keys = lambda its, publish: \
            [publish] if publish.topic.endswith("dr.house") else honest(its, publish)
        self.addCleanup(setattr, hostile_broker.Hostile, "meddle_with_keys", honest)
        sent = self.pub("-t", "vitals", "-m", "72", "-W", "3", port=hostile.port)
        self.assertEqual(sent.returncode, 27)
        self.assertIn("not signed by dr.house for this: somebody on the way changed it or put in a key of their own", sent.stderr)
        self.assertEqual(doctor.out.all(), [])

    def test_nothing_false_is_shown_whatever_a_broker_does(self):
        hostile = self.through_hostile_broker("read", "change", "replay", "move", "drop")
        doctor = self.sub("-t", "#", port=hostile.port)
        texts = [f"pulse {70 + i}" for i in range(7)]  # up to the first that is dropped: what is lost takes seconds to be sent again
        sent = subprocess.run(self.words("pub", "patient1", "--to", "dr.house.pub", "-t", "vitals", "-q", "1", "-l", port=hostile.port),
                              cwd=self.folder, input="\n".join(texts), text=True, capture_output=True, timeout=3 * PATIENCE)
        self.assertEqual(sent.returncode, 0, sent.stderr)
        self.expect_lines(doctor, *texts)  # each once, in order: what was changed or dropped was sent again
        for deed in "change", "replay", "move", "drop":
            self.assertTrue(any(said.startswith(deed) for said in hostile.told), hostile.told)
        self.assertNotIn("pulse", "".join(hostile.told))
        refused = "\n".join(doctor.err.all())
        self.assertIn("does not open", refused)
        self.assertIn("a copy of a message that came before", refused)

    def test_the_telemedicine_example_through_a_hostile_broker(self):
        series = pathlib.Path(hostile_broker.__file__).with_name("vital_signs.csv")
        made = subprocess.run([sys.executable, series.with_name("make_vital_signs.py"), "-"], capture_output=True, text=True, check=True)
        self.assertEqual(made.stdout, series.read_text())
        rows = made.stdout.splitlines()[:8]
        (self.folder / "short.csv").write_text("\n".join(rows) + "\n")
        hostile = self.through_hostile_broker("read", "change", "replay", "move", "drop")
        environment = {**os.environ, "BROKER": f"mqtt://127.0.0.1:{hostile.port}", "ROWS": "7", "RATE": "20"}
        view = subprocess.Popen([f"{EXAMPLES}/doctor_view", "dr.house.key", "patient1.pub"], cwd=self.folder, env=environment, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(self.end, view)
        monitor = subprocess.run([f"{EXAMPLES}/patient_monitor", "patient1.key", "dr.house.pub", "short.csv"], cwd=self.folder,
                                 env=environment, capture_output=True, text=True, timeout=2 * PATIENCE)
        self.assertEqual((monitor.returncode, monitor.stderr), (0, ""))
        out, err = view.communicate(timeout=PATIENCE)
        expected = ["patient1: pulse {1} oxygen {2} breaths {3}".format(*row.split(",")) for row in rows[1:]]
        self.assertEqual(out.splitlines(), expected, err)
        self.assertIn("refused: sealed message does not open", err)

    def test_what_is_missing_or_late_is_told(self):
        hostile = self.through_hostile_broker("drop", "reorder")
        doctor = self.sub("-t", "#", port=hostile.port)
        sent = subprocess.run(self.words("pub", "patient1", "--to", "dr.house.pub", "-t", "vitals", "-l", port=hostile.port),
                              cwd=self.folder, input="\n".join(str(i) for i in range(1, 9)), text=True, capture_output=True, timeout=PATIENCE)
        self.assertEqual(sent.returncode, 0, sent.stderr)
        # 3 comes after 4, 6 after 8, and 7 never.
        self.expect_lines(doctor, "1", "2", "4", "3", "5", "8", "6")
        self.assertTrue(doctor.err.wait_for(lambda lines: len(lines) >= 4), doctor.err.all())
        self.assertEqual([line.split("vitals: ")[1] for line in doctor.err.all()],
                         ["a frame sent just before this one has not come", "came after others that were sent later",
                          "2 frames sent just before this one have not come", "came after others that were sent later"])


if __name__ == "__main__":
    unittest.main()
