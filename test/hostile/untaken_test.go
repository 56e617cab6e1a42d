//go:build linux

package hostile

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"
)

// frame writes an HTTP/2 frame (RFC 9113, section 4.1).
func frame(b []byte, kind, flags byte, id uint32, payload []byte) []byte {
	n := len(payload)
	b = append(b, byte(n>>16), byte(n>>8), byte(n), kind, flags)
	b = binary.BigEndian.AppendUint32(b, id)
	return append(b, payload...)
}

const (
	frameHeaders  = 1
	frameSettings = 4
)

// TestUntakenAnswersHTTP2: over few connections, each with as many requests as it may
// have, answers that no window lets through. They are under way as long as they wait, so
// there are no more of them than there may be; others are served.
func TestUntakenAnswersHTTP2(t *testing.T) {
	t.Parallel()
	const connections, streams, most = 8, 128, 64 // all of --max-requests
	v := start(t, "--max-requests", "64")
	// Indexed names and values (RFC 7541, appendix A): GET, http, /, and the authority.
	head := append([]byte{0x82, 0x86, 0x84, 0x41, byte(len(v.Addr()))}, v.Addr()...)
	var refused, busy atomic.Int64
	for range connections {
		c := v.dial(t)
		b := []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
		// An initial window of 0, and no table of headers: each is written out.
		b = frame(b, frameSettings, 0, 0, []byte{0, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0})
		for i := range uint32(streams) {
			b = frame(b, frameHeaders, 0x5, 2*i+1, head)
		}
		if _, err := c.Write(b); err != nil {
			t.Fatal(err)
		}
		go statuses(c, &refused, &busy)
	}
	eventually(t, "every request has its status", func() bool { return refused.Load()+busy.Load() >= connections*streams })
	if n := refused.Load(); n > most {
		t.Errorf("%d answers wait for their clients, %d requests may be under way", n, most)
	}
	time.Sleep(time.Second)
	v.send(t)
	if v.Gone() {
		t.Error("the server is gone")
	}
}

// statuses counts the answers on a connection: those of a server that has too much to do,
// and others.
func statuses(c net.Conn, others, busy *atomic.Int64) {
	head := make([]byte, 9)
	for {
		if _, err := io.ReadFull(c, head); err != nil {
			return
		}
		payload := make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
		if _, err := io.ReadFull(c, payload); err != nil {
			return
		}
		switch {
		case head[3] != frameHeaders:
		case bytes.Contains(payload, []byte("503")): // as short in the code of RFC 7541
			busy.Add(1)
		default:
			others.Add(1)
		}
	}
}
