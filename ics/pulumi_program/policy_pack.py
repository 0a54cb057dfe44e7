"""The Pulumi policy pack with the rules of docs/security.md: `pulumi preview --policy-pack policies`."""

from collections.abc import Callable, Iterator

from pulumi_policy import (
    EnforcementLevel,
    PolicyPack,
    ReportViolation,
    ResourceValidation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
)

from ics.pulumi_program import policy_rules

Rule = Callable[[str, policy_rules.Inputs], Iterator[str]]


def run() -> None:
    """Serve the pack to Pulumi, which runs the `__main__.py` of its folder."""
    PolicyPack(
        name="ics-security",
        enforcement_level=EnforcementLevel.MANDATORY,
        policies=[
            ResourceValidationPolicy(name=name, description=text, validate=_validation(rule))
            for name, text, rule in _POLICIES
        ],
    )


def _validation(rule: Rule) -> ResourceValidation:
    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        for message in rule(args.resource_type, args.props):
            report(message, None)

    return validate


_POLICIES: tuple[tuple[str, str, Rule], ...] = (
    ("one-replica", "A signing node has one replica.", policy_rules.signs_once),
    (
        "key-in-one-pod",
        "Only a chain's signing node has its consensus key.",
        policy_rules.keeps_keys_in_one_pod,
    ),
    (
        "no-key-in-config-map",
        "Keys are in Secrets, never in ConfigMaps.",
        policy_rules.keeps_keys_out_of_config_maps,
    ),
    (
        "exact-images",
        "Images are named by version or digest, never `latest`.",
        policy_rules.names_images_exactly,
    ),
    ("retained-volumes", "Volumes outlive the chain and the stack.", policy_rules.retains_volumes),
)
