// Package waystation runs a Waystation server inside a Go program or a test:
// the same server as the command's, on a port of its own, ready in a few
// milliseconds.
//
//	server, err := waystation.Start(ctx, waystation.Config{Dir: t.TempDir()})
//	if err != nil { … }
//	defer server.Close(ctx)
//
//	client := sqs.New(sqs.Options{
//		BaseEndpoint: aws.String(server.URL()),
//		Region:       "us-east-1",
//		Credentials:  credentials.NewStaticCredentialsProvider("test", "test", ""),
//	})
//
// Several servers fit in one process, each with a folder of its own. What was
// acknowledged is on disk: a server started on the same folder goes on with it.
package waystation

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/waystation/waystation/internal/app"
)

// Config says how to run a server. Only Dir is needed.
type Config struct {
	// Dir holds the data; it is made if missing, and only one server at a time
	// can use it. Not needed with NATS.
	Dir string
	// Listen is the address of the API; default 127.0.0.1:0, a free port.
	Listen string
	// Account is the default account, twelve digits; default 000000000000.
	Account string
	// KeysFile is the file of access keys. Without it any key is accepted, and
	// only loopback addresses can be listened on.
	KeysFile string
	// EnforcePolicies has policies enforced without a keys file too, where they are
	// only stored and shown otherwise.
	EnforcePolicies bool
	// Partitions is the number of journals; default 1.
	Partitions int
	// NATS is the URL of an external NATS; by default one is embedded.
	NATS string
	// Replicas of every stream on the external NATS; default 1.
	Replicas int
	// Node names the server among others on the same NATS; default: made up.
	Node string
	// Logger takes the log; default: none.
	Logger *slog.Logger
}

// Server is a running server.
type Server struct {
	app  *app.App
	stop sync.Once
	ask  chan struct{} // closed by the first Close
	done chan struct{} // closed when everything has stopped
	err  error         // read after done
}

// Start starts a server and waits until it is ready. When ctx ends before
// that, the server is stopped and the context's error returned; afterwards ctx
// has no part any more: Close ends the server.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	c := app.Default()
	if cfg.Dir == "" && cfg.NATS == "" {
		return nil, errors.New("waystation: Config.Dir is missing, in a test give t.TempDir()")
	}
	c.Listen = "127.0.0.1:0"
	set(&c.Listen, cfg.Listen)
	set(&c.Data, cfg.Dir)
	set(&c.Account, cfg.Account)
	set(&c.Keys, cfg.KeysFile)
	set(&c.EnforcePolicies, cfg.EnforcePolicies)
	set(&c.Partitions, cfg.Partitions)
	set(&c.NATS, cfg.NATS)
	set(&c.Replicas, cfg.Replicas)
	set(&c.Node, cfg.Node)
	a, err := app.New(c, app.Options{Log: cfg.Logger})
	if err != nil {
		return nil, err
	}
	if err := a.Start(ctx); err != nil {
		return nil, err
	}
	if err := a.Ready(ctx); err != nil {
		return nil, errors.Join(err, a.Stop())
	}
	s := &Server{app: a, ask: make(chan struct{}), done: make(chan struct{})}
	go s.watch()
	return s, nil
}

func set[T comparable](to *T, value T) {
	var zero T
	if value != zero {
		*to = value
	}
}

// watch stops the server when it is asked to or when a part of it failed.
func (s *Server) watch() {
	defer close(s.done)
	var err error
	select {
	case <-s.ask:
	case err = <-s.app.Failed():
	}
	s.err = errors.Join(err, s.app.Stop())
}

// URL is the address of the API, such as http://127.0.0.1:41234.
func (s *Server) URL() string { return s.app.URL() }

// Done is closed when the server has stopped, by Close or because it failed.
func (s *Server) Done() <-chan struct{} { return s.done }

// Close finishes the requests in flight, stops the server and returns what
// went wrong with it, if anything. When ctx ends first its error is returned,
// and the server goes on stopping.
func (s *Server) Close(ctx context.Context) error {
	s.stop.Do(func() { close(s.ask) })
	select {
	case <-s.done:
		return s.err
	case <-ctx.Done():
		return ctx.Err()
	}
}
