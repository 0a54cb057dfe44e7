// The second version of the consumer, which is upgraded to at a height that its validators agree upon.
package main

import (
	"fmt"
	"io"
	"os"

	dbm "github.com/cosmos/cosmos-db"

	"cosmossdk.io/log"
	storetypes "cosmossdk.io/store/types"
	upgradekeeper "cosmossdk.io/x/upgrade/keeper"
	upgradetypes "cosmossdk.io/x/upgrade/types"

	"github.com/cosmos/cosmos-sdk/baseapp"
	svrcmd "github.com/cosmos/cosmos-sdk/server/cmd"
	servertypes "github.com/cosmos/cosmos-sdk/server/types"

	app "github.com/cosmos/interchain-security/v7/app/consumer"
	"github.com/cosmos/interchain-security/v7/app/params"
	"github.com/cosmos/interchain-security/v7/cmd/interchain-security-cd/cmd"

	"local/chains/second"
)

func build(
	logger log.Logger, db dbm.DB, trace io.Writer, options servertypes.AppOptions, base ...func(*baseapp.BaseApp),
) (second.App, upgradekeeper.Keeper) {
	chain := app.New(logger, db, trace, false, options, base...)
	return chain, chain.UpgradeKeeper
}

func store(chain second.App) *storetypes.KVStoreKey {
	return chain.(*app.App).GetKey(upgradetypes.StoreKey)
}

func main() {
	params.SetAddressPrefixes(app.Bech32MainPrefix)
	program := second.WithoutPlan(cmd.NewRootCmd(), app.DefaultNodeHome, store, build)
	if err := svrcmd.Execute(program, "", app.DefaultNodeHome); err != nil {
		fmt.Fprintln(program.OutOrStderr(), err)
		os.Exit(1)
	}
}
