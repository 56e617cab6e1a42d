package state

import "github.com/waystation/waystation/internal/fields"

// reader takes the fields of a fact off its front.
type reader struct{ fields.Reader }

func newReader(b []byte) reader { return reader{fields.Reader{Rest: b}} }

func (r *reader) ref() Ref { return Ref{Kind: Kind(r.Byte()), ID: r.Uint64()} }
