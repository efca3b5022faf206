package rulefile

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// TimeRange is a condition on the local time of day, in minutes after midnight.
type TimeRange struct {
	From, To int  // inclusive
	Outside  bool // true for the minutes that are not within From and To
}

// Holds tells whether minute, counted from midnight, satisfies the condition.
func (r TimeRange) Holds(minute int) bool {
	return (minute >= r.From && minute <= r.To) != r.Outside
}

// ParseTime reads the original's time range, "9 am - 5:30 pm", "!22:00-23:00":
// hours 0 to 23 with optional minutes and am or pm (an hour above 12 is as it
// stands), blanks anywhere, both ends included. A start behind the end, over midnight, is the outside of the range
// from end to start, whose ends are excluded then; a leading ! is lost there.
func ParseTime(text string) (TimeRange, error) {
	s, negate := strings.CutPrefix(strings.TrimLeft(text, " \t\r\n"), "!")
	first, second, ok := strings.Cut(s, "-")
	if !ok {
		return TimeRange{}, fmt.Errorf("time %q has no end, write it as 9 am - 5:30 pm or 09:00-17:30", text)
	}
	from, err := parseClock(first)
	if err != nil {
		return TimeRange{}, fmt.Errorf("time %q: %w", text, err)
	}
	to, err := parseClock(second)
	if err != nil {
		return TimeRange{}, fmt.Errorf("time %q: %w", text, err)
	}
	if from > to {
		return TimeRange{From: to, To: from, Outside: true}, nil
	}
	return TimeRange{From: from, To: to, Outside: negate}, nil
}

func parseClock(text string) (int, error) {
	s := strings.ToLower(strings.Join(strings.Fields(text), ""))
	clock, pm := strings.CutSuffix(s, "pm")
	am := false
	if !pm {
		clock, am = strings.CutSuffix(s, "am")
	}
	h, m, minutes := strings.Cut(clock, ":")
	hour, err := digits(h, 23)
	if err != nil {
		return 0, fmt.Errorf("%q is no hour from 0 to 23", h)
	}
	minute := 0
	if minutes {
		if minute, err = digits(m, 59); err != nil {
			return 0, fmt.Errorf("%q is no minute from 0 to 59", m)
		}
	}
	switch {
	case am && hour == 12:
		hour = 0
	case pm && hour < 12:
		hour += 12
	}
	return hour*60 + minute, nil
}

func digits(s string, limit int) (int, error) {
	if len(s) < 1 || len(s) > 2 || strings.Trim(s, "0123456789") != "" {
		return 0, strconv.ErrSyntax
	}
	n, err := strconv.Atoi(s)
	if err == nil && n > limit {
		err = strconv.ErrRange
	}
	return n, err
}

var weekdayNames = []string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"}

// Weekdays is a set of days of the week.
type Weekdays [7]bool

// Holds tells whether day is in the set.
func (w Weekdays) Holds(day time.Weekday) bool { return w[day] }

// ParseWeekdays reads a list of days, parted by commas or blanks: English names
// in full or three letters, weekdays, weekends.
func ParseWeekdays(text string) (Weekdays, error) {
	var days Weekdays
	words := strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' || r == '\r' })
	if len(words) == 0 {
		return days, fmt.Errorf("weekday %q names no day, write it as monday, fri or weekends", text)
	}
	for _, word := range words {
		w, known := strings.ToLower(word), false
		for i, name := range weekdayNames {
			weekend := i == 0 || i == 6
			if w == name || w == name[:3] || w == "weekends" && weekend || w == "weekdays" && !weekend {
				days[i], known = true, true
			}
		}
		if !known {
			return Weekdays{}, fmt.Errorf("weekday %q: %q is no day, write it as monday, fri, weekdays or weekends", text, word)
		}
	}
	return days, nil
}
