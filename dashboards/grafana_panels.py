"""Panels as Grafana's JSON: how each kind is drawn."""

from __future__ import annotations

import json
import string
from typing import TypeVar

from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.builders import heatmap, prometheus, stat, table, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode, HeatmapColorScale
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from dashboards.panels import BLUE, Panel, Query, Threshold

MINIMUM_INTERVAL = "5s"  # as often as a laptop's Prometheus scrapes; more points would say no more
SPAN_GAPS_MS = 5 * 60 * 1000  # lines go on over what happens rarely, and stop where a run stopped
DATASOURCE = model.DataSourceRef(type_val="prometheus", uid="${datasource}")

AnyPanel = TypeVar("AnyPanel", timeseries.Panel, stat.Panel, table.Panel, heatmap.Panel)


def build(panel: Panel) -> timeseries.Panel | stat.Panel | table.Panel | heatmap.Panel:
    """The builder of a panel, to which only an identifier is missing."""
    if panel.kind == "stat":
        return _stat(panel)
    if panel.kind == "table":
        return _table(panel)
    if panel.kind == "heatmap":
        return _heatmap(panel)
    return _timeseries(panel)


def _common(builder: AnyPanel, panel: Panel) -> AnyPanel:
    """What every kind of panel has."""
    builder.title(panel.title).description(panel.description).unit(panel.unit)
    builder.datasource(DATASOURCE).interval(MINIMUM_INTERVAL)
    builder.span(panel.width).height(panel.height)
    for letter, query in zip(string.ascii_uppercase, panel.queries, strict=False):
        builder.with_target(_target(letter, query, panel.kind))
    if panel.minimum is not None:
        builder.min(panel.minimum)
    if panel.maximum is not None:
        builder.max(panel.maximum)
    if panel.decimals is not None:
        builder.decimals(panel.decimals)
    if panel.no_value is not None:
        builder.no_value(panel.no_value)
    if panel.repeat is not None:
        builder.repeat(panel.repeat).repeat_direction("h").max_per_row(2)
    if panel.thresholds:
        builder.thresholds(_thresholds(panel.thresholds))
    if panel.texts:
        texts = {
            value: model.ValueMappingResult(text=text, color=color, index=index)
            for index, (value, text, color) in enumerate(panel.texts)
        }
        builder.mappings([model.ValueMap(options=texts)])
    return builder


def _target(letter: str, query: Query, kind: str) -> prometheus.Dataquery:
    target = (
        prometheus.Dataquery().expr(query.expr).ref_id(letter).datasource(DATASOURCE)
    ).legend_format(query.legend or "__auto")
    if kind == "table":
        return target.instant().format(PromQueryFormat.TABLE)
    if kind == "heatmap":
        return target.range().format(PromQueryFormat.HEATMAP)
    return target.range()


def _thresholds(steps: tuple[Threshold, ...]) -> builders.ThresholdsConfig:
    """The lowest step holds for everything below the second."""
    return (
        builders.ThresholdsConfig()
        .mode(model.ThresholdsMode.ABSOLUTE)
        .steps(
            [
                model.Threshold(value=value if number else None, color=color)
                for number, (value, color) in enumerate(steps)
            ]
        )
    )


def _timeseries(panel: Panel) -> timeseries.Panel:
    builder = (
        _common(timeseries.Panel(), panel)
        .line_width(1 if panel.stack else 2)
        .fill_opacity(70 if panel.stack else 8)
        .show_points(common.VisibilityMode.AUTO)
        .point_size(4)
        .span_nulls(SPAN_GAPS_MS)
        .tooltip(
            common_builders.VizTooltipOptions()
            .mode(common.TooltipDisplayMode.MULTI)
            .sort(common.SortOrder.NONE if panel.stack else common.SortOrder.DESCENDING)
        )
        .legend(
            common_builders.VizLegendOptions()
            .display_mode(common.LegendDisplayMode.LIST)
            .placement(common.LegendPlacement.BOTTOM)
            .show_legend(True)
            .calcs(["lastNotNull"])
        )
        .color_scheme(builders.FieldColor().mode(model.FieldColorModeId.PALETTE_CLASSIC_BY_NAME))
    )
    if panel.bars:
        builder.draw_style(common.GraphDrawStyle.BARS).fill_opacity(70).line_width(0)
    if panel.steps:
        builder.line_interpolation(common.LineInterpolation.STEP_AFTER)
    if panel.log:
        builder.scale_distribution(
            common_builders.ScaleDistributionConfig().type(common.ScaleDistribution.LOG).log(10)
        )
    if panel.stack:
        stacking = common.StackingMode(panel.stack)
        builder.stacking(common_builders.StackingConfig().mode(stacking).group("A"))
    if panel.thresholds:
        style = common.GraphThresholdsStyleMode.DASHED
        builder.thresholds_style(common_builders.GraphThresholdsStyleConfig().mode(style))
    for letter, query in zip(string.ascii_uppercase, panel.queries, strict=False):
        properties = []
        if query.color is not None:
            # Several runs have shades of the one colour that a quantity has.
            mode = "shades" if "{{run}}" in query.legend else "fixed"
            properties.append(_property("color", {"mode": mode, "fixedColor": query.color}))
        if query.dashed:
            properties.append(_property("custom.lineStyle", {"fill": "dash", "dash": [8, 6]}))
            properties.append(_property("custom.fillOpacity", 0))
        if properties:
            builder.override_by_query(letter, properties)
    for name, color in panel.colors:
        builder.override_by_name(name, [_property("color", _fixed(color))])
    return builder


def _stat(panel: Panel) -> stat.Panel:
    builder = (
        _common(stat.Panel(), panel)
        .graph_mode(common.BigValueGraphMode.NONE if panel.names else common.BigValueGraphMode.AREA)
        .color_mode(common.BigValueColorMode.VALUE)
        .text_mode(common.BigValueTextMode.NAME if panel.names else common.BigValueTextMode.AUTO)
        .reduce_options(
            common_builders.ReduceDataOptions().calcs(["lastNotNull"]).values(False).fields("")
        )
    )
    if not panel.thresholds:
        color = panel.queries[0].color or BLUE
        builder.color_scheme(
            builders.FieldColor().mode(model.FieldColorModeId.FIXED).fixed_color(color)
        )
    return builder


def _table(panel: Panel) -> table.Panel:
    """One row for each set of labels, one column for each query."""
    columns = {
        f"Value #{letter}": query.legend
        for letter, query in zip(string.ascii_uppercase, panel.queries, strict=False)
    }
    builder = _common(table.Panel(), panel).show_header(True)
    builder.with_transformation(model.DataTransformerConfig(id_val="merge", options={}))
    hidden = dict.fromkeys(("Time", *(old for old, new in columns.items() if not new)), True)
    renamed = {old: new for old, new in columns.items() if new}
    builder.with_transformation(
        model.DataTransformerConfig(
            id_val="organize", options={"excludeByName": hidden, "renameByName": renamed}
        )
    )
    if panel.link is not None:
        link = {
            "title": "Open ${__value.text}",
            "url": f"/d/{panel.link}?var-run=${{__value.raw:percentencode}}"
            "&var-datasource=${datasource}&${__url_time_range}",
        }
        builder.override_by_name("run", [_property("links", [link])])
    for query in panel.queries:
        properties = []
        if query.unit is not None:
            properties.append(_property("unit", query.unit))
        if query.thresholds:
            steps = json.loads(json.dumps(_thresholds(query.thresholds).build(), cls=JSONEncoder))
            properties.append(_property("thresholds", steps))
            properties.append(_property("custom.cellOptions", {"type": "color-text"}))
        if properties:
            builder.override_by_name(query.legend, properties)
    return builder


def _heatmap(panel: Panel) -> heatmap.Panel:
    """Of a histogram's buckets."""
    color = (
        heatmap.HeatmapColorOptions()
        .mode(HeatmapColorMode.SCHEME)
        .scheme("Cividis")  # reads the same with any kind of colour vision
        .scale(HeatmapColorScale.EXPONENTIAL)
        .exponent(0.5)
        .steps(64)
    )
    return _common(heatmap.Panel(), panel).calculate(False).color(color).cell_gap(1).show_legend()


def _property(name: str, value: object) -> model.DynamicConfigValue:
    return model.DynamicConfigValue(id_val=name, value=value)


def _fixed(color: str) -> dict[str, str]:
    return {"mode": "fixed", "fixedColor": color}
