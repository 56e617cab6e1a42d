package jet

import (
	"net"
	"time"

	"github.com/nats-io/nats.go"
)

// externalOptions are the options for servers that run elsewhere.
func externalOptions(cfg Config) []nats.Option {
	opts := []nats.Option{
		nats.SetCustomDialer(dialer{
			Dialer:  net.Dialer{Timeout: cfg.ConnectTimeout, KeepAlive: 15 * time.Second},
			timeout: cfg.AckTimeout,
		}),
		nats.ReconnectWait(200 * time.Millisecond),
		nats.ReconnectJitter(200*time.Millisecond, 200*time.Millisecond),
		nats.PingInterval(10 * time.Second),
		nats.MaxPingsOutstanding(2),
	}
	if cfg.Credentials != "" {
		opts = append(opts, nats.UserCredentials(cfg.Credentials))
	}
	if cfg.TLSCA != "" {
		opts = append(opts, nats.RootCAs(cfg.TLSCA))
	}
	if cfg.TLSCert != "" {
		opts = append(opts, nats.ClientCert(cfg.TLSCert, cfg.TLSKey))
	}
	return opts
}

// dialer makes connections whose writes are bounded. A server that is frozen
// stops reading; without a bound a publish would wait until TCP gives up, and
// hold up everything else on the connection meanwhile. A write that misses the
// bound ends the connection, and a new one is made.
type dialer struct {
	net.Dialer
	timeout time.Duration
}

func (d dialer) Dial(network, address string) (net.Conn, error) {
	c, err := d.Dialer.Dial(network, address)
	if err != nil {
		return nil, err
	}
	return boundedConn{c, d.timeout}, nil
}

type boundedConn struct {
	net.Conn
	timeout time.Duration
}

func (c boundedConn) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(c.timeout)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}
