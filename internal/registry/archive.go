package registry

import "slices"

// Archive is the definition of one archive of an event bus. Account and region are those
// of the bus. An Archive that came out of a Registry is shared and must not be changed;
// Clone it first.
type Archive struct {
	Meta

	// BusName and Bus, its Incarnation, say what is archived. Set once.
	BusName string `cbor:"10,keyasint,omitempty"`
	Bus     uint64 `cbor:"11,keyasint,omitempty"`

	Description string `cbor:"12,keyasint,omitempty"`
	// Pattern that events have to match, as JSON; "": all are archived.
	Pattern string `cbor:"13,keyasint,omitempty"`
	// RetentionDays is how long events are kept; 0: for ever.
	RetentionDays int    `cbor:"14,keyasint,omitempty"`
	KMSKeyID      string `cbor:"15,keyasint,omitempty"`

	// Remains is the ID of an archive that was deleted: this is no archive, but says
	// that the other's events are to be removed. Its account and region are
	// ArchiveRemains, its name is the ID in hexadecimal digits. Of is what the archive
	// was called, as an ARN.
	Remains uint64 `cbor:"16,keyasint,omitempty"`
	Of      string `cbor:"17,keyasint,omitempty"`
}

// ArchiveRemains is the account and the region of archives that are being deleted.
const ArchiveRemains = "waystation"

// ARN of the archive: arn:aws:events:region:account:archive/name.
func (a *Archive) ARN() string {
	return arnPrefix + "events:" + a.Region + ":" + a.Account + ":archive/" + a.Name
}

// BusARN is the ARN of its bus.
func (a *Archive) BusARN() string {
	return Resource{Kind: "bus", Account: a.Account, Region: a.Region, Name: a.BusName}.ARN()
}

// Clone returns a deep copy.
func (a *Archive) Clone() *Archive {
	c := *a
	return &c
}

// States of a Replay.
const (
	ReplayStarting   = "STARTING"
	ReplayRunning    = "RUNNING"
	ReplayCancelling = "CANCELLING"
	ReplayCompleted  = "COMPLETED"
	ReplayCancelled  = "CANCELLED"
	ReplayFailed     = "FAILED"
)

// Replay is the definition of one replay of archived events, and how far it has come.
type Replay struct {
	Meta

	// ArchiveARN and Archive, its ID. What stands here up to Partition is set once.
	ArchiveARN  string `cbor:"10,keyasint"`
	Archive     uint64 `cbor:"11,keyasint"`
	Description string `cbor:"12,keyasint,omitempty"`
	// From and To bound the times of the events, To included; Unix milliseconds.
	From int64 `cbor:"13,keyasint,omitempty"`
	To   int64 `cbor:"14,keyasint,omitempty"`
	// BusARN is where they go, to the Rules of these ARNs alone; none: to all.
	BusARN string   `cbor:"15,keyasint"`
	Rules  []string `cbor:"16,keyasint,omitempty"`
	// Partition on which whoever carries it out is told so.
	Partition uint32 `cbor:"17,keyasint,omitempty"`

	State  string `cbor:"18,keyasint"`
	Reason string `cbor:"19,keyasint,omitempty"`
	// Started and Ended are Unix milliseconds; 0: not yet.
	Started int64 `cbor:"20,keyasint"`
	Ended   int64 `cbor:"21,keyasint,omitempty"`
	// Last is the time of the latest event that was replayed, in Unix milliseconds; 0:
	// of none.
	Last int64 `cbor:"22,keyasint,omitempty"`
	// Next is, for each partition, the key of the archived message with which it goes
	// on, and End the one before which it ends.
	Next []uint64 `cbor:"23,keyasint,omitempty"`
	End  []uint64 `cbor:"24,keyasint,omitempty"`
}

// ARN of the replay: arn:aws:events:region:account:replay/name.
func (r *Replay) ARN() string {
	return arnPrefix + "events:" + r.Region + ":" + r.Account + ":replay/" + r.Name
}

// Active reports whether it has not ended.
func (r *Replay) Active() bool { return r.Ended == 0 }

// Clone returns a deep copy.
func (r *Replay) Clone() *Replay {
	c := *r
	c.Rules, c.Next, c.End = slices.Clone(r.Rules), slices.Clone(r.Next), slices.Clone(r.End)
	return &c
}

// How many there can be, of all accounts together.
const (
	maxArchives = 100_000
	maxReplays  = 100_000
)

// Indexes of Archives: by the ARN of their bus, and those that are being deleted, under
// "yes".
const (
	ArchivesOfBus = iota
	DeletingArchives
)

// ActiveReplays is the index of Replays by which those that have not ended are found,
// under their account, a slash and the region.
const ActiveReplays = 0

var archives = Kind[Archive]{
	Tag: tagArchive, Name: "archive", Version: 1, Limit: maxArchives,
	Meta:  func(a *Archive) *Meta { return &a.Meta },
	Clone: (*Archive).Clone,
	Keep: func(now, old *Archive) {
		now.BusName, now.Bus, now.Remains, now.Of = old.BusName, old.Bus, old.Remains, old.Of
	},
	Share: func(a, near *Archive) {
		share(&a.BusName, near.BusName)
		share(&a.Pattern, near.Pattern)
		share(&a.KMSKeyID, near.KMSKeyID)
	},
	Indexes: []func(*Archive) string{
		func(a *Archive) string {
			if a.Remains != 0 {
				return ""
			}
			return a.BusARN()
		},
		func(a *Archive) string {
			if a.Remains != 0 {
				return "yes"
			}
			return ""
		},
	},
}

var replays = Kind[Replay]{
	Tag: tagReplay, Name: "replay", Version: 1, Limit: maxReplays,
	Meta:  func(r *Replay) *Meta { return &r.Meta },
	Clone: (*Replay).Clone,
	Keep: func(now, old *Replay) {
		now.ArchiveARN, now.Archive, now.Description, now.From, now.To = old.ArchiveARN, old.Archive, old.Description, old.From, old.To
		now.BusARN, now.Rules, now.Partition, now.Started = old.BusARN, old.Rules, old.Partition, old.Started
	},
	Share: func(r, near *Replay) {
		share(&r.ArchiveARN, near.ArchiveARN)
		share(&r.BusARN, near.BusARN)
	},
	Indexes: []func(*Replay) string{func(r *Replay) string {
		if r.Active() {
			return r.Account + "/" + r.Region
		}
		return ""
	}},
}

// Archives are the definitions of archives.
func (r *Registry) Archives() *Table[Archive] { return r.archives }

// Replays are the definitions of replays.
func (r *Registry) Replays() *Table[Replay] { return r.replays }
