"""The component package `ics`, which Pulumi runs for programs in other languages: `pulumi package add components`."""

from importlib import metadata

from pulumi.provider.experimental import component_provider_host

from ics.pulumi_program import package

if __name__ == "__main__":
    component_provider_host(
        name=package.NAME, version=metadata.version("ics-operator"), components=list(package.COMPONENTS)
    )
