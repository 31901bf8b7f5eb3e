"""Comparisons of README and docs/ARCHITECTURE_COMPARISON.md, from benchmarks/results.json."""

import json
from collections.abc import Callable, Iterable, Iterator

from benchmarks.figures import number, spread, values_of
from benchmarks.report import Results, missed, results_of
from benchmarks.targets import (
    ACCEPT,
    CELERY,
    FASTAPI,
    INSTALLED,
    LEAN,
    MEMORY,
    ONE_WORKER,
    OURS,
    POSTS,
    PREFORK,
    PSS,
    QUEUE,
    READ,
    SIZE,
    TARGETS,
    TASKS,
    TREES,
    Target,
)
from scripts.marked import ROOT, markdown

BEHIND = (
    "To be fair: one hand-written file without log, metrics and goal matching accepts {ahead} times"
    " as many\ngoals, Celery with one threaded worker takes {memory} MB, and {missed} of our"
    " {targets} performance targets are\nmissed."
)
CHINESE = {
    "of": "指标",
    "this service": "本服务",
    "ratio": "比值",
    "accepting a goal, everything on": "接受目标，全部功能开启",
    "accepting a goal, no Idempotency-Key": "接受目标，不带 Idempotency-Key",
    "reading a roadmap": "读取路线图",
    "reading an unchanged roadmap (304)": "读取未变化的路线图（304）",
    "memory, against FastAPI + Celery, prefork": "内存：与 FastAPI + Celery（prefork）相比",
    "tasks at least once": "任务，至少一次",
    "POST, requests/s": "POST，请求/秒",
    "GET, requests/s": "GET，请求/秒",
    "GET with ETag, requests/s": "带 ETag 的 GET，请求/秒",
    "PSS, MB": "PSS，MB",
    "tasks/s": "任务/秒",
    "Measured on {date}; {page} has all of it.": "测量于 {date}，全部数据见 {page}。",
    "goals accepted per second": "每秒接受的目标数",
    "roadmaps read per second": "每秒读取的路线图数",
    "tasks per second, each at least once": "每秒执行的任务数（至少一次）",
    "memory of API and workers, MB": "API 和工作进程的内存，MB",
    "installed packages, MB": "安装的依赖包，MB",
    "`make bench` on {date}, {cores} cores ({processor}, {memory}). [All figures]({page}).": (
        "{date} 用 `make bench` 测得，{cores} 核（{processor}，{memory}）。[全部数据]({page})。"
    ),
    BEHIND: (
        "需要说明的是：一个手写的单文件程序（没有日志、指标和目标匹配）"
        "每秒接受的目标数是本服务的 {ahead} 倍；\n"
        "Celery 只用一个多线程工作进程时占用 {memory} MB；"
        "自设的 {targets} 项性能指标中有 {missed} 项未达标。"
    ),
}
REPLACED = (FASTAPI, PREFORK, CELERY)  # peers of the replaced stack
FIRST_SCREEN = tuple(  # of README; nothing is wanted of them
    Target(title, subject, measure, 0, peer=peer)
    for title, subject, measure, peer in (
        ("goals accepted per second", ACCEPT, POSTS, FASTAPI),
        ("roadmaps read per second", READ, TREES, FASTAPI),
        ("tasks per second, each at least once", QUEUE, TASKS, CELERY),
        ("memory of API and workers, MB", MEMORY, PSS, PREFORK),
        ("installed packages, MB", SIZE, INSTALLED, FASTAPI),
    )
)


def chinese(text: str) -> str:
    """Return the Chinese of a text, or the text itself (a name)."""
    return CHINESE.get(text, text)


def of_what_it_replaces(text: Callable[[str], str]) -> str:
    """Return each figure that can be compared with one of the replaced stack."""
    results = _results()
    rows = (
        (text(target.title), text(target.measure), *figures)
        for target, *figures in _compared(results, TARGETS)
    )
    head = ("", *map(text, ("of", "this service", "FastAPI + Celery", "ratio")))
    source = "[PERFORMANCE.md](PERFORMANCE.md#against-what-it-replaces)"
    measured_on = text("Measured on {date}; {page} has all of it.").format(
        date=results.date, page=source
    )
    return f"{markdown(head, rows)}\n\n{measured_on}"


def of_the_first_screen(text: Callable[[str], str]) -> str:
    """Return README's figures, and where the service is not ahead."""
    results = _results()
    rows = ((text(target.title), *figures) for target, *figures in _compared(results, FIRST_SCREEN))
    head = ("", *map(text, ("Roadmap", "FastAPI + Celery", "ratio")))
    machine = {name: results.machine.get(name, "") for name in ("cores", "processor", "memory")}
    source = text(
        "`make bench` on {date}, {cores} cores ({processor}, {memory}). [All figures]({page})."
    ).format(date=results.date, page="docs/PERFORMANCE.md", **machine)
    ahead = Target("", ACCEPT, POSTS, 0, LEAN, peer=OURS).found(results.samples)
    smallest = values_of(results.samples, MEMORY, PSS, ONE_WORKER)
    if ahead and smallest:  # not of a run of other subjects
        count, targets = missed(results.samples)
        behind = text(BEHIND).format(
            ahead=number(ahead.median), memory=number(smallest[0]), missed=count, targets=targets
        )
        source = f"{source}\n{behind}"
    return f"{markdown(head, rows)}\n\n{source}"


def _results() -> Results:
    path = ROOT / "benchmarks" / "results.json"
    return results_of(json.loads(path.read_text("utf-8")))


def _compared(
    results: Results, targets: Iterable[Target]
) -> Iterator[tuple[Target, str, str, str]]:
    """Yield what was measured with a peer of the replaced stack: both medians and the ratio."""
    for target in targets:
        found = target.found(results.samples)
        if target.peer in REPLACED and found is not None:
            both = (
                values_of(results.samples, target.subject, target.measure, each)
                for each in (target.contender, target.peer)
            )
            ours, theirs = (spread(list(each.values())).median for each in both)
            yield target, number(ours), number(theirs), number(found.median)
