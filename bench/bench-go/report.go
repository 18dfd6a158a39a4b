package main

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// What bench/apps/report.ts is told and tells.
type appOrder struct {
	Port, Keys, Waiting, Warm, Paced int
}

type counts struct {
	Distinct   int `json:"distinct"`
	Duplicates int `json:"duplicates"`
	OutOfOrder int `json:"outOfOrder"`
}

type report struct {
	lock      sync.Mutex
	order     appOrder
	seen      []bool
	latest    []int
	counts    counts
	latencies []float64
	runtime   int
	began     sample
}

type sample struct{ at, runtime, app float64 }

func newReport(order appOrder) *report {
	r := &report{order: order, seen: make([]bool, order.Waiting+order.Paced), latest: make([]int, order.Keys)}
	for key := range r.latest {
		r.latest[key] = -1
	}
	go func() {
		for range time.Tick(time.Second) {
			r.lock.Lock()
			distinct := r.counts.Distinct
			r.lock.Unlock()
			tell(map[string]any{"kind": "progress", "distinct": distinct})
		}
	}()
	return r
}

// One event, by its payload.
func (r *report) event(payload []byte) {
	r.lock.Lock()
	defer r.lock.Unlock()
	key, place, stamp := number(payload, 0, 8), number(payload, 8, 8), number(payload, 16, 16)
	index := place*r.order.Keys + key
	if key < 0 || place < 0 || stamp < 0 || key >= r.order.Keys || index >= len(r.seen) {
		fail(fmt.Errorf("an event that was never sent arrived: %q", payload[:min(40, len(payload))]))
	}
	if r.seen[index] {
		r.counts.Duplicates++
		return
	}
	r.seen[index] = true
	r.counts.Distinct++
	if place < r.latest[key] {
		r.counts.OutOfOrder++
	} else {
		r.latest[key] = place
	}
	if stamp > 0 {
		r.latencies = append(r.latencies, (now()*1e6-float64(stamp))/1000)
	}
	switch r.counts.Distinct {
	case r.order.Warm:
		r.began = r.sample()
	case r.order.Waiting:
		r.drained()
	}
	if r.counts.Distinct == r.order.Waiting+r.order.Paced && r.order.Paced > 0 {
		slices.Sort(r.latencies)
		at := func(share float64) float64 {
			return r.latencies[min(len(r.latencies)-1, int(float64(len(r.latencies))*share))]
		}
		latencies := map[string]float64{"p50": at(0.5), "p90": at(0.9), "p99": at(0.99)}
		tell(map[string]any{"kind": "paced", "latencies": latencies, "counts": r.counts})
	}
}

func (r *report) drained() {
	end := r.sample()
	tell(map[string]any{
		"kind": "drained", "seconds": end.at - r.began.at, "runtimeSeconds": end.runtime - r.began.runtime,
		"appSeconds": end.app - r.began.app, "counts": r.counts,
	})
}

func (r *report) sample() sample {
	if r.runtime == 0 {
		fail(fmt.Errorf("the warm-up ended before the runtime's id came"))
	}
	return sample{now(), processorSeconds(r.runtime), processorSeconds(os.Getpid())}
}

func (r *report) measure(pid int) {
	r.lock.Lock()
	defer r.lock.Unlock()
	r.runtime = pid
}

func number(payload []byte, from, digits int) int {
	if len(payload) < from+digits {
		return -1
	}
	value := 0
	for _, digit := range payload[from : from+digits] {
		if digit < '0' || digit > '9' {
			return -1
		}
		value = value*10 + int(digit-'0')
	}
	return value
}

// Seconds of the clock that all processes of this machine share.
func now() float64 {
	var at unix.Timespec
	unix.ClockGettime(unix.CLOCK_MONOTONIC, &at)
	return float64(at.Sec) + float64(at.Nsec)/1e9
}

// The processor time that a process has used, in seconds; the kernel counts 100 a second.
func processorSeconds(pid int) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		fail(err)
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return float64(user+system) / 100
}
