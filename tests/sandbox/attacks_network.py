"""Attacks on the network, and on the sockets of this machine."""

from __future__ import annotations

from attack_types import attacks

_TCP = "a = bytes([2, 0, {port} >> 8, {port} & 255, 127, 0, 0, 1]) + bytes(8)\n"

ATTACKS = [
    *attacks(
        "seccomp",
        {
            "internet socket": "return libc.socket(2, 1, 0) >= 0",
            "internet socket, version 6": "return libc.socket(10, 1, 0) >= 0 or ctypes.get_errno() == 97",
            "datagram socket": "return libc.socket(2, 2, 0) >= 0",
            "unix socket": "return libc.socket(1, 1, 0) >= 0",
            "kernel socket": "return libc.socket(16, 3, 0) >= 0",
            "pair of sockets": "a = (ctypes.c_int * 2)(); return libc.socketpair(1, 1, 0, a) == 0",
            "socket by number": "return libc.syscall(41, 2, 1, 0) >= 0",
            "the socket module": "return use('socket').socket()",
            "the socket module's pair": "return use('socket').socketpair()",
            "the selectors module": "return use('select').select([], [], [], 0) == ([], [], [])",
            "asyncio": "loop = use('asyncio').new_event_loop(); loop.close(); return True",
            "machine's name": "return os.uname().nodename",
        },
    ),
    *attacks(
        "seccomp namespaces landlock",
        {
            "connect to a port": _TCP + "return libc.connect(libc.socket(2, 1, 0), a, 16) == 0",
            "connect by the socket module": "return use('socket').create_connection(('127.0.0.1', {port}), 1)",
            "connect and speak": (
                "s = use('socket').create_connection(('127.0.0.1', {port}), 1); return s.send(b'hello') == 5"
            ),
            "fetch by http": (
                "c = use('http.client').client.HTTPConnection('127.0.0.1', {port}, timeout=1); c.connect(); return True"
            ),
            "connect without waiting": (
                "s = use('socket').socket(); s.setblocking(False)\n"
                "return s.connect_ex(('127.0.0.1', {port})) in (0, 115)"
            ),
        },
    ),
    *attacks(
        "seccomp namespaces",
        {
            "send a datagram": "return use('socket').socket(2, 2).sendto(b'x', ('127.0.0.1', {udp})) == 1",
            "connected datagrams": (
                "s = use('socket').socket(2, 2); s.connect(('127.0.0.1', {udp})); return s.send(b'x') == 1"
            ),
            "broadcast": (
                "s = use('socket').socket(2, 2); s.setsockopt(1, 6, 1)\n"
                "return s.sendto(b'x', ('127.255.255.255', {udp}))"
            ),
            "ask for routes": "return use('socket').socket(2, 2).connect_ex(('127.0.0.1', 9)) == 0",
        },
    ),
    *attacks(
        "seccomp namespaces landlock",
        {
            "the trainer's abstract socket": "s = use('socket').socket(1, 1); s.connect('\\0{unix}'); return True",
        },
    ),
    *attacks(
        "seccomp landlock",
        {
            "bind a fixed port": "s = use('socket').socket(); s.bind(('127.0.0.1', {free})); return True",
        },
    ),
    *attacks(
        "seccomp capabilities uid",
        {
            "raw socket": "return libc.socket(2, 3, 1) >= 0",
            "packet socket": "return libc.socket(17, 3, 0) >= 0",
        },
    ),
    *attacks(
        "seccomp",
        {
            "ring of requests": "return libc.syscall(425, 4, (ctypes.c_char * 256)()) >= 0",
            "asynchronous requests": "c = ctypes.c_ulong(); return libc.syscall(206, 4, ctypes.byref(c)) == 0",
        },
        kills=True,
    ),
]
