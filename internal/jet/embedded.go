package jet

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"os"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// embedded is the server in this process. It can be started anew underneath
// the connections, which find their way back by themselves.
type embedded struct {
	cfg     Config
	log     *slog.Logger
	ballast *ballast
	reaches *reaches

	mu     sync.Mutex // guards what follows
	server *server.Server
	port   int // that was chosen when Config.Listen left it open
	closed bool
}

func startEmbedded(cfg Config, log *slog.Logger) (*embedded, error) {
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("jet: make the store's folder: %w", err)
	}
	e := &embedded{cfg: cfg, log: log.With(keyServer, "embedded")}
	e.ballast = newBallast(cfg.Dir, e.log)
	e.reaches = &reaches{dir: cfg.Dir, log: e.log}
	s, err := diskSpace(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("jet: measure the space left: %w", err)
	}
	if s.Free < healSpace {
		if e.ballast.release() {
			e.log.Warn("the disk is full: the room set aside for this is used", "free", s.Free)
		}
	} else {
		e.ballast.keep(s)
	}
	if err := e.start(); err != nil {
		return nil, err
	}
	return e, nil
}

// options of the server. It opens no port unless Config.Listen says so.
func (e *embedded) options() (*server.Options, error) {
	opts := &server.Options{
		ServerName: "waystation",
		DontListen: true,
		NoSigs:     true,

		JetStream:              true,
		DisableJetStreamBanner: true,
		StoreDir:               e.cfg.Dir,
		// Each write is fsynced before its acknowledgement.
		SyncAlways: true,
		// The disk is the limit; Conn.Space tells how near it is.
		JetStreamMaxStore: math.MaxInt64 / 2,
		// Nothing but the state of short-lived consumers is kept in memory.
		JetStreamMaxMemory: 256 << 20,

		MaxPayload: embeddedMaxPayload,
		// What a connection may lag behind before the server drops it: bulk
		// reads ask for 8 MiB at a time, some at once.
		MaxPending: 512 << 20,
		// A process that was frozen or starved must not find its own
		// connection dropped.
		WriteDeadline: time.Minute,
		PingInterval:  2 * time.Minute,
		MaxPingsOut:   30,
	}
	if e.cfg.Listen != "" {
		host, port, err := splitListen(e.cfg.Listen)
		if err != nil {
			return nil, err
		}
		if e.port != 0 {
			port = e.port
		}
		opts.DontListen, opts.Host, opts.Port = false, host, port
	}
	return opts, nil
}

// start starts a server. The caller holds mu or is the only one.
func (e *embedded) start() error {
	if err := checkBlocks(e.cfg.Dir); err != nil {
		return err
	}
	opts, err := e.options()
	if err != nil {
		return err
	}
	reached, err := e.reaches.before()
	if err != nil {
		return err
	}
	s, err := server.NewServer(opts)
	if err != nil {
		return fmt.Errorf("jet: set up the embedded server in %s: %w", e.cfg.Dir, err)
	}
	s.SetLoggerV2(newServerLog(e.log), false, false, false)
	if opts.DontListen {
		s.Start()
	} else {
		go s.Start() // serves the port until Shutdown
	}
	fail := func(format string, v ...any) error {
		s.Shutdown()
		s.WaitForShutdown()
		return fmt.Errorf(format, v...)
	}
	if !s.ReadyForConnections(30 * time.Second) {
		if e.cfg.Listen != "" {
			return fail("jet: the embedded server did not start: is %s free, and is %s readable and writable?", e.cfg.Listen, e.cfg.Dir)
		}
		return fail("jet: the embedded server did not start: is %s readable and writable?", e.cfg.Dir)
	}
	// The server goes on without a stream that it cannot read; this program
	// would take it for new.
	if err := health(s); err != nil {
		return fail("jet: the store in %s cannot be read whole: %w. Nothing was changed: "+
			"see what the log says above, then make the folder readable or restore it from a backup", e.cfg.Dir, err)
	}
	last, err := lastEntries(s)
	if err != nil {
		return fail("jet: ask the embedded server for its streams: %w", err)
	}
	e.reaches.after(reached, last)
	if addr, ok := s.Addr().(*net.TCPAddr); ok {
		e.port = addr.Port
	}
	e.server = s
	return nil
}

// examined is what can be asked how it is: a server.
type examined interface {
	JetStreamEnabled() bool
	Healthz(*server.HealthzOptions) *server.HealthStatus
}

// healthTries bounds how often a server is asked that says of itself that it is
// not up.
const healthTries = 200

// health is what the server says about itself and its streams. It was up before:
// start saw to that. Healthz looks once more, for a millisecond, in a select of
// "it is up" and a timer, and picks either when both are so, which a busy machine
// brings about; then it looks at nothing else. So it is asked again then.
func health(s examined) error {
	for try := 1; ; try++ {
		if !s.JetStreamEnabled() {
			return errors.New("JetStream is disabled")
		}
		h := s.Healthz(&server.HealthzOptions{Details: true})
		if len(h.Errors) == 0 {
			return nil
		}
		if first := h.Errors[0]; first.Type != server.HealthzErrorConn || try == healthTries {
			return errors.New(first.Error)
		}
	}
}

func (e *embedded) current() *server.Server {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.server
}

// InProcessConn connects to the present server.
func (e *embedded) InProcessConn() (net.Conn, error) { return e.current().InProcessConn() }

// restart puts a new server in place of one that is unwell.
func (e *embedded) restart() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return ErrClosed
	}
	e.server.Shutdown()
	e.server.WaitForShutdown()
	return e.start()
}

func (e *embedded) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
	e.server.Shutdown()
	e.server.WaitForShutdown()
}
