"""Railway on this machine, as far as the documents ask for it.

`railway` (`cli.py`) is the command, `platform.py` deploys, `dockerfile.py` builds. The projects are
real processes on real servers; only the platform is not Railway's own.
"""
