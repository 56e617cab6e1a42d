package jet

import (
	"log/slog"
	"time"
)

// Config says where the log is kept. Either Dir (an embedded server) or URL
// (servers that run elsewhere) is set; URL wins.
type Config struct {
	// Dir is the folder of the embedded server's store. It is created when
	// absent. One process at a time may use it.
	Dir string
	// Listen is the "host:port" that the embedded server opens for other
	// NATS clients; "" opens no port at all.
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
	// Prefix begins the name of every stream and bucket that this program
	// makes by way of Name. Default "ws".
	Prefix string
	// Node is this connection's name, shown by NATS tools.
	Node string
	// AckTimeout is how long an Append, a key-value operation or a Request
	// without a deadline of its own waits for its answer before it ends in
	// ErrUnavailable. Default 5 s.
	AckTimeout time.Duration
	// ConnectTimeout bounds each attempt at connecting in Open. Default 5 s.
	ConnectTimeout time.Duration
	// Logger receives what an operator should know. nil discards.
	Logger *slog.Logger
}
