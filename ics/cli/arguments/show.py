"""Arguments of `ics show …`."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from ics import errors
from ics.cli import command


@dataclass(frozen=True, kw_only=True)
class Ports(command.Arguments):
    """Allocate the ports of chains, in the order of their launch."""

    example = "ics show ports consumer1-1 consumer2-1"

    chain_ids: Annotated[
        list[str], command.argument("CHAIN_ID", help="Chain ids in the order of their launch.")
    ]


@dataclass(frozen=True, kw_only=True)
class Peers(command.Arguments):
    """Parse endpoints from validator descriptions."""

    example = "ics show peers --details 'p2p=p2p.example.org:26656'"

    details: Annotated[
        list[str], command.option("--details", metavar="TEXT", help="A description (repeatable).")
    ]


@dataclass(frozen=True, kw_only=True)
class NodeId(command.Arguments):
    """Compute the node id of a validator."""

    example = "ics show node-id --public --moniker alice --chain-id consumer1-1"

    seed_file: Annotated[
        Path | None, command.option(metavar="FILE", help="File with the seed, 64 hex characters.")
    ] = None
    public: Annotated[
        bool, command.option("--public", help="Use the public formula, over --moniker and --chain-id.")
    ] = False
    moniker: Annotated[str | None, command.option(metavar="NAME", help="Moniker of the validator.")] = None
    chain_id: Annotated[str | None, command.option(metavar="ID", help="Id of the consumer chain.")] = None

    def check(self) -> None:
        """Check what the types do not say.

        Raises:
            SettingsError: not exactly one source is named.
        """
        super().check()
        if self.public == (self.seed_file is not None):
            raise errors.SettingsError("ics show node-id: use either --seed-file or --public")


@dataclass(frozen=True, kw_only=True)
class Genesis(command.Arguments):
    """Merge the CCV state into a base genesis."""

    example = "ics show genesis --base base.json --ccv ccv.json --out genesis.json"

    base: Annotated[Path, command.option("--base", metavar="FILE", help="Genesis without CCV state.")]
    ccv: Annotated[
        Path,
        command.option("--ccv", metavar="FILE", help="Answer of the provider's consumer_genesis query."),
    ]
    out: Annotated[
        Path | None, command.option(metavar="FILE", help="Write the canonical bytes to this file.")
    ] = None
    chain_id: Annotated[str | None, command.option(metavar="ID", help="Chain id (default: the base's).")] = (
        None
    )
    initial_height: Annotated[
        int | None, command.option(metavar="N", help="Initial height (default: the base's).")
    ] = None
    time: Annotated[
        str | None, command.option(metavar="RFC3339", help="Genesis time (default: the base's).")
    ] = None


@dataclass(frozen=True, kw_only=True)
class Rights(command.Arguments):
    """Print the RBAC manifests the reconciler needs."""

    example = "ics show rights --service-account ops/ics"

    user: Annotated[
        str | None,
        command.option(metavar="NAME", help="Name under which the cluster knows the kubeconfig's user."),
    ] = None
    group: Annotated[str | None, command.option(metavar="NAME", help="Name of a group.")] = None
    service_account: Annotated[
        str | None, command.option(metavar="NAMESPACE/NAME", help="A ServiceAccount.")
    ] = None
    gateway: Annotated[
        str, command.option(metavar="NAMESPACE", help="Namespace of the gateway (default: provider).")
    ] = "provider"
    pulumi: Annotated[
        bool, command.option("--pulumi", help="Include what Pulumi's Kubernetes plugin needs.")
    ] = False

    def check(self) -> None:
        """Check what the types do not say.

        Raises:
            SettingsError: not exactly one subject is named.
        """
        super().check()
        if [self.user, self.group, self.service_account].count(None) != 2:
            raise errors.SettingsError("ics show rights: use one of --user, --group and --service-account")


@dataclass(frozen=True, kw_only=True)
class Alerts(command.Arguments):
    """Print the rules file of Prometheus with all alerts."""

    example = "ics show alerts --namespace monitoring --label release=prometheus"

    runbooks: Annotated[
        str,
        command.option(
            metavar="URL", help="Address of the page of runbooks (default: docs/runbooks.md of the project)."
        ),
    ] = "docs/runbooks.md"
    namespace: Annotated[
        str | None,
        command.option(
            metavar="NAME",
            help="Namespace of a PrometheusRule and PodMonitors, which are printed instead, for the Prometheus"
            " operator.",
        ),
    ] = None
    label: Annotated[
        list[str],
        command.option(
            metavar="NAME=VALUE",
            help="With --namespace: a label by which Prometheus selects them (repeatable).",
        ),
    ] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Alertmanager(command.Arguments):
    """Print an example of Alertmanager's configuration for these alerts."""

    example = "ics show alertmanager"


@dataclass(frozen=True, kw_only=True)
class Dashboard(command.Arguments):
    """Print Grafana's dashboard of a validator."""

    example = "ics show dashboard"


@dataclass(frozen=True, kw_only=True)
class Settings(command.Arguments):
    """List every setting of a stack with its default and meaning."""

    example = "ics show settings"


@dataclass(frozen=True, kw_only=True)
class Selection(command.Arguments):
    """Show the validators that the 66 % rule selects, with their shares."""

    example = "ics show selection --validators validators.json"

    validators: Annotated[
        Path,
        command.option(
            "--validators", metavar="FILE", help="Answer of the staking validators query, as a file."
        ),
    ]


APP = command.group(
    {
        "ports": command.Command(Ports, "show:ports_of"),
        "peers": command.Command(Peers, "show:peers"),
        "node-id": command.Command(NodeId, "show:node_id"),
        "genesis": command.Command(Genesis, "show:completed_genesis"),
        "rights": command.Command(Rights, "show:rights_of"),
        "alerts": command.Command(Alerts, "show:alerts"),
        "alertmanager": command.Command(Alertmanager, "show:alertmanager"),
        "dashboard": command.Command(Dashboard, "show:grafana_dashboard"),
        "settings": command.Command(Settings, "show:all_settings"),
        "selection": command.Command(Selection, "show:selected"),
    }
)
