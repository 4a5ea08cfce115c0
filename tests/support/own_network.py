"""A network of one's own: a process that enters it has every port of the loopback interface to itself."""
import ctypes
import fcntl
import os
import socket
import struct

NEW_USERS, NEW_NETWORK = 0x10000000, 0x40000000  # CLONE_NEWUSER, CLONE_NEWNET


def enter():
    """Moves this process and what it starts into a network of their own. False where the machine does not allow that."""
    if is_entered():
        return True
    user, group = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(NEW_NETWORK if user == 0 else NEW_USERS | NEW_NETWORK) != 0:
        return False
    if user != 0:
        for name, text in ("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1"):
            with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
                file.write(text)
    bring_loopback_up()
    os.environ["IN_OWN_NETWORK"] = "yes"
    return True


def is_entered():
    return "IN_OWN_NETWORK" in os.environ


def bring_loopback_up():
    get_flags, set_flags, up = 0x8913, 0x8914, 1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sH14x", b"lo", 0)
        flags, = struct.unpack("16xH14x", fcntl.ioctl(any_socket, get_flags, request))
        fcntl.ioctl(any_socket, set_flags, struct.pack("16sH14x", b"lo", flags | up))
