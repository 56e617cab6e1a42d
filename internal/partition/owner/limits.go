package owner

import "sync/atomic"

// Space says how much of the storage's reserve is left. One for all owners of a
// process; whoever watches the storage sets it.
type Space struct {
	level atomic.Int32
	share atomic.Int64
}

// How much room the storage has.
const (
	SpaceEnough = iota // everything is done
	SpaceShort         // posts are refused, so that receives can go on
	SpaceEnd           // receives too, so that what makes room always can
)

// Set says how much room there is, and how many bytes of the reserve one partition
// may take to write again what lives, and for garbage while space is short; 0: no
// bound. It returns which level was said before, and whether anything is new.
func (s *Space) Set(level int32, share int64) (before int32, news bool) {
	before = s.level.Swap(level)
	return before, s.share.Swap(share) != share || before != level
}

// Level is what Set said last.
func (s *Space) Level() int32 { return s.level.Load() }

// forPosts refuses what adds to the log for long.
func (s *Space) forPosts() error {
	if s.Level() >= SpaceShort {
		return ErrFull
	}
	return nil
}

// forReceives refuses what adds to the log, if only facts.
func (s *Space) forReceives() error {
	if s.Level() >= SpaceEnd {
		return ErrFull
	}
	return nil
}

// scarceGarbage is how much garbage the journal works off while space is short,
// though more lives than that: the partition's share, so much at most.
const scarceGarbage = 8 << 20

// garbage from which on the journal works it off because space is short; 0: it is not.
func (s *Space) garbage() int64 {
	if s.Level() < SpaceShort {
		return 0
	}
	if share := s.share.Load(); share > 0 {
		return min(share, scarceGarbage)
	}
	return scarceGarbage
}

// SpaceChanged tells the owner that Space was set: those who waited for messages
// while receives were refused are served.
func (o *Owner) SpaceChanged() {
	o.j.RewriteWithin(o.cfg.Space.share.Load())
	o.j.SpaceShort(o.cfg.Space.garbage())
	if o.cfg.Space.forReceives() == nil {
		o.serveAll()
	}
}

// Memory is what messages may take in memory, shared by all owners of a process.
// What is there can grow beyond it by what is under way, and by replay.
type Memory struct {
	maxBytes, maxMessages int64
	bytes, messages       atomic.Int64
}

// NewMemory bounds messages and what they take, in bytes; 0: no bound.
func NewMemory(maxBytes, maxMessages int64) *Memory {
	return &Memory{maxBytes: maxBytes, maxMessages: maxMessages}
}

// Used is what messages take now, in bytes, and how many there are.
func (m *Memory) Used() (bytes, messages int64) { return m.bytes.Load(), m.messages.Load() }

// Limit is what NewMemory was given.
func (m *Memory) Limit() (bytes, messages int64) { return m.maxBytes, m.maxMessages }

// Full reports whether posts are refused.
func (m *Memory) Full() bool {
	return m.maxBytes > 0 && m.bytes.Load() >= m.maxBytes || m.maxMessages > 0 && m.messages.Load() >= m.maxMessages
}

func (m *Memory) add(bytes, messages int64) {
	m.bytes.Add(bytes)
	m.messages.Add(messages)
}

// account tells Memory what the partition holds now. Call with mu held.
func (o *Owner) account() {
	u := o.st.Usage()
	if u.Bytes != o.held || u.Messages != o.heldMessages {
		o.cfg.Memory.add(u.Bytes-o.held, u.Messages-o.heldMessages)
		o.held, o.heldMessages = u.Bytes, u.Messages
	}
}
