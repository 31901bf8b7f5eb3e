"""Tables of README and of documents about deployment.

They are bills from cli/cost.py, and comparisons from benchmarks/results.json.

`python -m scripts.document_tables` prints them; `--write` puts them into the pages, between two
comments.
"""

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

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
from cli.cost import DAYS, PRICES, WITHOUT_QUEUE, Prices, estimate
from scripts.marked import DOCS, Marked, markdown

PLATFORM = "Railway"
COSTS = ("<!-- costs: python -m scripts.document_tables --write -->", "<!-- end of the costs -->")
COMPARISON = (
    "<!-- comparison: python -m scripts.document_tables --write -->",
    "<!-- end of the comparison -->",
)
FIGURES = ("<!-- figures: make bench WRITE=1 -->", "<!-- end of the figures -->")
BEHIND = """\
To be fair: one hand-written file without log, metrics and goal matching accepts {} times as many
goals, Celery with one threaded worker takes {} MB, and {} of our {} performance targets are
missed."""
READS, MONTHS = 50, 12
USUAL, LOADS = 10, (1, 10, 100, 1_000)  # roadmaps a day
# Texts of the bills by language; names of layouts are those of cli/measured_use.json
CHINESE = {
    "three services": "三个服务",
    "one instance": "单实例",
    "instance without a queue": "没有队列的单实例",
    ": {memory}, {cores} cores": "：{memory}、{cores} 核",
    "roadmaps a day": "每天的路线图数",
    "memory": "内存",
    "stored": "存储",
    "used": "用量",
    "paid, {}": "{} 套餐应付",
    "used, with Redis from {}": "用量（Redis 用 {}）",
    "Assumed: {roadmaps} roadmaps a day written by a model, each opened {reads} times and "
    "kept for {months} months.": (
        "每天由模型生成 {roadmaps} 份路线图，每份打开 {reads} 次，保留 {months} 个月。"
    ),
    "Use of a month on {}. Each roadmap is opened {} times and kept for {} months.": (
        "在 {} 上一个月的用量。每份路线图打开 {} 次，保留 {} 个月。"
    ),
    "[{}]({}), read on {}": "[{}]({})（{} 查阅）",
    ";": "；",
    "Measured on {} by `{}`. Prices:": "{} 用 `{}` 测得。价格来源：",
    ".": "。",
    "The instance without a queue has its own fixed price.": "没有队列的单实例按其固定价格计算。",
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
    "Measured on {}; {} has all of it.": "测量于 {}，全部数据见 {}。",
    "goals accepted per second": "每秒接受的目标数",
    "roadmaps read per second": "每秒读取的路线图数",
    "tasks per second, each at least once": "每秒执行的任务数（至少一次）",
    "memory of API and workers, MB": "API 和工作进程的内存，MB",
    "installed packages, MB": "安装的依赖包，MB",
    "`make bench` on {}, {} cores ({}, {}). [All figures]({}).": (
        "{} 用 `make bench` 测得，{} 核（{}，{}）。[全部数据]({})。"
    ),
    BEHIND: (
        "需要说明的是：一个手写的单文件程序（没有日志、指标和目标匹配）"
        "每秒接受的目标数是本服务的 {0} 倍；\n"
        "Celery 只用一个多线程工作进程时占用 {1} MB；自设的 {3} 项性能指标中有 {2} 项未达标。"
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


def of_one_load(text: Callable[[str], str]) -> str:
    """Return the use and the bills for the usual load."""
    bills = _bills(USUAL)
    first = bills["layouts"][0]
    head = (
        *("", *map(text, ("memory", "vCPU", "stored", "used"))),
        *(text("paid, {}").format(name) for name in first["paid"]),
        *(text("used, with Redis from {}").format(name) for name in first["by_command"]),
    )
    rows = (
        (
            _name(each, text),
            f"{each['use']['memory']:,.0f} MB",
            f"{each['use']['cores']:.3f}",
            f"{each['use']['storage']:.2f} GB",
            f"${each['bill']['total']:,.2f}",
            *(f"${each['paid'][name]:,.2f}" for name in first["paid"]),
            *(
                f"${each['by_command'][name]:,.2f}" if each["by_command"] else ""
                for name in first["by_command"]
            ),
        )
        for each in bills["layouts"]
    )
    load = text(
        "Assumed: {roadmaps} roadmaps a day written by a model, each opened {reads} times and "
        "kept for {months} months."
    ).format(roadmaps=USUAL, reads=READS, months=MONTHS)
    return f"{markdown(head, rows)}\n\n{load}\n{_sources(bills['rests_on'], text)}"


def of_loads(text: Callable[[str], str]) -> str:
    """Return the bills at several loads."""
    bills = [_bills(load) for load in LOADS]
    rows = (
        (_name(same[0], text), *(f"${each['bill']['total']:,.2f}" for each in same))
        for same in zip(*(each["layouts"] for each in bills), strict=True)
    )
    table = markdown((text("roadmaps a day"), *(f"{load:,}" for load in LOADS)), rows)
    loads = text("Use of a month on {}. Each roadmap is opened {} times and kept for {} months.")
    sources = _sources(bills[0]["rests_on"], text)
    return f"{table}\n\n{loads.format(PLATFORM, READS, MONTHS)}\n{sources}"


def _name(layout: dict[str, Any], text: Callable[[str], str]) -> str:
    kind, _, size = layout["name"].partition(": ")
    if not size:
        return text(kind)
    memory, cores = size.removesuffix(" cores").split(", ")
    return text(kind) + text(": {memory}, {cores} cores").format(memory=memory, cores=cores)


def _bills(a_day: float) -> dict[str, Any]:
    load = {"roadmaps": a_day * DAYS, "reads": READS, "months": MONTHS}
    prices = Prices.model_validate_json(PRICES.read_bytes())
    return estimate(prices, PLATFORM, load, "model", WITHOUT_QUEUE)


def _sources(rests_on: dict[str, Any], text: Callable[[str], str]) -> str:
    sources = f"{text(';')}\n".join(
        text("[{}]({}), read on {}").format(name, each["source"], each["seen"])
        for name, each in rests_on["prices"].items()
    )
    fixed = text("The instance without a queue has its own fixed price.")
    measured = rests_on["measured"]
    on = text("Measured on {} by `{}`. Prices:").format(measured["date"], measured["command"])
    return f"{fixed}\n{on}\n{sources}{text('.')}"


def of_what_it_replaces(text: Callable[[str], str]) -> str:
    """Return each figure that can be compared with one of the replaced stack."""
    results = _results()
    rows = (
        (text(target.title), text(target.measure), *figures)
        for target, *figures in _compared(results, TARGETS)
    )
    head = ("", *map(text, ("of", "this service", "FastAPI + Celery", "ratio")))
    source = "[PERFORMANCE.md](PERFORMANCE.md#against-what-it-replaces)"
    measured_on = text("Measured on {}; {} has all of it.").format(results.date, source)
    return f"{markdown(head, rows)}\n\n{measured_on}"


def of_the_first_screen(text: Callable[[str], str]) -> str:
    """Return README's figures, and where the service is not ahead."""
    results = _results()
    rows = ((text(target.title), *figures) for target, *figures in _compared(results, FIRST_SCREEN))
    head = ("", *map(text, ("Roadmap", "FastAPI + Celery", "ratio")))
    machine = (results.machine.get(name, "") for name in ("cores", "processor", "memory"))
    measured_on = text("`make bench` on {}, {} cores ({}, {}). [All figures]({}).")
    source = measured_on.format(results.date, *machine, "docs/PERFORMANCE.md")
    ahead = Target("", ACCEPT, POSTS, 0, LEAN, peer=OURS).found(results.samples)
    smallest = values_of(results.samples, MEMORY, PSS, ONE_WORKER)
    if ahead and smallest:  # not of a run of other subjects
        behind = text(BEHIND).format(
            number(ahead.median), number(smallest[0]), *missed(results.samples)
        )
        source = f"{source}\n{behind}"
    return f"{markdown(head, rows)}\n\n{source}"


def _results() -> Results:
    path = DOCS.parent / "benchmarks" / "results.json"
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


MARKED = [
    Marked("document_tables", DOCS / page, *marks, made)
    for page, marks, made in (
        (DOCS.parent / "README.md", FIGURES, partial(of_the_first_screen, str)),
        (DOCS.parent / "README.zh-CN.md", FIGURES, partial(of_the_first_screen, chinese)),
        ("RAILWAY_DEPLOYMENT.md", COSTS, partial(of_one_load, str)),
        ("RAILWAY_DEPLOYMENT.zh-CN.md", COSTS, partial(of_one_load, chinese)),
        ("DEPLOYMENT_COMPARISON.md", COSTS, partial(of_loads, str)),
        ("DEPLOYMENT_COMPARISON.zh-CN.md", COSTS, partial(of_loads, chinese)),
        ("ARCHITECTURE_COMPARISON.md", COMPARISON, partial(of_what_it_replaces, str)),
        ("ARCHITECTURE_COMPARISON.zh-CN.md", COMPARISON, partial(of_what_it_replaces, chinese)),
    )
]

if __name__ == "__main__":
    sys.exit(max(each.run(sys.argv[1:]) for each in MARKED))
