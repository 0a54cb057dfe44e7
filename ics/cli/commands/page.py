"""`ics page`: the status page beside passes from cron."""

from ics.cli import options, status_page
from ics.cli.arguments import page
from ics.reconciler import wiring


async def _page(args: page.Page, stack: wiring.OpenStack) -> int:
    return await status_page.serve(stack, status_page.StackName.of(args), args.port)


run = options.on_stack(_page)
