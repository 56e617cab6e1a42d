//go:build linux

package hostile

import (
	"fmt"
	"io"
	"strings"
	"testing"
)

// TestHeaders: headers of short lines, which take fifteen times their size, on a thousand
// connections, and none of them ends.
func TestHeaders(t *testing.T) {
	t.Parallel()
	v := start(t)
	var text strings.Builder
	text.WriteString("POST / HTTP/1.1\r\nHost: " + v.Addr() + "\r\n")
	for i := 0; text.Len() < 64<<10; i++ {
		fmt.Fprintf(&text, "%x:\r\n", 0x1000+i)
	}
	for range 1000 {
		_, _ = io.WriteString(v.dial(t), text.String()) // some are cut off
	}
	v.send(t)
	v.staysBelow(t, 300*mib)
}
