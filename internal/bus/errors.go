package bus

import "errors"

// The outcomes that a caller tells apart, beside those of packages registry and
// partition.
var (
	// ErrNoBus: there is no such bus (any more).
	ErrNoBus = errors.New("bus: no such event bus")
	// ErrNoRule: the bus has no such rule (any more).
	ErrNoRule = errors.New("bus: no such rule")
	// ErrExists: the name is taken by another bus.
	ErrExists = errors.New("bus: there is an event bus of this name")
	// ErrDefault: the default bus is not to be deleted.
	ErrDefault = errors.New("bus: the default event bus cannot be deleted")
	// ErrHasRules: the bus has rules, so that it cannot be deleted.
	ErrHasRules = errors.New("bus: the event bus has rules")
	// ErrHasTargets: the rule has targets, so that it cannot be deleted.
	ErrHasTargets = errors.New("bus: the rule has targets")
	// ErrRules: the bus has as many rules as it may.
	ErrRules = errors.New("bus: too many rules")
	// ErrTargets: the rule would have more than MaxTargets.
	ErrTargets = errors.New("bus: too many targets")
	// ErrNoConnection and ErrNoDestination: there is no such connection or API
	// destination (any more).
	ErrNoConnection  = errors.New("bus: no such connection")
	ErrNoDestination = errors.New("bus: no such API destination")
	// ErrConnectionExists and ErrDestinationExists: the name is taken.
	ErrConnectionExists  = errors.New("bus: there is a connection of this name")
	ErrDestinationExists = errors.New("bus: there is an API destination of this name")
	// ErrConnections and ErrDestinations: the account has as many as it may.
	ErrConnections  = errors.New("bus: too many connections")
	ErrDestinations = errors.New("bus: too many API destinations")
	// ErrHasArchives: the bus has archives, so that it cannot be deleted.
	ErrHasArchives = errors.New("bus: the event bus has archives")
	// ErrNoArchive: there is no such archive (any more).
	ErrNoArchive = errors.New("bus: no such archive")
	// ErrArchiveExists: the name is taken by another archive.
	ErrArchiveExists = errors.New("bus: there is an archive of this name")
	// ErrArchives: the account has MaxArchives.
	ErrArchives = errors.New("bus: too many archives")
	// ErrNoReplay: there is no such replay (any more).
	ErrNoReplay = errors.New("bus: no such replay")
	// ErrReplayExists: the name is taken by another replay.
	ErrReplayExists = errors.New("bus: there is a replay of this name")
	// ErrReplays: MaxReplays of the account are under way.
	ErrReplays = errors.New("bus: too many replays under way")
	// ErrReplayEnded: the replay cannot be cancelled, since it has ended or is being
	// cancelled.
	ErrReplayEnded = errors.New("bus: the replay has ended")
	// ErrEvent: the event cannot be matched: it is nested too deeply, or its arrays have
	// too many combinations of values. Nothing was delivered.
	ErrEvent = errors.New("bus: the event cannot be matched against the rules")
)
