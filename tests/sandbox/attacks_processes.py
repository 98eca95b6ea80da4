"""Attacks on processes: make them, signal them, read them, change what they are. Threads, too."""

from __future__ import annotations

from attack_types import attacks

_CHILD = "\nif pid == 0: os._exit(0)\nreturn pid > 0"

ATTACKS = [
    *attacks(
        "seccomp",
        {
            "fork": "pid = os.fork()" + _CHILD,
            "fork by number": "pid = libc.syscall(57)" + _CHILD,
            "clone by number": "pid = libc.syscall(56, 17, 0, 0, 0, 0)" + _CHILD,
            "clone3 by number": "a = (ctypes.c_ulong * 8)(); a[4] = 17\npid = libc.syscall(435, a, 64)" + _CHILD,
            "pseudo terminal": "pid, fd = use('pty').fork()\nif pid == 0: os._exit(0)\nreturn pid > 0",
            "spawn": "return os.posix_spawn('/bin/true', ['true'], {}) > 0",
            "system": "return os.system('true') == 0",
            "libc's system": "return libc.system(b'true') == 0",
            "popen": "return os.popen('echo x').read() == 'x\\n'",
            "subprocess": "return use('subprocess').run(['true']).returncode == 0",
            "multiprocessing": (
                "c = use('multiprocessing').get_context('fork'); p = c.Process(target=int); p.start(); p.join()\n"
                "return p.exitcode == 0"
            ),
            "thread": "use('_thread').start_new_thread(int, ()); return True",
            "threading": "t = use('threading').Thread(target=int); t.start(); t.join(); return True",
            "pool of threads": (
                "f = use('concurrent.futures').futures.ThreadPoolExecutor(1); return f.submit(int).result() == 0"
            ),
            "timer thread": "t = use('threading').Timer(0, int); t.start(); t.join(); return True",
            "pthread_create": (
                "t = ctypes.c_ulong(); f = ctypes.cast(libc.getpid, ctypes.c_void_p)\n"
                "return libc.pthread_create(ctypes.byref(t), None, f, None) == 0"
            ),
            "who am I": "return os.getpid()",
            "who started me": "return os.getppid() > 0",
            "whose user": "return os.getuid() >= 0",
            "process group": "os.setpgid(0, 0) if os.getpid() != os.getsid(0) else None; return True",
            "resource limits": "return use('resource').getrlimit(0)",
            "processors": "return os.sched_getaffinity(0)",
            "signal handler": "s = use('signal'); s.signal(s.SIGUSR1, s.SIG_IGN); return True",
            "blocked signals": "s = use('signal'); s.pthread_sigmask(s.SIG_BLOCK, [s.SIGUSR2]); return True",
            "signal itself": "os.kill(os.getpid(), 0); return True",
        },
    ),
    *attacks(
        "seccomp uid landlock",
        {
            "signal the parent": "os.kill({pid}, 0); return True",
            "signal the parent by number": "return libc.syscall(62, {pid}, 0) == 0",
            "signal the parent's thread": "return libc.syscall(234, {pid}, {pid}, 0) == 0",
            "signal the parent's thread, older call": "return libc.syscall(200, {pid}, 0) == 0",
        },
    ),
    *attacks(
        "seccomp uid",
        {
            "read the parent's memory": (
                "b = (ctypes.c_char * 8)(); io = (ctypes.c_ulong * 2)(ctypes.addressof(b), 8)\n"
                "at = (ctypes.c_ulong * 2)({address}, 8)\n"
                "return libc.process_vm_readv({pid}, io, 1, at, 1, 0) == 8"
            ),
            "write the parent's memory": (
                "b = (ctypes.c_char * 8)(); io = (ctypes.c_ulong * 2)(ctypes.addressof(b), 8)\n"
                "at = (ctypes.c_ulong * 2)({address}, 8)\n"
                "return libc.process_vm_writev({pid}, io, 1, at, 1, 0) == 8"
            ),
            "read another trial's memory": (
                "b = (ctypes.c_char * 8)(); io = (ctypes.c_ulong * 2)(ctypes.addressof(b), 8)\n"
                "t = open('/proc/{other}/maps').readline().split('-')[0]\n"
                "at = (ctypes.c_ulong * 2)(int(t, 16), 8)\n"
                "return libc.process_vm_readv({other}, io, 1, at, 1, 0) == 8"
            ),
            "open another trial's memory": "return open('/proc/{other}/mem', 'rb')",
            "read another trial's environment": "return open('/proc/{other}/environ', 'rb').read() is not None",
            "another trial's open files": "return os.listdir('/proc/{other}/fd')",
            "another trial's pipe": "return os.open('/proc/{other}/fd/1', os.O_WRONLY) >= 0",
            "change the parent's limits": "return use('resource').prlimit({pid}, 4, (0, -1)) is not None",
        },
    ),
    *attacks(
        "seccomp uid landlock",
        {"signal another trial": "os.kill({other}, 0); return True"},
    ),
    *attacks(
        "seccomp uid",
        {
            "trace the parent": ("r = libc.ptrace(0x4206, {pid}, 0, 0)\nlibc.ptrace(17, {pid}, 0, 0)\nreturn r == 0"),
            "trace another trial": (
                "r = libc.ptrace(0x4206, {other}, 0, 0)\nlibc.ptrace(17, {other}, 0, 0)\nreturn r == 0"
            ),
        },
        alone=True,
    ),
    *attacks(
        "seccomp",
        {
            "the parent by descriptor": "return libc.syscall(434, {pid}, 0) >= 0",
            "be traced": "return libc.ptrace(0, 0, 0, 0) == 0",
            "become dumpable": "return libc.prctl(4, 1, 0, 0, 0) == 0",
            "a new session": "return os.setsid() > 0 or True if os.getpid() != os.getsid(0) else True",
        },
        alone=True,
    ),
    *attacks(
        "seccomp uid",
        {
            "take the parent's descriptor": "p = libc.syscall(434, {pid}, 0); return libc.syscall(438, p, 0, 0) >= 0",
            "compare with the parent": "return libc.syscall(312, {pid}, {pid}, 2, 0, 0) >= 0",
            "slow the parent down": "os.setpriority(os.PRIO_PROCESS, {pid}, 0); return True",
            "pin the parent": "os.sched_setaffinity({pid}, os.sched_getaffinity({pid})); return True",
            "become root": "os.setuid(0); return True",
            "join the parent's namespace": (
                "fd = os.open('/proc/{pid}/ns/net', 0); return libc.setns(fd, 0x40000000) == 0"
            ),
        },
        alone=True,
    ),
    *attacks(
        "seccomp capabilities uid",
        {
            "a new mount namespace": "return libc.unshare(0x20000) == 0",
            "mount": "os.mkdir('{tmp}/mount'); return libc.mount(b'x', b'{tmp}/mount', b'tmpfs', 0, 0) == 0",
            "join no groups": "os.setgroups([1]); return True",
            "name the machine": "n = os.uname().nodename.encode(); return libc.sethostname(n, len(n)) == 0",
            "raise priority": "os.setpriority(os.PRIO_PROCESS, 0, -1); return True",
            "lock the accounting": "return libc.acct(b'{tmp}/nothing') == -1 and ctypes.get_errno() in (2, 38)",
        },
        alone=True,
    ),
    *attacks(
        "seccomp",
        {
            "a new user namespace": "return libc.unshare(0x10000000) == 0",
            "a second filter": "return libc.syscall(317, 2, 0, (ctypes.c_uint * 1)(0x7fff0000)) == 0",
            "be nice": "return os.nice(1) is not None",
        },
        alone=True,
    ),
    *attacks(
        "seccomp",
        {
            "another personality": "return libc.personality(0xffffffff) >= 0",
            "landlock's version": "return libc.syscall(444, 0, 0, 1) >= 0",
            "key ring": "return libc.syscall(250, 0, -3, 1) > 0 or ctypes.get_errno() == 38",
            "a key": "return libc.syscall(248, b'user', b'x', b'y', 1, -2) > 0 or ctypes.get_errno() == 38",
            "disk priority": "return libc.syscall(251, 1, 0, 0x4007) == 0",
            "wait for children": "return libc.wait4(-1, 0, 1, 0) >= 0 or ctypes.get_errno() == 10",
            "x32 system call": "return libc.syscall(0x40000000 + 39) > 0 or ctypes.get_errno() == 38",
            "a number that no kernel knows": "return libc.syscall(9999) == -1 and ctypes.get_errno() == 38",
        },
        kills=True,
    ),
]
