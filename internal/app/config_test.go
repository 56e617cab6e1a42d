package app

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestDefaultIsValid(t *testing.T) {
	t.Parallel()
	c := Default()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
}

func TestValidateNamesTheKey(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		change func(*Config)
		want   string // in the error; empty: valid
	}{
		{"public without keys", func(c *Config) { c.Listen = "0.0.0.0:4566" }, "--keys FILE"},
		{"all interfaces without keys", func(c *Config) { c.Listen = ":4566" }, "--keys FILE"},
		{"IPv6 any without keys", func(c *Config) { c.Listen = "[::]:4566" }, "--keys FILE"},
		{"a name without keys", func(c *Config) { c.Listen = "queue.example.com:80" }, "--keys FILE"},
		{"public with keys", func(c *Config) { c.Listen, c.Keys = "0.0.0.0:4566", file }, ""},
		{"localhost", func(c *Config) { c.Listen = "localhost:0" }, ""},
		{"IPv6 loopback", func(c *Config) { c.Listen = "[::1]:4566" }, ""},
		{"no port", func(c *Config) { c.Listen = "127.0.0.1" }, "listen: "},
		{"port too large", func(c *Config) { c.Listen = "127.0.0.1:70000" }, "listen: "},
		{"missing keys file", func(c *Config) { c.Keys = file + "x" }, "keys: "},
		{"account too short", func(c *Config) { c.Account = "123" }, "account: "},
		{"account not digits", func(c *Config) { c.Account = "00000000000x" }, "account: "},
		{"no partition", func(c *Config) { c.Partitions = 0 }, "partitions: "},
		{"an unknown role", func(c *Config) { c.NATS, c.Roles = "nats://x:4222", []string{"queues"} }, `roles: "queues" is unknown, they can be partition, queue, `},
		{"a role twice", func(c *Config) { c.Roles = []string{RolePartition, RoleBus, RoleBus} }, "roles: bus is named twice"},
		{"nobody has the partitions", func(c *Config) { c.Roles = []string{RoleBus} }, "roles: without partition another node"},
		{"roles", func(c *Config) { c.NATS, c.Roles = "nats://x:4222", []string{RoleBus, RoleTopic} }, ""},
		{"no data folder", func(c *Config) { c.Data = "" }, "data: "},
		{"certificate without key", func(c *Config) { c.TLSCert = file }, "tls-cert, tls-key: "},
		{"client CAs without certificate", func(c *Config) { c.TLSClientCA = file }, "tls-client-ca: "},
		{"credentials without NATS", func(c *Config) { c.NATSCreds = file }, "nats-creds: "},
		{"replicas without NATS", func(c *Config) { c.Replicas = 3 }, "replicas: "},
		{"even replicas", func(c *Config) { c.NATS, c.Replicas = "nats://x:4222", 2 }, "replicas: "},
		{"three replicas", func(c *Config) { c.NATS, c.Replicas = "nats://x:4222", 3 }, ""},
		{"embedded port with NATS", func(c *Config) { c.NATS, c.NATSListen = "nats://x:4222", "127.0.0.1:1" }, "nats-listen: "},
		{"public embedded port", func(c *Config) { c.NATSListen = "0.0.0.0:4222" }, "nats-listen: "},
		{"prefix with a dot", func(c *Config) { c.NATSPrefix = "a.b" }, "nats-prefix: "},
		{"node with a space", func(c *Config) { c.Node = "a b" }, "node: "},
		{"log level", func(c *Config) { c.LogLevel = "loud" }, "log-level: "},
		{"log format", func(c *Config) { c.LogFormat = "xml" }, "log-format: "},
		{"metrics address", func(c *Config) { c.MetricsListen = "x" }, "metrics-listen: "},
		{"proxies", func(c *Config) { c.TrustedProxies = []string{"10.0.0.0/8", "lb.example"} }, "trusted-proxies: "},
		{"host with a port", func(c *Config) { c.OpenHosts = []string{"waystation:4566"} }, "open-hosts: "},
		{"every host", func(c *Config) { c.OpenHosts = []string{"*"} }, "open-hosts: "},
		{"CORS site without a scheme", func(c *Config) { c.CORSOrigins = []string{"app.example"} }, "cors-origins: "},
		{"no requests", func(c *Config) { c.MaxRequests = 0 }, "max-requests: 0 is out of range"},
		{"negative memory", func(c *Config) { c.BodyMiB = -1 }, "body-mib: -1 is out of range"},
		{"names", func(c *Config) {
			c.OpenHosts, c.CORSOrigins = []string{"a", "*.b"}, []string{"http://localhost:3000", "*"}
		}, ""},
		{"drain timeout", func(c *Config) { c.DrainTimeout = 2 * time.Hour }, "drain-timeout: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := Default()
			tt.change(&c)
			err := c.Validate()
			if tt.want == "" {
				if err != nil {
					t.Fatalf("refused: %v", err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("error %v, want one with %q", err, tt.want)
			}
		})
	}
}

func TestParseConfig(t *testing.T) {
	t.Parallel()
	got, err := parseConfig([]byte("listen: 127.0.0.1:0\naccount: 000000000012\npartitions: 4\ndrain-timeout: 3s\nkeys:\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"listen": "127.0.0.1:0", "account": "000000000012", "partitions": "4", "drain-timeout": "3s"}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	for name, text := range map[string]string{
		"unknown key":     "listen: 127.0.0.1:0\nlisen: x\n",
		"key twice":       "account: a\naccount: b\n",
		"wrong kind":      "partitions: many\n",
		"list":            "listen: [a]\n",
		"not a map":       "- listen\n",
		"two documents":   "account: a\n---\naccount: b\n",
		"not YAML at all": "{",
	} {
		if keys, err := parseConfig([]byte(text)); err == nil {
			t.Errorf("%s: accepted as %v", name, keys)
		}
	}
}

// A user knows the file's lines and names, not the types of this program.
func TestConfigFileErrorsArePlain(t *testing.T) {
	t.Parallel()
	got, err := parseConfig([]byte("open-hosts: [a, b]\ntrusted-proxies: 10.0.0.0/8\nenforce-policies: true\n"))
	if err != nil || got["open-hosts"] != "a,b" || got["trusted-proxies"] != "10.0.0.0/8" || got["enforce-policies"] != "true" {
		t.Errorf("lists: %v, %v", got, err)
	}
	for text, want := range map[string]string{
		"listen: a\nlisen: x\n":       `line 2: "lisen" is not a setting; waystation serve --help lists them`,
		"account: a\naccount: b\n":    "line 2: account is set twice",
		"partitions: many\n":          `line 1: partitions has to be a whole number, not "many"`,
		"\ndrain-timeout: soon\n":     `line 2: drain-timeout has to be a duration such as 30s or 5m, not "soon"`,
		"enforce-policies: perhaps\n": `line 1: enforce-policies has to be true or false, not "perhaps"`,
		"listen: [a]\n":               "line 1: listen has to be a single value",
		"open-hosts: [[a]]\n":         "line 1: open-hosts has to be a list of single values",
		"listen: {a: b}\n":            "line 1: listen has to be a single value",
		"- listen\n":                  "line 1: has to be a list of settings, each as NAME: VALUE",
		"listen: a\n---\ndata: b\n":   "holds more than one document",
		"listen: 'a\n":                "line 2: found unexpected end of stream",
	} {
		if _, err := parseConfig([]byte(text)); err == nil || err.Error() != want {
			t.Errorf("%q:\ngot  %v\nwant %s", text, err, want)
		}
	}
}

func TestUnknownKeyNamesItsLine(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "waystation.yaml")
	if err := os.WriteFile(path, []byte("partitions: 1\nlisen: x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := ReadConfigFile(path)
	if err == nil || !strings.Contains(err.Error(), "line 2") || !strings.Contains(err.Error(), "lisen") || !strings.Contains(err.Error(), path) {
		t.Fatalf("error does not name the file, line and key: %v", err)
	}
}

func TestDefaultKeysAreTheDefaults(t *testing.T) {
	t.Parallel()
	got := DefaultKeys()
	for key, want := range map[string]string{"listen": "127.0.0.1:4566", "account": "000000000000", "drain-timeout": "25s", "partitions": "1"} {
		if got[key] != want {
			t.Errorf("%s: %q, want %q", key, got[key], want)
		}
	}
	if _, ok := got["keys"]; ok {
		t.Error("a key without a default has one")
	}
}

func FuzzParseConfig(f *testing.F) {
	f.Add([]byte("listen: 127.0.0.1:0\naccount: 000000000012\n"))
	f.Add([]byte("a: &a [*a]\n"))
	f.Add([]byte("listen: &x y\ndata: *x\n"))
	f.Add([]byte("drain-timeout: 1h\n---\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		keys, err := parseConfig(data)
		if err == nil && len(keys) > reflect.TypeFor[Config]().NumField() {
			t.Fatalf("more keys than there are: %v", keys)
		}
	})
}
