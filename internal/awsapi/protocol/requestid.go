package protocol

import (
	"encoding/hex"
	"math/rand/v2"
)

// randomID makes a random UUID (version 4). Request ids need to be distinct, not
// secret.
func randomID() string {
	var raw [16]byte
	for i, n := 0, rand.Uint64(); i < 8; i, n = i+1, n>>8 {
		raw[i] = byte(n)
	}
	for i, n := 8, rand.Uint64(); i < 16; i, n = i+1, n>>8 {
		raw[i] = byte(n)
	}
	raw[6] = raw[6]&0x0f | 0x40
	raw[8] = raw[8]&0x3f | 0x80
	var id [36]byte
	hex.Encode(id[0:8], raw[0:4])
	hex.Encode(id[9:13], raw[4:6])
	hex.Encode(id[14:18], raw[6:8])
	hex.Encode(id[19:23], raw[8:10])
	hex.Encode(id[24:36], raw[10:16])
	id[8], id[13], id[18], id[23] = '-', '-', '-', '-'
	return string(id[:])
}
