"""Fills the execution log of the service whose settings are in the environment: so many records, over four months.

python -m benchmarks.growth.fill_log RECORDS
"""

import sys

from benchmarks.log_search import fill

if __name__ == "__main__":
    fill(int(sys.argv[1]))
