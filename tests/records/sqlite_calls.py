"""SQLite's file operations as audit events, which Python's own hooks do not see: `annotune.sqlite.write` and others.

SQLite asks the system through a table of functions that can be replaced, which is how its own tests fill disks
(sqlite.org, Anomaly testing; `xSetSystemCall`). An OSError that a hook raises is what the system says then.
"""

import ctypes
import os
import sys
from ctypes import POINTER, Structure, c_char_p, c_int, c_int64, c_long, c_size_t, c_void_p

CALLS = {  # what each gives, and takes
    "open": (c_int, c_char_p, c_int, c_int),
    "write": (c_long, c_int, c_void_p, c_size_t),
    "pwrite": (c_long, c_int, c_void_p, c_size_t, c_long),
    "pwrite64": (c_long, c_int, c_void_p, c_size_t, c_int64),
    "ftruncate": (c_int, c_int, c_int64),
    "unlink": (c_int, c_char_p),
}
EVENTS = {"pwrite": "write", "pwrite64": "write"}
METHODS = 13  # between an SQLite file system's name and its system calls: from xOpen to xCurrentTimeInt64


class _Vfs(Structure):
    pass


_SET = ctypes.CFUNCTYPE(c_int, POINTER(_Vfs), c_char_p, c_void_p)
_GET = ctypes.CFUNCTYPE(c_void_p, POINTER(_Vfs), c_char_p)
_Vfs._fields_ = [
    *((name, c_int) for name in ("iVersion", "szOsFile", "mxPathname")),
    ("pNext", c_void_p),
    ("zName", c_char_p),
    ("pAppData", c_void_p),
    ("methods", c_void_p * METHODS),
    ("xSetSystemCall", _SET),
    ("xGetSystemCall", _GET),
]
_places: dict[int, str] = {}  # of the files that are open
_kept = []  # functions that SQLite calls are not to be cleared away


def tell():
    """From now on, each operation raises an event with the place of its file, before it is done."""
    import _sqlite3

    find = ctypes.CDLL(_sqlite3.__file__).sqlite3_vfs_find
    find.restype = POINTER(_Vfs)
    vfs = find(None)
    assert vfs.contents.iVersion >= 3
    for name, (result, *arguments) in CALLS.items():
        kind = ctypes.CFUNCTYPE(result, *arguments, use_errno=True)
        address = vfs.contents.xGetSystemCall(vfs, name.encode())
        if not address:  # some systems lack some
            continue
        told = kind(_told(name, kind(address)))
        _kept.append(told)
        assert vfs.contents.xSetSystemCall(vfs, name.encode(), ctypes.cast(told, c_void_p)) == 0


def _told(name, call):
    def operation(first, *others):
        place = os.fsdecode(first) if isinstance(first, bytes) else _places.get(first, "")
        try:
            sys.audit(f"annotune.sqlite.{EVENTS.get(name, name)}", place, *others)
        except OSError as error:
            ctypes.set_errno(error.errno)
            return -1
        answer = call(first, *others)
        if name == "open" and answer >= 0:
            _places[answer] = place
        return answer

    return operation
