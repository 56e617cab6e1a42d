package jet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// Conn is the way to the log: an embedded server or external ones. Safe for
// concurrent use.
type Conn struct {
	cfg      Config
	log      *slog.Logger
	embedded *embedded // nil when external

	// writes carries appends, changes of keys and requests; reads carries
	// everything that may be bulky. The server works through one connection in
	// order, and so a bulk read would hold up acknowledgements on the same one.
	writes, reads *nats.Conn

	maxPayload int
	space      space
	closing    sync.Once
	healer     healer

	publisher *publisher // set by Open, under mu

	mu        sync.Mutex // guards what follows
	up        map[*nats.Conn]bool
	lives     map[*nats.Conn]*life // present one of each connection
	connected bool
	turn      chan struct{} // closed and replaced when a connection comes up or goes down
	listeners []func(up bool)
	closed    bool
	// events keeps calls of listeners in order.
	events sync.Mutex
}

// Open starts an embedded server in cfg.Dir or connects to cfg.URL. It checks
// that JetStream is there and takes large enough messages, and says what to
// change when not. ctx bounds the whole of it. Call Close in the end.
func Open(ctx context.Context, cfg Config) (*Conn, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c := &Conn{
		cfg: cfg,
		log: cfg.Logger.With(keyService, "jet"),
		up:  make(map[*nats.Conn]bool),

		turn:  make(chan struct{}),
		lives: make(map[*nats.Conn]*life),
	}
	if cfg.URL == "" {
		if c.embedded, err = startEmbedded(cfg, c.log); err != nil {
			return nil, err
		}
	}
	if err := c.open(ctx); err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

func (c *Conn) open(ctx context.Context) (err error) {
	if c.writes, err = c.dial(ctx, c.cfg.Node); err != nil {
		return err
	}
	if c.reads, err = c.dial(ctx, c.cfg.Node+" (reads)"); err != nil {
		return err
	}
	if err := c.check(ctx); err != nil {
		return err
	}
	c.maxPayload = int(c.writes.MaxPayload()) - headroom
	timeout := c.cfg.AckTimeout
	if c.embedded == nil {
		timeout = min(timeout, externalAppendTimeout)
	}
	p, err := newPublisher(c.writes, timeout, c.suspect)
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.publisher = p
	c.mu.Unlock()
	return nil
}

// externalAppendTimeout is how long an Append to external servers waits. The
// answer is lost with a leader that dies, and only after this does the journal
// ask the next one what became of the append; asking too early costs little.
const externalAppendTimeout = 2 * time.Second

// dial makes one connection that is kept up for as long as the Conn lives.
func (c *Conn) dial(ctx context.Context, name string) (*nats.Conn, error) {
	connected := make(chan struct{})
	opts := []nats.Option{
		nats.Name(name),
		nats.Timeout(c.cfg.ConnectTimeout),
		nats.MaxReconnects(-1),
		// What cannot be sent now fails now: the caller knows what to do about
		// it, and a buffer would send appends long after they were given up.
		nats.ReconnectBufSize(-1),
		nats.IgnoreAuthErrorAbort(),
		nats.ConnectHandler(func(nc *nats.Conn) {
			c.changed(nc, true)
			close(connected)
		}),
		nats.ReconnectHandler(func(nc *nats.Conn) { c.changed(nc, true) }),
		nats.DisconnectErrHandler(func(nc *nats.Conn, err error) { c.changed(nc, false) }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			c.log.Warn("NATS reports an error", keyError, err)
		}),
	}
	url := c.cfg.URL
	if c.embedded != nil {
		opts = append(opts,
			nats.InProcessServer(c.embedded),
			nats.PingInterval(math.MaxInt64), // never
			nats.ReconnectWait(10*time.Millisecond),
			nats.ReconnectJitter(0, 0))
		url = ""
	} else {
		opts = append(opts, externalOptions(c.cfg)...)
	}
	type result struct {
		nc  *nats.Conn
		err error
	}
	// nats.Connect knows no context. Its own bound is ConnectTimeout a server.
	done := make(chan result, 1)
	go func() {
		nc, err := nats.Connect(url, opts...)
		done <- result{nc, err}
	}()
	select {
	case r := <-done:
		if r.err != nil {
			return nil, connectError(c.cfg, r.err)
		}
		<-connected // nats.go calls handlers in order, from a goroutine of its own
		return r.nc, nil
	case <-ctx.Done():
		go func() {
			if r := <-done; r.nc != nil {
				r.nc.Close()
			}
		}()
		return nil, fmt.Errorf("jet: connect: %w", ctx.Err())
	}
}

// connectError says what an operator can do about a failed connection.
func connectError(cfg Config, err error) error {
	if cfg.URL == "" {
		return fmt.Errorf("jet: connect to the embedded server: %w", err)
	}
	servers := redact(cfg.URL)
	switch {
	case errors.Is(err, nats.ErrNoServers):
		return fmt.Errorf("jet: no NATS server answers at %s: is it running, and is the address right?", servers)
	case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrAuthExpired):
		return fmt.Errorf("jet: the NATS server at %s refuses these credentials: give a .creds file, or user and password in the URL: %w", servers, err)
	case errors.Is(err, nats.ErrSecureConnRequired):
		return fmt.Errorf("jet: the NATS server at %s wants TLS: use tls:// and, if its certificate is private, the CA file: %w", servers, err)
	}
	return fmt.Errorf("jet: connect to %s: %w", servers, err)
}

// redact takes user, password and token out of a list of URLs.
func redact(urls string) string {
	list := strings.Split(urls, ",")
	for i, u := range list {
		u = strings.TrimSpace(u)
		if at := strings.LastIndexByte(u, '@'); at >= 0 {
			scheme, _, found := strings.Cut(u, "://")
			if found {
				u = scheme + "://" + u[at+1:]
			} else {
				u = u[at+1:]
			}
		}
		list[i] = u
	}
	return strings.Join(list, ",")
}

// check makes sure that the servers are able to hold the log.
func (c *Conn) check(ctx context.Context) error {
	if c.embedded == nil {
		v := c.writes.ConnectedServerVersion()
		if major, minor, ok := serverVersion(v); ok && (major < 2 || major == 2 && minor < 11) {
			return fmt.Errorf("jet: the NATS server is version %s, needed is 2.11 or later", v)
		}
	}
	if have := c.writes.MaxPayload(); have < needMaxPayload {
		return fmt.Errorf("jet: the NATS server takes messages of up to %d bytes, needed are %d: "+
			"set `max_payload: 8MB` in its configuration and reload it", have, needMaxPayload)
	}
	return c.awaitAPI(ctx)
}

// startTimeout is how long Open and what makes streams wait for JetStream: the
// servers of a cluster that starts have to find each other and elect leaders.
const startTimeout = 30 * time.Second

// awaitAPI waits until JetStream answers.
func (c *Conn) awaitAPI(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	err := c.untilReady(ctx, func(ctx context.Context) error { _, err := c.account(ctx); return err })
	switch {
	case err == nil:
		return nil
	case notEnabled(err):
		return errors.New("jet: JetStream is not enabled on the NATS server or for this account: " +
			"add `jetstream { store_dir: … }` to its configuration (and sync_interval: always to have every write fsynced)")
	}
	return fmt.Errorf("jet: ask for the JetStream account: %w", err)
}

// notEnabled tells whether an error says that there is no JetStream at all.
func notEnabled(err error) bool {
	var api *apiError
	return errors.Is(err, errNoAPI) ||
		errors.As(err, &api) && (api.Code == codeNotEnabled || api.Code == codeNotEnabledForAccount)
}

// untilReady calls f, with a deadline of AckTimeout each, until external
// servers are able to do what it asks for, f fails for another reason, or ctx
// ends.
func (c *Conn) untilReady(ctx context.Context, f func(context.Context) error) error {
	for told := false; ; {
		once, cancel := context.WithTimeout(ctx, c.cfg.AckTimeout)
		err := f(once)
		cancel()
		var api *apiError
		noPeers := errors.As(err, &api) && api.Code == codeNoPeers
		if c.embedded != nil || notEnabled(err) || !noPeers && !errors.Is(err, ErrUnavailable) {
			return err
		}
		if !told {
			told = true
			c.log.Warn("JetStream is not ready, perhaps its cluster has no leader yet: trying again", keyError, err)
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return err
		}
	}
}

// serverVersion takes "2.15.2" apart.
func serverVersion(v string) (major, minor int, ok bool) {
	n, err := fmt.Sscanf(v, "%d.%d", &major, &minor)
	return major, minor, err == nil && n == 2
}

// changed notes that one of the two connections came up or went down.
func (c *Conn) changed(nc *nats.Conn, up bool) {
	c.events.Lock()
	defer c.events.Unlock()

	c.mu.Lock()
	if c.closed {
		up = false
	}
	c.up[nc] = up
	closed := c.closed
	now := len(c.up) == 2
	for _, u := range c.up {
		now = now && u
	}
	was := c.connected
	c.connected = now
	close(c.turn)
	c.turn = make(chan struct{})
	listeners := c.listeners
	publisher := c.publisher
	if !up {
		c.lifeLocked(nc).end()
		delete(c.lives, nc)
	}
	c.mu.Unlock()

	if publisher != nil && nc == publisher.nc {
		publisher.setUp(up)
	}
	if was == now {
		return
	}
	switch {
	case closed:
	case now && c.embedded != nil:
		c.log.Debug("connected to the embedded log")
	case now:
		c.log.Info("connected to the log", keyServer, nc.ConnectedUrlRedacted())
	default:
		c.log.Warn("lost the connection to the log, trying again until it is back")
	}
	for _, fn := range listeners {
		fn(now)
	}
}

// Connected tells whether the log can be reached as far as is known.
func (c *Conn) Connected() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.connected
}

// life is a context that ends when a connection is lost.
type life struct {
	context.Context
	end context.CancelFunc
}

// life of a connection, from now until it is lost the next time.
func (c *Conn) life(nc *nats.Conn) context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lifeLocked(nc)
}

func (c *Conn) lifeLocked(nc *nats.Conn) *life {
	l := c.lives[nc]
	if l == nil {
		ctx, end := context.WithCancel(context.Background())
		l = &life{ctx, end}
		c.lives[nc] = l
	}
	return l
}

// waitUp waits until the given connections are up, AckTimeout at most, and
// tells whether they are.
func (c *Conn) waitUp(ctx context.Context, conns ...*nats.Conn) bool {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.AckTimeout)
	defer cancel()
	for {
		c.mu.Lock()
		turn := c.turn
		c.mu.Unlock()
		// nats.go knows sooner than our handlers.
		if !slices.ContainsFunc(conns, func(nc *nats.Conn) bool { return !nc.IsConnected() }) {
			return true
		}
		select {
		case <-turn:
		case <-ctx.Done():
			return false
		}
	}
}

// OnConnection has fn called whenever Connected changes, in order. fn must not
// block and must not call OnConnection or Close.
func (c *Conn) OnConnection(fn func(up bool)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.listeners = append(c.listeners, fn)
}

// Name puts the prefix before a name: Name("registry") is "ws_registry".
func (c *Conn) Name(s string) string { return c.cfg.Prefix + "_" + s }

// Subject puts the prefix before a subject: Subject("journal.0") is
// "ws.journal.0".
func (c *Conn) Subject(s string) string { return c.cfg.Prefix + "." + s }

// MaxPayload is the largest data that an Append or Request can carry, in bytes.
func (c *Conn) MaxPayload() int { return c.maxPayload }

// ListenURL is where the embedded server listens for other NATS clients; ""
// when it does not.
func (c *Conn) ListenURL() string {
	if c.embedded == nil || c.cfg.Listen == "" {
		return ""
	}
	return c.embedded.current().ClientURL()
}

// Close ends outstanding appends with ErrUnavailable, closes the connections
// and stops the embedded server. Everything acknowledged is on disk already.
// Calling it again does nothing but wait for the first call.
func (c *Conn) Close() error {
	c.closing.Do(c.close)
	return nil
}

func (c *Conn) close() {
	c.mu.Lock()
	c.closed = true
	publisher := c.publisher
	c.mu.Unlock()

	c.stopHealing()
	if publisher != nil {
		publisher.close()
	}
	for _, nc := range []*nats.Conn{c.reads, c.writes} {
		if nc != nil {
			nc.Close()
		}
	}
	if c.embedded != nil {
		c.embedded.close()
	}
}
