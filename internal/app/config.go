package app

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/waystation/waystation/internal/access"
	"github.com/waystation/waystation/internal/bus"
	"github.com/waystation/waystation/internal/delivery"
	"github.com/waystation/waystation/internal/schedule"
)

// Config says what a server does. Its keys are the same everywhere: the yaml
// key is the flag's name, and WAYSTATION_ with the name in capitals is the
// environment variable. Start from Default, then Validate.
type Config struct {
	// Listen is the address of the API. Port 0 takes a free one.
	Listen string `yaml:"listen" name:"listen" group:"server" placeholder:"HOST:PORT" help:"Address of the API. Anything but loopback needs --keys."`
	// Data is the folder that holds everything that must survive.
	Data string `yaml:"data" name:"data" group:"server" placeholder:"DIR" help:"Folder for the data. One process at a time."`
	// Account owns what is made with a key that names no account.
	Account string `yaml:"account" name:"account" group:"server" placeholder:"ID" help:"Default account, twelve digits."`
	// Keys is the file of access keys; empty is the open mode.
	Keys string `yaml:"keys" name:"keys" group:"server" placeholder:"FILE" help:"File of access keys, roles and policies. Without it any key is accepted."`
	// OpenHosts are names by which an open server is addressed, besides those of
	// loopback: of a container, of an entry in the hosts file. "*.NAME" is all below.
	OpenHosts []string `yaml:"open-hosts" name:"open-hosts" group:"server" placeholder:"NAME" help:"Without --keys: names by which clients may address the server, besides localhost."`
	// CORSOrigins are the sites whose web pages may call the API from a browser. An
	// open server refuses what comes from any other.
	CORSOrigins []string `yaml:"cors-origins" name:"cors-origins" group:"server" placeholder:"URL" help:"Web sites (http://localhost:3000) whose pages may call the API from a browser (CORS); * is any, also without --keys."`
	// EnforcePolicies asks policies of an open server too; with keys they always are.
	EnforcePolicies bool `yaml:"enforce-policies" name:"enforce-policies" group:"server" help:"Without --keys: enforce policies, which are only stored otherwise."`
	// TrustedProxies are those whose X-Forwarded headers count.
	TrustedProxies []string `yaml:"trusted-proxies" name:"trusted-proxies" group:"server" placeholder:"CIDR" help:"Networks of load balancers whose X-Forwarded-For, -Proto and -Host headers are believed."`
	// ProxyProtocol has them name the client by the PROXY protocol.
	ProxyProtocol bool `yaml:"proxy-protocol" name:"proxy-protocol" group:"server" help:"The --trusted-proxies begin connections with a PROXY header, version 1 or 2."`
	// Node names this process among others; empty makes one up.
	Node string `yaml:"node" name:"node" group:"server" placeholder:"NAME" help:"Name of this process, unique in a cluster. Default: the host's name and a random suffix, kept in the data folder unless --nats is given."`
	// Roles are what this server does, see Roles; empty is everything.
	Roles []string `yaml:"roles" name:"roles" group:"server" placeholder:"ROLE" help:"What this node does: partition, queue, topic, bus, schedule, delivery. Default: everything."`
	// Partitions is the least number of journals, 1 to 256: a larger number than
	// there are adds some, a smaller one changes nothing.
	Partitions int `yaml:"partitions" name:"partitions" group:"server" placeholder:"N" help:"Number of partitions (journals). A larger number adds some later, a smaller one changes nothing."`

	// MaxRulesPerBus bounds the rules of one event bus, 1 to 1,000,000.
	MaxRulesPerBus int `yaml:"max-rules-per-bus" name:"max-rules-per-bus" group:"server" placeholder:"N" help:"How many rules an event bus may have."`

	// PublicURL is where those to whom messages are pushed reach this server; empty is
	// the address that it listens on.
	PublicURL string `yaml:"public-url" name:"public-url" group:"delivery" placeholder:"URL" help:"Address of this server in what is pushed to HTTP endpoints (SubscribeURL, SigningCertURL). Default: the one it listens on."`
	// EgressAllow and EgressDeny are networks that messages may be pushed to, or not.
	EgressAllow []string `yaml:"egress-allow" name:"egress-allow" group:"delivery" placeholder:"CIDR" help:"Networks that messages may be pushed to, besides what the Internet can reach. A server on loopback may push to private ones, too."`
	EgressDeny  []string `yaml:"egress-deny" name:"egress-deny" group:"delivery" placeholder:"CIDR" help:"Networks that messages must not be pushed to; comes before --egress-allow."`
	// DeliveryWorkers is how many messages this node pushes at a time, DeliveryConcurrency
	// how many of them to one endpoint, and DeliveryTimeout how long each may take.
	DeliveryWorkers     int           `yaml:"delivery-workers" name:"delivery-workers" group:"delivery" placeholder:"N" help:"Messages that are pushed at a time."`
	DeliveryConcurrency int           `yaml:"delivery-concurrency" name:"delivery-concurrency" group:"delivery" placeholder:"N" help:"Messages that are pushed to one endpoint at a time; the same on all nodes."`
	DeliveryTimeout     time.Duration `yaml:"delivery-timeout" name:"delivery-timeout" group:"delivery" placeholder:"DURATION" help:"Longest time until an endpoint answers."`
	// DisableEndpointsAfter is how long nothing may reach an endpoint until it is
	// disabled; 0: never.
	DisableEndpointsAfter time.Duration `yaml:"disable-endpoints-after" name:"disable-endpoints-after" group:"delivery" placeholder:"DURATION" help:"An endpoint that nothing reached for so long is disabled; 0s: never."`
	// ScheduleCatchUp says what of the times of schedules that were missed is fired late:
	// all, last or none; ScheduleCatchUpAge how late, 0 to 8760h.
	ScheduleCatchUp    string        `yaml:"schedule-catch-up" name:"schedule-catch-up" group:"server" placeholder:"RULE" help:"What schedules fire late that they missed while the server was down: all, last or none."`
	ScheduleCatchUpAge time.Duration `yaml:"schedule-catch-up-age" name:"schedule-catch-up-age" group:"server" placeholder:"DURATION" help:"What schedules missed by more is never fired."`

	// TLSCert and TLSKey turn the API to HTTPS; TLSClientCA demands client certificates.
	TLSCert     string `yaml:"tls-cert" name:"tls-cert" group:"tls" placeholder:"FILE" help:"Certificate (PEM) of the API: serves HTTPS."`
	TLSKey      string `yaml:"tls-key" name:"tls-key" group:"tls" placeholder:"FILE" help:"Private key (PEM) of the certificate."`
	TLSClientCA string `yaml:"tls-client-ca" name:"tls-client-ca" group:"tls" placeholder:"FILE" help:"Only accept clients with a certificate of these CAs (PEM)."`

	// NATS is the URL of an external cluster; empty embeds a server in the process.
	NATS       string `yaml:"nats" name:"nats" group:"nats" placeholder:"URL" help:"External NATS, comma separated. Without it a NATS server is embedded."`
	NATSCreds  string `yaml:"nats-creds" name:"nats-creds" group:"nats" placeholder:"FILE" help:"Credentials file for the external NATS."`
	NATSCA     string `yaml:"nats-ca" name:"nats-ca" group:"nats" placeholder:"FILE" help:"CAs (PEM) that the external NATS is checked against."`
	NATSCert   string `yaml:"nats-cert" name:"nats-cert" group:"nats" placeholder:"FILE" help:"Client certificate (PEM) for the external NATS."`
	NATSKey    string `yaml:"nats-key" name:"nats-key" group:"nats" placeholder:"FILE" help:"Private key (PEM) of the client certificate."`
	NATSListen string `yaml:"nats-listen" name:"nats-listen" group:"nats" placeholder:"HOST:PORT" help:"Opens the embedded NATS to other clients. Closed by default."`
	NATSPrefix string `yaml:"nats-prefix" name:"nats-prefix" group:"nats" placeholder:"NAME" help:"Prefix of streams, buckets and subjects: keeps installations on one NATS apart."`
	Replicas   int    `yaml:"replicas" name:"replicas" group:"nats" placeholder:"N" help:"Copies of every stream in the external NATS: 1, 3 or 5."`

	// LogLevel is debug, info, warn or error; LogFormat text or json.
	LogLevel  string `yaml:"log-level" name:"log-level" group:"operations" placeholder:"LEVEL" help:"debug, info, warn or error."`
	LogFormat string `yaml:"log-format" name:"log-format" group:"operations" placeholder:"FORMAT" help:"text or json."`
	// MetricsListen moves /metrics and /status to an address of their own.
	MetricsListen string `yaml:"metrics-listen" name:"metrics-listen" group:"operations" placeholder:"HOST:PORT" help:"Serves /metrics and /status on an address of their own; default: on the API's, for loopback only when the API is public."`
	// MetricsQueues is how many queues get series of their own, 0 to 1,000,000.
	MetricsQueues int `yaml:"metrics-queues" name:"metrics-queues" group:"operations" placeholder:"N" help:"Most queues that get metrics of their own; the rest is summed up."`

	// MaxConnections bounds open client connections; more wait to be accepted.
	MaxConnections int `yaml:"max-connections" name:"max-connections" group:"limits" placeholder:"N" help:"Most client connections at a time; more are told to come back, or wait."`
	// MaxRequests bounds requests under way over all connections.
	MaxRequests int `yaml:"max-requests" name:"max-requests" group:"limits" placeholder:"N" help:"Most requests under way at a time, over all connections; more are told to come back. One caller alone gets half."`
	// BodyMiB is the memory for bodies under way, in MiB; 0: see bodyMemory.
	BodyMiB int `yaml:"body-mib" name:"body-mib" group:"limits" placeholder:"MIB" help:"Memory for bodies of requests and answers under way, in MiB; 0 is an eighth of the memory, 64 to 1024."`
	// CacheMiB is the memory for payloads of one partition, in MiB.
	CacheMiB int `yaml:"cache-mib" name:"cache-mib" group:"limits" placeholder:"MIB" help:"Memory for message bodies per partition, in MiB."`
	// DrainDelay is how long the server goes on after SIGTERM, not ready any more, so
	// that load balancers have seen it before it stops. 0 to 1h.
	DrainDelay time.Duration `yaml:"drain-delay" name:"drain-delay" group:"limits" placeholder:"DURATION" help:"Time to go on serving after SIGTERM while /readyz says no: longer than load balancers take to see it."`
	// DrainTimeout bounds how long requests in flight may take once the server stops.
	DrainTimeout time.Duration `yaml:"drain-timeout" name:"drain-timeout" group:"limits" placeholder:"DURATION" help:"Longest time to finish requests when stopping."`
}

// Default returns the configuration that a server without any flag has.
func Default() Config {
	return Config{
		Listen:         "127.0.0.1:4566",
		Data:           "waystation-data",
		Account:        "000000000000",
		Partitions:     1,
		MaxRulesPerBus: bus.DefaultMaxRules,
		NATSPrefix:     "ws",
		Replicas:       1,
		LogLevel:       "info",
		LogFormat:      "text",
		MetricsQueues:  10_000,
		MaxConnections: 32_768,
		MaxRequests:    32_768,
		CacheMiB:       64,
		DrainDelay:     5 * time.Second,
		DrainTimeout:   25 * time.Second,

		DeliveryWorkers:       delivery.DefaultWorkers,
		DeliveryConcurrency:   delivery.DefaultConcurrency,
		DeliveryTimeout:       delivery.DefaultTimeout,
		DisableEndpointsAfter: delivery.DefaultDisableAfter,
		ScheduleCatchUp:       string(schedule.CatchUpLast),
		ScheduleCatchUpAge:    24 * time.Hour,
	}
}

// maxCatchUpAge is a year.
const maxCatchUpAge = 8760 * time.Hour

// Validate tells everything that is wrong with the configuration, a sentence a
// line, each with what to do about it.
func (c *Config) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }

	if err := checkAddress(c.Listen); err != nil {
		bad("listen: %v", err)
	} else if c.Keys == "" && !loopback(c.Listen) {
		bad("listen: %s can be reached from other machines, and without a keys file anyone could use the server: "+
			"give --keys FILE, or listen on 127.0.0.1", c.Listen)
	}
	if c.Data == "" {
		bad("data: the folder for the data is missing, give --data DIR")
	}
	if !access.IsAccount(c.Account) {
		bad("account: %q is not an account, it has to be twelve digits", c.Account)
	}
	if _, err := access.ParseProxies(c.TrustedProxies); err != nil {
		bad("trusted-proxies: %v", err)
	}
	for _, h := range c.OpenHosts {
		if _, _, err := net.SplitHostPort(h); err == nil || strings.ContainsAny(h, "/ ") || h == "" || h == "*" {
			bad("open-hosts: %q is not a host name, give it without scheme and port", h)
		}
	}
	for _, o := range c.CORSOrigins {
		if u, err := url.Parse(o); o != "*" && (err != nil || u.Host == "" || u.Scheme == "" || u.Path != "") {
			bad("cors-origins: %q is not a web site, give it as http://localhost:3000", o)
		}
	}
	inRange := func(key string, n, low, high int) {
		if n < low || n > high {
			bad("%s: %d is out of range, it can be %d to %d", key, n, low, high)
		}
	}
	inRange("partitions", c.Partitions, 1, 256)
	inRange("max-rules-per-bus", c.MaxRulesPerBus, 1, 1_000_000)
	if !schedule.CatchUp(c.ScheduleCatchUp).Valid() {
		bad("schedule-catch-up: %q is unknown, it can be all, last or none", c.ScheduleCatchUp)
	}
	if c.ScheduleCatchUpAge < 0 || c.ScheduleCatchUpAge > maxCatchUpAge {
		bad("schedule-catch-up-age: %v is out of range, it can be 0s to 8760h", c.ScheduleCatchUpAge)
	}
	inRange("metrics-queues", c.MetricsQueues, 0, 1_000_000)
	inRange("max-connections", c.MaxConnections, 1, 1_000_000)
	inRange("max-requests", c.MaxRequests, 1, 10_000_000)
	inRange("body-mib", c.BodyMiB, 0, 1_048_576)
	inRange("cache-mib", c.CacheMiB, 1, 65_536)
	if c.ProxyProtocol && len(c.TrustedProxies) == 0 {
		bad("proxy-protocol: say which proxies are trusted, with --trusted-proxies")
	}
	if c.DrainDelay < 0 || c.DrainDelay > time.Hour {
		bad("drain-delay: %v is out of range, it can be 0s to 1h", c.DrainDelay)
	}
	if c.DrainTimeout < 0 || c.DrainTimeout > time.Hour {
		bad("drain-timeout: %v is out of range, it can be 0s to 1h", c.DrainTimeout)
	}
	errs = append(errs, c.validateRoles()...)
	errs = append(errs, c.validateDelivery()...)
	errs = append(errs, c.validateTLS()...)
	errs = append(errs, c.validateNATS()...)
	if _, ok := logLevels[c.LogLevel]; !ok {
		bad("log-level: %q is unknown, it can be debug, info, warn or error", c.LogLevel)
	}
	if c.LogFormat != "text" && c.LogFormat != "json" {
		bad("log-format: %q is unknown, it can be text or json", c.LogFormat)
	}
	if c.MetricsListen != "" {
		if err := checkAddress(c.MetricsListen); err != nil {
			bad("metrics-listen: %v", err)
		}
	}
	if c.Node != "" && !nodeName(c.Node) {
		bad("node: %q is not a name, use letters, digits, - and _, at most 64", c.Node)
	}
	return errors.Join(errs...)
}

func (c *Config) validateTLS() []error {
	var errs []error
	if (c.TLSCert == "") != (c.TLSKey == "") {
		errs = append(errs, errors.New("tls-cert, tls-key: give both or none"))
	}
	if c.TLSClientCA != "" && c.TLSCert == "" {
		errs = append(errs, errors.New("tls-client-ca: client certificates need HTTPS, give --tls-cert and --tls-key too"))
	}
	for _, f := range []struct{ key, file string }{
		{"tls-cert", c.TLSCert}, {"tls-key", c.TLSKey}, {"tls-client-ca", c.TLSClientCA}, {"keys", c.Keys},
		{"nats-creds", c.NATSCreds}, {"nats-ca", c.NATSCA}, {"nats-cert", c.NATSCert}, {"nats-key", c.NATSKey},
	} {
		if f.file == "" {
			continue
		}
		if st, err := os.Stat(f.file); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", f.key, err))
		} else if st.IsDir() {
			errs = append(errs, fmt.Errorf("%s: %s is a folder, not a file", f.key, f.file))
		}
	}
	return errs
}

func (c *Config) validateNATS() []error {
	var errs []error
	if c.NATS == "" {
		for _, f := range []struct{ key, value string }{
			{"nats-creds", c.NATSCreds}, {"nats-ca", c.NATSCA}, {"nats-cert", c.NATSCert}, {"nats-key", c.NATSKey},
		} {
			if f.value != "" {
				errs = append(errs, fmt.Errorf("%s: is for an external NATS, give --nats URL too", f.key))
			}
		}
		if c.Replicas != 1 {
			errs = append(errs, errors.New("replicas: the embedded NATS keeps one copy, more need a cluster given by --nats URL"))
		}
	} else {
		if c.NATSListen != "" {
			errs = append(errs, errors.New("nats-listen: is for the embedded NATS, leave it out with --nats"))
		}
		if c.Replicas != 1 && c.Replicas != 3 && c.Replicas != 5 {
			errs = append(errs, fmt.Errorf("replicas: %d is not possible, it can be 1, 3 or 5", c.Replicas))
		}
	}
	if (c.NATSCert == "") != (c.NATSKey == "") {
		errs = append(errs, errors.New("nats-cert, nats-key: give both or none"))
	}
	if c.NATSListen != "" {
		if err := checkAddress(c.NATSListen); err != nil {
			errs = append(errs, fmt.Errorf("nats-listen: %w", err))
		} else if !loopback(c.NATSListen) {
			errs = append(errs, fmt.Errorf("nats-listen: %s can be reached from other machines and the embedded NATS asks for no password: "+
				"use a loopback address, or run a NATS of your own and give --nats URL", c.NATSListen))
		}
	}
	if !nodeName(c.NATSPrefix) {
		errs = append(errs, fmt.Errorf("nats-prefix: %q is not a name, use letters, digits, - and _, at most 64", c.NATSPrefix))
	}
	return errs
}

// checkAddress accepts host:port with a numeric port, 0 included.
func checkAddress(addr string) error {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("%q is not an address, it has to be HOST:PORT", addr)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return fmt.Errorf("%q has no valid port, it has to be HOST:PORT", addr)
	}
	return nil
}

// loopback reports whether only this machine can reach the address. A name other
// than localhost is never taken for one: what it resolves to can change.
func loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// nodeName accepts what can be a token of a NATS subject and a part of a stream's name.
func nodeName(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for _, r := range s {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_':
		default:
			return false
		}
	}
	return true
}
