package main

import (
	"bufio"
	"context"
	"strings"
	"testing"

	"github.com/waystation/waystation/internal/awsapi/protocol"
)

// TestOperations: status, notes and members that are not there stand in the page,
// whatever characters they hold.
func TestOperations(t *testing.T) {
	t.Parallel()
	do := func(context.Context, *protocol.Call, *protocol.Empty) (*protocol.Empty, error) { return nil, nil }
	api := &protocol.API{Operations: []protocol.Operation{
		protocol.Op("Send", do, protocol.Without("needs a\nmeter", "Weight", "Box.Size")),
		protocol.Op("Receive", do, protocol.PartlyWorks("no | attributes")),
		protocol.Missing("Purge", "needs a broom"),
	}}
	var b strings.Builder
	w := bufio.NewWriter(&b)
	operations(w, api)
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	const want = `| Operation | Status | Notes |
|---|---|---|
| Send | works |  |
| Receive | partly | no \| attributes |
| Purge | not yet | needs a broom |

### Members not yet

| Operation | Members | Reason |
|---|---|---|
| Send | Weight, Box.Size | needs a meter |
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}
