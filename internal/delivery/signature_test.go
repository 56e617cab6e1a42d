package delivery

import (
	"strings"
	"testing"
	"time"
)

// The example of the specification's own libraries.
func TestStandardWebhooks(t *testing.T) {
	t.Parallel()
	secret, err := ParseSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	const want = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
	now := time.Unix(1614265330, 500)
	body := []byte(`{"test": 2432232314}`)
	s := Secrets{Current: secret}
	got := s.Headers("msg_p5jXN8AQM9LWM0D4loKWxJek", now, body)
	for i, h := range []Header{{"webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"}, {"webhook-timestamp", "1614265330"}, {"webhook-signature", want}} {
		if got[i] != h {
			t.Errorf("%+v, want %+v", got[i], h)
		}
	}

	// While the secret is replaced, both are good; then the new one alone.
	s = Secrets{Current: []byte(strings.Repeat("n", 24)), Previous: secret, PreviousUntil: now.Add(time.Second)}
	both := s.Headers("msg_p5jXN8AQM9LWM0D4loKWxJek", now, body)[2].Value
	if list := strings.Fields(both); len(list) != 2 || list[0] == want || list[1] != want {
		t.Errorf("while it is replaced: %s", both)
	}
	s.PreviousUntil = now
	if one := s.Headers("msg_p5jXN8AQM9LWM0D4loKWxJek", now, body)[2].Value; len(strings.Fields(one)) != 1 || one == want {
		t.Errorf("afterwards: %s", one)
	}

	for _, bad := range []string{"", "whsec_", "whsec_AAAA", "whsec_!", "whsec_" + strings.Repeat("A", 200)} {
		if _, err := ParseSecret(bad); err == nil {
			t.Errorf("%q is a secret", bad)
		}
	}
}
