package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/waystation/waystation/internal/bus"
	"github.com/waystation/waystation/internal/delivery"
	"github.com/waystation/waystation/internal/egress"
	"github.com/waystation/waystation/internal/telemetry"
	"github.com/waystation/waystation/internal/topic"
)

// openDelivery pushes what waits for HTTP endpoints.
func (a *App) openDelivery(context.Context) (opened, error) {
	rules, err := a.cfg.egressRules()
	if err != nil {
		return opened{}, err
	}
	// As many connections to one host as there are messages on their way: a slow
	// endpoint must not hold up others on the same host.
	client := egress.New(egress.Config{Rules: rules, MaxConnections: 2 * a.cfg.DeliveryWorkers, UserAgent: "Waystation"})
	a.buses.SetEgress(client, a.partitions.Count)
	a.deliveries, err = delivery.New(delivery.Config{
		Partitions: a.partitions, Health: a.registry.EndpointHealth(),
		Pusher:    client,
		Resolvers: map[byte]delivery.Resolver{topic.Form: a.topics.Endpoints(), bus.Form: a.buses.Destinations()},
		Workers:   a.cfg.DeliveryWorkers, Concurrency: a.cfg.DeliveryConcurrency, Timeout: a.cfg.DeliveryTimeout,
		DisableAfter: a.cfg.DisableEndpointsAfter,
		Disabled:     a.announcer.endpointDisabled,
		Observe: func(n delivery.Counted) {
			a.metrics.Deliveries(telemetry.DeliveryCounts{
				Delivered: n.Delivered, Failed: n.Failed, DeadLettered: n.DeadLettered, Undelivered: n.Undelivered, Dropped: n.Dropped,
				Disabled: n.Disabled, Unlogged: n.Unlogged, Took: n.Took,
			})
		},
		Logger: a.log.With(keyService, "delivery"),
	})
	if err != nil {
		return opened{}, err
	}
	return a.of(RoleDelivery, opened{run: a.deliveries.Run}), nil
}

// openConnection asks for the tokens of connections, where messages are pushed.
func (a *App) openConnection(context.Context) (opened, error) {
	return a.of(RoleDelivery, opened{run: a.buses.RunConnections}), nil
}

// publicURL is where those to whom messages are pushed reach this server.
func (a *App) publicURL() string {
	if a.cfg.PublicURL != "" {
		return strings.TrimSuffix(a.cfg.PublicURL, "/")
	}
	return a.URL()
}

// egressRules say where messages may be pushed to. A server that only this machine
// reaches may push to this machine and those nearby.
func (c *Config) egressRules() (egress.Rules, error) {
	r := egress.Rules{Private: loopback(c.Listen)}
	for _, f := range []struct {
		key  string
		list []string
		to   *[]netip.Prefix
	}{{"egress-allow", c.EgressAllow, &r.Allow}, {"egress-deny", c.EgressDeny, &r.Deny}} {
		for _, s := range f.list {
			p, err := netip.ParsePrefix(s)
			if a, failed := netip.ParseAddr(s); failed == nil {
				p, err = a.Prefix(a.BitLen())
			}
			if err != nil {
				return r, fmt.Errorf("%s: %q is not a network, give it as 10.1.0.0/16", f.key, s)
			}
			*f.to = append(*f.to, p.Masked())
		}
	}
	return r, nil
}

// validateDelivery tells what is wrong with what concerns pushing.
func (c *Config) validateDelivery() (errs []error) {
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if _, err := c.egressRules(); err != nil {
		errs = append(errs, err)
	}
	if u, err := url.Parse(c.PublicURL); c.PublicURL != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" ||
		strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.User != nil) {
		bad("public-url: %q is not the address of a server, give it as https://sns.example.com", c.PublicURL)
	}
	if c.DeliveryWorkers < 1 || c.DeliveryWorkers > 100_000 {
		bad("delivery-workers: %d is out of range, it can be 1 to 100000", c.DeliveryWorkers)
	}
	if c.DeliveryConcurrency < 1 || c.DeliveryConcurrency > 10_000 {
		bad("delivery-concurrency: %d is out of range, it can be 1 to 10000", c.DeliveryConcurrency)
	}
	if c.DeliveryTimeout < time.Second || c.DeliveryTimeout > 10*time.Minute {
		bad("delivery-timeout: %v is out of range, it can be 1s to 10m", c.DeliveryTimeout)
	}
	if c.DisableEndpointsAfter < 0 || c.DisableEndpointsAfter > 365*24*time.Hour {
		bad("disable-endpoints-after: %v is out of range, it can be 0s (never) to 8760h", c.DisableEndpointsAfter)
	}
	return errs
}

// DeliveriesPage is what /deliveries answers, in JSON: a page of one of the lists, or
// how many messages are tried again.
type DeliveriesPage struct {
	Endpoints   []delivery.EndpointStatus `json:"endpoints,omitempty"`
	Attempts    []DeliveryAttempt         `json:"attempts,omitempty"`
	Undelivered []delivery.Undelivered    `json:"undelivered,omitempty"`
	Next        string                    `json:"next,omitempty"` // where to go on; none at the end
	Retried     int                       `json:"retried,omitempty"`
}

// DeliveryAttempt is an attempt with how long it took in seconds.
type DeliveryAttempt struct {
	delivery.Attempt
	Seconds float64 `json:"seconds"`
}

// deliveriesPath is the page's.
const deliveriesPath = "/deliveries"

// maxDeliveriesListed bounds a page.
const maxDeliveriesListed = 1000

// deliveriesPage answers what is asked about deliveries (GET: list, and endpoint, since,
// message, class, status, failed, from, max), and does what an operator asks for (POST:
// do, and the same).
func deliveriesPage(d *delivery.Service) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page, err := answerDeliveries(r, d)
		switch {
		case errors.Is(err, delivery.ErrNotFound):
			plain(w, http.StatusNotFound, "There is no such endpoint. It is the ARN of an API destination, or of a subscription with protocol http or https.\n")
		case errors.Is(err, delivery.ErrDisabled):
			plain(w, http.StatusConflict, "The endpoint is disabled: enable it first.\n")
		case errors.Is(err, delivery.ErrPage):
			plain(w, http.StatusBadRequest, "from is not a place that an earlier answer gave.\n")
		case errors.As(err, new(badQuery)):
			plain(w, http.StatusBadRequest, err.Error()+"\n")
		case err != nil:
			plain(w, http.StatusServiceUnavailable, "The queues do not answer for the moment. Please try again.\n")
		default:
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Cache-Control", "no-store")
			e := json.NewEncoder(w)
			e.SetIndent("", "  ")
			_ = e.Encode(page) // the client may be gone
		}
	})
}

// badQuery is what is wrong with a question.
type badQuery string

func (q badQuery) Error() string { return string(q) }

func answerDeliveries(r *http.Request, d *delivery.Service) (p DeliveriesPage, err error) {
	ctx, q := r.Context(), r.URL.Query()
	f, most, err := filterOf(q)
	if err != nil {
		return p, err
	}
	endpoint, from := q.Get("endpoint"), q.Get("from")
	what := q.Get("list")
	if r.Method == http.MethodPost {
		what = "do " + q.Get("do")
	}
	switch what {
	case "", "endpoints":
		p.Endpoints, p.Next, err = d.Endpoints(ctx, from, most)
	case "attempts":
		var list []delivery.Attempt
		list, p.Next, err = d.Attempts(ctx, endpoint, f, from, most)
		for _, a := range list {
			p.Attempts = append(p.Attempts, DeliveryAttempt{a, a.Duration.Seconds()})
		}
	case "undelivered":
		p.Undelivered, p.Next, err = d.Undelivered(ctx, endpoint, f, from, most)
	case "do retry":
		p.Retried, err = d.Redeliver(ctx, endpoint, f, q["id"])
	case "do enable":
		err = d.Enable(ctx, endpoint)
	default:
		err = badQuery("list is endpoints, attempts or undelivered; do, of a POST, is retry or enable.")
	}
	return p, err
}

func filterOf(q url.Values) (f delivery.Filter, most int, err error) {
	most = 100
	if v := q.Get("max"); v != "" {
		if most, err = strconv.Atoi(v); err != nil || most < 1 || most > maxDeliveriesListed {
			return f, 0, badQuery("max is 1 to 1000.")
		}
	}
	if v := q.Get("since"); v != "" {
		if f.Since, err = time.Parse(time.RFC3339, v); err != nil {
			return f, 0, badQuery("since is a time such as 2026-01-31T10:00:00Z.")
		}
	}
	if v := q.Get("status"); v != "" {
		if f.Status, err = strconv.Atoi(v); err != nil {
			return f, 0, badQuery("status is a number.")
		}
	}
	f.Message, f.Class, f.Failed = q.Get("message"), delivery.Class(q.Get("class")), q.Get("failed") == "true"
	return f, most, nil
}
