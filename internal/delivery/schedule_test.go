package delivery

import (
	"math"
	"testing"
	"time"
)

func TestSchedule(t *testing.T) {
	t.Parallel()
	s := Schedule{Immediate: 2, AtMin: 1, Backoff: 5, AtMax: 2, MinDelay: time.Second, MaxDelay: 17 * time.Second}
	for function, want := range map[Function][]float64{
		"":          {0, 0, 1, 1, 5, 9, 13, 17, 17, 17},
		Linear:      {0, 0, 1, 1, 5, 9, 13, 17, 17, 17},
		Arithmetic:  {0, 0, 1, 1, 2.6, 5.8, 10.6, 17, 17, 17},
		Geometric:   {0, 0, 1, 1, 2.0305, 4.1231, 8.3721, 17, 17, 17},
		Exponential: {0, 0, 1, 1, 2.0667, 4.2, 8.4667, 17, 17, 17},
	} {
		s.Function = function
		if s.Retries() != len(want) {
			t.Fatalf("%d retries", s.Retries())
		}
		for i, w := range want {
			if got := s.Delay(i + 1).Seconds(); math.Abs(got-w) > 0.001 {
				t.Errorf("%s: retry %d after %v s, want %v", function, i+1, got, w)
			}
		}
	}
	// With many retries the functions differ as they are meant to.
	s = Schedule{Backoff: 21, MinDelay: time.Second, MaxDelay: 101 * time.Second}
	last := time.Duration(math.MaxInt64)
	for _, s.Function = range []Function{Linear, Arithmetic, Geometric, Exponential} {
		if d := s.Delay(11); d >= last {
			t.Errorf("%s: %v in the middle, no less than the one before: %v", s.Function, d, last)
		} else {
			last = d
		}
		if s.Delay(1) != s.MinDelay || s.Delay(21) != s.MaxDelay {
			t.Errorf("%s: from %v to %v", s.Function, s.Delay(1), s.Delay(21))
		}
	}
	for _, one := range []Schedule{
		{Backoff: 1, MinDelay: time.Second, MaxDelay: time.Minute},
		{Backoff: 3, MinDelay: time.Minute, MaxDelay: time.Minute, Function: Geometric},
		{Backoff: 3, MinDelay: 0, MaxDelay: time.Minute, Function: Geometric},
	} {
		if d := one.Delay(one.Retries()); d != time.Minute {
			t.Errorf("%+v: %v before the last retry", one, d)
		}
	}
	if d := (&Schedule{Backoff: 3, MinDelay: 20 * time.Second, MaxDelay: 20 * time.Second}).lasts(15 * time.Second); d != 2*time.Minute {
		t.Errorf("it lasts %v", d)
	}
	if d := (&Schedule{Backoff: 3, MinDelay: time.Minute, MaxDelay: time.Minute, MaxAge: time.Minute}).lasts(time.Second); d != time.Minute {
		t.Errorf("it lasts %v", d)
	}
	if a, b := jittered(10*time.Second, 0), jittered(10*time.Second, 1); a != 9*time.Second || b != 11*time.Second {
		t.Errorf("from %v to %v", a, b)
	}
}
