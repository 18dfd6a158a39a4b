// Command vault serves HashiCorp Vault's core on one address: in memory, unsealed, with the KV engine at secret/ (version 2)
// and kv/ (version 1), and with AppRole logins. The whole of `vault server` needs a user interface that a Go module lacks.
package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"os"

	"github.com/hashicorp/go-hclog"
	kv "github.com/hashicorp/vault-plugin-secrets-kv"
	"github.com/hashicorp/vault/builtin/credential/approle"
	vaulthttp "github.com/hashicorp/vault/http"
	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/hashicorp/vault/sdk/physical/inmem"
	"github.com/hashicorp/vault/vault"
)

func main() {
	address, tokenFile := os.Args[1], os.Args[2]
	logger := hclog.New(&hclog.LoggerOptions{Level: hclog.Warn})
	storage, err := inmem.NewInmem(nil, logger)
	must(err)
	core, err := vault.NewCore(&vault.CoreConfig{
		Physical:           storage,
		Logger:             logger,
		DisableMlock:       true,
		BuiltinRegistry:    builtin{},
		LogicalBackends:    map[string]logical.Factory{"kv": kv.Factory},
		CredentialBackends: map[string]logical.Factory{"approle": approle.Factory},
	})
	must(err)
	shares := &vault.SealConfig{SecretShares: 1, SecretThreshold: 1}
	initialised, err := core.Initialize(context.Background(), &vault.InitParams{BarrierConfig: shares, RecoveryConfig: shares})
	must(err)
	for _, share := range initialised.SecretShares {
		_, err = core.Unseal(share)
		must(err)
	}
	must(os.WriteFile(tokenFile, []byte(initialised.RootToken), 0o600))
	listener, err := net.Listen("tcp", address)
	must(err)
	if len(os.Args) > 4 {
		pair, err := tls.LoadX509KeyPair(os.Args[3], os.Args[4])
		must(err)
		listener = tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12})
	}
	fmt.Println("vault is unsealed and listens at", address)
	must(http.Serve(listener, vaulthttp.Handler.Handler(&vault.HandlerProperties{Core: core})))
}

// builtin names the plugins that are part of this program, so that they can be mounted.
type builtin struct{}

func (builtin) Contains(name string, kind consts.PluginType) bool {
	return name == "kv" && kind == consts.PluginTypeSecrets || name == "approle" && kind == consts.PluginTypeCredential
}

func (b builtin) Get(name string, kind consts.PluginType) (func() (interface{}, error), bool) {
	none := func() (interface{}, error) { return nil, fmt.Errorf("%s runs in this process", name) }
	return none, b.Contains(name, kind)
}

func (builtin) Keys(consts.PluginType) []string { return nil }

func (b builtin) DeprecationStatus(name string, kind consts.PluginType) (consts.DeprecationStatus, bool) {
	return consts.Supported, b.Contains(name, kind)
}

func (builtin) IsBuiltinEntPlugin(string, consts.PluginType) bool { return false }

func must(err error) {
	if err != nil {
		panic(err)
	}
}
