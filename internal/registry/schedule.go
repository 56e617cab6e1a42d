package registry

import "maps"

// DefaultScheduleGroup is the name of the group of schedules that every account has in
// every region, also where no definition of it is stored.
const DefaultScheduleGroup = "default"

// ScheduleGroup is the definition of one group of schedules. That of the group named
// DefaultScheduleGroup is stored once it has a schedule, and never deleted. A
// ScheduleGroup that came out of a Registry is shared and must not be changed; Clone it
// first.
type ScheduleGroup struct {
	Meta

	// Partitions that there were when the group was made: its schedules are spread over
	// those from 0 on. Set once.
	Partitions uint32 `cbor:"10,keyasint"`
	// Deleting is since when the group is being deleted, in Unix milliseconds; 0: it is
	// not.
	Deleting int64 `cbor:"11,keyasint,omitempty"`
	// CreateToken and DeleteToken are the client's, of the requests that made it and
	// that deletes it.
	CreateToken string `cbor:"12,keyasint,omitempty"`
	DeleteToken string `cbor:"13,keyasint,omitempty"`

	Tags map[string]string `cbor:"14,keyasint,omitempty"`
}

// ARN of the group: arn:aws:scheduler:region:account:schedule-group/name.
func (g *ScheduleGroup) ARN() string {
	return arnPrefix + "scheduler:" + g.Region + ":" + g.Account + ":schedule-group/" + g.Name
}

// ScheduleARN is the ARN of one of its schedules:
// arn:aws:scheduler:region:account:schedule/group/name.
func (g *ScheduleGroup) ScheduleARN(name string) string {
	return arnPrefix + "scheduler:" + g.Region + ":" + g.Account + ":schedule/" + g.Name + "/" + name
}

// Clone returns a deep copy.
func (g *ScheduleGroup) Clone() *ScheduleGroup {
	c := *g
	c.Tags = maps.Clone(g.Tags)
	return &c
}

// DefaultMaxScheduleGroups is how many there can be, of all accounts together, unless
// Config says otherwise.
const DefaultMaxScheduleGroups = 100_000

// DeletingScheduleGroups is the index of ScheduleGroups by which those that are being
// deleted are found, under "yes".
const DeletingScheduleGroups = 0

func scheduleGroups(limit int) Kind[ScheduleGroup] {
	return Kind[ScheduleGroup]{
		Tag: tagScheduleGroup, Name: "schedule group", Version: 1, Limit: limit,
		Meta:  func(g *ScheduleGroup) *Meta { return &g.Meta },
		Clone: (*ScheduleGroup).Clone,
		Keep:  func(now, old *ScheduleGroup) { now.Partitions, now.CreateToken = old.Partitions, old.CreateToken },
		Indexes: []func(*ScheduleGroup) string{func(g *ScheduleGroup) string {
			if g.Deleting != 0 {
				return "yes"
			}
			return ""
		}},
	}
}

// ScheduleGroups are the definitions of groups of schedules.
func (r *Registry) ScheduleGroups() *Table[ScheduleGroup] { return r.scheduleGroups }
