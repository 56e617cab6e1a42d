package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
)

// stopTimeout bounds how long one service may take to stop after its context
// was cancelled and the time that it asked for is over, before it is left behind and said so.
const stopTimeout = 30 * time.Second

// service is a row of the table of services.
type service struct {
	name string
	// needs names the services that have to be opened before this one. They
	// are stopped after it.
	needs []string
	// open builds the service and connects it to what it needs.
	open func(ctx context.Context) (opened, error)
}

// opened is what a service gives to the process when it is opened; any may be nil.
type opened struct {
	// run blocks until its context is cancelled, and then returns nil.
	run func(ctx context.Context) error
	// ready is closed once the service does its work. nil: as soon as it is opened.
	ready <-chan struct{}
	// gate holds the opening of later services until this one is ready.
	gate bool
	// drainTimeout is what the service may take to stop beyond stopTimeout.
	drainTimeout time.Duration
	// close frees what open took. It is called after run has returned.
	close func() error
}

// checkTable reports whether every service comes after what it needs.
func checkTable(table []service) error {
	var seen []string
	for _, s := range table {
		if slices.Contains(seen, s.name) {
			return fmt.Errorf("service %s is in the table twice", s.name)
		}
		for _, need := range s.needs {
			if !slices.Contains(seen, need) {
				return fmt.Errorf("service %s needs %s, which does not come before it", s.name, need)
			}
		}
		seen = append(seen, s.name)
	}
	return nil
}

// started is a service that was opened.
type started struct {
	service
	opened
	cancel context.CancelFunc
	done   chan struct{} // closed when run returned
	err    error         // of run, unless told through failed; read after done
}

// group opens, watches and stops services.
type group struct {
	log     *slog.Logger
	started []*started
	failed  chan error // the first service that failed; buffer of 1
}

func newGroup(log *slog.Logger) *group {
	return &group{log: log, failed: make(chan error, 1)}
}

// start opens the services in order. When one fails, those opened before it
// are stopped and the error is returned.
func (g *group) start(ctx context.Context, table []service) error {
	if err := checkTable(table); err != nil {
		return err
	}
	for _, s := range table {
		if err := ctx.Err(); err != nil {
			return errors.Join(err, g.stop())
		}
		if err := g.open(ctx, s); err != nil {
			return errors.Join(err, g.stop())
		}
	}
	return nil
}

func (g *group) open(ctx context.Context, s service) error {
	began := time.Now()
	p, err := s.open(ctx)
	if err != nil {
		return named(s.name, err)
	}
	g.log.Debug("service opened", keyService, s.name, keyDuration, time.Since(began).String())
	// A service lives until the group stops it, not until the opener's context ends.
	runCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	st := &started{service: s, opened: p, cancel: cancel, done: make(chan struct{})}
	g.started = append(g.started, st)
	if p.run == nil {
		close(st.done)
		return nil
	}
	go func() {
		defer close(st.done)
		err := p.run(runCtx)
		if runCtx.Err() != nil {
			st.err = err // asked to stop: stop collects it
			return
		}
		if err == nil {
			err = errors.New("stopped without being asked to")
		}
		select {
		case g.failed <- named(s.name, err):
		default:
			st.err = err
		}
	}()
	if p.gate && p.ready != nil {
		select {
		case <-p.ready:
		case err := <-g.failed:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// ready waits until every service is ready. It returns the error of a service
// that failed meanwhile, or of the context.
func (g *group) ready(ctx context.Context) error {
	for _, st := range g.started {
		if st.opened.ready == nil {
			continue
		}
		select {
		case <-st.opened.ready:
		case err := <-g.failed:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// stop ends the services in reverse order, each one only after those that
// need it have ended. It may be called again; then it does nothing.
func (g *group) stop() error {
	var errs []error
	for _, st := range slices.Backward(g.started) {
		st.cancel()
		timer := time.NewTimer(stopTimeout + st.drainTimeout)
		select {
		case <-st.done:
			if st.err != nil && !errors.Is(st.err, context.Canceled) {
				errs = append(errs, named(st.name, st.err))
			}
		case <-timer.C:
			errs = append(errs, fmt.Errorf("%s: did not stop within %v", st.name, stopTimeout+st.drainTimeout))
		}
		timer.Stop()
		if st.close != nil {
			if err := st.close(); err != nil {
				errs = append(errs, named(st.name, err))
			}
		}
		g.log.Debug("service stopped", keyService, st.name)
	}
	g.started = nil
	return errors.Join(errs...)
}

// named puts the service's name before its error, unless the error begins with
// it already, as those of a package of the same name do.
func named(name string, err error) error {
	if strings.HasPrefix(err.Error(), name+": ") {
		return err
	}
	return fmt.Errorf("%s: %w", name, err)
}
