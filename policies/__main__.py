"""A Pulumi policy pack with the rules of docs/security.md: `pulumi preview --policy-pack policies`."""

from ics.pulumi_program import policy_pack

policy_pack.run()
