// Package schedule reads schedule expressions, and says when they fall due: those of
// EventBridge rules and of EventBridge Scheduler (EventBridge Scheduler User Guide,
// "Schedule types"; EventBridge User Guide, "Cron expressions reference").
//
//	rate(5 minutes)             every so often, from a given time on
//	cron(0 9 ? * MON-FRI *)     minutes, hours, day of month, month, day of week, year
//	at(2030-01-31T08:00:00)     once; Scheduler only
//
// cron and at go by the clock of a time zone. A time that a clock leaves out in spring
// is skipped by cron; at, which would else never come, counts on from before the change,
// so that 02:30 is 03:30. One that a clock shows twice in autumn is the first of them.
//
// In a field, a,b is a list, a-b a range, * all, and /n every n-th of a range, of all, or
// from a value on. Days of the week count from SUN, 1, to SAT, 7, and a range of them may
// go over the week's end. One of the two day fields is ?, and the other says on which
// days: beside numbers, L is the last day of the month, or of the week (SAT), LW the
// month's last weekday, 15W the weekday next to the 15th in the same month, 6L the last
// Friday of the month, 6#3 the third.
package schedule
