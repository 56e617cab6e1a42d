package topic

import (
	"strings"
	"testing"
	"time"

	"github.com/waystation/waystation/internal/partition"
)

// What a consumer's message costs: raw, in an envelope, and in one that nobody has been
// given before.
func BenchmarkRender(b *testing.B) {
	made, err := newSigningKey(time.Now())
	if err != nil {
		b.Fatal(err)
	}
	s, err := signerOf(made)
	if err != nil {
		b.Fatal(err)
	}
	e := &Envelopes{}
	e.signer.Store(s)
	n := sample()
	n.message = strings.Repeat("x", 512)
	payload := n.encode()
	const id = "01234567-89ab-8def-8123-456789abcdef"
	for _, how := range []string{"raw", "enveloped", "signed"} {
		b.Run(how, func(b *testing.B) {
			for b.Loop() {
				if how == "signed" {
					clear(s.now)
				}
				if _, err := e.Render(partition.Rendering{Payload: payload, Reference: referenceOf(id, how == "raw"), Origin: "http://localhost:4566"}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
