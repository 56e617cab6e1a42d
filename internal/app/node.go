package app

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// nodeFile in the data folder keeps the node's name over restarts: a node that
// comes back under its name takes its partitions back at once.
const nodeFile = "node"

// logDir is where the embedded NATS keeps its files.
func (a *App) logDir() string { return filepath.Join(a.cfg.Data, "nats") }

// keptNode is the name in the folder, or a new one that is kept there.
func keptNode(dir string) (string, error) {
	path := filepath.Join(dir, nodeFile)
	data, err := os.ReadFile(path)
	if err == nil {
		name := strings.TrimSpace(string(data))
		if nodeName(name) {
			return name, nil
		}
		// Torn by a crash: a name is only a name, take another one.
	} else if !os.IsNotExist(err) {
		return "", fmt.Errorf("read the node's name: %w", err)
	}
	name := madeUpNode()
	if err := os.WriteFile(path, []byte(name+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("keep the node's name: %w", err)
	}
	return name, nil
}

// madeUpNode is the host's name with a random suffix, so that two processes on
// one machine are never taken for one another.
func madeUpNode() string {
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "node"
	}
	host, _, _ = strings.Cut(host, ".")
	host = strings.Map(func(r rune) rune {
		if nodeName(string(r)) {
			return r
		}
		return '-'
	}, host)
	var b [4]byte
	rand.Read(b[:]) // never fails, see its documentation
	return host[:min(len(host), 48)] + "-" + hex.EncodeToString(b[:])
}

// withoutPassword takes what is secret out of a list of NATS URLs.
func withoutPassword(urls string) string {
	list := strings.Split(urls, ",")
	for i, s := range list {
		if s = strings.TrimSpace(s); !strings.Contains(s, "://") {
			s = "nats://" + s
		}
		u, err := url.Parse(s)
		if err != nil {
			list[i] = "(not a URL)"
			continue
		}
		u.User = nil
		list[i] = u.String()
	}
	return strings.Join(list, ", ")
}
