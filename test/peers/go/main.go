// A client and a server of grpc-go for messages that are plain bytes. Lines of JSON on standard input say what to do.
package main

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"

	"google.golang.org/grpc/metadata"
)

const largest = 64 << 20

// Bytes as they are. Its name is what gRPC calls messages that are not further told.
type raw struct{}

func (raw) Name() string                      { return "proto" }
func (raw) Marshal(value any) ([]byte, error) { return *value.(*[]byte), nil }
func (raw) Unmarshal(data []byte, value any) error {
	*value.(*[]byte) = append([]byte(nil), data...)
	return nil
}

type asked struct {
	ID          int         `json:"id"`
	Op          string      `json:"op"`
	Path        string      `json:"path"`
	Metadata    [][2]string `json:"metadata"`
	Messages    []string    `json:"messages"`
	Size        int         `json:"size"`
	Count       int         `json:"count"`
	Concurrency int         `json:"concurrency"`
	Timeout     int         `json:"timeout"`
	Gzip        bool        `json:"gzip"`
	CancelAfter int         `json:"cancelAfter"`
}

var printing sync.Mutex

func say(value any) {
	text, _ := json.Marshal(value)
	printing.Lock()
	defer printing.Unlock()
	fmt.Printf("=%s\n", text)
}

// Values whose names end in -bin are base64 here.
func fromEntries(entries [][2]string) metadata.MD {
	all := metadata.MD{}
	for _, entry := range entries {
		value := entry[1]
		if strings.HasSuffix(entry[0], "-bin") {
			value = string(fromBase64(value))
		}
		all.Append(entry[0], value)
	}
	return all
}

func toEntries(all metadata.MD) [][2]string {
	entries := [][2]string{}
	for name, values := range all {
		for _, value := range values {
			if strings.HasSuffix(name, "-bin") {
				value = base64.StdEncoding.EncodeToString([]byte(value))
			}
			entries = append(entries, [2]string{name, value})
		}
	}
	return entries
}

func fromBase64(text string) []byte {
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		panic(err)
	}
	return data
}

func eachLine(take func(asked)) {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var one asked
		if err := json.Unmarshal(lines.Bytes(), &one); err != nil {
			panic(err)
		}
		take(one)
	}
}

func main() {
	if os.Args[1] == "server" {
		serve(os.Args[2], os.Args[3:])
	} else {
		call(os.Args[2], os.Args[3:])
	}
}
