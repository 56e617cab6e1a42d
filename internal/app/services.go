package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"

	"github.com/waystation/waystation/internal/access"
	"github.com/waystation/waystation/internal/awsapi"
	"github.com/waystation/waystation/internal/awsapi/protocol"
	"github.com/waystation/waystation/internal/awsapi/sqs"
	"github.com/waystation/waystation/internal/jet"
	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
	"github.com/waystation/waystation/internal/telemetry"
)

// table is what this process runs, in the order of opening. A service is
// opened after those it needs and stopped before them.
func (a *App) table() []service {
	return []service{
		{name: "data", open: a.openData},
		{name: "listen", needs: []string{"data"}, open: a.openListen},
		{name: "access", open: a.openAccess},
		{name: "jet", needs: []string{"data"}, open: a.openJet},
		{name: "registry", needs: []string{"jet"}, open: a.openRegistry},
		{name: "credentials", needs: []string{"access", "registry"}, open: a.openCredentials},
		{name: "partition", needs: []string{"jet", "registry"}, open: a.openPartition},
		{name: "api", needs: []string{"credentials", "partition"}, open: a.openAPI},
		{name: "http", needs: []string{"listen", "api"}, open: a.openHTTP},
		{name: "operations", needs: []string{"http"}, open: a.openOperations},
	}
}

// openData takes the data folder. With an external NATS nothing is kept here.
func (a *App) openData(context.Context) (parts, error) {
	if !a.embedded() {
		if a.cfg.Node == "" {
			a.cfg.Node = madeUpNode()
		}
		return parts{}, nil
	}
	lock, err := lockDir(a.cfg.Data, Holder{PID: os.Getpid(), Started: a.started, Listen: a.cfg.Listen})
	if err != nil {
		return parts{}, err
	}
	a.lock = lock
	if a.cfg.Node == "" {
		if a.cfg.Node, err = keptNode(a.cfg.Data); err != nil {
			lock.Close()
			return parts{}, err
		}
	}
	return parts{close: lock.Close}, nil
}

// openListen takes the address before anything large is opened, so that one in
// use is told at once. Clients that come early wait in the kernel's backlog.
func (a *App) openListen(ctx context.Context) (parts, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", a.cfg.Listen)
	if err != nil {
		return parts{}, fmt.Errorf("cannot listen on %s (is another server using it? choose one with --listen): %w", a.cfg.Listen, err)
	}
	a.listener = l
	if a.lock != nil {
		h := Holder{PID: os.Getpid(), Started: a.started, Listen: l.Addr().String()}
		if err := a.lock.write(h); err != nil {
			l.Close()
			return parts{}, fmt.Errorf("note the address in the data folder: %w", err)
		}
	}
	return parts{close: func() error {
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	}}, nil
}

func (a *App) openAccess(context.Context) (parts, error) {
	acc, err := access.New(access.Config{
		KeysFile: a.cfg.Keys, DefaultAccount: a.cfg.Account,
		Hosts: a.cfg.OpenHosts, Origins: slices.Concat(a.cfg.OpenOrigins, a.cfg.CORSOrigins), EnforcePolicies: a.cfg.EnforcePolicies,
		Logger: a.log.With(keyService, "access", keyResource, a.cfg.Keys),
	})
	if err != nil {
		return parts{}, err
	}
	if a.proxies, err = access.ParseProxies(a.cfg.TrustedProxies); err != nil {
		return parts{}, fmt.Errorf("trusted-proxies: %w", err)
	}
	for _, warning := range acc.Warnings() {
		a.log.Warn(warning, keyService, "access", keyResource, a.cfg.Keys)
	}
	a.access = acc
	return parts{run: func(ctx context.Context) error { return acc.Run(ctx, a.reload) }}, nil
}

// openCredentials gives access the secret of temporary credentials, which is the
// same on all nodes.
func (a *App) openCredentials(ctx context.Context) (parts, error) {
	secret, err := a.registry.Secret(ctx, "session-tokens", 32)
	if err != nil {
		return parts{}, err
	}
	return parts{}, a.access.SetSecret(secret)
}

func (a *App) openJet(ctx context.Context) (parts, error) {
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
		return parts{}, err
	}
	a.conn = conn
	return parts{close: conn.Close}, nil
}

func (a *App) openRegistry(ctx context.Context) (parts, error) {
	var err error
	a.registry, err = registry.Open(ctx, a.conn, a.cfg.NATSPrefix, registry.Config{Logger: a.log.With(keyService, "registry")})
	if err != nil {
		return parts{}, err
	}
	return parts{run: a.registry.Run, ready: a.registry.Ready(), gate: true}, nil
}

func (a *App) openPartition(context.Context) (parts, error) {
	s, err := partition.New(partition.Config{
		Conn: a.conn, Registry: a.registry,
		Prefix: a.cfg.NATSPrefix, Node: a.cfg.Node, Count: uint32(a.cfg.Partitions),
		CacheBytes: a.cfg.CacheMiB << 20,
		Logger:     a.log,
		Observe:    a.observe,
	})
	if err != nil {
		return parts{}, err
	}
	a.registry.SetPlacer(s.Place)
	a.partitions = s
	a.metrics.WatchPartitions(a.partitionMetrics)
	a.metrics.WatchRoom(func() telemetry.Room {
		used, limit, _ := s.Memory()
		return telemetry.Room{StorageLevel: s.Space(), MemoryBytes: used, MemoryLimit: limit}
	})
	a.metrics.WatchQueues(a.cfg.MetricsQueues, a.queueMetrics)
	return parts{run: s.Run, ready: s.Ready()}, nil
}

func (a *App) openAPI(context.Context) (parts, error) {
	handler, err := protocol.NewHandler(protocol.Config{
		APIs: awsapi.All(awsapi.Needs{
			SQS: sqs.Config{
				Definitions: a.registry,
				Messages:    drainable{Service: a.partitions, drain: a.drain},
				Access:      a.access,
				Logger:      a.log.With(keyService, "api"),
			},
			STS: a.access,
		}),
		Access:  a.access,
		Logger:  a.log.With(keyService, "api"),
		Observe: a.metrics.Request,

		BodyMemory: a.cfg.bodyMemory(), MaxRequests: a.cfg.MaxRequests,
		Proxies: a.proxies,
	})
	if err != nil {
		return parts{}, err
	}
	a.apis = handler
	return parts{}, nil
}

// openOperations serves the operator's pages on an address of their own, if asked to.
func (a *App) openOperations(ctx context.Context) (parts, error) {
	if a.cfg.MetricsListen == "" {
		return parts{}, nil
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", a.cfg.MetricsListen)
	if err != nil {
		return parts{}, fmt.Errorf("cannot listen on %s (choose another --metrics-listen): %w", a.cfg.MetricsListen, err)
	}
	s := newHTTPServer(l, httpConfig{
		handler:        &front{apis: http.NotFoundHandler(), busy: http.NotFound, pages: a.pages(true)},
		maxConnections: maxOperationsConnections, connections: func(int) {},
		log: a.log.With(keyService, "operations"), drain: func() {}, patience: a.cfg.DrainTimeout,
	})
	return parts{run: s.run, patience: a.cfg.DrainTimeout}, nil
}

func (a *App) openHTTP(context.Context) (parts, error) {
	tls, err := serverTLS(a.cfg.TLSCert, a.cfg.TLSKey, a.cfg.TLSClientCA)
	if err != nil {
		return parts{}, err
	}
	sites := a.cfg.CORSOrigins
	if a.access.Open() {
		sites = slices.Concat(sites, a.cfg.OpenOrigins)
	}
	f := &front{apis: newCORS(a.apis, sites), busy: a.apis.Busy, pages: a.pages(a.cfg.MetricsListen == ""), access: a.access, proxies: a.proxies}
	s := newHTTPServer(a.listener, httpConfig{
		handler: f, tls: tls,
		maxConnections: a.maxConnections(), connections: a.metrics.Connection,
		log: a.log.With(keyService, "http"), drain: a.stopPolls, patience: a.cfg.DrainTimeout,
		retiring: a.retiring.Load, proxies: a.proxies, proxyProtocol: a.cfg.ProxyProtocol,
	})
	return parts{run: s.run, patience: a.cfg.DrainTimeout}, nil
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
		pages["/metrics"] = a.metrics.Handler()
	}
	return pages
}

func partitionName(id uint32) string { return strconv.FormatUint(uint64(id), 10) }
