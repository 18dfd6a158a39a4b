// Alibaba's own SDKs, as clients of our stand-ins: `aliyun-sdk sls|tablestore ENDPOINT KEY SECRET …`. It prints one JSON value a line.
package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"time"

	sls "github.com/aliyun/aliyun-log-go-sdk"
	consumer "github.com/aliyun/aliyun-log-go-sdk/consumer"
	"github.com/aliyun/aliyun-tablestore-go-sdk/tablestore"
)

func main() {
	kind, endpoint, key, secret, rest := os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5:]
	switch kind {
	case "sls":
		logs(endpoint, key, secret, rest[0], rest[1], rest[2])
	case "tablestore":
		rows(endpoint, key, secret, rest[0], rest[1])
	}
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func say(value any) {
	text, err := json.Marshal(value)
	must(err)
	fmt.Println(string(text))
}

// Writes one log, then reads as a member of the group until a log says `end`.
func logs(endpoint, key, secret, project, logstore, group string) {
	client := sls.CreateNormalInterface(endpoint, key, secret, "")
	text, long, now := "written by Go", "", uint32(time.Now().Unix())
	for i := 0; i < 500; i++ {
		long += "the same again "
	}
	content, more, topic, source := "content", "long", "go", "10.0.0.2"
	must(client.PutLogs(project, logstore, &sls.LogGroup{
		Topic: &topic, Source: &source,
		Logs: []*sls.Log{{Time: &now, Contents: []*sls.LogContent{
			{Key: &content, Value: &text}, {Key: &more, Value: &long},
		}}},
	}))
	// The name of a project before an address is no name that can be looked up.
	at, err := url.Parse(endpoint)
	must(err)
	direct := &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(at)}, Timeout: 10 * time.Second}
	done := make(chan struct{})
	worker := consumer.InitConsumerWorkerWithCheckpointTracker(consumer.LogHubConfig{
		Endpoint: endpoint, AccessKeyID: key, AccessKeySecret: secret,
		Project: project, Logstore: logstore, ConsumerGroupName: group, ConsumerName: "go",
		CursorPosition: consumer.BEGIN_CURSOR, HTTPClient: direct, HeartbeatIntervalInSecond: 1,
		LogFileName: os.DevNull, AllowLogLevel: "error",
	}, func(shard int, list *sls.LogGroupList, tracker consumer.CheckPointTracker) (string, error) {
		for _, group := range list.LogGroups {
			for _, log := range group.Logs {
				texts := map[string]string{}
				for _, one := range log.Contents {
					texts[one.GetKey()] = one.GetValue()
				}
				say(map[string]any{"shard": shard, "topic": group.GetTopic(), "texts": texts})
				if texts["content"] == "end" {
					defer close(done)
				}
			}
		}
		return "", tracker.SaveCheckPoint(true)
	})
	worker.Start()
	<-done
	worker.StopAndWait()
}

// Writes a row of each type of column, and reads it and others.
func rows(endpoint, key, secret, instance, table string) {
	client := tablestore.NewClientWithConfig(endpoint, instance, key, secret, "", &tablestore.TableStoreConfig{
		RetryTimes: 1, HTTPTimeout: tablestore.HTTPTimeout{ConnectionTimeout: 5 * time.Second, RequestTimeout: 5 * time.Second},
		MaxRetryTime: 5 * time.Second, MaxIdleConnections: 1,
	})
	pk := func(id string, number int64) *tablestore.PrimaryKey {
		made := &tablestore.PrimaryKey{}
		made.AddPrimaryKeyColumn("id", id)
		made.AddPrimaryKeyColumn("number", number)
		return made
	}
	put := &tablestore.PutRowChange{TableName: table, PrimaryKey: pk("go", 7)}
	put.AddColumn("text", "ä text")
	put.AddColumn("integer", int64(-9007199254740993))
	put.AddColumn("double", 1.5)
	put.AddColumn("yes", true)
	put.AddColumn("bytes", []byte{0, 255, 128})
	put.SetCondition(tablestore.RowExistenceExpectation_IGNORE)
	_, err := client.PutRow(&tablestore.PutRowRequest{PutRowChange: put})
	must(err)
	show := func(key tablestore.PrimaryKey, columns []*tablestore.AttributeColumn) {
		row := map[string]any{}
		for _, one := range key.PrimaryKeys {
			row[one.ColumnName] = one.Value
		}
		for _, one := range columns {
			row[one.ColumnName] = one.Value
		}
		say(row)
	}
	get := func(key *tablestore.PrimaryKey) {
		got, err := client.GetRow(&tablestore.GetRowRequest{SingleRowQueryCriteria: &tablestore.SingleRowQueryCriteria{
			TableName: table, PrimaryKey: key, MaxVersion: 1,
		}})
		must(err)
		show(got.PrimaryKey, got.Columns)
	}
	get(pk("go", 7))
	get(pk("ours", 1))
	many := &tablestore.MultiRowQueryCriteria{TableName: table, MaxVersion: 1}
	many.AddRow(pk("go", 7))
	many.AddRow(pk("ours", 1))
	many.AddRow(pk("missing", 1))
	batch, err := client.BatchGetRow(&tablestore.BatchGetRowRequest{MultiRowQueryCriteria: []*tablestore.MultiRowQueryCriteria{many}})
	must(err)
	for _, row := range batch.TableToRowsResult[table] {
		show(row.PrimaryKey, row.Columns)
	}
	remove := &tablestore.DeleteRowChange{TableName: table, PrimaryKey: pk("go", 7)}
	remove.SetCondition(tablestore.RowExistenceExpectation_IGNORE)
	_, err = client.DeleteRow(&tablestore.DeleteRowRequest{DeleteRowChange: remove})
	must(err)
	get(pk("go", 7))
}
