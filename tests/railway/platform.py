"""A project on the platform, kept in one file.

It has what `config apply` has described, which variables are set, and what is deployed.
"""

import hashlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from testing.servers import free_port
from testing.stack import answer_to, clean_environment
from testing.waiting import HANG, wait_until
from tests.railway.dockerfile import BuildFailed, build

REFERENCE = re.compile(r"\$\{\{(\w+)\.(\w+)\}\}")
HEALTH_CHECK_HOST = "healthcheck.railway.app"


class Refused(Exception):
    """A refusal of the platform; the message is for who asked."""


@dataclass
class Platform:
    """A project: `folder` holds the state and the logs.

    `graph` is what .railway/railway.ts says, evaluated; `servers` are the addresses that the two
    databases of a project get, by name and output.
    """

    folder: Path
    images: Path
    graph: Path
    servers: dict[str, dict[str, str]]

    @property
    def state(self) -> dict[str, Any]:
        return (
            json.loads(self._file.read_text("utf-8"))
            if self._file.exists()
            else {"services": {}, "variables": {}}
        )

    @property
    def _file(self) -> Path:
        return self.folder / "project.json"

    def _save(self, state: dict[str, Any]) -> None:
        self._file.write_text(json.dumps(state, indent=1), "utf-8")

    def create(self, name: str) -> None:
        self._save({"name": name, "services": {}, "variables": {}, "deployed": {}})

    def add(self, service: str) -> None:
        """An empty one."""
        if service in (state := self.state)["services"]:
            raise Refused(f'Service "{service}" already exists')
        state["services"][service] = {}
        self._save(state)

    def plan(self) -> list[str]:
        """The changes that `apply` would make, a line each."""
        there, wanted = self.state["services"], self._described()
        added = [f"+ Create {kind} {name}" for name, kind in self._resources() if name not in there]
        changed = [
            f"~ Update service {name}"
            for name in wanted
            if name in there and there[name] != wanted[name]
        ]
        return [*added, *changed, *self._deletions()]

    def _deletions(self) -> list[str]:
        """Services and variables that are there and not described: the platform takes them away."""
        wanted, state = self._described(), self.state
        found = [
            f"- Delete {name}" for name in state["services"] if name not in dict(self._resources())
        ]
        for service, variables in state["variables"].items():
            unknown = variables.keys() - wanted.get(service, {}).get("variables", {}).keys()
            found += [f"- Delete variable {service}.{name}" for name in sorted(unknown)]
        return found

    def apply(self) -> list[str]:
        """Creates and updates; nothing is deployed where there is no source."""
        if "name" not in self.state:
            raise Refused("No linked project found. Run railway link to connect to a project")
        lines, state = self.plan(), self.state
        if deletions := self._deletions():
            raise Refused(f"Destructive changes need --confirm-destructive: {', '.join(deletions)}")
        for name, service in self._described().items():
            if name not in state["services"] and any(
                value["type"] == "preserve" for value in service["variables"].values()
            ):
                raise Refused(
                    f"Invalid RailwayChangeSet patch: {name}: Unrecognized key(s) in object: 'type'"
                )
        state["services"] = {
            **{name: {} for name, kind in self._resources() if kind == "database"},
            **self._described(),
        }
        for name, service in self._described().items():
            state["variables"].setdefault(name, {}).update(dict(_literals(service["variables"])))
        self._save(state)
        return lines

    def _resources(self) -> list[tuple[str, str]]:
        found = json.loads(self.graph.read_text("utf-8"))["resources"]
        return [
            (each["name"], each["type"])
            for each in found
            if each["type"] in ("service", "database")
        ]

    def _described(self) -> dict[str, Any]:
        found = json.loads(self.graph.read_text("utf-8"))["resources"]
        return {each["name"]: each for each in found if each["type"] == "service"}

    def set(self, service: str, name: str, value: str) -> None:
        state = self.state
        state["variables"].setdefault(self._known(service), {})[name] = value
        self._save(state)

    def _known(self, service: str) -> str:
        if service not in self.state["services"]:
            raise Refused(f'Service "{service}" not found')
        return service

    def variables(self, service: str) -> dict[str, str]:
        """As its processes see them: references resolved, in other services as well."""
        every = self.state["variables"]

        def value(of: str, name: str) -> str:
            if of in self.servers:
                return self.servers[of][name]
            return REFERENCE.sub(
                lambda found: value(found[1], found[2]), every.get(of, {}).get(name, "")
            )

        return {name: value(service, name) for name in every[self._known(service)]}

    def deploy(self, service: str, source: Path | None) -> Iterator[str]:
        """Build, start, wait for the health check, then end the deployment before this one.

        Without a source it takes what is deployed; what comes before the start is run. Yields lines
        for who watches. Raises Refused where it fails; the one before goes on then.
        """
        described = self.state["services"][self._known(service)]
        deploy = described["deploy"]
        if source is None:
            image = self.deployed(service)["image"]
        else:
            image = self._image(source, described["build"]["dockerfilePath"])
            yield f"Built {described['build']['dockerfilePath']}"
        port = free_port()
        environment = self._environment(service, image, port)
        log = self.folder / f"{service}-{port}.log"
        for command in deploy.get("preDeployCommand", []):
            before = self._process(shlex.split(command), image, environment, log)
            if before.wait(HANG):
                raise Refused(f"Pre-deploy command failed: {command}\n{log.read_text()}")
        process = self._process(image["entrypoint"], image, environment, log)
        self._wait(process, deploy, port, log)
        state = self.state
        earlier = state["deployed"].get(service)
        state["deployed"][service] = {
            "pid": process.pid,
            "port": port,
            "log": str(log),
            "image": image,
        }
        self._save(state)
        if earlier:
            end(earlier["pid"], deploy["drainingSeconds"])
        yield "Deploy complete"

    def _environment(self, service: str, image: dict[str, Any], port: int) -> dict[str, str]:
        given = {
            "PORT": str(port),
            "RAILWAY_ENVIRONMENT_ID": "1",
            "RAILWAY_PRIVATE_DOMAIN": f"{service}.railway.internal",
        }
        if domain := self.state.get("domain"):
            given["RAILWAY_PUBLIC_DOMAIN"] = domain
        return {**clean_environment(), **image["environment"], **self.variables(service), **given}

    def inside(self, service: str, command: list[str]) -> int:
        """Run a command in a container of a service, as by a shell there; its code."""
        there = self.deployed(service)
        environment = self._environment(service, there["image"], there["port"])
        line = shlex.join(command) if len(command) > 1 else command[0]
        return subprocess.run(
            ["sh", "-c", line], cwd=there["image"]["folder"], env=environment, check=False
        ).returncode

    def _image(self, source: Path, dockerfile: str) -> dict[str, Any]:
        """Of a copy of what is uploaded, without what git ignores; built once until it changes."""
        listed = [
            "git",
            "-C",
            str(source),
            "ls-files",
            "--cached",
            "--others",
            "--exclude-standard",
            "-z",
        ]
        names = sorted(
            filter(
                None,
                subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split(
                    "\0"
                ),
            )
        )
        files = [name for name in names if (source / name).is_file()]
        contents = b"".join(f"{name}\0".encode() + (source / name).read_bytes() for name in files)
        key = hashlib.sha256(contents).hexdigest()[:12]
        kept = self.images / f"{key}.json"
        if not kept.exists():
            context = self.images / f"{key}-context"
            for name in files:
                (context / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source / name, context / name)
            try:
                image = build(context, dockerfile, self.images / key)
            except BuildFailed as error:
                raise Refused(f"Build failed: {error}") from error
            made = {
                "folder": str(image.folder),
                "environment": image.environment,
                "entrypoint": image.entrypoint,
            }
            kept.write_text(json.dumps(made), "utf-8")
        return dict(json.loads(kept.read_text("utf-8")))

    def _process(
        self, command: list[str], image: dict[str, Any], environment: dict[str, str], log: Path
    ) -> "subprocess.Popen[bytes]":
        with log.open("ab") as sink:
            program = shutil.which(command[0], path=environment["PATH"]) or str(
                Path(image["folder"]) / command[0]
            )
            return subprocess.Popen(
                [program, *command[1:]],
                cwd=image["folder"],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                start_new_session=True,
            )

    def _wait(
        self, process: "subprocess.Popen[bytes]", deploy: dict[str, Any], port: int, log: Path
    ) -> None:
        path = deploy.get("healthcheckPath")

        def answers() -> bool:
            if process.poll() is not None:
                raise Refused(f"Deploy crashed with {process.returncode}:\n{log.read_text()}")
            if path is None:
                return " ready" in log.read_text()  # a running process is a success then
            try:
                asked = answer_to(
                    "GET",
                    f"http://127.0.0.1:{port}{path}",
                    headers={"Host": HEALTH_CHECK_HOST},
                    timeout=HANG,
                )
            except httpx2.TransportError:
                return False
            return asked.status_code == 200

        try:
            wait_until(answers, reason=f"{path} answers")
        except BaseException as error:
            end(process.pid, 5)
            raise Refused(f"Healthcheck failed: {error}\n{log.read_text()}") from error

    def template(self, project: str) -> str:
        if self.state.get("name") != project:
            raise Refused(f'Project "{project}" not found')
        return project

    def domain(self, service: str) -> str:
        """Of which the API hears at its next deployment."""
        state = self.state
        state["domain"] = f"{service}-production-1a2b.up.railway.app"
        self._save(state)
        return str(state["domain"])

    def deployed(self, service: str) -> dict[str, Any]:
        if service not in self.state["deployed"]:
            raise Refused(f"No deployments found for {self._known(service)}")
        return dict(self.state["deployed"][service])

    def end(self) -> None:
        with ExitStack() as ends:
            for each in self.state.get("deployed", {}).values():
                ends.callback(end, each["pid"], 30)


def _literals(variables: dict[str, dict[str, str]]) -> Iterator[tuple[str, str]]:
    """Yield names and values; `preserve` has no value."""
    for name, value in variables.items():
        if value["type"] == "literal":
            yield name, value["value"]
        elif value["type"] == "reference":
            yield name, f"${{{{{value['resource'].partition('.')[2]}.{value['output']}}}}}"


def end(pid: int, draining: float) -> None:
    """SIGTERM, and SIGKILL to its group after so many seconds, as the platform does."""
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        return
    try:
        wait_until(lambda: _gone(pid), reason="the deployment ends")
    finally:
        if not _gone(pid):
            os.killpg(pid, signal.SIGKILL)


def _gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True
