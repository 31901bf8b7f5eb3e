"""Write web/openapi.json: `make openapi`."""

import os
import tempfile

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        # The settings are read when web.openapi is imported.
        os.environ.update({"SERVICE_TYPE": "all", "DATA_DIR": folder})
        for name in ("DATABASE_URL", "REDIS_URL"):
            os.environ.pop(name, None)
        from web.openapi import written
        from web.openapi_file import FILE

        FILE.write_text(written(), "utf-8")
        print(f"{FILE.name}: {FILE.stat().st_size // 1024} KiB")
