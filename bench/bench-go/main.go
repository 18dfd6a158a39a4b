// What the bench has in Go, so that it is never the limit beside what is measured: `bench-go load ORDER` puts load on
// a gRPC server, `bench-go app ORDER` is an app that takes events one by one, and `bench-go echo PORT` is an echo by grpc-go.
package main

import (
	"fmt"
	"os"
)

func main() {
	if len(os.Args) != 3 {
		fail(fmt.Errorf("two arguments are needed: load, app or echo, and what it is told"))
	}
	switch kind, order := os.Args[1], os.Args[2]; kind {
	case "load":
		load([]byte(order))
	case "app":
		app([]byte(order))
	case "echo":
		echo(order)
	default:
		fail(fmt.Errorf("there is no %s", kind))
	}
}

func fail(err error) {
	tell(map[string]any{"kind": "broken", "reason": err.Error()})
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
