// A client of KEDA's own generated code: asks an external scaler as KEDA does, and prints what it is told, a line of JSON each.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	pb "github.com/kedacore/keda/v2/pkg/scalers/externalscaler"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

func main() {
	address := flag.String("address", "", "host:port")
	ca := flag.String("ca", "", "PEM; speaks TLS")
	metadata := flag.String("metadata", "", "a=b,c=d")
	push := flag.Bool("push", false, "prints each change of StreamIsActive")
	flag.Parse()
	transport := insecure.NewCredentials()
	if *ca != "" {
		found, err := credentials.NewClientTLSFromFile(*ca, "")
		check(err)
		transport = found
	}
	// As KEDA makes it.
	config := `{"loadBalancingConfig": [{"round_robin":{}}]}`
	conn, err := grpc.NewClient(*address,
		grpc.WithDefaultServiceConfig(config), grpc.WithTransportCredentials(transport))
	check(err)
	client := pb.NewExternalScalerClient(conn)
	ref := &pb.ScaledObjectRef{Name: "shop", Namespace: "shops", ScalerMetadata: map[string]string{}}
	for _, pair := range strings.Split(*metadata, ",") {
		name, value, _ := strings.Cut(pair, "=")
		ref.ScalerMetadata[name] = value
	}
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	if *push {
		specs, err := client.StreamMetricSpec(ctx, ref)
		check(err)
		first, err := specs.Recv()
		check(err)
		tell(first.MetricSpecs[0].TargetSizeFloat)
		active, err := client.StreamIsActive(ctx, ref)
		check(err)
		for {
			answer, err := active.Recv()
			check(err)
			tell(answer.Result)
		}
	}
	specs, err := client.GetMetricSpec(ctx, ref)
	check(err)
	for _, spec := range specs.MetricSpecs {
		request := &pb.GetMetricsRequest{MetricName: spec.MetricName, ScaledObjectRef: ref}
		values, err := client.GetMetrics(ctx, request)
		check(err)
		for _, value := range values.MetricValues {
			tell(map[string]any{
				"metric": spec.MetricName, "target": spec.TargetSizeFloat, "value": value.MetricValueFloat,
			})
		}
	}
	answer, err := client.IsActive(ctx, ref)
	check(err)
	tell(answer.Result)
}

func tell(value any) {
	line, _ := json.Marshal(value)
	fmt.Println(string(line))
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
