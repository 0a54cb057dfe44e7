"""Command `python -m devnet`, which builds, starts, shows and removes the local network."""

import argparse
import os
import sys

from devnet import demo, hosts, monitoring, network, plan, policies, toolchain
from devnet.progress import Progress
from ics import errors


def main() -> int:
    """Run one command and return 0, 1 after a transient error, or 3 after a permanent one."""
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
        os._exit(130)  # threads that wait for a host would keep the process alive
    return 0


def _build(arguments: argparse.Namespace, progress: Progress) -> None:
    toolchain.ensure(progress)
    monitoring.ensure(progress)


def _up(arguments: argparse.Namespace, progress: Progress) -> None:
    network.up(progress)
    _status(arguments, progress)


def _down(arguments: argparse.Namespace, progress: Progress) -> None:
    network.down(progress)
    for line in network.leftovers():
        raise errors.Transient(f"{line} still exists; run `python -m devnet down` again")


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


def _enforce(arguments: argparse.Namespace, progress: Progress) -> None:
    if not network.is_up():
        raise errors.Permanent("the network is not up; run `python -m devnet up`")
    for host in plan.HOSTS:
        policies.enforce(host, progress)


def _release(arguments: argparse.Namespace, progress: Progress) -> None:
    for host in plan.HOSTS:
        if hosts.is_up(host):
            policies.release(host)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="devnet", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("build", help="install and build missing programs")
    commands.add_parser("up", help="start the network, or its missing parts")
    commands.add_parser("demo", help="start the network and launch a consumer chain on it")
    commands.add_parser("down", help="remove the network with all its data")
    commands.add_parser("status", help="show the hosts")
    commands.add_parser("enforce", help="enforce the clusters' NetworkPolicies")
    commands.add_parser("release", help="enforce them no longer")
    return parser


_COMMANDS = {
    "build": _build,
    "up": _up,
    "demo": _demo,
    "down": _down,
    "status": _status,
    "enforce": _enforce,
    "release": _release,
}

if __name__ == "__main__":
    sys.exit(main())
