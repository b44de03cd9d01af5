"""/pipeline: where did each received record go."""

from __future__ import annotations

from soc_ui.console import Console
from soc_ui.guard import refreshing
from soc_ui.vm.pipeline import STAGES, pipeline_page


def show(console: Console) -> None:
    draw(console)


@refreshing(5)
def draw(console: Console) -> None:
    page = pipeline_page(console.actor, console.services, console.language)
    console.cards("pipeline_head", main=True, headline=page.headline, tone=page.tone, tiles=page.tiles)
    console.table("pipeline_sources", [
        (console.t("pipeline.source"), "mono"), (console.t("sources.realm"), "realm"),
        *((console.t(f"pipeline.{name}"), "num") for name in ("received", *STAGES)),
        (console.t("pipeline.equation"), "state"),
    ], page.rows, as_of=page.as_of, empty=console.t("sources.empty"))
    if page.partitions:
        console.table("pipeline_partitions", [
            (console.t("pipeline.partition"), "num"), (console.t("pipeline.mark"), "num"),
        ], page.partitions, as_of=page.as_of, title=console.t("pipeline.partitions"))
