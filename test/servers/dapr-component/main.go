// A queue in memory as a pluggable component on Dapr's SDK for Go. Socket: queue-go.sock.
//
// Operations: create (enqueues the data), list (JSON: what was acknowledged, and how), fail (answers an error), exit
// (ends the process). An event that is acknowledged with an error is delivered again.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"

	dapr "github.com/dapr-sandbox/components-go-sdk"
	sdk "github.com/dapr-sandbox/components-go-sdk/bindings/v1"
	"github.com/dapr/components-contrib/bindings"
)

type acknowledgement struct {
	Data  string `json:"data"`
	Reply string `json:"reply"`
	Error string `json:"error"`
}

type queue struct {
	mu           sync.Mutex
	events       chan *bindings.ReadResponse
	acknowledged []acknowledgement
}

// All instances of the process share their queues, by the metadata `queue`.
var (
	mu     sync.Mutex
	queues = map[string]*queue{}
)

func named(name string) *queue {
	mu.Lock()
	defer mu.Unlock()
	if queues[name] == nil {
		queues[name] = &queue{events: make(chan *bindings.ReadResponse, 10_000)}
	}
	return queues[name]
}

func (q *queue) note(one acknowledgement) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.acknowledged = append(q.acknowledged, one)
}

type component struct {
	queue      *queue
	properties map[string]string
}

func (c *component) Init(_ context.Context, metadata bindings.Metadata) error {
	name := metadata.Properties["queue"]
	if name == "" {
		return errors.New("missing queue")
	}
	c.properties = metadata.Properties
	c.queue = named(name)
	return nil
}

func (c *component) GetComponentMetadata() map[string]string { return nil }

func (c *component) Close() error { return nil }

func (c *component) Read(ctx context.Context, handler bindings.Handler) error {
	queue := c.queue
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case event := <-queue.events:
				go deliver(ctx, queue, event, handler)
			}
		}
	}()
	return nil
}

func deliver(ctx context.Context, queue *queue, event *bindings.ReadResponse, handler bindings.Handler) {
	reply, err := handler(ctx, event)
	one := acknowledgement{Data: string(event.Data), Reply: string(reply)}
	if err != nil {
		one.Error = err.Error()
	}
	queue.note(one)
	if err != nil {
		queue.events <- event
	}
}

func (c *component) Operations() []bindings.OperationKind {
	return []bindings.OperationKind{"create", "list", "fail", "exit"}
}

func (c *component) Invoke(_ context.Context, request *bindings.InvokeRequest) (*bindings.InvokeResponse, error) {
	switch request.Operation {
	case "create":
		c.queue.events <- &bindings.ReadResponse{Data: request.Data, Metadata: request.Metadata}
		return &bindings.InvokeResponse{Metadata: map[string]string{"queue": c.properties["queue"]}}, nil
	case "list":
		c.queue.mu.Lock()
		defer c.queue.mu.Unlock()
		data, err := json.Marshal(map[string]any{
			"acknowledged": c.queue.acknowledged,
			"properties":   c.properties,
		})
		return &bindings.InvokeResponse{Data: data}, err
	case "fail":
		return nil, fmt.Errorf("the queue is broken: %s", request.Data)
	case "exit":
		os.Exit(1)
	}
	return nil, fmt.Errorf("no operation %s", request.Operation)
}

func main() {
	dapr.Register("queue-go",
		dapr.WithInputBinding(func() sdk.InputBinding { return &component{} }),
		dapr.WithOutputBinding(func() sdk.OutputBinding { return &component{} }),
	)
	dapr.MustRun()
}
