"""Runs a program in a process group of its own and ends the whole group when our stdin closes, which it does however our caller dies."""

import os
import signal
import subprocess
import sys
import threading

child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, start_new_session=True)


def signal_group(number):
    try:
        os.killpg(child.pid, number)
    except ProcessLookupError:
        pass


def end_with_caller():
    while os.read(0, 4096):
        pass
    signal_group(signal.SIGTERM)
    timer = threading.Timer(10, signal_group, [signal.SIGKILL])
    timer.daemon = True
    timer.start()


for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, lambda received, frame: signal_group(signal.SIGTERM))
signal.signal(signal.SIGUSR1, lambda received, frame: signal_group(signal.SIGKILL))  # a crash, for tests
threading.Thread(target=end_with_caller, daemon=True).start()
code = child.wait()
signal_group(signal.SIGKILL)  # what the main process left behind
sys.exit(code if code >= 0 else 128 - code)
