"""What Railway does of what the documents ask of it, on this machine: `railway` (`cli.py`) is the command, `platform.py` deploys,
`dockerfile.py` builds. The projects are real processes on real servers; only the platform is not Railway's own.
"""
