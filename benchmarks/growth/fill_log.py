"""Fill the service's execution log with so many records, over four months.

The service is the one whose settings are in the environment.

    python -m benchmarks.growth.fill_log RECORDS
"""

import sys

from benchmarks.log_search import fill

if __name__ == "__main__":
    fill(int(sys.argv[1]))
