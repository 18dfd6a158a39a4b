package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

type outcome struct {
	ID       int         `json:"id"`
	Code     int         `json:"code"`
	Text     string      `json:"text"`
	Details  string      `json:"details,omitempty"`
	Count    int         `json:"count"`
	Bytes    int         `json:"bytes"`
	Same     bool        `json:"same"`
	First    *string     `json:"first,omitempty"`
	Headers  [][2]string `json:"headers"`
	Trailers [][2]string `json:"trailers"`
}

func call(address string, files []string) {
	secure := insecure.NewCredentials()
	if len(files) > 0 {
		var err error
		if secure, err = credentials.NewClientTLSFromFile(files[0], "localhost"); err != nil {
			panic(err)
		}
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(secure),
		grpc.WithDefaultCallOptions(
			grpc.ForceCodec(raw{}), grpc.MaxCallRecvMsgSize(largest), grpc.MaxCallSendMsgSize(largest), grpc.WaitForReady(true),
		),
	}
	if pause, err := strconv.Atoi(os.Getenv("KEEPALIVE_MS")); err == nil {
		options = append(options, grpc.WithKeepaliveParams(keepalive.ClientParameters{
			Time: time.Duration(pause) * time.Millisecond, PermitWithoutStream: true,
		}))
	}
	connection, err := grpc.NewClient("passthrough:///"+address, options...)
	if err != nil {
		panic(err)
	}
	eachLine(func(one asked) {
		go func() {
			if one.Op == "many" {
				many(connection, one)
			} else {
				say(run(connection, one))
			}
		}()
	})
}

func run(connection *grpc.ClientConn, one asked) outcome {
	ctx, cancel := context.WithCancel(metadata.NewOutgoingContext(context.Background(), fromEntries(one.Metadata)))
	defer cancel()
	if one.Timeout > 0 {
		ctx, cancel = context.WithTimeout(ctx, time.Duration(one.Timeout)*time.Millisecond)
		defer cancel()
	}
	var options []grpc.CallOption
	if one.Gzip {
		options = append(options, grpc.UseCompressor(gzip.Name))
	}
	path := one.Path
	if path == "" {
		path = "/cufflink.peers.Peer/" + strings.ToUpper(one.Op[:1]) + one.Op[1:]
	}
	messages := requests(one)
	result := outcome{ID: one.ID, Same: true}
	var err error
	var headers, trailers metadata.MD
	if one.Op == "unary" {
		var answer []byte
		options = append(options, grpc.Header(&headers), grpc.Trailer(&trailers))
		if err = connection.Invoke(ctx, path, &messages[0], &answer, options...); err == nil {
			result.take(answer, messages)
		}
	} else {
		description := &grpc.StreamDesc{ServerStreams: one.Op != "collect", ClientStreams: one.Op != "expand"}
		var stream grpc.ClientStream
		if stream, err = connection.NewStream(ctx, description, path, options...); err == nil {
			err = converse(stream, one, messages, &result, cancel)
			headers, _ = stream.Header()
			trailers = stream.Trailer()
		}
	}
	says, _ := status.FromError(err)
	result.Code, result.Text = int(says.Code()), says.Message()
	if len(says.Details()) > 0 {
		encoded, _ := proto.Marshal(says.Proto())
		result.Details = base64.StdEncoding.EncodeToString(encoded)
	}
	result.Headers, result.Trailers = toEntries(headers), toEntries(trailers)
	return result
}

func requests(one asked) [][]byte {
	if one.Messages != nil && len(one.Messages) == 0 {
		return nil
	}
	var messages [][]byte
	for _, text := range one.Messages {
		messages = append(messages, fromBase64(text))
	}
	if messages != nil {
		return messages
	}
	message := make([]byte, one.Size)
	for at := range message {
		message[at] = byte(at % 251)
	}
	for range max(one.Count, 1) {
		messages = append(messages, message)
	}
	return messages
}

func (result *outcome) take(message []byte, sent [][]byte) {
	result.Same = result.Same && result.Count < len(sent) && bytes.Equal(message, sent[result.Count])
	result.Count++
	result.Bytes += len(message)
	if result.First == nil && len(message) <= 4096 {
		text := base64.StdEncoding.EncodeToString(message)
		result.First = &text
	}
}

func converse(stream grpc.ClientStream, one asked, messages [][]byte, result *outcome, cancel func()) error {
	if one.Op == "expand" {
		messages = messages[:1]
	}
	go func() {
		for _, message := range messages {
			if err := stream.SendMsg(&message); err != nil {
				return
			}
		}
		_ = stream.CloseSend()
	}()
	for {
		var answer []byte
		err := stream.RecvMsg(&answer)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		result.take(answer, messages)
		if result.Count == one.CancelAfter {
			cancel()
		}
		if one.Op == "collect" {
			return nil
		}
	}
}

func many(connection *grpc.ClientConn, one asked) {
	id, count := one.ID, one.Count
	one.Op, one.Count = "unary", 1
	places := make(chan struct{}, max(1, min(count, cmpOr(one.Concurrency, count))))
	var lock sync.Mutex
	var wait sync.WaitGroup
	codes, bytes, same, texts := map[int]int{}, 0, true, []string{}
	for range count {
		places <- struct{}{}
		wait.Go(func() {
			defer func() { <-places }()
			result := run(connection, one)
			lock.Lock()
			defer lock.Unlock()
			codes[result.Code]++
			bytes += result.Bytes
			same = same && result.Same
			if result.Code != 0 && len(texts) < 3 {
				texts = append(texts, result.Text)
			}
		})
	}
	wait.Wait()
	say(map[string]any{"id": id, "codes": codes, "bytes": bytes, "same": same, "text": texts})
}

func cmpOr(value, otherwise int) int {
	if value == 0 {
		return otherwise
	}
	return value
}
