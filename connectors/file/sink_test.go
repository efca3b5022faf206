package file_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"invigil/connectors"
	"invigil/connectors/file"
)

func deliver(t *testing.T, s connectors.Sink, values ...string) {
	t.Helper()
	var items []connectors.Item
	for _, v := range values {
		items = append(items, connectors.Item{ID: v, Value: []byte(v)})
	}
	if err := s.Deliver(t.Context(), items); err != nil {
		t.Fatal(err)
	}
}

// files returns the contents of a directory by name.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all[e.Name()] = string(b)
	}
	return all
}

func TestTheFileSink(t *testing.T) {
	day := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name string
		o    file.SinkOptions
		do   func(t *testing.T, path string, s *file.Sink, now *time.Time)
		want map[string]string
	}{
		{"appends a line an item", file.SinkOptions{}, func(t *testing.T, _ string, s *file.Sink, _ *time.Time) {
			deliver(t, s, "a", "b")
			deliver(t, s, "c")
		}, map[string]string{"alerts.json": "a\nb\nc\n"}},
		{"begins a new file every day", file.SinkOptions{Daily: true}, func(t *testing.T, _ string, s *file.Sink, now *time.Time) {
			deliver(t, s, "a")
			*now = now.Add(24 * time.Hour)
			deliver(t, s, "b")
			*now = now.Add(time.Hour)
			deliver(t, s, "c")
		}, map[string]string{"alerts-2026-11-24.json": "a\n", "alerts.json": "b\nc\n"}},
		{"leaves an empty file in place", file.SinkOptions{Daily: true}, func(t *testing.T, _ string, s *file.Sink, now *time.Time) {
			*now = now.Add(24 * time.Hour)
			deliver(t, s, "b")
		}, map[string]string{"alerts.json": "b\n"}},
		{"begins a new file before one grows too large", file.SinkOptions{MaxBytes: 5}, func(t *testing.T, _ string, s *file.Sink, _ *time.Time) {
			for _, v := range []string{"aa", "b", "c", "larger than that", "d"} {
				deliver(t, s, v)
			}
		}, map[string]string{"alerts-2026-11-24.json": "aa\nb\n", "alerts-2026-11-24.1.json": "c\n", "alerts-2026-11-24.2.json": "larger than that\n", "alerts.json": "d\n"}},
		{"opens the path again when told so", file.SinkOptions{}, func(t *testing.T, path string, s *file.Sink, _ *time.Time) {
			deliver(t, s, "a")
			rename(t, path, path+".1")
			deliver(t, s, "b")
			if err := s.Reopen(); err != nil {
				t.Fatal(err)
			}
			deliver(t, s, "c")
		}, map[string]string{"alerts.json.1": "a\nb\n", "alerts.json": "c\n"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir, now := t.TempDir(), day
			tt.o.Path = filepath.Join(dir, "alerts.json")
			tt.o.Now = func() time.Time { return now }
			s, err := file.NewSink(tt.o)
			if err != nil {
				t.Fatal(err)
			}
			tt.do(t, tt.o.Path, s, &now)
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if d := cmp.Diff(tt.want, files(t, dir)); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestAFileOfAnotherDayIsRotatedAtARestartToo(t *testing.T) {
	dir := t.TempDir()
	path := put(t, dir, "alerts.json", "old\n") // of 2023-11-14
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	s, err := file.NewSink(file.SinkOptions{Path: path, Daily: true, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	deliver(t, s, "new")
	if d := cmp.Diff(map[string]string{"alerts-2023-11-14.json": "old\n", "alerts.json": "new\n"}, files(t, dir)); d != "" {
		t.Error(d)
	}
}

func TestALineTornByACrashIsClosed(t *testing.T) {
	dir := t.TempDir()
	path := put(t, dir, "alerts.json", "whole\nto")
	s, err := file.NewSink(file.SinkOptions{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	deliver(t, s, "torn")
	if d := cmp.Diff(map[string]string{"alerts.json": "whole\nto\ntorn\n"}, files(t, dir)); d != "" {
		t.Error(d)
	}
}

func TestAFileSinkThatCannotOpenSaysWhy(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]string{
		"":                                 "no path",
		filepath.Join(dir, "no", "a.json"): "there is no directory " + filepath.Join(dir, "no"),
		dir:                                "is a directory",
	} {
		if _, err := file.NewSink(file.SinkOptions{Path: path}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want it to say %q", path, err, want)
		}
	}
}

func TestADeviceThatIsFullFailsTheDelivery(t *testing.T) {
	s, err := file.NewSink(file.SinkOptions{Path: "/dev/full"})
	if err != nil {
		t.Skip(err)
	}
	defer s.Close()
	for range 2 {
		if err := s.Deliver(t.Context(), []connectors.Item{{Value: []byte("a")}}); err == nil {
			t.Error("delivered to a full device")
		}
	}
}

func TestTheWriterSink(t *testing.T) {
	var b bytes.Buffer
	s := file.NewWriterSink(&b)
	deliver(t, s, "a", "b")
	if b.String() != "a\nb\n" {
		t.Errorf("got %q", b.String())
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	boom := errors.New("boom")
	if err := file.NewWriterSink(failing{boom}).Deliver(t.Context(), []connectors.Item{{Value: []byte("a")}}); !errors.Is(err, boom) {
		t.Errorf("got %v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, fmt.Errorf("writing: %w", f.err) }
