// Package hostile attacks the real server as a client without a key can: floods of
// bodies that nobody signed, bodies that grow a hundredfold when they are decoded,
// connections by the ten thousand that send nothing or a byte a second. The
// server's resident memory has to stay bounded, and clients with a key have to be
// served meanwhile.
//
// Nothing is asserted about time. What a crowd costs others in latency is measured
// by `waystation bench`, see docs/performance.md.
package hostile
