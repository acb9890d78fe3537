"""Run all tests: ``python3 Testing/run_tests.py [pytest options]``. Needs nothing but Python 3.10 or newer."""

import sys

import environment

if __name__ == "__main__":
    sys.exit(environment.run(["-m", "pytest", "-q", "-ra", *sys.argv[1:]]))
