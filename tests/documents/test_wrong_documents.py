"""Documents that are wrong: follow.py and check.py find each mistake, and find nothing in the same document without it."""
import contextlib
import io
import os
import pathlib
import tempfile
import unittest

import check
import follow

SEALMQ, EXAMPLES = os.environ["SEALMQ"], os.environ["EXAMPLES"]
follow.PATIENCE = 3

RIGHT = """
# A session

Create an identity. See [the map](../ARCHITECTURE.md#layers) and `src/cli/sub.cpp`.

```console
$ sealmq identity new boiler-7
sealmq-identity boiler-7 device …
SHA256:IhXI2Gsp90q9nv/ni9CzlfEjUgxiH7G7f8scgUIMFIs
$ sealmq identity enroll boiler-7.pub --publish 'plant/7/#' --subscribe '#'
sealmq: made ./sealmq-data, a new broker's data folder
hint: --data DIR or SEALMQ_DATA names that of a broker that is there
enrolled boiler-7 SHA256:IhXI2Gsp90q9nv/ni9CzlfEjUgxiH7G7f8scgUIMFIs
```

<!-- file: sealmq.toml -->
```toml
[[topic]]
filter  = "plant/#"
publish = ["sl1"]
subscribe = ["sl1"]
```

<!-- terminal: broker -->
```console
$ sealmq broker -c sealmq.toml -p 1883
listening on mqtt://127.0.0.1:1883
ready
```

<!-- terminal: reader -->
```console
$ sealmq sub --scheme sl1 --key boiler-7.key --broker-key sealmq-data/broker.pub -t 'plant/#'
4.2
```

```console
$ sealmq pub --scheme sl1 --key boiler-7.key --broker-key sealmq-data/broker.pub -t plant/7/p \\
    -m 4.2 -q 1
$ sealmq pub -t plant/7/p -m 4.2 -q 1
sealmq: …
…
```

<!-- from: examples/publish_blocking.cpp -->
```cpp
  auto client = sealmq::Client::connect(std::move(options));
```

The rest is in `limits.receive_maximum = 10`, and `sealmq sub --scheme sl1` says more.
"""


class WrongDocuments(unittest.TestCase):
    def setUp(self):
        folder = check.SOURCE / "build" / "documents"
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = tempfile.TemporaryDirectory(dir=folder)
        self.addCleanup(self.folder.cleanup)
        self.checker = check.Checker(SEALMQ)

    def write(self, *replacements):
        text = RIGHT.replace("../ARCH", "../../../ARCH")
        for old, new in replacements:
            self.assertIn(old, text)
            text = text.replace(old, new, 1)
        path = pathlib.Path(self.folder.name) / "document.md"
        path.write_text(text, encoding="utf-8")
        return path

    def followed(self, *replacements):
        said = io.StringIO()
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            code = follow.main(SEALMQ, EXAMPLES, self.write(*replacements))
        return code, said.getvalue()

    def checked(self, *replacements):
        self.checker.findings = []
        self.checker.check(self.write(*replacements))
        return "\n".join(self.checker.findings)

    def test_a_right_one_is_right(self):
        self.assertEqual(self.followed(), (0, ""))
        self.assertEqual(self.checked(), "")

    def test_what_does_not_happen_as_it_is_written(self):
        for replacement, at, finding in (
                (("enrolled boiler-7", "enrolled boiler-8"), 10, "enrolled boiler-7 SHA256:"),
                (("enrolled boiler-7 SHA256:IhX", "enrolled boiler-7 SHA256:AhX"), 10, "enrolled boiler-7 SHA256:"),
                (("enrolled boiler-7 SHA256:IhXI2Gsp90q9nv/ni9CzlfEjUgxiH7G7f8scgUIMFIs\n", ""), 10, "it printed:"),
                (("sealmq: …\n…\n", ""), 40, "it printed:\nsealmq: "),
                (("identity new boiler-7", "identity knew boiler-7"), 7, "it printed:"),
                (('publish = ["sl1"]', 'publsh = ["sl1"]'), 20, "unknown key"),
                (("\n4.2\n```", "\n4.3\n```"), 33, "it printed:\n4.2\n"),
                (("\n4.2\n```", "\n4.2\n4.2\n```"), 33, "it printed:\n4.2\n"),
                (("\n4.2\n```", "\n```"), 33, "it printed:\n4.2\n"),
                (("Client::connect(std", "Client::connekt(std"), 47, "has no such line"),
        ):
            with self.subTest(replacement):
                code, said = self.followed(replacement)
                self.assertEqual(code, 1, said)
                self.assertIn(f"document.md:{at}: ", said)
                self.assertIn(finding, said)

    def test_what_no_document_may_hold(self):
        for replacement, finding in (
                (("```console\n$ sealmq identity new", "```\n$ sealmq identity new"), "a block of what?"),
                (("```console\n$ sealmq identity new", "```text\n$ sealmq identity new"), "a command that is not run"),
                (("```console\n$ sealmq identity new", "<!-- not run: hm -->\n```console\n$ sealmq identity new"), "why is it not run?"),
                (("# A session\n", "# A session\n\n    sealmq broker\n"), "a command in an indented block"),
                (("<!-- from: examples/publish_blocking.cpp -->\n", ""), "where is it from?"),
                (("#layers", "#lairs"), "no such heading: ../../../ARCHITECTURE.md#lairs"),
                (("ARCHITECTURE.md", "ARCHITECTUR.md"), "no such file: ../../../ARCHITECTUR.md#layers"),
                (("src/cli/sub.cpp", "src/cli/sup.cpp"), "no such file: src/cli/sup.cpp"),
                (("`src/cli/sub.cpp`", "`sup.cpp`"), "no file of the project: sup.cpp"),
                (("limits.receive_maximum", "limits.receive_maximal"), "no such setting: limits.receive_maximal = 10"),
                (("sealmq sub --scheme sl1`", "sealmq sub --shceme sl1`"), "no such option: --shceme"),
                (("Create an identity.", "@VIEW@"), "a placeholder is left: @VIEW@"),
                (("Create an identity.", "Create an identity" + " for a thing" * 7 + "."), "columns"),
                (("Create an identity.", "Create" + "\nan identity for one thing" * 6 + "."), "31 words: Create an identity"),
                (("-t plant/7/p \\\n    -m", "-t plant/7/p                              -m"), "go on in another line"),
        ):
            with self.subTest(replacement):
                self.assertIn(finding, self.checked(replacement))


if __name__ == "__main__":
    unittest.main()
