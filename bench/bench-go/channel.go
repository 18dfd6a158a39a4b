package main

import (
	"bufio"
	"encoding/json"
	"os"
	"strconv"
	"sync"
	"syscall"
)

var channelLock sync.Mutex

// The channel that Node opens to a child: a message is a line of JSON.
func channel() int {
	fd, err := strconv.Atoi(os.Getenv("NODE_CHANNEL_FD"))
	if err != nil {
		return -1
	}
	return fd
}

// Tells the bench; without a channel nothing is told.
func tell(message any) {
	fd := channel()
	if fd < 0 {
		return
	}
	line, _ := json.Marshal(message)
	line = append(line, '\n')
	channelLock.Lock()
	defer channelLock.Unlock()
	for len(line) > 0 {
		n, err := syscall.Write(fd, line)
		if err == syscall.EINTR || err == syscall.EAGAIN {
			continue
		}
		if err != nil {
			return
		}
		line = line[n:]
	}
}

// Hears the process id of the runtime; ends this process with the channel.
func hear(runtime func(pid int)) {
	fd := channel()
	if fd < 0 {
		return
	}
	syscall.SetNonblock(fd, true)
	lines := bufio.NewScanner(os.NewFile(uintptr(fd), "channel"))
	for lines.Scan() {
		var message struct{ Runtime int }
		if json.Unmarshal(lines.Bytes(), &message) == nil && message.Runtime != 0 {
			runtime(message.Runtime)
		}
	}
	os.Exit(0)
}
