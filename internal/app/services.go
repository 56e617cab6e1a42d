package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"strconv"

	"github.com/waystation/waystation/internal/access"
	"github.com/waystation/waystation/internal/awsapi"
	"github.com/waystation/waystation/internal/awsapi/events"
	"github.com/waystation/waystation/internal/awsapi/protocol"
	schedulerapi "github.com/waystation/waystation/internal/awsapi/scheduler"
	"github.com/waystation/waystation/internal/awsapi/sns"
	"github.com/waystation/waystation/internal/awsapi/sqs"
	"github.com/waystation/waystation/internal/bus"
	"github.com/waystation/waystation/internal/delivery"
	"github.com/waystation/waystation/internal/jet"
	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
	"github.com/waystation/waystation/internal/schedule"
	"github.com/waystation/waystation/internal/scheduler"
	"github.com/waystation/waystation/internal/telemetry"
	"github.com/waystation/waystation/internal/topic"
)

// table is what this process runs, in the order of opening. A service is
// opened after those it needs and stopped before them.
func (a *App) table() []service {
	return []service{
		{name: "data", open: a.openData},
		{name: "listen", needs: []string{"data"}, open: a.openListen},
		{name: "access", open: a.openAccess},
		{name: "jet", needs: []string{"data"}, open: a.openJet},
		{name: "registry", needs: []string{"jet", "access"}, open: a.openRegistry},
		{name: "credentials", needs: []string{"access", "registry"}, open: a.openCredentials},
		{name: "partition", needs: []string{"jet", "registry"}, open: a.openPartition},
		{name: "topic", needs: []string{"registry", "partition"}, open: a.openTopic},
		{name: "bus", needs: []string{"registry", "partition"}, open: a.openBus},
		{name: "announcer", needs: []string{"bus"}, open: a.openAnnouncer},
		{name: "delivery", needs: []string{"registry", "partition", "topic", "bus", "announcer"}, open: a.openDelivery},
		{name: "connection", needs: []string{"bus", "delivery"}, open: a.openConnection},
		{name: "scheduler", needs: []string{"registry", "partition", "topic", "bus"}, open: a.openScheduler},
		{name: "api", needs: []string{"credentials", "partition", "topic", "bus", "announcer", "scheduler"}, open: a.openAPI},
		{name: "http", needs: []string{"listen", "api", "delivery"}, open: a.openHTTP},
		{name: "operations", needs: []string{"http"}, open: a.openOperations},
	}
}

// openData takes the data folder. With an external NATS nothing is kept here.
func (a *App) openData(context.Context) (opened, error) {
	if !a.embedded() {
		if a.cfg.Node == "" {
			a.cfg.Node = madeUpNode()
		}
		return opened{}, nil
	}
	lock, err := lockDir(a.cfg.Data, Holder{PID: os.Getpid(), Started: a.started, Listen: a.cfg.Listen})
	if err != nil {
		return opened{}, err
	}
	a.lock = lock
	if a.cfg.Node == "" {
		if a.cfg.Node, err = keptNode(a.cfg.Data); err != nil {
			lock.Close()
			return opened{}, err
		}
	}
	return opened{close: lock.Close}, nil
}

// openListen takes the address before anything large is opened, so that one in
// use is told at once. Clients that come early wait in the kernel's backlog.
func (a *App) openListen(ctx context.Context) (opened, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", a.cfg.Listen)
	if err != nil {
		return opened{}, fmt.Errorf("cannot listen on %s (is another server using it? choose one with --listen): %w", a.cfg.Listen, err)
	}
	a.listener = l
	if a.lock != nil {
		h := Holder{PID: os.Getpid(), Started: a.started, Listen: l.Addr().String()}
		if err := a.lock.write(h); err != nil {
			l.Close()
			return opened{}, fmt.Errorf("note the address in the data folder: %w", err)
		}
	}
	return opened{close: func() error {
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	}}, nil
}

func (a *App) openAccess(context.Context) (opened, error) {
	acc, err := access.New(access.Config{
		KeysFile: a.cfg.Keys, DefaultAccount: a.cfg.Account,
		Hosts: a.cfg.OpenHosts, Origins: a.cfg.CORSOrigins, EnforcePolicies: a.cfg.EnforcePolicies,
		Logger: a.log.With(keyService, "access", keyResource, a.cfg.Keys),
	})
	if err != nil {
		return opened{}, err
	}
	if a.proxies, err = access.ParseProxies(a.cfg.TrustedProxies); err != nil {
		return opened{}, fmt.Errorf("trusted-proxies: %w", err)
	}
	for _, warning := range acc.Warnings() {
		a.log.Warn(warning, keyService, "access", keyResource, a.cfg.Keys)
	}
	a.access = acc
	return opened{run: func(ctx context.Context) error { return acc.Run(ctx, a.reload) }}, nil
}

// openCredentials gives access the secret of temporary credentials, which is the
// same on all nodes.
func (a *App) openCredentials(ctx context.Context) (opened, error) {
	secret, err := a.registry.Secret(ctx, "session-tokens", 32)
	if err != nil {
		return opened{}, err
	}
	return opened{}, a.access.SetSecret(secret)
}

func (a *App) openJet(ctx context.Context) (opened, error) {
	cfg := jet.Config{
		Replicas: a.cfg.Replicas, Prefix: a.cfg.NATSPrefix, Node: a.cfg.Node,
		Logger: a.log,
	}
	if a.embedded() {
		cfg.Dir, cfg.Listen = a.logDir(), a.cfg.NATSListen
	} else {
		cfg.URL, cfg.Credentials = a.cfg.NATS, a.cfg.NATSCreds
		cfg.TLSCA, cfg.TLSCert, cfg.TLSKey = a.cfg.NATSCA, a.cfg.NATSCert, a.cfg.NATSKey
	}
	conn, err := jet.Open(ctx, cfg)
	if err != nil {
		return opened{}, err
	}
	a.conn = conn
	return opened{close: conn.Close}, nil
}

func (a *App) openRegistry(ctx context.Context) (opened, error) {
	var err error
	a.registry, err = registry.Open(ctx, a.conn, a.cfg.NATSPrefix, registry.Config{Logger: a.log.With(keyService, "registry")})
	if err != nil {
		return opened{}, err
	}
	// Before the registry runs, so that they hear of every definition.
	a.topics, err = topic.New(topic.Config{
		Registry: a.registry, Access: a.access, Origin: a.publicURL, Logger: a.log.With(keyService, "topic"),
		Confirmed: func(sub *registry.Subscription) { a.announcer.subscriptionConfirmed(sub) },
		Observe: func(n topic.Counted) {
			a.metrics.Topics(telemetry.TopicCounts{
				Published: n.Published, Delivered: n.Delivered, Filtered: n.Filtered, Failed: n.Failed, Redriven: n.Redriven,
				Queued: n.Queued,
			})
		},
	})
	if err != nil {
		return opened{}, err
	}
	a.buses, err = bus.New(bus.Config{
		Registry: a.registry, Access: a.access, MaxRules: a.cfg.MaxRulesPerBus, Logger: a.log.With(keyService, "bus"),
		CatchUp: schedule.CatchUp(a.cfg.ScheduleCatchUp), CatchUpAge: a.cfg.ScheduleCatchUpAge,
		Observe: func(n bus.Counted) {
			a.metrics.Buses(telemetry.BusCounts{
				Put: n.Put, Matched: n.Matched, Delivered: n.Delivered, Failed: n.Failed, Redriven: n.Redriven,
				Archived: n.Archived, Replayed: n.Replayed, Scheduled: n.Scheduled,
			})
		},
	})
	if err != nil {
		return opened{}, err
	}
	a.announcer = newAnnouncer(a.buses, a.log.With(keyService, "announcer"))
	return opened{run: a.registry.Run, ready: a.registry.Ready(), gate: true}, nil
}

func (a *App) openPartition(context.Context) (opened, error) {
	kinds := topic.Kinds()
	maps.Copy(kinds, bus.Kinds())
	maps.Copy(kinds, delivery.Kinds(a.cfg.DeliveryConcurrency))
	maps.Copy(kinds, scheduler.Kinds())
	s, err := partition.New(partition.Config{
		Conn: a.conn, Registry: a.registry,
		Prefix: a.cfg.NATSPrefix, Node: a.cfg.Node, Count: uint32(a.cfg.Partitions),
		Observer:   !a.cfg.has(RolePartition),
		CacheBytes: a.cfg.CacheMiB << 20,
		Kinds:      kinds,
		Renderers:  map[byte]partition.Renderer{topic.Form: a.topics.Envelopes().Render, bus.Form: bus.Render},
		Logger:     a.log,
		Observe:    a.observe,
	})
	if err != nil {
		return opened{}, err
	}
	a.registry.SetPlacer(s.Place)
	a.partitions = s
	a.metrics.WatchPartitions(a.partitionMetrics)
	a.metrics.WatchRoom(func() telemetry.Room {
		used, limit, _ := s.Memory()
		return telemetry.Room{StorageLevel: s.Space(), MemoryBytes: used, MemoryLimit: limit}
	})
	a.metrics.WatchQueues(a.cfg.MetricsQueues, a.queueMetrics)
	return opened{run: s.Run, ready: s.Ready()}, nil
}

// openTopic gives topics the queues, and the key by which they sign.
func (a *App) openTopic(ctx context.Context) (opened, error) {
	a.topics.SetPartitions(a.partitions)
	if err := a.topics.Envelopes().Load(ctx); err != nil {
		return opened{}, err
	}
	return a.of(RoleTopic, opened{run: a.topics.Run}), nil
}

// openBus gives buses the queues and the topics.
func (a *App) openBus(context.Context) (opened, error) {
	a.buses.SetPartitions(a.partitions)
	a.buses.SetTopics(a.topics)
	return a.of(RoleBus, opened{run: a.buses.Run}), nil
}

func (a *App) openAPI(context.Context) (opened, error) {
	handler, err := protocol.NewHandler(protocol.Config{
		APIs: a.cfg.elsewhere(awsapi.All(awsapi.Needs{
			SQS: sqs.Config{
				Definitions: announcing{a.registry, a.announcer},
				Messages:    drainable{Service: a.partitions, drain: a.drain},
				Access:      a.access,
				Logger:      a.log.With(keyService, "api"),
			},
			SNS:       sns.Config{Topics: a.topics, Secrets: a.registry, Access: a.access, Logger: a.log.With(keyService, "api")},
			Events:    events.Config{Buses: a.buses, Secrets: a.registry, Access: a.access, Logger: a.log.With(keyService, "api")},
			Scheduler: schedulerapi.Config{Scheduler: a.scheduler, Secrets: a.registry, Access: a.access},
			STS:       a.access,
		})),
		Access:  a.access,
		Logger:  a.log.With(keyService, "api"),
		Observe: a.metrics.Request,

		BodyMemory: a.cfg.bodyMemory(), MaxRequests: a.cfg.MaxRequests,
		Proxies: a.proxies,
	})
	if err != nil {
		return opened{}, err
	}
	a.apis = handler
	return opened{}, nil
}

// openOperations serves the operator's pages on an address of their own, if asked to.
func (a *App) openOperations(ctx context.Context) (opened, error) {
	if a.cfg.MetricsListen == "" {
		return opened{}, nil
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", a.cfg.MetricsListen)
	if err != nil {
		return opened{}, fmt.Errorf("cannot listen on %s (choose another --metrics-listen): %w", a.cfg.MetricsListen, err)
	}
	s := newHTTPServer(l, httpConfig{
		handler:        &pagesAndAPIs{apis: http.NotFoundHandler(), busy: http.NotFound, pages: a.pages(true)},
		maxConnections: maxOperationsConnections, connections: func(int) {},
		log: a.log.With(keyService, "operations"), drain: func() {}, drainTimeout: a.cfg.DrainTimeout,
	})
	return opened{run: s.run, drainTimeout: a.cfg.DrainTimeout}, nil
}

func (a *App) openHTTP(context.Context) (opened, error) {
	c, err := a.httpConfig()
	if err != nil {
		return opened{}, err
	}
	s := newHTTPServer(a.listener, c)
	return opened{run: s.run, drainTimeout: a.cfg.DrainTimeout}, nil
}

// httpConfig says how the API is served.
func (a *App) httpConfig() (httpConfig, error) {
	tls, err := serverTLS(a.cfg.TLSCert, a.cfg.TLSKey, a.cfg.TLSClientCA)
	if err != nil {
		return httpConfig{}, err
	}
	f := &pagesAndAPIs{apis: newCORS(a.apis, a.cfg.CORSOrigins), busy: a.apis.Busy, pages: a.pages(a.cfg.MetricsListen == ""), certificate: a.topics.Envelopes().Certificate, access: a.access, proxies: a.proxies}
	return httpConfig{
		handler: f, tls: tls,
		maxConnections: a.maxConnections(), connections: a.metrics.Connection,
		log: a.log.With(keyService, "http"), drain: a.stopPolls, drainTimeout: a.cfg.DrainTimeout,
		retiring: a.retiring.Load, proxies: a.proxies, proxyProtocol: a.cfg.ProxyProtocol,
		headerMemory: max(a.cfg.bodyMemory()/8, minHeaderMemory),
	}, nil
}

// maxOperationsConnections bounds the clients of --metrics-listen.
const maxOperationsConnections = 64

// pages are the server's own; all of them or only those for load balancers.
func (a *App) pages(all bool) map[string]http.Handler {
	pages := map[string]http.Handler{
		"/healthz": healthPage(),
		"/readyz":  readyPage(a.missing),
	}
	if all {
		pages["/status"] = statusPage(a.Status)
		pages[deliveriesPath] = deliveriesPage(a.deliveries)
		pages[explainPath] = a.explainPage()
		pages[archivedPath] = archivedPage(a.buses)
		pages["/metrics"] = a.metrics.Handler()
	}
	return pages
}

func partitionName(id uint32) string { return strconv.FormatUint(uint64(id), 10) }
