// The second version of the consumer with governance, which the plan v2 upgrades to.
package main

import (
	"fmt"
	"io"
	"os"

	dbm "github.com/cosmos/cosmos-db"

	"cosmossdk.io/log"
	upgradekeeper "cosmossdk.io/x/upgrade/keeper"

	"github.com/cosmos/cosmos-sdk/baseapp"
	svrcmd "github.com/cosmos/cosmos-sdk/server/cmd"
	servertypes "github.com/cosmos/cosmos-sdk/server/types"

	app "github.com/cosmos/interchain-security/v7/app/consumer-democracy"
	"github.com/cosmos/interchain-security/v7/app/params"
	"github.com/cosmos/interchain-security/v7/cmd/interchain-security-cdd/cmd"

	"local/chains/second"
)

func build(
	logger log.Logger, db dbm.DB, trace io.Writer, options servertypes.AppOptions, base ...func(*baseapp.BaseApp),
) (second.App, upgradekeeper.Keeper) {
	chain := app.New(logger, db, trace, false, options, base...)
	return chain, chain.UpgradeKeeper
}

func main() {
	params.SetAddressPrefixes(app.Bech32MainPrefix)
	program := second.ByPlan(cmd.NewRootCmd(), app.DefaultNodeHome, build)
	if err := svrcmd.Execute(program, "", app.DefaultNodeHome); err != nil {
		fmt.Fprintln(program.OutOrStderr(), err)
		os.Exit(1)
	}
}
