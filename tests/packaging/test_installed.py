"""What others get: installs BUILD, then builds the examples against nothing but that, by find_package and by pkg-config, with
each compiler and without and with optimisation, and runs them against the installed broker.

BUILD, SOURCE, CXX (this build's compiler), GENERATOR and LIBRARIES (lib, or lib/x86_64-linux-gnu) come from CMake.
"""
import concurrent.futures
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(os.environ["SOURCE"])
BUILD = os.environ["BUILD"]
FOLDER = pathlib.Path(tempfile.mkdtemp(prefix="sealmq-installed-"))
PREFIX = FOLDER / "prefix"
LIBRARIES = PREFIX / os.environ["LIBRARIES"]
os.environ["SEALMQ"] = str(PREFIX / "bin" / "sealmq")
os.environ["PKG_CONFIG_PATH"] = str(LIBRARIES / "pkgconfig")
os.environ["LD_LIBRARY_PATH"] = str(LIBRARIES)
sys.path.insert(0, str(SOURCE / "tests" / "interop"))
from servers import PATIENCE, Broker, Lines  # noqa: E402

CLANGS = ["clang++"] + [f"clang++-{version}" for version in range(14, 20)]
COMPILERS = [os.environ["CXX"], next(filter(shutil.which, CLANGS), "clang++")]
# Where ccache has seen the same source with the same installed headers, there is nothing to find out. This folder is another one each
# time, so paths in it are made relative.
CACHE = ["ccache"] if shutil.which("ccache") else []
os.environ["CCACHE_BASEDIR"] = str(FOLDER)
UNFOUNDED = "-Wno-mismatched-new-delete"  # g++ 12 sees it in the frames of Asio's coroutines
STRICT = ["-std=c++20", "-Wall", "-Wextra", "-pedantic", "-Werror"]
EXAMPLES = ["publish_blocking", "subscribe_blocking", "publish_awaitable", "subscribe_awaitable"]
PLAIN = '[[topic]]\nfilter = "#"\npublish = ["plain"]\nsubscribe = ["plain"]\n'


def run(*command, fails=False, **options):
    done = subprocess.run([str(part) for part in command], text=True, capture_output=True, timeout=600, **options)
    if (done.returncode != 0) != fails:
        raise AssertionError(f"{shlex.join(map(str, command))}: {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout if not fails else done.stderr


def flags(*which):
    return shlex.split(run("pkg-config", *which, "sealmq"))


def compile_with_pkg_config(compiler, source, program, *options):
    run(*CACHE, compiler, *STRICT, *options, *flags("--cflags"), "-c", source, "-o", f"{program}.o")
    run(compiler, *options, f"{program}.o", *flags("--libs"), "-o", program)


def name_of(symbol):
    """Of a line of nm -C: `sealmq::f` for `… W X<Y>* sealmq::f<Z>(X<Y> const&)`, `sealmq::X` for `… V vtable for sealmq::X`."""
    plain = symbol.split(" ", 2)[2].replace("operator()", "operator").replace("[abi:cxx11]", "")
    while "<" in plain:
        without = re.sub(r"<[^<>]*>", "", plain)
        plain = without if without != plain else plain.replace("<", "")
    return plain.split("(")[0].split(" ")[-1]


def code_in_comment(header):
    """The example at the top of a public header, word for word."""
    lines = []
    for line in (PREFIX / "include" / "sealmq" / header).read_text().splitlines():
        if line.startswith("//   "):
            lines.append(line[5:])
        elif lines:
            return "\n".join(lines)
    raise AssertionError(f"no example in {header}")


class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        run("cmake", "--install", BUILD, "--prefix", PREFIX)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(FOLDER)

    # -- what is there

    def test_man_pages_and_completions_lie_where_others_look(self):
        for name in ("man/man1/sealmq.1", "man/man1/sealmq-key-share.1", "man/man5/sealmq.toml.5", "bash-completion/completions/sealmq",
                     "zsh/vendor-completions/_sealmq", "fish/vendor_completions.d/sealmq.fish"):
            self.assertTrue((PREFIX / "share" / name).exists(), name)

    def test_the_unit_starts_the_program_where_it_was_installed(self):
        unit = (PREFIX / "lib/systemd/system/sealmq.service").read_text()
        self.assertIn(f"\nExecStart={PREFIX}/bin/sealmq broker", unit)
        self.assertNotIn("@", unit.replace("SystemCallFilter=@system-service", "").replace("~@privileged @resources", ""))

    def test_licence_and_documents_are_there(self):
        for name in ("LICENSE", "README.md"):
            self.assertEqual((PREFIX / "share/doc/sealmq" / name).read_text(), (SOURCE / name).read_text())

    def test_a_consumer_gets_no_flags_of_what_the_library_uses(self):
        got = " ".join(flags("--cflags", "--libs"))
        self.assertNotRegex(got.lower(), "spdlog|fmt|toml|postgres|pcsc|ssl|crypto|sqlite")
        self.assertIn("-DBOOST_ASIO_NO_DEPRECATED", got)
        config = (LIBRARIES / "cmake/sealmq/sealmqConfig.cmake").read_text()
        self.assertNotRegex(config.lower(), "spdlog|toml|postgres|sqlite")

    def test_the_library_has_a_soname_and_needs_neither_databases_nor_a_logger(self):
        needed = run("readelf", "-d", LIBRARIES / "libsealmq.so")
        self.assertIn("Library soname: [libsealmq.so.0]", needed)
        self.assertNotRegex(needed, "libpq|sqlite|spdlog|fmt|toml")

    def test_nothing_that_is_installed_is_lto_bytecode(self):
        for path in PREFIX.rglob("*"):
            if path.suffix in (".a", ".o", ".so"):
                self.assertNotIn(".gnu.lto_", run("readelf", "-SW", path))

    def test_what_the_library_exports_stands_in_its_public_headers(self):
        text = " ".join(header.read_text() for header in (PREFIX / "include/sealmq").glob("*.h"))
        words = set(re.findall(r"\w+", re.sub(r"//.*", "", text)))
        exported = run("nm", "-DC", "--defined-only", LIBRARIES / "libsealmq.so").splitlines()
        names = {name_of(line) for line in exported}
        names = {name for name in names if name.startswith("sealmq::")}
        self.assertIn("sealmq::Client::connect", names)
        self.assertEqual(sorted(name for name in names if not set(re.findall(r"\w+", name)) <= words), [])

    # -- compiling

    def test_an_ignored_result_is_a_warning(self):
        source = FOLDER / "ignored.cpp"
        source.write_text('#include <sealmq/client.h>\nvoid f(sealmq::Client& client) { client.publish("a", "b"); }\n')
        for compiler in COMPILERS:
            said = run(compiler, *STRICT, *flags("--cflags"), "-fsyntax-only", source, fails=True)
            self.assertIn("nodiscard", said)

    def test_public_headers_define_no_macros_and_stand_beside_others(self):
        source = FOLDER / "macros.cpp"
        source.write_text("#include <sealmq/sealmq.h>\n#include <sealmq/async_client.h>\n")
        for compiler in COMPILERS:
            for macro in run(compiler, "-std=c++20", *flags("--cflags"), "-E", "-dM", source).splitlines():
                self.assertNotRegex(macro, r"#define (TRY|SEALMQ_\w+)\b")

    def test_options_are_named_in_braces_without_a_warning(self):
        source = FOLDER / "braces.cpp"
        source.write_text("""#include <sealmq/sealmq.h>
using namespace sealmq;
ConnectOptions connect() {
  return {.url = "mqtt://localhost", .scheme = "sl1"}; }
PublishOptions publish() {
  return {.qos = mqtt::QoS::at_least_once}; }
SubscribeOptions subscribe() {
  return {.qos = mqtt::QoS::at_least_once}; }
WillMessage will() {
  return {.topic = "x"}; }
MessageProperties properties() {
  return {.is_text = true}; }
SealerOptions sealer() {
  return {.scheme = "payload"}; }
TlsOptions tls() {
  return {.ca_file = "x"}; }
ReceivedMessage received() {
  return {.topic = "x"}; }
Unsealed unsealed() {
  return {.payload = "x"}; }
Error error() {
  return {.blame = Blame::environment}; }
""")
        for compiler in COMPILERS:
            run(compiler, *STRICT, *flags("--cflags"), "-fsyntax-only", source)

    def test_another_set_up_of_asio_is_an_error_that_says_what_to_do(self):
        source = FOLDER / "bare.cpp"
        source.write_text("#include <sealmq/async_client.h>\n")
        for compiler in COMPILERS:
            self.assertIn("pkg-config --cflags sealmq",
                          run(compiler, "-std=c++20", f"-I{PREFIX}/include", "-fsyntax-only", source, fails=True))

    # -- running

    def talk(self, programs, url):
        """Each program that subscribes hears each that publishes."""
        environment = {**os.environ, "BROKER": url}
        readers = {name: subprocess.Popen([programs / name, "demo/#"], stdout=subprocess.PIPE, text=True, env=environment)
                   for name in EXAMPLES if name.startswith("subscribe")}
        heard = {name: Lines(reader.stdout) for name, reader in readers.items()}
        # Before a subscription is granted nothing is heard, and nothing says when that is: so this is said until it is heard.
        for _ in range(40):
            run(programs / "publish_blocking", "demo/hello", "hello", env=environment)
            if all(lines.wait_for(lambda said: said, 0.5) for lines in heard.values()):
                break
        run(programs / "publish_awaitable", "demo/count", env=environment)
        for _ in range(10):
            run(programs / "publish_blocking", "demo/end", "end", env=environment)
        for name, lines in heard.items():
            self.assertTrue(lines.wait_for(lambda said: len(said) >= 10), (name, lines.all()))
            self.assertEqual([line for line in lines.all() if "count" in line], [f"demo/count {i}" for i in range(1, 6)], name)
        self.assertEqual(readers["subscribe_blocking"].wait(PATIENCE), 0)
        readers["subscribe_awaitable"].terminate()
        readers["subscribe_awaitable"].wait(PATIENCE)
        for reader in readers.values():
            reader.stdout.close()

    def test_the_examples_run(self):
        with Broker(configuration=PLAIN) as broker:
            for compiler in COMPILERS:
                for optimisation in ("", "-O2"):
                    with self.subTest(compiler=compiler, optimisation=optimisation):
                        programs = FOLDER / f"examples{pathlib.Path(compiler).name}{optimisation}"
                        run("cmake", "-S", SOURCE / "examples", "-B", programs, "-G", os.environ["GENERATOR"],
                            f"-DCMAKE_CXX_COMPILER={compiler}", f"-DCMAKE_CXX_FLAGS={optimisation} -Wall -Wextra -Werror {UNFOUNDED}",
                            f"-DCMAKE_PREFIX_PATH={PREFIX}", *(f"-DCMAKE_CXX_COMPILER_LAUNCHER={word}" for word in CACHE))
                        run("cmake", "--build", programs, "--target", *(f"example_{name}" for name in EXAMPLES))
                        self.talk(programs, broker.urls[0])

    def test_the_examples_in_the_headers_run(self):
        blocking = FOLDER / "blocking.cpp"
        blocking.write_text("#include <iostream>\n#include <sealmq/client.h>\nstd::string run() {\n" +
                            code_in_comment("client.h").replace("mqtt://localhost", "mqtt://localhost:1883") +
                            "\nreturn {};\n}\nint main() { std::cerr << run(); }\n")
        awaitable = FOLDER / "awaitable.cpp"
        awaitable.write_text("#include <boost/asio/co_spawn.hpp>\n#include <boost/asio/io_context.hpp>\n#include <iostream>\n"
                             "#include <sealmq/async_client.h>\n" + code_in_comment("async_client.h") + """
int main() {
  boost::asio::io_context loop;
  boost::asio::co_spawn(loop, run(), [](std::exception_ptr, sealmq::Result<> result) {
    if (!result) std::cerr << result.error().what;
  });
  loop.run();
}
""")
        with Broker(configuration=PLAIN) as broker:
            for source in (blocking, awaitable):
                # The address alone is another one, so that other tests may run beside this one.
                source.write_text(re.sub("mqtt://localhost(:1883)?", broker.urls[0], source.read_text()))
            made = [(source, compiler, optimisation, FOLDER / f"header{source.stem}{pathlib.Path(compiler).name}{optimisation}")
                    for source in (blocking, awaitable) for compiler in COMPILERS for optimisation in ("-O0", "-O1", "-O2")]
            with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as workers:
                for _ in workers.map(lambda one: compile_with_pkg_config(one[1], one[0], one[3], one[2]), made):
                    pass
            for source, compiler, optimisation, program in made:
                with self.subTest(source=source.name, compiler=compiler, optimisation=optimisation):
                    self.hears(program, broker.urls[0])

    def hears(self, program, url):
        """It publishes before it subscribes, so what it hears is said by somebody else."""
        reader = subprocess.Popen([program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        heard = Lines(reader.stdout)
        port = url.rsplit(":", 1)[1]
        for _ in range(40):
            run(os.environ["SEALMQ"], "pub", "-p", port, "-t", "plant/boiler-7/pressure", "-m", "4.3", "-q", "1")
            if heard.wait_for(lambda said: said, 0.5):
                break
        self.assertIsNone(reader.poll(), "it ended")
        reader.kill()
        _, complaints = reader.communicate()
        self.assertEqual((heard.all()[:1], complaints), (["4.3"], ""))


if __name__ == "__main__":
    unittest.main(verbosity=2)
