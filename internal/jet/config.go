package jet

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"time"
)

// Config says where the log is kept. Either Dir (an embedded server) or URL
// (servers that run elsewhere) is set; URL wins.
type Config struct {
	// Dir is the folder of the embedded server's store. It is created when
	// absent. One process at a time may use it; the caller sees to that.
	Dir string
	// Listen is the "host:port" that the embedded server opens for other
	// NATS clients (port 0: any free one, see Conn.ListenURL); "" opens no
	// port at all. Whoever reaches the port can read and write everything.
	Listen string

	// URL names external servers, separated by commas. User, password or
	// token may stand in it.
	URL string
	// Credentials is the path of a .creds file for the external servers.
	Credentials string
	// TLSCA, TLSCert and TLSKey are paths of PEM files for the external
	// servers: the authority to trust, and this client's certificate.
	TLSCA, TLSCert, TLSKey string

	// Replicas of every stream and bucket: 1, 3 or 5. Default 1; the embedded
	// server on its own can only do 1.
	Replicas int
	// Prefix begins the names that Conn.Name makes. Default "ws".
	Prefix string
	// Node is this connection's name, shown by NATS tools.
	Node string
	// AckTimeout is how long an Append, a key-value operation, a read or a
	// Request without a deadline of its own waits for its answer before it
	// ends in ErrUnavailable. Default 5 s; for an Append to external servers
	// 2 s at most.
	AckTimeout time.Duration
	// ConnectTimeout bounds each attempt at connecting. Default 5 s.
	ConnectTimeout time.Duration
	// MarkerLife is how long a bucket remembers that a key was deleted, at
	// least 1 min. Default 1 h. See doc.go on Watch.
	MarkerLife time.Duration
	// Logger receives what an operator should know. nil discards.
	Logger *slog.Logger
}

// Sizes in bytes.
const (
	// embeddedMaxPayload is the embedded server's max_payload.
	embeddedMaxPayload = 8 << 20
	// needMaxPayload is the least that an external server must accept: a
	// message of 1 MiB with its attributes and the append around it.
	needMaxPayload = 2 << 20
	// headroom of a published message for its headers.
	headroom = 1 << 10
)

func (c Config) withDefaults() (Config, error) {
	if c.URL == "" && c.Dir == "" {
		return c, errors.New("jet: Config needs Dir (embedded) or URL (external)")
	}
	if c.Replicas == 0 {
		c.Replicas = 1
	}
	if c.Replicas < 1 || c.Replicas > 5 || c.Replicas%2 == 0 {
		return c, fmt.Errorf("jet: %d replicas: 1, 3 or 5 are possible", c.Replicas)
	}
	if c.URL == "" && c.Replicas != 1 {
		return c, fmt.Errorf("jet: %d replicas need a cluster: the embedded server keeps one copy", c.Replicas)
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return c, errors.New("jet: a client certificate needs both TLSCert and TLSKey")
	}
	if c.Prefix == "" {
		c.Prefix = "ws"
	}
	if !validName(c.Prefix) {
		return c, fmt.Errorf("jet: prefix %q: only letters, digits, - and _ are possible", c.Prefix)
	}
	if c.Node == "" {
		c.Node = "waystation"
	}
	if c.AckTimeout == 0 {
		c.AckTimeout = 5 * time.Second
	}
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = 5 * time.Second
	}
	if c.MarkerLife == 0 {
		c.MarkerLife = time.Hour
	}
	if c.AckTimeout < 0 || c.ConnectTimeout < 0 || c.MarkerLife < time.Minute {
		return c, errors.New("jet: AckTimeout and ConnectTimeout must be positive, MarkerLife at least 1m")
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c, nil
}

// splitListen takes Config.Listen apart; port -1 means any free one.
func splitListen(listen string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(listen)
	if err != nil {
		return "", 0, fmt.Errorf("jet: listen address %q: want host:port", listen)
	}
	port, err = strconv.Atoi(text)
	if err != nil || port < 0 || port > 65535 {
		return "", 0, fmt.Errorf("jet: listen address %q: the port must be 0 to 65535", listen)
	}
	if port == 0 {
		port = -1
	}
	return host, port, nil
}

// validName tells whether s can name a stream or bucket.
func validName(s string) bool {
	if s == "" || len(s) > 128 {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return true
}
