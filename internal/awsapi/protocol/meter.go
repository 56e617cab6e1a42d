package protocol

import "context"

// DefaultMaxValues bounds the values of one input: elements of lists, entries of
// maps and what pointers point at, on all levels together. The largest real ones,
// batches of 500 records, hold some thousands.
const DefaultMaxValues = 16384

// freeBytes is how much decoding may make without paying for it.
const freeBytes = 16 << 10

// meter counts what decoding makes of a body, which can be a hundred times as
// large: "{}," is three bytes, and an entry of a batch some hundred. It is asked
// before a value is made. The zero meter has the default bounds.
type meter struct {
	max   int // values; 0 = DefaultMaxValues
	count int
	bytes int // made so far
	paid  int // of them
	ctx   context.Context
	lease *lease // what is paid from; nil: nothing is
}

// take asks for one value of so many bytes. A nil meter gives all.
func (m *meter) take(size uintptr) *Error {
	if m == nil {
		return nil
	}
	m.count++
	limit := m.max
	if limit == 0 {
		limit = DefaultMaxValues
	}
	if m.count > limit {
		return tooManyValues()
	}
	if m.bytes += int(size); m.bytes > freeBytes+m.paid && m.lease != nil {
		// Slices grow by doubling: what was made may be there twice.
		n := max(m.bytes-m.paid, freeBytes)
		if !m.lease.take(m.ctx, int64(2*n)) {
			return overloaded()
		}
		m.paid += n
	}
	return nil
}

func tooManyValues() *Error {
	return &Error{Code: "SerializationException", QueryCode: "MalformedInput",
		Message: "The request holds too many values: lists and maps are longer than any operation takes."}
}
