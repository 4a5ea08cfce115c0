#!/usr/bin/python3 -B
"""with_card_reader.py COMMAND...: runs COMMAND where there is a smart card reader that nobody else sees.

pcscd's socket has one fixed place, and the virtual reader of vsmartcard-vpcd listens on all addresses; so both live in namespaces of
their own, which end with COMMAND. Nothing here needs systemd, or a pcscd that runs already. Ends with COMMAND's exit code.
"""
import os
import shutil
import subprocess
import sys
import time

import own_network

PATIENCE = 30  # seconds
READER_PORT = 35963


def answers(pcscd):
    """Whether pcscd and its reader have begun."""
    if pcscd.poll() is not None:
        sys.exit("pcscd ended")
    if not os.path.exists("/run/pcscd/pcscd.comm"):
        return False
    with open("/proc/net/tcp") as listening:
        return any(f":{READER_PORT:04X} " in line for line in listening)


def inside(command):
    own_network.bring_loopback_up()
    os.environ["IN_OWN_NETWORK"] = "yes"
    os.makedirs("/run/pcscd", exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run/pcscd"], check=True)
    # Newer ones ask polkit who may use a reader, which answers nobody in here.
    help_text = subprocess.run(["pcscd", "--help"], capture_output=True, text=True).stdout
    alone = ["--disable-polkit"] if "--disable-polkit" in help_text else []
    pcscd = subprocess.Popen(["pcscd", "--foreground", *alone], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + PATIENCE
        while not answers(pcscd):
            if time.monotonic() > deadline:
                sys.exit("pcscd does not begin")
            time.sleep(0.02)
        return subprocess.run(command).returncode
    finally:
        pcscd.terminate()
        pcscd.wait(PATIENCE)
        subprocess.run(["umount", "--lazy", "/run/pcscd"], check=True)  # where others might see it, it goes too


def main():
    if sys.argv[1] == "--inside":
        sys.exit(inside(sys.argv[2:]))
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    for program in ("unshare", "mount", "pcscd"):
        if shutil.which(program) is None:
            sys.exit(f"{program} is missing: install the test dependencies (./dev does)")
    as_root = [] if os.geteuid() == 0 else ["--map-root-user"]
    unshare = ["unshare", *as_root, "--mount", "--net"]
    # A changed root (chroot) is no mount point, so nothing can be said about its mounts.
    if subprocess.run([*unshare, "true"], stderr=subprocess.DEVNULL).returncode != 0:
        unshare += ["--propagation", "unchanged"]
    os.execvp("unshare", [*unshare, sys.executable, "-B", os.path.abspath(__file__), "--inside", *sys.argv[1:]])


main()
