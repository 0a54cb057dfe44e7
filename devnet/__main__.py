"""`python -m devnet`: builds, starts, shows and removes the local network."""

import argparse
import datetime
import os
import sys

from devnet import demo, network, owner, plan, toolchain
from devnet.progress import Progress
from ics import errors


def main() -> int:
    """Runs one command; the exit code is 1 for trouble that may pass and 3 for what will not."""
    arguments = _parser().parse_args()
    try:
        _COMMANDS[arguments.command](arguments, Progress())
    except errors.IcsError as error:
        print(f"devnet: {error}", file=sys.stderr)
        return 1 if isinstance(error, errors.Transient) else 3
    except OSError as error:
        print(f"devnet: {error.strerror}: {error.filename}", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        print("\ndevnet: interrupted; `python -m devnet down` removes what was started", file=sys.stderr)
        sys.stderr.flush()
        os._exit(130)  # threads that wait for a host would keep the process
    return 0


def _build(arguments: argparse.Namespace, progress: Progress) -> None:
    toolchain.ensure(progress)


def _up(arguments: argparse.Namespace, progress: Progress) -> None:
    network.up(progress)
    _status(arguments, progress)


def _down(arguments: argparse.Namespace, progress: Progress) -> None:
    network.down(progress)
    for line in network.leftovers():
        raise errors.Transient(f"{line} is still there: run `python -m devnet down` again")


def _demo(arguments: argparse.Namespace, progress: Progress) -> None:
    demo.run(progress)


def _status(arguments: argparse.Namespace, progress: Progress) -> None:
    print(f"{'HOST':<9}{'NODE':<11}{'PROVIDER':<10}{'ADDRESS':<14}{'BALANCER':<15}ENDED")
    for each in network.status():
        host = plan.host(each.name)
        node = "Ready" if each.node_ready else "not ready"
        ended = ", ".join(each.ended) or "-"
        print(
            f"{each.name:<9}{node:<11}{each.provider_height:<10}{host.address:<14}{host.balancer:<15}{ended}"
        )


def _create(arguments: argparse.Namespace, progress: Progress) -> None:
    now = datetime.datetime.now(datetime.UTC)
    spec = owner.ConsumerSpec(
        chain_id=arguments.chain_id,
        spawn_time=now + datetime.timedelta(seconds=arguments.spawn_in),
        genesis_hash=arguments.genesis_hash,
        top_n=arguments.top_n,
    )
    with progress.step(f"creating consumer chain {spec.chain_id}", 3):
        consumer_id = owner.create_consumer(spec)
    print(consumer_id)


def _remove(arguments: argparse.Namespace, progress: Progress) -> None:
    with progress.step(f"removing consumer {arguments.consumer_id}", 3):
        owner.remove_consumer(arguments.consumer_id)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="devnet", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("build", help="install and build what is missing")
    commands.add_parser("up", help="start the network, or what is missing of it")
    commands.add_parser("demo", help="start the network and launch a consumer chain on it")
    commands.add_parser("down", help="remove the network with all its data")
    commands.add_parser("status", help="show the hosts")
    create = commands.add_parser("create-consumer", help="create a consumer chain as its owner")
    create.add_argument("chain_id")
    create.add_argument("--spawn-in", type=float, default=45.0, metavar="SECONDS")
    create.add_argument("--genesis-hash", default="", metavar="HEX", help="sha256 of the base genesis")
    create.add_argument("--top-n", type=int, default=0, metavar="N")
    remove = commands.add_parser("remove-consumer", help="remove a launched consumer chain as its owner")
    remove.add_argument("consumer_id")
    return parser


_COMMANDS = {
    "build": _build,
    "up": _up,
    "demo": _demo,
    "down": _down,
    "status": _status,
    "create-consumer": _create,
    "remove-consumer": _remove,
}

if __name__ == "__main__":
    sys.exit(main())
