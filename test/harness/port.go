package harness

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

// Ports are taken below the range from which systems take the local ports of
// outgoing connections, so that a server can be started again on its own. A test
// process keeps each of its ports to itself by a UDP socket of the same number, which
// no server wants: other test processes look for it before they take the port.
const (
	portLow  = 20_000
	portHigh = 32_000
)

// marks are the UDP sockets of this process's ports; they end with it.
var marks struct {
	sync.Mutex
	kept []net.PacketConn
}

// freeAddr is a loopback address nobody listens on now, and no other test process takes
// before this one ends.
func freeAddr() (string, error) {
	for range 200 {
		port := portLow + rand.IntN(portHigh-portLow)
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		mark, err := net.ListenPacket("udp", addr)
		if err != nil {
			continue
		}
		l, err := net.Listen("tcp", addr)
		if err != nil {
			mark.Close()
			continue
		}
		if err := l.Close(); err != nil {
			return "", err
		}
		marks.Lock()
		marks.kept = append(marks.kept, mark)
		marks.Unlock()
		return addr, nil
	}
	return "", errors.New("harness: no free port found")
}
