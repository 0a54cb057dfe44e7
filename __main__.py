"""The Pulumi program of this project: `pulumi up -s NAME` runs it."""

from ics.pulumi_program import project

project.run(__file__)
