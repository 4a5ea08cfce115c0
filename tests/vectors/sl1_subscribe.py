#!/usr/bin/env python3
"""The hardened SL1_1, bound to its connection, computed from its specification and from nothing of the C++ code.

usage: sl1_subscribe.py --write FILE     writes the vectors
       sl1_subscribe.py --check FILE     exit status 0 if FILE holds exactly what this script computes

Keys, time and chance are those of sl3_hardened.py. The C++ tests make the same frames and take these.
"""
import json
import sys

from sl3_hardened import FILTER, TIME, lp16, sha256, subscriber, u64, write_or_check

CONNECTIONS = {'with_tls': (b'desk:1', sha256(b'exporter of this connection')), 'without_tls': (b'desk:1', b''),
               'without_name': (b'', b'')}


def frame(number, client_id, binding):
    signature = subscriber.sign(0x11, FILTER, lp16(client_id) + lp16(binding), TIME, number)
    return bytes([2, 0x11, 1]) + lp16(FILTER) + subscriber.id + u64(TIME) + u64(number) + signature


def vectors():
    made = {}
    for number, (name, (client_id, binding)) in enumerate(CONNECTIONS.items(), 1):
        made[name] = {'client_id': client_id.decode(), 'channel_binding': binding.hex(), 'sequence': number,
                      'frame': frame(number, client_id, binding).hex()}
    return json.dumps(made, indent=1) + '\n'


if __name__ == '__main__':
    sys.exit(write_or_check(sys.argv[1:], __doc__, vectors()))
