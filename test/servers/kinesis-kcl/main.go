// A reader of a stream by vmware-go-kcl, as Dapr has it. It prints "record SHARD DATA" for each record, and
// "read SHARD" when it begins a shard. It ends properly at SIGTERM.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/vmware/vmware-go-kcl-v2/clientlibrary/config"
	"github.com/vmware/vmware-go-kcl-v2/clientlibrary/interfaces"
	"github.com/vmware/vmware-go-kcl-v2/clientlibrary/worker"
)

type factory struct{}

func (factory) CreateProcessor() interfaces.IRecordProcessor { return &processor{} }

type processor struct{ shard string }

func (p *processor) Initialize(input *interfaces.InitializationInput) {
	p.shard = input.ShardId
	fmt.Println("read", p.shard)
}

func (p *processor) ProcessRecords(input *interfaces.ProcessRecordsInput) {
	for _, record := range input.Records {
		fmt.Println("record", p.shard, string(record.Data))
	}
	if len(input.Records) > 0 {
		last := input.Records[len(input.Records)-1].SequenceNumber
		if err := input.Checkpointer.Checkpoint(last); err != nil {
			fmt.Println("failed", err)
		}
	}
}

func (p *processor) Shutdown(input *interfaces.ShutdownInput) {
	if input.ShutdownReason == interfaces.TERMINATE {
		_ = input.Checkpointer.Checkpoint(nil)
	}
}

func main() {
	endpoint := flag.String("endpoint", "", "")
	stream := flag.String("stream", "", "")
	consumer := flag.String("consumer", "", "")
	name := flag.String("worker", "", "")
	sync := flag.Int("sync", 300, "milliseconds between looks at the leases")
	lease := flag.Int("lease", 2000, "milliseconds")
	steal := flag.Bool("steal", false, "")
	oldest := flag.Bool("oldest", false, "")
	flag.Parse()
	keys := credentials.NewStaticCredentialsProvider("test", "test-secret", "")
	c := config.NewKinesisClientLibConfigWithCredentials(*consumer, *stream, "us-east-1", *name, keys, keys).
		WithKinesisEndpoint(*endpoint).WithDynamoDBEndpoint(*endpoint).
		WithShardSyncIntervalMillis(*sync).WithFailoverTimeMillis(*lease).
		WithLeaseRefreshWaitTime(*lease / 4).WithIdleTimeBetweenReadsInMillis(200).
		WithLeaseStealing(*steal).WithLeaseStealingIntervalMillis(*sync).WithLeaseSyncingIntervalMillis(*sync)
	if *oldest {
		c.WithInitialPositionInStream(config.TRIM_HORIZON)
	}
	w := worker.NewWorker(factory{}, c)
	if err := w.Start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("started")
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	<-signals
	w.Shutdown()
}
