package protocol

import (
	"encoding/binary"
	"math/rand/v2"

	"github.com/google/uuid"
)

// NewUUID makes a random UUID (version 4) for requests and messages. Such ids need
// to be distinct, not secret, and are made for each request: they come from the
// runtime's generator, at a fifth of what the system's costs.
func NewUUID() uuid.UUID {
	return uuid.Must(uuid.NewRandomFromReader(chance{}))
}

// chance reads random numbers of the runtime's generator.
type chance struct{}

func (chance) Read(b []byte) (int, error) {
	n := len(b)
	for len(b) >= 8 {
		binary.LittleEndian.PutUint64(b, rand.Uint64())
		b = b[8:]
	}
	for i, r := 0, rand.Uint64(); i < len(b); i, r = i+1, r>>8 {
		b[i] = byte(r)
	}
	return n, nil
}
