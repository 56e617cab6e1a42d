package protocol

// class is what is known of a caller before its request is dealt with.
type class int

const (
	// known callers have proven their signature, in this request's header or a short
	// while ago, see vouchers; in open mode all are.
	known class = iota
	// claiming callers name a key that there is. Whether they have its secret, their
	// body will tell.
	claiming
	// unsigned callers have not signed, where keys are demanded.
	unsigned
	classCount
)

// room is an amount of something that all callers share. Each class has a part of
// it together with those below it, so that it leaves something to those above.
type room struct{ parts, used [classCount]int64 }

// free is how much is left for a caller of class c.
func (r *room) free(c class) int64 {
	least := r.parts[known] - r.used[known]
	for below := known + 1; below <= c; below++ {
		least = min(least, r.parts[below]-r.used[below])
	}
	return least
}

// charge books n for a caller of class c; n may be negative.
func (r *room) charge(c class, n int64) {
	for above := known; above <= c; above++ {
		r.used[above] += n
	}
}

// memoryRoom is the room for n bytes.
func memoryRoom(n int64) room {
	strangers := min(max(n/8, minStrangers), maxStrangers, n)
	return room{parts: [classCount]int64{n, max(n-n/4, strangers), strangers}}
}

// requestRoom is the room for n requests.
func requestRoom(n int64) room {
	return room{parts: [classCount]int64{n, max(n-n/4, 1), max(n/4, 1)}}
}
