package state_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"invigil/state"
)

func TestALineIsSeenAsItIsLoaded(t *testing.T) {
	const text = "a:1\n\nplain\r\n\"x:y\":\"v\"\n10.0.0.7/24\nbad:\"v\n"
	tests := []struct {
		kind state.ListKind
		want []state.ListLine
	}{
		{state.ListCDB, []state.ListLine{
			{Number: 1, Text: "a:1", Entry: true, Key: "a", Value: "1"},
			{Number: 3, Text: "plain"},
			{Number: 4, Text: `"x:y":"v"`, Entry: true, Key: "x:y", Value: "v", Quoted: true},
			{Number: 5, Text: "10.0.0.7/24"},
			{Number: 6, Text: `bad:"v`},
		}},
		{state.ListPrefix, []state.ListLine{
			{Number: 1, Text: "a:1", Entry: true, Key: "a", Value: "1"},
			{Number: 3, Text: "plain", Entry: true, Key: "plain"},
			{Number: 4, Text: `"x:y":"v"`, Entry: true, Key: "x:y", Value: "v", Quoted: true},
			{Number: 5, Text: "10.0.0.7/24", Entry: true, Key: "10.0.0.7/24"},
			{Number: 6, Text: `bad:"v`},
		}},
	}
	for _, tt := range tests {
		var got []state.ListLine
		for l, err := range state.ListLines(strings.NewReader(text), tt.kind) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, l)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.kind, diff)
		}
	}
	for l := range state.ListLines(strings.NewReader("10.0.0.7/24\n"), state.ListCIDR) {
		if l.Key != "10.0.0.0/24" || !l.Entry {
			t.Errorf("a network with host bits: %+v", l)
		}
	}
}

// TestLinesAndLoadingAgree: the entries among the lines are the keys loaded.
func TestLinesAndLoadingAgree(t *testing.T) {
	store, err := state.OpenMemory(state.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	rapid.Check(t, func(r *rapid.T) {
		kind := rapid.SampledFrom([]state.ListKind{state.ListCDB, state.ListCIDR, state.ListPrefix}).Draw(r, "kind")
		piece := rapid.SampledFrom([]string{"a", "10.0.0.", "10.0.0.0/8", "::1", ":", ":", "\"", "\n", "\n", "\r\n", " ", strings.Repeat("k", 70_000)})
		text := strings.Join(rapid.SliceOfN(piece, 0, 30).Draw(r, "text"), "")
		keys := map[string]string{}
		dropped := 0
		for l, err := range state.ListLines(strings.NewReader(text), kind) {
			if err != nil {
				r.Fatal(err)
			}
			if !l.Entry {
				dropped++
			} else if _, again := keys[l.Key]; !again {
				keys[l.Key] = l.Value
			}
		}
		if err := store.Lists().Remove("l"); err != nil {
			r.Fatal(err)
		}
		info, err := store.Lists().Load("l", kind, false, strings.NewReader(text))
		if err != nil {
			r.Fatal(err)
		}
		loaded := map[string]string{}
		for e, err := range store.Lists().View().Entries("l") {
			if err != nil {
				r.Fatal(err)
			}
			loaded[e.Key] = e.Value
		}
		if diff := cmp.Diff(loaded, keys); diff != "" || info.Dropped != dropped {
			r.Fatalf("%d dropped, %d loading (-loaded +lines):\n%s", dropped, info.Dropped, diff)
		}
	})
}
