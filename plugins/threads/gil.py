"""Keeps threads busy for a while and says how many processors that took.

gil.py single|double|ctypes SECONDS; the last line: "used U available A"
"""
import os
import sys
import time
from ctypes import cdll
from threading import Thread


def spin():
    while True:
        pass


def idle():
    """Seconds that all processors were idle since the machine started (proc_stat(5))."""
    with open("/proc/stat") as stat:
        fields = stat.readline().split()
    return (int(fields[4]) + int(fields[5])) / os.sysconf("SC_CLK_TCK")


what, seconds = sys.argv[1], float(sys.argv[2])
if what == "double":
    Thread(target=spin, daemon=True).start()
elif what == "ctypes":
    lib = cdll.LoadLibrary("./libdealthread.so")
    Thread(target=lib.DealThread, daemon=True).start()

print(what)
start, cpu, idle_before = time.monotonic(), time.process_time(), idle()
while time.monotonic() - start < seconds:
    pass
wall = time.monotonic() - start
used = time.process_time() - cpu
print("used %.2f available %.2f" % (used / wall, (used + idle() - idle_before) / wall), flush=True)
# A thread inside DealThread never returns to Python: leave without waiting for it.
os._exit(0)
