#!/usr/bin/env python3
"""Holds the tree to its layers: an #include goes left only, and what may not be named somewhere is not.

  base <- crypto, mqtt <- net, registry <- broker, keystore, schemes <- authority <- client, server <- cli

Prints each violation as file:line: text; exit 1 if there is any.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

# Which folders of src/ a layer may include; the public headers may be included by all.
MAY_INCLUDE = {
    "base": {"base"},
    "crypto": {"base", "crypto"},
    "mqtt": {"base", "mqtt"},
    "net": {"base", "crypto", "net"},
    "registry": {"base", "crypto", "registry"},
    "keystore": {"base", "crypto", "registry", "keystore"},
    "authority": {"base", "crypto", "registry", "keystore", "authority"},
    "broker": {"base", "crypto", "mqtt", "registry", "broker"},
    "schemes": {"base", "crypto", "mqtt", "registry", "keystore", "schemes"},
    "client": {"base", "crypto", "mqtt", "registry", "keystore", "net", "client"},
    "server": {"base", "crypto", "mqtt", "registry", "keystore", "authority", "broker", "net", "server"},
    "cli": {"base", "crypto", "mqtt", "registry", "keystore", "authority", "broker", "net", "schemes", "client", "server", "cli"},
}
SANS_IO = re.compile(r"#include <(boost/|sys/socket|sys/epoll|thread|mutex|fstream|sqlite3|openssl/)|system_clock::now|steady_clock::now")
TLS = re.compile(r"src/net/(tls_\w+\.(h|cpp)|websocket_upgrade\.cpp)")  # the one named exception; WebSocket wants a SHA-1
UNKEYED = re.compile(r"std::hash<std::string|unordered_(map|set)<std::string(?!.*TextHash)")
INCLUDE = re.compile(r'#include "([a-z_]+)/')


def layer_of(path):
    parts = path.relative_to(ROOT).parts
    return parts[1] if parts[0] == "src" else parts[0]


def main():
    schemes = [d.name for d in (ROOT / "schemes").iterdir() if d.is_dir() and d.name != "plain"]
    scheme_name = re.compile(r'"(%s)(@paper)?"|\b(%s)::' % ("|".join(schemes), "|".join(schemes)))
    found = []
    files = [f for d in ("src", "schemes") for f in (ROOT / d).rglob("*") if f.suffix in (".h", ".cpp")]
    for path in sorted(files):
        layer = layer_of(path)
        for number, line in enumerate(path.read_text().splitlines(), 1):
            where = "%s:%d: " % (path.relative_to(ROOT), number)
            include = INCLUDE.match(line)
            if include and include[1] != "sealmq" and include[1] not in MAY_INCLUDE[layer]:
                found.append(where + "%s may not include %s" % (layer, include[1]))
            if layer in ("mqtt", "broker", "schemes") and SANS_IO.search(line):
                found.append(where + "a sans-IO layer reaches outside: " + line.strip())
            if "<openssl/" in line and layer != "crypto" and not TLS.fullmatch(str(path.relative_to(ROOT))):
                found.append(where + "only crypto/ sees the crypto library")
            if UNKEYED.search(line) and path.name != "keyed_hash.h":
                found.append(where + "a table of texts that others may choose (base/keyed_hash.h): " + line.strip())
            if layer not in ("schemes", "cli") and scheme_name.search(line.split("//")[0]):
                found.append(where + "a scheme's name outside its folder: " + line.strip())
    print("\n".join(found) or "%d files, no violation" % len(files))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
