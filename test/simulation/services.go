package simulation

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"log/slog"
	"maps"
	"math/big"
	"sync"
	"time"

	"github.com/waystation/waystation/internal/access"
	"github.com/waystation/waystation/internal/bus"
	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
	"github.com/waystation/waystation/internal/topic"
)

// openServices makes the topics and buses of a node, before its registry runs, as
// internal/app does.
func (r *run) openServices(reg *registry.Registry, log *slog.Logger) (err error) {
	now := r.node.clock.now
	acc, err := access.New(access.Config{EnforcePolicies: r.node.s.plan.policies})
	if err != nil {
		return err
	}
	if r.topics, err = topic.New(topic.Config{Registry: reg, Access: acc, Now: now, Logger: log}); err != nil {
		return err
	}
	r.buses, err = bus.New(bus.Config{Registry: reg, Access: acc, Now: now, Logger: log})
	return err
}

// kindsOf are all kinds of queues that nodes know.
func kindsOf() map[partition.Kind]partition.KindTerms {
	all := topic.Kinds()
	maps.Copy(all, kinds)
	all[kindCounter], all[kindTick] = partition.KindTerms{}, partition.KindTerms{Visibility: takeHidden}
	return all
}

// renderers of what topics and buses post.
func (r *run) renderers() map[byte]partition.Renderer {
	return map[byte]partition.Renderer{topic.Form: r.topics.Envelopes().Render, bus.Form: bus.Render}
}

// joinPartitions gives topics and buses the queues.
func (r *run) joinPartitions(reg *registry.Registry, svc *partition.Service) {
	post := noting{svc, reg}
	r.topics.SetPartitions(post)
	r.buses.SetPartitions(post)
}

// loadSigner has the node sign, by a key that is there from the start: to make one takes
// longer than a run.
func (r *run) loadSigner(ctx context.Context, reg *registry.Registry) error {
	key := signingKey()
	if _, ok := reg.SigningKeys().Get(key.Account, key.Region, key.Name); !ok {
		if _, _, err := reg.SigningKeys().Create(ctx, &key, func(*registry.SigningKey) bool { return true }); err != nil {
			return err
		}
	}
	return r.topics.Envelopes().Load(ctx)
}

// signingKey is a small one, so that signing takes little.
var signingKey = sync.OnceValue(func() registry.SigningKey {
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().AddDate(20, 0, 0)}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return registry.SigningKey{
		Meta: registry.Meta{Account: "waystation", Region: "waystation", Name: "1"},
		Key:  x509.MarshalPKCS1PrivateKey(key), Certificate: certificate,
	}
})

// moment is what a node knew of the definitions while it worked on one request: all
// changes up to from, and of those up to to perhaps some.
type moment struct {
	mu       sync.Mutex // guards what follows
	from, to uint64     // revisions; from is 0: no node took the request up
	posted   bool       // something may have been placed
	missing  []uint64   // queues that a post found to be gone
	ended    time.Time
}

type momentKey struct{}

// begin notes that a node takes the request up. All that its registry shows then, the
// services have been told of.
func (m *moment) begin(ctx context.Context, reg *registry.Registry) (context.Context, error) {
	known := reg.Revision()
	if err := reg.WaitFor(ctx, known); err != nil {
		return ctx, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.from, m.to = known, known
	return context.WithValue(ctx, momentKey{}, m), nil
}

// reached notes the first post of the request, by which all receivers are chosen, or its
// end, if that comes first.
func (m *moment) reached(reg *registry.Registry, posts bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.posted {
		m.to, m.posted = reg.Revision(), posts
	}
	if !posts {
		m.ended = time.Now()
	}
}

// noting notes when a service posts.
type noting struct {
	*partition.Service
	reg *registry.Registry
}

func (n noting) Post(ctx context.Context, from uint32, items []partition.PostItem) ([]partition.Posted, error) {
	m, ok := ctx.Value(momentKey{}).(*moment)
	if !ok {
		return n.Service.Post(ctx, from, items)
	}
	m.reached(n.reg, true)
	out, err := n.Service.Post(ctx, from, items)
	if err == nil {
		m.missed(items, out)
	}
	return out, err
}

// missed notes the queues that were found to be gone.
func (m *moment) missed(items []partition.PostItem, out []partition.Posted) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range items {
		for k := range items[i].Targets {
			if out[0].Gone {
				m.missing = append(m.missing, items[i].Targets[k].Target.Queue.ID)
			}
			out = out[1:]
		}
	}
}
