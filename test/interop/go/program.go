// Calls bindings, and is called by them, by Dapr's SDK for Go.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"

	dapr "github.com/dapr/go-sdk/client"
	"github.com/dapr/go-sdk/service/common"
	"github.com/dapr/go-sdk/service/grpc"
	"github.com/dapr/go-sdk/service/http"
)

type call struct {
	Binding   string            `json:"binding"`
	Operation string            `json:"operation"`
	Data      json.RawMessage   `json:"data"`
	Metadata  map[string]string `json:"metadata"`
}

func write(value any) {
	text, _ := json.Marshal(value)
	fmt.Printf("=%s\n", text)
}

func main() {
	if os.Args[1] == "app" {
		serve(os.Args[2], "127.0.0.1:"+os.Args[3], os.Args[4:])
		return
	}
	client, err := dapr.NewClient()
	if err != nil {
		panic(err)
	}
	defer client.Close()
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var one call
		if err := json.Unmarshal(lines.Bytes(), &one); err != nil {
			panic(err)
		}
		// A text goes as it is, all else as JSON.
		data := []byte(one.Data)
		var text string
		if json.Unmarshal(one.Data, &text) == nil {
			data = []byte(text)
		}
		answer, err := client.InvokeBinding(context.Background(), &dapr.InvokeBindingRequest{
			Name: one.Binding, Operation: one.Operation, Data: data, Metadata: one.Metadata,
		})
		if err != nil {
			write(map[string]any{"error": err.Error()})
			continue
		}
		write(map[string]any{"data": string(answer.Data), "metadata": answer.Metadata})
	}
}

func serve(protocol, address string, names []string) {
	var service common.Service
	if protocol == "grpc" {
		var err error
		if service, err = grpc.NewService(address); err != nil {
			panic(err)
		}
	} else {
		service = http.NewService(address)
	}
	var refused atomic.Bool
	for _, name := range names {
		err := service.AddBindingInvocationHandler(name, func(_ context.Context, event *common.BindingEvent) ([]byte, error) {
			text := string(event.Data)
			refuses := strings.Contains(text, "refuse once") && refused.CompareAndSwap(false, true)
			write(map[string]any{"binding": name, "data": text, "refused": refuses})
			if refuses {
				return nil, errors.New("refused once")
			}
			return nil, nil
		})
		if err != nil {
			panic(err)
		}
	}
	if err := service.Start(); err != nil {
		panic(err)
	}
}
