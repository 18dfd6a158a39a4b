// Invokes an operation of a component: go run . COMPONENT OPERATION DATA
package main

import (
	"cmp"
	"context"
	"fmt"
	"log"
	"os"
	"time"

	dapr "example.com/client/gen/dapr/proto/runtime/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

func main() {
	address := cmp.Or(os.Getenv("DAPR_GRPC_ENDPOINT"), "127.0.0.1:"+cmp.Or(os.Getenv("DAPR_GRPC_PORT"), "50001"))
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	defer connection.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	response, err := dapr.NewDaprClient(connection).InvokeBinding(ctx, &dapr.InvokeBindingRequest{
		Name: os.Args[1], Operation: os.Args[2], Data: []byte(os.Args[3]),
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(response.Data))
}
