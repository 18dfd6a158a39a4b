// A member of a consumer group by Azure's own library: it reads what the group's store lets it have, and keeps a
// checkpoint behind each event. Prints an event as a line of JSON. Ends when its input does.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"os"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azeventhubs"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azeventhubs/checkpoints"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
)

type event struct {
	Partition string `json:"partition"`
	Sequence  int64  `json:"sequence"`
	Body      string `json:"body"`
}

func main() {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	storage, err := container.NewClientFromConnectionString(os.Getenv("STORAGE"), os.Getenv("CONTAINER"), nil)
	check(err)
	store, err := checkpoints.NewBlobStore(storage, nil)
	check(err)
	client, err := azeventhubs.NewConsumerClientFromConnectionString(os.Getenv("NAMESPACE"), os.Getenv("HUB"), os.Getenv("GROUP"), nil)
	check(err)
	earliest := true
	processor, err := azeventhubs.NewProcessor(client, store, &azeventhubs.ProcessorOptions{
		UpdateInterval:              200 * time.Millisecond,
		PartitionExpirationDuration: 10 * time.Second,
		StartPositions:              azeventhubs.StartPositions{Default: azeventhubs.StartPosition{Earliest: &earliest}},
	})
	check(err)
	go func() {
		for {
			partition := processor.NextPartitionClient(ctx)
			if partition == nil {
				return
			}
			go read(ctx, partition)
		}
	}()
	check(processor.Run(ctx))
	check(client.Close(context.Background()))
}

func read(ctx context.Context, partition *azeventhubs.ProcessorPartitionClient) {
	defer partition.Close(context.Background())
	for {
		received, err := partition.ReceiveEvents(ctx, 1, nil)
		if err != nil {
			var lost *azeventhubs.Error
			if errors.As(err, &lost) && lost.Code == azeventhubs.ErrorCodeOwnershipLost || ctx.Err() != nil {
				return
			}
			log.Print(err)
			return
		}
		for _, one := range received {
			line, err := json.Marshal(event{partition.PartitionID(), one.SequenceNumber, string(one.Body)})
			check(err)
			_, _ = os.Stdout.Write(append(line, '\n'))
			check(partition.UpdateCheckpoint(context.Background(), one, nil))
		}
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
