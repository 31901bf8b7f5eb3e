"""A machine that systemd runs, with processes and units of its own.

Its files are this machine's, of which it changes a copy in memory. Its processes are in namespaces:
they end when their first one, systemd, is killed. The network is that of this machine, so that it
reaches servers of a test. It needs root, and a kernel with overlayfs and cgroup2.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from testing.waiting import HANG, wait_until

SYSTEMD = Path("/lib/systemd/systemd")
# Without what is installed for one user.
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
NAMESPACES = [
    "unshare",
    "--mount",
    "--pid",
    "--fork",
    "--kill-child=SIGKILL",
    "--cgroup",
    "--uts",
    "--ipc",
]
USABLE = "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))"
OF_NETWORK = (
    "PIP_",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "SSL_CERT_",
)  # for pip
# What a start would do to the kernel, which is this machine's too, and what waits at a console.
NOT_STARTED = (
    *(
        "systemd-sysctl.service",
        "systemd-binfmt.service",
        "systemd-modules-load.service",
        "systemd-remount-fs.service",
    ),
    *(
        "proc-sys-fs-binfmt_misc.automount",
        "proc-sys-fs-binfmt_misc.mount",
        "dev-hugepages.mount",
        "dev-mqueue.mount",
    ),
    *(
        "sys-kernel-debug.mount",
        "sys-kernel-tracing.mount",
        "sys-fs-fuse-connections.mount",
        "sys-kernel-config.mount",
    ),
    *(
        "systemd-random-seed.service",
        "systemd-udevd.service",
        "systemd-udev-trigger.service",
        "systemd-pstore.service",
    ),
    *("systemd-hwdb-update.service", "ldconfig.service", "tmp.mount"),
)
ROOT_OF_ITS_OWN = """
set -eu
mount --make-rprivate /
mount -t tmpfs tmpfs /mnt
mkdir /mnt/changed /mnt/work /mnt/root
mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/changed,workdir=/mnt/work /mnt/root
"""
START = (
    ROOT_OF_ITS_OWN
    + """
cd /mnt/root
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t tmpfs -o mode=755 tmpfs dev
for name in null zero full random urandom tty; do
    : >"dev/$name"
    mount --bind "/dev/$name" "dev/$name"
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
mount -t tmpfs -o mode=1777 tmpfs dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=755 tmpfs etc/systemd/system
for name in $NOT_STARTED; do ln -s /dev/null "etc/systemd/system/$name"; done
mkdir -p srv/given
mount --rbind "$GIVEN" srv/given
mount -t tmpfs -o mode=1777 tmpfs tmp
pivot_root . mnt
umount -l /mnt
exec env -i container=test PATH="$PATH" "$SYSTEMD" --system --unit=basic.target --show-status=false
"""
)


def why_not() -> str:
    """The reason why there can be no such machine here; empty where it can be had."""
    if os.geteuid() != 0:
        return "it takes root"
    for program in (str(SYSTEMD), "unshare", "nsenter", "python3", "git", "make", "curl"):
        if shutil.which(program, path=PATH) is None:
            brings = "apt-get install systemd util-linux python3-venv git make curl"
            return f"there is no {program}; `{brings}` brings it"
    may = (
        f"{ROOT_OF_ITS_OWN}mount -t sysfs -o ro sysfs /mnt/root/sys\n"
        "mount -t cgroup2 cgroup2 /mnt/root/sys/fs/cgroup\n"
    )
    if (found := _says(["python3", "-c", USABLE])) != "":
        brings = "apt-get install python3-venv"
        return f"the system has no Python from 3.11 on with venv (`{brings}`): {found}"
    if (found := _says([*NAMESPACES, "sh", "-c", may])) != "":
        return f"the kernel gives no namespaces, overlayfs or cgroup2: {found}"
    return ""


def _says(command: list[str]) -> str:
    """Why it does not end with 0; nothing when it does."""
    try:
        tried = subprocess.run(
            command, env={"PATH": PATH}, capture_output=True, text=True, check=False, timeout=HANG
        )
    except subprocess.TimeoutExpired as error:
        return str(error)
    return (tried.stderr.strip() or str(tried.returncode)) if tried.returncode else ""


class Machine:
    """The machine, which has a folder, if it is `given` one, as /srv/given."""

    def __init__(self, pid: int) -> None:
        """With the id that its first process has here."""
        self._enter = [
            "nsenter",
            f"--target={pid}",
            "--mount",
            "--pid",
            "--cgroup",
            "--uts",
            "--ipc",
            "--root",
            "--wd",
        ]

    def run(self, script: str, *, timeout: float | None = HANG) -> subprocess.CompletedProcess[str]:
        """In a bash of its root, with both outputs in `stdout`."""
        kept = {name: value for name, value in os.environ.items() if name.startswith(OF_NETWORK)}
        return subprocess.run(
            [*self._enter, "bash", "-c", script],
            env={**kept, "PATH": PATH, "HOME": "/root", "LANG": "C.UTF-8", "TERM": "dumb"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=timeout,
        )

    def output_of(self, script: str, *, timeout: float | None = HANG) -> str:
        """Run a script that ends with 0, and return its output."""
        ended = self.run(script, timeout=timeout)
        assert ended.returncode == 0, f"{script}\n{ended.stdout}"
        return ended.stdout.strip()

    def state(self, unit: str) -> str:
        return self.run(f"systemctl is-active '{unit}'").stdout.strip()

    def shown(self, unit: str, what: str) -> str:
        """A property of it, as systemd names it."""
        return self.output_of(f"systemctl show --value --property={what} '{unit}'")


@contextmanager
def machine(given: Path) -> Iterator[Machine]:
    environment = {
        "GIVEN": str(given),
        "NOT_STARTED": " ".join(NOT_STARTED),
        "SYSTEMD": str(SYSTEMD),
        "PATH": PATH,
    }
    started = subprocess.Popen(
        [*NAMESPACES, "bash", "-c", START], env=environment, start_new_session=True
    )
    first: list[str] = []
    try:
        children = Path(f"/proc/{started.pid}/task/{started.pid}/children")
        first = wait_until(
            lambda: children.read_text().split(), reason="its first process is there"
        )
        booted = Machine(int(first[0]))
        wait_until(
            lambda: booted.run("systemctl is-active basic.target").stdout.strip() == "active",
            reason="it has started",
        )
        yield booted
    finally:
        started.kill()  # and with it the first process, whose end is that of all of them
        started.wait(HANG)
        wait_until(
            lambda: not any(Path(f"/proc/{pid}").exists() for pid in first),
            reason="all of them have ended",
        )
