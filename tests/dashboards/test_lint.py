"""Rules that every dashboard keeps, in the spirit of Grafana's dashboard-linter."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from dashboards.catalog import BY_NAME, PHASES

FOLDER = Path(__file__).resolve().parents[2] / "dashboards"
UIDS = {"hairpin-training", "hairpin-cluster", "hairpin-services"}
CONFIGMAP_BYTES = 262_144  # what `kubectl apply` can note of an object
FOREIGN = {
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "prometheus_tsdb_head_series",
    "prometheus_tsdb_head_samples_appended_total",
    "minio_s3_requests_total",
    "minio_cluster_capacity_usable_free_bytes",
    "minio_cluster_capacity_usable_total_bytes",
    "paths_bytes_received",
    "rtsp_sessions",
    "ray_node_cpu_utilization",
    "ray_node_cpu_count",
    "ray_node_mem_used_host",
    "ray_node_mem_total_host",
    "ray_object_store_memory",
    "ray_resources",
}
WORDS = {
    *("sum", "max", "min", "count", "by", "on", "or", "and", "unless", "offset", "time", "abs"),
    *("rate", "increase", "max_over_time", "last_over_time", "label_replace", "sort_desc"),
    *("predict_linear", "Inf", "e9"),
}
GRID_WIDTH = 24


def names(expr: str) -> set[str]:
    """The metrics of an expression."""
    bare = re.sub(r'"[^"]*"', "", expr)
    bare = re.sub(r"\{[^}]*\}|\[[^]]*\]", "", bare)
    bare = re.sub(r"\b(by|on) \([^)]*\)", "", bare)
    bare = re.sub(r"\b\d[\w.]*", "", bare)
    return set(re.findall(r"[A-Za-z_]\w*", bare)) - WORDS


def in_catalogue(name: str) -> str | None:
    for ending in ("", "_bucket", "_sum", "_count"):
        metric = BY_NAME.get(name.removesuffix(ending)) if name.endswith(ending) else None
        if metric is not None and (metric.kind == "histogram") == bool(ending):
            return metric.name
    return None


def test_the_three_dashboards_are_there(dashboards: dict[str, Any]) -> None:
    assert set(dashboards) == UIDS
    for uid, one in dashboards.items():
        assert one["uid"] == uid
        assert len((FOLDER / "grafana" / f"{uid}.json").read_bytes()) < CONFIGMAP_BYTES


def test_metrics_are_of_the_catalogue(asked: list[Any]) -> None:
    for one in asked:
        for name in names(one.expr):
            assert name in FOREIGN or in_catalogue(name), f"{one.dashboard}, {one.where}: {name}"


def test_every_metric_of_the_catalogue_has_a_panel(asked: list[Any]) -> None:
    shown = {in_catalogue(name) for one in asked if one.panel for name in names(one.expr)}
    assert set(BY_NAME) - shown == set()


def test_foreign_metrics_are_all_used(asked: list[Any]) -> None:
    assert FOREIGN - {name for one in asked for name in names(one.expr)} == set()


def test_labels_are_of_the_catalogue(asked: list[Any]) -> None:
    for one in asked:
        for name, selector in re.findall(r"(hairpin_\w+)\{([^}]*)\}", one.expr):
            metric = BY_NAME[in_catalogue(name) or ""]
            labels = set(re.findall(r"(\w+)=~?\"", selector))
            assert labels <= {"run", *metric.labels}, f"{one.where}: {selector}"
            assert 'run=~"$run"' in selector, f"{one.where}: {name} is not of the chosen runs"


def test_phases_have_colours_of_their_own(panels: list[tuple[str, Any]]) -> None:
    (panel,) = [panel for _, panel in panels if panel["title"].startswith("Where the time goes")]
    colours = {
        override["matcher"]["options"]: override["properties"][0]["value"]["fixedColor"]
        for override in panel["fieldConfig"]["overrides"]
    }
    assert set(colours) == set(PHASES)
    assert len(set(colours.values())) == len(PHASES)


def test_panels_are_described(panels: list[tuple[str, Any]]) -> None:
    for uid, panel in panels:
        where = f"{uid}: {panel['title']}"
        assert len(panel["description"]) > 20 and panel["description"].endswith("."), where
        assert panel["fieldConfig"]["defaults"]["unit"], where
        assert panel["targets"], where
        assert panel["datasource"]["uid"] == "${datasource}", where


def test_titles_and_identifiers_are_unique(dashboards: dict[str, Any]) -> None:
    for uid, one in dashboards.items():
        everything = [*one["panels"], *(p for row in one["panels"] for p in row.get("panels", []))]
        titles = [panel["title"] for panel in everything]
        ids = [panel["id"] for panel in everything]
        assert len(set(titles)) == len(titles), uid
        assert len(set(ids)) == len(ids), uid


def test_targets_are_well_formed(panels: list[tuple[str, Any]]) -> None:
    for uid, panel in panels:
        where = f"{uid}: {panel['title']}"
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
        for target in panel["targets"]:
            assert target["datasource"]["uid"] == "${datasource}", where
            assert target["instant"] == (panel["type"] == "table"), where
            assert target["legendFormat"], where


def test_rates_use_the_interval_that_fits_the_scrapes(asked: list[Any]) -> None:
    for one in asked:
        for function, window in re.findall(r"(rate|increase)\([^[\]]*\[([^]]*)\]", one.expr):
            expected = "$__rate_interval" if one.panel else "1m"
            assert window == expected, f"{one.where}: {function}"


def test_counters_are_shown_as_rates_and_gauges_are_not(asked: list[Any]) -> None:
    since_the_start = {"hairpin_checkpoints_total", "hairpin_checkpoints_damaged_total"}
    since_the_start |= {"hairpin_spool_dropped_total", "hairpin_workshop_training_seconds_total"}
    for one in asked:
        for name in names(one.expr):
            whole = in_catalogue(name)
            if whole is None or whole in since_the_start:
                continue
            rated = re.search(rf"(rate|increase)\({name}\b", one.expr) is not None
            assert rated == (BY_NAME[whole].kind != "gauge"), f"{one.where}: {name}"


def test_panels_do_not_overlap_and_fill_the_width(dashboards: dict[str, Any]) -> None:
    for uid, one in dashboards.items():
        for group in (one["panels"], *(row.get("panels") or [] for row in one["panels"])):
            boxes = [panel["gridPos"] for panel in group]
            for a, b in combinations(boxes, 2):
                beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
                above = a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
                assert beside or above, (uid, a, b)
            for y in {box["y"] for box in boxes}:
                assert sum(box["w"] for box in boxes if box["y"] == y) == GRID_WIDTH, (uid, y)


def test_dashboards_share_their_frame(dashboards: dict[str, Any]) -> None:
    for uid, one in dashboards.items():
        assert one["editable"] is False, uid
        assert one["tags"] == ["hairpin"], uid
        assert one["refresh"] == "10s", uid
        assert one["graphTooltip"] == 1, uid
        assert [variable["name"] for variable in one["templating"]["list"]] == ["datasource", "run"]
        run = one["templating"]["list"][1]
        assert run["refresh"] == 2 and run["multi"], uid
        (link,) = one["links"]
        assert link["tags"] == ["hairpin"] and link["includeVars"] and link["keepTime"], uid
        marks = {mark["name"] for mark in one["annotations"]["list"]}
        assert marks >= {"Checkpoint", "Best policy", "Worker lost"}, uid


def test_names_finds_metrics() -> None:
    expr = 'sum by (run) (rate(hairpin_x_total{run=~"$run"}[1m])) / max(up) unless on (run) a > 5e9'
    assert names(expr) == {"hairpin_x_total", "up", "a"}


@pytest.mark.parametrize("name", ["hairpin_lap_time_seconds", "hairpin_nothing", "up_bucket"])
def test_only_names_that_are_exported_are_in_the_catalogue(name: str) -> None:
    assert in_catalogue(name) is None
