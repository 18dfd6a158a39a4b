// Kubernetes' API server and the etcd that it keeps its objects in, in one program: `kube etcd …`, `kube apiserver …`.
package main

import (
	"fmt"
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: kube etcd|apiserver FLAGS")
		os.Exit(2)
	}
	program := os.Args[1]
	os.Args = append(os.Args[:1], os.Args[2:]...)
	if program == "etcd" {
		etcdmain.Main(os.Args)
		return
	}
	os.Exit(cli.Run(app.NewAPIServerCommand()))
}
