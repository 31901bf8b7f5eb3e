"""`show`: a roadmap as a tree."""

from typing import Any

import click
from rich.markup import escape

from cli.api_client import id_argument, page_of, service_options
from cli.output import console, json_option, show, status_sentence
from core.i18n import pluralize
from core.sanitize import plain
from roadmap_client import RoadmapClient


@click.command("show")
@id_argument
@service_options
@json_option
def show_command(roadmap_id: str, client: RoadmapClient, as_json: bool) -> None:
    """Show the roadmap ID as a tree of stages, modules and concepts with their weeks.

    Marks of concepts: ✓ contents written, · in progress, ✗ failed or cancelled.
    """
    roadmap = client.get(f"/api/v1/roadmaps/{roadmap_id}")

    def human() -> None:
        print_tree(roadmap)
        if roadmap["status"] != "ready":
            click.echo(f"\n{status_sentence(roadmap)}")
        click.echo(f"\n{page_of(client, roadmap)}")

    show(roadmap, as_json, human)


def print_tree(roadmap: dict[str, Any]) -> None:
    length = f"{pluralize(roadmap['hours'], 'hour')}, {pluralize(roadmap['weeks'], 'week')}"
    console.print(
        f"\n[bold]{_shown(roadmap['title'] or roadmap.get('goal', ''))}[/]: {length}\n",
        highlight=False,
    )
    for remark in roadmap["remarks"]:
        console.print(f"[yellow]![/] {_shown(remark)}", highlight=False)
    for stage in roadmap["stages"]:
        console.print(f"[bold]{_shown(stage['title'])}[/] ({stage['hours']} h)", highlight=False)
        for module in stage["modules"]:
            console.print(f"  {_shown(module['title'])}", highlight=False)
            for concept in module["concepts"]:
                states = {content["status"] for content in concept["contents"].values()}
                mark = "[yellow]·[/]"
                if states <= {"ready"}:
                    mark = "[green]✓[/]"
                elif "failed" in states or not states & {"pending", "building", "queued"}:
                    mark = "[red]✗[/]"
                console.print(
                    f"    {mark} week {concept['week']:>2}  {_shown(concept['title'])}",
                    highlight=False,
                    soft_wrap=True,
                )


def _shown(text: str) -> str:
    """Return text without markup and control characters."""
    return escape(plain(text))
