package main

import (
	"context"
	"fmt"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protowire"
)

// InvokeBindingRequest and its response, decoded and encoded by hand: no more than generated code does.
type request struct {
	name, operation string
	data            []byte
	metadata        map[string]string
}

type response struct{ data []byte }

type codec struct{}

func (codec) Name() string { return "proto" }

func (codec) Marshal(message any) ([]byte, error) {
	data := message.(*response).data
	out := make([]byte, 0, 1+protowire.SizeBytes(len(data)))
	return protowire.AppendBytes(protowire.AppendTag(out, 1, protowire.BytesType), data), nil
}

func (codec) Unmarshal(bytes []byte, message any) error {
	r := message.(*request)
	return fields(bytes, func(number protowire.Number, value []byte) error {
		switch number {
		case 1:
			r.name = string(value)
		case 2:
			r.data = append([]byte(nil), value...)
		case 3:
			var pair [3]string
			err := fields(value, func(number protowire.Number, part []byte) error {
				if number < 3 {
					pair[number] = string(part)
				}
				return nil
			})
			if r.metadata == nil {
				r.metadata = map[string]string{}
			}
			r.metadata[pair[1]] = pair[2]
			return err
		case 4:
			r.operation = string(value)
		}
		return nil
	})
}

// Visits the fields of bytes, which is all that these messages have.
func fields(bytes []byte, visit func(protowire.Number, []byte) error) error {
	for len(bytes) > 0 {
		number, kind, length := protowire.ConsumeTag(bytes)
		if length < 0 || kind != protowire.BytesType {
			return fmt.Errorf("field %d is not of bytes", number)
		}
		value, whole := protowire.ConsumeBytes(bytes[length:])
		if whole < 0 {
			return protowire.ParseError(whole)
		}
		if err := visit(number, value); err != nil {
			return err
		}
		bytes = bytes[length+whole:]
	}
	return nil
}

func invoke(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	var r request
	if err := decode(&r); err != nil {
		return nil, err
	}
	return &response{data: r.data}, nil
}

func echo(port string) {
	listener, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		fail(err)
	}
	server := grpc.NewServer(grpc.ForceServerCodec(codec{}))
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "dapr.proto.runtime.v1.Dapr",
		HandlerType: (*any)(nil),
		Methods:     []grpc.MethodDesc{{MethodName: "InvokeBinding", Handler: invoke}},
	}, nil)
	fail(server.Serve(listener))
}
