"""The provider's program with the modules authz and feegrant, which real providers such as the Cosmos Hub have.

`interchain-security-pd` v7 lacks them. They are added to `app.go` in a copy of its module; the rest of the program is
unchanged.
"""

import shutil
import tempfile
from pathlib import Path

from devnet import cache, commands, plan, toolchain
from ics import errors

_MODULE = "github.com/cosmos/interchain-security/v7"
_PROGRAM = "interchain-security-pd"
_ORDER = "\t\tminttypes.ModuleName,\n"
_ADDED = (
    (
        '\t"github.com/cosmos/cosmos-sdk/x/mint"\n',
        1,
        '\t"cosmossdk.io/x/feegrant"\n'
        '\tfeegrantkeeper "cosmossdk.io/x/feegrant/keeper"\n'
        '\tfeegrantmodule "cosmossdk.io/x/feegrant/module"\n'
        '\t"github.com/cosmos/cosmos-sdk/x/authz"\n'
        '\tauthzkeeper "github.com/cosmos/cosmos-sdk/x/authz/keeper"\n'
        '\tauthzmodule "github.com/cosmos/cosmos-sdk/x/authz/module"\n',
    ),
    (
        "\t\tmint.AppModuleBasic{},\n",
        1,
        "\t\tauthzmodule.AppModuleBasic{},\n\t\tfeegrantmodule.AppModuleBasic{},\n",
    ),
    ("\t\tconsensusparamtypes.StoreKey,\n", 1, "\t\tauthzkeeper.StoreKey, feegrant.StoreKey,\n"),
    (
        "\tapp.MintKeeper = mintkeeper.NewKeeper(\n",
        1,
        "\tauthzKeeper := authzkeeper.NewKeeper(runtime.NewKVStoreService(keys[authzkeeper.StoreKey]),\n"
        "\t\tappCodec, app.MsgServiceRouter(), app.AccountKeeper)\n"
        "\tfeeGrantKeeper := feegrantkeeper.NewKeeper(\n"
        "\t\tappCodec, runtime.NewKVStoreService(keys[feegrant.StoreKey]), app.AccountKeeper)\n",
    ),
    (
        "\t\tevidence.NewAppModule(app.EvidenceKeeper),\n",
        1,
        "\t\tauthzmodule.NewAppModule(\n"
        "\t\t\tappCodec, authzKeeper, app.AccountKeeper, app.BankKeeper, app.interfaceRegistry),\n"
        "\t\tfeegrantmodule.NewAppModule(\n"
        "\t\t\tappCodec, app.AccountKeeper, app.BankKeeper, feeGrantKeeper, app.interfaceRegistry),\n",
    ),
    (_ORDER, 3, "\t\tauthz.ModuleName,\n\t\tfeegrant.ModuleName,\n"),
    ("\t\t\t\tBankKeeper:      app.BankKeeper,\n", 1, "\t\t\t\tFeegrantKeeper:  feeGrantKeeper,\n"),
)
"""Line of app.go, its number of occurrences, and the text to insert before each."""


def recipe() -> cache.Recipe:
    """Return the recipe of the program, built like the local network's own."""
    flags = f"-s -w -X github.com/cosmos/cosmos-sdk/version.Version={plan.CHAINS_VERSION}"

    def build(folder: Path) -> None:
        sources = toolchain.SOURCES / "chains"
        module = Path(commands.run("go", "list", "-m", "-f", "{{.Dir}}", _MODULE, folder=sources).strip())
        with tempfile.TemporaryDirectory() as made:
            copy = Path(made) / "module"
            ignored = shutil.ignore_patterns("docs", "tests", "*_test.go")
            shutil.copytree(module, copy, ignore=ignored, copy_function=shutil.copyfile)
            commands.run("chmod", "-R", "u+w", copy)
            app = copy / "app" / "provider" / "app.go"
            app.write_text(with_grants(app.read_text()))
            versions = Path(made) / "go.mod"
            replaced = f"\nreplace {_MODULE} => {copy}\n"
            versions.write_text((sources / "go.mod").read_text() + replaced)
            shutil.copyfile(sources / "go.sum", versions.with_suffix(".sum"))
            package = f"{_MODULE}/cmd/{_PROGRAM}"
            toolchain.go_build("chains", flags, folder / _PROGRAM, f"-modfile={versions}", package)

    ingredients = (*toolchain.sources("chains", flags), Path(__file__).read_bytes())
    return cache.Recipe("granting", plan.CHAINS_VERSION, ingredients, build, 240)


def with_grants(source: str) -> str:
    """Return the text of app.go with both modules.

    Raises:
        Permanent: the text belongs to another version.
    """
    for line, times, added in _ADDED:
        if source.count(line) != times:
            raise errors.Permanent(
                f"app.go contains {line.strip()!r} {source.count(line)} times instead of {times}; check its version"
            )
        source = source.replace(line, added + line)
    return source
