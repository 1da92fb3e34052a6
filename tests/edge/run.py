"""Runs the tests of the board's code on MicroPython, where there is no pytest: `micropython run.py TEST_FILE`.

Every function named `test_*` in the file is a test. The exit code is 1 if one fails or if there is none.
"""

import gc
import sys

try:
    from traceback import print_exception
except ImportError:
    from sys import print_exception


def run(path):
    """Run the tests of one file, print a line for each; return whether there were any and all passed."""
    folder, _, name = path.rpartition("/")
    sys.path.insert(0, folder)
    module = __import__(name.rsplit(".", 1)[0])
    tests = sorted(name for name in dir(module) if name.startswith("test_"))
    failed = 0
    for test in tests:
        gc.collect()
        print(test, end=" ")  # before it runs, so that one that hangs is known by name
        try:
            getattr(module, test)()
            print("ok")
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever it is, the test has failed
            failed += 1
            print("FAILED")
            print_exception(error)
    print(f"{len(tests) - failed} passed, {failed} failed")
    return tests and not failed


if __name__ == "__main__":
    sys.exit(0 if run(sys.argv[1]) else 1)
