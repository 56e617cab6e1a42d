package registry

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/waystation/waystation/internal/jet"
)

// files of a stream in an embedded store.
func files(t *testing.T, dir, stream string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "jetstream", "*", "streams", stream))
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	return found[0]
}

func blocks(t *testing.T, dir, stream string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(files(t, dir, stream), "msgs", "*.blk"))
	if err != nil || len(found) == 0 {
		t.Fatal(found, err)
	}
	return found
}

// start opens a store and runs a registry on it until it is ready or refused.
func start(t *testing.T, dir string) (n int, err error) {
	t.Helper()
	conn, err := jet.Open(t.Context(), jet.Config{Dir: dir})
	if err != nil {
		return 0, fmt.Errorf("the store: %w", err)
	}
	defer conn.Close()
	r, err := Open(t.Context(), conn, "ws", Config{})
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithCancel(short(t))
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	select {
	case err := <-done:
		if err == nil {
			err = errors.New("Run ended without an error")
		}
		return 0, err
	case <-r.Ready():
	}
	cancel()
	return r.Count(), <-done
}

// TestDamagedFiles damages the files of the definitions while the server is down.
// It must be refused with words that name the next step, or all must be there.
func TestDamagedFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const queues = 30
	func() {
		conn, err := jet.Open(t.Context(), jet.Config{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		r, err := Open(t.Context(), conn, "ws", Config{})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.Run(ctx) }()
		for i := range queues {
			create(t, r, fmt.Sprintf("queue-%02d", i))
		}
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}()
	if n, err := start(t, dir); n != queues || err != nil {
		t.Fatal(n, err)
	}
	block := func(t *testing.T, dir string) (string, []byte) {
		path := blocks(t, dir, "ws_registry")[0]
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return path, data
	}
	write := func(t *testing.T, path string, data []byte) {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, whole := block(t, dir)
	flip := func(at int) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			path, data := block(t, dir)
			data[at] ^= 0x40
			write(t, path, data)
		}
	}
	cut := func(n int) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			path, data := block(t, dir)
			write(t, path, data[:len(data)-n])
		}
	}
	noIndex := func(then func(*testing.T, string)) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(files(t, dir, "ws_registry"), "msgs", "index.db")); err != nil {
				t.Fatal(err)
			}
			then(t, dir)
		}
	}
	tests := map[string]func(*testing.T, string){
		"cut by 1":              cut(1),
		"cut by 100":            cut(100),
		"cut by 1000":           cut(1000),
		"cut to nothing":        cut(len(whole)),
		"cut by 100, no index":  noIndex(cut(100)),
		"cut by 1000, no index": noIndex(cut(1000)),
		"file gone":             func(t *testing.T, dir string) { os.Remove(blocks(t, dir, "ws_registry")[0]) },
		"file gone, no index":   noIndex(func(t *testing.T, dir string) { os.Remove(blocks(t, dir, "ws_registry")[0]) }),
		"stream gone":           func(t *testing.T, dir string) { os.RemoveAll(files(t, dir, "ws_registry")) },
	}
	places := 12
	if testing.Short() {
		places = 2
	}
	for at := 0; at < len(whole); at += len(whole)/places + 1 {
		tests[fmt.Sprint("flipped at ", at)] = flip(at)
		tests[fmt.Sprint("flipped, no index, at ", at)] = noIndex(flip(at))
	}
	tests["flipped at the end"] = flip(len(whole) - 1)
	for name, damage := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			copied := filepath.Join(t.TempDir(), "data")
			if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			damage(t, copied)
			n, err := start(t, copied)
			t.Log(n, err)
			if err == nil && n == queues {
				return // such as a byte that nothing reads
			}
			if err == nil || !strings.Contains(err.Error(), "waystation repair") {
				t.Fatalf("%d queues, %v", n, err)
			}
			// The intact files put back, all is there.
			if err := os.RemoveAll(copied); err != nil {
				t.Fatal(err)
			}
			if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			if n, err := start(t, copied); n != queues || err != nil {
				t.Fatal(n, err)
			}
		})
	}
}
