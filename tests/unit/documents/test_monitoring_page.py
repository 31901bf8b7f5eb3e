"""docs/MONITORING.md, the dashboard and the alerts speak of what there is, and of all of it."""

import json
import re
from typing import Any

import yaml

from core.metric_definitions import METRICS, Kind
from testing.stack import ROOT

FOLDER = ROOT / "docs" / "monitoring"
DASHBOARD = json.loads((FOLDER / "grafana-dashboard.json").read_text("utf-8"))
ALERTS = yaml.safe_load((FOLDER / "alerts.yml").read_text("utf-8"))
RULES: list[dict[str, Any]] = [rule for group in ALERTS["groups"] for rule in group["rules"]]
TARGETS: list[dict[str, Any]] = [
    target for panel in DASHBOARD["panels"] for target in panel.get("targets", [])
]
EXPRESSIONS = [target["expr"] for target in TARGETS] + [rule["expr"] for rule in RULES]
SAMPLES = {
    name
    for metric in METRICS.values()
    for name in (
        [f"{metric.name}_{part}" for part in ("bucket", "sum", "count")]
        if metric.kind is Kind.histogram
        else [metric.name]
    )
}
FUNCTIONS = {
    "sum",
    "min",
    "max",
    "rate",
    "increase",
    "delta",
    "deriv",
    "absent",
    "topk",
    "histogram_quantile",
    "time",
}
WORDS = {"by", "without", "on", "group_left", "and", "or"}


def names_in(expression: str) -> set[str]:
    """Of metrics: the words outside of braces, brackets and the lists of labels."""
    bare = re.sub(r'"[^"]*"', '""', expression)
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]", "", bare)
    bare = re.sub(r"\b(by|without|on|group_left) *\([^)]*\)", "", bare)
    return {
        word
        for word in re.findall(r"[A-Za-z_][A-Za-z0-9_]*", bare)
        if word not in FUNCTIONS | WORDS
    }


def labels_in(expression: str) -> set[str]:
    """That are asked for or summed by."""
    asked = re.findall(r"\{([^}]*)\}", re.sub(r'"[^"]*"', '""', expression))
    lists = re.findall(r"\b(?:by|on) *\(([^)]*)\)", expression)
    return set(re.findall(r"[a-z_]+", " ".join([*asked, *lists])))


def test_an_expression_names_metrics_and_labels_that_there_are() -> None:
    known = {label for metric in METRICS.values() for label in metric.labels} | {"le"}
    unknown = {
        each: sorted((names_in(each) - SAMPLES) | (labels_in(each) - known)) for each in EXPRESSIONS
    }
    assert {each: names for each, names in unknown.items() if names} == {}
    assert [
        each for each in EXPRESSIONS if not names_in(each) or each.count("(") != each.count(")")
    ] == []


def test_every_metric_is_seen_somewhere() -> None:
    seen = {name for expression in EXPRESSIONS for name in names_in(expression)}
    assert {name for name in METRICS if not any(each.startswith(name) for each in seen)} == set()


def test_values_of_labels_are_those_that_are_counted() -> None:
    """Those that are written out, of metrics whose labels have few values."""
    text = " ".join(EXPRESSIONS)
    for selector, known in (
        ("outcome", {"done", "failed", "retried", "ok", "fault"}),
        ("queue", {"content", "logs"}),
        ("dependency", {"database", "broker"}),
    ):
        values = {
            value
            for found in re.findall(rf'{selector}!?=~?"([^"]*)"', text)
            for value in found.split("|")
        }
        assert values <= known, selector


def test_the_dashboard_is_one_that_grafana_takes() -> None:
    assert DASHBOARD["schemaVersion"] >= 39  # Grafana 11
    assert {"uid", "title", "panels", "templating", "time", "refresh"} <= set(DASHBOARD)
    (variable,) = DASHBOARD["templating"]["list"]
    assert (variable["type"], variable["query"], variable["name"]) == (
        "datasource",
        "prometheus",
        "datasource",
    )
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])
        }
        assert max(x for x, _ in cells) < 24
        assert cells.isdisjoint(taken), panel["title"]
        taken |= cells
        if panel["type"] == "row":
            continue
        assert panel["type"] in ("timeseries", "stat")
        assert panel["title"]
        assert panel["targets"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        refs = [target["refId"] for target in panel["targets"]]
        assert len(set(refs)) == len(refs)


def test_every_alert_says_what_it_means_and_what_to_do() -> None:
    names = [rule["alert"] for rule in RULES]
    assert len(set(names)) == len(names)
    page = (ROOT / "docs/MONITORING.md").read_text("utf-8")
    headings = re.findall(r"^### (\w+)$", page, re.MULTILINE)
    assert sorted(headings) == sorted(names)
    for rule in RULES:
        assert set(rule["annotations"]) == {"summary", "description", "runbook"}
        assert rule["annotations"]["runbook"] == f"docs/MONITORING.md#{rule['alert'].lower()}"
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert re.fullmatch(r"[0-9]+[smh]", rule.get("for", "1m"))


def test_the_example_for_prometheus_reads_the_rules_and_shows_a_token() -> None:
    example = yaml.safe_load((FOLDER / "prometheus.yml").read_text("utf-8"))
    assert example["rule_files"] == ["alerts.yml"]
    (job,) = example["scrape_configs"]
    assert job["metrics_path"] == "/metrics"
    assert job["authorization"]["type"] == "Bearer"
