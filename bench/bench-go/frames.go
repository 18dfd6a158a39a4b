package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"syscall"
)

const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

const (
	frameData         = 0
	frameHeaders      = 1
	frameReset        = 3
	frameSettings     = 4
	framePing         = 6
	frameGoAway       = 7
	frameWindowUpdate = 8
	frameContinuation = 9

	flagAck        = 1
	flagEndStream  = 1
	flagEndHeaders = 4
	flagPadded     = 8
	flagPriority   = 32

	settingTableSize     = 1
	settingStreams       = 3
	settingInitialWindow = 4
	settingFrameSize     = 5

	frameHead     = 9
	initialWindow = 65535
	// What may be on its way to us, in a stream and in all; renewed once half of it has come.
	streamWindow     = 1<<24 - 1
	connectionWindow = 1<<24 - 1
)

// An HTTP/2 connection as far as both ends of the bench need it: read by blocking calls, written once after all frames of a read.
type wire struct {
	fd       int
	in       []byte
	from, to int
	out      []byte
	received int
	// The other side's, for what is sent.
	window      int
	frameSize   int
	tableSize   uint32
	streamStart int
	mostStreams int
}

type frame struct {
	kind, flags byte
	stream      uint32
	// A view of the read buffer.
	payload []byte
}

func newWire(conn net.Conn) *wire {
	file, err := conn.(*net.TCPConn).File()
	if err != nil {
		fail(err)
	}
	conn.Close()
	// Fd makes it blocking: a thread that waits in the kernel costs less than the runtime's poller.
	fd := int(file.Fd())
	syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1)
	keep = append(keep, file)
	return &wire{
		fd: fd, in: make([]byte, 1<<18), window: initialWindow, frameSize: 1 << 14,
		tableSize: 4096, streamStart: initialWindow, mostStreams: 1 << 30,
	}
}

// Whose collection would close them.
var keep []io.Closer

func (w *wire) head(length int, kind, flags byte, stream uint32) {
	w.out = append(w.out, byte(length>>16), byte(length>>8), byte(length), kind, flags)
	w.out = binary.BigEndian.AppendUint32(w.out, stream)
}

func (w *wire) open(settings ...uint32) {
	w.head(3*len(settings), frameSettings, 0, 0)
	for i := 0; i < len(settings); i += 2 {
		w.out = binary.BigEndian.AppendUint16(w.out, uint16(settings[i]))
		w.out = binary.BigEndian.AppendUint32(w.out, settings[i+1])
	}
	w.head(4, frameWindowUpdate, 0, 0)
	w.out = binary.BigEndian.AppendUint32(w.out, connectionWindow-initialWindow)
}

func (w *wire) flush() error {
	for at := 0; at < len(w.out); {
		n, err := syscall.Write(w.fd, w.out[at:])
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		at += n
	}
	w.out = w.out[:0]
	return nil
}

// Waits for bytes, at least as many as that.
func (w *wire) fill(least int) error {
	for w.to-w.from < least {
		if w.from > 0 {
			copy(w.in, w.in[w.from:w.to])
			w.from, w.to = 0, w.to-w.from
		}
		if w.to == len(w.in) {
			w.in = append(w.in, make([]byte, len(w.in))...)
		}
		n, err := syscall.Read(w.fd, w.in[w.to:])
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		if n == 0 {
			return io.EOF
		}
		w.to += n
	}
	return nil
}

// The next whole frame of what was read; false where there is none.
func (w *wire) next(f *frame) bool {
	b := w.in[w.from:w.to]
	if len(b) < frameHead {
		return false
	}
	length := int(b[0])<<16 | int(b[1])<<8 | int(b[2])
	if len(b) < frameHead+length {
		return false
	}
	f.kind, f.flags = b[3], b[4]
	f.stream = binary.BigEndian.Uint32(b[5:]) & 0x7fffffff
	f.payload = b[frameHead : frameHead+length]
	w.from += frameHead + length
	return true
}

// Answers what is of the connection; returns whether it was that.
func (w *wire) take(f *frame) bool {
	switch f.kind {
	case frameSettings:
		if f.flags&flagAck == 0 {
			w.settings(f.payload)
			w.head(0, frameSettings, flagAck, 0)
		}
	case framePing:
		if f.flags&flagAck == 0 {
			w.head(8, framePing, flagAck, 0)
			w.out = append(w.out, f.payload...)
		}
	case frameWindowUpdate:
		if f.stream != 0 {
			return false
		}
		w.window += int(binary.BigEndian.Uint32(f.payload))
	case frameData:
		w.received += len(f.payload)
		if w.received > connectionWindow/2 {
			w.head(4, frameWindowUpdate, 0, 0)
			w.out = binary.BigEndian.AppendUint32(w.out, uint32(w.received))
			w.received = 0
		}
		return false
	default:
		return false
	}
	return true
}

func (w *wire) settings(b []byte) {
	for ; len(b) >= 6; b = b[6:] {
		value := binary.BigEndian.Uint32(b[2:])
		switch binary.BigEndian.Uint16(b) {
		case settingTableSize:
			w.tableSize = value
		case settingStreams:
			w.mostStreams = int(min(value, 1<<30))
		case settingInitialWindow:
			w.streamStart = int(value)
		case settingFrameSize:
			w.frameSize = int(value)
		}
	}
}

// The payload without padding and priority.
func (f *frame) content() []byte {
	b := f.payload
	if f.flags&flagPadded != 0 {
		b = b[1 : len(b)-int(b[0])]
	}
	if f.kind == frameHeaders && f.flags&flagPriority != 0 {
		b = b[5:]
	}
	return b
}

func (f *frame) reason() error {
	code := uint32(0)
	switch {
	case f.kind == frameReset && len(f.payload) >= 4:
		code = binary.BigEndian.Uint32(f.payload)
		return fmt.Errorf("stream %d was reset with code %d", f.stream, code)
	case f.kind == frameGoAway && len(f.payload) >= 8:
		code = binary.BigEndian.Uint32(f.payload[4:])
		return fmt.Errorf("the server goes away with code %d: %s", code, f.payload[8:])
	}
	return fmt.Errorf("frame %d was not expected", f.kind)
}
