package egress

import (
	"net/netip"
	"slices"
)

// Rules say which addresses requests may go to. The zero value opens what the whole
// Internet can reach, and nothing else.
type Rules struct {
	// Deny comes first, then Allow, then what follows.
	Deny, Allow []netip.Prefix
	// Private opens the addresses of private networks and of this machine. Link-local
	// addresses, by which clouds give credentials to whoever asks, need Allow.
	Private bool
}

// never are addresses of no use to anybody who means well.
var never = prefixes(
	"0.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4", "::/128", "ff00::/8", // this network, multicast, reserved
	"169.254.0.0/16", "fe80::/10", "fec0::/10", "fd00:ec2::/32", "100.100.100.200/32", // link-local, and metadata of clouds elsewhere
	"168.63.129.16/32", "fd20:ce::254/128", "fd00:42::42/128",
	"192.0.0.0/24", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20", "100::/64", // protocols, documentation, discard
	"2001::/32", // Teredo: leads to an address that is not looked at
)

// private are addresses of machines nearby.
var private = prefixes(
	"127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "198.18.0.0/15", "fc00::/7",
	"64:ff9b:1::/48", // NAT64 of a network of its own
)

func prefixes(list ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, s := range list {
		out[i] = netip.MustParsePrefix(s)
	}
	return out
}

// carriers are IPv6 networks whose addresses stand for an IPv4 address, from that byte
// on: RFC 4291 (compatible), 2765 (translated), 6052 (NAT64), 3056 (6to4).
var carriers = []struct {
	network netip.Prefix
	at      int
}{
	{netip.MustParsePrefix("::/96"), 12},
	{netip.MustParsePrefix("::ffff:0:0:0/96"), 12},
	{netip.MustParsePrefix("64:ff9b::/96"), 12},
	{netip.MustParsePrefix("2002::/16"), 2},
}

// Permits reports whether requests may go to an address, and to the IPv4 address that
// it stands for, if it does.
func (r *Rules) Permits(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if !r.permits(a) {
		return false
	}
	for _, c := range carriers {
		if c.network.Contains(a) && a != netip.IPv6Loopback() {
			b := a.As16()
			return r.permits(netip.AddrFrom4([4]byte(b[c.at:])))
		}
	}
	return true
}

func (r *Rules) permits(a netip.Addr) bool {
	has := func(list []netip.Prefix) bool {
		return slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(a) })
	}
	switch {
	case !a.IsValid() || has(r.Deny):
		return false
	case has(r.Allow):
		return true
	case has(never):
		return false
	}
	return r.Private || !has(private)
}
