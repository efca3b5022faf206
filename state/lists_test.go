package state_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/cockroachdb/pebble/v2/vfs"

	"invigil/state"
)

func TestListTextIsReadByteForByte(t *testing.T) {
	long := strings.Repeat("k", 65_534)
	for _, c := range []struct {
		name, text string
		want       []state.ListEntry
		dropped    int
	}{
		{name: "a key without a value", text: "10.0.0.5:\n", want: []state.ListEntry{{"10.0.0.5", ""}}},
		{name: "a key with a value", text: "10.0.0.:office net\n", want: []state.ListEntry{{"10.0.0.", "office net"}}},
		{name: "both in quotes", text: `"fe80::1":"link:local"` + "\n", want: []state.ListEntry{{"fe80::1", "link:local"}}},
		{name: "a quoted key with a colon", text: `"a:b":c`, want: []state.ListEntry{{"a:b", "c"}}},
		{name: "a value whose quote is not closed", text: `a:"b`, dropped: 1},
		{name: "a key whose quote is not closed", text: `"a:b`, dropped: 1},
		{name: "no colon", text: "plain\n", dropped: 1},
		{name: "no colon after the quoted key", text: `"a:b"c` + "\n", dropped: 1},
		{name: "an empty key", text: ":x\n", want: []state.ListEntry{{"", "x"}}},
		{name: "further colons belong to the value", text: "a:b:c\n", want: []state.ListEntry{{"a", "b:c"}}},
		{name: "nothing is trimmed", text: " k : v \n", want: []state.ListEntry{{" k ", " v "}}},
		{name: "quotes within a value", text: `url:http://x"y"z`, want: []state.ListEntry{{"url", "y"}}},
		{name: "text before a quoted key", text: `x"y"z:v`, want: []state.ListEntry{{"y", "v"}}},
		{name: "a comment is a record if it has a colon", text: "# x: y\n#z\n", want: []state.ListEntry{{"# x", " y"}}, dropped: 1},
		{name: "cut at CR", text: "a:1\r\nb:2\rc:3\n", want: []state.ListEntry{{"a", "1"}, {"b", "2"}}},
		{name: "empty lines", text: "\n\r\n\na:1\n\n", want: []state.ListEntry{{"a", "1"}}},
		{name: "the first of two counts", text: "a:1\na:2\n", want: []state.ListEntry{{"a", "1"}}},
		{name: "case counts", text: "A:1\na:2\n", want: []state.ListEntry{{"A", "1"}, {"a", "2"}}},
		{name: "bytes that are not UTF-8", text: "\xff\xfe:\x80\n", want: []state.ListEntry{{"\xff\xfe", "\x80"}}},
		{name: "a long line is split", text: long + "a:b\n", want: []state.ListEntry{{"a", "b"}}, dropped: 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, _ := openMemory(t)
			info, err := s.Lists().Load("l", state.ListCDB, false, iotest.OneByteReader(strings.NewReader(c.text)))
			ok(t, err)
			var got []state.ListEntry
			for e, err := range s.Lists().View().Entries("l") {
				ok(t, err)
				got = append(got, e)
			}
			if fmt.Sprint(got) != fmt.Sprint(c.want) || info.Keys != len(c.want) || info.Dropped != c.dropped {
				t.Fatalf("got %q, %d keys, %d dropped; want %q, %d dropped", got, info.Keys, info.Dropped, c.want, c.dropped)
			}
			for _, e := range c.want {
				if value, found := s.Lists().View().Get("l", e.Key); !found || value != e.Value {
					t.Errorf("key %q: %q, %v", e.Key, value, found)
				}
			}
		})
	}
}

func TestListKindsMatch(t *testing.T) {
	for _, c := range []struct {
		kind      state.ListKind
		fold      bool
		text      string
		hit, miss []string // "key=value" and keys
		dropped   int
	}{
		{kind: state.ListCDB, text: "Evil.exe:1\n", hit: []string{"Evil.exe=1"}, miss: []string{"evil.exe", "Evil.ex", ""}},
		{kind: state.ListCDB, fold: true, text: "Evil.exe:1\nEVIL.EXE:2\n", hit: []string{"evil.EXE=1"}},
		{
			kind: state.ListCIDR, dropped: 1,
			text: "10.0.0.0/8:wide\n10.1.0.0/16:narrow\n2001:db8::/32\n\"fe80::1\":one\n192.168.7.9\nnonsense:x\n",
			hit: []string{"10.9.9.9=wide", "10.1.2.3=narrow", "2001:db8::7=", "fe80::1=one", "192.168.7.9=",
				"::ffff:10.1.2.3=narrow", "fe80::1%eth0=one"},
			miss: []string{"11.0.0.1", "2001:db9::1", "192.168.7.8", "", "x", "10.0.0.0/8"},
		},
		{
			kind: state.ListPrefix,
			text: "/usr/:system\n/usr/local/:local\n/opt\n",
			hit:  []string{"/usr/bin/nc=system", "/usr/local/bin/x=local", "/opt/y=", "/usr/=system"},
			miss: []string{"/usr", "/var", ""},
		},
		{kind: state.ListPrefix, fold: true, text: "c:\\temp\n\"C:\\Temp\\\":2\n", hit: []string{`C:\TEMP\x=2`}, miss: []string{`D:\x`}},
	} {
		t.Run(fmt.Sprint(c.kind, c.fold), func(t *testing.T) {
			s, _ := openMemory(t)
			info, err := s.Lists().Load("l", c.kind, c.fold, strings.NewReader(c.text))
			ok(t, err)
			if info.Dropped != c.dropped {
				t.Errorf("%d lines dropped, want %d", info.Dropped, c.dropped)
			}
			v := s.Lists().View()
			for _, hit := range c.hit {
				key, want, _ := strings.Cut(hit, "=")
				if value, found := v.Get("l", key); !found || value != want {
					t.Errorf("%q: %q, %v; want %q", key, value, found, want)
				}
			}
			for _, key := range c.miss {
				if value, found := v.Get("l", key); found {
					t.Errorf("%q: %q, want none", key, value)
				}
			}
		})
	}
}

func TestListIsReplacedAtOnce(t *testing.T) {
	fs := vfs.NewMem()
	s, err := state.Open("db", state.Options{FS: fs})
	ok(t, err)
	l := s.Lists()
	first, err := l.Load("etc/lists/x", state.ListCDB, false, strings.NewReader("a:1\nb:2\n"))
	ok(t, err)
	old := l.View()

	// The same content, in another order, is the same list.
	same, err := l.Load("etc/lists/x", state.ListCDB, false, strings.NewReader("b:2\na:1\n\n"))
	ok(t, err)
	if same != first || l.View() != old {
		t.Fatal("an unchanged list was replaced")
	}
	if other, err := l.Load("etc/lists/x", state.ListCDB, false, strings.NewReader("a:1\nb:3\n")); err != nil || other.Fingerprint == first.Fingerprint {
		t.Fatalf("changed value, same fingerprint (%v)", err)
	}
	if value, _ := old.Get("etc/lists/x", "b"); value != "2" {
		t.Fatalf("the view changed: %q", value)
	}
	// A text that cannot be read to its end leaves the list as it was.
	broken := io.MultiReader(strings.NewReader("c:1\n"), iotest.ErrReader(errors.New("disk on fire")))
	if _, err := l.Load("etc/lists/x", state.ListCDB, false, broken); err == nil || !strings.Contains(err.Error(), "load list etc/lists/x: disk on fire") {
		t.Fatalf("error: %v", err)
	}
	if value, _ := l.View().Get("etc/lists/x", "b"); value != "3" {
		t.Fatalf("after a failed load: %q", value)
	}
	if l.View().Has("x") || l.View().Fingerprint("x") != 0 {
		t.Fatal("a list that was never loaded is there")
	}
	ok(t, s.Close())

	// It is there after a restart, with the same fingerprint, and can go.
	s, err = state.Open("db", state.Options{FS: fs})
	ok(t, err)
	defer s.Close()
	info, found := s.Lists().View().Info("etc/lists/x")
	if !found || info.Keys != 2 || len(s.Lists().View().All()) != 1 {
		t.Fatalf("after a restart: %+v", info)
	}
	ok(t, s.Lists().Remove("etc/lists/x"))
	if s.Lists().View().Has("etc/lists/x") {
		t.Fatal("removed, but there")
	}
}

// bigList yields the text of a list of n hashes as keys, each twice.
func bigList(n int) io.Reader {
	r, w := io.Pipe()
	go func() {
		var b bytes.Buffer
		for i := range n {
			fmt.Fprintf(&b, "%016x%048d:v%d\n", uint64(i)*0x9e3779b97f4a7c15, i, i)
			if i%7 == 0 {
				fmt.Fprintf(&b, "%016x%048d:again\n", uint64(i)*0x9e3779b97f4a7c15, i)
			}
			if b.Len() > 1<<16 {
				if _, err := b.WriteTo(w); err != nil {
					return
				}
			}
		}
		_, err := b.WriteTo(w)
		w.CloseWithError(err)
	}()
	return r
}

func bigKey(i int) string {
	return fmt.Sprintf("%016x%048d", uint64(i)*0x9e3779b97f4a7c15, i)
}

func TestLargeListsAreReadFromTheStore(t *testing.T) {
	s, err := state.OpenMemory(state.Options{ListBytes: 1 << 20})
	ok(t, err)
	defer s.Close()
	const n = 60_000
	info, err := s.Lists().Load("hashes", state.ListCDB, false, bigList(n))
	ok(t, err)
	if info.Keys != n {
		t.Fatalf("%d keys, want %d", info.Keys, n)
	}
	old := s.Lists().View()
	for i := 0; i < n; i += 97 {
		if value, found := old.Get("hashes", bigKey(i)); !found || value != fmt.Sprint("v", i) {
			t.Fatalf("key %d: %q, %v", i, value, found)
		}
	}
	if _, found := old.Get("hashes", bigKey(n)); found {
		t.Fatal("a key that is not in the list was found")
	}
	// A view goes on after the list was replaced, however often.
	for i := range 3 {
		_, err = s.Lists().Load("hashes", state.ListCDB, false, strings.NewReader(fmt.Sprintf("k:%d\n", i)))
		ok(t, err)
		runtime.GC()
	}
	if value, found := old.Get("hashes", bigKey(7)); !found || value != "v7" {
		t.Fatalf("old view: %q, %v", value, found)
	}
	runtime.KeepAlive(old)
}

// heap returns the bytes in use on the heap.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func FuzzListText(f *testing.F) {
	for _, text := range []string{
		"10.0.0.5:\n10.0.0.:office net\n", `"fe80::1":"link:local"`, "a:\"b\nplain\n:x\n", "k\r\n\rx:y\n", "2001:db8::/32\n",
	} {
		f.Add(text, uint8(0), false)
		f.Add(text, uint8(1), false)
		f.Add(text, uint8(2), true)
	}
	f.Fuzz(func(t *testing.T, text string, kind uint8, fold bool) {
		s, err := state.OpenMemory(state.Options{CacheBytes: 1 << 20})
		ok(t, err)
		defer s.Close()
		info, err := s.Lists().Load("l", state.ListKind(kind%3), fold, strings.NewReader(text))
		ok(t, err)
		n := 0
		v := s.Lists().View()
		for e, err := range v.Entries("l") {
			ok(t, err)
			n++
			if strings.ContainsAny(e.Key+e.Value, "\r\n") {
				t.Fatalf("entry %q", e)
			}
			if info.Kind == state.ListCDB {
				if value, found := v.Get("l", e.Key); !found || value != e.Value {
					t.Fatalf("entry %q is looked up as %q, %v", e, value, found)
				}
			}
		}
		if n != info.Keys || info.Keys+info.Dropped > strings.Count(text, "\n")+1+len(text)/65_534 {
			t.Fatalf("%d entries, %+v", n, info)
		}
	})
}
