package file_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"invigil/connectors"
	"invigil/connectors/file"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// modified is the modification time that the tests' files get.
var modified = time.UnixMilli(1700000000123)

func put(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, modified, modified); err != nil {
		t.Fatal(err)
	}
	return path
}

func clone(m connectors.Message) connectors.Message {
	m.Key, m.Value, m.Headers = slices.Clone(m.Key), slices.Clone(m.Value), slices.Clone(m.Headers)
	for i := range m.Headers {
		m.Headers[i].Value = slices.Clone(m.Headers[i].Value)
	}
	return m
}

func readAll(t interface{ Fatal(...any) }, o file.Options) []connectors.Message {
	in, err := file.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	var all []connectors.Message
	for {
		ms, err := in.Read(context.Background())
		if errors.Is(err, io.EOF) {
			if _, again := in.Read(context.Background()); !errors.Is(again, io.EOF) {
				t.Fatal("the end did not last")
			}
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(ms) == 0 {
			t.Fatal("no messages and no error")
		}
		for _, m := range ms {
			all = append(all, clone(m))
		}
	}
}

func TestEachLineIsAMessage(t *testing.T) {
	line := func(n, at int64, value string) connectors.Message {
		return connectors.Message{Offset: n, Time: at, Inferred: true, Value: []byte(value)}
	}
	record := connectors.Message{Topic: "t", Partition: 3, Offset: 7, Time: 5000, Value: []byte("x")}
	const kcat = `{"topic":"t","partition":3,"offset":7,"tstype":"create","ts":5000,"broker":1,"key":null,"payload":"x"}`
	timeless := record
	timeless.Inferred, timeless.Time = true, 0
	const kcatTimeless = `{"topic":"t","partition":3,"offset":7,"tstype":"unknown","ts":-1,"broker":1,"key":null,"payload":"x"}`
	for _, tt := range []struct {
		name string
		text string
		want []connectors.Message
	}{
		{"nothing", "", nil},
		{"lines by number", "one\ntwo\n", []connectors.Message{line(1, 0, "one"), line(2, 0, "two")}},
		{"the last without an end", "one\ntwo", []connectors.Message{line(1, 0, "one"), line(2, 0, "two")}},
		{"blank lines count but are none", "\n \t\none\n\r\n\ntwo\n", []connectors.Message{line(3, 0, "one"), line(6, 0, "two")}},
		{"ends of Windows", "one\r\ntwo\r\n", []connectors.Message{line(1, 0, "one"), line(2, 0, "two")}},
		{"binary garbage as it is", "\x00\xff\xfe\n\x80", []connectors.Message{line(1, 0, "\x00\xff\xfe"), line(2, 0, "\x80")}},
		{"a Kafka record carries its place and time", kcat + "\n", []connectors.Message{record}},
		{"a line after a record takes its time", "one\n" + kcat + "\ntwo\n", []connectors.Message{line(1, 0, "one"), record, line(3, 5000, "two")}},
		{"a record without a time", kcatTimeless, []connectors.Message{timeless}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := readAll(t, file.Options{Paths: []string{"-"}, Stdin: strings.NewReader(tt.text)})
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("stdin: %s", d)
			}
			path := put(t, t.TempDir(), "f", tt.text)
			want := slices.Clone(tt.want)
			for i := range want {
				if want[i].Time == 0 {
					want[i].Time = modified.UnixMilli()
				}
			}
			if d := cmp.Diff(want, readAll(t, file.Options{Paths: []string{path}})); d != "" {
				t.Errorf("file: %s", d)
			}
		})
	}
}

func TestFilesAreReadInTheirOrderAndNumberedThrough(t *testing.T) {
	dir := t.TempDir()
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	if _, err := w.Write([]byte("c\nd")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	paths := []string{put(t, dir, "2", "a\nb"), put(t, dir, "empty", ""), put(t, dir, "1.gz", z.String()), "-", put(t, dir, "3", "f\n")}
	got := readAll(t, file.Options{Paths: paths, Stdin: strings.NewReader("e\n")})
	var s []string
	for _, m := range got {
		s = append(s, fmt.Sprintf("%d %s %v", m.Offset, m.Value, m.Time != 0))
	}
	if d := cmp.Diff([]string{"1 a true", "2 b true", "3 c true", "4 d true", "5 e false", "6 f true"}, s); d != "" {
		t.Error(d)
	}
}

func TestWhatCannotBeReadIsSaidAtOnce(t *testing.T) {
	dir := t.TempDir()
	good := put(t, dir, "good", "a\n")
	_, err := file.Open(file.Options{Paths: []string{good, filepath.Join(dir, "missing"), dir, "-"}})
	if err == nil {
		t.Fatal("opened")
	}
	for _, want := range []string{"missing", "is a directory", "standard input"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
	if _, err := file.Open(file.Options{}); err == nil {
		t.Error("opened nothing")
	}
	if _, err := file.NewSource(file.SourceOptions{Paths: []string{filepath.Join(dir, "missing")}}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	broken := put(t, dir, "broken.gz", "\x1f\x8bnonsense")
	in, err := file.Open(file.Options{Paths: []string{broken}})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if _, err := in.Read(t.Context()); err == nil || !strings.Contains(err.Error(), "broken.gz") {
		t.Errorf("got %v", err)
	}
}

func TestALongLineIsOneMessageUpToALimit(t *testing.T) {
	long, huge := strings.Repeat("x", 20<<20), strings.Repeat("y", 65<<20)
	in, err := file.Open(file.Options{Paths: []string{"-"}, Stdin: strings.NewReader("a\n" + long + "\nb\n" + huge + "\nc\n" + huge)})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	var sizes []int
	for {
		ms, err := in.Read(t.Context())
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range ms {
			sizes = append(sizes, len(m.Value))
			if m.Offset != int64(len(sizes)) {
				t.Errorf("message %d has offset %d", len(sizes), m.Offset)
			}
		}
	}
	if want := []int{1, 20 << 20, 1, 64 << 20, 1, 64 << 20}; !slices.Equal(sizes, want) || in.Cut() != 2 {
		t.Errorf("sizes %v, %d cut; want %v, 2 cut", sizes, in.Cut(), want)
	}
}

// TestLinesDoNotDependOnHowTheyArrive reads random text in random pieces.
func TestLinesDoNotDependOnHowTheyArrive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.SampledFrom([]rune("ab\n\n\r{"))).Draw(t, "text")
		var want []string
		for i, line := range strings.Split(text, "\n") {
			if strings.TrimSpace(line) != "" {
				if i < strings.Count(text, "\n") {
					line = strings.TrimSuffix(line, "\r")
				}
				want = append(want, fmt.Sprintf("%d %q", i+1, line))
			}
		}
		r := rapid.SampledFrom([]func(io.Reader) io.Reader{iotest.OneByteReader, iotest.HalfReader, iotest.DataErrReader}).Draw(t, "reader")
		var got []string
		for _, m := range readAll(t, file.Options{Paths: []string{"-"}, Stdin: r(strings.NewReader(text))}) {
			got = append(got, fmt.Sprintf("%d %q", m.Offset, m.Value))
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatal(d)
		}
	})
}

func TestWaitingForTheStandardInputCanBeCutShort(t *testing.T) {
	r, w := io.Pipe()
	in, err := file.Open(file.Options{Paths: []string{"-"}, Stdin: r})
	if err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for range 3 {
		if _, err := in.Read(ended); !errors.Is(err, context.Canceled) {
			t.Fatalf("got %v", err)
		}
	}
	short, stop := context.WithCancel(t.Context())
	time.AfterFunc(time.Millisecond, stop)
	if _, err := in.Read(short); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	go func() { _, _ = w.Write([]byte("a\n")) }()
	ms, err := in.Read(t.Context())
	if err != nil || len(ms) != 1 || string(ms[0].Value) != "a" {
		t.Fatalf("got %v, %v", ms, err)
	}
	boom := errors.New("boom")
	w.CloseWithError(boom)
	if _, err := in.Read(t.Context()); !errors.Is(err, boom) {
		t.Errorf("got %v", err)
	}
}

func TestASourceServesTheFilesOnceAndEnds(t *testing.T) {
	dir := t.TempDir()
	s, err := file.NewSource(file.SourceOptions{Paths: []string{put(t, dir, "1", "a\nb\n"), put(t, dir, "2", "c\n")}})
	if err != nil {
		t.Fatal(err)
	}
	for _, start := range []int64{0, 2} {
		var got []string
		err := s.Run(t.Context(), func(ctx context.Context, r connectors.Reader) error {
			if r.Topic() != "" || r.Partition() != 0 {
				t.Errorf("serving %s/%d", r.Topic(), r.Partition())
			}
			r.StartAt(start)
			for {
				ms, err := r.Read(ctx)
				if err != nil {
					return err
				}
				for _, m := range ms {
					got = append(got, string(m.Value))
				}
			}
		})
		if want := []string{"a", "b", "c"}[max(0, start-1):]; err != nil || !slices.Equal(got, want) {
			t.Errorf("from %d: got %v, %v; want %v", start, got, err, want)
		}
	}
	boom := errors.New("boom")
	if err := s.Run(t.Context(), func(context.Context, connectors.Reader) error { return boom }); !errors.Is(err, boom) {
		t.Errorf("got %v, want serve's error", err)
	}
}

func BenchmarkRead(b *testing.B) {
	plain := strings.Repeat(`d:[001] (web) any->syscollector:{"type":"port","ID":1,"port":{"protocol":"tcp","local_ip":"0.0.0.0"}}`+"\n", 10000)
	record := strings.Repeat(`{"topic":"t","partition":0,"offset":1,"tstype":"create","ts":1700000000000,"broker":1,"key":"001","payload":"{\"type\":\"port\",\"ID\":1,\"port\":{\"protocol\":\"tcp\",\"local_ip\":\"0.0.0.0\"}}"}`+"\n", 10000)
	for name, text := range map[string]string{"lines": plain, "kcat": record} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(text)))
			for range b.N {
				in, err := file.Open(file.Options{Paths: []string{"-"}, Stdin: strings.NewReader(text)})
				if err != nil {
					b.Fatal(err)
				}
				for err == nil {
					_, err = in.Read(context.Background())
				}
			}
		})
	}
}
