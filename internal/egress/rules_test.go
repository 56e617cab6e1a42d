package egress

import (
	"net/netip"
	"testing"
)

func TestRules(t *testing.T) {
	t.Parallel()
	nets := func(list ...string) (out []netip.Prefix) { return prefixes(list...) }
	for name, test := range map[string]struct {
		rules Rules
		open  []string
		shut  []string
	}{
		"none": {
			Rules{},
			[]string{"1.1.1.1", "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1", "172.15.0.1", "172.32.0.1"},
			[]string{
				"127.0.0.1", "127.255.0.1", "::1", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "fd12::1",
				"0.0.0.0", "0.1.2.3", "::", "169.254.169.254", "fe80::1", "fe80::1%eth0", "224.0.0.1", "255.255.255.255", "ff02::1",
				"::ffff:127.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2002:a00:1::5",
				"2001::1", "64:ff9b:1::1", "::ffff:0:127.0.0.1", "::ffff:0:a9fe:a9fe", "168.63.129.16", "fd00:ec2::254", "100.100.100.200", "2001:db8::1", "192.0.2.1", "198.51.100.1", "203.0.113.1", "192.0.0.8",
			},
		},
		"private": {
			Rules{Private: true},
			[]string{"127.0.0.1", "::1", "10.0.0.1", "fd12::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "8.8.8.8"},
			[]string{"169.254.169.254", "::ffff:169.254.169.254", "fe80::1", "fd00:ec2::254", "fd20:ce::254", "fd00:42::42", "::ffff:0:a9fe:a9fe", "168.63.129.16", "100.100.100.200", "0.0.0.0", "224.0.0.1"},
		},
		"some of them": {
			Rules{Allow: nets("10.1.0.0/16", "169.254.10.0/24"), Deny: nets("10.1.2.0/24", "8.8.8.0/24")},
			[]string{"10.1.0.1", "::ffff:10.1.0.1", "169.254.10.1", "1.1.1.1"},
			[]string{"10.1.2.1", "::ffff:10.1.2.1", "10.2.0.1", "8.8.8.8", "64:ff9b::808:808", "169.254.11.1"},
		},
		"all denied": {
			Rules{Deny: nets("0.0.0.0/0", "::/0"), Private: true},
			nil,
			[]string{"1.1.1.1", "10.0.0.1", "2606:4700::1111"},
		},
	} {
		for _, s := range test.open {
			if !test.rules.Permits(netip.MustParseAddr(s)) {
				t.Errorf("%s: %s is shut", name, s)
			}
		}
		for _, s := range test.shut {
			if test.rules.Permits(netip.MustParseAddr(s)) {
				t.Errorf("%s: %s is open", name, s)
			}
		}
	}
	if (&Rules{Private: true}).Permits(netip.Addr{}) {
		t.Error("no address is open")
	}
}

// Whatever way an address is written, it is open only if the IPv4 address that it
// stands for is.
func FuzzRules(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1})
	f.Add([]byte{10, 0, 0, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		a, ok := netip.AddrFromSlice(b)
		if !ok {
			return
		}
		strict := (&Rules{}).Permits(a)
		if strict && (a.Unmap().IsLoopback() || a.Unmap().IsPrivate() || a.Unmap().IsLinkLocalUnicast() || a.Unmap().IsMulticast() || a.Unmap().IsUnspecified()) {
			t.Errorf("%v is open", a)
		}
		if strict && !(&Rules{Private: true}).Permits(a) {
			t.Errorf("%v is open only while private ones are not", a)
		}
		if a.Is4() {
			as16 := a.As16()
			if strict != (&Rules{}).Permits(netip.AddrFrom16(as16)) {
				t.Errorf("%v is not what it is in IPv6", a)
			}
		}
	})
}
