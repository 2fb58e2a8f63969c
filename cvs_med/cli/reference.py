"""The command-line reference, generated from the help: `python -m cvs_med.cli.reference > docs/cli.md`."""

from collections.abc import Iterator

import click

from cvs_med.cli.main import main


def pages(command: click.Command, name: str, parent: click.Context | None = None) -> Iterator[str]:
    """Give the help of a command, then that of its subcommands."""
    settings = {**command.context_settings, "terminal_width": 100}
    context = click.Context(command, info_name=name, parent=parent, **settings)
    yield f"## `{context.command_path}`\n\n```text\n{command.get_help(context)}\n```\n"
    if isinstance(command, click.Group):
        for child in sorted(command.commands):
            yield from pages(command.commands[child], child, context)


def reference() -> str:
    """Give the whole reference as Markdown."""
    return "# Commands\n\nGenerated from the help by `make docs`.\n\n" + "\n".join(pages(main, "cvs-med"))


if __name__ == "__main__":
    click.echo(reference(), nl=False)
