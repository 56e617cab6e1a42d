package jet

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
)

// patient is a server that says some times that it is not up.
type patient struct {
	disabled bool
	notUp    int
	then     []server.HealthzError
	asked    int
}

func (p *patient) JetStreamEnabled() bool { return !p.disabled }

func (p *patient) Healthz(o *server.HealthzOptions) *server.HealthStatus {
	p.asked++
	h := &server.HealthStatus{}
	if p.asked <= p.notUp {
		h.Errors = []server.HealthzError{{Type: server.HealthzErrorConn, Error: "failed to be ready for connections after 1ms"}}
	} else {
		h.Errors = p.then
	}
	if !o.Details && len(h.Errors) > 0 {
		h.Error = h.Errors[0].Error
		h.Errors = nil
	}
	return h
}

// A busy machine makes a server say that it is not up; that is no reason to
// refuse its store, nor to look past what is wrong with it.
func TestHealth(t *testing.T) {
	t.Parallel()
	torn := []server.HealthzError{{Type: server.HealthzErrorStream, Error: "stream 's' could not be recovered"}}
	for name, test := range map[string]struct {
		p    patient
		want string
	}{
		"well":                        {patient{}, ""},
		"well, said late":             {patient{notUp: healthTries - 1}, ""},
		"never up":                    {patient{notUp: healthTries}, "failed to be ready for connections after 1ms"},
		"a stream is torn":            {patient{then: torn}, torn[0].Error},
		"a stream is torn, said late": {patient{notUp: 5, then: torn}, torn[0].Error},
		"disabled":                    {patient{disabled: true}, "JetStream is disabled"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := ""
			if err := health(&test.p); err != nil {
				got = err.Error()
			}
			if got != test.want {
				t.Errorf("health is %q, want %q", got, test.want)
			}
		})
	}
}

// The warnings of a start after a kill come to one notice; others stay warnings.
func TestServerLog(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	l := newServerLog(slog.New(slog.NewTextHandler(&out, nil)))
	name := "Filestore [KV_ws_leases] "
	for _, harmless := range []string{
		"TTL state is outdated; attempting to recover using linear scan (seq 1 to 14)",
		"Stream state outdated, last block has additional entries, will rebuild",
		"Stream state outdated, found extra blocks, will rebuild",
		"Stream state detected prior state, could not locate msg block 7",
		"Recovering stream state from index errored: prior state file",
	} {
		l.Warnf(name+"%s", harmless)
	}
	if got := out.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "level=INFO") {
		t.Errorf("after a kill it says:\n%s", got)
	}
	out.Reset()
	l.Warnf("%sStream state checksum did not match", name)
	if got := out.String(); !strings.Contains(got, "level=WARN") {
		t.Errorf("of damage it says:\n%s", got)
	}
}

func TestBallast(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := newBallast(dir, slog.New(slog.DiscardHandler))
	const disk = 1 << 30
	size := func() int64 {
		info, err := os.Stat(filepath.Join(dir, ballastName))
		if err != nil {
			return 0
		}
		return info.Size()
	}
	step := func(what string, got, want Space, file int64) {
		t.Helper()
		if got != want || size() != file {
			t.Errorf("%s: %+v are told of, the file has %d bytes; want %+v and %d", what, got, size(), want, file)
		}
	}
	step("unknown space", b.keep(unknown), unknown, 0)
	if b.release() {
		t.Error("nothing was set aside, and it made room")
	}
	step("little room", b.keep(Space{2*ballastSize - 1, disk}), Space{ballastSize - 1, disk}, 0)
	step("less room", b.keep(Space{ballastSize - 1, disk}), Space{0, disk}, 0)
	step("enough", b.keep(Space{2 * ballastSize, disk}), Space{ballastSize, disk}, ballastSize)
	step("it is there", b.keep(Space{100, disk}), Space{100, disk}, ballastSize)
	if !b.release() || b.release() {
		t.Error("it makes room, and once only")
	}
	step("it is out", b.keep(Space{ballastSize + 100, disk}), Space{100, disk}, 0)
	step("it is out, and used up", b.keep(Space{50, disk}), Space{0, disk}, 0)
	step("there is room again", b.keep(Space{2 * ballastSize, disk}), Space{ballastSize, disk}, ballastSize)
	if !b.release() {
		t.Error("it makes room once more")
	}
	// A process before this one left part of it.
	if err := os.WriteFile(filepath.Join(dir, ballastName), make([]byte, 100), 0o600); err != nil {
		t.Fatal(err)
	}
	b = newBallast(dir, slog.New(slog.DiscardHandler))
	step("part of it was left", b.keep(Space{2 * ballastSize, disk}), Space{ballastSize, disk}, ballastSize)
	// A small disk.
	b = newBallast(dir, slog.New(slog.DiscardHandler))
	step("on a small disk", b.keep(Space{32 << 20, 64 << 20}), Space{28 << 20, 64 << 20}, 4<<20)
	// The file system gave the room, not just the length.
	info, err := os.Stat(b.path)
	if err != nil {
		t.Fatal(err)
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Blocks*512 < 4<<20 {
		t.Errorf("%d bytes are set aside, want %d", st.Blocks*512, 4<<20)
	}
}
