package jet

import (
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"

	"github.com/waystation/waystation/internal/logkey"
)

// Keys of log records.
const (
	keyService = logkey.Service
	keyStream  = "stream"
	keyError   = logkey.Error
	keyServer  = "server"
)

// serverLog hands the embedded server's words to slog. Its notices are
// chatter for an operator of Waystation, so they become debug records. So do the
// warnings of a start after a kill, and one record says what they come to.
type serverLog struct {
	log  *slog.Logger
	told *atomic.Bool // of the kill
}

func newServerLog(log *slog.Logger) serverLog { return serverLog{log, new(atomic.Bool)} }

// afterKill are words of warnings by which the server says that an index of a
// stream was not written when it ended, or is older than the stream itself. It is
// made anew from the stream then, and nothing is lost. Damaged files are told of
// in other words.
var afterKill = []string{
	"Stream state outdated, ",
	"Stream state detected prior state, ",
	"Stream state block does not exist or index mismatch",
	"Recovering stream state from index errored: ",
	"TTL state is outdated; ",
	"Recovering TTL state from index errored: ",
	"Message scheduling state is outdated; ",
}

func (l serverLog) Warnf(format string, v ...any) {
	text := fmt.Sprintf(format, v...)
	for _, words := range afterKill {
		if strings.Contains(text, words) {
			l.log.Debug(text)
			if !l.told.Swap(true) {
				l.log.Info("the store was not closed when it was last used: its indexes are made anew")
			}
			return
		}
	}
	l.log.Warn(text)
}

func (l serverLog) Noticef(format string, v ...any) { l.log.Debug(fmt.Sprintf(format, v...)) }
func (l serverLog) Fatalf(format string, v ...any)  { l.log.Error(fmt.Sprintf(format, v...)) }
func (l serverLog) Errorf(format string, v ...any)  { l.log.Error(fmt.Sprintf(format, v...)) }
func (l serverLog) Debugf(format string, v ...any)  { l.log.Debug(fmt.Sprintf(format, v...)) }
func (l serverLog) Tracef(string, ...any)           {}
