package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

var holds struct {
	sync.Mutex
	count    int
	released chan struct{}
}

func hold(ctx context.Context) error {
	holds.Lock()
	released := holds.released
	holds.count++
	say(map[string]any{"event": "holding", "count": holds.count})
	holds.Unlock()
	defer func() {
		holds.Lock()
		holds.count--
		holds.Unlock()
	}()
	select {
	case <-released:
		return nil
	case <-ctx.Done():
		say(map[string]any{"event": "cancelled"})
		return status.FromContextError(ctx.Err()).Err()
	}
}

func release() {
	holds.Lock()
	defer holds.Unlock()
	close(holds.released)
	holds.released = make(chan struct{})
}

func first(all metadata.MD, name string) string {
	if values := all.Get(name); len(values) > 0 {
		return values[0]
	}
	return ""
}

func number(all metadata.MD, name string, otherwise int) int {
	if value, err := strconv.Atoi(first(all, name)); err == nil {
		return value
	}
	return otherwise
}

func failure(all metadata.MD) error {
	says := &spb.Status{}
	if err := proto.Unmarshal([]byte(first(all, "details-bin")), says); err != nil {
		panic(err)
	}
	says.Code, says.Message = int32(codes.FailedPrecondition), "not now: grüße, 100 %"
	return status.FromProto(says).Err()
}

func with(all metadata.MD, prefix string) metadata.MD {
	some := metadata.MD{}
	for name, values := range all {
		if strings.HasPrefix(name, prefix) {
			some[name] = values
		}
	}
	return some
}

func begin(stream grpc.ServerStream) metadata.MD {
	all, _ := metadata.FromIncomingContext(stream.Context())
	if err := stream.SetHeader(with(all, "echo-")); err != nil {
		panic(err)
	}
	stream.SetTrailer(with(all, "trail-"))
	return all
}

// All kinds of methods are streams to the server.
func method(name string, run func(stream grpc.ServerStream) error) grpc.StreamDesc {
	handler := func(_ any, stream grpc.ServerStream) error { return run(stream) }
	return grpc.StreamDesc{StreamName: name, Handler: handler, ServerStreams: true, ClientStreams: true}
}

func unary(stream grpc.ServerStream) error {
	var message []byte
	if err := stream.RecvMsg(&message); err != nil {
		return err
	}
	all := begin(stream)
	switch first(all, "do") {
	case "hold":
		if err := hold(stream.Context()); err != nil {
			return err
		}
	case "fail":
		return failure(all)
	}
	return stream.SendMsg(&message)
}

func expand(stream grpc.ServerStream) error {
	var message []byte
	if err := stream.RecvMsg(&message); err != nil {
		return err
	}
	all := begin(stream)
	message = []byte(strings.Repeat("a", number(all, "size", 0)))
	for range number(all, "count", 1) {
		if err := stream.SendMsg(&message); err != nil {
			return err
		}
	}
	switch first(all, "do") {
	case "hold":
		return hold(stream.Context())
	case "fail":
		return failure(all)
	}
	return nil
}

func collect(stream grpc.ServerStream) error {
	begin(stream)
	count, bytes := 0, 0
	for {
		var message []byte
		if err := stream.RecvMsg(&message); err != nil {
			break
		}
		count++
		bytes += len(message)
	}
	answer := fmt.Appendf(nil, "%d %d", count, bytes)
	return stream.SendMsg(&answer)
}

func chat(stream grpc.ServerStream) error {
	begin(stream)
	for {
		var message []byte
		if err := stream.RecvMsg(&message); err != nil {
			return nil
		}
		if err := stream.SendMsg(&message); err != nil {
			return err
		}
	}
}

func deliver(stream grpc.ServerStream) error {
	var message []byte
	if err := stream.RecvMsg(&message); err != nil {
		return err
	}
	say(map[string]any{"event": "delivered", "data": base64.StdEncoding.EncodeToString(message)})
	return stream.SendMsg(&[]byte{})
}

func bindings(stream grpc.ServerStream) error {
	var message []byte
	if err := stream.RecvMsg(&message); err != nil {
		return err
	}
	answer := []byte("\n\x04tick")
	return stream.SendMsg(&answer)
}

func serve(port string, files []string) {
	holds.released = make(chan struct{})
	options := []grpc.ServerOption{
		grpc.ForceServerCodec(raw{}), grpc.MaxRecvMsgSize(largest), grpc.MaxSendMsgSize(largest),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: time.Second / 2, PermitWithoutStream: true}),
	}
	if len(files) == 2 {
		tls, err := credentials.NewServerTLSFromFile(files[0], files[1])
		if err != nil {
			panic(err)
		}
		options = append(options, grpc.Creds(tls))
	}
	server := grpc.NewServer(options...)
	server.RegisterService(&grpc.ServiceDesc{ServiceName: "cufflink.peers.Peer", HandlerType: (*any)(nil), Streams: []grpc.StreamDesc{
		method("Unary", unary), method("Expand", expand), method("Collect", collect), method("Chat", chat),
	}}, nil)
	server.RegisterService(&grpc.ServiceDesc{ServiceName: "dapr.proto.runtime.v1.AppCallback", HandlerType: (*any)(nil), Streams: []grpc.StreamDesc{
		method("OnBindingEvent", deliver), method("ListInputBindings", bindings),
	}}, nil)
	listener, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		panic(err)
	}
	go func() {
		if err := server.Serve(listener); err != nil {
			panic(err)
		}
	}()
	say(map[string]any{"event": "listening"})
	eachLine(func(one asked) {
		switch one.Op {
		case "release":
			release()
		case "shutdown":
			go func() {
				server.GracefulStop()
				say(map[string]any{"event": "closed"})
				os.Exit(0)
			}()
		}
	})
}
