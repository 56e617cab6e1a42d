package jet

import (
	"fmt"
	"log/slog"
)

// Keys of log records.
const (
	keyService = "service"
	keyStream  = "stream"
	keyError   = "error"
	keyServer  = "server"
)

// serverLog hands the embedded server's words to slog. Its notices are
// chatter for an operator of Waystation, so they become debug records.
type serverLog struct{ log *slog.Logger }

func (l serverLog) Noticef(format string, v ...any) { l.log.Debug(fmt.Sprintf(format, v...)) }
func (l serverLog) Warnf(format string, v ...any)   { l.log.Warn(fmt.Sprintf(format, v...)) }
func (l serverLog) Fatalf(format string, v ...any)  { l.log.Error(fmt.Sprintf(format, v...)) }
func (l serverLog) Errorf(format string, v ...any)  { l.log.Error(fmt.Sprintf(format, v...)) }
func (l serverLog) Debugf(format string, v ...any)  { l.log.Debug(fmt.Sprintf(format, v...)) }
func (l serverLog) Tracef(string, ...any)           {}
