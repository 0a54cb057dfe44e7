// Package second makes second versions of the chains of interchain-security, for upgrades on the local network.
//
// By a plan, the second version gets a store that the first one does not have, so that it starts only with the plan
// in data/upgrade-info.json, and only at the plan's height. Without a plan it keeps the stores and writes to one of
// them in every block, so that its application hash differs from the first version's.
package second

import (
	"context"
	"encoding/binary"
	"io"

	dbm "github.com/cosmos/cosmos-db"
	"github.com/spf13/cobra"

	"cosmossdk.io/log"
	storetypes "cosmossdk.io/store/types"
	upgradekeeper "cosmossdk.io/x/upgrade/keeper"
	upgradetypes "cosmossdk.io/x/upgrade/types"

	"github.com/cosmos/cosmos-sdk/baseapp"
	"github.com/cosmos/cosmos-sdk/server"
	servertypes "github.com/cosmos/cosmos-sdk/server/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/module"
	"github.com/cosmos/cosmos-sdk/x/crisis"
)

// Name is the name of the plan and of the added store.
const Name = "v2"

// App is an application of the published module that has not loaded its state yet.
type App interface {
	servertypes.Application
	MountKVStores(keys map[string]*storetypes.KVStoreKey)
	SetStoreLoader(loader baseapp.StoreLoader)
	SetEndBlocker(endBlocker sdk.EndBlocker)
	EndBlocker(ctx sdk.Context) (sdk.EndBlock, error)
	LoadLatestVersion() error
}

// Build creates an application of the published module without loading its state.
type Build func(log.Logger, dbm.DB, io.Writer, servertypes.AppOptions, ...func(*baseapp.BaseApp)) (App, upgradekeeper.Keeper)

// ByPlan returns the program with another start command: the application with the added store and the plan's handler.
func ByPlan(program *cobra.Command, home string, build Build) *cobra.Command {
	return withStart(program, home, func(app App, keeper upgradekeeper.Keeper) error {
		key := storetypes.NewKVStoreKey(Name)
		app.MountKVStores(map[string]*storetypes.KVStoreKey{Name: key})
		keeper.SetUpgradeHandler(Name, func(ctx context.Context, _ upgradetypes.Plan, versions module.VersionMap) (module.VersionMap, error) {
			count(sdk.UnwrapSDKContext(ctx), key)
			return versions, nil
		})
		plan, err := keeper.ReadUpgradeInfoFromDisk()
		if err != nil {
			return err
		}
		if plan.Name == Name && !keeper.IsSkipHeight(plan.Height) {
			added := storetypes.StoreUpgrades{Added: []string{Name}}
			app.SetStoreLoader(upgradetypes.UpgradeStoreLoader(plan.Height, &added))
		}
		countBlocks(app, key)
		return app.LoadLatestVersion()
	}, build)
}

// WithoutPlan returns the program with another start command: the application that counts its blocks in a store.
//
// Each block of it has another application hash than the first version's.
func WithoutPlan(program *cobra.Command, home string, store func(App) *storetypes.KVStoreKey, build Build) *cobra.Command {
	return withStart(program, home, func(app App, _ upgradekeeper.Keeper) error {
		countBlocks(app, store(app))
		return app.LoadLatestVersion()
	}, build)
}

func withStart(
	program *cobra.Command, home string, load func(App, upgradekeeper.Keeper) error, build Build,
) *cobra.Command {
	for _, command := range program.Commands() {
		if command.Name() == "start" {
			program.RemoveCommand(command)
		}
	}
	start := server.StartCmd(func(
		logger log.Logger, db dbm.DB, trace io.Writer, options servertypes.AppOptions,
	) servertypes.Application {
		app, keeper := build(logger, db, trace, options, server.DefaultBaseappOptions(options)...)
		if err := load(app, keeper); err != nil {
			panic(err)
		}
		return app
	}, home)
	crisis.AddModuleInitFlags(start)
	program.AddCommand(start)
	return program
}

func countBlocks(app App, key *storetypes.KVStoreKey) {
	app.SetEndBlocker(func(ctx sdk.Context) (sdk.EndBlock, error) {
		count(ctx, key)
		return app.EndBlocker(ctx)
	})
}

func count(ctx sdk.Context, key *storetypes.KVStoreKey) {
	height := binary.BigEndian.AppendUint64(nil, uint64(ctx.BlockHeight()))
	ctx.KVStore(key).Set([]byte("second version"), height)
}
