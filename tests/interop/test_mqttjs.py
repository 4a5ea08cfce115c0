"""MQTT.js through our broker; what is checked stands in mqttjs.mjs."""
import os
import subprocess
import unittest

from servers import Broker, require

HERE = os.path.dirname(os.path.abspath(__file__))


class MqttJs(unittest.TestCase):
    def test_everything_in_mqttjs_mjs_holds(self):
        require("node")
        self.assertTrue(os.path.isdir(os.path.join(HERE, "node_modules", "mqtt")),
                        "MQTT.js is missing: npm ci in tests/interop (./dev does)")
        with Broker("--allow-plain") as broker:
            result = subprocess.run(["node", "mqttjs.mjs", str(broker.port)], cwd=HERE, timeout=240, capture_output=True, text=True)
            self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
            self.assertTrue(result.stdout.endswith("done\n"), result.stdout)


if __name__ == "__main__":
    unittest.main()
