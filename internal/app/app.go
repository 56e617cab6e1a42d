package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/waystation/waystation/internal/access"
	"github.com/waystation/waystation/internal/awsapi/protocol"
	"github.com/waystation/waystation/internal/bus"
	"github.com/waystation/waystation/internal/delivery"
	"github.com/waystation/waystation/internal/jet"
	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
	"github.com/waystation/waystation/internal/scheduler"
	"github.com/waystation/waystation/internal/telemetry"
	"github.com/waystation/waystation/internal/topic"
)

// App is one server. Make it with New, open it with Start, end it with Stop.
type App struct {
	cfg      Config
	log      *slog.Logger
	metrics  *telemetry.Metrics
	services *group
	started  time.Time

	reload <-chan struct{} // asks for the keys file to be read again

	drain     context.Context // cancelled when stopping begins
	stopPolls context.CancelFunc
	ready     atomic.Bool // every service was ready once
	retiring  atomic.Bool // about to stop: not ready, and connections come to an end

	// What the services of the table leave for those after them.
	lock       *dirLock
	listener   net.Listener // of the API
	conn       *jet.Conn
	registry   *registry.Registry
	access     *access.Access
	proxies    access.Proxies
	partitions *partition.Service
	topics     *topic.Service
	buses      *bus.Service
	announcer  *announcer
	deliveries *delivery.Service
	scheduler  *scheduler.Service
	apis       *protocol.Handler
}

// New checks the configuration. It starts nothing.
func New(cfg Config, opts Options) (*App, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	log := opts.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	dir, err := filepath.Abs(cfg.Data)
	if err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	cfg.Data = dir
	a := &App{cfg: cfg, log: log, metrics: telemetry.New(Version()), services: newGroup(log), reload: opts.Reload}
	a.drain, a.stopPolls = context.WithCancel(context.Background())
	return a, nil
}

// Start opens the services of the table. The server listens when Start
// returns, yet it may still replay its log: see Ready. When it fails, what was
// opened is closed again.
func (a *App) Start(ctx context.Context) error {
	a.started = time.Now()
	if err := a.services.start(ctx, a.table()); err != nil {
		a.stopPolls()
		return err
	}
	return nil
}

// Ready waits until every service does its work.
func (a *App) Ready(ctx context.Context) error {
	if err := a.services.ready(ctx); err != nil {
		return err
	}
	a.ready.Store(true)
	return nil
}

// Failed receives the error of a service that failed; then only Stop is left.
func (a *App) Failed() <-chan error { return a.services.failed }

// Stop drains the server and stops its services in reverse order: no new
// requests, waiting receives answer at once, requests in flight finish, the
// partitions are handed over.
func (a *App) Stop() error {
	err := a.services.stop()
	a.stopPolls()
	return err
}

// URL is where clients reach the API. It is known once Start has returned.
func (a *App) URL() string { return urlOf(a.listener.Addr(), a.cfg.TLSCert != "") }

// ErrInterrupted as the cause of a cancelled context tells Run that somebody waits
// for the end: it begins to stop at once.
var ErrInterrupted = errors.New("app: interrupted")

// Run starts a server, serves until ctx is cancelled, and stops it: it goes on for
// Config.DrainDelay while it says that it is not ready, unless the cause is
// ErrInterrupted. A service that fails ends it with that service's error.
func Run(ctx context.Context, cfg Config, opts Options) error {
	a, err := New(cfg, opts)
	if err != nil {
		return err
	}
	if err := a.Start(ctx); err != nil {
		if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			return nil // asked to stop before it was up
		}
		return err
	}
	if opts.Listening != nil {
		opts.Listening(a.banner())
	}
	return errors.Join(a.serve(ctx), a.Stop())
}

// serve waits for the services to be ready and then for the end.
func (a *App) serve(ctx context.Context) error {
	err := a.Ready(ctx)
	if err == nil {
		a.log.Info("ready", keyAddress, a.URL(), keyDuration, time.Since(a.started).Round(time.Millisecond).String())
		select {
		case <-ctx.Done():
			return a.retire(ctx)
		case err = <-a.Failed():
		}
	}
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}

// retire goes on serving while load balancers learn that the server is about to
// stop: it is not ready any more, and every answer ends its connection. It returns
// the error of a service that fails meanwhile.
func (a *App) retire(ctx context.Context) error {
	a.retiring.Store(true)
	if a.cfg.DrainDelay == 0 || errors.Is(context.Cause(ctx), ErrInterrupted) {
		return nil
	}
	a.log.Info("asked to stop: not ready from now on, still serving", keyDuration, a.cfg.DrainDelay.String())
	timer := time.NewTimer(a.cfg.DrainDelay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case err := <-a.Failed():
		return err
	}
}

func (a *App) banner() Banner {
	b := Banner{
		Version: Version(), URL: a.URL(), Account: a.cfg.Account,
		Open: a.access.Open(), Partitions: a.cfg.Partitions, Roles: a.cfg.Roles,
	}
	if a.embedded() {
		b.Data = a.cfg.Data
	} else {
		b.NATS = withoutPassword(a.cfg.NATS)
	}
	return b
}

func (a *App) embedded() bool { return a.cfg.NATS == "" }
