// A server of grpc-go with gRPC's interoperability service, health and reflection. It prints each call.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/interop"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/reflection"
	alphapb "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/grpc/status"
)

var (
	listen = flag.String("listen", "127.0.0.1:0", "host:port")
	secure = flag.String("tls-listen", "", "host:port where TLS is spoken, with a certificate")
	cert   = flag.String("cert", "", "file of the server's certificate")
	key    = flag.String("key", "", "file of its key")
	ca     = flag.String("ca", "", "file of the authority that clients' certificates must be of")
	only   = flag.String("reflection", "all", "all, v1alpha or none")
	denied = flag.String("denied", "", "a service of which every call is PERMISSION_DENIED, or * for all but TestService")
)

func refuse(method string) error {
	fmt.Println("call", method)
	isTest := strings.HasPrefix(method, "/grpc.testing.TestService/")
	if *denied != "" && (*denied == "*" && !isTest || strings.HasPrefix(method, "/"+*denied+"/")) {
		return status.Error(codes.PermissionDenied, "not for you")
	}
	return nil
}

func main() {
	flag.Parse()
	options := []grpc.ServerOption{
		grpc.UnaryInterceptor(func(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			if err := refuse(info.FullMethod); err != nil {
				return nil, err
			}
			return next(ctx, req)
		}),
		grpc.StreamInterceptor(func(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
			if err := refuse(info.FullMethod); err != nil {
				return err
			}
			return next(srv, stream)
		}),
	}
	if *cert != "" {
		go serve(*secure, append(options, grpc.Creds(credentials.NewTLS(tlsConfig()))))
	}
	serve(*listen, options)
}

func tlsConfig() *tls.Config {
	pair, err := tls.LoadX509KeyPair(*cert, *key)
	if err != nil {
		log.Fatal(err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{pair}}
	if *ca != "" {
		pem, err := os.ReadFile(*ca)
		if err != nil {
			log.Fatal(err)
		}
		config.ClientCAs = x509.NewCertPool()
		config.ClientCAs.AppendCertsFromPEM(pem)
		config.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return config
}

func serve(address string, options []grpc.ServerOption) {
	server := grpc.NewServer(options...)
	testpb.RegisterTestServiceServer(server, interop.NewTestServer())
	healthpb.RegisterHealthServer(server, health.NewServer())
	switch *only {
	case "all":
		reflection.Register(server)
	case "v1alpha":
		alphapb.RegisterServerReflectionServer(server, reflection.NewServer(reflection.ServerOptions{Services: server}))
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening", address)
	log.Fatal(server.Serve(listener))
}
