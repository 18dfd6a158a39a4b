// fake-gcs-server, a well-known fake of Cloud Storage, as a program that prints each call and may refuse some.
package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"strings"

	"github.com/fsouza/fake-gcs-server/fakestorage"
)

var (
	listen = flag.String("listen", "127.0.0.1:0", "host:port")
	only   = flag.String("only", "", "what may be asked, as POST /upload, separated by commas; all else is 403")
	token  = flag.String("token", "", "the token that is taken; without it, none is needed")
)

func refuse(answer http.ResponseWriter, status int, message, reason string) {
	answer.Header().Set("content-type", "application/json")
	answer.WriteHeader(status)
	fmt.Fprintf(answer, `{"error":{"code":%d,"message":%q,"errors":[{"message":%q,"domain":"global","reason":%q}]}}`, status, message, message, reason)
}

func main() {
	flag.Parse()
	fake, err := fakestorage.NewServerWithOptions(fakestorage.Options{NoListener: true, ExternalURL: "http://" + *listen, PublicHost: *listen})
	if err != nil {
		log.Fatal(err)
	}
	handler := fake.HTTPHandler()
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening", *listen)
	log.Fatal(http.Serve(listener, http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
		asked := request.Method + " " + request.URL.Path
		fmt.Println("call", asked)
		if *token != "" && request.Header.Get("authorization") != "Bearer "+*token {
			refuse(answer, 401, "Invalid Credentials", "authError")
			return
		}
		if *only != "" {
			allowed := false
			for _, one := range strings.Split(*only, ",") {
				allowed = allowed || strings.HasPrefix(asked, one)
			}
			if !allowed {
				refuse(answer, 403, "The caller does not have the permission.", "forbidden")
				return
			}
		}
		handler.ServeHTTP(answer, request)
	})))
}
