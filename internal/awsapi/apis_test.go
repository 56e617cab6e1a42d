package awsapi

import (
	"slices"
	"strings"
	"testing"

	"github.com/waystation/waystation/internal/access"
	"github.com/waystation/waystation/internal/awsapi/protocol"
)

// TestAll: the tables fit together, and each is complete for its readers.
func TestAll(t *testing.T) {
	t.Parallel()
	open, err := access.New(access.Config{})
	if err != nil {
		t.Fatal(err)
	}
	apis := All(Needs{})
	if _, err := protocol.NewHandler(protocol.Config{APIs: apis, Access: open}); err != nil {
		t.Fatal(err)
	}
	for _, api := range apis {
		names := make([]string, len(api.Operations))
		for i, op := range api.Operations {
			names[i] = strings.ToLower(op.Name)
			if op.Status == protocol.NotYet && op.Note == "" {
				t.Errorf("%s.%s is not there, and no note says why", api.Name, op.Name)
			}
		}
		if api.Title == "" || !slices.IsSorted(names) {
			t.Errorf("%s: no title, or operations out of order: %q", api.Name, names)
		}
	}
}
