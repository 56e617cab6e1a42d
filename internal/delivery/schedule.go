package delivery

import (
	"math"
	"time"
)

// Function is how the delays of the backoff phase of a Schedule grow.
type Function string

// The functions, from the one that grows evenly to the one that stays low longest.
const (
	Linear      Function = "linear"
	Arithmetic  Function = "arithmetic"
	Geometric   Function = "geometric"
	Exponential Function = "exponential"
)

// Schedule says how often and when a message is tried again, in four phases.
// https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html
type Schedule struct {
	Immediate int // retries without delay,
	AtMin     int // then MinDelay apart,
	Backoff   int // then from MinDelay to MaxDelay,
	AtMax     int // then MaxDelay apart
	MinDelay  time.Duration
	MaxDelay  time.Duration
	Function  Function // ""; Linear
	// MaxAge of a message; 0: no bound but the number of retries.
	MaxAge time.Duration
}

// Retries in all.
func (s *Schedule) Retries() int { return s.Immediate + s.AtMin + s.Backoff + s.AtMax }

// Delay before the n-th retry, n from 1 to Retries.
func (s *Schedule) Delay(n int) time.Duration {
	switch n -= s.Immediate; {
	case n <= 0:
		return 0
	case n <= s.AtMin:
		return s.MinDelay
	case n <= s.AtMin+s.Backoff:
		return s.backoff(n - s.AtMin)
	}
	return s.MaxDelay
}

// backoff is the n-th delay of the backoff phase, n from 1.
func (s *Schedule) backoff(n int) time.Duration {
	low, high := float64(s.MinDelay), float64(s.MaxDelay)
	if s.Backoff < 2 || high <= low {
		return s.MaxDelay
	}
	last := float64(s.Backoff - 1)
	i := float64(n - 1)
	switch s.Function {
	case Arithmetic: // each step is larger than the one before by the same
		return time.Duration(low + (high-low)*i*(i+1)/(last*(last+1)))
	case Geometric: // each delay is larger than the one before by the same factor
		return time.Duration(math.Max(low, 1) * math.Pow(high/math.Max(low, 1), i/last))
	case Exponential: // each step is twice the one before
		return time.Duration(low + (high-low)*(math.Exp2(i)-1)/(math.Exp2(last)-1))
	}
	return time.Duration(low + (high-low)*i/last)
}

// Total of all delays.
func (s *Schedule) Total() (sum time.Duration) {
	for n := 1; n <= s.Retries(); n++ {
		sum += s.Delay(n)
	}
	return sum
}

// lasts is how long a message is of use, when each attempt takes timeout.
func (s *Schedule) lasts(timeout time.Duration) time.Duration {
	d := s.Total() + time.Duration(s.Retries()+1)*timeout
	if s.MaxAge > 0 && s.MaxAge < d {
		return s.MaxAge
	}
	return d
}

// jittered is d, more or less a tenth of it, by chance from 0 to 1: what failed at once
// is not tried again at once.
func jittered(d time.Duration, chance float64) time.Duration {
	return time.Duration(float64(d) * (0.9 + 0.2*chance))
}
