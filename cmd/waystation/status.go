package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/waystation/waystation/internal/app"
)

// maxStatusBytes bounds the answer that status reads.
const maxStatusBytes = 16 << 20

// operated is a server that an operator asks.
type operated struct {
	URL string `default:"http://127.0.0.1:4566" env:"WAYSTATION_URL" help:"Address of the server, or of its --metrics-listen." placeholder:"URL"`
	CA  string `name:"ca" help:"CAs (PEM) that an HTTPS server is checked against." placeholder:"FILE"`
}

type statusCommand struct {
	operated
	JSON bool `name:"json" help:"Print the whole answer as JSON."`
}

// Run asks the server and prints its answer.
func (c *statusCommand) Run(ctx context.Context, out io.Writer) error {
	data, err := c.fetch(ctx, http.MethodGet, "/status")
	if err != nil {
		return err
	}
	if c.JSON {
		_, err := out.Write(data)
		return err
	}
	var s app.Status
	if err := json.Unmarshal(data, &s); err != nil {
		return fmt.Errorf("%s does not answer like a Waystation server: %w", c.URL, err)
	}
	return writeStatus(out, s)
}

// fetch asks for a page of the server's own.
func (c *operated) fetch(ctx context.Context, method, page string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	transport := &http.Transport{DisableKeepAlives: true}
	if c.CA != "" {
		pem, err := os.ReadFile(c.CA)
		if err != nil {
			return nil, err
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate in PEM form", c.CA)
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool}
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(c.URL, "/")+page, nil)
	if err != nil {
		return nil, err
	}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return nil, fmt.Errorf("no server answers at %s: %w", c.URL, err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxStatusBytes))
	if err != nil {
		return nil, err
	}
	switch kind, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";"); {
	case resp.StatusCode == http.StatusForbidden, page != "/status" && resp.StatusCode != http.StatusOK && kind == "text/plain":
		return nil, errors.New(strings.TrimSpace(string(data)))
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s: it is not a Waystation server, or its /status is at its --metrics-listen address", c.URL, resp.Status)
	}
	return data, nil
}

func writeStatus(out io.Writer, s app.Status) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Waystation %s, node %s, %s, up %s\n", s.Version, s.Node, s.State, time.Duration(s.Uptime*float64(time.Second)).Round(time.Second))
	if len(s.Roles) < len(app.Roles()) {
		fmt.Fprintf(&b, "  roles    %s\n", strings.Join(s.Roles, ", "))
	}
	keys := "keys checked"
	if s.Open {
		keys = "open: any key is accepted"
	}
	fmt.Fprintf(&b, "  address  %s, account %s, %s\n", s.URL, s.Account, keys)
	nats := "external"
	if s.NATS.Embedded {
		nats = "embedded"
	}
	if s.NATS.Connected {
		nats += ", connected"
	} else {
		nats += ", NOT CONNECTED"
	}
	fmt.Fprintf(&b, "  NATS     %s\n", nats)
	if s.Data != "" {
		fmt.Fprintf(&b, "  data     %s\n", s.Data)
	}
	if s.StorageFull {
		fmt.Fprintln(&b, "  storage  FULL: messages are not taken until space is free")
	}
	if s.MemoryFull {
		fmt.Fprintf(&b, "  memory   FULL: messages take %s of %s, none are taken until some are received and deleted\n", size(s.MemoryBytes), size(s.MemoryLimit))
	}
	for _, p := range s.Partitions {
		if p.Orphans > 0 {
			fmt.Fprintf(&b, "  partition %d keeps the messages of %d queues that have no definition: see \"A damaged registry\" in docs/operations.md\n", p.Number, p.Orphans)
		}
	}
	w := tabwriter.NewWriter(&b, 2, 8, 2, ' ', 0)
	if len(s.Partitions) > 0 {
		fmt.Fprintln(w, "\nPARTITION\tOWNER\tSTATE\tLOG\tLIVE")
		for _, p := range s.Partitions {
			owner := p.Owner
			if p.Mine {
				owner += " (this one)"
			}
			state := p.State
			if p.ReplayTotal > 0 && p.Replayed < p.ReplayTotal {
				state += fmt.Sprintf(" %d of %d (%.0f %%)", p.Replayed, p.ReplayTotal, 100*float64(p.Replayed)/float64(p.ReplayTotal))
			}
			log, live := "-", "-" // only the owner knows
			if p.Mine {
				log, live = size(p.LogBytes), size(p.LiveBytes)
			}
			fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\n", p.Number, owner, state, log, live)
		}
	}
	if len(s.Queues) > 0 {
		fmt.Fprintln(w, "\nQUEUE\tACCOUNT\tREGION\tVISIBLE\tIN FLIGHT\tDELAYED\tOLDEST")
		for _, q := range s.Queues {
			oldest := "-"
			if q.OldestAge > 0 {
				oldest = time.Duration(q.OldestAge * float64(time.Second)).Round(time.Second).String()
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%d\t%s\n", q.Name, q.Account, q.Region, q.Visible, q.InFlight, q.Delayed, oldest)
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if s.MoreQueues > 0 {
		fmt.Fprintf(&b, "and %d more queues\n", s.MoreQueues)
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// size tells bytes in the unit that fits.
func size(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d B", n)
}
