package jet

import (
	"fmt"
	"math"
	"os"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// startEmbedded starts a server in this process. It opens no port unless
// cfg.Listen says so, and fsyncs every write before it is acknowledged.
func startEmbedded(cfg Config) (*server.Server, error) {
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("jet: make the store's folder: %w", err)
	}
	opts := &server.Options{
		ServerName: "waystation",
		DontListen: true,
		NoSigs:     true,

		JetStream:              true,
		DisableJetStreamBanner: true,
		StoreDir:               cfg.Dir,
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
	if cfg.Listen != "" {
		host, port, err := splitListen(cfg.Listen)
		if err != nil {
			return nil, err
		}
		opts.DontListen, opts.Host, opts.Port = false, host, port
	}
	s, err := server.NewServer(opts)
	if err != nil {
		return nil, fmt.Errorf("jet: set up the embedded server in %s: %w", cfg.Dir, err)
	}
	s.SetLoggerV2(serverLog{cfg.Logger.With(keyServer, "embedded")}, false, false, false)
	if opts.DontListen {
		s.Start()
	} else {
		go s.Start() // serves the port until Shutdown
	}
	if !s.ReadyForConnections(30 * time.Second) {
		s.Shutdown()
		s.WaitForShutdown()
		if cfg.Listen != "" {
			return nil, fmt.Errorf("jet: the embedded server did not start: is %s free and %s readable?", cfg.Listen, cfg.Dir)
		}
		return nil, fmt.Errorf("jet: the embedded server did not start: is %s readable and writable?", cfg.Dir)
	}
	if !s.JetStreamEnabled() {
		s.Shutdown()
		s.WaitForShutdown()
		return nil, fmt.Errorf("jet: the embedded server could not open its store in %s: see the log above", cfg.Dir)
	}
	return s, nil
}
