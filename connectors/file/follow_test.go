package file_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"invigil/connectors"
	"invigil/connectors/file"
)

// follower runs a following source and hands out what it reads.
type follower struct {
	t    *testing.T
	got  chan string // "partition:line text"
	stop func() error
}

// follow starts a source. The next line to read of each partition is in next,
// as the pipeline's state keeps it; commit says whether batches are committed.
func follow(t *testing.T, o file.SourceOptions, next map[int32]int64, commit bool) *follower {
	t.Helper()
	o.Follow, o.Poll = true, 2*time.Millisecond
	s, err := file.NewSource(o)
	if err != nil {
		t.Fatal(err)
	}
	f := &follower{t: t, got: make(chan string, 10000)}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	var mu sync.Mutex
	go func() {
		done <- s.Run(ctx, func(ctx context.Context, r connectors.Reader) error {
			mu.Lock()
			if n, ok := next[r.Partition()]; ok {
				r.StartAt(n)
			}
			mu.Unlock()
			for {
				ms, err := r.Read(ctx)
				if err != nil {
					return err
				}
				last := ms[len(ms)-1].Offset + 1
				mu.Lock()
				if next != nil {
					next[r.Partition()] = last
				}
				mu.Unlock()
				if commit {
					if err := r.Commit(ctx, last); err != nil {
						return err
					}
				}
				for _, m := range ms {
					f.got <- fmt.Sprintf("%d:%d %s", m.Partition, m.Offset, m.Value)
				}
			}
		})
	}()
	f.stop = sync.OnceValue(func() error { cancel(); return <-done })
	t.Cleanup(func() {
		if err := f.stop(); err != nil {
			t.Error(err)
		}
	})
	return f
}

// want reads as many lines as are given and compares.
func (f *follower) want(lines ...string) {
	f.t.Helper()
	deadline := time.After(20 * time.Second)
	var got []string
	for range lines {
		select {
		case line := <-f.got:
			got = append(got, line)
		case <-deadline:
			f.t.Fatalf("waited in vain: got %q of %q", got, lines)
		}
	}
	if d := cmp.Diff(lines, got); d != "" {
		f.t.Fatal(d)
	}
}

func appendTo(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func TestAFileIsFollowed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "archives.json")
	f := follow(t, file.SourceOptions{Paths: []string{path}}, nil, false) // it is not there yet
	appendTo(t, path, "a\nb\n")
	f.want("0:1 a", "0:2 b")
	appendTo(t, path, "half")
	appendTo(t, path, " a line\nc\n")
	f.want("0:3 half a line", "0:4 c")

	rename(t, path, path+".1")
	appendTo(t, path+".1", "d\nunended")
	appendTo(t, path, "e\n")
	f.want("0:5 d", "0:6 unended", "0:7 e")

	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	appendTo(t, path, "f\n") // as long as before
	f.want("0:8 f")
	if err := os.WriteFile(path, []byte("g\nh\ni\n"), 0o600); err != nil { // longer than before
		t.Fatal(err)
	}
	f.want("0:9 g", "0:10 h", "0:11 i")
}

func TestEachFollowedPathIsAPartition(t *testing.T) {
	dir := t.TempDir()
	one, two := put(t, dir, "one", "a\n"), put(t, dir, "two", "b\n")
	f := follow(t, file.SourceOptions{Paths: []string{one, two}}, nil, false)
	got := []string{<-f.got, <-f.got}
	slices.Sort(got)
	if d := cmp.Diff([]string{"0:1 a", "1:1 b"}, got); d != "" {
		t.Fatal(d)
	}
	appendTo(t, two, "c\n")
	f.want("1:2 c")
}

func TestARestartFindsItsPlace(t *testing.T) {
	for _, tt := range []struct {
		name     string
		meantime func(t *testing.T, path string)
		want     []string
	}{
		{"where nothing happened", func(t *testing.T, path string) { appendTo(t, path, "d\n") }, []string{"0:4 d"}},
		{"in a file rotated away", func(t *testing.T, path string) {
			appendTo(t, path, "d\n")
			rename(t, path, path+".1")
			appendTo(t, path, "e\n")
		}, []string{"0:4 d", "0:5 e"}},
		{"in a file rotated away twice", func(t *testing.T, path string) {
			appendTo(t, path, "d\n")
			rename(t, path, path+".2")
			old := time.Now().Add(-time.Hour)
			if err := os.Chtimes(path+".2", old, old); err != nil {
				t.Fatal(err)
			}
			appendTo(t, path+".1", "e\nunended")
			appendTo(t, path, "f\n")
		}, []string{"0:4 d", "0:5 e", "0:6 unended", "0:7 f"}},
		{"in a successor when the file is gone", func(t *testing.T, path string) {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			appendTo(t, path, "e\n")
		}, []string{"0:4 e"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "archives.json")
			o := file.SourceOptions{Paths: []string{path}, Positions: filepath.Join(dir, "positions.json")}
			next := map[int32]int64{}
			appendTo(t, path, "a\nb\nc\n")
			f := follow(t, o, next, true)
			f.want("0:1 a", "0:2 b", "0:3 c")
			if err := f.stop(); err != nil {
				t.Fatal(err)
			}
			tt.meantime(t, path)
			follow(t, o, next, true).want(tt.want...)
		})
	}
}

func TestARestartSkipsWhatTheStateHasBeyondTheCommittedPlace(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "archives.json")
	o := file.SourceOptions{Paths: []string{path}, Positions: filepath.Join(dir, "positions.json")}
	next := map[int32]int64{}
	appendTo(t, path, "a\n")
	f := follow(t, o, next, true)
	f.want("0:1 a")
	if err := f.stop(); err != nil {
		t.Fatal(err)
	}
	appendTo(t, path, "b\nc\n")
	f = follow(t, o, next, false) // applied, but not committed: a crash
	f.want("0:2 b", "0:3 c")
	if err := f.stop(); err != nil {
		t.Fatal(err)
	}
	appendTo(t, path, "d\n")
	follow(t, o, next, true).want("0:4 d")
}

func TestWithoutPositionsAShorterFileIsTakenForANewOne(t *testing.T) {
	path := put(t, t.TempDir(), "archives.json", "x\ny\n")
	follow(t, file.SourceOptions{Paths: []string{path}}, map[int32]int64{0: 3}, false).want() // two lines were read before
	f := follow(t, file.SourceOptions{Paths: []string{path}}, map[int32]int64{0: 10}, false)
	f.want("0:10 x", "0:11 y")
}

func TestWhatCannotBeFollowedIsRefused(t *testing.T) {
	dir := t.TempDir()
	for want, o := range map[string]file.SourceOptions{
		"standard input": {Paths: []string{"-"}, Stdin: strings.NewReader("")},
		"named twice":    {Paths: []string{"a", "a"}},
		"no file":        {},
	} {
		o.Follow = true
		if _, err := file.NewSource(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want it to say %q", err, want)
		}
	}
	run := func(o file.SourceOptions) error {
		o.Follow = true
		s, err := file.NewSource(o)
		if err != nil {
			t.Fatal(err)
		}
		return s.Run(t.Context(), func(ctx context.Context, r connectors.Reader) error {
			_, err := r.Read(ctx)
			return err
		})
	}
	if err := run(file.SourceOptions{Paths: []string{dir}}); err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("got %v", err)
	}
	broken := put(t, dir, "positions.json", "{")
	if err := run(file.SourceOptions{Paths: []string{filepath.Join(dir, "a")}, Positions: broken}); err == nil || !strings.Contains(err.Error(), "remove it") {
		t.Errorf("got %v", err)
	}
}

func TestAnErrorOfServeEndsTheSource(t *testing.T) {
	dir := t.TempDir()
	s, err := file.NewSource(file.SourceOptions{Paths: []string{put(t, dir, "a", ""), put(t, dir, "b", "x\n")}, Follow: true})
	if err != nil {
		t.Fatal(err)
	}
	boom := errors.New("boom")
	err = s.Run(t.Context(), func(ctx context.Context, r connectors.Reader) error {
		if _, err := r.Read(ctx); err != nil {
			return err
		}
		return boom
	})
	if !errors.Is(err, boom) {
		t.Errorf("got %v", err)
	}
}
