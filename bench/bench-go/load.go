package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"runtime/debug"
	"slices"
	"time"

	"golang.org/x/net/http2/hpack"
)

type loadOrder struct {
	Port     int
	Path     string
	BodyFile string
	// Calls that are made first and not counted.
	Warm     int
	Calls    int
	InFlight int
	// Each call has the same headers, without traceparent and grpc-timeout.
	Identical bool
}

type loadResult struct {
	// Calls a second.
	Rate float64 `json:"rate"`
	// Of all answers' bodies.
	BodyBytes int `json:"bodyBytes"`
	// Milliseconds, from when a call was written to when its answer was whole.
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	P99 float64 `json:"p99"`
}

type blocked struct {
	stream uint32
	at     int
	window int
}

// One connection of calls that are all alike but for a traceparent and a grpc-timeout of their own, encoded as grpc-go's
// client does it: every field goes into the dynamic table, in which these push out the others.
type loader struct {
	*wire
	order     loadOrder
	body      []byte
	block     bytes.Buffer
	encoder   *hpack.Encoder
	decoder   *hpack.Decoder
	collected []byte
	blocked   []blocked
	fields    []hpack.HeaderField
	started   []time.Time
	answered  []bool
	latencies []float64
	begun     int
	ended     int
	status    string
	message   string
	bodyBytes int
	began     time.Time
}

const hexDigits = "0123456789abcdef"

func load(text []byte) {
	l := &loader{}
	if err := json.Unmarshal(text, &l.order); err != nil {
		fail(err)
	}
	var err error
	if l.body, err = os.ReadFile(l.order.BodyFile); err != nil {
		fail(err)
	}
	// What it allocates in its short life is little.
	debug.SetGCPercent(1000)
	authority := fmt.Sprintf("127.0.0.1:%d", l.order.Port)
	conn, err := net.Dial("tcp", authority)
	if err != nil {
		fail(err)
	}
	l.wire = newWire(conn)
	l.encoder = hpack.NewEncoder(&l.block)
	l.decoder = hpack.NewDecoder(4096, func(field hpack.HeaderField) {
		switch field.Name {
		case "grpc-status":
			l.status = field.Value
		case "grpc-message":
			l.message = field.Value
		}
	})
	l.fields = []hpack.HeaderField{
		{Name: ":method", Value: "POST"}, {Name: ":scheme", Value: "http"},
		{Name: ":path", Value: l.order.Path}, {Name: ":authority", Value: authority},
		{Name: "content-type", Value: "application/grpc"}, {Name: "user-agent", Value: "grpc-go/1.82.1"},
		{Name: "te", Value: "trailers"},
	}
	all := l.order.Warm + l.order.Calls
	l.started = make([]time.Time, all)
	l.answered = make([]bool, all)
	l.latencies = make([]float64, 0, l.order.Calls)
	if err := l.run(all); err != nil {
		fail(err)
	}
	seconds := time.Since(l.began).Seconds()
	slices.Sort(l.latencies)
	at := func(share float64) float64 {
		return l.latencies[min(len(l.latencies)-1, int(float64(len(l.latencies))*share))]
	}
	json.NewEncoder(os.Stdout).Encode(loadResult{
		Rate: float64(l.order.Calls) / seconds, BodyBytes: l.bodyBytes, P50: at(0.5), P90: at(0.9), P99: at(0.99),
	})
}

func (l *loader) run(all int) error {
	l.out = append(l.out, preface...)
	l.open(settingInitialWindow, streamWindow)
	if err := l.flush(); err != nil {
		return err
	}
	// Its SETTINGS come first, and tell how much may be sent.
	var f frame
	known := false
	if l.order.Warm == 0 {
		l.began = time.Now()
	}
	for l.ended < all {
		if err := l.fill(frameHead); err != nil {
			return err
		}
		moved := false
		for l.next(&f) {
			moved = true
			known = known || f.kind == frameSettings
			if err := l.see(&f); err != nil {
				return err
			}
		}
		if !moved {
			if err := l.fill(l.to - l.from + 1); err != nil {
				return err
			}
			continue
		}
		l.unblock()
		for known && l.begun < all && l.begun-l.ended < min(l.order.InFlight, l.mostStreams) {
			l.begin()
		}
		if err := l.flush(); err != nil {
			return err
		}
	}
	return nil
}

func (l *loader) begin() {
	index := l.begun
	l.begun++
	stream := uint32(2*index + 1)
	l.block.Reset()
	l.encoder.SetMaxDynamicTableSizeLimit(min(4096, l.tableSize))
	for _, field := range l.fields {
		l.encoder.WriteField(field)
	}
	if !l.order.Identical {
		l.encoder.WriteField(hpack.HeaderField{Name: "grpc-timeout", Value: fmt.Sprintf("%du", 90_000_000+index%9_999_991)})
		l.encoder.WriteField(hpack.HeaderField{Name: "traceparent", Value: traceparent(uint64(index))})
	}
	l.head(l.block.Len(), frameHeaders, flagEndHeaders, stream)
	l.out = append(l.out, l.block.Bytes()...)
	l.started[index] = time.Now()
	rest := blocked{stream: stream, window: l.streamStart}
	if !l.send(&rest) {
		l.blocked = append(l.blocked, rest)
	}
}

// Numbers that look random, and are the same in each run.
func traceparent(index uint64) string {
	var b [55]byte
	copy(b[:], "00-")
	state := index
	for i := 3; i < 52; i++ {
		if i%16 == 3 {
			state += 0x9e3779b97f4a7c15
			state = (state ^ state>>30) * 0xbf58476d1ce4e5b9
			state = (state ^ state>>27) * 0x94d049bb133111eb
			state ^= state >> 31
		}
		b[i] = hexDigits[state>>(4*(uint(i)%16))&15]
	}
	b[35] = '-'
	copy(b[52:], "-01")
	return string(b[:])
}

// Sends what the windows let through of a body; returns whether that was the rest.
func (l *loader) send(b *blocked) bool {
	for {
		length := min(len(l.body)-b.at, l.frameSize, l.window, b.window)
		last := b.at+length == len(l.body)
		if length <= 0 && !last {
			return false
		}
		flags := byte(0)
		if last {
			flags = flagEndStream
		}
		l.head(length, frameData, flags, b.stream)
		l.out = append(l.out, l.body[b.at:b.at+length]...)
		b.at += length
		b.window -= length
		l.window -= length
		if last {
			return true
		}
	}
}

func (l *loader) unblock() {
	for len(l.blocked) > 0 && l.window > 0 {
		waiting := l.blocked
		l.blocked = l.blocked[:0]
		sent := false
		for _, b := range waiting {
			before := b.at
			if !l.send(&b) {
				l.blocked = append(l.blocked, b)
			}
			sent = sent || b.at > before
		}
		if !sent {
			return
		}
	}
}

func (l *loader) see(f *frame) error {
	if l.take(f) {
		return nil
	}
	switch f.kind {
	case frameData:
		l.bodyBytes += len(f.content())
		if l.order.Warm > l.ended {
			l.bodyBytes = 0
		}
	case frameWindowUpdate:
		for i := range l.blocked {
			if l.blocked[i].stream == f.stream {
				l.blocked[i].window += int(binary.BigEndian.Uint32(f.payload))
			}
		}
	case frameHeaders:
		block := f.content()
		if f.flags&flagEndHeaders == 0 {
			return fmt.Errorf("the server sends headers in parts")
		}
		if _, err := l.decoder.Write(block); err != nil {
			return err
		}
		if err := l.decoder.Close(); err != nil {
			return err
		}
		if f.flags&flagEndStream != 0 {
			return l.end(f.stream)
		}
	case frameReset:
		// A server may end so what it has answered before it looked at the end of the request.
		if index := int(f.stream / 2); index >= l.begun || !l.answered[index] {
			return f.reason()
		}
	case frameGoAway:
		return f.reason()
	}
	return nil
}

func (l *loader) end(stream uint32) error {
	if l.status != "0" {
		return fmt.Errorf("grpc-status %s: %s", l.status, l.message)
	}
	l.status = ""
	l.answered[stream/2] = true
	now := time.Now()
	l.ended++
	if l.ended > l.order.Warm {
		l.latencies = append(l.latencies, float64(now.Sub(l.started[stream/2]).Nanoseconds())/1e6)
	} else if l.ended == l.order.Warm {
		l.began = now
	}
	return nil
}
