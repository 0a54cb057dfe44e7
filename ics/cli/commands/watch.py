"""`ics watch`: the daemon with its event sources, its probes and its log."""

import asyncio

from ics.cli import fleet, options, resident, signals, status_page, stopping
from ics.cli.arguments import watch as arguments
from ics.reconciler import wiring


async def _watch(args: arguments.Watch, stack: wiring.OpenStack) -> int:
    settings, log = stack.world.settings, resident.PassLog(is_json=args.is_data)
    page = status_page.DaemonPage(status_page.StackName.of(args), settings)
    # Without a port, no metrics of the daemon are read.
    own = resident.Resident.of(stack, page, log, is_read=bool(settings.daemon.port))
    with stopping.by_signals(own.process.stop):
        # A signal just before has cancelled this task; let that end it here, before the first pass.
        await asyncio.sleep(0)
        served = page.served(
            settings.daemon.port, own.look, lambda problem: log.write(problem, problem=problem)
        )
        async with served as port:
            log.write(f"watching as {settings.validator}" + (f", probes on port {port}" if port else ""))
            await own.run()
    signals.settle(0)
    log.write("stopped; the Lease is returned")
    return 0


_one = options.on_stack(_watch, stays=True)


def run(args: arguments.Watch) -> int:
    """Watch one stack, or all of them."""
    return asyncio.run(fleet.watch(args)) if args.all else _one(args)
