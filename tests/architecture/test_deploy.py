"""What deploy/ asks Prometheus for is what Longshore exports: names, labels, and their values."""

from __future__ import annotations

import json
import re
from typing import Any, Final

import pytest
import yaml  # type: ignore[import-untyped]  # its stubs are not among what is locked

from longshore.telemetry import INSTRUMENTS, Instrument, Kind
from tests.architecture.places import ROOT

DEPLOY: Final = ROOT / "deploy"
METRIC: Final = re.compile(r"\b((?:longshore|messaging)_[a-z_]+)(?:\{([^}]*)\})?")
MATCH: Final = re.compile(r'([a-z_]+)(=~|!=|!~|=)"([^"]*)"')
GROUPING: Final = re.compile(r"\b(?:by|on) \(([^)]*)\)")
SUFFIXES: Final = ("_bucket", "_sum", "_count")
OTHERS: Final = {"le", "job", "instance", "process"}
"""Labels of Prometheus itself, and the one that tells the processes of a worker apart."""


def exported() -> dict[str, Instrument]:
    """Every series there is, by its name in Prometheus."""
    names: dict[str, Instrument] = {}
    for one in INSTRUMENTS:
        endings = SUFFIXES if one.kind is Kind.HISTOGRAM else ("",)
        names |= {one.prometheus + ending: one for ending in endings}
    return names


def labels(instrument: Instrument) -> dict[str, tuple[str, ...]]:
    return {each.name.replace(".", "_"): each.values for each in instrument.attributes}


def alerts() -> dict[str, dict[str, Any]]:
    groups = yaml.safe_load((DEPLOY / "prometheus/alerts.yml").read_text("utf-8"))["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def dashboard() -> dict[str, Any]:
    document: dict[str, Any] = json.loads((DEPLOY / "grafana/longshore.json").read_text("utf-8"))
    return document


def panels() -> list[dict[str, Any]]:
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def queries() -> list[str]:
    """Every expression of deploy/: alerts, panels, and the dashboard's variables."""
    variables = [each["query"]["query"] for each in dashboard()["templating"]["list"][1:]]
    targets = [target["expr"] for panel in panels() for target in panel["targets"]]
    return [*(rule["expr"] for rule in alerts().values()), *targets, *variables]


def used(query: str) -> list[tuple[str, str]]:
    """Each metric of a query, with what stands in its braces."""
    bare = GROUPING.sub("", query)
    found = METRIC.findall(bare)
    return [(name, inside) for name, inside in found if name not in every_label()]


def every_label() -> set[str]:
    return {name for one in INSTRUMENTS for name in labels(one)}


@pytest.mark.parametrize("query", queries(), ids=range(len(queries())))
def test_each_metric_of_a_query_is_exported_with_the_labels_and_values_it_names(query: str) -> None:
    metrics = used(query)

    known = exported()
    assert metrics or "up{" in query
    for name, inside in metrics:
        assert name in known
        ours = labels(known[name])
        for label, operator, value in MATCH.findall(inside):
            assert label in ours
            exact = operator in {"=", "!="} and value and ours[label]
            assert not exact or value in ours[label]


@pytest.mark.parametrize("query", queries(), ids=range(len(queries())))
def test_a_query_groups_by_labels_that_its_metrics_have(query: str) -> None:
    groups = {label.strip() for inside in GROUPING.findall(query) for label in inside.split(",")}

    known = exported()
    for name, _ in used(query):
        assert groups <= {*labels(known[name]), *OTHERS}


def test_each_legend_names_a_label_that_its_query_keeps() -> None:
    lost = [
        (panel["title"], name)
        for panel in panels()
        for target in panel["targets"]
        for name in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])
        if "by (" in target["expr"]
        and not any(name in inside for inside in GROUPING.findall(target["expr"]))
    ]

    assert lost == []


def test_the_dashboard_shows_every_metric() -> None:
    shown = {name for query in queries() for name, _ in used(query)}

    missing = [
        one.prometheus
        for one in INSTRUMENTS
        if not any(name.startswith(one.prometheus) for name in shown)
    ]

    assert missing == []


def test_panels_have_ids_of_their_own_and_do_not_cover_each_other() -> None:
    every = dashboard()["panels"]

    cells = [
        (x, y)
        for each in every
        for x in range(each["gridPos"]["x"], each["gridPos"]["x"] + each["gridPos"]["w"])
        for y in range(each["gridPos"]["y"], each["gridPos"]["y"] + each["gridPos"]["h"])
    ]
    assert len({each["id"] for each in every}) == len(every)
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24


def test_each_alert_says_what_it_is_and_what_to_do() -> None:
    incomplete = [
        name
        for name, rule in alerts().items()
        if set(rule["annotations"]) != {"summary", "description"}
        or rule["labels"]["severity"] not in {"info", "warning", "critical"}
    ]

    assert incomplete == []


def test_each_alert_has_a_unit_test_that_fires_and_one_that_does_not() -> None:
    cases = yaml.safe_load((DEPLOY / "prometheus/alerts_test.yml").read_text("utf-8"))["tests"]
    checks = [check for case in cases for check in case["alert_rule_test"]]

    fires = {check["alertname"] for check in checks if check.get("exp_alerts")}
    silent = {check["alertname"] for check in checks if not check.get("exp_alerts")}

    assert fires == silent == set(alerts())
