// Package jet is the way to the log. It is the only package that knows NATS:
// an embedded server or a connection to external ones, streams of entries,
// key-value buckets with watches, and requests between nodes.
//
// # Guarantees
//
// An Append that ended without an error is durable. Embedded, the server runs
// with sync_interval "always": it writes and fsyncs the stream's file once for
// each append before it acknowledges (seen with strace: 1,000 appends, 1,002
// pwrite64, 1,010 fsync). On external servers it means what they are set to:
// one server fsyncs if it has `sync_interval: always`; with three replicas a
// quorum has taken the entry in.
//
// An append is a compare-and-set on the stream's last sequence. Several may be
// under way; the server takes them in the order of the calls. Every append ends
// exactly once, at the latest after Config.AckTimeout, also when the process
// or the server was frozen meanwhile. ErrUnavailable leaves open whether it was
// stored: read the sequence that was expected. What is not on its way yet when
// the connection is lost is not sent later.
//
// Reads may be answered by any replica. A replica that lags is not believed
// when it says that there is no such entry: the leader is asked.
//
// Nothing is ever altered or deleted because its settings are not as needed:
// *DriftError says what differs. An embedded store that cannot be read whole is
// refused at Open, since the server itself would go on without the streams it
// could not read, and they would then be created anew. A stream whose newest file
// is damaged anywhere but in its last write is not opened (*DamagedError), since
// the server cuts off what stands behind the damage; see reaches.
//
// # Streams, buckets, connections
//
// A stream has one subject, file storage, no limits, discard new, direct reads,
// no deletion of single entries. Entries carry their writer's id in the header
// Ws-Id (not Nats-Msg-Id: the server must not drop anything as a duplicate).
// A bucket is one for `nats kv` too: stream KV_<bucket>, subjects
// $KV.<bucket>.<key>, history 1.
//
// A deleted key leaves a marker that the server drops after Config.MarkerLife,
// so that names that come and go do not fill the bucket. A watch that lost
// touch for longer could miss it; therefore each new start of a watch compares
// the whole bucket with what it has reported, and the server forgets watches
// well before it forgets markers.
//
// A Conn has two connections: one for appends, changes and requests, one for
// reads. The server works through what one connection sends in order and
// answers direct reads in line, so 8 MiB of replay would hold up
// acknowledgements on the same one. Embedded they are pipes in memory; no port
// is opened unless Config.Listen says so.
//
// # When the disk is full
//
// What nats-server 2.15 does on a failed write (tried with a full tmpfs):
//
//   - An unreplicated stream keeps the error for good. That append and all
//     later ones to the stream get no answer at all, and purging it is refused
//     with the same error, even when there is room again. JetStream stays
//     enabled; reads and other streams go on. Only a new start of the server
//     ends this; a torn entry at the end is dropped then.
//   - A replicated stream steps down from leading and stops taking part. When
//     the write of a raft log failed for lack of space, the server turns
//     JetStream off as a whole. Both last until that server is started anew.
//   - Without permission to write, JetStream is turned off.
//
// So it is better not to get there: the product refuses sends while Space().Free
// is below a reserve, and receives when half of that is gone too. What makes room
// is never refused, and there is room for it: beside the embedded server's store a
// file of 16 MiB (a sixteenth of a disk of less than 256 MiB) holds nothing, and is
// removed when the disk is full all the same, because another program filled it.
// It is made again once there is twice its room. Space never tells of its room as
// free, so that nobody else uses it.
//
// When a write fails, the appends under way end in ErrUnavailable after AckTimeout;
// then the server is asked how it is, that file is removed if less than 4 MiB are
// free, and the server is started anew within this process. When there is no such
// file any more and still no room, appends end at once in ErrFull until 4 MiB are
// free. Conn.Health tells of it. External servers have to be restarted by their
// operator.
//
// # Cost
//
// Measured on two shared cores, embedded, fsync on, one writer, appends in
// flight 1 / 2 / 4: 1 KiB entries 4,500 / 5,300 / 5,500 a second; 64 KiB 165 /
// 184 / 203 MB/s; 256 KiB 258 / 358 / 400 MB/s. More than 4 gain nothing.
// Reading back in 256 KiB entries 1.2 GB/s; one entry by Get 22 µs (1 KiB) or
// 345 µs (256 KiB). Open on an empty folder takes 2 ms.
package jet
