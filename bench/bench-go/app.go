package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net"

	"golang.org/x/net/http2/hpack"
	"google.golang.org/protobuf/encoding/protowire"
)

const callback = "/dapr.proto.runtime.v1.AppCallback/"

// The field of BindingEventRequest that has the payload.
const dataField = 2

// An app that takes events one by one through OnBindingEvent: it looks at the payload's first bytes, and answers the
// same bytes each time. It has no event stream, so that Cufflink falls back to this.
func app(text []byte) {
	var order appOrder
	if err := json.Unmarshal(text, &order); err != nil {
		fail(err)
	}
	r := newReport(order)
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", order.Port))
	if err != nil {
		fail(err)
	}
	go hear(r.measure)
	tell(map[string]any{"kind": "listening"})
	for {
		conn, err := listener.Accept()
		if err != nil {
			fail(err)
		}
		go serveApp(newWire(conn), r)
	}
}

type appConnection struct {
	*wire
	report  *report
	encoder *hpack.Encoder
	decoder *hpack.Decoder
	block   bytes.Buffer
	path    string
	// Calls whose requests are not whole: what is there of them.
	calls map[uint32]*appCall
	// The header block that is not whole, and the call that it is of.
	pending []byte
	flags   byte
}

type appCall struct {
	path string
	body []byte
}

func serveApp(w *wire, r *report) {
	c := &appConnection{wire: w, report: r, calls: map[uint32]*appCall{}}
	c.encoder = hpack.NewEncoder(&c.block)
	c.decoder = hpack.NewDecoder(4096, func(field hpack.HeaderField) {
		if field.Name == ":path" {
			c.path = field.Value
		}
	})
	c.open(settingInitialWindow, streamWindow, settingStreams, 1000)
	if c.flush() != nil || c.fill(len(preface)) != nil || string(c.in[:len(preface)]) != preface {
		return
	}
	c.from = len(preface)
	var f frame
	for {
		for c.next(&f) {
			c.see(&f)
		}
		if c.flush() != nil || c.fill(c.to-c.from+1) != nil {
			return
		}
	}
}

func (c *appConnection) see(f *frame) {
	if c.take(f) {
		return
	}
	switch f.kind {
	case frameHeaders:
		c.flags = f.flags
		c.headers(f.stream, f.content(), f.flags&flagEndHeaders != 0)
	case frameContinuation:
		c.headers(f.stream, f.payload, f.flags&flagEndHeaders != 0)
	case frameData:
		call := c.calls[f.stream]
		if call == nil {
			return
		}
		last := f.flags&flagEndStream != 0
		if last && call.body == nil {
			c.whole(f.stream, call.path, f.content())
			return
		}
		call.body = append(call.body, f.content()...)
		if last {
			c.whole(f.stream, call.path, call.body)
		}
	case frameReset:
		delete(c.calls, f.stream)
	}
}

func (c *appConnection) headers(stream uint32, part []byte, whole bool) {
	if !whole || len(c.pending) > 0 {
		c.pending = append(c.pending, part...)
		if !whole {
			return
		}
		part = c.pending
	}
	if _, err := c.decoder.Write(part); err != nil {
		fail(err)
	}
	if err := c.decoder.Close(); err != nil {
		fail(err)
	}
	c.pending = c.pending[:0]
	call := c.calls[stream]
	if call == nil {
		call = &appCall{path: c.path}
		c.calls[stream] = call
	}
	if c.flags&flagEndStream != 0 {
		c.whole(stream, call.path, call.body)
	} else if call.path != callback+"OnBindingEvent" && call.path != callback+"ListInputBindings" {
		c.refuse(stream)
		c.head(4, frameReset, 0, stream)
		c.out = binary.BigEndian.AppendUint32(c.out, 0)
	}
}

func (c *appConnection) whole(stream uint32, path string, body []byte) {
	switch path {
	case callback + "OnBindingEvent":
		for rest := body[5:]; len(rest) > 0; {
			number, kind, length := protowire.ConsumeField(rest)
			if length < 0 {
				fail(protowire.ParseError(length))
			}
			if number == dataField && kind == protowire.BytesType {
				_, _, tag := protowire.ConsumeTag(rest)
				payload, _ := protowire.ConsumeBytes(rest[tag:])
				c.report.event(payload)
			}
			rest = rest[length:]
		}
		c.answer(stream, nil)
	case callback + "ListInputBindings":
		// bindings = ["in"].
		c.answer(stream, []byte{0x0a, 2, 'i', 'n'})
	default:
		c.refuse(stream)
	}
	delete(c.calls, stream)
}

func (c *appConnection) answer(stream uint32, message []byte) {
	c.write(stream, 0, ":status", "200", "content-type", "application/grpc")
	c.head(5+len(message), frameData, 0, stream)
	c.out = append(c.out, 0)
	c.out = binary.BigEndian.AppendUint32(c.out, uint32(len(message)))
	c.out = append(c.out, message...)
	c.write(stream, flagEndStream, "grpc-status", "0")
}

// UNIMPLEMENTED.
func (c *appConnection) refuse(stream uint32) {
	c.write(stream, flagEndStream, ":status", "200", "content-type", "application/grpc", "grpc-status", "12")
	delete(c.calls, stream)
}

func (c *appConnection) write(stream uint32, flags byte, fields ...string) {
	c.block.Reset()
	c.encoder.SetMaxDynamicTableSizeLimit(min(4096, c.tableSize))
	for i := 0; i < len(fields); i += 2 {
		c.encoder.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	c.head(c.block.Len(), frameHeaders, flags|flagEndHeaders, stream)
	c.out = append(c.out, c.block.Bytes()...)
}
