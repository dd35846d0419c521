/**
 * What stands before a command so that some of its system calls fail, in it and in all that it starts, as they would on a file system that knows no links, no
 * locks or no shared memory. The kernel does it (seccomp): the command has no switch for it. Linux on x64 and arm64; needs python3, and no rights.
 */
export type Failing =
  /** link(2) and linkat(2): EPERM */
  | "link"
  /** mmap(2) of files that is shared: ENODEV */
  | "shared-memory"
  /** fcntl(2) that sets a lock: ENOTSUP */
  | "lock"
  /** fcntl(2) that sets a lock: ENOLCK, which SQLite takes for a lock of somebody else */
  | "lock-service"
  /** fcntl(2) that sets a lock seems to set one */
  | "lock-lies"
  /** write(2) and its like to files: EDQUOT. Words on stdout and stderr, and what wakes another thread (8 bytes), are not kept from anybody */
  | "quota";

export function withFailing(...calls: readonly Failing[]): string[] {
  return ["python3", "-c", PROGRAM, calls.join(",")];
}

const PROGRAM = `
import ctypes, os, platform, struct, sys
x64 = platform.machine() == "x86_64"
number = dict(link=86, linkat=265, mmap=9, fcntl=72, write=1, pwrite64=18, writev=20, pwritev=296, sendfile=40, copy_file_range=326, fallocate=285) if x64 else dict(linkat=37, mmap=222, fcntl=25, write=64, pwrite64=68, writev=66, pwritev=70, sendfile=71, copy_file_range=285, fallocate=47)
arch = 0xC000003E if x64 else 0xC00000B7
LOAD, EQ, LEAST, SET, RET, ALLOW, ERRNO = 0x20, 0x15, 0x35, 0x45, 0x06, 0x7FFF0000, 0x00050000
def argument(n): return 16 + 8 * n
def fails(call, errno, *tests):
    # each test: (argument, kind, value, whether it must hold)
    steps = [(EQ, number[call], True)]
    code = [(LOAD, 0, 0, 0), (EQ, 0, None, number[call])]
    for n, kind, value, must in tests:
        code += [(LOAD, 0, 0, argument(n)), (kind, 0, None, value) if must else (kind, None, 0, value)]
    code.append((RET, 0, 0, ERRNO | errno))
    return [(op, len(code) - i - 1 if jt is None else jt, len(code) - i - 1 if jf is None else jf, k) for i, (op, jt, jf, k) in enumerate(code)]
program = [(LOAD, 0, 0, 4), (EQ, 1, 0, arch), (RET, 0, 0, ALLOW)]
for what in sys.argv[1].split(","):
    if what == "link":
        for call in ("link", "linkat"):
            if call in number: program += fails(call, 1)
    if what == "shared-memory":
        program += fails("mmap", 19, (3, SET, 1, True), (3, SET, 0x20, False), (3, SET, 2, False))
    if what == "quota":
        program += fails("write", 122, (0, LEAST, 3, True), (2, LEAST, 9, True))
        program += fails("writev", 122, (0, LEAST, 3, True))
        for call in ("pwrite64", "pwritev", "sendfile", "copy_file_range", "fallocate"): program += fails(call, 122)
    for name, errno in (("lock", 95), ("lock-service", 37), ("lock-lies", 0)):
        if what == name:
            for command in (6, 7): program += fails("fcntl", errno, (1, EQ, command, True))
program.append((RET, 0, 0, ALLOW))
packed = b"".join(struct.pack("HBBI", *one) for one in program)
libc = ctypes.CDLL(None, use_errno=True)
buffer = ctypes.create_string_buffer(packed)
filter = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program), ctypes.addressof(buffer)))
if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, ctypes.byref(filter), 0, 0): sys.exit("seccomp: " + os.strerror(ctypes.get_errno()))
os.execvp(sys.argv[2], sys.argv[2:])
`;
