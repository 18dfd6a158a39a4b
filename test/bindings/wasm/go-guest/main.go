// A guest that does what its first argument says.
package main

import (
	"bufio"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Print(strings.Join(os.Args, "|"))
		return
	}
	switch os.Args[1] {
	case "echo":
		io.Copy(os.Stdout, os.Stdin)
	case "upper":
		lines := bufio.NewScanner(os.Stdin)
		for lines.Scan() {
			fmt.Println(strings.ToUpper(lines.Text()))
		}
	case "args":
		fmt.Print(strings.Join(os.Args, "|"))
	case "env":
		fmt.Print(len(os.Environ()))
	case "file":
		_, err := os.ReadFile(os.Args[2])
		_, listed := os.ReadDir("/")
		written := os.WriteFile("/tmp/guest", []byte("mine"), 0o600)
		fmt.Println(err != nil, listed != nil, written != nil)
	case "exit":
		code, _ := strconv.Atoi(os.Args[2])
		fmt.Print("lost")
		os.Exit(code)
	case "panic":
		panic("no")
	case "time":
		time.Sleep(time.Hour / 100000)
		fmt.Print(time.Now().UnixMilli())
	case "sleep":
		time.Sleep(time.Hour)
	case "random":
		bytes := make([]byte, 16)
		rand.Read(bytes)
		fmt.Print(hex.EncodeToString(bytes))
	case "memory":
		var all [][]byte
		for {
			part := make([]byte, 1<<20)
			for at := range part {
				part[at] = 1
			}
			all = append(all, part)
		}
	}
}
