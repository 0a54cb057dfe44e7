"""Arguments of `ics alerts …`."""

from dataclasses import dataclass

from ics.cli import command
from ics.cli.arguments import shared


@dataclass(frozen=True, kw_only=True)
class Test(shared.OnStack):
    """Push the alert IcsTest, a warning that ends on its own, to every Alertmanager of the stack."""

    example = "ics alerts test --stack alice"


APP = command.group({"test": command.Command(Test, "alerts:test")})
