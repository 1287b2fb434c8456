"""csgi.h in ctypes: first declare the structures.

Every structure has the fields of its C original, in the same order and of the same sizes; the
assertions at the end say what the header says.
"""

import ctypes as c

ABI_MAJOR, ABI_MINOR = 1, 0
MAGIC = 0x49475343  # the bytes "CSGI"

ERROR, OK, END, PENDING, LATE = 0, 1, -1, -2, -3
THREADSAFE, NONBLOCKING, STREAM_INPUT, SHARED_LOCK = 1, 2, 4, 8
MUST_UNDERSTAND = 0xFFFF0000  # flags that a host must refuse if it does not know them
LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG = 1, 2, 3, 4


class Str(c.Structure):
    """Bytes with a length. The pointer is a void pointer, so that ctypes does not look for a NUL."""

    _fields_ = [("ptr", c.c_void_p), ("len", c.c_size_t)]

    def __bytes__(self):
        return c.string_at(self.ptr, self.len) if self.len else b""


class Header(c.Structure):
    _fields_ = [("name", Str), ("value", Str)]


class Manifest(c.Structure):
    _fields_ = [
        ("magic", c.c_uint32), ("abi_major", c.c_uint16), ("abi_minor", c.c_uint16),
        ("need_minor", c.c_uint16), ("size", c.c_uint16), ("flags", c.c_uint32),
        ("name", c.c_char * 32), ("version", c.c_char * 16),
    ]


# A function type first names what the function returns, then its arguments. Structures that only
# travel as addresses are void pointers here.
NEXT = c.CFUNCTYPE(c.c_int32, c.c_void_p, c.POINTER(Str), c.c_int32)
CLOSE = c.CFUNCTYPE(None, c.c_void_p)


class Body(c.Structure):
    _fields_ = [("size", c.c_uint32), ("reserved", c.c_uint32), ("next", NEXT), ("close", CLOSE)]


START = c.CFUNCTYPE(c.c_int32, c.c_void_p, c.c_char_p, c.POINTER(Header), c.c_size_t)
READ = c.CFUNCTYPE(c.c_int64, c.c_void_p, c.c_void_p, c.c_size_t)
RELEASE = c.CFUNCTYPE(None, c.c_void_p)
BYTES = c.CFUNCTYPE(c.c_void_p, c.c_void_p, c.c_void_p, c.c_size_t, c.c_void_p, c.c_void_p)
FILE = c.CFUNCTYPE(c.c_void_p, c.c_void_p, c.c_int, c.c_int64, c.c_int64)
WAKE = c.CFUNCTYPE(None, c.c_void_p, c.c_uint64)
LOG = c.CFUNCTYPE(None, c.c_void_p, c.c_uint64, c.c_int32, c.c_void_p, c.c_size_t)
EXTENSION = c.CFUNCTYPE(c.c_void_p, c.c_void_p, c.c_char_p)
WAKE_AFTER = c.CFUNCTYPE(None, c.c_void_p, c.c_uint64, c.c_uint32)


class Host(c.Structure):
    _fields_ = [
        ("size", c.c_uint32), ("abi_major", c.c_uint16), ("abi_minor", c.c_uint16),
        ("name", Str), ("config", Str),
        ("read", READ), ("bytes", BYTES), ("file", FILE),
        ("wake", WAKE), ("log", LOG), ("extension", EXTENSION),
    ]


class Env(c.Structure):
    _fields_ = [
        ("size", c.c_uint32), ("http_version", c.c_uint16), ("flags", c.c_uint16),
        ("id", c.c_uint64), ("host", c.POINTER(Host)),
        ("method", Str), ("scheme", Str), ("authority", Str), ("mount", Str), ("path", Str),
        ("query", Str), ("target", Str), ("remote", Str), ("local", Str),
        ("headers", c.POINTER(Header)), ("header_count", c.c_size_t),
        ("content_length", c.c_int64),
        ("variables", c.POINTER(Header)), ("variable_count", c.c_size_t),
    ]


class Timer1(c.Structure):
    """The table of csgi.timer/1."""

    _fields_ = [("wake_after", WAKE_AFTER)]


SIZES = [(Str, 16), (Header, 32), (Manifest, 64), (Body, 24), (Host, 88), (Env, 208), (Timer1, 8)]
assert [c.sizeof(kind) for kind, _ in SIZES] == [size for _, size in SIZES]
assert (Body.next.offset, Host.read.offset, Env.id.offset) == (8, 40, 8)
assert (Env.method.offset, Env.headers.offset, Env.content_length.offset) == (24, 168, 184)
