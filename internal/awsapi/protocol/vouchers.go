package protocol

import (
	"net/netip"
	"sync"
	"time"
)

const (
	// voucherTime is how long a proven signature speaks for its key's requests from the
	// same address.
	voucherTime = 15 * time.Minute
	// maxVouchers bounds those that are kept. At the bound the older half is forgotten:
	// who was among them has to prove itself once more.
	maxVouchers = 16384
)

// voucher is an access key and the network it was used from.
type voucher struct {
	key  string
	addr netip.Addr
}

// vouchers remember from where keys were used with a good signature. Most SDKs sign
// their body without naming its hash in the header: so what they send is counted as
// their key's before the body has shown that it is.
type vouchers struct {
	mu            sync.Mutex            // guards what follows
	recent, older map[voucher]time.Time // when they end
}

// has reports whether v was added lately.
func (s *vouchers) has(v voucher, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return now.Before(s.recent[v]) || now.Before(s.older[v])
}

func (s *vouchers) add(v voucher, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.recent == nil || len(s.recent) >= maxVouchers/2 {
		s.older, s.recent = s.recent, map[voucher]time.Time{}
	}
	s.recent[v] = now.Add(voucherTime)
}
