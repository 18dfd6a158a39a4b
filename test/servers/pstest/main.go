// Google's own fake of Pub/Sub, pstest, as a program. It keeps what it holds in a file, so that it outlasts a kill, and
// prints each call.
package main

import (
	"context"
	"encoding/base64"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"cloud.google.com/go/pubsub/pstest"
	pb "cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
)

var (
	listen  = flag.String("listen", "127.0.0.1:0", "host:port")
	journal = flag.String("journal", "", "the file that keeps what there is")
	only    = flag.String("only", "", "the methods that may be called, separated by commas; all others are PERMISSION_DENIED")
	tokens  = flag.String("tokens", "", "a file of the tokens that are taken, a line each; without it, none is needed")
	life    = flag.Duration("stream-life", 0, "how long a stream lasts; for ever if 0")
)

// Adds to the fake what must outlast it, and streams with the room that a client asks for: the fake's own bring a
// hundred messages a second, however many are outstanding.
type server struct {
	*pstest.GServer
	mu      sync.Mutex
	file    *os.File
	streams sync.Map
}

// What a stream has out: until when, by the id of the acknowledgement.
type outstanding struct {
	mu    sync.Mutex
	until map[string]time.Time
}

func (o *outstanding) count() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	for id, until := range o.until {
		if now.After(until) {
			delete(o.until, id)
		}
	}
	return len(o.until)
}

func (s *server) told(ids []string, seconds int32) {
	s.streams.Range(func(key, _ any) bool {
		o := key.(*outstanding)
		o.mu.Lock()
		defer o.mu.Unlock()
		for _, id := range ids {
			if _, there := o.until[id]; !there {
				continue
			}
			if seconds == 0 {
				delete(o.until, id)
			} else {
				o.until[id] = time.Now().Add(time.Duration(seconds) * time.Second)
			}
		}
		return true
	})
}

func (s *server) StreamingPull(stream pb.Subscriber_StreamingPullServer) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	ctx := stream.Context()
	sub, err := s.GetSubscription(ctx, &pb.GetSubscriptionRequest{Subscription: first.Subscription})
	if err != nil {
		return err
	}
	properties := &pb.StreamingPullResponse_SubscriptionProperties{
		ExactlyOnceDeliveryEnabled: sub.EnableExactlyOnceDelivery,
		MessageOrderingEnabled:     sub.EnableMessageOrdering,
	}
	o := &outstanding{until: map[string]time.Time{}}
	s.streams.Store(o, true)
	defer s.streams.Delete(o)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			if _, err := stream.Recv(); err != nil {
				return
			}
		}
	}()
	var expired <-chan time.Time
	if *life > 0 {
		expired = time.After(*life)
	}
	for {
		room := first.MaxOutstandingMessages - int64(o.count())
		if room > 100 {
			room = 100
		}
		var received []*pb.ReceivedMessage
		if room > 0 {
			answer, err := s.Pull(ctx, &pb.PullRequest{Subscription: sub.Name, MaxMessages: int32(room), ReturnImmediately: true})
			if err != nil {
				return err
			}
			received = answer.ReceivedMessages
		}
		if len(received) > 0 {
			ids := []string{}
			for _, one := range received {
				ids = append(ids, one.AckId)
			}
			request := &pb.ModifyAckDeadlineRequest{Subscription: sub.Name, AckIds: ids, AckDeadlineSeconds: first.StreamAckDeadlineSeconds}
			if _, err := s.GServer.ModifyAckDeadline(ctx, request); err != nil {
				return err
			}
			until := time.Now().Add(time.Duration(first.StreamAckDeadlineSeconds) * time.Second)
			o.mu.Lock()
			for _, id := range ids {
				o.until[id] = until
			}
			o.mu.Unlock()
			if err := stream.Send(&pb.StreamingPullResponse{ReceivedMessages: received, SubscriptionProperties: properties}); err != nil {
				return err
			}
		}
		pause := time.After(2 * time.Millisecond)
		select {
		case <-ended:
			return nil
		case <-expired:
			return status.Error(codes.Unavailable, "The service was unable to fulfill your request. Please try again.")
		case <-pause:
		}
	}
}

// With exactly-once delivery what is not outstanding is refused, id by id, as the service does.
func (s *server) refusal(ctx context.Context, name string, ids []string) error {
	sub, err := s.GetSubscription(ctx, &pb.GetSubscriptionRequest{Subscription: name})
	if err != nil || !sub.EnableExactlyOnceDelivery {
		return nil
	}
	refused := map[string]string{}
	for _, id := range ids {
		refused[id] = "PERMANENT_FAILURE_INVALID_ACK_ID"
	}
	s.streams.Range(func(key, _ any) bool {
		o := key.(*outstanding)
		o.count()
		o.mu.Lock()
		defer o.mu.Unlock()
		for id := range o.until {
			delete(refused, id)
		}
		return true
	})
	if len(refused) == 0 {
		return nil
	}
	failure := status.New(codes.FailedPrecondition, "Some acknowledgement ids in the request were invalid.")
	detailed, err := failure.WithDetails(&errdetails.ErrorInfo{Reason: "INVALID_ACK_IDS", Domain: "pubsub.googleapis.com", Metadata: refused})
	must(err)
	return detailed.Err()
}

func (s *server) ModifyAckDeadline(ctx context.Context, request *pb.ModifyAckDeadlineRequest) (*emptypb.Empty, error) {
	if err := s.refusal(ctx, request.Subscription, request.AckIds); err != nil {
		return nil, err
	}
	answer, err := s.GServer.ModifyAckDeadline(ctx, request)
	if err == nil {
		s.told(request.AckIds, request.AckDeadlineSeconds)
	}
	return answer, err
}

func (s *server) keep(kind, id string, message proto.Message) {
	if s.file == nil {
		return
	}
	bytes, _ := proto.Marshal(message)
	fmt.Fprintf(s.file, "%s %s %s\n", kind, id, base64.StdEncoding.EncodeToString(bytes))
}

func (s *server) CreateTopic(ctx context.Context, topic *pb.Topic) (*pb.Topic, error) {
	made, err := s.GServer.CreateTopic(ctx, topic)
	if err == nil {
		s.keep("topic", "-", topic)
	}
	return made, err
}

func (s *server) CreateSubscription(ctx context.Context, sub *pb.Subscription) (*pb.Subscription, error) {
	made, err := s.GServer.CreateSubscription(ctx, sub)
	if err == nil {
		s.keep("subscription", "-", sub)
	}
	return made, err
}

func (s *server) Publish(ctx context.Context, request *pb.PublishRequest) (*pb.PublishResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	answer, err := s.GServer.Publish(ctx, request)
	if err == nil {
		s.keep("publish", strings.Join(answer.MessageIds, ","), request)
	}
	return answer, err
}

func (s *server) Acknowledge(ctx context.Context, request *pb.AcknowledgeRequest) (*emptypb.Empty, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.refusal(ctx, request.Subscription, request.AckIds); err != nil {
		return nil, err
	}
	answer, err := s.GServer.Acknowledge(ctx, request)
	if err == nil {
		s.keep("ack", "-", request)
		s.told(request.AckIds, 0)
	}
	return answer, err
}

// Does again what the file says, into a new one. Ids grow on, so that an old one never means another message.
func (s *server) restore(path string) {
	old, _ := os.ReadFile(path)
	file, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	must(err)
	s.file = file
	ctx := context.Background()
	acknowledged := map[string][]string{}
	published := map[string]*pb.PublishRequest{}
	ids := []string{}
	last := -1
	for _, line := range strings.Split(string(old), "\n") {
		parts := strings.Split(line, " ")
		if len(parts) != 3 {
			continue
		}
		bytes, err := base64.StdEncoding.DecodeString(parts[2])
		must(err)
		switch parts[0] {
		case "topic":
			topic := &pb.Topic{}
			must(proto.Unmarshal(bytes, topic))
			s.CreateTopic(ctx, topic)
		case "subscription":
			sub := &pb.Subscription{}
			must(proto.Unmarshal(bytes, sub))
			s.CreateSubscription(ctx, sub)
		case "publish":
			request := &pb.PublishRequest{}
			must(proto.Unmarshal(bytes, request))
			for index, id := range strings.Split(parts[1], ",") {
				published[id] = &pb.PublishRequest{Topic: request.Topic, Messages: request.Messages[index : index+1]}
				ids = append(ids, id)
				fmt.Sscanf(id, "m%d", &last)
			}
		case "ack":
			request := &pb.AcknowledgeRequest{}
			must(proto.Unmarshal(bytes, request))
			for _, id := range request.AckIds {
				acknowledged[id] = append(acknowledged[id], request.Subscription)
			}
		}
	}
	s.GServer.CreateTopic(ctx, &pb.Topic{Name: "projects/p/topics/burnt"})
	for ; last >= 0; last-- {
		s.GServer.Publish(ctx, &pb.PublishRequest{Topic: "projects/p/topics/burnt", Messages: []*pb.PubsubMessage{{}}})
	}
	for _, id := range ids {
		answer, err := s.Publish(ctx, published[id])
		if err != nil {
			continue
		}
		for _, sub := range acknowledged[id] {
			request := &pb.AcknowledgeRequest{Subscription: sub, AckIds: answer.MessageIds}
			s.GServer.Acknowledge(ctx, request)
			s.keep("ack", "-", request)
		}
	}
	must(os.Rename(path+".new", path))
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func refuse(ctx context.Context, method string) error {
	fmt.Println("call", method)
	name := method[strings.LastIndex(method, "/")+1:]
	if *only != "" && !strings.Contains(","+*only+",", ","+name+",") {
		return status.Error(codes.PermissionDenied, "User not authorized to perform this action.")
	}
	if *tokens == "" {
		return nil
	}
	known, _ := os.ReadFile(*tokens)
	incoming, _ := metadata.FromIncomingContext(ctx)
	for _, value := range incoming.Get("authorization") {
		for _, token := range strings.Fields(string(known)) {
			if value == "Bearer "+token {
				return nil
			}
		}
	}
	return status.Error(codes.Unauthenticated, "Request had invalid authentication credentials.")
}

func main() {
	flag.Parse()
	fake := pstest.NewServerWithAddress("127.0.0.1:0")
	pstest.SetMinAckDeadline(time.Second)
	s := &server{GServer: &fake.GServer}
	if *journal != "" {
		s.restore(*journal)
	}
	program := grpc.NewServer(
		grpc.MaxRecvMsgSize(64<<20),
		grpc.UnaryInterceptor(func(ctx context.Context, request any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			if err := refuse(ctx, info.FullMethod); err != nil {
				return nil, err
			}
			return next(ctx, request)
		}),
		grpc.StreamInterceptor(func(service any, stream grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
			if err := refuse(stream.Context(), info.FullMethod); err != nil {
				return err
			}
			return next(service, stream)
		}),
	)
	pb.RegisterPublisherServer(program, s)
	pb.RegisterSubscriberServer(program, s)
	listener, err := net.Listen("tcp", *listen)
	must(err)
	fmt.Println("listening", *listen)
	log.Fatal(program.Serve(listener))
}
