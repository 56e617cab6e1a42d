package harness

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
)

// Ports are taken below the range from which systems take the local ports of
// outgoing connections, so that a server can be started again on its own.
const (
	portLow  = 20_000
	portHigh = 32_000
)

// freeAddr is a loopback address nobody listens on now.
func freeAddr() (string, error) {
	for range 200 {
		port := portLow + rand.IntN(portHigh-portLow)
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		l, err := net.Listen("tcp", addr)
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			return "", err
		}
		return addr, nil
	}
	return "", errors.New("harness: no free port found")
}
