// A remote signer for the stories of the local network: it dials one node until it gets through, as tmkms does,
// and signs for one chain with the key and the state in two files.
package main

import (
	"fmt"
	"math"
	"os"
	"time"

	"github.com/cometbft/cometbft/crypto/ed25519"
	"github.com/cometbft/cometbft/libs/log"
	"github.com/cometbft/cometbft/privval"
)

func main() {
	if len(os.Args) != 5 {
		fmt.Fprintln(os.Stderr, "usage: remote-signer HOST:PORT CHAIN_ID KEY_FILE STATE_FILE")
		os.Exit(2)
	}
	address, chain, key, state := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	dial := privval.DialTCPFn(address, 3*time.Second, ed25519.GenPrivKey())
	logger := log.NewTMLogger(os.Stdout)
	// Without options it gives up after a second.
	node := privval.NewSignerDialerEndpoint(logger, dial, privval.SignerDialerEndpointConnRetries(math.MaxInt))
	server := privval.NewSignerServer(node, chain, privval.LoadFilePV(key, state))
	if err := server.Start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	select {}
}
