"""Ids of the BPF programs in the kernel, one a line, without those that a process holds or that are at a control group of
another instance: bpf-programs.py INSTANCE"""
import ctypes
import glob
import os
import re
import sys

BPF, NEXT_ID, QUERY = 321, 11, 16  # of x86-64; BPF_PROG_GET_NEXT_ID, BPF_PROG_QUERY
ATTACH_TYPES = range(64)
syscall = ctypes.CDLL(None, use_errno=True).syscall


class Next(ctypes.Structure):
    _fields_ = [("start", ctypes.c_uint32), ("next", ctypes.c_uint32), ("flags", ctypes.c_uint32)]


class Query(ctypes.Structure):
    _fields_ = [("fd", ctypes.c_uint32), ("type", ctypes.c_uint32), ("flags", ctypes.c_uint32),
                ("attach_flags", ctypes.c_uint32), ("ids", ctypes.c_uint64), ("count", ctypes.c_uint32),
                ("pad", ctypes.c_uint32), ("more", ctypes.c_uint64 * 4)]


def all_programs():
    ask = Next()
    while syscall(BPF, NEXT_ID, ctypes.byref(ask), ctypes.sizeof(ask)) == 0:
        yield ask.next
        ask.start = ask.next


def attached(group):
    ids = (ctypes.c_uint32 * 64)()
    fd = os.open(group, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for kind in ATTACH_TYPES:
            ask = Query(fd=fd, type=kind, ids=ctypes.addressof(ids), count=len(ids))
            if syscall(BPF, QUERY, ctypes.byref(ask), ctypes.sizeof(ask)) == 0:
                yield from ids[:ask.count]
    finally:
        os.close(fd)


def of_others(instance):
    for top, _, _ in os.walk("/sys/fs/cgroup"):
        name = next((p for p in top.split("/") if p.startswith("kennel-")), "kennel-" + instance)
        try:
            if name != "kennel-" + instance:
                yield from attached(top)
        except OSError:
            pass  # gone meanwhile


def held():
    for path in glob.glob("/proc/[0-9]*/fdinfo/*"):
        try:
            yield from map(int, re.findall(r"^prog_id:\s*(\d+)", open(path).read(), re.M))
        except OSError:
            pass


print("\n".join(map(str, sorted(set(all_programs()) - set(of_others(sys.argv[1])) - set(held())))))
