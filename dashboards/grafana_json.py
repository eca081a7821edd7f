"""Dashboards as the JSON that Grafana reads, by the builders of Grafana's own SDK.

The SDK wants Python 3.11 and is needed only to write the files anew.
"""

from __future__ import annotations

import itertools
import json

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as model

from dashboards.annotations import ANNOTATIONS, Annotation
from dashboards.catalog import PREFIX
from dashboards.grafana_panels import DATASOURCE, build
from dashboards.panels import Dashboard

TAG = "hairpin"
REFRESH = "10s"
RUNS = f"sort_desc(max by (run) (max_over_time({PREFIX}run_start_time_seconds[$__range])))"


def to_json(dashboard: Dashboard) -> str:
    """The file's content: JSON that ends with a newline, the same for the same dashboard."""
    builder = (
        builders.Dashboard(dashboard.title)
        .uid(dashboard.uid)
        .description(dashboard.description)
        .tags([TAG])
        .readonly()
        .timezone("browser")
        .refresh(REFRESH)
        .time(dashboard.since, "now")
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .with_variable(
            builders.DatasourceVariable("datasource").label("Data source").type("prometheus")
        )
        .with_variable(_run_variable(dashboard))
        .link(
            builders.DashboardLink("Hairpin")
            .type(model.DashboardLinkType.DASHBOARDS)
            .tags([TAG])
            .include_vars(True)
            .keep_time(True)
        )
    )
    ids = itertools.count(1)
    for row in dashboard.rows:
        panels = [build(panel).id(next(ids)) for panel in row.panels]
        if row.title:
            heading = builders.Row(row.title).id(next(ids)).collapsed(row.collapsed)
            for panel in panels if row.collapsed else ():
                heading.with_panel(panel)
            builder.with_row(heading)
        for panel in () if row.collapsed else panels:
            builder.with_panel(panel)
    content = json.loads(json.dumps(builder.build(), cls=JSONEncoder))
    content["annotations"] = {
        "list": [_annotation(annotation, dashboard) for annotation in ANNOTATIONS]
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _run_variable(dashboard: Dashboard) -> builders.QueryVariable:
    """All runs of the time range, the newest first."""
    variable = (
        builders.QueryVariable("run")
        .label("Run")
        .description("The runs of the time range, the newest first")
        .datasource(DATASOURCE)
        .query(f"query_result({RUNS})")
        .regex('/run="([^"]+)"/')
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.DISABLED)
        .multi(True)
        .include_all(dashboard.all_runs)  # without it the newest run is chosen
        .allow_custom_value(False)
    )
    if dashboard.all_runs:
        variable.current(model.VariableOption(selected=True, text="All", value="$__all"))
    return variable


def _annotation(annotation: Annotation, dashboard: Dashboard) -> dict[str, object]:
    """The SDK's class for it lacks the fields that are Prometheus' own."""
    content: dict[str, object] = json.loads(
        json.dumps(
            model.AnnotationQuery(
                name=annotation.name,
                datasource=DATASOURCE,
                enable=not annotation.frequent or dashboard.checkpoint_marks,
                icon_color=annotation.color,
                expr=annotation.expr,
            ),
            cls=JSONEncoder,
        )
    )
    return content | {
        "step": annotation.step,
        "titleFormat": annotation.name,
        "textFormat": annotation.text,
        "tagKeys": "run",
        "useValueForTime": annotation.value_is_time,
    }
