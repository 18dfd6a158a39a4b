package main

import (
	"context"

	"github.com/dapr/components-contrib/bindings"
	dapr "github.com/dapr-sandbox/components-go-sdk"
	sdk "github.com/dapr-sandbox/components-go-sdk/bindings/v1"
)

type component struct{}

func (c *component) Init(ctx context.Context, metadata bindings.Metadata) error { return nil }
func (c *component) Operations() []bindings.OperationKind                    { return nil }
func (c *component) Invoke(ctx context.Context, request *bindings.InvokeRequest) (*bindings.InvokeResponse, error) {
	return nil, nil
}

func main() {
	dapr.Register("queue", dapr.WithOutputBinding(func() sdk.OutputBinding { return &component{} }))
	dapr.MustRun()
}
