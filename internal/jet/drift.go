package jet

import (
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// shortestWindow is the server's least window for duplicates by Nats-Msg-Id,
// which is not used here.
const shortestWindow = 100 * time.Millisecond

// streamConfig is what a stream of entries must be like.
func streamConfig(spec StreamSpec, replicas int) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:              spec.Name,
		Description:       spec.Description,
		Subjects:          []string{spec.Subject},
		Retention:         jetstream.LimitsPolicy,
		Storage:           jetstream.FileStorage,
		Replicas:          replicas,
		MaxConsumers:      -1,
		MaxMsgs:           -1,
		MaxBytes:          -1,
		MaxMsgsPerSubject: -1,
		MaxMsgSize:        -1,
		Discard:           jetstream.DiscardNew, // should anyone ever set a limit
		Duplicates:        shortestWindow,
		AllowDirect:       true,
		DenyDelete:        true, // an entry in the middle must not go
	}
}

// bucketConfig is what a bucket must be like. It is one for `nats kv` as well.
func bucketConfig(spec KVSpec, replicas int) jetstream.StreamConfig {
	cfg := streamConfig(StreamSpec{
		Name:        "KV_" + spec.Bucket,
		Description: spec.Description,
		Subject:     "$KV." + spec.Bucket + ".>",
	}, replicas)
	cfg.MaxMsgsPerSubject = 1
	cfg.AllowRollup = true
	cfg.AllowMsgTTL = true
	return cfg
}

// driftOf compares what a stream is like with what is needed; nil when all that
// matters agrees.
func driftOf(have, want jetstream.StreamConfig) error {
	var drifts []Drift
	differ := func(field string, h, w any) {
		if hs, ws := fmt.Sprint(h), fmt.Sprint(w); hs != ws {
			drifts = append(drifts, Drift{Field: field, Have: hs, Want: ws})
		}
	}
	differ("storage", name(have.Storage), name(want.Storage))
	differ("retention", name(have.Retention), name(want.Retention))
	differ("replicas", have.Replicas, want.Replicas)
	differ("subjects", have.Subjects, want.Subjects)
	differ("discard", name(have.Discard), name(want.Discard))
	differ("max_age", have.MaxAge, want.MaxAge)
	differ("max_bytes", limit(have.MaxBytes), limit(want.MaxBytes))
	differ("max_msgs", limit(have.MaxMsgs), limit(want.MaxMsgs))
	differ("max_msgs_per_subject (history)", limit(have.MaxMsgsPerSubject), limit(want.MaxMsgsPerSubject))
	differ("max_msg_size", limit(int64(have.MaxMsgSize)), limit(int64(want.MaxMsgSize)))
	differ("allow_direct", have.AllowDirect, want.AllowDirect)
	differ("deny_delete", have.DenyDelete, want.DenyDelete)
	differ("deny_purge", have.DenyPurge, want.DenyPurge)
	differ("allow_rollup", have.AllowRollup, want.AllowRollup)
	differ("allow_msg_ttl", have.AllowMsgTTL, want.AllowMsgTTL)
	differ("subject_delete_marker_ttl", have.SubjectDeleteMarkerTTL, want.SubjectDeleteMarkerTTL)
	differ("allow_msg_counter", have.AllowMsgCounter, want.AllowMsgCounter)
	differ("compression", name(have.Compression), name(want.Compression))
	differ("persist_mode", name(have.PersistMode), name(want.PersistMode))
	differ("no_ack", have.NoAck, want.NoAck)
	differ("sealed", have.Sealed, want.Sealed)
	differ("mirror", have.Mirror != nil, want.Mirror != nil)
	differ("sources", len(have.Sources), len(want.Sources))
	differ("subject_transform", have.SubjectTransform != nil, want.SubjectTransform != nil)
	if len(drifts) == 0 {
		return nil
	}
	return &DriftError{Stream: have.Name, Drifts: drifts}
}

// name is a setting's word in the server's own spelling.
func name(v fmt.Stringer) string { return strings.ToLower(v.String()) }

// limit shows a limit; the server takes anything below 1 for none.
func limit(n int64) string {
	if n <= 0 {
		return "unlimited"
	}
	return fmt.Sprint(n)
}
