"""Attacks on files: read, list, write, change, and ask about them. All on a folder open to every uid."""

from __future__ import annotations

from attack_types import attacks

ATTACKS = [
    *attacks(
        "seccomp landlock",
        {
            "open a file": "return open('/etc/passwd').read()",
            "os.open": "return os.open('/etc/passwd', os.O_RDONLY) >= 0",
            "open by number": "return libc.syscall(2, b'/etc/passwd', 0) >= 0",
            "openat by number": "return libc.syscall(257, -100, b'/etc/passwd', 0) >= 0",
            "openat2 by number": "return libc.syscall(437, -100, b'/etc/passwd', (ctypes.c_ulong * 3)(), 24) >= 0",
            "creat by number": "return libc.open(b'{tmp}/created', 0o101, 0o600) >= 0",
            "fopen": "libc.fopen.restype = ctypes.c_void_p; return libc.fopen(b'/etc/passwd', b'r')",
            "read its own memory map": "return open('/proc/self/maps').read()",
            "read its own memory file": "return open('/proc/self/mem', 'rb')",
            "read the kernel's version": "return open('/proc/version').read()",
            "read the parent's command line": "return open('/proc/{pid}/cmdline', 'rb').read()",
            "read the parent's status": "return open('/proc/{pid}/status').read()",
            "list processes": "return os.listdir('/proc')",
            "list a folder": "return os.listdir('/')",
            "walk a folder": "return [e.name for e in os.scandir('/etc')]",
            "read the sandbox's own text": "return open(sys.modules['sandbox.child'].__file__).read()",
            "write a file": "return os.open('{tmp}/written', os.O_WRONLY | os.O_CREAT) >= 0",
            "append to a file": "return os.open('{tmp}/victim', os.O_WRONLY | os.O_APPEND) >= 0",
            "truncate an open file": "return os.open('{tmp}/victim', os.O_WRONLY | os.O_TRUNC) >= 0",
            "a file without a name": "return os.open('{tmp}', os.O_RDWR | os.O_TMPFILE) >= 0",
            "a file in /dev/shm": "return os.open('/dev/shm/{unix}', os.O_RDWR | os.O_CREAT) >= 0",
            "the null device": "return open('/dev/null', 'wb').write(b'x')",
            "make a folder": "os.mkdir('{tmp}/made'); return True",
            "remove a folder": "os.rmdir('{tmp}/empty'); return True",
            "delete a file": "os.unlink('{tmp}/doomed'); return True",
            "rename a file": "os.rename('{tmp}/old', '{tmp}/new'); return True",
            "symlink": "os.symlink('/etc/passwd', '{tmp}/symlink'); return True",
            "make a fifo": "os.mkfifo('{tmp}/fifo'); return True",
            "import from the disk": "use('this_is_not_there') if use('sqlite3') is None else None; return True",
            "tempfile": "return use('tempfile').mkstemp(dir='{tmp}')",
            "shelve by dbm": "return use('io').FileIO('{tmp}/io', 'w')",
            "unpickle a file opener": "return use('pickle').loads(b\"cbuiltins\\nopen\\n(S'/etc/passwd'\\ntR.\")",
            "exec of a text": "g = {}; real.exec('x = open(\"/etc/passwd\").read()', {'open': open}, g); return g['x']",
        },
    ),
    *attacks(
        "seccomp",
        {
            "stat": "return os.stat('/etc/passwd').st_size",
            "lstat": "return os.lstat('/etc').st_mode",
            "access": "return os.access('/etc/passwd', os.R_OK)",
            "statx by number": "return libc.syscall(332, -100, b'/etc/passwd', 0, 0xfff, (ctypes.c_char * 256)()) == 0",
            "readlink": "return os.readlink('/proc/self/exe')",
            "change folder": "os.chdir('/etc'); return True",
            "working folder": "return os.getcwd()",
            "an open file's attributes": "return os.fstat(2).st_mode",
            "an open file's flags": "return use('fcntl').fcntl(2, 3) >= 0",
            "duplicate a pipe": "return os.dup(1) > 2",
            "make a pipe": "return os.pipe()",
            "anonymous file": "return os.memfd_create('x') >= 0",
            "write to stderr": "return os.write(2, b'x') == 1",
            "write by writev": "return os.writev(2, [b'x']) == 1",
            "poll": "return libc.poll(0, 0, 0) == 0",
        },
    ),
    *attacks(
        "seccomp uid",
        {
            "change a mode": "os.chmod('{tmp}/victim', 0o777); return True",
            "read a private file": "return open('{tmp}/private').read()",
            "read the parent's environment": "return open('/proc/{pid}/environ', 'rb').read() is not None",
            "list the parent's open files": "return os.listdir('/proc/{pid}/fd')",
            "open the parent's memory": "return open('/proc/{pid}/mem', 'rb')",
            "where the parent works": "return os.readlink('/proc/{pid}/cwd')",
            "open the parent's descriptor": "return os.open('/proc/{pid}/fd/0', os.O_RDONLY) >= 0",
        },
    ),
    *attacks(
        "seccomp uid",
        {
            "change an owner": "os.chown('{tmp}/victim', 1, 1); return True",
            "change times": "os.utime('{tmp}/victim', (1, 1)); return True",
        },
        kills=True,
    ),
    *attacks(
        "seccomp landlock",
        {
            "hard link": "os.link('{tmp}/victim', '{tmp}/hard'); return True",
            "cut a file by its name": "os.truncate('{tmp}/victim', 0); return True",
        },
        kills=True,
    ),
    *attacks(
        "seccomp",
        {
            "extended attributes": "return os.listxattr('{tmp}/victim') == []",
            "watch files": "return libc.inotify_init() >= 0",
            "file system statistics": "return os.statvfs('/').f_bsize",
            "file handle": (
                "h = (ctypes.c_uint * 40)(128); m = ctypes.c_int(); at = ctypes.byref(m)\n"
                "return libc.name_to_handle_at(-100, b'/etc/passwd', h, at, 0) == 0 or ctypes.get_errno() == 95"
            ),
            "change the mask": "return os.umask(0o22) >= 0",
            "event descriptor": "return libc.eventfd(0, 0) >= 0",
            "epoll": "return libc.epoll_create1(0) >= 0",
            "flush the disks": "return libc.syscall(306, 2) == 0",
        },
        kills=True,
    ),
    *attacks(
        "seccomp capabilities",
        {"change the root": "os.chroot('{tmp}'); return True"},
        alone=True,
    ),
]
