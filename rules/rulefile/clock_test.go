package rulefile_test

import (
	"testing"
	"time"

	"invigil/rules/rulefile"
)

func TestTimeRanges(t *testing.T) {
	for _, c := range []struct {
		about, text string
		want        rulefile.TimeRange
	}{
		{"hours with am and pm", "9 am - 5:30 pm", rulefile.TimeRange{From: 540, To: 1050}},
		{"without blanks, 24 hours", "09:00-17:30", rulefile.TimeRange{From: 540, To: 1050}},
		{"noon is 12 pm, midnight 12 am", "12 AM-12pm", rulefile.TimeRange{From: 0, To: 720}},
		{"over midnight is the outside of the inverse", "6 pm - 8:30 am", rulefile.TimeRange{From: 510, To: 1080, Outside: true}},
		{"a leading ! is the outside", "!10-11", rulefile.TimeRange{From: 600, To: 660, Outside: true}},
		{"a leading ! is lost over midnight", "! 22:00 - 6:00", rulefile.TimeRange{From: 360, To: 1320, Outside: true}},
		{"one minute", "1:02-1:02", rulefile.TimeRange{From: 62, To: 62}},
	} {
		if got, err := rulefile.ParseTime(c.text); err != nil || got != c.want {
			t.Errorf("%s: %q is %+v, %v; want %+v", c.about, c.text, got, err, c.want)
		}
	}
	for _, text := range []string{"", "9", "9-", "-9", "24-1", "9:60-10", "9:-10", "nine-ten", "9 xm-10", "123-4", "!", "9--10"} {
		if got, err := rulefile.ParseTime(text); err == nil {
			t.Errorf("%q is read as %+v", text, got)
		}
	}
}

func TestTimeRangeIncludesItsEndsButNotWhenItIsOutside(t *testing.T) {
	day, night := rulefile.TimeRange{From: 10, To: 20}, rulefile.TimeRange{From: 10, To: 20, Outside: true}
	for minute, in := range map[int]bool{9: false, 10: true, 15: true, 20: true, 21: false} {
		if day.Holds(minute) != in || night.Holds(minute) == in {
			t.Errorf("minute %d", minute)
		}
	}
}

func TestWeekdays(t *testing.T) {
	for text, want := range map[string]string{"monday": " 1", "fri,Sat": " 5 6", "weekends": " 0 6", "weekdays": " 1 2 3 4 5", " tue  wed,": " 2 3", "sunday,weekdays": " 0 1 2 3 4 5"} {
		days, err := rulefile.ParseWeekdays(text)
		got := ""
		for d := time.Sunday; d <= time.Saturday; d++ {
			if days.Holds(d) {
				got += " " + string(rune('0'+d))
			}
		}
		if err != nil || got != want {
			t.Errorf("%q is%s, %v; want%s", text, got, err, want)
		}
	}
	for _, text := range []string{"", " , ", "someday", "!monday", "mond"} {
		if days, err := rulefile.ParseWeekdays(text); err == nil {
			t.Errorf("%q is read as %v", text, days)
		}
	}
}
